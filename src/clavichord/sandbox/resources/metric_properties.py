"""Metric properties: what the events of a metric really carry (FACTS §9.1, LIVE #5, #14)."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import SECOND
from clavichord.sandbox.documents import Resource

_NAMES = (
    "SELECT j.key, group_concat(DISTINCT j.type) FROM event v,"
    " json_each(json_extract(CAST(v.attributes AS TEXT), '$.event_properties')) j"
    " WHERE v.account = ? AND v.metric = ? AND j.key <> '$event_id' GROUP BY j.key ORDER BY j.key"
)

_VALUES = (
    "SELECT attributes FROM event WHERE account = ? AND metric = ? AND at <= ? ORDER BY at DESC, id DESC LIMIT 1000"
)


def _id(metric_id: str, name: str) -> str:
    return b64encode(f"{metric_id}.{name}".encode()).decode().rstrip("=")


def _properties(call: Call, metric_id: str) -> dict[str, str]:
    """Property → the type that its values have, sorted by name."""
    rows = call.engine.store.execute(_NAMES, (call.account, metric_id)).fetchall()
    return {name: _type(types.split(",")) for name, types in rows}


def _type(types: Sequence[str]) -> str:
    found = {inferred.PROPERTY_TYPES[one] for one in types if one != "null"}
    return found.pop() if len(found) == 1 else inferred.PROPERTY_TYPES["text"]


def _resource(call: Call, metric_id: str, name: str, inferred_type: str) -> Resource:
    label = f"{generic.required(call, 'metric', metric_id)['name']} Value" if name == "$value" else name
    attributes: dict[str, Any] = {"label": label, "property": name, "inferred_type": inferred_type}
    if call.query.wants("metric-property", "sample_values"):
        attributes["sample_values"] = _samples(call, metric_id, name) or None
        if call.operation.base == "metric-property":
            attributes["sample_values"] = (
                attributes["sample_values"] or []
            )  # recorded so, of events that were just sent
    return Resource("metric-property", _id(metric_id, name), msgspec.json.encode(attributes), {"metric": metric_id})


def _samples(call: Call, metric_id: str, name: str) -> list[Any]:
    """The latest values of the property, each once; only events of some age are looked at (inferred)."""
    rows = call.engine.store.execute(_VALUES, (call.account, metric_id, call.now // SECOND - inferred.SAMPLE_AGE))
    found: dict[tuple[type, Any], Any] = {}
    for (text,) in rows:
        value = msgspec.json.decode(text)["event_properties"].get(name)
        if isinstance(value, str | int | float):
            found.setdefault((type(value), value), value)
        if len(found) == inferred.SAMPLES:
            break
    return list(found.values())


def get_properties_for_metric(call: Call) -> Answer:
    generic.required(call)
    found = _properties(call, call.id)
    if call.operation.identifiers_only:
        return call.engine.documents.identifiers(call, "metric-property", [_id(call.id, name) for name in found])
    return call.engine.documents.many(call, [_resource(call, call.id, name, kind) for name, kind in found.items()])


def _required(call: Call) -> tuple[str, str, str]:
    """(metric, property, type) that the path's id names. Refusal (404)."""
    try:
        plain = b64decode(call.id + "=" * (-len(call.id) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        plain = ""
    metric_id, _, name = plain.partition(".")
    kind = _properties(call, metric_id).get(name)
    if kind is None or _id(metric_id, name) != call.id:
        raise generic.missing("metric-property", call.id)
    return metric_id, name, kind


def get_metric_property(call: Call) -> Answer:
    one = _resource(call, *_required(call))
    return call.engine.documents.one(call, one, crud.included(call, [one]))


def get_metric_for_metric_property(call: Call) -> Answer:
    metric_id = _required(call)[0]
    if call.operation.identifiers_only:
        return call.engine.documents.identifier(call, "metric", metric_id)
    return crud.show(call, "metric", metric_id, generic.required(call, "metric", metric_id))


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_properties_for_metric": get_properties_for_metric,
    "get_property_ids_for_metric": get_properties_for_metric,
    "get_metric_property": get_metric_property,
    "get_metric_for_metric_property": get_metric_for_metric_property,
    "get_metric_id_for_metric_property": get_metric_for_metric_property,
}
