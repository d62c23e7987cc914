"""Many entries in one request: those that are refused are found and taken out, the rest is sent."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from clavichord.client.errors import (
    APIError,
    AuthenticationFailed,
    Conflict,
    InvalidRequest,
    InvalidResponse,
    NotFound,
    PayloadTooLarge,
    PermissionDenied,
    RateLimited,
    TransportError,
)
from clavichord.sync.ledger import Batch
from clavichord.sync.plan import PlanRow
from clavichord.sync.routes.refusals import by_pointer, outside_rows, whole
from clavichord.sync.routes.route import Route
from clavichord.sync.routes.work import Halt, Work

MAX_SPLITS = 200
"""bisections a run may spend on refusals that name no row"""


class Bulk(Route):
    """A request a batch, of which all or nothing is accepted."""

    entry: re.Pattern[str]
    """what of a pointer is the entry's index"""
    about_consent: bool = False
    """every request is written into the consent ledger before it is sent"""

    async def send(self, work: Work, batch: Batch) -> None:
        """Takes refused entries out and sends the rest, until it is accepted or empty."""
        while not work.stopping():
            rows = work.live(batch)
            if not rows:
                work.mark(batch, "confirmed")
                return
            batch.attempts += 1
            work.mark(batch, "sent")
            if self.about_consent:
                work.said(batch, rows, "requested")
            try:
                body = self.body(json.loads(batch.grp), rows, work.lists)
                response = await work.client.send(self.operation, body=body)
            except (InvalidRequest, PayloadTooLarge, NotFound, Conflict) as error:
                if not await self._refused(work, batch, rows, error):
                    return
                continue
            except (AuthenticationFailed, PermissionDenied, RateLimited):
                work.mark(batch, "intent")
                raise
            except TransportError as error:
                if not error.maybe_sent:
                    work.mark(batch, "intent")
                raise
            except InvalidResponse:
                # A 2xx with an unreadable body: taken, but without a job to ask about.
                batch.note = "the answer could not be read"
                work.mark(batch, "accepted")
                return
            batch.request_id = response.headers.get("x-request-id") or response.headers.get("cf-ray")
            if response.body:
                batch.job_id = str(response.json()["data"]["id"])
            work.mark(batch, "accepted")
            work.meter.sent(len(rows))
            return

    async def _refused(self, work: Work, batch: Batch, rows: Sequence[PlanRow], error: APIError) -> bool:
        """Notes who is to blame. True: the batch can be sent again without them."""
        found = by_pointer(error, rows, self.entry)
        if found:
            work.mark(batch, "intent", found)
            work.meter.sent(len(found))
            return True
        if outside_rows(error):
            work.mark(batch, "intent")
            raise Halt("klaviyo.refused", str(error), "The request itself is refused, whatever its rows hold.")
        if len(rows) == 1:
            work.mark(batch, "confirmed", [whole(error, rows[0])])
            return False
        if work.splits >= MAX_SPLITS:
            batch.note = str(error)
            work.mark(batch, "failed")
            return False
        work.splits += 1
        left, right = work.ledger.split(batch, rows[len(rows) // 2].n)
        await self.send(work, left)
        await self.send(work, right)
        return False
