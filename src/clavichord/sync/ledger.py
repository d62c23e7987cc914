"""The ledger of one run: a line per request, not per row, so that a million rows are some hundred lines.

A batch is a row range [lo, hi) of the plan. Its state is written before and after each request:
`intent → sent → accepted → confirmed`, or `failed` (nobody in it was delivered). A row's class is its batch's state
unless an exception says otherwise.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

STATES = ("intent", "sent", "accepted", "confirmed", "failed")


class Batch(msgspec.Struct):
    """A row range of the plan and what became of its request."""

    lo: int
    hi: int
    route: str
    """a name of clavichord.sync.routes"""
    grp: str
    """what all its rows share, JSON: route, lists, source of the consent"""
    state: str = "intent"
    job_id: str | None = None
    request_id: str | None = None
    attempts: int = 0
    note: str | None = None


class Finding(msgspec.Struct, frozen=True):
    """A row whose class is not its batch's. `n` is its place in the plan, None for rows that never got there."""

    row: int
    n: int | None
    key: str | None
    hash: str | None
    row_class: str
    code: str
    field: str = ""
    value: str = ""
    message: str = ""
    pointer: str = ""


class Ledger:
    """Batches and exceptions of `run`. Every method commits before it returns."""

    def __init__(self, db: sqlite3.Connection, run: str) -> None:
        self.db = db
        self.run = run

    def open(self, batches: Iterable[Batch], findings: Sequence[Finding]) -> None:
        """Writes the batches of a new plan and what the plan left out."""
        with _transaction(self.db):
            self.db.executemany(
                "insert into batches(run, lo, hi, route, grp, state) values (?, ?, ?, ?, ?, 'intent')",
                ([self.run, b.lo, b.hi, b.route, b.grp] for b in batches),
            )
            self._note(findings)

    def batches(self, *states: str) -> list[Batch]:
        """The batches in sending order; of `states` only, if given."""
        rows = self.db.execute("select * from batches where run = ? order by lo", [self.run]).fetchall()
        fields = Batch.__struct_fields__
        return [Batch(**{f: row[f] for f in fields}) for row in rows if not states or row["state"] in states]

    def settle(self, batch: Batch, findings: Sequence[Finding] = ()) -> None:
        """Writes the batch as it is now and adds exceptions, together or not at all."""
        with _transaction(self.db):
            self._save(batch)
            self._note(findings)

    def _save(self, batch: Batch) -> None:
        self.db.execute(
            "update batches set hi = ?, route = ?, state = ?, job_id = ?, request_id = ?, attempts = ?, note = ? "
            "where run = ? and lo = ?",
            [
                batch.hi,
                batch.route,
                batch.state,
                batch.job_id,
                batch.request_id,
                batch.attempts,
                batch.note,
                self.run,
                batch.lo,
            ],
        )

    def split(self, batch: Batch, middle: int) -> tuple[Batch, Batch]:
        """Two batches in place of one, to find the row that Klaviyo refuses without naming it."""
        left = msgspec.structs.replace(batch, hi=middle, state="intent")
        right = msgspec.structs.replace(batch, lo=middle, state="intent", attempts=0)
        with _transaction(self.db):
            self._save(left)
            self.db.execute(
                "insert into batches(run, lo, hi, route, grp, state) values (?, ?, ?, ?, ?, 'intent')",
                [self.run, right.lo, right.hi, right.route, right.grp],
            )
        return left, right

    def note(self, findings: Sequence[Finding]) -> None:
        """Adds exceptions."""
        with _transaction(self.db):
            self._note(findings)

    def _note(self, findings: Sequence[Finding]) -> None:
        self.db.executemany(
            "insert into exceptions values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                [self.run, f.row, f.n, f.key, f.hash, f.row_class, f.code, f.field, f.value, f.message, f.pointer]
                for f in findings
            ),
        )

    def forget(self, code: str) -> None:
        """Removes the exceptions of one reason: it is decided anew."""
        self.db.execute("delete from exceptions where run = ? and code = ?", [self.run, code])

    def excepted(self, lo: int, hi: int) -> set[int]:
        """The plan rows of [lo, hi) that an exception takes out of their batch."""
        rows = self.db.execute("select n from exceptions where run = ? and n >= ? and n < ?", [self.run, lo, hi])
        return {row["n"] for row in rows}

    def findings(self) -> Iterable[Finding]:
        """All exceptions, by row."""
        for r in self.db.execute("select * from exceptions where run = ? order by row, n", [self.run]):
            yield Finding(
                r["row"],
                r["n"],
                r["key"],
                r["hash"],
                r["class"],
                r["code"],
                r["field"],
                r["value"],
                r["message"],
                r["pointer"],
            )


@contextmanager
def _transaction(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("begin immediate")
    try:
        yield
    except BaseException:
        db.execute("rollback")
        raise
    db.execute("commit")
