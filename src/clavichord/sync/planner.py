"""Makes plans: reads, maps, compares, builds the payloads."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from clavichord.sync.definition import Connection, SyncDefinition
from clavichord.sync.destination import BadRow, Due, Entry, Held
from clavichord.sync.destinations import destination_of
from clavichord.sync.diff import compare, delta, gone, open_snapshot, quarantine
from clavichord.sync.entries import cost, cut, line, write
from clavichord.sync.expression import BadExpression, literal
from clavichord.sync.ledger import Finding
from clavichord.sync.mapping import RowMapping, compile_mapping, source_view
from clavichord.sync.mistakes import InvalidDefinition
from clavichord.sync.plan import Header, Plan
from clavichord.sync.reasons import reason
from clavichord.sync.routes import ROUTES
from clavichord.sync.source import Staged, connect, stage

Notify = Callable[[str, int], None]
"""(phase, rows so far)"""


class Planner:
    """Makes plans of one definition. `prepare` alone checks the file against its source."""

    def __init__(
        self,
        definition: SyncDefinition,
        root: Path,
        connections: Mapping[str, Connection],
        folder: Path,
        snapshot: Path,
        now: datetime,
        settled: Mapping[tuple[str, str], Finding],
        erased: Callable[[str], bool] | None,
        notify: Notify = lambda phase, rows: None,
    ) -> None:
        self.definition = definition
        self.root = root
        self.connections = connections
        self.folder = folder
        self.snapshot = snapshot
        self.now = now
        self.settled = settled
        """(key, hash) → why Klaviyo refused exactly this row before, or that it accepted exactly this consent"""
        self.erased = erased
        """has somebody with this `kind:value` been erased? None: nobody has"""
        self.notify = notify

    def prepare(self) -> tuple[duckdb.DuckDBPyConnection, Staged, RowMapping, list[tuple[str, str]]]:
        """Reads the source and compiles the mapping. Raises SourceError, InvalidDefinition."""
        definition = self.definition
        temp = self.folder / "temp"
        con = connect(temp, definition.zone)
        self.notify("reading", 0)
        staged = stage(con, definition.source, self.root, self.connections, temp / "source")
        try:
            casts = source_view(con, str(staged.path), staged.columns, definition.source.types, definition.source.where)
        except BadExpression as error:
            path = ("from", "types") if error.what.startswith("types:") else ("from", "where")
            raise InvalidDefinition([definition.place.mistake(path, error.what, error.fix)]) from None
        mapping = compile_mapping(con, definition, staged.columns)
        return con, staged, mapping, casts

    def make(self) -> Plan:
        """The plan, saved. Raises SourceError, InvalidDefinition."""
        try:
            con, staged, mapping, casts = self.prepare()
            try:
                plan = self._make(con, staged, mapping, casts)
            finally:
                con.close()
        except BaseException:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise
        shutil.rmtree(self.folder / "temp", ignore_errors=True)
        plan.save()
        return plan

    def _make(
        self, con: duckdb.DuckDBPyConnection, staged: Staged, mapping: RowMapping, casts: list[tuple[str, str]]
    ) -> Plan:
        findings = [Finding(r.row, None, None, None, "quarantined", r.code, "", "", r.detail) for r in staged.rejects]
        findings += quarantine(con, self.definition, mapping, casts)
        held = open_snapshot(con, self.snapshot, [part.name for part in mapping.parts])
        counts = compare(con, mapping.parts)
        everything = con.execute("select count(*) from everything").fetchone()
        assert everything is not None
        rows_read = everything[0] + len(staged.rejects)
        self.notify("planning", 0)
        lines = self.folder / "temp" / "entries.jsonl"
        samples: list[dict[str, str]] = []
        idle = {True: 0, False: 0}
        with lines.open("wb") as out:
            encoder = msgspec.json.Encoder()
            for line in self._lines(con, mapping, held, findings, samples, idle):
                out.write(encoder.encode(line) + b"\n")
        findings += write(con, self.definition, lines, self.folder)
        batches = list(cut(con, self.folder, self.definition.pace.max_batch))
        saved = f"read_parquet({literal(str(self.folder / 'plan.parquet'))})"
        planned = dict.fromkeys(dict.fromkeys(_word(part.name) for part in mapping.parts), 0)
        planned |= dict(con.execute(f"select split_part(part, '.', 1), count(*) from {saved} group by 1").fetchall())
        size = con.execute(
            f"select count(distinct row) filter (where row > 0), count(distinct row) filter (where row <= 0), "
            f"coalesce(sum(strlen(payload)), 0)::bigint from {saved}"
        ).fetchone()
        assert size is not None
        requests, minutes = cost(batches)
        header = Header(
            sync=self.definition.sync,
            account=self.definition.account,
            to=self.definition.to,
            made=self.now.isoformat(timespec="seconds"),
            source=staged.fingerprint,
            config=hashlib.blake2b(self.definition.model_dump_json().encode(), digest_size=16).hexdigest(),
            rows_read=rows_read,
            new=counts.new - idle[False],
            changed=counts.changed - idle[True],
            unchanged=counts.unchanged + idle[True] + idle[False],
            gone=counts.gone,
            moved_on=counts.moved_on,
            planned=planned,
            rows=size[0],
            removed=size[1],
            quarantined=len({f.row for f in findings if f.row_class == "quarantined"}),
            held=len({f.row for f in findings if f.row_class == "held"}),
            requests=requests,
            bytes=size[2],
            minutes=minutes,
            samples=samples,
        )
        self._guard(header)
        return Plan(self.folder, header, batches, findings)

    def _lines(
        self,
        con: duckdb.DuckDBPyConnection,
        mapping: RowMapping,
        held: list[str],
        findings: list[Finding],
        samples: list[dict[str, str]],
        idle: dict[bool, int],
    ) -> Iterator[dict[str, Any]]:
        """The plan's rows, as they come. `idle` counts the due rows for which there is nothing to do, by whether
        something of them was delivered before."""
        destination = destination_of(self.definition)
        builder = destination.builder(self.definition, mapping.slots, self.now)
        for number, due in enumerate(delta(con, mapping), 1):
            if number % 5_000 == 0:
                self.notify("planning", number)
            try:
                made = list(builder.entries(due))
            except BadRow as bad:
                digest = next(iter(due.digests.values()))
                findings.append(
                    Finding(due.row, None, due.key, digest, "quarantined", bad.code, bad.field, bad.value, bad.detail)
                )
                continue
            if not made:
                idle[due.old] += 1
                continue
            entries = [entry for each in made for entry in self._sendable(due, each, findings)]
            if entries and len(samples) < 5:
                samples.append({"key": due.key, "status": "changed" if due.old else "new"})
            yield from entries
        if not destination.removes(self.definition):
            return
        # Rows that are not in the source have no number in it.
        for number, left in enumerate(gone(con, held)):
            for entry in destination.gone(self.definition, left):
                yield line(-number, left.key, {}, None, entry)

    def _sendable(self, due: Due, made: Entry | Held, findings: list[Finding]) -> Iterator[dict[str, Any]]:
        """The plan's line of an entry, unless a guard or an earlier refusal keeps it back."""
        digest = due.digests[made.part]
        if isinstance(made, Held):
            findings.append(
                Finding(due.row, None, due.key, digest, "held", made.code, made.field, made.value, made.detail)
            )
            return
        if (
            self.erased is not None
            and destination_of(self.definition).brings_back
            and any(map(self.erased, _identities(made)))
        ):
            # No value and no key: they may be what was erased.
            findings.append(Finding(due.row, None, None, None, "held", "person.erased"))
            return
        before = self.settled.get((due.key, digest or ""))
        if before is not None and before.row_class == "rejected":
            findings.append(msgspec.structs.replace(before, row=due.row, n=None))
            return
        if before is not None:
            made = made._replace(route=ROUTES[made.route].again)
        yield line(due.row, due.key, due.digests, due.content, made)

    def _guard(self, header: Header) -> None:
        limits, bad_rows = self.definition.limits, self.definition.bad_rows
        bound = bad_rows.stop_over
        if bound is not None and bound.exceeded(header.quarantined, header.rows_read):
            header.halt = "limit.bad_rows"
            header.halt_detail = f"{header.quarantined:,} of {header.rows_read:,} rows are bad, allowed are {bound}"
        delivered = header.unchanged + header.changed + header.gone
        bound = limits.max_changes
        changes = header.changed + (header.new if delivered else 0)
        if bound is not None and bound.rows is not None:
            changes = header.changed + header.new
        if bound is not None and bound.exceeded(changes, delivered):
            header.halt = "limit.max_changes"
            header.halt_detail = f"{changes:,} of {delivered:,} delivered rows would change, allowed are {bound}"
        bound = limits.max_removals
        if bound is not None and bound.exceeded(header.removed, delivered):
            header.halt = "limit.max_removals"
            header.halt_detail = f"{header.removed:,} of {delivered:,} delivered rows would go, allowed are {bound}"
        if header.halt:
            header.halt_detail += f". {reason(header.halt).why}"


def _word(part: str) -> str:
    return part.partition(".")[0]


class _Identifiers(msgspec.Struct):
    email: str | None = None
    phone_number: str | None = None
    external_id: str | None = None
    profile: _Data | None = None
    """an event's"""


class _Data(msgspec.Struct):
    attributes: _Identifiers = msgspec.field(default_factory=_Identifiers)
    data: _Data | None = None


def _identities(entry: Entry) -> Iterator[str]:
    """Everybody whom an entry is about, by every identifier that it holds."""
    yield entry.identity
    found = msgspec.json.decode(entry.payload, type=_Data).attributes
    if found.profile is not None and found.profile.data is not None:
        found = found.profile.data.attributes
    for name in ("email", "phone_number", "external_id"):
        if (value := getattr(found, name)) is not None:
            yield f"{name}:{value}"
