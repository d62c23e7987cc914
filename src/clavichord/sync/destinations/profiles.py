"""`to: profiles`: rows that become profiles, members of lists and subscribers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Literal

from clavichord.sync.definition import Block, Expression, SyncDefinition
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
from clavichord.sync.destinations.membership import ListMembership, Memberships, joined
from clavichord.sync.destinations.people import Person, ProfileFields
from clavichord.sync.mistakes import Mistake
from clavichord.sync.values import encode, instant, moment, value

MAX_BYTES = 100_000
"""FACTS §7.1, read as decimal kB: the stricter reading"""
_CONSENT = ("subscribe", "consent_at", "consent_source")
_LAST_SECOND = 253_402_300_799


class Proof(Block):
    """What proves a consent: when and where it was given. The channel is the block's name."""

    at: Expression
    source: Expression


class EmailConsent(Block):
    subscribe_if: Expression
    proof: Proof
    list: str | None = None
    historical: bool = False
    """True: skips the list's double opt-in and its flows, keeps the original date (FACTS §7.2)"""
    create: bool = False
    """make the list if there is none of that name"""


class Consent(Block):
    """Absent = consent is never touched."""

    email: EmailConsent


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
        if definition.consent is not None:
            consent, base = definition.consent.email, ("consent", "email")
            yield Field("subscribe", "", (*base, "subscribe_if"), consent.subscribe_if, "condition")
            yield Field("consent_at", "", (*base, "proof", "at"), consent.proof.at, "instant")
            yield Field("consent_source", "", (*base, "proof", "source"), consent.proof.source, "text")

    def mistakes(self, definition: ProfileSync) -> Iterator[Mistake]:
        yield from people.mistakes(definition, definition.map, "map")
        if definition.consent is not None and "email" not in definition.map:
            yield definition.place.mistake(
                ("consent", "email"), "an e-mail consent needs map.email", "email: email(column)"
            )

    def parts(self, definition: ProfileSync, slots: Slots, salt: str) -> Sequence[Part]:
        profile = Part("profile", digest(slots.of("key", *people.ROLES), salt))
        parts = [profile, *Memberships(definition.lists).parts(slots)]
        if definition.consent is not None:
            consent = [s for s in slots if s.role in _CONSENT or (s.role == "attribute" and s.name == "email")]
            subscribe = slots.of("subscribe")[0].columns[0]
            block = definition.consent.email
            agreed = digest(consent, f"consent {block.list} {block.historical}")
            parts.append(Part("consent.email", f"case when {subscribe} then {agreed} end"))
        return parts

    def unique(self, definition: ProfileSync, slots: Slots) -> Iterator[tuple[Slot, str]]:
        return people.unique(slots)

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
        if definition.consent is not None and definition.consent.email.list is not None:
            email = definition.consent.email
            yield ListName(str(email.list), ("consent", "email", "list"), email.create)


class ProfileBuilder:
    """The parts of a row, ready to be sent."""

    def __init__(self, definition: ProfileSync, slots: Slots, now: datetime) -> None:
        self.definition = definition
        self.slots = slots
        self.now = now
        self.memberships = Memberships(definition.lists)

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
        if "consent.email" in due.digests:
            yield from self._consent(person, due)

    def _payload(self, person: Person) -> bytes:
        body: dict[str, Any] = {"type": "profile", "attributes": person.attributes}
        if person.unset:
            body["meta"] = {"patch_properties": {"unset": person.unset}}
        return encode(body)

    def _consent(self, person: Person, due: Due) -> Iterator[Entry | Held]:
        """The consent of the row; Held if its proof is incomplete."""
        subscribe = self.slots.of("subscribe")[0]
        if due.values[subscribe.first] is not True:
            return
        assert self.definition.consent is not None
        block = self.definition.consent.email
        at_slot, source_slot = self.slots.of("consent_at")[0], self.slots.of("consent_source")[0]
        at, source = moment(at_slot, due.values), str(value(source_slot, due.values) or "").strip()

        def held(code: str, slot: Slot, given: str, detail: str) -> Held:
            return Held("consent.email", code, slot.field, given, detail)

        if at is None:
            yield held("consent.no_proof", at_slot, "", "the time of the consent is empty")
        elif not source:
            yield held("consent.no_proof", source_slot, "", "the source of the consent is empty")
        elif at >= self.now.timestamp():
            yield held(
                "consent.in_future", at_slot, instant(min(at, _LAST_SECOND)), "the consent is dated in the future"
            )
        elif at < 0:
            yield held("consent.no_proof", at_slot, str(at), "the consent is dated before 1970")
        elif (email := person.attributes.get("email")) is None:
            email_slot = next(s for s in self.slots.of("attribute") if s.name == "email")
            yield held("consent.no_email", email_slot, "", "there is no address to subscribe")
        else:
            group = {"list": block.list, "source": source, "historical": block.historical}
            payload = subscription(email, at if block.historical else None)
            yield Entry("consent.email", "consent.subscribe", payload.decode(), f"email:{email}", group, at)


def subscription(email: str, consented_at: int | None) -> bytes:
    """An entry of a subscription job. Without historical_import Klaviyo refuses the date (FACTS §7.2)."""
    marketing = {"consent": "SUBSCRIBED"}
    if consented_at is not None:
        marketing["consented_at"] = instant(consented_at)
    attributes = {"email": email, "subscriptions": {"email": {"marketing": marketing}}}
    return encode({"type": "profile", "attributes": attributes})
