"""Profiles: many by an import job, few, and those with fields to clear, one by one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from clavichord.client.errors import NotFound
from clavichord.sync.ledger import Batch, Finding
from clavichord.sync.plan import PlanRow
from clavichord.sync.routes.bulk import Bulk
from clavichord.sync.routes.refusals import import_errors, not_visible
from clavichord.sync.routes.single import Single
from clavichord.sync.routes.work import Work

PAGE = 100
MEMBERS = 1_000
"""ids that one request adds to a list (FACTS §9.3)"""


class Import(Bulk):
    """An import job; the batch joins lists with it (FACTS §7.1)."""

    name = "profiles.import"
    operation = "bulk_import_profiles"
    entry = re.compile(r"/profiles/data/(\d+)(?=/|$)")

    def few(self, group: Mapping[str, Any]) -> str:
        return "" if group["lists"] else "profiles.upsert"

    def requests(self, batches: int, entries: int) -> dict[str, int]:
        return {self.operation: batches, "get_bulk_import_profiles_job": 2 * batches}

    def body(self, group: Mapping[str, Any], rows: Sequence[PlanRow], lists: Mapping[str, str]) -> bytes:
        entries = ",".join(row.payload for row in rows)
        document = f'"type":"profile-bulk-import-job","attributes":{{"profiles":{{"data":[{entries}]}}}}'
        if group["lists"]:
            joined = [{"type": "list", "id": lists[name]} for name in group["lists"]]
            document += f',"relationships":{{"lists":{{"data":{json.dumps(joined)}}}}}'
        return f'{{"data":{{{document}}}}}'.encode()

    async def confirm(self, work: Work, batch: Batch, *, last: bool) -> bool:
        if batch.job_id is None:
            return False
        try:
            response = await work.client.send("get_bulk_import_profiles_job", path={"job_id": batch.job_id})
        except NotFound:
            # Jobs are kept for seven days (FACTS §7): what became of this one nobody can say any more.
            batch.note = "the job is no longer known"
            work.mark(batch, "accepted")
            return False
        job = response.json()["data"]["attributes"]
        if job["status"] == "cancelled":
            batch.note = "klaviyo.cancelled"
            work.mark(batch, "failed")
            return True
        if job["status"] != "complete":
            return False
        rows = work.live(batch)
        findings: list[Finding] = []
        if job.get("failed_count") or job.get("completed_count") != job.get("total_count"):
            errors: list[dict[str, Any]] = []
            query = {"page[size]": "100"}
            pages = work.client.pages("get_errors_for_bulk_import_profiles_job", path={"id": batch.job_id}, query=query)
            async for page in pages:
                errors += page.json()["data"]
            findings, lost = import_errors(errors, rows, self.entry)
            if lost:
                # Some row failed and Klaviyo does not say which: none of them may count as confirmed.
                batch.note = f"{lost} import errors name no row"
                work.mark(batch, "accepted", findings)
                return True
        failed = {finding.n for finding in findings}
        findings += await _compare(work, [row for row in rows if row.n not in failed])
        work.confirm(batch, findings, len(rows))
        return True


async def _compare(work: Work, rows: Sequence[PlanRow]) -> list[Finding]:
    """Reads a few of the imported profiles again. One that is not there is not confirmed."""
    room = min(work.definition.confirm.read_back - work.read_back.read, PAGE)
    if room <= 0 or not rows:
        return []
    step = max(1, len(rows) // room)
    sample = {row.who: row for row in rows[::step][:room]}
    work.read_back.read += len(sample)
    missing: list[Finding] = []
    for name in ("email", "external_id", "phone_number"):
        wanted = {row.identity: row for row in sample.values() if row.who.startswith(name + ":")}
        if not wanted:
            continue
        literal = json.dumps(list(wanted), ensure_ascii=False, separators=(",", ":"))
        query = {"filter": f"any({name},{literal})", "page[size]": str(PAGE)}
        found: dict[str, dict[str, Any]] = {}
        async for page in work.client.pages("get_profiles", query=query):
            for profile in page.json()["data"]:
                attributes = profile["attributes"]
                found[str(attributes.get(name)).casefold()] = attributes
        for value, row in wanted.items():
            held = found.get(value.casefold())
            if held is None:
                missing.append(not_visible(row, "the import is complete, the profile is not there"))
            elif _holds(held, json.loads(row.payload)["attributes"]):
                work.read_back.equal += 1
            else:
                work.read_back.differing.append(row.key)
    return missing


def _holds(held: dict[str, Any], sent: dict[str, Any]) -> bool:
    """Does the profile hold what was sent? `location` is left out: Klaviyo rewrites it (FACTS §6.1)."""
    for name, value in sent.items():
        if name == "location":
            continue
        if name == "properties":
            properties = held.get("properties") or {}
            if any(_folded(properties.get(key)) != _folded(item) for key, item in value.items()):
                return False
        elif _folded(held.get(name)) != _folded(value):
            return False
    return True


def _folded(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


class Upsert(Single):
    """One request a profile; then they join their lists."""

    name = "profiles.upsert"
    operation = "create_or_update_profile"

    async def one(self, work: Work, row: PlanRow) -> str:
        response = await work.client.send(self.operation, body=f'{{"data":{row.payload}}}'.encode())
        return str(response.json()["data"]["id"])

    async def after(self, work: Work, batch: Batch, done: Sequence[tuple[PlanRow, object]]) -> None:
        for name in json.loads(batch.grp)["lists"]:
            for i in range(0, len(done), MEMBERS):
                members = [{"type": "profile", "id": profile_id} for _, profile_id in done[i : i + MEMBERS]]
                await work.client.send("add_profiles_to_list", path={"id": work.lists[name]}, body={"data": members})
