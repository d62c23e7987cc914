"""Accounts: one for each key, made on first sight (FACTS §9.2)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from clavichord.sandbox import generic
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.documents import Resource


def _account(call: Call) -> Resource:
    attributes = {
        "test_account": True,
        "contact_information": {
            "default_sender_name": "Sandbox",
            "default_sender_email": "sender@sandbox.invalid",
            "website_url": "https://sandbox.invalid",
            "organization_name": f"Sandbox {call.account}",
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
        "public_api_key": call.account,
        "locale": "en-US",
    }
    attributes |= generic.load(call.engine.store, call.account, "account", call.account) or {}  # what a seed says
    return Resource("account", call.account, msgspec.json.encode(attributes))


def get_accounts(call: Call) -> Answer:
    return call.engine.documents.many(call, [_account(call)])


def get_account(call: Call) -> Answer:
    if call.id != call.account:
        raise generic.missing("account", call.id)
    return call.engine.documents.one(call, _account(call))


BEHAVIOURS: Mapping[str, Behaviour] = {"get_accounts": get_accounts, "get_account": get_account}
