"""Loads the packaged catalogue of a revision and finds the operation for a request."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import cache, cached_property
from importlib import resources
from typing import Any
from urllib.parse import unquote

import msgspec

from clavichord.spec.types import Operation, ResourceType

REVISION = "2026-07-15"
"""The newest revision that has a public document (FACTS §0)."""

REVISIONS = (REVISION, "2026-10-15")
"""The packaged revisions, oldest first."""


class _Table(msgspec.Struct, frozen=True):
    revision: str
    operations: list[Operation]
    types: list[ResourceType]


# Made here, under the import lock: msgspec crashes the process when threads look at a type for the first time at once.
_decode = msgspec.json.Decoder(_Table).decode


class Catalogue:
    """One revision of the API: operations, resource types, schemas. Immutable; `load` shares one per revision."""

    def __init__(self, table: _Table, schemas: bytes) -> None:
        self.revision = table.revision
        self.operations: Mapping[str, Operation] = {op.id: op for op in table.operations}
        self.types: Mapping[str, ResourceType] = {t.name: t for t in table.types}
        self._schemas = schemas

    @cached_property
    def schemas(self) -> Mapping[str, Mapping[str, Any]]:
        """Name → JSON Schema; a reference is `{"$ref": "#/Name"}`. Decoded on first use."""
        return msgspec.json.decode(zlib.decompress(self._schemas), type=dict[str, dict[str, Any]])

    def schema(self, name: str) -> Mapping[str, Any]:
        """The schema called `name`. KeyError if there is none."""
        return self.schemas[name]

    @cached_property
    def _routes(self) -> Mapping[tuple[str, ...], Mapping[str, Operation]]:
        routes: dict[tuple[str, ...], dict[str, Operation]] = {}
        for op in self.operations.values():
            shape = tuple("{}" if part.startswith("{") else part for part in op.path.strip("/").split("/"))
            routes.setdefault(shape, {})[op.method] = op
        return routes

    def _shape(self, parts: list[str]) -> tuple[str, ...] | None:
        """The route that fits: literal segments first, then one with a parameter in third place (`/api/lists/{id}`)."""
        literal = tuple(parts)
        if literal in self._routes:
            return literal
        if len(parts) > 2:
            templated = (*parts[:2], "{}", *parts[3:])
            if templated in self._routes:
                return templated
        return None

    def match(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        """The operation for a request, with its decoded path parameters; a trailing slash is allowed (FACTS §0)."""
        parts = path.strip("/").split("/")
        shape = self._shape(parts)
        op = self._routes[shape].get(method) if shape is not None else None
        if op is None:
            return None
        return op, {op.path_params[0]: unquote(parts[2])} if op.path_params else {}

    def methods(self, path: str) -> list[str]:
        """The methods that `path` takes, [] if no operation has it: 405 or 404."""
        shape = self._shape(path.strip("/").split("/"))
        return sorted(self._routes[shape]) if shape is not None else []


@cache
def load(revision: str = REVISION) -> Catalogue:
    """The catalogue of `revision`. ValueError if the package holds none for it."""
    data = resources.files("clavichord.spec") / "data"
    try:
        operations = (data / f"{revision}.operations.z").read_bytes()
        schemas = (data / f"{revision}.schemas.z").read_bytes()
    except FileNotFoundError:
        raise ValueError(f"no catalogue for revision {revision!r}; packaged: {', '.join(REVISIONS)}") from None
    return Catalogue(_decode(zlib.decompress(operations)), schemas)
