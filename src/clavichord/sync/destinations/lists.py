"""`to: lists`: rows that are members of one list. People whom Klaviyo does not know become profiles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal

from clavichord.sync.definition import Bound, Expression, SyncDefinition
from clavichord.sync.destination import (
    Destination,
    Due,
    Entry,
    Field,
    Gone,
    ListName,
    Part,
    RemovalBound,
    Slot,
    Slots,
)
from clavichord.sync.destinations import people
from clavichord.sync.destinations.membership import ListMembership, Memberships
from clavichord.sync.mistakes import Mistake, nearest
from clavichord.sync.values import encode


class ListSync(SyncDefinition):
    """Rows that are members of one list. Joining a list is not consent (FACTS §9.3)."""

    to: Literal["lists"]
    list: str
    """a list's name, or `id:XyZ123`"""
    member: dict[str, Expression]
    """identifiers: email, phone_number, external_id"""
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

    def memberships(self) -> Memberships:
        names = ("list", "member_if", "mode", "max_removals", "create")
        return Memberships([ListMembership.model_construct(**{name: getattr(self, name) for name in names})], None)


class Lists(Destination[ListSync]):
    to = "lists"
    model = ListSync
    decisive = frozenset({"list", "member"})

    def fields(self, definition: ListSync) -> Iterator[Field]:
        yield from people.profile_fields(dict(definition.member), "member")
        yield from definition.memberships().fields()

    def mistakes(self, definition: ListSync) -> Iterator[Mistake]:
        for name in definition.member:
            if name not in people.IDENTIFIERS:
                fix = nearest(name, people.IDENTIFIERS)
                yield definition.place.mistake(("member", name), f'"{name}" identifies nobody', fix)
        if not definition.member:
            fix = f"one of {', '.join(people.IDENTIFIERS)}"
            yield definition.place.mistake(("member",), "no identifier", fix)

    def parts(self, definition: ListSync, slots: Slots, salt: str) -> Sequence[Part]:
        return list(definition.memberships().parts(slots))

    def unique(self, definition: ListSync, slots: Slots) -> Iterator[tuple[Slot, str]]:
        return people.unique(slots)

    def builder(self, definition: ListSync, slots: Slots, now: datetime) -> MemberBuilder:
        return MemberBuilder(definition, slots)

    def removes(self, definition: ListSync) -> bool:
        return definition.memberships().removes()

    def gone(self, definition: ListSync, gone: Gone) -> Iterator[Entry]:
        return definition.memberships().gone(gone)

    def removal_bounds(self, definition: ListSync) -> Iterator[RemovalBound]:
        return definition.memberships().bounds()

    def lists(self, definition: ListSync) -> Iterator[ListName]:
        return definition.memberships().names()


class MemberBuilder:
    def __init__(self, definition: ListSync, slots: Slots) -> None:
        self.memberships = definition.memberships()
        self.slots = slots

    def entries(self, due: Due) -> Iterator[Entry]:
        """Raises BadRow."""
        person = people.person(self.slots, due.values, "keep")
        payload = encode({"type": "profile", "attributes": person.attributes}).decode()
        for entry in self.memberships.joining(due, self.slots):
            yield Entry(entry.part, "profiles.import", payload, person.identity, {"lists": [entry.list]})
        yield from self.memberships.leaving(due, person.identity)
