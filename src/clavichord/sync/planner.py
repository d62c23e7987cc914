"""Makes plans: reads, maps, compares, builds the payloads, cuts them into requests."""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from clavichord.spec import load
from clavichord.sync.definition import Connection, EventSync, SyncDefinition
from clavichord.sync.diff import DeltaRow, compare, delta, open_snapshot, quarantine
from clavichord.sync.documents import dotted
from clavichord.sync.expression import BadExpression, literal
from clavichord.sync.ledger import Batch, Finding
from clavichord.sync.mapping import RowMapping, compile_mapping, source_view
from clavichord.sync.mistakes import InvalidDefinition, Mistake
from clavichord.sync.plan import Header, Plan
from clavichord.sync.reasons import reason
from clavichord.sync.records import MAX_PROFILE_BYTES, BadRow, Builder, Held
from clavichord.sync.source import Staged, connect, stage

SMALL = 10
"""a group of so few profiles goes one by one: the answer is synchronous"""
SINGLE_BATCH = 100
"""single upserts that share a ledger line"""
ENVELOPE = 2_000
"""bytes kept free for what surrounds the entries of a body"""
ROW_GROUP = 20_480
STEPS = ("profile", "consent", "event")
NAMESPACE = uuid.UUID("6f0d2c57-3f7e-5b0e-9a43-8c1e6f1f4b1d")

Notify = Callable[[str, int], None]
"""(phase, rows so far)"""


def fingerprint(definition: SyncDefinition) -> str:
    """Of what decides the payloads: a change of it makes every row a changed row."""
    include = {"map", "lists", "blanks", "zone", "metric", "profile", "properties", "value", "value_currency", "time"}
    data = definition.model_dump(mode="json", include=include)
    return hashlib.blake2b(json.dumps(data, sort_keys=True).encode(), digest_size=16).hexdigest()


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
            line, column = definition.place.of(path)
            raise InvalidDefinition(
                [Mistake(definition.place.file, line, column, dotted(path), error.what, error.fix)]
            ) from None
        mapping = compile_mapping(con, definition, staged.columns, fingerprint(definition))
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
        open_snapshot(con, self.snapshot)
        counts = compare(con, self.definition)
        everything = con.execute("select count(*) from everything").fetchone()
        assert everything is not None
        rows_read = everything[0] + len(staged.rejects)
        self.notify("planning", 0)
        lines = self.folder / "temp" / "entries.jsonl"
        samples: list[dict[str, str]] = []
        with lines.open("wb") as out:
            encoder = msgspec.json.Encoder()
            for line in self._entries(con, mapping, findings, samples):
                out.write(encoder.encode(line) + b"\n")
        findings += self._write(con, lines)
        batches = list(self._batches(con))
        saved = f"read_parquet({literal(str(self.folder / 'plan.parquet'))})"
        planned = dict.fromkeys(STEPS, 0)
        planned.update(con.execute(f"select step, count(*) from {saved} group by 1").fetchall())
        size = con.execute(
            f"select count(distinct row), coalesce(sum(strlen(payload)), 0)::bigint from {saved}"
        ).fetchone()
        assert size is not None
        requests, minutes = self._cost(batches, planned)
        header = Header(
            sync=self.definition.sync,
            account=self.definition.account,
            to=self.definition.to,
            made=self.now.isoformat(timespec="seconds"),
            source=staged.fingerprint,
            config=hashlib.blake2b(self.definition.model_dump_json().encode(), digest_size=16).hexdigest(),
            rows_read=rows_read,
            new=counts.new,
            changed=counts.changed,
            unchanged=counts.unchanged,
            gone=counts.gone,
            moved_on=counts.moved_on,
            planned=planned,
            rows=size[0],
            quarantined=len({f.row for f in findings if f.row_class == "quarantined"}),
            held=len({f.row for f in findings if f.row_class == "held"}),
            requests=requests,
            bytes=size[1],
            minutes=minutes,
            samples=samples,
        )
        self._guard(header)
        return Plan(self.folder, header, batches, findings)

    def _entries(
        self,
        con: duckdb.DuckDBPyConnection,
        mapping: RowMapping,
        findings: list[Finding],
        samples: list[dict[str, str]],
    ) -> Iterator[dict[str, Any]]:
        builder = Builder(self.definition, mapping, self.now, self._unique_id)
        for number, due in enumerate(delta(con, mapping), 1):
            if number % 5_000 == 0:
                self.notify("planning", number)
            try:
                entries = list(self._row(builder, due, findings))
            except BadRow as bad:
                findings.append(
                    Finding(due.row, None, due.key, due.hash, "quarantined", bad.code, bad.field, bad.value, bad.detail)
                )
                continue
            if entries and len(samples) < 5:
                samples.append({"key": due.key, "status": due.status})
            yield from entries

    def _row(self, builder: Builder, due: DeltaRow, findings: list[Finding]) -> Iterator[dict[str, Any]]:
        base = {"row": due.row, "key": due.key, "hash": due.hash, "hash2": due.hash2, "moment": 0, "unique_id": None}
        if isinstance(self.definition, EventSync):
            if self._refused_before(due, due.hash, findings):
                return
            event = builder.event(due.values, due.key)
            payload = event.payload()
            if len(payload) > 5_000_000 - ENVELOPE:
                raise BadRow("event.too_large", "properties", len(payload), f"{len(payload):,} bytes")
            identity = next(
                str(event.profile[name]) for name in ("email", "external_id", "phone_number") if name in event.profile
            )
            yield {
                **base,
                "step": "event",
                "grp": "{}",
                "payload": payload.decode(),
                "identity": identity,
                "moment": event.time,
                "unique_id": event.unique_id,
            }
            return
        profile = builder.profile(due.values)
        consent = builder.consent(due.values) if due.consent_due else None
        payload = profile.payload()
        if len(payload) > MAX_PROFILE_BYTES:
            raise BadRow("profile.too_large", "map", len(payload), f"{len(payload):,} bytes")
        identity = next(
            str(profile.attributes[name])
            for name in ("email", "external_id", "phone_number")
            if name in profile.attributes
        )
        if due.record_due:
            if self._refused_before(due, due.hash, findings):
                return
            route = json.dumps({"route": "single" if profile.clears else "bulk", "lists": profile.lists})
            yield {
                **base,
                "hash2": None,
                "step": "profile",
                "grp": route,
                "payload": payload.decode(),
                "identity": identity,
            }
        if consent is None:
            return
        if isinstance(consent, Held):
            findings.append(
                Finding(
                    due.row,
                    None,
                    due.key,
                    due.hash2,
                    "held",
                    consent.code,
                    consent.field,
                    consent.value,
                    consent.detail,
                )
            )
            return
        before = self.settled.get((due.key, due.hash2 or ""))
        if before is not None and before.row_class == "rejected":
            findings.append(msgspec.structs.replace(before, row=due.row, n=None))
            return
        group = {
            "list": consent.list,
            "source": consent.source,
            "historical": consent.historical,
            "look": before is not None,
        }
        yield {
            **base, "hash": None, "step": "consent", "grp": json.dumps(group), "payload": consent.payload().decode(),
            "identity": consent.email, "moment": consent.at,
        }  # fmt: skip

    def _refused_before(self, due: DeltaRow, digest: str, findings: list[Finding]) -> bool:
        before = self.settled.get((due.key, digest))
        if before is None or before.row_class != "rejected":
            return False
        findings.append(msgspec.structs.replace(before, row=due.row, n=None))
        return True

    def _unique_id(self, key: str) -> str:
        """The same for ever for a row of this sync: a second sending is recognised by Klaviyo (FACTS §8.1)."""
        metric = self.definition.metric if isinstance(self.definition, EventSync) else ""
        return str(uuid.uuid5(NAMESPACE, f"{self.definition.sync}\x1f{metric}\x1f{key}"))

    def _write(self, con: duckdb.DuckDBPyConnection, lines: Path) -> list[Finding]:
        """Sorts the entries into sending order and writes plan.parquet. Returns events that share a unique_id."""
        names = ("row", "key", "hash", "hash2", "step", "grp", "payload", "identity", "moment", "unique_id")
        columns = ", ".join(f"{name}: '{'BIGINT' if name in ('row', 'moment') else 'VARCHAR'}'" for name in names)
        entries = (
            f"read_json({literal(str(lines))}, format='newline_delimited', columns={{{columns}}}, "
            "maximum_object_size=40000000)"
        )
        taken: list[Finding] = []
        if isinstance(self.definition, EventSync) and self.definition.unique_id != "auto":
            con.execute(
                f"create or replace table taken as select row, key, hash, unique_id from {entries} "
                "qualify count(*) over (partition by identity, unique_id) > 1"
            )
            taken = [
                Finding(
                    r[0],
                    None,
                    r[1],
                    r[2],
                    "quarantined",
                    "event.unique_id_taken",
                    "unique_id",
                    r[3],
                    "another row has the same unique_id",
                )
                for r in con.execute("select row, key, hash, unique_id from taken order by row").fetchall()
            ]
        else:
            con.execute("create or replace table taken(row bigint)")
        con.execute(
            f"copy (select row_number() over () - 1 as n, * from (select * from {entries} "
            "where row not in (select row from taken) "
            f"order by step <> 'profile', grp, moment, row)) to {literal(str(self.folder / 'plan.parquet'))} "
            f"(format parquet, compression zstd, row_group_size {ROW_GROUP})"
        )
        return taken

    def _batches(self, con: duckdb.DuckDBPyConnection) -> Iterator[Batch]:
        """Cuts the plan into requests: by what its rows share, by count and by bytes."""
        path = literal(str(self.folder / "plan.parquet"))
        small = {
            (step, grp): count
            for step, grp, count in con.execute(
                f"select step, grp, count(*) from read_parquet({path}) group by 1, 2"
            ).fetchall()
        }
        operations = load().operations
        cursor = con.execute(f"select n, step, grp, strlen(payload) from read_parquet({path}) order by n")
        lo = at = size = limit = room = 0
        operation, current = "", ("", "")
        while rows := cursor.fetchmany(20_000):
            for n, step, grp, length in rows:
                if (step, grp) != current or n - lo >= limit or size + length + 1 > room:
                    if n > lo:
                        yield Batch(lo, n, operation, current[1])
                    if (step, grp) != current:
                        current = (step, grp)
                        operation = self._operation(step, json.loads(grp), small[current])
                        caps = operations[operation].caps
                        limit = caps.items if caps is not None and caps.items else SINGLE_BATCH
                        room = (caps.bytes if caps is not None and limit != SINGLE_BATCH else 1 << 40) - ENVELOPE
                    lo, size = n, 0
                size += length + 1
                at = n + 1
        if at > lo:
            yield Batch(lo, at, operation, current[1])

    @staticmethod
    def _operation(step: str, group: dict[str, Any], count: int) -> str:
        if step == "event":
            return "bulk_create_events"
        if step == "consent":
            return "get_profiles" if group["look"] else "bulk_subscribe_profiles"
        if group["route"] == "single" or (count <= SMALL and not group["lists"]):
            return "create_or_update_profile"
        return "bulk_import_profiles"

    @staticmethod
    def _cost(batches: Iterable[Batch], planned: dict[str, int]) -> tuple[dict[str, int], float]:
        requests: dict[str, int] = {}
        for batch in batches:
            if batch.operation != "get_profiles":
                count = batch.hi - batch.lo if batch.operation == "create_or_update_profile" else 1
                requests[batch.operation] = requests.get(batch.operation, 0) + count
        if jobs := requests.get("bulk_import_profiles"):
            requests["get_bulk_import_profiles_job"] = 2 * jobs
        if planned["consent"]:
            requests["get_profiles"] = 2 * -(-planned["consent"] // 100)
        if planned["event"]:
            requests["get_events"] = requests["bulk_create_events"] + -(-planned["event"] // 1_000)
        operations = load().operations
        minutes = max((count / operations[name].limit.steady for name, count in requests.items()), default=0.0)
        return requests, round(minutes, 3)

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
        if header.halt:
            header.halt_detail += f". {reason(header.halt).why}"
