"""The receipt of a run: every row in exactly one class, and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from clavichord.sync.expression import literal
from clavichord.sync.ledger import Batch, Finding
from clavichord.sync.plan import Header
from clavichord.sync.reasons import reason

CLASSES = ("unchanged", "confirmed", "accepted", "rejected", "quarantined", "held", "deferred", "unknown")
_WORST = ("confirmed", "accepted", "deferred", "unknown", "held", "rejected", "quarantined")
"""a row with several parts (profile and consent) is in the class of its worst"""
_BATCH_CLASS = {
    "intent": "deferred",
    "sent": "unknown",
    "accepted": "accepted",
    "confirmed": "confirmed",
    "failed": "rejected",
}
SHOWN = 10
"""rows a group shows"""

HALT_EXIT = {
    "limit.max_changes": 5,
    "limit.max_removals": 5,
    "limit.bad_rows": 5,
    "account.refused": 6,
    "account.scope": 6,
    "budget.exhausted": 7,
    "stopped": 130,
}

_EMAIL = re.compile(r"([^\s@\"'<>(),;:]+)@([^\s@\"'<>(),;:]+)")
_PHONE = re.compile(r"\+?\d[\d ()./-]{5,}\d")


def masked(text: str) -> str:
    """`text` without what identifies a person: `a•••@shop.example`, `•••78`."""
    text = _EMAIL.sub(lambda m: f"{m[1][0]}•••@{m[2]}", text)
    return _PHONE.sub(lambda m: "•••" + m[0][-2:], text)


class Sample(msgspec.Struct, frozen=True):
    row: int
    key: str
    field: str
    value: str
    message: str


class Group(msgspec.Struct):
    """Rows with one reason."""

    code: str
    row_class: str
    rows: int
    what: str
    why: str
    fix: str
    samples: list[Sample]


class HaltNote(msgspec.Struct):
    """Why the run ended early."""

    code: str
    message: str
    fix: str


class RunReport(msgspec.Struct):
    """The outcome of one run."""

    run: str
    sync: str
    account: str
    to: str
    started: str
    seconds: float
    state: str
    """finished · waiting (a job is still working) · stopped · failed"""
    rows_read: int
    classes: dict[str, int]
    new: int
    changed: int
    gone: int
    removed: dict[str, int]
    """class → rows that left the source and were to be removed"""
    moved_on: int
    requests: dict[str, int]
    throttled: int
    waited: float
    budget_used: float
    groups: list[Group]
    read_back: dict[str, Any]
    halt: HaltNote | None = None
    resumed: RunReport | None = None
    """the report of an interrupted run that this one finished first"""

    def __post_init__(self) -> None:
        total = sum(self.classes.values())
        if total != self.rows_read or set(self.classes) != set(CLASSES):
            raise AssertionError(f"the classes add up to {total}, {self.rows_read} rows were read: {self.classes}")

    @property
    def exit_code(self) -> int:
        """docs/architecture.md"""
        own = self._exit_code()
        return own or (self.resumed.exit_code if self.resumed is not None and self.resumed.halt is not None else 0)

    def _exit_code(self) -> int:
        if self.halt is not None:
            return HALT_EXIT.get(self.halt.code, 1)
        for names, code in (
            (("unknown",), 1),
            (("quarantined", "rejected"), 3),
            (("held",), 5),
            (("accepted",), 4),
            (("deferred",), 7),
        ):
            if any(self.classes[name] or self.removed.get(name) for name in names):
                return code
        return 0

    def to_dict(self, *, reveal: bool = False) -> dict[str, Any]:
        """Stable JSON. Addresses and numbers are masked unless `reveal`."""
        data: dict[str, Any] = msgspec.to_builtins(self)
        data["exit_code"] = self.exit_code
        data["resumed"] = self.resumed.to_dict(reveal=reveal) if self.resumed is not None else None
        if not reveal:
            for group in data["groups"]:
                for sample in group["samples"]:
                    for name in ("key", "value", "message"):
                        sample[name] = masked(sample[name])
            data["read_back"]["differing"] = [masked(key) for key in data["read_back"].get("differing", [])]
            if data["halt"] is not None:
                data["halt"]["message"] = masked(data["halt"]["message"])
        return data

    def lines(self, *, reveal: bool = False) -> Iterator[str]:
        """The report as plain text."""
        show = str if reveal else masked
        if self.resumed is not None:
            yield f"finished the interrupted run {self.resumed.run} first: {_sum(self.resumed.classes)}"
        yield f"{self.sync} → {self.account}   run {self.run} {self.state}   {self.seconds:.1f} s"
        unchanged = self.classes["unchanged"]
        yield f"  read {self.rows_read:,}   new {self.new:,}   changed {self.changed:,}   unchanged {unchanged:,}"
        for name in CLASSES[1:]:
            if self.classes[name]:
                yield f"  {name:<12} {self.classes[name]:,}"
        if self.removed:
            yield f"  removed      {_sum(self.removed)}"
        if kept := self.gone - sum(self.removed.values()):
            yield f"  {kept:,} delivered rows are no longer in the source; Klaviyo keeps them"
        if self.moved_on:
            yield f"  {self.moved_on:,} events changed at the source after Klaviyo recorded them; it keeps what it has"
        if self.read_back.get("read"):
            yield f"  read back    {self.read_back['equal']} of {self.read_back['read']} profiles are as they were sent"
        total = sum(self.requests.values())
        yield f"  requests     {total:,} · {self.throttled} × 429 · {self.budget_used:.0%} of the minute's budget"
        if self.halt is not None:
            yield f"✗ {self.halt.code}: {show(self.halt.message)}"
            yield f"    {self.halt.fix}" if self.halt.fix else ""
        for group in self.groups:
            yield f"✗ {group.code}   {group.rows:,} rows {group.row_class}: {group.what}"
            for sample in group.samples:
                value = f' "{show(sample.value)}"' if sample.value else ""
                key = f" ({show(sample.key)})" if sample.key else ""
                yield f"    row {sample.row:,}{key} {sample.field}{value} {show(sample.message)}".rstrip()
            if group.rows > len(group.samples):
                yield f"    … and {group.rows - len(group.samples):,} more"
            yield f"    {group.why} {group.fix}".rstrip()


def _sum(classes: dict[str, int]) -> str:
    return " · ".join(f"{name} {count:,}" for name, count in classes.items() if count)


class Outcome:
    """Classes of a run's rows, and what of it was delivered: computed in SQL from plan, ledger and findings."""

    def __init__(self, plan: Path, header: Header, batches: Iterable[Batch], findings: Iterable[Finding]) -> None:
        self.con = duckdb.connect()
        self.header = header
        self.findings = list(findings)
        self._table("batches", "lo bigint, hi bigint, class varchar", ([b.lo, b.hi, self._class(b)] for b in batches))
        self._table(
            "exceptions",
            "row bigint, n bigint, code varchar, class varchar",
            ([f.row, f.n, f.code, f.row_class] for f in self.findings),
        )
        rank = "case class " + " ".join(f"when '{name}' then {i}" for i, name in enumerate(_WORST)) + " end"
        # A row that could not be read has a number of its file, which may be another row's number in a query's answer.
        self.con.execute(
            f"""create view entries as
                select p.row, p.n, p.key, p.part, p.digest, p.content, p.identity, p.also,
                    coalesce(e.class, b.class) as class
                from read_parquet({literal(str(plan))}) p
                left join batches b on p.n >= b.lo and p.n < b.hi
                left join (
                    select n, max_by(class, {rank}) as class from exceptions where n is not null group by n
                ) e on e.n = p.n;
            create view rows as
                select row, max({rank}) as rank from (
                    select row, class from entries
                    union all
                    select row, class from exceptions where n is null and code not like 'row.%'
                ) group by row"""
        )

    def _class(self, batch: Batch) -> str:
        if self.header.halt and batch.state == "intent":
            return "held"
        return _BATCH_CLASS[batch.state]

    def _table(self, name: str, columns: str, rows: Iterable[list[Any]]) -> None:
        self.con.execute(f"create table {name}({columns})")
        listed = list(rows)
        kinds = [column.split() for column in columns.split(", ")]
        for i in range(0, len(listed), 10_000):
            # One list a column: as fast as it gets without numpy or Arrow.
            chunk = [list(values) for values in zip(*listed[i : i + 10_000], strict=True)]
            selected = ", ".join(f"unnest(?::{kind}[])" for _, kind in kinds)
            self.con.execute(f"insert into {name} select {selected}", chunk)

    def classes(self) -> dict[str, int]:
        """class → rows; `unchanged` is what neither the plan nor a finding holds."""
        counts = dict.fromkeys(CLASSES, 0)
        for rank, count in self.con.execute("select rank, count(*) from rows where row > 0 group by rank").fetchall():
            counts[_WORST[rank]] += count
        counts["quarantined"] += sum(1 for f in self.findings if f.n is None and f.code.startswith("row."))
        counts["unchanged"] = self.header.unchanged
        return counts

    def removed(self) -> dict[str, int]:
        """class → rows that left the source and were to be removed."""
        found = self.con.execute(
            "select rank, count(*) from rows where row <= 0 group by rank order by rank"
        ).fetchall()
        return {_WORST[rank]: count for rank, count in found}

    def groups(self, batches: Iterable[Batch]) -> list[Group]:
        """Findings by reason, the biggest first."""
        found: dict[tuple[str, str], list[Finding]] = {}
        for finding in self.findings:
            if finding.row_class != "confirmed":
                found.setdefault((finding.code, finding.row_class), []).append(finding)
        groups = []
        for (code, row_class), members in found.items():
            why = reason(code)
            samples = [Sample(f.row, f.key or "", f.field, f.value, f.message) for f in members[:SHOWN]]
            groups.append(Group(code, row_class, len({f.row for f in members}), why.what, why.why, why.fix, samples))
        for batch in batches:
            if batch.state == "failed":
                code = batch.note if batch.note == "klaviyo.cancelled" else "klaviyo.rejected"
                why = reason(code)
                sample = Sample(0, "", "", "", batch.note or "")
                groups.append(Group(code, "rejected", batch.hi - batch.lo, why.what, why.why, why.fix, [sample]))
        return sorted(groups, key=lambda g: -g.rows)

    def delivered(self) -> None:
        """Creates `delivered` for `advance`: the parts of which every entry is confirmed."""
        self.con.execute(
            "create or replace table delivered as select key, part, min(n) as n, arg_min(identity, n) as identity, "
            "any_value(digest)::uuid as digest, any_value(content)::uuid as content from ("
            "select n, key, part, identity, digest, content, class from entries union all "
            "select n, key, unnest(map_keys(also)), identity, unnest(map_values(also)), content, class from entries"
            ") group by key, part having bool_and(class = 'confirmed')"
        )

    def close(self) -> None:
        self.con.close()
