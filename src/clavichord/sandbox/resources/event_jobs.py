"""Bulk creation of events: checked as a whole, stored on the clock (FACTS §7.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.errors import ErrorObject, Refusal, invalid, problem
from clavichord.sandbox.jobs import Task
from clavichord.sandbox.resources import events, identity, metrics

_KIND = "event-bulk-create-job"
_SLICE = 50
"""profiles between two looks at the requests that wait"""
_AT = "/data/attributes/events-bulk-create/data"


def bulk_create_events(call: Call) -> Answer:
    entries = call.data["attributes"]["events-bulk-create"]["data"]
    _check(call, entries)
    call.engine.jobs.submit(call.account, _KIND, {"entries": entries, "now": call.now})
    return Answer(call.operation.status)


def _check(call: Call, entries: list[dict[str, Any]]) -> None:
    """The cap counts events across profiles; a unique_id that repeats for a profile and metric refuses everything."""
    total = sum(len(entry["attributes"]["events"]["data"]) for entry in entries)
    cap = call.operation.caps.items if call.operation.caps else 0
    if cap and total > cap:
        raise invalid(inferred.TOO_MANY.format(given=total, max=cap), pointer=_AT)
    found: list[ErrorObject] = []
    seen: set[tuple[Any, ...]] = set()
    for index, entry in enumerate(entries):
        at = f"{_AT}/{index}/attributes"
        profile = entry["attributes"]["profile"]["data"]
        found += identity.meta_faults(events.meta_of(profile), f"{at}/profile/data/meta")
        found += identity.faults(profile["attributes"], f"{at}/profile/data/attributes", profile_id=profile.get("id"))
        who = profile.get("id") or tuple(profile["attributes"].get(name) for name in inferred.IDENTITY_ORDER)
        for number, event in enumerate(entry["attributes"]["events"]["data"]):
            attributes, event_at = event["attributes"], f"{at}/events/data/{number}/attributes"
            found += events.faults(attributes, event_at, call.now)
            unique_id, metric = attributes.get("unique_id"), attributes["metric"]["data"]["attributes"]
            key = (who, metric["name"], metrics.service_of(metric), unique_id)
            if unique_id is not None and key in seen:
                text = inferred.REPEATED_UNIQUE_ID.format(given=unique_id)
                found.append(problem(text, pointer=f"{event_at}/unique_id"))
            seen.add(key)
    if found:
        raise Refusal(*found[:100])


def _work(engine: Engine, task: Task) -> int | None:
    entries, now = task.payload["entries"], task.payload["now"]
    end = min(task.position + _SLICE, len(entries))
    for entry in entries[task.position : end]:
        given = entry["attributes"]
        profile = given["profile"]["data"]
        if events.discarded(profile):
            continue
        profile_id = events.profile_id_for(engine, task.account, profile, now)
        if profile_id is None:
            continue
        for event in given["events"]["data"]:
            attributes = event["attributes"]
            backfill = bool(given.get("backfill") or attributes.get("backfill"))
            events.record(engine, task.account, profile_id, attributes, backfill, now)
    return None if end == len(entries) else end


def declare(engine: Engine) -> None:
    engine.jobs.kind(_KIND, _work)


BEHAVIOURS: Mapping[str, Behaviour] = {"bulk_create_events": bulk_create_events}
