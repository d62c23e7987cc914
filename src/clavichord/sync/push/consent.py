"""What Klaviyo says about people's consent, and whom a subscription must leave alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from clavichord.client.client import AsyncKlaviyo
from clavichord.sync.ledger import Finding
from clavichord.sync.push.rows import PlanRow

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
