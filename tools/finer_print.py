"""What a generator of SDKs throws away (unions, formats, enums of inner fields, the order of the wire) is in an earlier
document of the same API: put back wherever both speak of the same thing. Where they differ, the newer one is right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

Facts = dict[str, Any]
Schemas = Mapping[str, Facts]
UNIONS = ("oneOf", "anyOf")
_PREFIX = "#/components/schemas/"


class Earlier(NamedTuple):
    """A schema of an earlier document, with that document's schemas."""

    schema: Facts
    schemas: Schemas


def named(schema: Facts) -> str:
    """The name that a `$ref` points at, "" for a schema that stands where it is."""
    return str(schema.get("$ref", "")).removeprefix(_PREFIX)


def flat(schema: Facts, schemas: Schemas) -> Facts:
    """The schema itself: references followed, `allOf` in one object."""
    nullable = schema.get("nullable")
    while "$ref" in schema:
        schema = schemas[named(schema)]
    if "allOf" in schema:
        whole: Facts = {key: value for key, value in schema.items() if key != "allOf"}
        for part in (flat(one, schemas) for one in schema["allOf"]):
            members = {**whole.get("properties", {}), **part.get("properties", {})}
            for name in members.keys() & whole.get("properties", {}).keys() & part.get("properties", {}).keys():
                members[name] = flat({"allOf": [whole["properties"][name], part["properties"][name]]}, schemas)
            required = [*whole.get("required", []), *part.get("required", [])]
            whole = {**part, **whole, "properties": members} | ({"required": required} if required else {})
        schema = whole
    return {**schema, "nullable": True} if nullable else schema


def names(schema: Facts, schemas: Schemas, depth: int = 6) -> Iterator[str]:
    """Dotted names of everything in an object, a few levels deep: by these two schemas are known to be alike."""
    schema = flat(schema, schemas)
    if "items" in schema:
        yield from names(schema["items"], schemas, depth)
    for name, member in schema.get("properties", {}).items() if depth else ():
        yield name
        yield from (f"{name}.{inner}" for inner in names(member, schemas, depth - 1))


class FinerPrint:
    """Merges the schemas of the newest document with those of earlier ones, each with the one that is most like it."""

    def __init__(self, newest: Schemas, earlier: Sequence[Schemas]) -> None:
        self._newest = newest
        self._earlier = earlier
        self._meant: dict[str, Earlier] = {}
        """name in the newest → what it was earlier under another name, or without any"""

    def merged(self) -> dict[str, Facts]:
        """Every schema of the newest document, and those of earlier ones that its unions lead to."""
        found = {name: dict(schema) for name, schema in self._newest.items()}
        waiting = list(found)
        done: set[str] = set()
        while waiting:
            name = waiting.pop()
            before = self._meant.get(name) or self._likest(name)
            if before is None or name in done:
                continue
            done.add(name)
            known = len(self._meant)
            found[name] = self._merge(self._newest[name], before)
            waiting += list(self._meant)[known:]
        for schemas in self._earlier:
            for name, schema in schemas.items():
                found.setdefault(name, schema)
        return found

    def _likest(self, name: str) -> Earlier | None:
        ours = set(names(self._newest[name], self._newest))
        candidates = [Earlier(schemas[name], schemas) for schemas in self._earlier if name in schemas]
        return min(candidates, key=lambda one: len(ours ^ set(names(*one))), default=None)

    def _merge(self, ours: Facts, before: Earlier) -> Facts:
        theirs = flat(before.schema, before.schemas)
        if name := named(ours):
            if named(before.schema) != name and not any(name in schemas for schemas in self._earlier):
                bare = {key: value for key, value in theirs.items() if key != "nullable"}  # that belongs to this use
                self._meant.setdefault(name, Earlier(bare, before.schemas))
            return self._nullable({"$ref": _PREFIX + name}, theirs)
        if ours.get("type", "object") == "object" and "properties" not in ours:
            union = any(kind in theirs for kind in UNIONS)
            return self._in_our_names(before) if union or "properties" not in theirs else ours
        if "properties" in ours:
            return self._object(ours, theirs, before.schemas) if "properties" in theirs else ours
        if ours.get("type") != theirs.get("type"):
            return ours
        if ours["type"] == "array":
            items = self._merge(ours["items"], Earlier(theirs.get("items", {}), before.schemas))
            return {**theirs, "items": items}
        return {**theirs, "enum": ours["enum"]} if "enum" in ours else theirs

    def _in_our_names(self, before: Earlier) -> Facts:
        """An earlier union: a name that only earlier documents have may mean another thing in each of them, and then
        the newest document has the same thing under a name of its own."""
        renamed = dict(before.schema)
        for kind in UNIONS:
            if kind in renamed:
                renamed[kind] = [self._in_our_name(one, before.schemas) for one in renamed[kind]]
        return renamed

    def _in_our_name(self, branch: Facts, schemas: Schemas) -> Facts:
        name = named(branch)
        meanings = {frozenset(names(one[name], one)) for one in self._earlier if name in one}
        if name in self._newest or len(meanings) < 2:
            return branch
        meant = set(names(schemas[name], schemas))
        alike = (one for one, schema in self._newest.items() if set(names(schema, self._newest)) == meant)
        return {"$ref": _PREFIX + next(alike, name)}

    def _object(self, ours: Facts, theirs: Facts, schemas: Schemas) -> Facts:
        mine, old = ours["properties"], theirs["properties"]
        order = [*(name for name in old if name in mine), *(name for name in mine if name not in old)]
        required = [name for name in order if name in ours.get("required", ())]
        members = {}
        for name in order:
            members[name] = self._merge(mine[name], Earlier(old[name], schemas)) if name in old else mine[name]
            if name in required and mine[name].get("nullable"):
                members[name] = {**members[name], "nullable": True}
        whole = {key: value for key, value in theirs.items() if key not in ("properties", "required")}
        return {**whole, "properties": members} | ({"required": required} if required else {})

    @staticmethod
    def _nullable(ours: Facts, theirs: Facts) -> Facts:
        return {**ours, "nullable": True} if theirs.get("nullable") else ours
