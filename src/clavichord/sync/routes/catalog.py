"""The catalog: created or updated as it is there or not, deleted; always by jobs, read back where a job failed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from clavichord.client.uploads.route import bulk
from clavichord.sync.destinations.catalog import PREFIX
from clavichord.sync.ledger import Batch, Finding
from clavichord.sync.plan import PlanRow
from clavichord.sync.routes.jobs import Entry, Job, look, submit
from clavichord.sync.routes.refusals import rejected
from clavichord.sync.routes.route import Route
from clavichord.sync.routes.work import Work

_FIXED = ("external_id", "integration_type", "catalog_type")
"""attributes of a creation that an update does not take"""


class _Catalog(Route):
    """`items`, `variants` or `categories`."""

    def __init__(self, kind: str, collection: str, job: str) -> None:
        self.kind = kind
        self.collection = collection
        self.job = job

    def requests(self, batches: int, entries: int) -> dict[str, int]:
        return {self.operation: batches, f"get_bulk_{self.verb}_{self.job}_job": 2 * batches}

    @property
    def verb(self) -> str:
        return self.operation.split("_")[1]

    def _jobs(self, verb: str) -> tuple[str, str]:
        """(operation that sends, operation that tells how the job is doing)"""
        return f"bulk_{verb}_catalog_{self.collection}", f"get_bulk_{verb}_{self.job}_job"

    async def _submit(self, work: Work, verb: str, entries: Sequence[Entry]) -> tuple[list[str], list[Finding]]:
        sends, _ = self._jobs(verb)
        jobs, refused = await submit(work, bulk(sends, self.collection), entries)
        return [f"{verb}:{job}" for job in jobs], refused

    async def _there(self, work: Work, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """id → attributes of those that are in the catalog."""
        chosen = json.dumps(sorted(ids), ensure_ascii=False, separators=(",", ":"))
        found: dict[str, dict[str, Any]] = {}
        query = {"filter": f"any(ids,{chosen})", "page[size]": "100"}
        async for page in work.client.pages(f"get_catalog_{self.collection}", query=query):
            found |= {one["id"]: one["attributes"] for one in page.json()["data"]}
        return found

    async def _send(self, work: Work, batch: Batch, verbs: dict[str, list[Entry]], refused: list[Finding]) -> None:
        jobs: list[str] = []
        for verb, entries in verbs.items():
            if entries:
                made, bad = await self._submit(work, verb, entries)
                jobs += made
                refused += bad
        batch.job_id = " ".join(jobs) or None
        work.mark(batch, "accepted" if jobs else "confirmed", refused)
        work.meter.sent(sum(map(len, verbs.values())))

    async def confirm(self, work: Work, batch: Batch, *, last: bool) -> bool:
        jobs: list[Job] = []
        for name in (batch.job_id or "").split():
            verb, _, job_id = name.partition(":")
            job = await look(work, self._jobs(verb)[1], job_id)
            if job is not None and not job.done:
                return False
            jobs += [job] if job is not None else []
        rows = work.live(batch)
        findings: list[Finding] = []
        if not jobs or not all(job.sound for job in jobs):
            reasons = "; ".join(job.reasons() for job in jobs if not job.sound) or "the job is no longer known"
            findings = [rejected(row, "klaviyo.import_error", reasons) for row in await self._missing(work, rows)]
        work.confirm(batch, findings, len(rows))
        return True

    async def _missing(self, work: Work, rows: Sequence[PlanRow]) -> list[PlanRow]:
        """Those that are not as they should be."""
        raise NotImplementedError


class Put(_Catalog):
    """What is there is updated, what is not is created. Repeating it does no harm."""

    def __init__(self, kind: str, collection: str, job: str) -> None:
        super().__init__(kind, collection, job)
        self.name = f"{kind}.put"
        self.operation = f"bulk_create_catalog_{collection}"

    async def send(self, work: Work, batch: Batch) -> None:
        rows = work.live(batch)
        batch.attempts += 1
        work.mark(batch, "sent")
        there = await self._there(work, (PREFIX + row.identity for row in rows))
        verbs: dict[str, list[Entry]] = {"create": [], "update": []}
        for row in rows:
            known = PREFIX + row.identity in there
            payload = _update(row) if known else row.payload.encode()
            verbs["update" if known else "create"].append((row, payload))
        await self._send(work, batch, verbs, [])

    async def _missing(self, work: Work, rows: Sequence[PlanRow]) -> list[PlanRow]:
        there = await self._there(work, (PREFIX + row.identity for row in rows))
        return [row for row in rows if not _holds(there.get(PREFIX + row.identity), json.loads(row.payload))]


class Delete(_Catalog):
    """What is not there any more need not be deleted."""

    def __init__(self, kind: str, collection: str, job: str) -> None:
        super().__init__(kind, collection, job)
        self.name = f"{kind}.delete"
        self.operation = f"bulk_delete_catalog_{collection}"

    async def send(self, work: Work, batch: Batch) -> None:
        rows = work.live(batch)
        batch.attempts += 1
        work.mark(batch, "sent")
        there = await self._there(work, (PREFIX + row.identity for row in rows))
        gone = [
            (row, msgspec.json.encode({"type": f"catalog-{self.kind}", "id": PREFIX + row.identity}))
            for row in rows
            if PREFIX + row.identity in there
        ]
        await self._send(work, batch, {"delete": gone}, [])

    async def _missing(self, work: Work, rows: Sequence[PlanRow]) -> list[PlanRow]:
        there = await self._there(work, (PREFIX + row.identity for row in rows))
        return [row for row in rows if PREFIX + row.identity in there]


class Unpublish(Put):
    """Items that left the source stay, unpublished; what is not there is left alone."""

    def __init__(self) -> None:
        super().__init__("item", "items", "catalog_items")
        self.name = "item.unpublish"
        self.operation = "bulk_update_catalog_items"

    async def send(self, work: Work, batch: Batch) -> None:
        rows = work.live(batch)
        batch.attempts += 1
        work.mark(batch, "sent")
        there = await self._there(work, (PREFIX + row.identity for row in rows))
        known = [(row, _update(row)) for row in rows if PREFIX + row.identity in there]
        await self._send(work, batch, {"update": known}, [])

    async def _missing(self, work: Work, rows: Sequence[PlanRow]) -> list[PlanRow]:
        there = await self._there(work, (PREFIX + row.identity for row in rows))
        return [row for row in rows if there.get(PREFIX + row.identity, {}).get("published")]


def _update(row: PlanRow) -> bytes:
    """The payload of a creation as one of an update."""
    entry = json.loads(row.payload)
    attributes = {name: value for name, value in entry["attributes"].items() if name not in _FIXED}
    relationships = {name: value for name, value in (entry.get("relationships") or {}).items() if name != "item"}
    changed = {"type": entry["type"], "id": PREFIX + row.identity, "attributes": attributes}
    return msgspec.json.encode(changed | ({"relationships": relationships} if relationships else {}))


def _holds(there: dict[str, Any] | None, entry: dict[str, Any]) -> bool:
    if there is None:
        return False
    return all(there.get(name) == value for name, value in entry["attributes"].items() if name not in _FIXED)


CATALOG = (
    Put("category", "categories", "categories"),
    Put("item", "items", "catalog_items"),
    Put("variant", "variants", "variants"),
    Delete("category", "categories", "categories"),
    Delete("item", "items", "catalog_items"),
    Delete("variant", "variants", "variants"),
    Unpublish(),
)
