"""From flat keyword arguments to a JSON:API document."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from msgspec import UNSET, Struct

from clavichord.client.errors import ConfigurationError

NONE: Mapping[str, str] = {}


class Body(Struct, frozen=True, dict=True):
    """How an operation's keyword arguments become the `data` of its document.

    A keyword is an attribute unless it is named here. The wire's `-` is `_` in a keyword of `one`, `many` and `nested`.
    """

    type: str
    id: Literal["", "path", "argument", "both"] = ""
    """where `data.id` comes from; `both` writes the argument into the attributes, too"""
    linkage: str = ""
    """the keyword that holds the id(s) which are the whole of `data`"""
    linkage_many: bool = False
    one: Mapping[str, str] = NONE
    """keyword of a to-one relationship → JSON:API type"""
    many: Mapping[str, str] = NONE
    """keyword of a to-many relationship → JSON:API type"""
    nested: Mapping[str, str] = NONE
    """keyword of an attribute that holds resources → their JSON:API type"""
    named_only: tuple[str, ...] = ()
    """those of `nested` whose resources have no attributes"""
    meta: tuple[str, ...] = ()
    """keywords that go to `data.meta`"""
    attributes: bool = True
    """`data` has `attributes`"""
    required: tuple[str, ...] = ()

    @cached_property
    def special(self) -> Mapping[str, tuple[str, str]]:
        """Keyword that is not an attribute by its own name → (what it is, JSON:API type or "")."""
        found = dict.fromkeys(self.meta, ("meta", "")) | {"extra": ("extra", "")}
        for what in ("one", "many", "nested"):
            found |= {name: (what, kind) for name, kind in getattr(self, what).items()}
        return found | ({"id": ("id", "")} if self.id in ("argument", "both") else {})


def document(operation: str, shape: Body, path_id: str | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """The document for the arguments `given`. ConfigurationError names what is missing or of the wrong form."""
    for name in shape.required:
        if name not in given:
            missing = ", ".join(f"{name}=" for name in shape.required if name not in given)
            raise ConfigurationError(f"{operation}: needs {missing} (or a whole body=)")
    if shape.linkage:
        return {"data": _linkage(operation, shape, given)}
    data: dict[str, Any] = {"type": shape.type}
    attributes: dict[str, Any] = {}
    relationships: dict[str, Any] = {}
    meta: dict[str, Any] = {}
    special = shape.special
    for name, value in given.items():
        what = special.get(name)
        if what is None:
            if isinstance(value, datetime) and value.tzinfo is None:
                raise ConfigurationError(
                    f"{operation}: {name} has no time zone ({value.isoformat()}): give it one, "
                    "e.g. .replace(tzinfo=datetime.UTC) or .astimezone()"
                )
            attributes[name.removesuffix("_")] = value
            continue
        place, kind = what
        if place == "nested":
            bare = name in shape.named_only
            attributes[name.replace("_", "-")] = _nested(operation, name, kind, value, bare)
        elif place == "one":
            linked = None if value is None else identifier(operation, name, kind, value)
            relationships[name.replace("_", "-")] = {"data": linked}
        elif place == "many":
            relationships[name.replace("_", "-")] = {"data": identifiers(operation, name, kind, value)}
        elif place == "meta":
            meta[name] = value
        elif place == "id":
            data["id"] = value
            if shape.id == "both":
                attributes["id"] = value
    if shape.id == "path":
        data["id"] = path_id
    if "extra" in given:
        if not isinstance(given["extra"], Mapping):
            raise ConfigurationError(f"{operation}: extra takes a dict of further attributes, not {given['extra']!r}")
        attributes.update(given["extra"])
    if attributes or shape.attributes:
        data["attributes"] = attributes
    if relationships:
        data["relationships"] = relationships
    if meta:
        data["meta"] = meta
    return {"data": data}


def identifier(operation: str, name: str, kind: str, value: Any) -> dict[str, Any]:
    """`{type, id}` from an id, a model, or an object that is already one (it may carry `meta`)."""
    if isinstance(value, Mapping):
        return {"type": kind, **value}
    found = value if isinstance(value, str) else getattr(value, "id", None)
    if not isinstance(found, str) or not found:
        raise ConfigurationError(f"{operation}: {name} takes the id of a {kind}, not {value!r}")
    return {"type": kind, "id": found}


def identifiers(operation: str, name: str, kind: str, values: Any) -> list[dict[str, Any]]:
    if isinstance(values, (str, bytes)) or not isinstance(values, Sequence):
        raise ConfigurationError(f"{operation}: {name} takes a list of ids, not {values!r}")
    return [identifier(operation, name, kind, value) for value in values]


def _linkage(operation: str, shape: Body, given: Mapping[str, Any]) -> Any:
    value = given[shape.linkage]
    if shape.linkage_many:
        return identifiers(operation, shape.linkage, shape.type, value)
    if value is None:
        return None
    data = identifier(operation, shape.linkage, shape.type, value)
    meta = {name: given[name] for name in shape.meta if name in given}
    return {**data, "meta": meta} if meta else data


def _nested(operation: str, name: str, kind: str, value: Any, bare: bool) -> Any:
    """Resources inside an attribute: `{"data": …}` as it is, plain dicts and ids wrapped."""
    if value is None or (isinstance(value, Mapping) and "data" in value):
        return value
    if isinstance(value, (Mapping, str)):
        return {"data": _resource(operation, name, kind, value, bare)}
    if isinstance(value, Sequence):
        return {"data": [_resource(operation, name, kind, entry, bare) for entry in value]}
    raise ConfigurationError(f"{operation}: {name} takes a dict or a list of dicts, not {value!r}")


def _resource(operation: str, name: str, kind: str, value: Any, bare: bool) -> dict[str, Any]:
    if isinstance(value, str):  # a metric goes by its name, everything else by its id
        value = {"name": value} if kind == "metric" else {"id": value}
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{operation}: {name} takes dicts, not {value!r}")
    if "attributes" in value or "relationships" in value:
        return {"type": kind, **value}
    wrapped: dict[str, Any] = {"type": kind}
    for member in ("id", "meta"):
        if member in value:
            wrapped[member] = value[member]
    attributes = {n: v for n, v in value.items() if n not in ("id", "meta", "type") and v is not UNSET}
    if attributes or not bare:
        wrapped["attributes"] = attributes
    return wrapped


def multipart(operation: str, given: Mapping[str, Any]) -> tuple[bytes, str]:
    """`(body, content type)` of a form with one `file`: bytes, or (name, bytes), or an open binary file."""
    if "file" not in given:
        raise ConfigurationError(f"{operation}: needs file=")
    file = given["file"]
    filename = given.get("name") or "file"
    if isinstance(file, tuple):
        filename, file = file
    elif hasattr(file, "read"):
        filename, file = str(getattr(file, "name", filename)).rpartition("/")[2], file.read()
    if not isinstance(file, (bytes, bytearray, memoryview)):
        raise ConfigurationError(f"{operation}: file takes bytes, (name, bytes) or a file opened in binary mode")
    boundary = secrets.token_hex(16)
    parts = []
    for name, value in {**given, **given.get("extra", {})}.items():
        if name not in ("file", "extra"):
            text = value if isinstance(value, str) else str(value).lower()
            parts.append(f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'.encode())
    quoted = filename.replace("\\", "\\\\").replace('"', "%22").replace("\r", "").replace("\n", "")
    head = f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="{quoted}"\r\n\r\n'
    body = b"".join([*parts, head.encode(), bytes(file), f"\r\n--{boundary}--\r\n".encode()])
    return body, f"multipart/form-data; boundary={boundary}"
