"""Values of a source row → values that JSON can say exactly."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from clavichord.sync import fields
from clavichord.sync.destination import BadRow, Row, Slot
from clavichord.sync.fields import BadValue

MAX_STRING_BYTES = 100_000
MAX_DEPTH = 10
"""FACTS §8.1"""

encode = msgspec.json.Encoder(decimal_format="number").encode
"""an entry's payload"""


def value(slot: Slot, row: Row) -> Any:
    """The slot's value in `row`, None for a blank. Raises BadRow."""
    given = row[slot.first]
    if given is None or given == "":
        return None
    try:
        if slot.parsed.normaliser == "email":
            return fields.email(given) if given.strip() else None
        if slot.parsed.normaliser == "phone":
            country = row[slot.first + 1] if len(slot.parsed.arguments) > 1 else None
            return fields.phone(given, country) if given.strip() else None
        if slot.types[0] == "JSON" and isinstance(given, str) and slot.kind == "plain":
            given = msgspec.json.decode(given)
        return plain(given)
    except BadValue as error:
        raise BadRow(error.code, slot.field, given, error.detail) from None
    except msgspec.DecodeError:
        raise BadRow("field.not_json", slot.field, given, "not JSON") from None


def moment(slot: Slot, row: Row) -> int | None:
    """Seconds since 1970 of an `instant`: Klaviyo keeps no fraction (FACTS §8.1)."""
    given = row[slot.first]
    return None if given is None else int(given) // 1_000_000


def instant(seconds: int) -> str:
    """RFC 3339 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


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
            _shallow(depth)
            return [plain(v, depth + 1) for v in value]
        case dict():
            _shallow(depth)
            return {str(k): plain(v, depth + 1) for k, v in value.items()}
        case bytes():
            raise BadValue("field.not_json", "bytes are not text")
    return str(value)


def _shallow(depth: int) -> None:
    if depth >= MAX_DEPTH:
        raise BadValue("field.too_deep", f"nested more than {MAX_DEPTH} deep")
