"""The smallest body that an operation's schema takes, made from the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.spec import Catalogue

_STRINGS = {
    "email": "ann@shop.test",
    "phone_number": "+12025550123",
    "url": "https://shop.test/a",
    "endpoint_url": "https://shop.test/a",
    "image_full_url": "https://shop.test/a.png",
}
_SCALARS: Mapping[str, Any] = {"integer": 1, "number": 1, "boolean": True, "string": "a"}


def body(catalogue: Catalogue, schema: str, known: Mapping[str, str]) -> Any:
    """Required members only. Where the schema wants the id of a type, it is the one in `known` (type → id)."""
    return _value(catalogue, {"$ref": f"#/{schema}"}, known, "")


def _value(catalogue: Catalogue, schema: Mapping[str, Any], known: Mapping[str, str], name: str) -> Any:
    schema = _flat(catalogue, schema)
    if "default" in schema and schema["default"] is not None:
        return schema["default"]
    if "enum" in schema:
        return schema["enum"][0]
    if "properties" in schema:
        return _object(catalogue, schema, known)
    kind = schema.get("type", "object")
    if kind == "object":
        return {}
    if kind == "array":
        return [_value(catalogue, schema["items"], known, name)]
    if schema.get("format") in ("date-time", "date"):
        return "2026-01-02T03:04:05Z"
    return _STRINGS.get(name, _SCALARS[kind])


def _object(catalogue: Catalogue, schema: Mapping[str, Any], known: Mapping[str, str]) -> dict[str, Any]:
    made = {
        name: _value(catalogue, member, known, name)
        for name, member in schema["properties"].items()
        if name in schema.get("required", ())
    }
    if "id" in made and made.get("type") in known:
        made["id"] = known[made["type"]]
    return made


def _flat(catalogue: Catalogue, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Behind references; the first of alternatives; the parts of `allOf` as one."""
    while True:
        if "$ref" in schema:
            schema = catalogue.schema(schema["$ref"].removeprefix("#/"))
        elif "oneOf" in schema or "anyOf" in schema:
            schema = (schema.get("oneOf") or schema["anyOf"])[0]
        elif "allOf" in schema:
            parts = [_flat(catalogue, part) for part in schema["allOf"]]
            merged = {key: value for part in parts for key, value in part.items()}
            merged["properties"] = {name: one for part in parts for name, one in part.get("properties", {}).items()}
            merged["required"] = [name for part in parts for name in part.get("required", ())]
            return merged
        else:
            return schema
