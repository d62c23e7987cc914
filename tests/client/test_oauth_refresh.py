"""Refreshing under pressure: many at once, processes that die, rotation, limits, failures."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from tests.client.scripted_server import Answer, Asked, Scripted

from clavichord.client.client import AsyncKlaviyo, Klaviyo
from clavichord.client.errors import AuthenticationFailed, InvalidResponse, PermissionDenied, ServerError
from clavichord.client.install import Install
from clavichord.client.oauth import OAuth
from clavichord.client.pacing import Pacing
from clavichord.client.tokens import MemoryTokens, SQLiteTokens, Tokens, TokenStore
from clavichord.client.types import Reply, Send, Sleep

WORKER = Path(__file__).with_name("oauth_worker.py")


class TokenServer(Scripted):
    """Takes the newest access token only. `together`: refusals go out when that many have come.

    A refresh makes a new access token and, if `rotating`, a new refresh token that ends the one before.
    """

    def __init__(self, *, rotating: bool = False, lifetime: int = 3600) -> None:
        super().__init__()
        self.access, self.refresh, self.refreshes = "access-0", "refresh-0", 0
        self.rotating, self.lifetime = rotating, lifetime
        self.together = threading.Barrier(1)
        self.otherwise = self.answer

    def answer(self, asked: Asked) -> Answer:
        if asked.path == "/oauth/token":
            given = dict(parse_qsl(asked.body.decode()))
            if given["refresh_token"] != self.refresh:
                return Answer(400, {"error": "invalid_grant"})
            self.refreshes += 1
            self.access = f"access-{self.refreshes}"
            if self.rotating:
                self.refresh = f"refresh-{self.refreshes}"
            return Answer(200, self.tokens())
        if asked.headers.get("authorization") == f"Bearer {self.access}":
            return Answer(200, {"data": []})
        self.together.wait(30)
        return Answer(401)

    def tokens(self) -> dict[str, Any]:
        return {"access_token": self.access, "refresh_token": self.refresh, "expires_in": self.lifetime, "scope": ""}

    def app(self, store: TokenStore, clock: Any = None) -> OAuth:
        more = {"clock": clock} if clock else {}
        return OAuth(
            "app-1",
            "secret-1",
            redirect_uri="http://localhost/x",
            scopes=["lists:read"],
            store=store,
            base_url=self.base_url,
            **more,
        )

    def expire(self) -> None:
        """As if the hour were over, on Klaviyo's side."""
        self.access = "nobody has this one"


@pytest.fixture
def server() -> Any:
    made = TokenServer()
    yield made
    made.close()


NO_PACING = Pacing(enabled=False)


def given(store: TokenStore, expires_at: float = 1e12) -> None:
    store.save("app-1 shop", Tokens("access-0", "refresh-0", ("lists:read",), expires_at, 0.0))


def test_tasks_and_threads_refresh_once(server: TokenServer) -> None:
    store = MemoryTokens()
    given(store)
    server.expire()
    install = server.app(store).install("shop")
    server.together = threading.Barrier(20)

    async def main() -> list[int]:
        async with AsyncKlaviyo(install, base_url=server.base_url, pacing=NO_PACING) as klaviyo:
            answers = await asyncio.gather(*(klaviyo.send("get_lists") for _ in range(20)))
        return [answer.status for answer in answers]

    assert asyncio.run(main()) == [200] * 20
    assert server.refreshes == 1
    server.expire()
    server.together = threading.Barrier(8)
    with Klaviyo(install, base_url=server.base_url, pacing=NO_PACING) as klaviyo, ThreadPoolExecutor(8) as pool:
        assert [a.status for a in pool.map(lambda _: klaviyo.send("get_lists"), range(8))] == [200] * 8
    assert server.refreshes == 2


def work(server: TokenServer, path: Path, threads: int, *mode: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(WORKER), server.base_url, str(path), str(threads), *mode]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_two_processes_refresh_once(server: TokenServer, tmp_path: Path) -> None:
    path = tmp_path / "tokens.db"
    given(SQLiteTokens(path))
    server.expire()
    server.together = threading.Barrier(6)  # all six have been refused before one of them hears of it
    workers = [work(server, path, 3), work(server, path, 3)]
    assert [worker.communicate(timeout=60)[0] for worker in workers] == ["200 200 200"] * 2
    assert server.refreshes == 1
    held = SQLiteTokens(path).load("app-1 shop")
    assert held is not None
    assert held.access == "access-1"


def test_a_process_killed_before_it_persists_leaves_a_login_that_works(server: TokenServer, tmp_path: Path) -> None:
    path = tmp_path / "tokens.db"
    given(SQLiteTokens(path))
    server.expire()
    victim = work(server, path, 1, "die")
    assert victim.communicate(timeout=60)[0] == ""
    assert (victim.returncode, server.refreshes) == (9, 1)  # Klaviyo has answered, nothing was kept
    heir = work(server, path, 1)  # and its claim, good for minutes, ended with it
    assert heir.communicate(timeout=30)[0] == "200"
    assert server.refreshes == 2


def test_what_cannot_be_persisted_is_not_used(server: TokenServer) -> None:
    class Full(MemoryTokens):
        def save(self, name: str, tokens: Tokens) -> None:
            if tokens.access != "access-0":
                raise OSError(28, "No space left on device")
            super().save(name, tokens)

    store = Full()
    given(store)
    server.expire()
    klaviyo = Klaviyo(server.app(store).install("shop"), base_url=server.base_url, pacing=NO_PACING)
    with klaviyo, pytest.raises(OSError, match="No space"):
        klaviyo.send("get_lists")
    assert [asked.path for asked in server.asked] == ["/api/lists", "/oauth/token"]
    assert store.claim("app-1 shop", "somebody else", 1)


def test_a_rotated_refresh_token_replaces_the_old_one() -> None:
    server = TokenServer(rotating=True)
    store = MemoryTokens()
    given(store)
    with Klaviyo(server.app(store).install("shop"), base_url=server.base_url, pacing=NO_PACING) as klaviyo:
        for turn in (1, 2, 3):
            server.expire()
            assert klaviyo.send("get_lists").status == 200
            held = store.load("app-1 shop")
            assert held is not None
            assert (held.access, held.refresh) == (f"access-{turn}", f"refresh-{turn}")
    server.close()


# The rest in virtual time: the steps of an install, driven by hand.


class Steps:
    """Drives `install.headers()` and `renew`; `now` is the app's clock, which sleeping moves on."""

    def __init__(self, expires_at: float) -> None:
        self.now = 1_000_000.0
        self.store = MemoryTokens(clock=lambda: self.now)
        self.app = OAuth(
            "app-1",
            "secret-1",
            redirect_uri="http://localhost/x",
            scopes=["lists:read"],
            store=self.store,
            clock=lambda: self.now,
        )
        self.install: Install = self.app.install("shop")
        self.asked: list[float] = []
        self.replies: list[Reply] = []
        given(self.store, self.now + expires_at)

    def run(self, steps: Generator[Send | Sleep, Reply | None, Any]) -> Any:
        reply = None
        try:
            while True:
                step = steps.send(reply)
                reply = None
                if isinstance(step, Sleep):
                    self.now += step.seconds
                else:
                    self.asked.append(self.now)
                    reply = self.replies.pop(0)
        except StopIteration as end:
            return end.value

    def headers(self) -> str:
        return str(self.run(self.install.headers())["authorization"])


def granted(access: str, lifetime: float = 3600) -> Reply:
    return Reply(200, {}, f'{{"access_token":"{access}","expires_in":{lifetime},"refresh_token":"r"}}'.encode())


def test_ten_refreshes_a_minute_at_most() -> None:
    steps = Steps(expires_at=0)
    steps.replies = [granted(f"a{n}", lifetime=1) for n in range(30)]
    for _ in range(30):
        steps.headers()
        steps.now += 1.1  # every token is over when the next is wanted
    for first, eleventh in zip(steps.asked, steps.asked[10:], strict=False):
        assert eleventh - first >= 60
    assert len(steps.asked) == 30


def test_refreshes_that_fail_count_too_whoever_asked() -> None:
    steps = Steps(expires_at=0)
    steps.replies = [Reply(500, {}, b"")] * 12
    for _ in range(3):
        steps.install = steps.app.install("shop")  # as in a new process
        with pytest.raises(ServerError):
            steps.headers()
    assert len(steps.asked) == 12
    assert steps.asked[10] - steps.asked[0] >= 60


def test_short_lived_tokens_are_used_to_their_end_when_the_limit_is_reached() -> None:
    steps = Steps(expires_at=0)
    steps.replies = [granted(f"a{n}", lifetime=100) for n in range(20)]
    assert [steps.headers() for _ in range(12)] == [f"Bearer a{n}" for n in range(10)] + ["Bearer a9"] * 2
    assert steps.run(steps.install.renew(Reply(401, {}, b""), {"authorization": "Bearer a9"})) is False


def test_a_throttled_refresh_waits_as_it_is_told() -> None:
    steps = Steps(expires_at=0)
    steps.replies = [Reply(429, {"retry-after": "17"}, b""), granted("a1")]
    assert steps.headers() == "Bearer a1"
    assert steps.asked[1] - steps.asked[0] == 17


def test_an_early_refresh_that_fails_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    steps = Steps(expires_at=100)
    steps.replies = [Reply(503, {}, b"")]
    assert [steps.headers(), steps.headers()] == ["Bearer access-0"] * 2
    assert len(steps.asked) == 1
    assert "the old token goes on for now" in caplog.text
    steps.now += 101  # over: now it must be, and is tried several times
    steps.replies = [Reply(503, {}, b""), Reply(500, {}, b""), granted("a1")]
    assert steps.headers() == "Bearer a1"


def test_an_early_refresh_does_not_wait_for_another_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = Steps(expires_at=100)
    assert steps.store.claim("app-1 shop", "another process", 60)
    assert steps.headers() == "Bearer access-0"
    assert steps.asked == []
    steps.now += 120
    steps.replies = [granted("a1")]
    start = steps.now
    steps.store.claim("app-1 shop", "another process", 60)
    assert steps.headers() == "Bearer a1"  # it never came back: its claim ran out
    assert 60 <= steps.now - start < 61


@pytest.mark.parametrize(
    ("reply", "error", "says"),
    [
        (Reply(200, {}, b"<html>"), InvalidResponse, "oauth_token"),
        (Reply(200, {}, b'{"access_token":"","expires_in":1}'), InvalidResponse, "no usable token"),
        (Reply(200, {}, b'{"access_token":"a","expires_in":-1}'), InvalidResponse, "no usable token"),
        (Reply(403, {}, b"<html><title>Blocked</title>"), PermissionDenied, "firewall"),
        (Reply(400, {}, b'{"error":"invalid_client"}'), AuthenticationFailed, "client_secret"),
        (Reply(400, {}, b'{"error":"invalid_grant_type","error_description":"no"}'), Exception, "no"),
    ],
)
def test_bad_answers_are_typed_errors_without_tokens(reply: Reply, error: type[Exception], says: str) -> None:
    steps = Steps(expires_at=0)
    steps.replies = [reply]
    with pytest.raises(error, match=says) as caught:
        steps.headers()
    assert "refresh-0" not in str(caught.value)
    assert len(steps.asked) == 1


def test_the_log_holds_no_token(server: TokenServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    store = MemoryTokens()
    given(store)
    server.expire()
    with Klaviyo(server.app(store).install("shop"), base_url=server.base_url, pacing=NO_PACING) as klaviyo:
        klaviyo.send("get_lists")
    assert "oauth shop: access token refreshed, good for 3600 s" in caplog.text
    for secret in ("access-", "refresh-", "secret-1"):
        assert secret not in caplog.text
