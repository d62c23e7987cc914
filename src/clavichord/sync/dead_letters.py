"""Dead letters: rows that could not be delivered, kept until they are, with what was tried.

A row is released by itself when it changes at the source; `retry` releases it unchanged. Nothing expires.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from clavichord.sync.ledger import Finding

SCHEMA = """
create table if not exists dead_letters(sync text not null, account text not null, key text not null,
    code text not null, class text not null, field text not null, value text not null, message text not null,
    digest text,
    row integer not null, run text not null, first_seen text not null, last_seen text not null,
    attempts integer not null, state text not null, primary key(sync, key, code)) without rowid;
"""
CLASSES = ("rejected", "quarantined")


class DeadLetter(NamedTuple):
    sync: str
    account: str
    key: str
    """the row's; `row 7` for a line that could not be read"""
    code: str
    row_class: str
    field: str
    value: str
    message: str
    digest: str | None
    row: int
    run: str
    """the last one that met it"""
    first_seen: str
    last_seen: str
    attempts: int
    """times that Klaviyo, or the check before sending, refused it"""
    state: str
    """waiting · released (the next run tries again) · dropped"""

    def to_dict(self) -> dict[str, Any]:
        return self._asdict()


class DeadLetters:
    """Of one state folder. Every method commits before it returns."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db

    def settle(
        self, sync: str, account: str, run: str, findings: Iterable[Finding], before: Mapping[tuple[str, str], object]
    ) -> None:
        """After a run: what it could not deliver is kept, everything else of the sync is forgotten. `before` holds the
        (key, digest) that were refused earlier and not tried again."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        met = set()
        self.db.execute("begin immediate")
        try:
            for finding in findings:
                if finding.row_class not in CLASSES:
                    continue
                key = finding.key if finding.key is not None else f"row {finding.row}"
                if (key, finding.code) in met:
                    continue
                met.add((key, finding.code))
                tried = 0 if (key, finding.hash or "") in before else 1
                self.db.execute(
                    "insert into dead_letters values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 'waiting') "
                    "on conflict(sync, key, code) do update set class = excluded.class, field = excluded.field, "
                    "value = excluded.value, message = excluded.message, row = excluded.row, run = excluded.run, "
                    "last_seen = excluded.last_seen, attempts = attempts + ?, "
                    "state = case when state = 'dropped' and digest is excluded.digest then state else 'waiting' end, "
                    "digest = excluded.digest",
                    [
                        *(sync, account, key, finding.code, finding.row_class, finding.field, finding.value),
                        *(finding.message, finding.hash, finding.row, run, now, now, tried),
                    ],
                )
            known = self.db.execute("select key, code from dead_letters where sync = ?", [sync]).fetchall()
            gone = [(sync, row[0], row[1]) for row in known if (row[0], row[1]) not in met]
            self.db.executemany("delete from dead_letters where sync = ? and key = ? and code = ?", gone)
        except BaseException:
            self.db.execute("rollback")
            raise
        self.db.execute("commit")

    def list(
        self, sync: str | None = None, code: str | None = None, key: str | None = None, *, dropped: bool = False
    ) -> Iterator[DeadLetter]:
        """Those that fit, the oldest first; dropped ones only if asked for."""
        sql = "select * from dead_letters where (?1 is null or sync = ?1) and (?2 is null or code = ?2) "
        sql += "and (?3 is null or key = ?3) and (?4 or state <> 'dropped') order by first_seen, sync, row"
        for row in self.db.execute(sql, [sync, code, key, dropped]):
            yield DeadLetter(*row)

    def mark(self, letters: Iterable[DeadLetter], state: str) -> int:
        """`released`: the next run sends them again. `dropped`: no longer listed, until the row changes."""
        count = 0
        for letter in letters:
            where = [state, letter.sync, letter.key, letter.code]
            count += self.db.execute(
                "update dead_letters set state = ? where sync = ? and key = ? and code = ?", where
            ).rowcount
        return count

    def released(self, sync: str) -> set[tuple[str, str]]:
        """(key, digest) of the letters that the next run tries again."""
        rows = self.db.execute(
            "select key, digest from dead_letters where sync = ? and state = 'released' and digest is not null", [sync]
        )
        return {(row[0], row[1]) for row in rows}
