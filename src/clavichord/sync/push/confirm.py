"""Accepted → confirmed: what Klaviyo took is asked after until it is settled."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from clavichord.client.errors import KlaviyoError
from clavichord.sync.ledger import Batch
from clavichord.sync.push.deliver import IN_FLIGHT
from clavichord.sync.routes import ROUTES
from clavichord.sync.routes.work import Work, halt_for

FIRST_WAIT = 0.25
LONGEST_WAIT = 15.0


async def settle(work: Work) -> None:
    """Asks until everything accepted is settled, `confirm.wait` is over, or the run is stopped. Raises Halt."""
    pending = work.ledger.batches("accepted")
    loop = asyncio.get_running_loop()
    end, pause = loop.time() + work.definition.confirm.wait.total_seconds(), FIRST_WAIT
    while pending:
        left = end - loop.time()
        try:
            pending = await _round(work, pending, last=left <= 0)
        except KlaviyoError as error:
            raise halt_for(error) from error
        if not pending or left <= 0 or work.stopping():
            return
        await asyncio.sleep(min(pause, max(0.0, left)))
        pause = min(pause * 1.6, LONGEST_WAIT)


async def _round(work: Work, pending: Sequence[Batch], *, last: bool) -> list[Batch]:
    gate = asyncio.Semaphore(IN_FLIGHT)

    async def ask(batch: Batch) -> bool:
        async with gate:
            return not work.stopping() and await ROUTES[batch.route].confirm(work, batch, last=last)

    # A refusal must not leave the other requests running behind the caller's back.
    answers = await asyncio.gather(*(ask(batch) for batch in pending), return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return [batch for batch, done in zip(pending, answers, strict=True) if not done]


def waiting(batches: Iterable[Batch]) -> bool:
    """Is any of them worth asking about again?"""
    return any(b.state == "accepted" and b.job_id is not None and b.note is None for b in batches)
