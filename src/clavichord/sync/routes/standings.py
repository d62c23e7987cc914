"""What Klaviyo says about people's consent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from clavichord.client.client import AsyncKlaviyo

PAGE = 100
OPT_OUTS = frozenset({"UNSUBSCRIBE", "UNSUBSCRIBED", "SPAM_COMPLAINT", "SPAM_REPORT", "USER_SUPPRESSED"})
"""suppressions that a subscription would lift (FACTS §7.2)"""
FIELDS: Mapping[str, str] = {"email": "email", "sms": "phone_number"}


class Standing(msgspec.Struct, frozen=True):
    """One person's consent to marketing by one channel."""

    consent: str = "NEVER_SUBSCRIBED"
    at: str = ""
    suppressions: Mapping[str, str] = {}
    """reason → since when"""
    lists: Mapping[str, str] = {}
    """lists that this person has left → when"""

    @property
    def subscribed(self) -> bool:
        return self.consent == "SUBSCRIBED"

    def opted_out(self, list_id: str | None) -> tuple[str, str] | None:
        """(what was said, when) if a subscription, to that list, would lift an opt-out."""
        for reason in sorted(self.suppressions.keys() & OPT_OUTS):
            return reason, self.suppressions[reason]
        if self.consent == "UNSUBSCRIBED":
            return self.consent, self.at
        if list_id is not None and list_id in self.lists:
            return "has left this list", self.lists[list_id]
        return None


async def standings(client: AsyncKlaviyo, channel: str, addresses: Iterable[str]) -> dict[str, Standing]:
    """Address in lower case → standing; people Klaviyo does not know are missing."""
    field = FIELDS[channel]
    query = {"fields[profile]": field, "additional-fields[profile]": "subscriptions"}
    found: dict[str, Standing] = {}
    async for attributes in _profiles(client, "get_profiles", {}, field, addresses, query):
        found[str(attributes[field]).lower()] = _standing(attributes.get("subscriptions") or {}, channel)
    return found


async def members(client: AsyncKlaviyo, list_id: str, channel: str, addresses: Iterable[str]) -> set[str]:
    """Those of the addresses, in lower case, that are in the list."""
    field = FIELDS[channel]
    query = {"fields[profile]": field}
    pages = _profiles(client, "get_profiles_for_list", {"id": list_id}, field, addresses, query)
    return {str(attributes[field]).lower() async for attributes in pages}


async def _profiles(
    client: AsyncKlaviyo,
    operation: str,
    path: Mapping[str, str],
    field: str,
    addresses: Iterable[str],
    query: Mapping[str, str],
) -> AsyncIterator[dict[str, Any]]:
    """The attributes of those who are there, asked for a hundred at a time, side by side."""
    wanted = sorted({address.lower() for address in addresses})

    async def chunk(some: list[str]) -> list[dict[str, Any]]:
        chosen = json.dumps(some, ensure_ascii=False, separators=(",", ":"))
        asked = {**query, "filter": f"any({field},{chosen})", "page[size]": str(PAGE)}
        found = []
        async for page in client.pages(operation, path=path, query=asked):
            found += [profile["attributes"] for profile in page.json()["data"]]
        return found

    for found in await asyncio.gather(*(chunk(wanted[i : i + PAGE]) for i in range(0, len(wanted), PAGE))):
        for attributes in found:
            if attributes.get(field):
                yield attributes


def _standing(subscriptions: Mapping[str, Any], channel: str) -> Standing:
    marketing = (subscriptions.get(channel) or {}).get("marketing") or {}
    return Standing(
        consent=str(marketing.get("consent") or "NEVER_SUBSCRIBED"),
        at=str(marketing.get("consent_timestamp") or marketing.get("last_updated") or ""),
        suppressions={str(s.get("reason")): str(s.get("timestamp")) for s in marketing.get("suppression") or ()},
        lists={str(s.get("list_id")): str(s.get("timestamp")) for s in marketing.get("list_suppressions") or ()},
    )


def seconds(text: str) -> float | None:
    """Since 1970; None for what is no time."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None
