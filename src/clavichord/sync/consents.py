"""The consent ledger: what was done about whose consent, why, and that nobody changed the record afterwards.

Entries are only ever added. Each holds the hash of the one before it, so that a changed, removed or inserted entry
breaks the chain. A person stands in it as a keyed hash; who that is, is kept beside it and forgotten with the person:
the chain stays whole when somebody is erased.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

SCHEMA = """
create table if not exists consents(seq integer primary key, at text not null, account text not null,
    sync text not null, run text not null, person text not null, part text not null, action text not null,
    detail text not null, previous text not null, hash text not null);
create index if not exists consents_by_person on consents(person);
create table if not exists people(person text primary key, identity text not null) without rowid;
create table if not exists erased(person text primary key, at text not null) without rowid;
create table if not exists secrets(name text primary key, value text not null) without rowid;
"""
FIRST = "0" * 64
"""what the first entry has for the hash of the one before it"""


class Said(NamedTuple):
    """One thing to write down."""

    identity: str
    """`kind:value`"""
    part: str
    """`consent.email`, `suppression`, `profile`"""
    action: str
    """requested · confirmed · held · erased"""
    detail: Mapping[str, Any]
    """the proof, or why it was held"""


class ConsentEntry(NamedTuple):
    seq: int
    at: str
    account: str
    sync: str
    run: str
    person: str
    part: str
    action: str
    detail: str
    """JSON"""
    previous: str
    hash: str

    def expected(self) -> str:
        """The hash that the entry must have."""
        return hashlib.sha256(json.dumps(list(self[:-1]), ensure_ascii=False).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        return {**self._asdict(), "detail": json.loads(self.detail)}


class ConsentLedger:
    """Of one state folder. Every method commits before it returns."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        db.execute("insert or ignore into secrets values ('people', ?)", [secrets.token_hex(32)])
        self._key = bytes.fromhex(db.execute("select value from secrets where name = 'people'").fetchone()[0])

    def person(self, identity: str) -> str:
        """The keyed hash that stands for somebody."""
        return hmac.new(self._key, identity.casefold().encode(), hashlib.sha256).hexdigest()

    def append(self, account: str, sync: str, run: str, said: Iterable[Said]) -> None:
        """Adds entries to the end of the chain."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.db.execute("begin immediate")
        try:
            row = self.db.execute("select seq, hash from consents order by seq desc limit 1").fetchone()
            seq, previous = (row[0], row[1]) if row is not None else (0, FIRST)
            for one in said:
                seq += 1
                person = self.person(one.identity)
                detail = json.dumps(one.detail, ensure_ascii=False, sort_keys=True)
                entry = ConsentEntry(seq, now, account, sync, run, person, one.part, one.action, detail, previous, "")
                previous = entry.expected()
                self.db.execute(
                    "insert into consents values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", entry._replace(hash=previous)
                )
                self.db.execute("insert or ignore into people values (?, ?)", [person, one.identity])
        except BaseException:
            self.db.execute("rollback")
            raise
        self.db.execute("commit")

    def of(self, identities: Iterable[str]) -> list[ConsentEntry]:
        """What is recorded of somebody who has any of these identities, oldest first."""
        people = [self.person(identity) for identity in identities]
        marks = ", ".join("?" * len(people))
        rows = self.db.execute(f"select * from consents where person in ({marks}) order by seq", people)
        return [ConsentEntry(*row) for row in rows]

    def entries(self) -> Iterator[ConsentEntry]:
        """The whole chain."""
        for row in self.db.execute("select * from consents order by seq"):
            yield ConsentEntry(*row)

    def head(self) -> tuple[int, str]:
        """Number and hash of the newest entry: written down elsewhere, they prove that the end was not cut off."""
        row = self.db.execute("select seq, hash from consents order by seq desc limit 1").fetchone()
        return (row[0], row[1]) if row is not None else (0, FIRST)

    def broken(self) -> ConsentEntry | None:
        """The first entry that is not what was written, None if all are."""
        previous = FIRST
        for seq, entry in enumerate(self.entries(), 1):
            if entry.seq != seq or entry.previous != previous or entry.hash != entry.expected():
                return entry
            previous = entry.hash
        return None

    # Erasure

    def erase(self, identities: Iterable[str]) -> None:
        """Forgets who stands behind the hashes; the hashes stay, so that an import does not bring them back."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        for identity in identities:
            person = self.person(identity)
            self.db.execute("insert or ignore into erased values (?, ?)", [person, now])
            self.db.execute("delete from people where person = ?", [person])

    def any_erased(self) -> bool:
        return self.db.execute("select 1 from erased limit 1").fetchone() is not None

    def is_erased(self, identity: str) -> bool:
        found = self.db.execute("select 1 from erased where person = ?", [self.person(identity)]).fetchone()
        return found is not None
