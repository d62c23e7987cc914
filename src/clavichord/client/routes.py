"""From an operation's name, or from a bare method and path, to what the life-cycle needs to know of it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from types import MappingProxyType
from urllib.parse import quote

from msgspec import Struct

from clavichord.client.errors import ConfigurationError
from clavichord.spec import REVISION, REVISIONS, Limit, Operation, load

NO_LIMITS: Mapping[str, Limit] = MappingProxyType({})


class Unlisted(Struct, frozen=True):
    """A route that the catalogue does not have: paced as tier S (FACTS §5) until its headers are seen."""

    id: str
    method: str
    path: str
    limit: Limit = Limit(3, 60)
    limits_with: Mapping[str, Limit] = NO_LIMITS
    content_type: str = ""


def packaged(revision: str) -> str:
    """The packaged revision that stands for `revision`: the newest one that is not after it, else the oldest.

    ConfigurationError if it is not of Klaviyo's form, `2026-07-15` or `2026-07-15.pre` (FACTS §2).
    """
    if not isinstance(revision, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d(\.[a-z0-9-]+)?", revision):
        raise ConfigurationError(f"revision must be a date like {REVISION} (or {REVISION}.pre), not {revision!r}")
    return max((known for known in REVISIONS if known <= revision), default=REVISIONS[0])


@cache
def _aliases(revision: str) -> Mapping[str, str]:
    return {alias: op.id for op in load(revision).operations.values() for alias in op.aliases}


def named(operation: str, revision: str = REVISION) -> Operation:
    """The operation of that id or alias in a packaged revision. ConfigurationError, with near names, if it has none."""
    operations, aliases = load(revision).operations, _aliases(revision)
    found = operations.get(operation) or operations.get(aliases.get(operation, ""))
    if found is None:
        elsewhere = [other for other in REVISIONS if operation in load(other).operations]
        if elsewhere:
            raise ConfigurationError(absent(operation, revision, elsewhere))
        near = get_close_matches(operation, [*operations, *aliases], 3)
        hint = f"; near it: {', '.join(near)}" if near else ""
        raise ConfigurationError(f"there is no operation {operation!r} in revision {revision}{hint}")
    return found


def absent(what: str, revision: str, elsewhere: list[str]) -> str:
    """What to say of an operation or an argument that only other revisions have."""
    renamed = _aliases(revision).get(what)
    if renamed:
        return f"{what} is called {renamed} in revision {revision}, which this client speaks"
    return (
        f"{what} is not in revision {revision}, which this client speaks, but in {' and '.join(elsewhere)}: "
        f'make the client with revision="{elsewhere[-1]}"'
    )


def ad_hoc(method: str, path: str, revision: str = REVISION) -> tuple[Operation | Unlisted, Mapping[str, str]]:
    """The catalogue's operation for a request, with its path parameters; an `Unlisted` route if it has none."""
    if not re.fullmatch(r"[A-Za-z]+", method):
        raise ConfigurationError(f"method must be one word like GET, not {method!r}")
    if not path.startswith("/") or "?" in path or "#" in path:
        raise ConfigurationError(f"path must begin with / and hold no query, not {path!r}: pass query= apart")
    found = load(revision).match(method.upper(), path)
    if found is not None:
        return found
    safe = quote(path, safe="/%:$~@!*'(),;=+&")
    return Unlisted(f"{method.upper()} {path}", method.upper(), safe), {}
