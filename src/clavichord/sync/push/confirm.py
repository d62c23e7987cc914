"""Accepted → confirmed: jobs are polled, events and consents read back, a sample of profiles compared."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from clavichord.client.client import AsyncKlaviyo
from clavichord.client.errors import KlaviyoError, NotFound
from clavichord.sync.definition import EventSync, SyncDefinition
from clavichord.sync.ledger import Batch, Finding, Ledger
from clavichord.sync.push.consent import PAGE, already, standings
from clavichord.sync.push.deliver import IN_FLIGHT, halt_for
from clavichord.sync.push.progress import Meter
from clavichord.sync.push.refusals import import_errors
from clavichord.sync.push.rows import PlanRow, PlanRows
from clavichord.sync.records import instant

FIRST_WAIT = 0.25
LONGEST_WAIT = 15.0
EVENTS_PAGE = 1_000
MAX_WINDOWS = 10
CONSENT = "consent"
"""the field of a finding: this consent was accepted and must not be sent a second time"""


class ReadBack(msgspec.Struct):
    """Imported profiles that were read again."""

    read: int = 0
    equal: int = 0
    differing: list[str] = []
    """keys of those that hold something else than was sent"""


class Confirmation:
    """Settles what is accepted."""

    def __init__(
        self,
        client: AsyncKlaviyo,
        definition: SyncDefinition,
        ledger: Ledger,
        rows: PlanRows,
        meter: Meter,
        stopping: Callable[[], bool],
    ) -> None:
        self.client = client
        self.definition = definition
        self.ledger = ledger
        self.rows = rows
        self.meter = meter
        self.stopping = stopping
        self.wait = definition.confirm.wait.total_seconds()
        self.read_back = ReadBack()
        self._metric_id = ""

    async def settle(self) -> None:
        """Asks until everything accepted is settled, `confirm.wait` is over, or the run is stopped. Raises Halt."""
        pending = self.ledger.batches("accepted")
        loop = asyncio.get_running_loop()
        end, pause = loop.time() + self.wait, FIRST_WAIT
        while pending:
            left = end - loop.time()
            try:
                pending = await self._round(pending, last=left <= 0)
            except KlaviyoError as error:
                raise halt_for(error) from error
            if not pending or left <= 0 or self.stopping():
                return
            await asyncio.sleep(min(pause, max(0.0, left)))
            pause = min(pause * 1.6, LONGEST_WAIT)

    async def _round(self, pending: Sequence[Batch], *, last: bool) -> list[Batch]:
        gate = asyncio.Semaphore(IN_FLIGHT)
        if any(b.operation == "bulk_create_events" for b in pending) and not self._metric_id:
            self._metric_id = await self._find_metric()

        async def ask(batch: Batch) -> bool:
            async with gate:
                if self.stopping():
                    return False
                match batch.operation:
                    case "bulk_import_profiles":
                        return await self._job(batch)
                    case "bulk_create_events":
                        return await self._events(batch, last=last)
                return await self._consents(batch, last=last)

        # A refusal must not leave the other requests running behind the caller's back.
        answers = await asyncio.gather(*(ask(batch) for batch in pending), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return [batch for batch, done in zip(pending, answers, strict=True) if not done]

    def _live(self, batch: Batch) -> list[PlanRow]:
        return self.rows.read(batch.lo, batch.hi, self.ledger.excepted(batch.lo, batch.hi))

    def _confirm(self, batch: Batch, findings: Sequence[Finding], rows: Sequence[PlanRow]) -> bool:
        batch.state = "confirmed"
        self.ledger.settle(batch, findings)
        self.meter.confirm(len(rows) - len(findings))
        return True

    # Profiles

    async def _job(self, batch: Batch) -> bool:
        if batch.job_id is None:
            return False
        try:
            response = await self.client.send("get_bulk_import_profiles_job", path={"job_id": batch.job_id})
        except NotFound:
            # Jobs are kept for seven days (FACTS §7): what became of this one nobody can say any more.
            batch.note = "the job is no longer known"
            self.ledger.settle(batch)
            return False
        job = response.json()["data"]["attributes"]
        if job["status"] == "cancelled":
            batch.state, batch.note = "failed", "klaviyo.cancelled"
            self.ledger.settle(batch)
            return True
        if job["status"] != "complete":
            return False
        rows = self._live(batch)
        findings: list[Finding] = []
        if job.get("failed_count") or job.get("completed_count") != job.get("total_count"):
            errors: list[dict[str, Any]] = []
            query = {"page[size]": "100"}
            pages = self.client.pages("get_errors_for_bulk_import_profiles_job", path={"id": batch.job_id}, query=query)
            async for page in pages:
                errors += page.json()["data"]
            findings, lost = import_errors(errors, rows)
            if lost:
                # Some row failed and Klaviyo does not say which: none of them may count as confirmed.
                batch.note = f"{lost} import errors name no row"
                self.ledger.settle(batch, findings)
                return True
        failed = {finding.n for finding in findings}
        findings += await self._compare([row for row in rows if row.n not in failed])
        return self._confirm(batch, findings, rows)

    async def _compare(self, rows: Sequence[PlanRow]) -> list[Finding]:
        """Reads a few of the imported profiles again. One that is not there is not confirmed."""
        room = min(self.definition.confirm.read_back - self.read_back.read, PAGE)
        if room <= 0 or not rows:
            return []
        step = max(1, len(rows) // room)
        sample = {_identifier(row): row for row in rows[::step][:room]}
        self.read_back.read += len(sample)
        missing: list[Finding] = []
        for name in ("email", "external_id", "phone_number"):
            wanted = {value: row for (kind, value), row in sample.items() if kind == name}
            if not wanted:
                continue
            literal = json.dumps(list(wanted), ensure_ascii=False, separators=(",", ":"))
            query = {"filter": f"any({name},{literal})", "page[size]": str(PAGE)}
            found: dict[str, dict[str, Any]] = {}
            async for page in self.client.pages("get_profiles", query=query):
                for profile in page.json()["data"]:
                    attributes = profile["attributes"]
                    found[str(attributes.get(name)).casefold()] = attributes
            for value, row in wanted.items():
                held = found.get(value.casefold())
                if held is None:
                    missing.append(_not_visible(row, "the import is complete, the profile is not there"))
                elif _holds(held, json.loads(row.payload)["attributes"]):
                    self.read_back.equal += 1
                else:
                    self.read_back.differing.append(row.key)
        return missing

    # Events

    async def _find_metric(self) -> str:
        assert isinstance(self.definition, EventSync)
        query = {"fields[metric]": "name,integration"}
        async for page in self.client.pages("get_metrics", query=query):
            for metric in page.json()["data"]:
                attributes = metric["attributes"]
                if attributes["name"] == self.definition.metric and _made_by_api(attributes.get("integration")):
                    return str(metric["id"])
        return ""

    async def _events(self, batch: Batch, *, last: bool) -> bool:
        rows = self._live(batch)
        missing = {row.unique_id for row in rows}
        if self._metric_id:
            for low, high in _windows(rows):
                when = f"greater-or-equal(datetime,{instant(low)}),less-or-equal(datetime,{instant(high)})"
                query = {
                    "filter": f'equals(metric_id,"{self._metric_id}"),{when}',
                    "fields[event]": "event_properties",
                    "page[size]": str(EVENTS_PAGE),
                    "sort": "datetime",
                }
                async for page in self.client.pages("get_events", query=query):
                    seen = msgspec.json.decode(page.body, type=_EventPage)
                    missing.difference_update(event.attributes.event_properties.id for event in seen.data)
                    if not missing:
                        break
        if not missing:
            return self._confirm(batch, [], rows)
        if not last:
            return False
        return self._confirm(batch, [_not_visible(row, "") for row in rows if row.unique_id in missing], rows)

    # Consents

    async def _consents(self, batch: Batch, *, last: bool) -> bool:
        historical = bool(json.loads(batch.grp)["historical"])
        rows = self._live(batch)
        if not last:
            # The whole batch costs a request per hundred people: asked for only when its last ones are through.
            probe = await standings(self.client, (row.identity for row in rows[-PAGE:]))
            if not all(_subscribed(r, probe.get(r.identity.lower()), historical) for r in rows[-PAGE:]):
                return False
        known = await standings(self.client, (row.identity for row in rows))
        missing = [r for r in rows if not _subscribed(r, known.get(r.identity.lower()), historical)]
        if missing and not last:
            return False
        findings = [msgspec.structs.replace(_not_visible(row, "not subscribed yet"), field=CONSENT) for row in missing]
        return self._confirm(batch, findings, rows)


def _subscribed(row: PlanRow, standing: Any, historical: bool) -> bool:
    # An older consent of the same person stays valid: Klaviyo need not replace its date.
    return already(row, standing, historical=historical) or (standing is not None and standing.subscribed)


class _Properties(msgspec.Struct):
    id: str = msgspec.field(name="$event_id", default="")


class _EventAttributes(msgspec.Struct):
    event_properties: _Properties


class _Event(msgspec.Struct):
    attributes: _EventAttributes


class _EventPage(msgspec.Struct):
    data: list[_Event]


def _windows(rows: Sequence[PlanRow]) -> list[tuple[int, int]]:
    """Time ranges that hold the rows' events. Wide gaps are left out, so that years of other events stay unread; few
    ranges, for each is a request."""
    times = sorted({row.moment for row in rows})
    gaps = sorted(((b - a, a, b) for a, b in pairwise(times) if b - a > 86_400), reverse=True)
    edges = sorted((a, b) for _, a, b in gaps[: MAX_WINDOWS - 1])
    starts = [times[0], *(b for _, b in edges)]
    ends = [*(a for a, _ in edges), times[-1]]
    return list(zip(starts, ends, strict=True)) if times else []


def _made_by_api(integration: Any) -> bool:
    return not isinstance(integration, dict) or str(integration.get("key", "api")).lower() == "api"


def _not_visible(row: PlanRow, message: str) -> Finding:
    return Finding(row.row, row.n, row.key, row.digest, "accepted", "not_visible", "", row.identity, message, "")


def _identifier(row: PlanRow) -> tuple[str, str]:
    attributes = json.loads(row.payload)["attributes"]
    return next(
        (name, str(attributes[name])) for name in ("email", "external_id", "phone_number") if name in attributes
    )


def _holds(held: dict[str, Any], sent: dict[str, Any]) -> bool:
    """Does the profile hold what was sent? `location` is left out: Klaviyo rewrites it (FACTS §6.1)."""
    for name, value in sent.items():
        if name == "location":
            continue
        if name == "properties":
            properties = held.get("properties") or {}
            if any(_plain(properties.get(key)) != _plain(item) for key, item in value.items()):
                return False
        elif _plain(held.get(name)) != _plain(value):
            return False
    return True


def _plain(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


def waiting(batches: Iterable[Batch]) -> bool:
    """Is any of them worth asking about again?"""
    return any(b.state == "accepted" and b.job_id is not None and b.note is None for b in batches)
