"""A request an entry, answered at once: what is not refused is confirmed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from clavichord.client.errors import Conflict, InvalidRequest, NotFound, PayloadTooLarge
from clavichord.sync.ledger import Batch, Finding
from clavichord.sync.plan import PlanRow
from clavichord.sync.routes.refusals import whole
from clavichord.sync.routes.route import Route
from clavichord.sync.routes.work import Work


class Single(Route):
    """Everything it sends can be sent twice: a batch that was interrupted is sent again as a whole."""

    single = True

    async def one(self, work: Work, row: PlanRow) -> object:
        """Sends one entry. A KlaviyoError about the entry itself rejects it, any other ends the run."""
        return await work.client.send(self.operation, body=f'{{"data":{row.payload}}}'.encode())

    async def send(self, work: Work, batch: Batch) -> None:
        rows = work.live(batch)
        batch.attempts += 1
        work.mark(batch, "sent")
        results = await asyncio.gather(*(self._in_turn(work, row) for row in rows), return_exceptions=True)
        findings: list[Finding] = []
        done: list[tuple[PlanRow, object]] = []
        failure: BaseException | None = None
        for row, result in zip(rows, results, strict=True):
            match result:
                case InvalidRequest() | PayloadTooLarge() | Conflict() | NotFound():
                    findings.append(whole(result, row))
                case BaseException():
                    failure = failure or result
                case _:
                    done.append((row, result))
        if failure is not None:
            work.mark(batch, "intent" if not done and not findings else "sent")
            raise failure
        await self.after(work, batch, done)
        work.meter.sent(len(rows))
        work.confirm(batch, findings, len(rows))

    async def after(self, work: Work, batch: Batch, done: Sequence[tuple[PlanRow, object]]) -> None:
        """What follows for the entries that were taken, with what `one` returned for each."""

    async def _in_turn(self, work: Work, row: PlanRow) -> object:
        async with work.singles:
            return await self.one(work, row)
