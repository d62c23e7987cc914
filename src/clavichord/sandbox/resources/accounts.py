"""Accounts: one for each key, made on first sight (FACTS §9.2)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from clavichord.sandbox import generic
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.documents import Resource
from clavichord.sandbox.store import Store


def attributes(store: Store, account: str) -> dict[str, Any]:
    """What an account tells of itself, a seed's words over the sandbox's own."""
    known = {
        "test_account": True,
        "contact_information": {
            "default_sender_name": "Sandbox",
            "default_sender_email": "sender@sandbox.invalid",
            "website_url": "https://sandbox.invalid",
            "organization_name": f"Sandbox {account}",
            "street_address": {
                "address1": "1 Loopback Lane",
                "address2": "Suite 1",
                "city": "Boston",
                "region": None,
                "country": "United States",
                "zip": "02111",
            },
        },
        "industry": "Ecommerce",
        "timezone": "UTC",
        "preferred_currency": "USD",
        "public_api_key": account,
        "locale": "en-US",
    }
    return _over(known, generic.load(store, account, "account", account) or {})


def _over(known: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Member by member, so that a seed may say a part of an address."""
    merged = {**known, **given}
    for name, value in known.items():
        if isinstance(value, dict):
            merged[name] = _over(value, given[name]) if isinstance(given.get(name), dict) else value
    return merged


def organization(known: Mapping[str, Any]) -> dict[str, str]:
    """`{{ organization.name }}` and its kin, of an account's attributes."""
    contact = known["contact_information"]
    street = contact["street_address"]
    place = " ".join(str(street[name]) for name in ("region", "zip") if street[name])
    lines = (street["address1"], street["address2"], street["city"], place, street["country"])
    return {
        "name": contact["organization_name"],
        "full_address": ", ".join(str(line) for line in lines if line),
        "url": contact["website_url"],
    }


def zone(known: Mapping[str, Any]) -> tzinfo:
    """The time zone of an account's attributes; UTC for one that nobody knows."""
    try:
        return ZoneInfo(str(known["timezone"]))
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return UTC


def _account(call: Call) -> Resource:
    return Resource("account", call.account, msgspec.json.encode(attributes(call.engine.store, call.account)))


def get_accounts(call: Call) -> Answer:
    return call.engine.documents.many(call, [_account(call)])


def get_account(call: Call) -> Answer:
    if call.id != call.account:
        raise generic.missing("account", call.id)
    return call.engine.documents.one(call, _account(call))


BEHAVIOURS: Mapping[str, Behaviour] = {"get_accounts": get_accounts, "get_account": get_account}
