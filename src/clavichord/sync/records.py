"""Records: what a source row becomes, and the bytes that are sent for it. Built once, kept in the plan.

Profile, Event and Consent are what every way in produces; list membership travels with the profile (`Profile.lists`),
for a bulk import joins its whole batch to lists (FACTS §7.1).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from clavichord.sync import fields
from clavichord.sync.definition import PROFILE_IDENTIFIERS, Backfill, EventSync, ProfileSync, SyncDefinition
from clavichord.sync.fields import BadValue
from clavichord.sync.mapping import RowMapping, Slot

MAX_PROFILE_BYTES = 100_000
"""FACTS §7.1, read as decimal kB: the stricter reading"""
MAX_STRING_BYTES = 100_000
MAX_PROPERTIES = 400
MAX_UNIQUE_ID = 255
EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)
"""FACTS §8.1"""
LATEST_AHEAD = timedelta(days=365)

_encoder = msgspec.json.Encoder(decimal_format="number")


class Profile(msgspec.Struct, frozen=True):
    """A profile to create or update, and the lists it joins."""

    attributes: dict[str, Any]
    unset: list[str]
    """properties to remove"""
    lists: list[str]
    clears: bool
    """holds a null: only the single upsert keeps it (FACTS §7.1: a bulk import cannot clear a field)"""

    def payload(self) -> bytes:
        body: dict[str, Any] = {"type": "profile", "attributes": self.attributes}
        if self.unset:
            body["meta"] = {"patch_properties": {"unset": self.unset}}
        return _encoder.encode(body)


class Event(msgspec.Struct, frozen=True):
    """One event of one profile, as an entry of a bulk request (FACTS §7.5)."""

    metric: str
    profile: dict[str, Any]
    properties: dict[str, Any]
    time: int
    """seconds since 1970: Klaviyo keeps no fraction (FACTS §8.1)"""
    unique_id: str
    value: float | None
    value_currency: str | None
    backfill: bool

    def payload(self) -> bytes:
        event: dict[str, Any] = {
            "properties": self.properties,
            "time": instant(self.time),
            "unique_id": self.unique_id,
            "metric": {"data": {"type": "metric", "attributes": {"name": self.metric}}},
        }
        if self.value is not None:
            event["value"] = self.value
        if self.value_currency is not None:
            event["value_currency"] = self.value_currency
        attributes: dict[str, Any] = {
            "profile": {"data": {"type": "profile", "attributes": self.profile}},
            "events": {"data": [{"type": "event", "attributes": event}]},
        }
        if self.backfill:
            attributes["backfill"] = True
        return _encoder.encode({"type": "event-bulk-create", "attributes": attributes})


class Consent(msgspec.Struct, frozen=True):
    """A consent to e-mail marketing with its proof."""

    email: str
    at: int
    """seconds since 1970"""
    source: str
    list: str | None
    historical: bool

    def payload(self) -> bytes:
        marketing: dict[str, str] = {"consent": "SUBSCRIBED"}
        if self.historical:
            # Without historical_import Klaviyo refuses the date (FACTS §7.2).
            marketing["consented_at"] = instant(self.at)
        attributes = {"email": self.email, "subscriptions": {"email": {"marketing": marketing}}}
        return _encoder.encode({"type": "profile", "attributes": attributes})


def instant(seconds: int) -> str:
    """RFC 3339 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


class BadRow(Exception):
    """The row cannot be sent: `code`, the `field` of the sync file, the `value` as it was read, what is wrong."""

    def __init__(self, code: str, field: str, value: object, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.field = field
        self.value = "" if value is None else str(value)[:200]
        self.detail = detail


class Held(msgspec.Struct, frozen=True):
    """A part of the row that a guard keeps back."""

    code: str
    field: str
    value: str
    detail: str


Row = tuple[Any, ...]


class Builder:
    """Turns the slot values of a row into records. Raises BadRow, never anything else, whatever the row holds."""

    def __init__(
        self, definition: SyncDefinition, mapping: RowMapping, now: datetime, unique_id: Callable[[str], str]
    ) -> None:
        self.definition = definition
        self.blanks = definition.blanks
        self.now = now
        self.unique_id = unique_id
        self.profile_slots = [s for s in mapping.slots if s.role in ("attribute", "location", "property")]
        self.event_slots = mapping.of("event_property")
        self.members = {slot.name: slot for slot in mapping.of("member")}
        self.slot = {
            role: mapping.one(role)
            for role in ("subscribe", "consent_at", "consent_source", "time", "unique_id", "value", "currency")
        }

    def profile(self, row: Row) -> Profile:
        """Raises BadRow."""
        assert isinstance(self.definition, ProfileSync)
        attributes, unset, clears = self._attributes(row, self.blanks)
        lists = []
        for entry in self.definition.lists:
            slot = self.members.get(entry.list) if entry.member_if is not None else None
            if slot is None or row[slot.first] is True:
                lists.append(entry.list)
        return Profile(attributes, unset, lists, clears)

    def event(self, row: Row, key: str) -> Event:
        """Raises BadRow."""
        definition = self.definition
        assert isinstance(definition, EventSync)
        profile, _, _ = self._attributes(row, "keep")
        moment = self._time(row)
        named = ((slot.name, self._value(slot, row)) for slot in self.event_slots)
        properties = {name: value for name, value in named if value is not None}
        if len(properties) > MAX_PROPERTIES:
            raise BadRow("event.properties", "properties", len(properties), f"more than {MAX_PROPERTIES} properties")
        unique = self.unique_id(key)
        if (slot := self.slot["unique_id"]) is not None:
            given = row[slot.first]
            if given is None or not str(given).strip() or len(str(given)) > MAX_UNIQUE_ID:
                raise BadRow("event.unique_id", slot.field, given, f"1 to {MAX_UNIQUE_ID} characters are needed")
            unique = str(given)
        value = None
        if (
            (slot := self.slot["value"]) is not None
            and (value := row[slot.first]) is not None
            and not math.isfinite(value)
        ):
            raise BadRow("field.not_json", slot.field, value, "not a finite number")
        currency = None
        if (slot := self.slot["currency"]) is not None and row[slot.first]:
            currency = str(row[slot.first]).strip().upper()
            if len(currency) != 3 or not currency.isascii() or not currency.isalpha():
                raise BadRow("event.currency", slot.field, currency, "not an ISO 4217 code of three letters")
        backfill = definition.backfill
        if isinstance(backfill, Backfill):
            backfill = moment < (self.now - backfill.older_than).timestamp()
        return Event(definition.metric, profile, properties, moment, unique, value, currency, backfill)

    def _time(self, row: Row) -> int:
        slot = self.slot["time"]
        assert slot is not None
        if row[slot.first] is None:
            raise BadRow("event.time", slot.field, None, "the time is empty")
        seconds = int(row[slot.first]) // 1_000_000
        if not EARLIEST.timestamp() <= seconds <= (self.now + LATEST_AHEAD).timestamp():
            raise BadRow("event.time", slot.field, seconds, "before 1990 or more than a year ahead")
        return seconds

    def consent(self, row: Row) -> Consent | Held | None:
        """The consent of the row, None if it gives none, Held if its proof is incomplete."""
        definition = self.definition
        subscribe = self.slot["subscribe"]
        if subscribe is None or row[subscribe.first] is not True:
            return None
        assert isinstance(definition, ProfileSync)
        assert definition.consent is not None
        at_slot, source_slot = self.slot["consent_at"], self.slot["consent_source"]
        assert at_slot is not None
        assert source_slot is not None
        block = definition.consent.email
        at, source = row[at_slot.first], row[source_slot.first]
        if at is None:
            return Held("consent.no_proof", at_slot.field, "", "the time of the consent is empty")
        if source is None or not str(source).strip():
            return Held("consent.no_proof", source_slot.field, "", "the source of the consent is empty")
        seconds = int(at) // 1_000_000
        if seconds >= self.now.timestamp():
            return Held(
                "consent.in_future",
                at_slot.field,
                instant(min(seconds, 253_402_300_799)),
                "the consent is dated in the future",
            )
        if seconds < 0:
            return Held("consent.no_proof", at_slot.field, str(at), "the consent is dated before 1970")
        email_slot = next(s for s in self.profile_slots if s.role == "attribute" and s.name == "email")
        email = self._value(email_slot, row)
        if email is None:
            return Held("consent.no_email", email_slot.field, "", "there is no address to subscribe")
        return Consent(email, seconds, str(source).strip(), block.list, block.historical)

    def _attributes(self, row: Row, blanks: str) -> tuple[dict[str, Any], list[str], bool]:
        attributes: dict[str, Any] = {}
        location: dict[str, Any] = {}
        properties: dict[str, Any] = {}
        unset: list[str] = []
        clears = False
        for slot in self.profile_slots:
            value = self._value(slot, row)
            if value is None:
                if blanks == "error":
                    raise BadRow("field.blank", slot.field, None, "the value is empty")
                if blanks == "keep" or slot.name in PROFILE_IDENTIFIERS:
                    continue
                clears = True
                if slot.role == "property":
                    unset.append(slot.name)
                    continue
            target = {"attribute": attributes, "location": location, "property": properties}[slot.role]
            target[slot.name] = value
        if not any(name in attributes for name in PROFILE_IDENTIFIERS):
            raise BadRow(
                "identifier.missing", "", None, "neither an address, nor a telephone number, nor an external_id"
            )
        if location:
            attributes["location"] = location
        if properties:
            attributes["properties"] = properties
        return attributes, unset, clears

    def _value(self, slot: Slot, row: Row) -> Any:
        """The value as JSON takes it, None for a blank. Raises BadRow."""
        value = row[slot.first]
        if value is None or value == "":
            return None
        try:
            if slot.parsed.normaliser == "email":
                return fields.email(value) if value.strip() else None
            if slot.parsed.normaliser == "phone":
                country = row[slot.first + 1] if len(slot.parsed.arguments) > 1 else None
                return fields.phone(value, country) if value.strip() else None
            if slot.role == "attribute" and slot.name == "email":
                return fields.check_email(value)
            if slot.role == "attribute" and slot.name == "phone_number":
                return fields.check_phone(value)
            if slot.types[0] == "JSON" and isinstance(value, str):
                value = msgspec.json.decode(value)
            return plain(value)
        except BadValue as error:
            raise BadRow(error.code, slot.field, value, error.detail) from None
        except msgspec.DecodeError:
            raise BadRow("field.not_json", slot.field, value, "not JSON") from None


def plain(value: Any, depth: int = 0) -> Any:
    """`value` with nothing in it that JSON cannot say exactly. Raises BadValue."""
    match value:
        case None | bool():
            return value
        case str():
            if len(value) > MAX_STRING_BYTES // 4 and len(value.encode(errors="replace")) > MAX_STRING_BYTES:
                raise BadValue("field.too_long", "longer than 100 kB")
            return value
        case int():
            if not -(2**63) <= value < 2**64:
                raise BadValue("field.not_json", "an integer of more than 64 bits")
            return value
        case float():
            if not math.isfinite(value):
                raise BadValue("field.not_json", "not a finite number")
            return value
        case Decimal():
            return int(value) if value == value.to_integral_value() and abs(value) < 2**53 else value
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta():
            return str(value)
        case list() | tuple():
            if depth > 9:
                raise BadValue("field.too_deep", "nested more than 10 deep")
            return [plain(v, depth + 1) for v in value]
        case dict():
            if depth > 9:
                raise BadValue("field.too_deep", "nested more than 10 deep")
            return {str(k): plain(v, depth + 1) for k, v in value.items()}
        case bytes():
            raise BadValue("field.not_json", "bytes are not text")
    return str(value)
