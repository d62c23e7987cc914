"""Suppressions by jobs that say nothing of single addresses (FACTS §7.4): they are read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clavichord.sync.ledger import Batch
from clavichord.sync.plan import PlanRow
from clavichord.sync.routes.bulk import Bulk
from clavichord.sync.routes.consent import ENTRY
from clavichord.sync.routes.refusals import not_visible
from clavichord.sync.routes.standings import PAGE, Standing, standings
from clavichord.sync.routes.work import Work

REASON = "USER_SUPPRESSED"


class Suppress(Bulk):
    name = "suppressions.add"
    operation = "bulk_suppress_profiles"
    stage = 2
    entry = ENTRY
    about_consent = True
    job = "profile-suppression-bulk-create-job"

    def requests(self, batches: int, entries: int) -> dict[str, int]:
        return {self.operation: batches, "get_profiles": -(-entries // PAGE)}

    def body(self, group: Mapping[str, Any], rows: Sequence[PlanRow], lists: Mapping[str, str]) -> bytes:
        entries = ",".join(row.payload for row in rows)
        return f'{{"data":{{"type":"{self.job}","attributes":{{"profiles":{{"data":[{entries}]}}}}}}}}'.encode()

    async def confirm(self, work: Work, batch: Batch, *, last: bool) -> bool:
        rows = work.live(batch)
        known = await standings(work.client, "email", (row.identity for row in rows))
        missing = [row for row in rows if not self._settled(known.get(row.identity.lower()))]
        if missing and not last:
            return False
        work.said(batch, [row for row in rows if row not in missing], "confirmed")
        work.confirm(batch, [not_visible(row, "not in effect yet") for row in missing], len(rows))
        return True

    def _settled(self, standing: Standing | None) -> bool:
        return standing is not None and REASON in standing.suppressions


class Lift(Suppress):
    """Only what was suppressed by hand or by the API is lifted; bounces and opt-outs stay."""

    name = "suppressions.lift"
    operation = "bulk_unsuppress_profiles"
    job = "profile-suppression-bulk-delete-job"

    def _settled(self, standing: Standing | None) -> bool:
        return standing is None or REASON not in standing.suppressions
