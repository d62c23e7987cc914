"""Echoes of what was sent, completed from the schema: in its order, with defaults, null for what may be null."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

from clavichord.spec import Catalogue

Defaults = Mapping[str, Mapping[str, Any]]
"""schema → member → the value that a missing one gets on the wire, where the schema says another or none"""

OMITTED: Mapping[str, frozenset[str]] = {
    "TimeDelayActionData": frozenset(("delay_until_time", "delay_until_weekdays")),
}
"""schema → members that stay away when they are not sent, although they may be null (recorded)"""


class _Schema(NamedTuple):
    name: str
    """"" for one that has none"""
    body: Mapping[str, Any]


def complete(catalogue: Catalogue, schema: Mapping[str, Any], value: Any, defaults: Defaults | None = None) -> Any:
    """`value` fits `schema`; members that the schema does not know stay, at the end (FACTS §9.4, §9.7).

    With `defaults`, objects that are missing are made of theirs, as forms do it.
    """
    name, body = _resolved(catalogue, schema, value)
    if isinstance(value, list):
        return [complete(catalogue, body.get("items", {}), one, defaults) for one in value]
    if not isinstance(value, dict):
        return value
    completed: dict[str, Any] = {}
    instead = (defaults or {}).get(name, {})
    for member, of in body.get("properties", {}).items():
        if member in value or member in instead:
            given = value[member] if member in value else copy.deepcopy(instead[member])
            completed[member] = complete(catalogue, of, given, defaults)
        elif "default" in of:
            completed[member] = copy.deepcopy(of["default"])
        elif of.get("nullable"):
            if not of.get("writeOnly") and member not in OMITTED.get(name, ()):
                completed[member] = None
        elif defaults is not None and _is_object(catalogue, of):
            completed[member] = complete(catalogue, of, {}, defaults)
    return completed | {member: one for member, one in value.items() if member not in completed}


def _is_object(catalogue: Catalogue, schema: Mapping[str, Any]) -> bool:
    return "$ref" in schema and catalogue.schema(schema["$ref"].removeprefix("#/")).get("type") == "object"


def known(catalogue: Catalogue, schema: Mapping[str, Any], value: Any) -> Any:
    """`value` without the members that the schema does not know: what another revision has beyond this one."""
    body = _resolved(catalogue, schema, value).body
    if isinstance(value, list):
        return [known(catalogue, body.get("items", {}), one) for one in value]
    members = body.get("properties")
    if not isinstance(value, dict) or not members:
        return value
    return {name: known(catalogue, members[name], one) for name, one in value.items() if name in members}


def _resolved(catalogue: Catalogue, schema: Mapping[str, Any], value: Any) -> _Schema:
    """Behind references, and of alternatives the one that the value's constants name."""
    name = ""
    while True:
        if "$ref" in schema:
            name = schema["$ref"].removeprefix("#/")
            schema = catalogue.schema(name)
        elif "oneOf" in schema or "anyOf" in schema:
            branches = [_resolved(catalogue, one, value) for one in schema.get("oneOf") or schema["anyOf"]]
            return next((one for one in branches if _fits(one.body, value)), branches[0])
        else:
            return _Schema(name, schema)


def _fits(schema: Mapping[str, Any], value: Any) -> bool:
    if not isinstance(value, dict):
        return "properties" not in schema
    members = schema.get("properties", {})
    return all(name in value for name in schema.get("required", ())) and all(
        value[name] in member["enum"] for name, member in members.items() if name in value and "enum" in member
    )
