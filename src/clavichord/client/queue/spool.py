"""Events in a SQLite file (mode 0600), shared by the processes of a host: whoever is free sends what is next.

What `add` returned for survives the end of its process, however sudden; a power cut may take the last moments. The
file holds personal data until it is sent, and deleted rows are overwritten. One file belongs to one Klaviyo account.
"""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from clavichord.client.errors import KlaviyoError
from clavichord.client.processes import is_dead
from clavichord.client.queue.backlog import Waiting
from clavichord.client.shared_db import opened

_CLAIM = 600.0
"""seconds that taken rows belong to who took them: more than a request with all its repetitions lasts"""
_SCHEMA = (
    "create table if not exists events (number integer primary key autoincrement, row blob not null,"
    " until real not null default 0, host text not null default '', pid integer not null default 0)",
    "create table if not exists total (events integer not null)",
    "insert into total select 0 where not exists (select * from total)",
    "create trigger if not exists added after insert on events begin update total set events = events + 1; end",
    "create trigger if not exists gone after delete on events begin update total set events = events - 1; end",
)
_inherited: list[sqlite3.Connection] = []
"""connections of a parent process: closing them here would harm it"""


class SpoolError(KlaviyoError):
    """The spool's file cannot be read or written. An event for which this was raised is not in it."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"the spool {path} cannot be used: {reason}")


class SpoolBacklog:
    def __init__(self, path: Path | str, size: int, *, clock: Callable[[], float] = time.time) -> None:
        self.path = Path(path)
        self.size = size
        self._clock = clock
        self._db: sqlite3.Connection | None = None

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            db = opened(self.path, _SCHEMA)
            db.execute("pragma secure_delete=on")
            # What a process of this number had taken before (a container's is always 1) is nobody's now.
            db.execute("update events set until = 0 where host = ? and pid = ?", [socket.gethostname(), os.getpid()])
            self._db = db
        return self._db

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            db = self._opened()
            db.execute("begin immediate")
            try:
                yield db
                db.execute("commit")
            finally:
                if db.in_transaction:
                    db.execute("rollback")
        except (sqlite3.Error, OSError) as error:
            raise SpoolError(self.path, str(error)) from None

    def add(self, row: bytes) -> bool:
        with self._transaction() as db:
            (events,) = db.execute("select events from total").fetchone()
            if events >= self.size:
                return False
            db.execute("insert into events (row) values (?)", [row])
        return True

    def take(self, most: int, most_bytes: int) -> Sequence[Waiting]:
        now, host = self._clock(), socket.gethostname()
        with self._transaction() as db:
            for (pid,) in db.execute("select distinct pid from events where until > ? and host = ?", [now, host]):
                if is_dead(pid):
                    db.execute("update events set until = 0 where host = ? and pid = ?", [host, pid])
            taken: list[Waiting] = []
            room = most_bytes
            query = "select number, row from events where until <= ? order by number limit ?"
            for number, row in db.execute(query, [now, most]):
                room -= len(row)
                if room < 0 and taken:
                    break
                taken.append(Waiting(number, row))
            claim = [(now + _CLAIM, host, os.getpid(), one.number) for one in taken]
            db.executemany("update events set until = ?, host = ?, pid = ? where number = ?", claim)
        return taken

    def done(self, numbers: Iterable[int]) -> None:
        with self._transaction() as db:
            db.executemany("delete from events where number = ?", [(number,) for number in numbers])

    def back(self, numbers: Iterable[int]) -> None:
        with self._transaction() as db:
            db.executemany("update events set until = 0 where number = ?", [(number,) for number in numbers])

    def __len__(self) -> int:
        with self._transaction() as db:
            (events,) = db.execute("select events from total").fetchone()
        return int(events)

    def ours(self) -> int:
        mine = [self._clock(), socket.gethostname(), os.getpid()]
        with self._transaction() as db:
            query = "select count(*) from events where until <= ? or (host = ? and pid = ?)"
            (events,) = db.execute(query, mine).fetchone()
        return int(events)

    def forked(self) -> None:
        if self._db is not None:
            _inherited.append(self._db)
            self._db = None

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None
