"""Subscriptions and unsubscriptions. Everybody's consent is read first: nobody who has opted out is subscribed, nobody
is asked twice, and nobody who should leave a list is unsubscribed from everything."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from clavichord.sync.ledger import Batch, Finding
from clavichord.sync.plan import PlanRow
from clavichord.sync.routes.bulk import Bulk
from clavichord.sync.routes.refusals import not_visible
from clavichord.sync.routes.route import Route
from clavichord.sync.routes.standings import PAGE, Standing, members, seconds, standings
from clavichord.sync.routes.work import Work

ENTRY = re.compile(r"/profiles/data/(\d+)(?=/|$)")


def _held(row: PlanRow, code: str, key: str, message: str) -> Finding:
    field = f"{row.part}.{key}"
    return Finding(row.row, row.n, row.key, row.digest, "held", code, field, row.identity, message, "")


class Subscribe(Bulk):
    """A subscription job, after the profiles (FACTS §7.2)."""

    name = "consent.subscribe"
    operation = "bulk_subscribe_profiles"
    stage = 2
    again = "consent.look"
    entry = ENTRY
    about_consent = True

    def requests(self, batches: int, entries: int) -> dict[str, int]:
        return {self.operation: batches, "get_profiles": 2 * -(-entries // PAGE)}

    def body(self, group: Mapping[str, Any], rows: Sequence[PlanRow], lists: Mapping[str, str]) -> bytes:
        entries = ",".join(row.payload for row in rows)
        historical = ',"historical_import":true' if group["historical"] else ""
        attributes = f'"custom_source":{json.dumps(group["source"])}{historical},"profiles":{{"data":[{entries}]}}'
        return _job("profile-subscription-bulk-create-job", attributes, group["list"], lists)

    async def send(self, work: Work, batch: Batch) -> None:
        group = json.loads(batch.grp)
        list_id = work.lists[group["list"]] if group["list"] is not None else None
        rows = work.live(batch)
        known = await standings(work.client, group["channel"], (row.identity for row in rows))
        held = _guard(rows, known, list_id, newer=group["resubscribe"] == "newer")
        work.withheld(held, rows)
        if batch.state == "sent":
            # The answer to an earlier request was lost. Whoever has this consent now needs no second one.
            kept = {finding.n for finding in held}
            left = [r for r in rows if r.n not in kept and not _took_effect(r, known, historical=group["historical"])]
            if not left:
                work.mark(batch, "accepted", held)
                work.meter.sent(len(rows))
                return
        work.mark(batch, "intent", held)
        work.meter.sent(len(held))
        await super().send(work, batch)

    async def confirm(self, work: Work, batch: Batch, *, last: bool) -> bool:
        return await _confirm_subscribed(work, batch, last=last)


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
        return await _confirm_subscribed(work, batch, last=last)


class Unsubscribe(Bulk):
    """An unsubscription job: from a list, or from all marketing of a channel (FACTS §7.3)."""

    name = "consent.unsubscribe"
    operation = "bulk_unsubscribe_profiles"
    stage = 2
    entry = ENTRY
    about_consent = True

    def requests(self, batches: int, entries: int) -> dict[str, int]:
        return {self.operation: batches, "get_profiles": -(-entries // PAGE)}

    def body(self, group: Mapping[str, Any], rows: Sequence[PlanRow], lists: Mapping[str, str]) -> bytes:
        attributes = f'"profiles":{{"data":[{",".join(row.payload for row in rows)}]}}'
        return _job("profile-subscription-bulk-delete-job", attributes, group["list"], lists)

    async def send(self, work: Work, batch: Batch) -> None:
        group = json.loads(batch.grp)
        if group["list"] is not None:
            rows = work.live(batch)
            there = await self._members(work, group, rows)
            # They were there before the request whose answer was lost: it has done its work.
            code = "" if batch.state == "sent" else "consent.would_be_global"
            absent = [_not_there(row, code) for row in rows if row.identity.lower() not in there]
            work.withheld(absent, rows)
            work.mark(batch, batch.state if batch.state == "sent" else "intent", absent)
            work.meter.sent(len(absent))
        await super().send(work, batch)

    async def confirm(self, work: Work, batch: Batch, *, last: bool) -> bool:
        group = json.loads(batch.grp)
        rows = work.live(batch)
        if group["list"] is not None:
            there = await self._members(work, group, rows)
            missing = [row for row in rows if row.identity.lower() in there]
        else:
            known = await standings(work.client, group["channel"], (row.identity for row in rows))
            missing = [row for row in rows if known.get(row.identity.lower(), Standing()).opted_out(None) is None]
        if missing and not last:
            return False
        work.said(batch, [row for row in rows if row not in missing], "confirmed")
        work.confirm(batch, [not_visible(row, "not unsubscribed yet") for row in missing], len(rows))
        return True

    async def _members(self, work: Work, group: Mapping[str, Any], rows: Sequence[PlanRow]) -> set[str]:
        addresses = (row.identity for row in rows)
        return await members(work.client, work.lists[group["list"]], group["channel"], addresses)


def _job(kind: str, attributes: str, list_name: str | None, lists: Mapping[str, str]) -> bytes:
    document = f'"type":"{kind}","attributes":{{{attributes}}}'
    if list_name is not None:
        target = json.dumps({"type": "list", "id": lists[list_name]})
        document += f',"relationships":{{"list":{{"data":{target}}}}}'
    return f'{{"data":{{{document}}}}}'.encode()


def _not_there(row: PlanRow, code: str) -> Finding:
    if code:
        return _held(row, code, "unsubscribe_if", "not in the list")
    return Finding(row.row, row.n, row.key, row.digest, "confirmed", "done", "", row.identity)


def _guard(
    rows: Sequence[PlanRow], known: Mapping[str, Standing], list_id: str | None, *, newer: bool
) -> list[Finding]:
    """The rows whose subscription would lift an opt-out, or would change nothing because the address is dead. With
    `newer`, a proof that is newer than the opt-out may lift it; a tie may not."""
    held = []
    for row in rows:
        standing = known.get(row.identity.lower(), Standing())
        said = standing.opted_out(list_id)
        if said is not None:
            what, when = said
            since = seconds(when)
            if not newer or since is None or row.moment <= since:
                held.append(_held(row, "consent.lifts_opt_out", "subscribe_if", f"in Klaviyo: {what} {when}".rstrip()))
        elif standing.suppressions:
            reasons = ", ".join(sorted(standing.suppressions))
            held.append(_held(row, "consent.suppressed", "subscribe_if", f"in Klaviyo: {reasons}"))
    return held


def _took_effect(row: PlanRow, known: Mapping[str, Standing], *, historical: bool) -> bool:
    """Has this very consent taken effect? An earlier one does not count when the date is sent along."""
    standing = known.get(row.identity.lower(), Standing())
    if not standing.subscribed or not historical:
        return standing.subscribed
    since = seconds(standing.at)
    return since is not None and int(since) == row.moment


async def _confirm_subscribed(work: Work, batch: Batch, *, last: bool) -> bool:
    channel = json.loads(batch.grp)["channel"]
    rows = work.live(batch)

    async def waiting(some: Sequence[PlanRow]) -> list[PlanRow]:
        # An older consent of the same person stays valid: Klaviyo need not replace its date.
        known = await standings(work.client, channel, (row.identity for row in some))
        return [row for row in some if not known.get(row.identity.lower(), Standing()).subscribed]

    # The whole batch costs a request per hundred people: asked for only when its last ones are through.
    if not last and await waiting(rows[-PAGE:]):
        return False
    missing = await waiting(rows)
    if missing and not last:
        return False
    work.said(batch, [row for row in rows if row not in missing], "confirmed")
    work.confirm(batch, [not_visible(row, "not subscribed yet", "consent.pending") for row in missing], len(rows))
    return True
