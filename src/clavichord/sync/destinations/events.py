"""`to: events`: rows that become events of profiles."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from pydantic import Field as PydanticField
from pydantic import StringConstraints

from clavichord.sync.definition import Block, Duration, Expression, SyncDefinition
from clavichord.sync.destination import BadRow, Destination, Due, Entry, Field, Part, Row, Slot, Slots, digest, flat
from clavichord.sync.destinations import people
from clavichord.sync.destinations.people import Person, ProfileFields
from clavichord.sync.fields import BadValue
from clavichord.sync.mistakes import Mistake
from clavichord.sync.values import encode, instant, moment, plain, value

MAX_PROPERTIES = 400
MAX_UNIQUE_ID = 255
MAX_BYTES = 5_000_000
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""FACTS §8.1, as the other limits here"""
LATEST_AHEAD = timedelta(days=365)
NAMESPACE = uuid.UUID("6f0d2c57-3f7e-5b0e-9a43-8c1e6f1f4b1d")
_ENVELOPE = 2_000


class Backfill(Block):
    older_than: Duration


class Each(Block):
    """An event for each entry of a list in the row, as for each line of an order. Expressions see the entry as
    `item`, a JSON value: `item->>'sku'`."""

    metric: Annotated[str, StringConstraints(min_length=1, max_length=127)]
    source: Expression = PydanticField(alias="from")
    """the list: JSON text, or a list of structs"""
    unique_id: Expression = "auto"
    """`auto`: the event's own, and the entry's place"""
    value: Expression | None = None
    properties: dict[str, Expression] = {}

    def over(self, sql: str) -> str:
        """`sql` for every entry."""
        return f"list_transform(from_json(({self.source})::json, '[\"JSON\"]'), lambda item: ({sql}\n))"


class EventSync(SyncDefinition):
    """Rows that become events."""

    to: Literal["events"]
    metric: Annotated[str, StringConstraints(min_length=1, max_length=127)]
    profile: ProfileFields
    time: Expression
    unique_id: Expression = "auto"
    value: Expression | None = None
    value_currency: Expression | None = None
    properties: dict[str, Expression] = {}
    backfill: bool | Backfill = False
    """True, or {older_than: 24h}: recorded without starting flows"""
    each: Each | None = None


class Events(Destination[EventSync]):
    to = "events"
    model = EventSync
    decisive = frozenset({"metric", "profile", "properties", "value", "value_currency", "time", "blanks", "zone"})

    def fields(self, definition: EventSync) -> Iterator[Field]:
        yield from people.profile_fields(definition.profile, "profile")
        yield Field("time", "", ("time",), definition.time, "instant")
        if definition.unique_id != "auto":
            yield Field("unique_id", "", ("unique_id",), definition.unique_id, "text")
        if definition.value is not None:
            yield Field("value", "", ("value",), definition.value, "number")
        if definition.value_currency is not None:
            yield Field("currency", "", ("value_currency",), definition.value_currency, "currency")
        for name, sql in definition.properties.items():
            yield Field("event_property", name, ("properties", name), sql, normalised=True)

        if (each := definition.each) is not None:
            yield Field("each", "", ("each", "from"), each.over("item"))
            if each.unique_id != "auto":
                yield Field("each_id", "", ("each", "unique_id"), each.over(f"({each.unique_id})::varchar"))
            if each.value is not None:
                yield Field("each_value", "", ("each", "value"), each.over(f"({each.value})::double"))
            for name, sql in each.properties.items():
                yield Field("each_property", name, ("each", "properties", name), each.over(sql))

    def mistakes(self, definition: EventSync) -> Iterator[Mistake]:
        return people.mistakes(definition, definition.profile, "profile")

    def parts(self, definition: EventSync, slots: Slots, salt: str) -> Sequence[Part]:
        # An event that was recorded never changes, so its identity decides.
        identity = slots.of("unique_id") or slots.of("key")
        parts = [Part("event", digest(identity, f"event {definition.metric}"))]
        if definition.each is not None:
            parts.append(Part("each", digest(identity, f"each {definition.each.metric}")))
        return parts

    def content(self, definition: EventSync, slots: Slots) -> str:
        return digest([s for s in slots if s.role != "key"], "content")

    def builder(self, definition: EventSync, slots: Slots, now: datetime) -> EventBuilder:
        return EventBuilder(definition, slots, now)

    def outcome(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        attributes = payload["attributes"]
        event = attributes["events"]["data"][0]["attributes"]
        found = flat(event, ("properties",)) | flat({"profile": attributes["profile"]["data"]["attributes"]}, ())
        return found | {"metric": event["metric"]["data"]["attributes"]["name"]}


class _Event(NamedTuple):
    metric: str
    unique_id: str
    properties: dict[str, Any]
    value: float | None
    currency: str | None


def _plain(slot: Slot, given: Any) -> Any:
    try:
        return plain(given)
    except BadValue as error:
        raise BadRow(error.code, slot.field, given, error.detail) from None


class EventBuilder:
    """The event of a row, as an entry of a bulk request (FACTS §7.5)."""

    def __init__(self, definition: EventSync, slots: Slots, now: datetime) -> None:
        self.definition = definition
        self.slots = slots
        self.now = now
        self.slot = {role: slots.one(role) for role in ("time", "unique_id", "value", "currency")}
        self.properties = slots.of("event_property")

    def entries(self, due: Due) -> Iterator[Entry]:
        """Raises BadRow."""
        row = due.values
        person = people.person(self.slots, row, "keep")
        at = self._time(row)
        unique = self._unique_id(row, due.key)
        if "event" in due.digests:
            named = ((slot.name, value(slot, row)) for slot in self.properties)
            properties = {name: given for name, given in named if given is not None}
            made = _Event(self.definition.metric, unique, properties, self._amount(row), self._currency(row))
            yield self._entry("event", person, at, made)
        if "each" in due.digests:
            for made in self._each(row, unique):
                yield self._entry("each", person, at, made)

    def _entry(self, part: str, person: Person, at: int, made: _Event) -> Entry:
        if len(made.properties) > MAX_PROPERTIES:
            count = len(made.properties)
            raise BadRow("event.properties", "properties", count, f"more than {MAX_PROPERTIES} properties")
        event: dict[str, Any] = {
            "properties": made.properties,
            "time": instant(at),
            "unique_id": made.unique_id,
            "metric": {"data": {"type": "metric", "attributes": {"name": made.metric}}},
        }
        if made.value is not None:
            event["value"] = made.value
        if made.currency is not None:
            event["value_currency"] = made.currency
        attributes: dict[str, Any] = {
            "profile": {"data": {"type": "profile", "attributes": person.attributes}},
            "events": {"data": [{"type": "event", "attributes": event}]},
        }
        if self._backfill(at):
            attributes["backfill"] = True
        payload = encode({"type": "event-bulk-create", "attributes": attributes})
        if len(payload) > MAX_BYTES - _ENVELOPE:
            raise BadRow("event.too_large", "properties", len(payload), f"{len(payload):,} bytes")
        group = {"metric": made.metric}
        return Entry(part, "events.bulk", payload.decode(), person.identity, group, at, made.unique_id)

    def _each(self, row: Row, parent: str) -> Iterator[_Event]:
        each = self.definition.each
        items = self.slots.one("each")
        assert each is not None
        assert items is not None
        ids, amounts = self.slots.one("each_id"), self.slots.one("each_value")
        currency = self._currency(row)
        for place in range(len(row[items.first] or ())):
            unique = row[ids.first][place] if ids is not None else f"{parent}:{place + 1}"
            if not unique or len(unique) > MAX_UNIQUE_ID:
                raise BadRow("event.unique_id", "each.unique_id", unique, f"1 to {MAX_UNIQUE_ID} characters are needed")
            amount = row[amounts.first][place] if amounts is not None else None
            properties = {}
            for slot in self.slots.of("each_property"):
                given = row[slot.first][place]
                if slot.types[0] == "JSON[]" and isinstance(given, str):
                    given = msgspec.json.decode(given)
                if given is not None:
                    properties[slot.name] = _plain(slot, given)
            yield _Event(each.metric, unique, properties, amount, currency if amount is not None else None)

    def _time(self, row: Row) -> int:
        slot = self.slot["time"]
        assert slot is not None
        at = moment(slot, row)
        if at is None:
            raise BadRow("event.time", slot.field, None, "the time is empty")
        if not EARLIEST.timestamp() <= at <= (self.now + LATEST_AHEAD).timestamp():
            raise BadRow("event.time", slot.field, at, "before 1990 or more than a year ahead")
        return at

    def _unique_id(self, row: Row, key: str) -> str:
        """The same for ever for a row of this sync: a second sending is recognised by Klaviyo (FACTS §8.1)."""
        slot = self.slot["unique_id"]
        if slot is None:
            name = f"{self.definition.sync}\x1f{self.definition.metric}\x1f{key}"
            return str(uuid.uuid5(NAMESPACE, name))
        given = row[slot.first]
        if given is None or not str(given).strip() or len(str(given)) > MAX_UNIQUE_ID:
            raise BadRow("event.unique_id", slot.field, given, f"1 to {MAX_UNIQUE_ID} characters are needed")
        return str(given)

    def _amount(self, row: Row) -> float | None:
        slot = self.slot["value"]
        if slot is None or (given := row[slot.first]) is None:
            return None
        if not math.isfinite(given):
            raise BadRow("field.not_json", slot.field, given, "not a finite number")
        return float(given)

    def _currency(self, row: Row) -> str | None:
        slot = self.slot["currency"]
        if slot is None or not row[slot.first]:
            return None
        currency = str(row[slot.first]).strip().upper()
        if len(currency) != 3 or not currency.isascii() or not currency.isalpha():
            raise BadRow("event.currency", slot.field, currency, "not an ISO 4217 code of three letters")
        return currency

    def _backfill(self, at: int) -> bool:
        backfill = self.definition.backfill
        if isinstance(backfill, Backfill):
            return at < (self.now - backfill.older_than).timestamp()
        return backfill
