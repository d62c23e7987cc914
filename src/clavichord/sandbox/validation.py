"""Checks a request body against the catalogue's schema; every fault comes with the pointer that Klaviyo would give.

A schema is compiled once into nested functions: a bulk import is ten thousand profiles, walked in one call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from clavichord.sandbox import inferred
from clavichord.sandbox.clock import parse
from clavichord.sandbox.errors import ErrorObject, problem
from clavichord.spec import Catalogue

_OF_RESOURCES = {"attributes", "relationships"}
"""Either makes an object of a type a resource rather than a reference to one."""

At = tuple[Any, Any] | None
"""Where a value stands: (where its parent stands, its name or index); None is the document itself."""

Fault = tuple[At, str]
Check = Callable[[Any, At, list[Fault]], None]

_EXPECTED = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "object": "an object",
    "array": "an array",
}
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


def pointer(at: At) -> str:
    parts: list[str] = []
    while at is not None:
        at, name = at
        parts.append(str(name).replace("~", "~0").replace("/", "~1"))
    return "".join("/" + part for part in reversed(parts))


def _name(at: At) -> str:
    while at is not None and isinstance(at[1], int):
        at = at[0]
    return "data" if at is None else str(at[1])


def _wrong(at: At, expected: str) -> Fault:
    return at, inferred.WRONG_TYPE.format(name=_name(at), expected=expected)


class Bodies:
    """The compiled checks of one catalogue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._compiled: dict[str, Check] = {}

    def faults(self, schema: str, body: Any, prefix: str = "") -> list[ErrorObject]:
        """What is wrong with `body`, at most 100 errors, in the order of the body; `prefix`: the pointer of a part."""
        found: list[Fault] = []
        self._named(schema)(body, None, found)
        return [problem(detail, pointer=prefix + pointer(at) or "/data") for at, detail in found[:100]]

    def attribute_faults(self, type_name: str, name: str, value: Any) -> list[ErrorObject]:
        """What is wrong with an attribute of a body, held to the schema of what is answered: where a body's is open."""
        found: list[Fault] = []
        self._compile(self._catalogue.types[type_name].attributes[name], type_name)(value, (None, name), found)
        return [problem(detail, pointer="/data/attributes" + pointer(at)) for at, detail in found[:100]]

    def _named(self, name: str) -> Check:
        check = self._compiled.get(name)
        if check is None:
            # A schema may contain itself: the placeholder looks the finished check up when it is called.
            self._compiled[name] = lambda value, at, found: self._compiled[name](value, at, found)
            check = self._compiled[name] = self._compile(self._catalogue.schema(name), name)
        return check

    def _compile(self, schema: Mapping[str, Any], owner: str) -> Check:
        check = self._bare(schema, owner)
        if not schema.get("nullable"):
            return check

        def or_null(value: Any, at: At, found: list[Fault]) -> None:
            if value is not None:
                check(value, at, found)

        return or_null

    def _bare(self, schema: Mapping[str, Any], owner: str) -> Check:
        if "$ref" in schema:
            return self._named(schema["$ref"].removeprefix("#/"))
        for union in ("oneOf", "anyOf"):
            if union in schema:
                return _one_of([self._compile(branch, owner) for branch in schema[union]])
        if "allOf" in schema:
            return _all_of([self._compile(part, owner) for part in schema["allOf"]])
        if "enum" in schema:
            return _choice(schema["enum"])
        kind = schema.get("type")
        if kind == "object" or "properties" in schema:
            return self._object(schema, owner)
        if kind == "array":
            return _array(self._compile(schema.get("items", {}), owner))
        if kind == "string" and schema.get("format") == "date-time":
            return _date_time
        if kind in _TYPES:
            return _scalar(_TYPES[kind], _EXPECTED[kind])
        return lambda value, at, found: None

    def _object(self, schema: Mapping[str, Any], owner: str) -> Check:
        properties: Mapping[str, Any] = schema.get("properties", {})
        resource = self._resource(properties) or owner
        schemas = dict(properties)
        for name in inferred.NULLABLE.get(owner, ()):
            if schemas.keys() == {name}:
                schemas[name] = {**schemas[name], "nullable": True}
        for name, choices in inferred.CHOICES.get(owner, {}).items():
            schemas[name] = {**schemas[name], "enum": choices}
        members = {name: self._compile(member, resource) for name, member in schemas.items()}
        required = tuple(schema.get("required", ()))
        accepted = frozenset(inferred.ALSO_ACCEPTED.get(resource, ()) if "email" in members else ())
        # Most members need no call: scalars of the right type, and one of the strings of an enum.
        resolved = {name: self._resolved(member) for name, member in schemas.items()}
        plain = {name: _plain(member) for name, member in resolved.items()}
        named = {name: frozenset(member.get("enum", ())) for name, member in resolved.items()}

        def check(value: Any, at: At, found: list[Fault]) -> None:
            if type(value) is not dict:
                found.append(_wrong(at, "an object"))
                return
            for name in required:
                if name not in value:
                    found.append(((at, name), inferred.REQUIRED.format(name=name)))
            if not members:
                return
            for name, item in value.items():
                if name in members:
                    kind = type(item)
                    if kind not in plain[name] and (kind is not str or item not in named[name]):
                        members[name](item, (at, name), found)
                elif at is not None and name not in accepted:
                    found.append(((at, name), inferred.FIELD.format(given=name, type=resource)))

        return check

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._catalogue.schema(schema["$ref"].removeprefix("#/")) if "$ref" in schema else schema

    def _resource(self, properties: Mapping[str, Any]) -> str:
        """The JSON:API type whose object these properties are: errors name it (FACTS §1.5)."""
        choices = self._resolved(properties.get("type", {})).get("enum", ())
        return str(choices[0]) if len(choices) == 1 and properties.keys() & _OF_RESOURCES else ""


def _plain(schema: Mapping[str, Any]) -> tuple[type, ...]:
    """The Python types whose every value fits; () where the value has to be looked at."""
    if schema.keys() & {"$ref", "oneOf", "anyOf", "allOf", "enum", "format"}:
        return ()
    return _TYPES.get(schema.get("type", ""), ())


def _one_of(branches: list[Check]) -> Check:
    def check(value: Any, at: At, found: list[Fault]) -> None:
        closest: list[Fault] | None = None
        for branch in branches:
            faults: list[Fault] = []
            branch(value, at, faults)
            if not faults:
                return
            if closest is None or len(faults) < len(closest):
                closest = faults
        found.extend(closest or ())

    return check


def _all_of(parts: list[Check]) -> Check:
    def check(value: Any, at: At, found: list[Fault]) -> None:
        for part in parts:
            part(value, at, found)

    return check


def _choice(choices: list[Any]) -> Check:
    allowed = list(choices)

    def check(value: Any, at: At, found: list[Fault]) -> None:
        if value not in allowed or isinstance(value, bool) is not isinstance(allowed[allowed.index(value)], bool):
            found.append((at, inferred.CHOICE.format(given=value, name=_name(at))))

    return check


def _array(item: Check) -> Check:
    def check(value: Any, at: At, found: list[Fault]) -> None:
        if type(value) is not list:
            found.append(_wrong(at, "an array"))
            return
        for index, entry in enumerate(value):
            item(entry, (at, index), found)

    return check


def _scalar(types: tuple[type, ...], expected: str) -> Check:
    def check(value: Any, at: At, found: list[Fault]) -> None:
        if type(value) not in types:
            found.append(_wrong(at, expected))

    return check


def _date_time(value: Any, at: At, found: list[Fault]) -> None:
    if type(value) is not str or parse(value) is None:
        found.append(_wrong(at, "an ISO 8601 date-time"))
