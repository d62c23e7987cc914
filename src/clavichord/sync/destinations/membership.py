"""Places in lists: who joins, who leaves, and how many may leave at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from clavichord.sync.definition import Block, Bound, Expression
from clavichord.sync.destination import Due, Entry, Field, Gone, ListName, Part, RemovalBound, Slots
from clavichord.sync.expression import literal
from clavichord.sync.mistakes import Path

_PART = "list."


class ListMembership(Block):
    """Rows that join or leave a list. Joining a list is not consent (FACTS §9.3)."""

    list: str
    """a list's name, or `id:XyZ123`"""
    member_if: Expression | None = None
    """which rows; all of them without it"""
    mode: Literal["add", "mirror", "remove"] = "add"
    """`add`: they join, nobody leaves · `mirror`: they join, and those whom this sync has put there leave when they no
    longer qualify or leave the source · `remove`: they leave"""
    max_removals: Bound | None = None
    """more removals at once than this (share of those whom this sync has put there) and nobody leaves; by default a
    fifth, if that is more than 20 people"""
    create: bool = False
    """make the list if there is none of that name"""

    @property
    def part(self) -> str:
        return _PART + self.list


class Memberships:
    """The lists of one file."""

    def __init__(self, lists: Sequence[ListMembership], base: str | None = "lists") -> None:
        self.lists = lists
        self.base = base
        """the key under which they stand, None: the file itself is one"""
        self.by_part = {entry.part: entry for entry in lists}

    def fields(self) -> Iterator[Field]:
        for i, entry in enumerate(self.lists):
            if entry.member_if is not None:
                yield Field("member", entry.list, self._path(i, "member_if"), entry.member_if, "condition")

    def parts(self, slots: Slots) -> Iterator[Part]:
        for entry in self.lists:
            place = f"md5({literal(f'{entry.mode} {entry.list}')})::uuid"
            slot = slots.one("member", entry.list) if entry.member_if is not None else None
            condition = f"case when {slot.columns[0]} then {place} end" if slot is not None else place
            yield Part(entry.part, condition, absent=entry.mode == "mirror")

    def joining(self, due: Due, slots: Slots) -> list[ListMembership]:
        """The lists in which the row has its place, whether that is due or not."""
        found = []
        for entry in self.lists:
            slot = slots.one("member", entry.list) if entry.member_if is not None else None
            if entry.mode != "remove" and (slot is None or due.values[slot.first] is True):
                found.append(entry)
        return found

    def leaving(self, due: Due, identity: str) -> Iterator[Entry]:
        """An entry for each list that the row has to leave."""
        for part, digest in due.digests.items():
            entry = self.by_part.get(part)
            if entry is not None and entry.mode == "remove":
                yield Entry(part, "lists.remove", "{}", identity, {"list": entry.list})
            elif entry is not None and digest is None:
                yield _removal(entry, identity)

    def removes(self) -> bool:
        return any(entry.mode == "mirror" for entry in self.lists)

    def gone(self, left: Gone) -> Iterator[Entry]:
        for part in left.parts:
            entry = self.by_part.get(part)
            if entry is not None and entry.mode == "mirror":
                yield _removal(entry, left.identity)

    def bounds(self) -> Iterator[RemovalBound]:
        for i, entry in enumerate(self.lists):
            if entry.mode == "mirror":
                yield RemovalBound(entry.part, entry.max_removals, self._path(i, "max_removals"))

    def names(self) -> Iterator[ListName]:
        for i, entry in enumerate(self.lists):
            yield ListName(entry.list, self._path(i, "list"), entry.create)

    def _path(self, index: int, key: str) -> Path:
        return (key,) if self.base is None else (self.base, index, key)


def _removal(entry: ListMembership, identity: str) -> Entry:
    return Entry(entry.part, "lists.remove", "{}", identity, {"list": entry.list}, digest=None)


def joined(lists: Sequence[ListMembership], due: Mapping[str, object]) -> tuple[str, ...]:
    """The due parts that an import into `lists` delivers."""
    return tuple(entry.part for entry in lists if entry.part in due)
