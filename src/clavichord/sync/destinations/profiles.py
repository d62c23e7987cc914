"""`to: profiles`: rows that become profiles, members of lists and subscribers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from clavichord.sync.definition import SyncDefinition
from clavichord.sync.destination import (
    BadRow,
    Destination,
    Due,
    Entry,
    Field,
    Gone,
    Held,
    ListName,
    Part,
    RemovalBound,
    Slot,
    Slots,
    digest,
)
from clavichord.sync.destinations import people
from clavichord.sync.destinations.consent import Consent, Consents
from clavichord.sync.destinations.membership import ListMembership, Memberships, joined
from clavichord.sync.destinations.people import Person, ProfileFields
from clavichord.sync.mistakes import Mistake
from clavichord.sync.values import encode

MAX_BYTES = 100_000
"""FACTS §7.1, read as decimal kB: the stricter reading"""


class ProfileSync(SyncDefinition):
    """Rows that become profiles, members of lists and subscribers."""

    to: Literal["profiles"]
    map: ProfileFields
    lists: list[ListMembership] = []
    consent: Consent | None = None


class Profiles(Destination[ProfileSync]):
    to = "profiles"
    model = ProfileSync
    decisive = frozenset({"map", "blanks", "zone"})

    def fields(self, definition: ProfileSync) -> Iterator[Field]:
        yield from people.profile_fields(definition.map, "map")
        yield from Memberships(definition.lists).fields()
        yield from Consents(definition.consent).fields()

    def mistakes(self, definition: ProfileSync) -> Iterator[Mistake]:
        yield from people.mistakes(definition, definition.map, "map")
        yield from Consents(definition.consent).mistakes(definition, definition.map, "map")

    def parts(self, definition: ProfileSync, slots: Slots, salt: str) -> Sequence[Part]:
        profile = Part("profile", digest(slots.of("key", *people.ROLES, *people.PATCHES), salt))
        return [profile, *Memberships(definition.lists).parts(slots), *Consents(definition.consent).parts(slots)]

    def unique(self, definition: ProfileSync, slots: Slots) -> Iterator[tuple[Slot, str]]:
        return people.unique(slots)

    def outcome(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        found = super().outcome(payload)
        for verb, given in ((payload.get("meta") or {}).get("patch_properties") or {}).items():
            pairs = given.items() if isinstance(given, dict) else ((name, True) for name in given)
            found |= {f"properties.{name}.{verb}": value for name, value in pairs}
        return found

    def builder(self, definition: ProfileSync, slots: Slots, now: datetime) -> ProfileBuilder:
        return ProfileBuilder(definition, slots, now)

    def removes(self, definition: ProfileSync) -> bool:
        return Memberships(definition.lists).removes()

    def gone(self, definition: ProfileSync, gone: Gone) -> Iterator[Entry]:
        return Memberships(definition.lists).gone(gone)

    def removal_bounds(self, definition: ProfileSync) -> Iterator[RemovalBound]:
        return Memberships(definition.lists).bounds()

    def lists(self, definition: ProfileSync) -> Iterator[ListName]:
        yield from Memberships(definition.lists).names()
        yield from Consents(definition.consent).names()


class ProfileBuilder:
    """The parts of a row, ready to be sent."""

    def __init__(self, definition: ProfileSync, slots: Slots, now: datetime) -> None:
        self.definition = definition
        self.slots = slots
        self.now = now
        self.memberships = Memberships(definition.lists)
        self.consents = Consents(definition.consent)

    def entries(self, due: Due) -> Iterator[Entry | Held]:
        """Raises BadRow."""
        person = people.person(self.slots, due.values, self.definition.blanks)
        payload = self._payload(person)
        if len(payload) > MAX_BYTES:
            raise BadRow("profile.too_large", "map", len(payload), f"{len(payload):,} bytes")
        joining = self.memberships.joining(due, self.slots)
        also = joined(joining, due.digests)
        if "profile" in due.digests or also:
            # A bulk import cannot clear a field (FACTS §7.1). It joins its whole batch to lists.
            route = "profiles.upsert" if person.clears else "profiles.import"
            part, *rest = ("profile", *also) if "profile" in due.digests else also
            group = {"lists": [entry.list for entry in joining]}
            yield Entry(part, route, payload.decode(), person.identity, group, also=tuple(rest))
        yield from self.memberships.leaving(due, person.identity)
        yield from self.consents.entries(due, self.slots, person.attributes, self.now)

    def _payload(self, person: Person) -> bytes:
        body: dict[str, Any] = {"type": "profile", "attributes": person.attributes}
        if patch := {**person.patch, **({"unset": person.unset} if person.unset else {})}:
            body["meta"] = {"patch_properties": patch}
        return encode(body)
