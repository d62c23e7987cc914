"""Events: create, list, read (FACTS §8)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from clavichord.sandbox import generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import SECOND, parse, seconds
from clavichord.sandbox.documents import Resource
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.errors import ErrorObject, Refusal, invalid, problem
from clavichord.sandbox.filters import Column
from clavichord.sandbox.ids import event_uuid
from clavichord.sandbox.resources import identity, metrics, profiles
from clavichord.sandbox.store import Source

_EVENT_ID = re.compile(r"[1-9A-HJ-NP-Za-km-z]{11}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_YEAR = 366 * 86_400 * SECOND
_EARLIEST = int(datetime(inferred.MIN_EVENT_YEAR, 1, 1, tzinfo=UTC).timestamp()) * SECOND
_SOURCE = Source(
    columns="v.id, v.attributes, v.profile, v.metric",
    table="event v",
    where="v.account = ?",
    parameters=(),
    id="v.id",
    sort=inferred.EVENT_ORDER,
    sorts={"datetime": "v.at", "timestamp": "v.at"},
    filters={
        "metric_id": Column("v.metric"),
        "profile_id": Column("v.profile"),
        "metric": Column("v.metric"),
        "profile": Column("v.profile"),
        "datetime": Column("v.at", SECOND),
        "timestamp": Column("v.at", SECOND),
    },
)


def faults(attributes: dict[str, Any], at: str, now: int) -> list[ErrorObject]:
    """What is wrong with one event beyond its shape; `at` is the pointer of its attributes."""
    found: list[ErrorObject] = []
    name = attributes["metric"]["data"]["attributes"]["name"]
    if not 0 < len(name) < 128:
        text = "'name' must have between 1 and 127 characters."
        found.append(problem(text, pointer=f"{at}/metric/data/attributes/name"))
    unique_id = attributes.get("unique_id")
    if unique_id is not None and not 0 < len(unique_id) <= 255:
        found.append(problem("'unique_id' must have between 1 and 255 characters.", pointer=f"{at}/unique_id"))
    currency = attributes.get("value_currency")
    if currency is not None and _CURRENCY.fullmatch(currency) is None:
        found.append(problem("'value_currency' must be an ISO 4217 code.", pointer=f"{at}/value_currency"))
    time = attributes.get("time")
    if time is not None:
        moment = parse(time) or 0
        if not _EARLIEST <= moment <= now + _YEAR:
            text = f"'time' must be after {inferred.MIN_EVENT_YEAR} and at most one year in the future."
            found.append(problem(text, pointer=f"{at}/time"))
    properties = attributes["properties"]
    if len(properties) > inferred.MAX_EVENT_PROPERTIES:
        text = f"An event has at most {inferred.MAX_EVENT_PROPERTIES} properties."
        found.append(problem(text, pointer=f"{at}/properties"))
    for key, value in properties.items():
        text = _unstorable(value, 1)
        if text:
            found.append(problem(text, pointer=f"{at}/properties/{key}"))
    return found


def _unstorable(value: Any, depth: int) -> str:
    """Why a property's value is refused, "" if it is not (FACTS §8.1)."""
    if isinstance(value, str):
        return "A string has at most 100 KB." if len(value) > inferred.MAX_STRING else ""
    if isinstance(value, bool) or not isinstance(value, int | list | dict):
        return ""
    if isinstance(value, int):
        return "" if -(2**63) <= value < 2**63 else "An integer has at most 64 bits."
    if depth > inferred.MAX_DEPTH:
        return f"Properties are nested at most {inferred.MAX_DEPTH} levels deep."
    if isinstance(value, list) and len(value) > inferred.MAX_ARRAY:
        return f"An array has at most {inferred.MAX_ARRAY} elements."
    children = value.values() if isinstance(value, dict) else value
    return next(filter(None, (_unstorable(child, depth + 1) for child in children)), "")


def discarded(profile: Mapping[str, Any]) -> bool:
    """Events of test addresses are dropped without a word (FACTS §8.1)."""
    email = profile["attributes"].get("email")
    return bool(email) and email.rpartition("@")[2].lower() in inferred.DISCARDED_DOMAINS


def meta_of(profile: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The spec has it in two places: in a single event among the attributes, in a bulk job beside them."""
    found: Mapping[str, Any] | None = profile.get("meta") or profile["attributes"].get("meta")
    return found


def profile_id_for(engine: Engine, account: str, data: Mapping[str, Any], now: int) -> str | None:
    """The profile of an event, made or changed by what the event says about it (FACTS §8.1); None for
    nobody: an event for an id that nobody has is accepted and goes nowhere (inferred).

    An identifier that belongs to somebody else is left out (inferred: an event has nobody to refuse it to).
    """
    attributes: Mapping[str, Any] = data["attributes"]
    meta = meta_of(data)
    row = identity.find(engine.store, account, data.get("id"), attributes)
    if row is None:
        if data.get("id") or identity.nameless(attributes):
            return None
        return identity.create(engine, account, attributes, meta, now, polite=True).id
    if meta is None and all(getattr(row, name, None) == value for name, value in attributes.items()):
        return row.id
    return identity.change(engine, account, row, attributes, meta, now, nulls=False, touch=False, polite=True).id


def required_profile(call: Call, data: Mapping[str, Any], at: str) -> str:
    """As `profile_id_for`. Refusal: 404 for an id that nobody has, 400 where nothing says who it is."""
    profile_id = profile_id_for(call.engine, call.account, data, call.now)
    if profile_id is None and data.get("id"):
        raise generic.missing("profile", data["id"])
    if profile_id is None:
        raise invalid(inferred.IDENTIFIER, pointer=at)
    return profile_id


def record(
    engine: Engine, account: str, profile_id: str, attributes: Mapping[str, Any], backfill: bool, now: int
) -> bool:
    """Stores an event; False if its unique_id was there already for this profile and metric."""
    metric = attributes["metric"]["data"]["attributes"]
    metric_id = metrics.ensure(engine, account, metric["name"], metrics.service_of(metric), now)
    time = attributes.get("time")
    at = (now if time is None else parse(time) or now) // SECOND
    unique_id = attributes.get("unique_id") or str(at)
    value = attributes.get("value")
    properties = dict(attributes["properties"])
    if attributes.get("value_currency") is not None:
        properties["$value_currency"] = attributes["value_currency"]
    properties["$event_id"] = unique_id
    if value is not None:
        properties["$value"] = value
        metrics.remember_value(engine, account, metric_id)
    elif "$value" not in properties and metrics.has_values(engine, account, metric_id):
        properties["$value"] = 0
    event_id = engine.ids.event()
    encoded = msgspec.json.encode(
        {
            "timestamp": at,
            "event_properties": properties,
            "datetime": seconds(at),
            "uuid": event_uuid(at, event_id),
        }
    )
    inserted = engine.store.execute(
        "INSERT OR IGNORE INTO event (id, account, metric, profile, at, unique_id, backfill, attributes)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (event_id, account, metric_id, profile_id, at, unique_id, backfill, encoded),
    ).rowcount
    if inserted:
        engine.store.execute(
            "UPDATE profile SET last_event = ?, updated = ? WHERE account = ? AND id = ? AND ifnull(last_event, ?) < ?",
            (at, now // SECOND, account, profile_id, at - 1, at),
        )
    return bool(inserted)


def create_event(call: Call) -> Answer:
    attributes = call.data["attributes"]
    profile = attributes["profile"]["data"]
    at = "/data/attributes/profile/data/attributes"
    found = identity.faults(profile["attributes"], at, profile_id=profile.get("id"))
    found += identity.meta_faults(meta_of(profile), f"{at}/meta")
    found += faults(attributes, "/data/attributes", call.now)
    if found:
        raise Refusal(*found)
    if not discarded(profile):
        with call.engine.store.write(sure=True):
            profile_id = profile_id_for(call.engine, call.account, profile, call.now)
            if profile_id is not None:
                record(call.engine, call.account, profile_id, attributes, bool(attributes.get("backfill")), call.now)
    return Answer(call.operation.status)


def _resource(row: tuple[Any, ...]) -> Resource:
    return Resource("event", row[0], row[1], {"profile": row[2], "metric": row[3]})


def _included(call: Call, rows: list[tuple[Any, ...]]) -> list[Resource]:
    """Per event, in the order of `include` (FACTS §4.5); attributions need messages, of which there are none."""
    found: list[Resource] = []
    store = call.engine.store
    known: dict[str, Resource] = {}
    for row in rows:
        for name in call.query.include:
            if name == "metric":
                if row[3] not in known:
                    known[row[3]] = generic.resource("metric", row[3], generic.required(call, "metric", row[3]), {})
                found.append(known[row[3]])
            elif name == "profile":
                if row[2] not in known:
                    profile = identity.load(store, call.account, row[2])
                    if profile is None:
                        continue
                    known[row[2]] = profiles.resource(call, profile)
                found.append(known[row[2]])
    return found


def get_events(call: Call) -> Answer:
    source = _SOURCE._replace(parameters=(call.account,))
    page = call.engine.store.page(source, call.operation, call.query)
    resources = [_resource(row) for row in page.rows]
    return call.engine.documents.many(call, resources, _included(call, page.rows), page.next, page.prev)


def _required(call: Call) -> tuple[Any, ...]:
    if _EVENT_ID.fullmatch(call.id) is None:
        raise invalid(f"Invalid Event ID: '{call.id}'", pointer="/data/id")
    row = call.engine.store.one(
        "SELECT id, attributes, profile, metric FROM event WHERE id = ? AND account = ?", call.id, call.account
    )
    if row is None:
        raise generic.missing("event", call.id)
    return row


def get_event(call: Call) -> Answer:
    row = _required(call)
    return call.engine.documents.one(call, _resource(row), _included(call, [row]))


def get_metric_for_event(call: Call) -> Answer:
    metric_id = _required(call)[3]
    if call.operation.identifiers_only:
        return call.engine.documents.identifier(call, "metric", metric_id)
    attributes = generic.required(call, "metric", metric_id)
    return call.engine.documents.one(call, generic.resource("metric", metric_id, attributes, {}))


def get_profile_for_event(call: Call) -> Answer:
    profile_id = _required(call)[2]
    if call.operation.identifiers_only:
        return call.engine.documents.identifier(call, "profile", profile_id)
    return call.engine.documents.one(call, profiles.resource(call, profiles.required(call, profile_id)))


BEHAVIOURS: Mapping[str, Behaviour] = {
    "create_event": create_event,
    "get_events": get_events,
    "get_event": get_event,
    "get_metric_for_event": get_metric_for_event,
    "get_metric_id_for_event": get_metric_for_event,
    "get_profile_for_event": get_profile_for_event,
    "get_profile_id_for_event": get_profile_for_event,
}
