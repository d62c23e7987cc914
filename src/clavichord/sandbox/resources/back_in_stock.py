"""Back-in-stock subscriptions: nothing to read back but the event they leave on the profile (FACTS §9.9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.errors import Refusal, invalid
from clavichord.sandbox.resources import events, identity

_AT = "/data/attributes/profile/data"


def subscribe(call: Call) -> Answer:
    """The same from a server and from a browser."""
    variant = call.data["relationships"]["variant"].get("data")
    if not variant:
        raise invalid(inferred.REQUIRED.format(name="data"), pointer="/data/relationships/variant/data")
    given = call.data["attributes"]
    if not given["channels"]:
        raise invalid("'channels' must not be empty.", pointer="/data/attributes/channels")
    if not given.get("profile"):
        raise invalid(inferred.REQUIRED.format(name="profile"), pointer="/data/attributes/profile")
    profile = given["profile"]["data"]
    found = identity.faults(profile["attributes"], f"{_AT}/attributes", profile_id=profile.get("id"))
    if found:
        raise Refusal(*found)
    attributes = generic.load(call.engine.store, call.account, "catalog-variant", variant["id"])
    if attributes is None:
        raise generic.missing("catalog-variant", variant["id"])
    with call.engine.store.write():
        profile_id = events.required_profile(call, profile, f"{_AT}/attributes")
        event = _event(call, variant["id"], attributes, given["channels"])
        events.record(call.engine, call.account, profile_id, event, False, call.now)
    return Answer(call.operation.status)


def _event(call: Call, variant_id: str, variant: Mapping[str, Any], channels: list[str]) -> dict[str, Any]:
    """`Subscribed to Back in Stock`; its properties are inferred."""
    item_id = crud.targets(call, "catalog-variant", variant_id, "item")[0]
    item = generic.required(call, "catalog-item", item_id)
    return {
        "metric": {"data": {"attributes": {"name": inferred.BACK_IN_STOCK_METRIC, "service": "klaviyo"}}},
        "unique_id": f"{variant_id}:{call.now}",
        "properties": {
            "ProductName": item["title"],
            "ProductID": item["external_id"],
            "VariantName": variant["title"],
            "VariantId": variant["external_id"],
            "Price": variant["price"],
            "URL": variant["url"],
            "ImageURL": variant["image_full_url"],
            "Platform": "api",
            "Channels": channels,
        },
    }


BEHAVIOURS: Mapping[str, Behaviour] = {
    "create_back_in_stock_subscription": subscribe,
    "create_client_back_in_stock_subscription": subscribe,
}
