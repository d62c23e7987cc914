"""A journal of calls, bounded, for dashboards, upgrade checks and a table of response times. A hook:

    journal = Journal(".clavichord/calls.db")
    k = Klaviyo(key, on_response=journal)

It knows operation, status, milliseconds, limit left and revision of every attempt; no path, query, body or key.
Threads and processes may write one file. Rows are written a second late at most, and all at the end of the program;
kill -9 may take that last second.
"""

from __future__ import annotations

import atexit
import math
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from clavichord.client.errors import ConfigurationError, KlaviyoError
from clavichord.client.log import log
from clavichord.client.shared_db import opened
from clavichord.client.types import Call

LATE, BUFFER = 1.0, 256
"""seconds and rows after which what was gathered is written"""
_SCHEMA = (
    "create table if not exists calls (number integer primary key autoincrement, at real not null, account text"
    " not null, operation text not null, method text not null, status integer, error text not null, ms real not null,"
    " waited_ms real not null, attempt integer not null, remaining integer, revision text not null)",
)
_COLUMNS = "at, account, operation, method, status, error, ms, waited_ms, attempt, remaining, revision"


class JournalError(KlaviyoError):
    """A journal cannot be read. Writing one never raises: it warns once and counts what it lost."""


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One attempt."""

    at: float
    """Unix seconds of its answer"""
    account: str
    operation: str
    method: str
    status: int | None
    """None: no answer came, `error` says why"""
    error: str
    ms: float
    """from sending to the answer"""
    waited_ms: float
    """in pacing, all attempts of the call so far"""
    attempt: int
    remaining: int | None
    """of the limit, as the answer said"""
    revision: str


@dataclass(frozen=True, slots=True)
class ResponseTimes:
    """An operation's attempts, in milliseconds from sending to the answer."""

    operation: str
    calls: int
    p50: float
    p95: float
    max: float
    errors: int
    """no answer, or 400 and above except 429"""
    throttled: int
    """429"""


class Journal:
    """`path` None keeps it in memory. `keep` is how many attempts stay, the newest. `account` says whose they are."""

    def __init__(self, path: Path | str | None = None, *, account: str = "", keep: int = 100_000) -> None:
        if keep < 1:
            raise ConfigurationError(f"Journal: keep is 1 attempt or more, not {keep}")
        self.path = Path(path) if path is not None else None
        self.account = account
        self.keep = keep
        self.lost = 0
        """attempts that could not be written"""
        self._begin()
        _live.add(self)

    def _begin(self) -> None:
        """What no fork survives: the lock, the connection, and the rows that the parent will write."""
        self._lock = threading.Lock()
        self._rows: list[tuple[Any, ...]] = []
        self._due = 0.0
        self._db: sqlite3.Connection | None = None

    def __call__(self, call: Call) -> None:
        row = (
            time.time(),
            self.account,
            call.operation,
            call.method,
            call.status,
            call.error,
            round(call.seconds * 1000, 3),
            round(call.waited * 1000, 3),
            call.attempt,
            call.remaining,
            call.revision,
        )
        with self._lock:
            if not self._rows:
                self._due = time.monotonic() + LATE
                _unwritten.add(self)
            self._rows.append(row)
            if len(self._rows) >= BUFFER or time.monotonic() >= self._due:
                self._write()

    def flush(self) -> None:
        """Writes what was gathered."""
        with self._lock:
            self._write()

    def close(self) -> None:
        """Writes what was gathered and closes the file; the next call opens it again. In memory, nothing is lost."""
        with self._lock:
            self._write()
            if self._db is not None and self.path is not None:
                self._db.close()
                self._db = None

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            if self.path is not None:
                self._db = opened(self.path, _SCHEMA)
            else:
                self._db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
                self._db.execute(_SCHEMA[0])
        return self._db

    def _write(self) -> None:
        rows, self._rows = self._rows, []
        if not rows:
            return
        _unwritten.discard(self)
        try:
            db = self._opened()
            db.execute("begin immediate")
            try:
                db.executemany(f"insert into calls ({_COLUMNS}) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
                db.execute("delete from calls where number <= (select max(number) from calls) - ?", [self.keep])
            finally:
                db.execute("commit")
        except (sqlite3.Error, OSError) as error:
            if not self.lost:
                log.warning("the journal %s cannot be written: %s", self.path, error)
            self.lost += len(rows)

    def _read(self, query: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        with self._lock:
            self._write()
            try:
                return self._opened().execute(query, values).fetchall()
            except (sqlite3.Error, OSError) as error:
                raise JournalError(f"the journal {self.path} cannot be read: {error}") from None

    def entries(self, *, since: float = 0.0, operation: str = "", limit: int = 1000) -> list[JournalEntry]:
        """The newest `limit` attempts since a Unix time, newest first. JournalError."""
        query = f"select {_COLUMNS} from calls where at >= ? and ? in ('', operation) order by number desc limit ?"
        return [JournalEntry(*row) for row in self._read(query, [since, operation, limit])]

    def times(self, *, since: float = 0.0) -> list[ResponseTimes]:
        """A row for each operation, the busiest first. JournalError."""
        query = "select operation, status, ms from calls where at >= ? order by operation, ms"
        found = self._read(query, [since])
        made = [_times(operation, list(rows)) for operation, rows in groupby(found, key=lambda row: str(row[0]))]
        return sorted(made, key=lambda one: (-one.calls, one.operation))

    def used(self) -> Mapping[tuple[str, str], tuple[int, float]]:
        """(operation, revision) → (calls, Unix time of the last): what an upgrade has to look at. JournalError."""
        query = "select operation, revision, count(*), max(at) from calls group by 1, 2 order by 1, 2"
        return {(row[0], row[1]): (row[2], row[3]) for row in self._read(query, [])}

    def __repr__(self) -> str:
        return f"Journal({str(self.path) if self.path else None!r})"


def _times(operation: str, rows: Sequence[tuple[Any, ...]]) -> ResponseTimes:
    """Of rows sorted by milliseconds; percentiles by nearest rank."""
    answered = [ms for _, status, ms in rows if status is not None] or [0.0]
    bad = [status for _, status, _ in rows if status is None or status >= 400]
    throttled = bad.count(429)

    def percentile(share: float) -> float:
        return float(answered[max(0, math.ceil(share * len(answered)) - 1)])

    return ResponseTimes(
        operation, len(rows), percentile(0.5), percentile(0.95), float(answered[-1]), len(bad) - throttled, throttled
    )


def table(times: Iterable[ResponseTimes]) -> list[str]:
    """Lines for people."""
    lines = [f"{'operation':<40} {'calls':>9} {'p50 ms':>9} {'p95 ms':>9} {'max ms':>9} {'errors':>7} {'429':>5}"]
    for one in times:
        figures = f"{one.calls:>9,} {one.p50:>9,.0f} {one.p95:>9,.0f} {one.max:>9,.0f} {one.errors:>7,}"
        lines.append(f"{one.operation:<40} {figures} {one.throttled:>5,}")
    return lines


_live: weakref.WeakSet[Journal] = weakref.WeakSet()
_unwritten: set[Journal] = set()
"""held until they are written, whoever else has let go of them"""
_inherited: list[Any] = []
"""connections of a parent process: closing them here would harm it"""


@atexit.register
def _at_exit() -> None:
    for journal in list(_unwritten):
        journal.close()


def _after_fork_in_child() -> None:
    for journal in list(_live):
        _inherited.append(journal._db)
        journal._begin()
    _unwritten.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
