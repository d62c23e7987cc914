"""Rows of a bulk upload of events: the arguments of `events.track`, one event each."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

import msgspec

from clavichord.client.models import Profile
from clavichord.client.uploads.engine import Chunk, Screen
from clavichord.client.uploads.report import Status
from clavichord.client.uploads.route import Route
from clavichord.client.uploads.rows import (
    IDENTIFIERS,
    Entry,
    Refused,
    encoded,
    identify,
    mapping,
    moment,
    resource,
    text,
)
from clavichord.client.work import Work

NAMES = ("metric", "profile", "properties", "value", "value_currency", "time", "unique_id", "backfill")


def event(index: int, row: Any) -> Entry:
    """One event. A fresh unique_id where there is none, so that a repeated request records it once (FACTS §8.1)."""
    given = dict(mapping(row))
    for name in given:
        if name not in NAMES:
            near = get_close_matches(name, NAMES, 1)
            raise Refused(f"an event has {', '.join(NAMES)}{f'; did you mean {near[0]}?' if near else ''}", name)
    if not text(given, "metric"):
        raise Refused("metric is the event's name, it cannot be empty", "metric")
    properties = given.setdefault("properties", {})
    if not isinstance(properties, Mapping):
        raise Refused(f"properties is a dict, not {properties!r}", "properties")
    moment(given, "time")
    who = person(given.pop("profile", None))
    kind, name = identify(who, ("id", *IDENTIFIERS, "anonymous_id", "_kx"))
    if not text(given, "unique_id"):
        given["unique_id"] = str(uuid.uuid4())
    backfill = {"backfill": given.pop("backfill")} if given.get("backfill") is not None else {}
    given["metric"] = {"data": {"type": "metric", "attributes": {"name": given["metric"]}}}
    inner = {name: value for name, value in given.items() if value is not None}
    attributes = {
        "profile": {"data": _with_attributes(resource("profile", who))},
        "events": {"data": [{"type": "event", "attributes": inner}]},
        **backfill,
    }
    return Entry(index, row, encoded({"type": "event-bulk-create", "attributes": attributes}), kind, name)


def person(given: Any) -> Mapping[str, Any]:
    """Whose event it is: an id, a Profile that was read, or a dict of attributes. Raises Refused."""
    if isinstance(given, str):
        return {"id": given}
    if isinstance(given, Profile):
        return {"id": given.id} if given.id else {"email": given.email}
    if not isinstance(given, Mapping):
        raise Refused('profile is {"email": …} or another identifier, or the id of a profile', "profile")
    return mapping(given)


def _with_attributes(person: dict[str, Any]) -> dict[str, Any]:
    return person if "attributes" in person else {**person, "attributes": {}}


def once(route: Route) -> Screen:
    """Klaviyo refuses a whole request in which a unique_id repeats for a profile and metric (FACTS §7.5)."""

    def screen(entries: list[Entry], drop: Callable[[Entry, Status, Refused], None]) -> Work[list[Chunk]]:
        seen: dict[tuple[str, ...], int] = {}
        kept = []
        for entry in entries:
            (inner,) = msgspec.json.decode(entry.payload)["attributes"]["events"]["data"]
            said = inner["attributes"]
            key = (entry.kind, entry.name, said["metric"]["data"]["attributes"]["name"], said["unique_id"])
            first = seen.setdefault(key, entry.index)
            if first == entry.index:
                kept.append(entry)
            else:
                why = f"row {first} is the same event: same profile, metric and unique_id"
                drop(entry, "rejected", Refused(why, "unique_id", "duplicate"))
        return [Chunk(route, kept)] if kept else []
        yield

    return screen
