"""Coupons one by one; their codes by jobs, and never twice: what may have arrived is looked up before it is sent."""

from __future__ import annotations

import json
from collections.abc import Sequence

from clavichord.client.errors import Conflict
from clavichord.client.uploads.route import bulk
from clavichord.sync.ledger import Batch, Finding
from clavichord.sync.plan import PlanRow
from clavichord.sync.routes.jobs import look, submit
from clavichord.sync.routes.refusals import rejected
from clavichord.sync.routes.route import Route
from clavichord.sync.routes.single import Single
from clavichord.sync.routes.work import Work


class PutCoupon(Single):
    """Created; updated where it is there already."""

    name = "coupons.put"
    operation = "create_coupon"

    async def one(self, work: Work, row: PlanRow) -> None:
        try:
            await work.client.send(self.operation, body=f'{{"data":{row.payload}}}'.encode())
        except Conflict:
            attributes = json.loads(row.payload)["attributes"]
            attributes.pop("external_id")
            data = {"type": "coupon", "id": row.identity, "attributes": attributes}
            await work.client.send("update_coupon", path={"id": row.identity}, body={"data": data})


class AddCodes(Route):
    name = "coupon-codes.add"
    operation = "bulk_create_coupon_codes"

    def requests(self, batches: int, entries: int) -> dict[str, int]:
        return {self.operation: batches, "get_bulk_create_coupon_codes_job": 2 * batches}

    async def send(self, work: Work, batch: Batch) -> None:
        rows = work.live(batch)
        arrived: list[Finding] = []
        if batch.state == "sent":
            # The answer to an earlier request was lost: a job may be at work.
            there = await self._there(work, rows)
            arrived = [_done(row) for row in rows if row.identity in there]
            rows = [row for row in rows if row.identity not in there]
        batch.attempts += 1
        work.mark(batch, "sent", arrived)
        jobs, refused = await submit(
            work, bulk(self.operation, "coupon-codes"), [(row, row.payload.encode()) for row in rows]
        )
        batch.job_id = " ".join(jobs) or None
        work.mark(batch, "accepted" if jobs else "confirmed", refused)
        work.meter.sent(len(rows))

    async def confirm(self, work: Work, batch: Batch, *, last: bool) -> bool:
        sound, reasons = True, []
        for job_id in (batch.job_id or "").split():
            job = await look(work, "get_bulk_create_coupon_codes_job", job_id)
            if job is not None and not job.done:
                return False
            if job is None or not job.sound:
                sound = False
                reasons.append(job.reasons() if job is not None else "the job is no longer known")
        rows = work.live(batch)
        findings: list[Finding] = []
        if not sound:
            there = await self._there(work, rows)
            reason = "; ".join(dict.fromkeys(reasons))
            findings = [rejected(row, "klaviyo.import_error", reason) for row in rows if row.identity not in there]
        work.confirm(batch, findings, len(rows))
        return True

    async def _there(self, work: Work, rows: Sequence[PlanRow]) -> set[str]:
        """Ids of the coupons' codes that Klaviyo has."""
        coupons = {json.loads(row.payload)["relationships"]["coupon"]["data"]["id"] for row in rows}
        found: set[str] = set()
        for coupon in sorted(coupons):
            query = {
                "filter": f'equals(coupon.id,"{coupon}")',
                "fields[coupon-code]": "unique_code",
                "page[size]": "100",
            }
            async for page in work.client.pages("get_coupon_codes", query=query):
                found |= {one["id"] for one in page.json()["data"]}
        return found


def _done(row: PlanRow) -> Finding:
    return Finding(row.row, row.n, row.key, row.digest, "confirmed", "done", "", row.identity)
