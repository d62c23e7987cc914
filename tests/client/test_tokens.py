"""The encrypted token store."""

from __future__ import annotations

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from clavichord.client.errors import ConfigurationError
from clavichord.client.tokens import MemoryTokens, Pending, SQLiteTokens, Tokens, TokenStore

TOKENS = Tokens("access-token-in-clear", "refresh-token-in-clear", ("a:read",), 2e9, 1e9, (1.0,))


class Clock:
    now = 1e9

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> TokenStore:
    return MemoryTokens(clock=clock) if request.param == "memory" else SQLiteTokens(tmp_path / "t.db", clock=clock)


def test_a_store_keeps_tokens_by_name(store: TokenStore) -> None:
    assert (store.load("b"), store.names()) == (None, [])
    store.save("b", TOKENS)
    store.save("a", TOKENS)
    assert (store.load("b"), store.names()) == (TOKENS, ["a", "b"])
    store.delete("b")
    store.delete("never there")
    assert (store.load("b"), store.names()) == (None, ["a"])


def test_one_holds_a_claim_until_it_ends(store: TokenStore, clock: Clock) -> None:
    assert store.claim("a", "one", 10)
    assert store.claim("b", "two", 10)
    assert not store.claim("a", "two", 10)
    assert store.claim("a", "one", 20)  # longer
    store.release("a", "two")  # not theirs
    clock.now += 19
    assert not store.claim("a", "two", 10)
    clock.now += 2
    assert store.claim("a", "two", 10)
    store.release("a", "two")
    assert store.claim("a", "three", 10)


def test_a_state_works_once_and_not_for_ever(store: TokenStore, clock: Clock) -> None:
    store.expect("s1", Pending("shop", "verifier", clock.now + 10))
    store.expect("s2", Pending("shop", "verifier", clock.now + 10))
    assert store.expected("s1") == Pending("shop", "verifier", clock.now + 10)
    assert store.expected("s1") is None
    clock.now += 11
    assert store.expected("s2") is None


def test_one_of_many_gets_the_claim(tmp_path: Path) -> None:
    stores = [SQLiteTokens(tmp_path / "t.db") for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda s: s.claim("a", repr(id(s)), 60), stores)) == 1


def test_nothing_in_the_files_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "t.db"
    store = SQLiteTokens(path)
    store.save("shop", TOKENS)
    store.expect("the-state", Pending("shop", "the-verifier", 2e9))
    stored = b"".join(file.read_bytes() for file in path.parent.iterdir())
    for secret in (b"access-token", b"refresh-token", b"the-state", b"the-verifier"):
        assert secret not in stored
    if os.name == "posix":
        assert {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {
            "t.db": 0o600,
            "t.db.key": 0o600,
        }
    assert SQLiteTokens(path).load("shop") == TOKENS


def test_a_key_can_be_given(tmp_path: Path) -> None:
    key = Fernet.generate_key()
    SQLiteTokens(tmp_path / "t.db", key=key).save("shop", TOKENS)
    assert SQLiteTokens(tmp_path / "t.db", key=key.decode() + "\n").load("shop") == TOKENS
    assert not (tmp_path / "t.db.key").exists()
    with pytest.raises(ConfigurationError, match="another key"):
        SQLiteTokens(tmp_path / "t.db", key=Fernet.generate_key()).load("shop")
    with pytest.raises(ConfigurationError, match="32 bytes") as caught:
        SQLiteTokens(tmp_path / "t.db", key="not-a-key")
    assert "not-a-key" not in str(caught.value)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_bytes(Fernet.generate_key())
    file.chmod(0o644)
    with pytest.raises(ConfigurationError, match=r"chmod 600 .*key"):
        SQLiteTokens(tmp_path / "t.db", key_file=file)


def test_an_entry_cannot_be_moved_to_another_name(tmp_path: Path) -> None:
    store = SQLiteTokens(tmp_path / "t.db")
    store.save("mine", TOKENS)
    with sqlite3.connect(tmp_path / "t.db") as db:
        db.execute("update tokens set name = 'yours'")
    db.close()
    with pytest.raises(ConfigurationError, match="tampered"):
        store.load("yours")
