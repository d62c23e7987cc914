"""Deletions of people, one by one, written into the consent ledger."""

from __future__ import annotations

from collections.abc import Sequence

from clavichord.client.errors import NotFound
from clavichord.sync.consents import Said
from clavichord.sync.ledger import Batch
from clavichord.sync.plan import PlanRow
from clavichord.sync.routes.single import Single
from clavichord.sync.routes.work import Work


class RequestDeletion(Single):
    """Who is not there need not be deleted. Klaviyo deletes in its own time, and there is nothing to ask it about."""

    name = "deletions.request"
    operation = "request_profile_deletion"

    async def one(self, work: Work, row: PlanRow) -> object:
        # The tombstone comes first: another sync must not bring them back meanwhile.
        work.consents.erase([row.who])
        try:
            await super().one(work, row)
        except NotFound:
            return "unknown"
        return "requested"

    async def after(self, work: Work, batch: Batch, done: Sequence[tuple[PlanRow, object]]) -> None:
        said = [Said(row.who, "profile", "erased", {"klaviyo": outcome}) for row, outcome in done]
        work.consents.append(work.definition.account, work.definition.sync, work.ledger.run, said)
        work.consents.erase(row.who for row, _ in done)  # writing it down has named them again
