"""Sends the batches of a plan, several at a time; the ledger is written before and after each request."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from clavichord.client.errors import KlaviyoError
from clavichord.sync.ledger import Batch
from clavichord.sync.routes import ROUTES
from clavichord.sync.routes.work import Halt, Work, halt_for

IN_FLIGHT = 8
"""requests at once: enough to hide the latency of the busiest route, 10 a second"""


async def send(work: Work, batches: Sequence[Batch]) -> None:
    """Sends `batches`. Raises Halt when account, budget or network end it; what was in flight is finished."""
    queue = list(reversed(batches))
    halt: Halt | None = None
    gap = work.definition.pace.min_gap.total_seconds()
    turn = asyncio.Lock()

    async def wait() -> None:
        """One request after another begins, a gap apart."""
        async with turn:
            await asyncio.sleep(gap)

    async def worker() -> None:
        nonlocal halt
        while queue and halt is None and not work.stopping():
            batch = queue.pop()
            if gap and len(queue) + 1 < len(batches):
                await wait()
            try:
                await ROUTES[batch.route].send(work, batch)
            except Halt as found:
                halt = halt or found
            except KlaviyoError as error:
                halt = halt or halt_for(error)

    await asyncio.gather(*(worker() for _ in range(min(IN_FLIGHT, len(queue)))))
    if halt is not None:
        raise halt
