"""`to: coupons` and `to: coupon_codes` (FACTS §9.10). A code is sent once, whatever happens on the way."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Literal

from clavichord.sync.definition import Expression, SyncDefinition
from clavichord.sync.destination import BadRow, Destination, Due, Entry, Field, Part, Slots, digest
from clavichord.sync.values import encode, instant, moment, value

_COUPON = re.compile(r"[0-9_A-z]+")
"""FACTS §9.10, as the specification writes it"""


class CouponSync(SyncDefinition):
    """Rows that become coupons."""

    to: Literal["coupons"]
    external_id: Expression
    """letters, digits and _; the coupon's name in templates"""
    description: Expression | None = None


class CouponCodeSync(SyncDefinition):
    """Rows that become codes of coupons. A code that was sent is never sent again, and never taken back."""

    to: Literal["coupon_codes"]
    coupon: Expression
    """external id of the coupon; it must be there"""
    code: Expression
    expires_at: Expression | None = None
    """by default Klaviyo's: a year from now"""


class Coupons(Destination[CouponSync]):
    to = "coupons"
    model = CouponSync
    decisive = frozenset({"external_id", "description"})

    def fields(self, definition: CouponSync) -> Iterator[Field]:
        yield Field("coupon", "", ("external_id",), definition.external_id, "text")
        if definition.description is not None:
            yield Field("description", "", ("description",), definition.description, "text")

    def parts(self, definition: CouponSync, slots: Slots, salt: str) -> Sequence[Part]:
        return [Part("coupon", digest(slots, salt))]

    def builder(self, definition: CouponSync, slots: Slots, now: datetime) -> CouponBuilder:
        return CouponBuilder(slots)


class CouponCodes(Destination[CouponCodeSync]):
    to = "coupon_codes"
    model = CouponCodeSync
    decisive = frozenset({"coupon", "code"})

    def fields(self, definition: CouponCodeSync) -> Iterator[Field]:
        yield Field("coupon", "", ("coupon",), definition.coupon, "text")
        yield Field("code", "", ("code",), definition.code, "text")
        if definition.expires_at is not None:
            yield Field("expires_at", "", ("expires_at",), definition.expires_at, "instant")

    def parts(self, definition: CouponCodeSync, slots: Slots, salt: str) -> Sequence[Part]:
        return [Part("code", digest(slots.of("coupon", "code"), "code"))]

    def content(self, definition: CouponCodeSync, slots: Slots) -> str:
        return digest(slots.of("expires_at"), "content") if slots.of("expires_at") else "null::uuid"

    def builder(self, definition: CouponCodeSync, slots: Slots, now: datetime) -> CodeBuilder:
        return CodeBuilder(slots, now)


def _name(slots: Slots, role: str, row: Any) -> str:
    slot = slots.of(role)[0]
    given = str(value(slot, row) or "").strip()
    if not given:
        raise BadRow("coupon.invalid", slot.field, None, f"the {role} is empty")
    if role == "coupon" and not _COUPON.fullmatch(given):
        raise BadRow("coupon.invalid", slot.field, given, "letters, digits and _ only")
    return given


class CouponBuilder:
    def __init__(self, slots: Slots) -> None:
        self.slots = slots

    def entries(self, due: Due) -> Iterator[Entry]:
        """Raises BadRow."""
        name = _name(self.slots, "coupon", due.values)
        attributes = {"external_id": name}
        slot = self.slots.one("description")
        if slot is not None and (text := value(slot, due.values)) is not None:
            attributes["description"] = text
        payload = encode({"type": "coupon", "attributes": attributes}).decode()
        yield Entry("coupon", "coupons.put", payload, f"coupon:{name}")


class CodeBuilder:
    def __init__(self, slots: Slots, now: datetime) -> None:
        self.slots = slots
        self.now = now

    def entries(self, due: Due) -> Iterator[Entry]:
        """Raises BadRow."""
        coupon, code = _name(self.slots, "coupon", due.values), _name(self.slots, "code", due.values)
        attributes = {"unique_code": code}
        slot = self.slots.one("expires_at")
        if slot is not None and (at := moment(slot, due.values)) is not None:
            if at <= self.now.timestamp():
                raise BadRow("coupon.expired", slot.field, instant(at), "it has expired")
            attributes["expires_at"] = instant(at)
        entry = {
            "type": "coupon-code",
            "attributes": attributes,
            "relationships": {"coupon": {"data": {"type": "coupon", "id": coupon}}},
        }
        # Two rows with one code are two sendings of it: unique_id shows them.
        yield Entry("code", "coupon-codes.add", encode(entry).decode(), f"code:{coupon}-{code}", unique_id=code)
