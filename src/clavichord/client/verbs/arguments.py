"""What verbs are given, checked before anything is sent. Every ConfigurationError names the argument and the fix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from msgspec import UNSET

from clavichord.client.errors import ConfigurationError


def exactly_one(verb: str, given: Mapping[str, Any]) -> tuple[str, Any]:
    """(name, value) of the one argument that is given. Text must not be empty."""
    found = {name: value for name, value in given.items() if value is not UNSET and value is not None}
    if len(found) != 1:
        names = ", ".join(f"{name}=" for name in given)
        raise ConfigurationError(f"{verb}: needs exactly one of {names}, not {', '.join(found) or 'none of them'}")
    ((name, value),) = found.items()
    return name, text(verb, name, value) if not hasattr(value, "id") else value


def text(verb: str, name: str, value: Any) -> str:
    """Non-empty text."""
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"{verb}: {name} is non-empty text, not {value!r}")
    return value


def resource_id(verb: str, name: str, value: Any) -> str:
    """The id of a resource that is given as a model or by its id."""
    found = value if isinstance(value, str) else getattr(value, "id", None)
    if not isinstance(found, str) or not found.strip():
        raise ConfigurationError(f"{verb}: {name} takes an id or a resource that has one, not {value!r}")
    return found


def resource_ids(verb: str, name: str, values: Any) -> list[str]:
    if isinstance(values, (str, bytes, Mapping)) or not isinstance(values, Sequence):
        raise ConfigurationError(f"{verb}: {name} takes a list of ids or resources, not {values!r}")
    return [resource_id(verb, name, value) for value in values]


def aware(verb: str, name: str, value: Any) -> datetime:
    """A datetime with a zone."""
    if not isinstance(value, datetime):
        raise ConfigurationError(f"{verb}: {name} is a datetime, not {value!r}")
    if value.tzinfo is None:
        raise ConfigurationError(
            f"{verb}: {name} has no time zone ({value.isoformat()}): give it one, e.g. .replace(tzinfo=datetime.UTC)"
        )
    return value


def seconds(verb: str, name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise ConfigurationError(f"{verb}: {name} is a number of seconds, 0 or more, not {value!r}")
    return float(value)


def one_of(verb: str, name: str, value: Any, allowed: Sequence[str]) -> str:
    if not isinstance(value, str) or value not in allowed:
        from difflib import get_close_matches

        near = get_close_matches(str(value), allowed, 1)
        if near:
            raise ConfigurationError(f"{verb}: {name} {value!r} is not known; did you mean {near[0]!r}?")
        raise ConfigurationError(f"{verb}: {name} is one of {', '.join(allowed)}, not {value!r}")
    return value
