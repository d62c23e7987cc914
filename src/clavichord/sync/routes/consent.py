"""Subscriptions: everybody's consent is read first, so that nobody who has opted out is subscribed, nobody twice."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from clavichord.client.client import AsyncKlaviyo
from clavichord.sync.ledger import Batch, Finding
from clavichord.sync.plan import PlanRow
from clavichord.sync.routes.bulk import Bulk
from clavichord.sync.routes.refusals import not_visible
from clavichord.sync.routes.route import Route
from clavichord.sync.routes.work import Work

PAGE = 100
_OPT_OUTS = frozenset({"UNSUBSCRIBE", "UNSUBSCRIBED", "SPAM_COMPLAINT", "SPAM_REPORT", "USER_SUPPRESSED"})
"""suppressions that a subscription would lift (FACTS §7.2)"""


class Standing(msgspec.Struct, frozen=True):
    """One person's e-mail marketing consent in Klaviyo."""

    consent: str = "NEVER_SUBSCRIBED"
    at: str = ""
    suppressions: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()
    """lists that this person has left"""

    @property
    def subscribed(self) -> bool:
        return self.consent == "SUBSCRIBED"


async def standings(client: AsyncKlaviyo, emails: Iterable[str]) -> dict[str, Standing]:
    """Address in lower case → standing; people Klaviyo does not know are missing."""
    wanted = sorted({email.lower() for email in emails})
    chunks = [wanted[i : i + PAGE] for i in range(0, len(wanted), PAGE)]
    found: dict[str, Standing] = {}
    for pages in await asyncio.gather(*(_chunk(client, chunk) for chunk in chunks)):
        found.update(pages)
    return found


async def _chunk(client: AsyncKlaviyo, emails: list[str]) -> dict[str, Standing]:
    query = {
        "filter": f"any(email,{json.dumps(emails, ensure_ascii=False, separators=(',', ':'))})",
        "fields[profile]": "email",
        "additional-fields[profile]": "subscriptions",
        "page[size]": str(PAGE),
    }
    found: dict[str, Standing] = {}
    async for page in client.pages("get_profiles", query=query):
        for profile in page.json()["data"]:
            attributes = profile["attributes"]
            if attributes.get("email"):
                found[attributes["email"].lower()] = _standing(attributes.get("subscriptions") or {})
    return found


def _standing(subscriptions: Mapping[str, Any]) -> Standing:
    marketing = (subscriptions.get("email") or {}).get("marketing") or {}
    return Standing(
        consent=str(marketing.get("consent") or "NEVER_SUBSCRIBED"),
        at=str(marketing.get("consent_timestamp") or ""),
        suppressions=tuple(str(s.get("reason")) for s in marketing.get("suppression") or ()),
        lists=tuple(str(s.get("list_id")) for s in marketing.get("list_suppressions") or ()),
    )


def guard(rows: Sequence[PlanRow], known: Mapping[str, Standing], list_id: str | None) -> list[Finding]:
    """The rows whose subscription would lift an opt-out, or would change nothing because the address is dead."""
    held = []
    for row in rows:
        standing = known.get(row.identity.lower(), Standing())
        reasons = set(standing.suppressions)
        if (
            standing.consent == "UNSUBSCRIBED"
            or reasons & _OPT_OUTS
            or (list_id is not None and list_id in standing.lists)
        ):
            why = ", ".join(sorted(reasons & _OPT_OUTS)) or (
                "has left this list" if standing.consent != "UNSUBSCRIBED" else "UNSUBSCRIBED"
            )
            held.append(_held(row, "consent.lifts_opt_out", f"in Klaviyo: {why}"))
        elif reasons:
            held.append(_held(row, "consent.suppressed", f"in Klaviyo: {', '.join(sorted(reasons))}"))
    return held


def _held(row: PlanRow, code: str, message: str) -> Finding:
    return Finding(
        row.row, row.n, row.key, row.digest, "held", code, "consent.email.subscribe_if", row.identity, message, ""
    )


def already(row: PlanRow, standing: Standing | None, *, historical: bool) -> bool:
    """Has this very consent taken effect? An earlier one does not count when the date is sent along."""
    if standing is None or not standing.subscribed:
        return False
    if not historical:
        return True
    try:
        return int(datetime.fromisoformat(standing.at).timestamp()) == row.moment
    except ValueError:
        return False


class Subscribe(Bulk):
    """A subscription job, after the profiles (FACTS §7.2)."""

    name = "consent.subscribe"
    operation = "bulk_subscribe_profiles"
    stage = 2
    again = "consent.look"
    entry = re.compile(r"/profiles/data/(\d+)(?=/|$)")

    def requests(self, batches: int, entries: int) -> dict[str, int]:
        return {self.operation: batches, "get_profiles": 2 * -(-entries // PAGE)}

    def body(self, group: Mapping[str, Any], rows: Sequence[PlanRow], lists: Mapping[str, str]) -> bytes:
        entries = ",".join(row.payload for row in rows)
        historical = ',"historical_import":true' if group["historical"] else ""
        source = json.dumps(group["source"])
        attributes = f'"custom_source":{source}{historical},"profiles":{{"data":[{entries}]}}'
        document = f'"type":"profile-subscription-bulk-create-job","attributes":{{{attributes}}}'
        if group["list"] is not None:
            target = json.dumps({"type": "list", "id": lists[group["list"]]})
            document += f',"relationships":{{"list":{{"data":{target}}}}}'
        return f'{{"data":{{{document}}}}}'.encode()

    async def send(self, work: Work, batch: Batch) -> None:
        group = json.loads(batch.grp)
        list_id = work.lists[group["list"]] if group["list"] is not None else None
        rows = work.live(batch)
        known = await standings(work.client, (row.identity for row in rows))
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
                work.mark(batch, "accepted", held)
                work.meter.sent(len(rows))
                return
        work.mark(batch, "intent", held)
        work.meter.sent(len(held))
        await super().send(work, batch)

    async def confirm(self, work: Work, batch: Batch, *, last: bool) -> bool:
        return await _confirm(work, batch, last=last)


class Look(Route):
    """Consents that an earlier run left accepted: only looked at, for a second request may mean a second mail."""

    name = "consent.look"
    operation = "get_profiles"
    stage = 2

    def requests(self, batches: int, entries: int) -> dict[str, int]:
        return {self.operation: 2 * -(-entries // PAGE)}

    async def send(self, work: Work, batch: Batch) -> None:
        work.mark(batch, "accepted")
        work.meter.sent(batch.hi - batch.lo)

    async def confirm(self, work: Work, batch: Batch, *, last: bool) -> bool:
        return await _confirm(work, batch, last=last)


async def _confirm(work: Work, batch: Batch, *, last: bool) -> bool:
    historical = bool(json.loads(batch.grp)["historical"])
    rows = work.live(batch)
    if not last:
        # The whole batch costs a request per hundred people: asked for only when its last ones are through.
        probe = await standings(work.client, (row.identity for row in rows[-PAGE:]))
        if not all(_subscribed(r, probe.get(r.identity.lower()), historical) for r in rows[-PAGE:]):
            return False
    known = await standings(work.client, (row.identity for row in rows))
    missing = [r for r in rows if not _subscribed(r, known.get(r.identity.lower()), historical)]
    if missing and not last:
        return False
    findings = [not_visible(row, "not subscribed yet", "consent.pending") for row in missing]
    work.confirm(batch, findings, len(rows))
    return True


def _subscribed(row: PlanRow, standing: Standing | None, historical: bool) -> bool:
    # An older consent of the same person stays valid: Klaviyo need not replace its date.
    return already(row, standing, historical=historical) or (standing is not None and standing.subscribed)
