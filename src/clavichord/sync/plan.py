"""A plan: what a run would send, row by row with its final payload, as Parquet in sending order with a JSON header.

`plan()` and `run()` make the same plan; a run that was killed is finished from its saved plan, whatever became of the
source.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import msgspec

from clavichord.sync.diff import Counts
from clavichord.sync.expression import literal
from clavichord.sync.ledger import Batch, Finding
from clavichord.sync.mistakes import StateError


class Header(msgspec.Struct):
    """What a plan says about itself; written beside its rows."""

    sync: str
    account: str
    to: str
    made: str
    source: str
    """fingerprint of what was read"""
    config: str
    """fingerprint of the sync file's meaning"""
    rows_read: int
    new: int
    changed: int
    unchanged: int
    gone: int
    moved_on: int
    planned: dict[str, int]
    """entries by what they deliver: profile, consent, event …"""
    rows: int
    """rows of the source that have an entry"""
    removed: int
    """rows that left the source and have an entry"""
    quarantined: int
    held: int
    requests: dict[str, int]
    """operation → requests, reads included"""
    bytes: int
    minutes: float
    """of the account's budget, the busiest operation"""
    halt: str = ""
    """code of the guard that stops the plan, "" if none"""
    halt_detail: str = ""
    samples: list[dict[str, str]] = []


class Plan:
    """A saved plan. `folder` holds `plan.parquet`, `plan.json`, `batches.json` and `findings.json`."""

    def __init__(self, folder: Path, header: Header, batches: list[Batch], findings: list[Finding]) -> None:
        self.folder = folder
        self.header = header
        self.batches = batches
        self.findings = findings

    @property
    def path(self) -> Path:
        return self.folder / "plan.parquet"

    @property
    def counts(self) -> Counts:
        h = self.header
        return Counts(h.new, h.changed, h.unchanged, h.gone, h.moved_on)

    @property
    def changes(self) -> int:
        """Rows that would be sent, or removed."""
        return self.header.rows + self.header.removed

    @property
    def requests(self) -> int:
        return sum(self.header.requests.values())

    @property
    def bytes(self) -> int:
        return self.header.bytes

    @property
    def minutes(self) -> float:
        return self.header.minutes

    @property
    def samples(self) -> list[dict[str, str]]:
        return self.header.samples

    def to_dict(self) -> dict[str, Any]:
        """Stable JSON; holds no personal data but the samples' keys."""
        data: dict[str, Any] = msgspec.to_builtins(self.header)
        return {**data, "changes": self.changes, "plan": self.folder.name}

    def save(self) -> None:
        encoder = msgspec.json.Encoder()
        for name, value in (("batches", self.batches), ("findings", self.findings), ("plan", self.header)):
            (self.folder / f"{name}.json").write_bytes(msgspec.json.format(encoder.encode(value), indent=1))

    @classmethod
    def open(cls, folder: Path) -> Plan:
        """Reads a saved plan. StateError when it is incomplete."""
        try:
            header = msgspec.json.decode((folder / "plan.json").read_bytes(), type=Header)
            batches = msgspec.json.decode((folder / "batches.json").read_bytes(), type=list[Batch])
            findings = msgspec.json.decode((folder / "findings.json").read_bytes(), type=list[Finding])
        except (OSError, msgspec.DecodeError) as error:
            raise StateError(
                f"the plan {folder.name} cannot be read: {error}", "remove the folder; the next run plans anew"
            ) from None
        return cls(folder, header, batches, findings)


class PlanRow(NamedTuple):
    """An entry of a plan."""

    n: int
    row: int
    """of the source, from 1; 0 and less: it is no longer there"""
    key: str
    part: str
    digest: str | None
    payload: str
    who: str
    """`kind:value`"""
    moment: int
    unique_id: str | None

    @property
    def identity(self) -> str:
        return self.who.partition(":")[2]


class PlanRows:
    """Reads ranges of a plan's entries."""

    def __init__(self, plan: Path) -> None:
        self._con = duckdb.connect()
        self._relation = f"read_parquet({literal(str(plan))})"

    def read(self, lo: int, hi: int, without: Iterable[int] = ()) -> list[PlanRow]:
        """The entries [lo, hi) but those in `without`."""
        skip = set(without)
        rows = self._con.execute(
            "select n, row, key, part, digest, payload, identity, moment, unique_id "
            f"from {self._relation} where n >= {lo} and n < {hi} order by n"
        ).fetchall()
        return [PlanRow(*row) for row in rows if row[0] not in skip]

    def close(self) -> None:
        self._con.close()
