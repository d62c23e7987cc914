"""From an operation's name, or from a bare method and path, to what the life-cycle needs to know of it."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from types import MappingProxyType

from msgspec import Struct

from clavichord.client.errors import ConfigurationError
from clavichord.spec import Limit, Operation, load

NO_LIMITS: Mapping[str, Limit] = MappingProxyType({})


class Unlisted(Struct, frozen=True):
    """A route that the catalogue does not have: paced as tier S (FACTS §5) until its headers are seen."""

    id: str
    method: str
    path: str
    limit: Limit = Limit(3, 60)
    limits_with: Mapping[str, Limit] = NO_LIMITS
    content_type: str = ""


@cache
def _aliases() -> Mapping[str, str]:
    return {alias: op.id for op in load().operations.values() for alias in op.aliases}


def named(operation: str) -> Operation:
    """The operation of that id or alias. ConfigurationError, with near names, if there is none."""
    operations = load().operations
    found = operations.get(operation) or operations.get(_aliases().get(operation, ""))
    if found is None:
        near = get_close_matches(operation, [*operations, *_aliases()], 3)
        hint = f"; near it: {', '.join(near)}" if near else ""
        raise ConfigurationError(f"there is no operation {operation!r} in revision {load().revision}{hint}")
    return found


def ad_hoc(method: str, path: str) -> tuple[Operation | Unlisted, Mapping[str, str]]:
    """The catalogue's operation for a request, with its path parameters; an `Unlisted` route if it has none."""
    if not path.startswith("/") or "?" in path or "#" in path:
        raise ConfigurationError(f"path must begin with / and hold no query, not {path!r}: pass query= apart")
    found = load().match(method.upper(), path)
    if found is not None:
        return found
    return Unlisted(f"{method.upper()} {path}", method.upper(), path), {}
