"""Sends the batches of a plan, several at a time, and writes the ledger before and after each request.

Every operation here can be sent twice: a profile is an upsert, an event carries its unique_id, a consent is read back
before it is sent again. So a batch whose answer was lost is simply sent anew.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence

from clavichord.client.client import AsyncKlaviyo
from clavichord.client.errors import (
    APIError,
    AuthenticationFailed,
    Conflict,
    InvalidRequest,
    InvalidResponse,
    KlaviyoError,
    NotFound,
    PayloadTooLarge,
    PermissionDenied,
    RateLimited,
    TransportError,
)
from clavichord.sync.ledger import Batch, Finding, Ledger
from clavichord.sync.mistakes import SyncError
from clavichord.sync.push.consent import already, guard, standings
from clavichord.sync.push.progress import Meter
from clavichord.sync.push.refusals import by_pointer, outside_rows, whole
from clavichord.sync.push.rows import PlanRow, PlanRows, body

IN_FLIGHT = 8
"""requests at once: enough to hide the latency of the busiest route, 10 a second"""
SINGLES_IN_FLIGHT = 24
MAX_SPLITS = 200
"""bisections a run may spend on refusals that name no row"""


class Halt(SyncError):
    """The run ends here; what is left is sent by the next one. `code` is one of clavichord.sync.reasons."""

    def __init__(self, code: str, what: str, fix: str = "") -> None:
        super().__init__(what, fix)
        self.code = code


def halt_for(error: KlaviyoError) -> Halt:
    """The client's error as the end of a run."""
    match error:
        case AuthenticationFailed():
            return Halt("account.refused", str(error))
        case PermissionDenied():
            return Halt("account.scope", str(error))
        case RateLimited():
            return Halt("budget.exhausted", str(error))
        case TransportError():
            return Halt("network.unreachable", str(error))
    return Halt("server.error", str(error))


class Delivery:
    """Delivers one run. `stopping` is asked before each request."""

    def __init__(
        self,
        client: AsyncKlaviyo,
        ledger: Ledger,
        rows: PlanRows,
        meter: Meter,
        list_ids: dict[str, str],
        stopping: Callable[[], bool],
    ) -> None:
        self.client = client
        self.ledger = ledger
        self.rows = rows
        self.meter = meter
        self.list_ids = list_ids
        self.stopping = stopping
        self.splits = 0
        self._singles = asyncio.Semaphore(SINGLES_IN_FLIGHT)

    async def send(self, batches: Sequence[Batch]) -> None:
        """Delivers `batches`. Raises Halt when account, budget or network end it; what was in flight is finished."""
        routes: dict[str, Callable[[Batch], Awaitable[None]]] = {
            "create_or_update_profile": self._one_by_one,
            "bulk_subscribe_profiles": self._subscribe,
            "get_profiles": self._look,
        }
        queue = list(reversed(batches))
        halt: Halt | None = None

        async def worker() -> None:
            nonlocal halt
            while queue and halt is None and not self.stopping():
                batch = queue.pop()
                try:
                    await routes.get(batch.operation, self._bulk)(batch)
                except Halt as found:
                    halt = halt or found
                except KlaviyoError as error:
                    halt = halt or halt_for(error)

        await asyncio.gather(*(worker() for _ in range(min(IN_FLIGHT, len(queue)))))
        if halt is not None:
            raise halt

    def _read(self, batch: Batch) -> list[PlanRow]:
        return self.rows.read(batch.lo, batch.hi, self.ledger.excepted(batch.lo, batch.hi))

    def _mark(self, batch: Batch, state: str, findings: Sequence[Finding] = ()) -> None:
        batch.state = state
        self.ledger.settle(batch, findings)

    async def _bulk(self, batch: Batch) -> None:
        """Sends the batch; takes refused rows out and sends the rest, until it is accepted or empty."""
        while not self.stopping():
            rows = self._read(batch)
            if not rows:
                self._mark(batch, "confirmed")
                return
            batch.attempts += 1
            self._mark(batch, "sent")
            try:
                response = await self.client.send(batch.operation, body=body(batch, rows, self.list_ids))
            except (InvalidRequest, PayloadTooLarge, NotFound, Conflict) as error:
                if not await self._refused(batch, rows, error):
                    return
                continue
            except (AuthenticationFailed, PermissionDenied, RateLimited):
                self._mark(batch, "intent")
                raise
            except TransportError as error:
                if not error.maybe_sent:
                    self._mark(batch, "intent")
                raise
            except InvalidResponse:
                # A 2xx with an unreadable body: taken, but without a job to ask about.
                batch.note = "the answer could not be read"
                self._mark(batch, "accepted")
                return
            batch.request_id = response.headers.get("x-request-id") or response.headers.get("cf-ray")
            if response.body:
                batch.job_id = str(response.json()["data"]["id"])
            self._mark(batch, "accepted")
            self.meter.sent(len(rows))
            return

    async def _refused(self, batch: Batch, rows: Sequence[PlanRow], error: APIError) -> bool:
        """Notes who is to blame. True: the batch can be sent again without them."""
        found = by_pointer(error, rows)
        if found:
            self._mark(batch, "intent", found)
            self.meter.sent(len(found))
            return True
        if outside_rows(error):
            self._mark(batch, "intent")
            raise Halt("klaviyo.refused", str(error), "The request itself is refused, whatever its rows hold.")
        if len(rows) == 1:
            self._mark(batch, "confirmed", [whole(error, rows[0])])
            return False
        if self.splits >= MAX_SPLITS:
            batch.note = str(error)
            self._mark(batch, "failed")
            return False
        self.splits += 1
        left, right = self.ledger.split(batch, rows[len(rows) // 2].n)
        await self._bulk(left)
        await self._bulk(right)
        return False

    # Few profiles, and fields to clear: one request a row, answered at once

    async def _one_by_one(self, batch: Batch) -> None:
        rows = self._read(batch)
        lists = json.loads(batch.grp)["lists"]
        batch.attempts += 1
        self._mark(batch, "sent")
        results = await asyncio.gather(*(self._upsert(row) for row in rows), return_exceptions=True)
        findings: list[Finding] = []
        ids: list[str] = []
        failure: BaseException | None = None
        for row, result in zip(rows, results, strict=True):
            match result:
                case str():
                    ids.append(result)
                case InvalidRequest() | PayloadTooLarge() | Conflict() | NotFound():
                    findings.append(whole(result, row))
                case BaseException():
                    failure = failure or result
        if failure is not None:
            # Sent again as a whole by the next run: an upsert does no harm.
            self._mark(batch, "intent" if not ids and not findings else "sent")
            raise failure
        for name in lists:
            for i in range(0, len(ids), 1_000):
                members = [{"type": "profile", "id": identifier} for identifier in ids[i : i + 1_000]]
                await self.client.send("add_profiles_to_list", path={"id": self.list_ids[name]}, body={"data": members})
        self._mark(batch, "confirmed", findings)
        self.meter.sent(len(rows))
        self.meter.confirm(len(ids))

    async def _upsert(self, row: PlanRow) -> str:
        async with self._singles:
            response = await self.client.send("create_or_update_profile", body=f'{{"data":{row.payload}}}'.encode())
            return str(response.json()["data"]["id"])

    # Consent

    async def _subscribe(self, batch: Batch) -> None:
        """Reads everybody's consent first: nobody who has opted out is subscribed, nobody twice."""
        group = json.loads(batch.grp)
        list_id = self.list_ids.get(group["list"]) if group["list"] is not None else None
        rows = self._read(batch)
        known = await standings(self.client, (row.identity for row in rows))
        held = guard(rows, known, list_id)
        if batch.state == "sent":
            # The answer to an earlier request was lost. Whoever has this consent now needs no second one.
            kept = {finding.n for finding in held}
            done = [
                r
                for r in rows
                if r.n not in kept and already(r, known.get(r.identity.lower()), historical=group["historical"])
            ]
            if len(done) == len(rows) - len(held):
                self._mark(batch, "accepted", held)
                self.meter.sent(len(rows))
                return
        self._mark(batch, "intent", held)
        self.meter.sent(len(held))
        await self._bulk(batch)

    async def _look(self, batch: Batch) -> None:
        """Consents that an earlier run left accepted: only looked at, for a second request may mean a second mail."""
        self._mark(batch, "accepted")
        self.meter.sent(batch.hi - batch.lo)
