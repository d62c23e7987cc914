"""Where the tokens of OAuth installs are kept, and who may refresh one at a moment.

A store is a protocol, so that a service keeps them in its own database. Every method is short and blocking.
"""

from __future__ import annotations

import hashlib
import os
import socket
import sqlite3
import stat
import tempfile
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, TypeVar

import msgspec
from msgspec import Struct

from clavichord.client.errors import ConfigurationError
from clavichord.client.processes import is_dead

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

S = TypeVar("S", bound=Struct)


class Tokens(Struct, frozen=True):
    """What an install holds. Times are Unix seconds."""

    access: str
    refresh: str
    scopes: tuple[str, ...]
    expires_at: float
    """of the access token"""
    refreshed_at: float
    """when the refresh token was last used: Klaviyo drops it after 90 days without (FACTS §1.6)"""
    attempts: tuple[float, ...] = ()
    """when refreshes were last asked for, written before each one"""
    ended: float = 0.0
    """when Klaviyo refused the refresh token, 0 = it has not"""

    def __repr__(self) -> str:
        return f"Tokens(…, scopes={self.scopes}, expires_at={self.expires_at:.0f})"


class Pending(Struct, frozen=True):
    """An authorization that was asked for and whose callback has not come."""

    name: str
    verifier: str
    until: float
    """Unix seconds after which it is forgotten"""

    def __repr__(self) -> str:
        return f"Pending({self.name!r}, …)"


class TokenStore(Protocol):
    def load(self, name: str) -> Tokens | None: ...

    def save(self, name: str, tokens: Tokens) -> None:
        """Durable when it returns."""
        ...

    def delete(self, name: str) -> None: ...

    def names(self) -> list[str]: ...

    def claim(self, name: str, holder: str, seconds: float) -> bool:
        """Gives `holder` the sole right to refresh `name` for that long, or lengthens it. False if another has it."""
        ...

    def release(self, name: str, holder: str) -> None: ...

    def expect(self, state: str, pending: Pending) -> None:
        """Keeps an authorization under its `state`."""
        ...

    def expected(self, state: str) -> Pending | None:
        """Takes it out: a `state` works once. None if there is none, or no longer."""
        ...


class MemoryTokens:
    """Tokens of this process, gone with it: for tests and one-off scripts."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._tokens: dict[str, Tokens] = {}
        self._claims: dict[str, tuple[str, float]] = {}
        self._pending: dict[str, Pending] = {}

    def load(self, name: str) -> Tokens | None:
        return self._tokens.get(name)

    def save(self, name: str, tokens: Tokens) -> None:
        self._tokens[name] = tokens

    def delete(self, name: str) -> None:
        self._tokens.pop(name, None)

    def names(self) -> list[str]:
        return sorted(self._tokens)

    def claim(self, name: str, holder: str, seconds: float) -> bool:
        with self._lock:
            has, until = self._claims.get(name, (holder, 0.0))
            if has != holder and until > self._clock():
                return False
            self._claims[name] = (holder, self._clock() + seconds)
            return True

    def release(self, name: str, holder: str) -> None:
        with self._lock:
            if self._claims.get(name, ("", 0))[0] == holder:
                del self._claims[name]

    def expect(self, state: str, pending: Pending) -> None:
        with self._lock:
            now = self._clock()
            self._pending = {s: p for s, p in self._pending.items() if p.until > now} | {state: pending}

    def expected(self, state: str) -> Pending | None:
        with self._lock:
            found = self._pending.pop(state, None)
        return found if found is not None and found.until > self._clock() else None

    def __repr__(self) -> str:
        return f"MemoryTokens({len(self._tokens)} installs)"


_DECODERS: Mapping[type[Struct], msgspec.json.Decoder[Any]] = {
    Tokens: msgspec.json.Decoder(tuple[str, Tokens]),
    Pending: msgspec.json.Decoder(tuple[str, Pending]),
}
_SCHEMA = (
    "create table if not exists tokens (name text primary key, sealed blob not null)",
    "create table if not exists pending (state text primary key, until real not null, sealed blob not null)",
    "create table if not exists claims (name text primary key, holder text not null, host text not null,"
    " pid integer not null, until real not null)",
)


class SQLiteTokens:
    """Tokens in a SQLite file (mode 0600), encrypted. Shared by threads and processes of a host.

    `key` is a Fernet key (32 bytes, URL-safe base64). Without one it is read from `key_file` (by default `path` with
    `.key` added), which is made with mode 0600 if it does not exist, and refused if others may read it.
    ConfigurationError for a key that is none, or not the one that the tokens were written with.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        key: str | bytes | None = None,
        key_file: Path | str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = Path(path)
        self._clock = clock
        self._fernet = _fernet(key or _key_from(Path(key_file) if key_file else Path(f"{self.path}.key")))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.touch(mode=0o600, exist_ok=True)
        with self._open() as db:
            for statement in _SCHEMA:
                db.execute(statement)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection for one use: threads, forks and other processes need no thought. One transaction."""
        db = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        try:
            db.execute("pragma synchronous=full")
            db.execute("begin immediate")
            yield db
            if db.in_transaction:
                db.execute("commit")
        finally:
            db.close()

    def _seal(self, name: str, content: Struct) -> bytes:
        """Encrypted together with its name, so that a row moved to another name is not taken for that one's."""
        return self._fernet.encrypt(msgspec.json.encode([name, content]))

    def _unseal(self, name: str, sealed: bytes, kind: type[S]) -> S:
        from cryptography.fernet import InvalidToken

        try:
            found, content = _DECODERS[kind].decode(self._fernet.decrypt(sealed))
        except InvalidToken:
            raise ConfigurationError(
                f"the tokens in {self.path} were written with another key: "
                "give that one, or delete the file and reconnect"
            ) from None
        if found != name:
            raise ConfigurationError(f"{self.path} was tampered with: the entry {name!r} belongs to another name")
        return content  # type: ignore[no-any-return]  # of the kind that the decoder is for

    def load(self, name: str) -> Tokens | None:
        with self._open() as db:
            row = db.execute("select sealed from tokens where name = ?", [name]).fetchone()
        return self._unseal(name, row[0], Tokens) if row else None

    def save(self, name: str, tokens: Tokens) -> None:
        sealed = self._seal(name, tokens)
        with self._open() as db:
            db.execute("insert or replace into tokens values (?, ?)", [name, sealed])

    def delete(self, name: str) -> None:
        with self._open() as db:
            db.execute("delete from tokens where name = ?", [name])

    def names(self) -> list[str]:
        with self._open() as db:
            return [name for (name,) in db.execute("select name from tokens order by name")]

    def claim(self, name: str, holder: str, seconds: float) -> bool:
        now, host = self._clock(), socket.gethostname()
        with self._open() as db:
            row = db.execute("select holder, host, pid, until from claims where name = ?", [name]).fetchone()
            if row is not None and row[0] != holder and row[3] > now and not (row[1] == host and is_dead(row[2])):
                return False
            claim = [name, holder, host, os.getpid(), now + seconds]
            db.execute("insert or replace into claims values (?, ?, ?, ?, ?)", claim)
            return True

    def release(self, name: str, holder: str) -> None:
        with self._open() as db:
            db.execute("delete from claims where name = ? and holder = ?", [name, holder])

    def expect(self, state: str, pending: Pending) -> None:
        row = _hash(state)
        sealed = self._seal(row, pending)
        with self._open() as db:
            db.execute("delete from pending where until <= ?", [self._clock()])
            db.execute("insert or replace into pending values (?, ?, ?)", [row, pending.until, sealed])

    def expected(self, state: str) -> Pending | None:
        row = _hash(state)
        with self._open() as db:
            found = db.execute("delete from pending where state = ? returning until, sealed", [row]).fetchone()
        return self._unseal(row, found[1], Pending) if found and found[0] > self._clock() else None

    def __repr__(self) -> str:
        return f"SQLiteTokens({str(self.path)!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a token store holds a key and is not pickled: make it anew in the other process")


def _hash(state: str) -> str:
    return hashlib.sha256(state.encode()).hexdigest()


def _fernet(key: str | bytes) -> Fernet:
    try:
        from cryptography.fernet import Fernet
    except ModuleNotFoundError:
        raise ConfigurationError("encrypted tokens need cryptography: pip install 'clavichord[oauth]'") from None
    try:
        return Fernet(key.strip())
    except ValueError:
        raise ConfigurationError(
            "the key of the token store must be 32 bytes in URL-safe base64; "
            "cryptography.fernet.Fernet.generate_key() makes one"
        ) from None


def _key_from(file: Path) -> bytes:
    """The key in a file that only its owner may read; a new one if there is no such file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        # Written aside and linked: of two processes that start at once, neither reads half a key.
        descriptor, aside = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        try:
            with os.fdopen(descriptor, "wb") as out:
                out.write(urlsafe_b64encode(os.urandom(32)))
            with suppress(FileExistsError):
                os.link(aside, file)
        finally:
            Path(aside).unlink()
    if os.name == "posix" and stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise ConfigurationError(f"{file} holds a key and others may read it: chmod 600 {file}")
    return file.read_bytes()
