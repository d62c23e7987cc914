"""Fields that a client sent and nobody read: misspelled ones, and those that Klaviyo would ignore, too."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, ValuesView
from typing import Any


class Watched(dict[str, Any]):
    """A JSON object that remembers which of its members were asked for.

    One that was never asked for a member by name was stored or copied as a whole (`properties`), so all of it counts
    as read. The same holds for one that was walked through.
    """

    __slots__ = ("read", "whole")

    def __init__(self, members: dict[str, Any]) -> None:
        super().__init__({name: watched(value) for name, value in members.items()})
        self.read: set[str] = set()
        self.whole = False

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.read.add(str(name))
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.read.add(name)
        return super().get(name, default)

    def pop(self, name: str, *default: Any) -> Any:
        self.read.add(name)
        return super().pop(name, *default)

    def __iter__(self) -> Iterator[str]:
        self.whole = True
        return super().__iter__()

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]  # dict's own views cannot be subclassed
        self.whole = True
        return super().items()

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        self.whole = True
        return super().values()


def watched(value: Any) -> Any:
    """`value` with every object in it watched."""
    if isinstance(value, dict):
        return Watched(value)
    if isinstance(value, list):
        return [watched(item) for item in value]
    return value


def unread(value: Any, at: str = "/data") -> list[str]:
    """Pointers to the members of a watched value that nobody asked for."""
    if isinstance(value, list):
        return [pointer for index, item in enumerate(value) for pointer in unread(item, f"{at}/{index}")]
    if not isinstance(value, Watched):
        return []
    found: list[str] = []
    partly = bool(value.read) and not value.whole
    for name, member in dict.items(value):
        if partly and name not in value.read:
            if name != "type":  # the schema has looked at it
                found.append(f"{at}/{name}")
        else:
            found += unread(member, f"{at}/{name}")
    return found
