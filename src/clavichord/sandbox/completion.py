"""Echoes of what was sent, completed from the schema: in its order, with defaults, null for what may be null."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from clavichord.spec import Catalogue


def complete(catalogue: Catalogue, schema: Mapping[str, Any], value: Any) -> Any:
    """`value` fits `schema`; members that the schema does not know stay, at the end (FACTS §9.4, §9.7)."""
    schema = _resolved(catalogue, schema, value)
    if isinstance(value, list):
        return [complete(catalogue, schema.get("items", {}), one) for one in value]
    if not isinstance(value, dict):
        return value
    completed: dict[str, Any] = {}
    for name, member in schema.get("properties", {}).items():
        if name in value:
            completed[name] = complete(catalogue, member, value[name])
        elif "default" in member:
            completed[name] = copy.deepcopy(member["default"])
        elif member.get("nullable") and not member.get("writeOnly"):
            completed[name] = None
    return completed | {name: one for name, one in value.items() if name not in completed}


def _resolved(catalogue: Catalogue, schema: Mapping[str, Any], value: Any) -> Mapping[str, Any]:
    """Behind references, and of alternatives the one that the value's constants name."""
    while True:
        if "$ref" in schema:
            schema = catalogue.schema(schema["$ref"].removeprefix("#/"))
        elif "oneOf" in schema or "anyOf" in schema:
            branches = [_resolved(catalogue, one, value) for one in schema.get("oneOf") or schema["anyOf"]]
            schema = next((one for one in branches if _fits(one, value)), branches[0])
        else:
            return schema


def _fits(schema: Mapping[str, Any], value: Any) -> bool:
    if not isinstance(value, dict):
        return "properties" not in schema
    members = schema.get("properties", {})
    return all(name in value for name in schema.get("required", ())) and all(
        value[name] in member["enum"] for name, member in members.items() if name in value and "enum" in member
    )
