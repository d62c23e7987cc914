"""Events that a browser or an app sends: one, or many of one person (FACTS §11.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.errors import Refusal
from clavichord.sandbox.resources import client_profiles, events

_PROFILE = "/data/attributes/profile/data"


def _store(call: Call, profile: Mapping[str, Any], entries: list[Mapping[str, Any]]) -> Answer:
    if not events.discarded(profile):
        backfill = bool(call.data["attributes"].get("backfill"))
        with call.engine.store.write():
            profile_id = client_profiles.remember(call, profile)
            for attributes in entries if profile_id else ():
                late = backfill or bool(attributes.get("backfill"))
                events.record(call.engine, call.account, profile_id, attributes, late, call.now)
    return Answer(call.operation.status)


def create_client_event(call: Call) -> Answer:
    attributes = call.data["attributes"]
    profile = attributes["profile"]["data"]
    client_profiles.check(profile, _PROFILE)
    found = events.faults(attributes, "/data/attributes", call.now)
    if found:
        raise Refusal(*found)
    return _store(call, profile, [attributes])


def bulk_create_client_events(call: Call) -> Answer:
    """One event that is wrong refuses all of them."""
    given = call.data["attributes"]
    client_profiles.check(given["profile"]["data"], _PROFILE)
    entries = [event["attributes"] for event in given["events"]["data"]]
    found = [
        fault
        for index, attributes in enumerate(entries)
        for fault in events.faults(attributes, f"/data/attributes/events/data/{index}/attributes", call.now)
    ]
    if found:
        raise Refusal(*found[:100])
    return _store(call, given["profile"]["data"], entries)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "create_client_event": create_client_event,
    "bulk_create_client_events": bulk_create_client_events,
}
