"""`to: back_in_stock`: people who want to hear when a variant is there again (FACTS §9.9)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal

from clavichord.sync.definition import Expression, SyncDefinition
from clavichord.sync.destination import BadRow, Destination, Due, Entry, Field, Part, Slots, digest
from clavichord.sync.destinations import people
from clavichord.sync.destinations.catalog import PREFIX
from clavichord.sync.mistakes import Mistake, nearest
from clavichord.sync.values import encode, value


class BackInStockSync(SyncDefinition):
    """Rows that become back-in-stock subscriptions. Klaviyo can neither show nor undo them: each is sent once."""

    to: Literal["back_in_stock"]
    profile: dict[str, Expression]
    """identifiers: email, phone_number, external_id"""
    variant: Expression
    """external id of the variant; it must be there"""
    channels: list[Literal["EMAIL", "PUSH", "SMS", "WHATSAPP"]] = ["EMAIL"]


class BackInStock(Destination[BackInStockSync]):
    to = "back_in_stock"
    model = BackInStockSync
    decisive = frozenset({"profile", "variant", "channels"})

    def fields(self, definition: BackInStockSync) -> Iterator[Field]:
        yield from people.profile_fields(dict(definition.profile), "profile")
        yield Field("variant", "", ("variant",), definition.variant, "text")

    def mistakes(self, definition: BackInStockSync) -> Iterator[Mistake]:
        for name in definition.profile:
            if name not in people.IDENTIFIERS:
                fix = nearest(name, people.IDENTIFIERS)
                yield definition.place.mistake(("profile", name), f'"{name}" identifies nobody', fix)
        if not definition.channels:
            yield definition.place.mistake(("channels",), "no channel", "channels: [EMAIL]")

    def parts(self, definition: BackInStockSync, slots: Slots, salt: str) -> Sequence[Part]:
        return [Part("subscription", digest(slots, salt))]

    def builder(self, definition: BackInStockSync, slots: Slots, now: datetime) -> SubscriptionBuilder:
        return SubscriptionBuilder(definition, slots)


class SubscriptionBuilder:
    def __init__(self, definition: BackInStockSync, slots: Slots) -> None:
        self.channels = definition.channels
        self.slots = slots

    def entries(self, due: Due) -> Iterator[Entry]:
        """Raises BadRow."""
        person = people.person(self.slots, due.values, "keep")
        slot = self.slots.of("variant")[0]
        variant = str(value(slot, due.values) or "").strip()
        if not variant:
            raise BadRow("catalog.incomplete", slot.field, None, "the variant is empty")
        profile = {"data": {"type": "profile", "attributes": person.attributes}}
        entry = {
            "type": "back-in-stock-subscription",
            "attributes": {"channels": self.channels, "profile": profile},
            "relationships": {"variant": {"data": {"type": "catalog-variant", "id": PREFIX + variant}}},
        }
        yield Entry("subscription", "back-in-stock.add", encode(entry).decode(), person.identity)
