"""How values are looked up, compared and written."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from clavichord.sandbox.rendering.scope import Safe, Scope

MISSING: Any = object()
"""A variable that nobody gave."""

_METHODS: Mapping[type, Mapping[str, Callable[[Any], Any]]] = {
    dict: {"items": lambda d: list(d.items()), "keys": list, "values": lambda d: list(d.values())},
    str: {
        name: getattr(str, name)
        for name in (
            "capitalize",
            "isdigit",
            "lower",
            "lstrip",
            "rstrip",
            "split",
            "strip",
            "swapcase",
            "title",
            "upper",
        )
    },
}
"""Methods without arguments that `{{ a.b }}` calls, as Django does; nothing else of Python is within reach."""


def lookup(value: Any, name: str) -> Any:
    """`value.name`: a member, then a method, then an index; MISSING if it is none of them."""
    if isinstance(value, Mapping) and name in value:
        return value[name]
    for kind, methods in _METHODS.items():
        if isinstance(value, kind) and name in methods:
            return methods[name](value)
    if isinstance(value, list | tuple | str) and name.isascii() and name.isdigit() and len(name) < 10:
        return value[int(name)] if int(name) < len(value) else MISSING
    return MISSING


def resolve(scope: Scope, path: Sequence[str]) -> Any:
    try:
        value = scope.find(path[0])
    except KeyError:
        return MISSING
    for name in path[1:]:
        value = lookup(value, name)
        if value is MISSING:
            return MISSING
    return value


def text(value: Any) -> str:
    """As Python writes it: `True`, `None`, `1.0`, `['a']`."""
    return value if isinstance(value, str) else str(value)


def escaped(value: Any) -> Safe:
    return value if isinstance(value, Safe) else Safe(html.escape(text(value)))


def written(scope: Scope, value: Any) -> str:
    result = escaped(value) if scope.escape else text(value)
    scope.spend(len(result) // 64)
    return result


def number(value: Any) -> int | float:
    """ValueError, TypeError or OverflowError if it is none."""
    if isinstance(value, bool | int | float):
        return value
    if not isinstance(value, str) or len(value) > 100:
        raise TypeError("not a number")
    try:
        return int(value)
    except ValueError:
        return float(value)
