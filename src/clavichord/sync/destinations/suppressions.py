"""`to: suppressions`: addresses that must get no marketing mail, whatever their consent (FACTS §7.4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal

from clavichord.sync.definition import Bound, Expression, SyncDefinition
from clavichord.sync.destination import (
    BadRow,
    Destination,
    Due,
    Entry,
    Field,
    Gone,
    Part,
    RemovalBound,
    Slot,
    Slots,
    digest,
)
from clavichord.sync.destinations import people
from clavichord.sync.values import encode

PART = "suppression"


class SuppressionSync(SyncDefinition):
    """Rows whose addresses are suppressed: they get no marketing mail, whatever their consent."""

    to: Literal["suppressions"]
    email: Expression
    suppress_if: Expression | None = None
    """which rows; all of them without it"""
    mode: Literal["add", "mirror", "lift"] = "add"
    """`add`: they are suppressed · `mirror`: also, those whom this sync has suppressed are released when they no longer
    qualify or leave the source · `lift`: they are released; only suppressions by hand or by the API are lifted"""
    max_removals: Bound | None = None
    """more releases at once than this (share of those whom this sync has suppressed) and nobody is released; by default
    a fifth, if that is more than 20 people"""


class Suppressions(Destination[SuppressionSync]):
    to = "suppressions"
    model = SuppressionSync
    decisive = frozenset({"email", "mode"})

    def fields(self, definition: SuppressionSync) -> Iterator[Field]:
        yield Field("attribute", "email", ("email",), definition.email, "text", normalised=True)
        if definition.suppress_if is not None:
            yield Field("condition", "", ("suppress_if",), definition.suppress_if, "condition")

    def parts(self, definition: SuppressionSync, slots: Slots, salt: str) -> Sequence[Part]:
        wanted = digest(slots.of("attribute"), salt)
        if (slot := slots.one("condition")) is not None:
            wanted = f"case when {slot.columns[0]} then {wanted} end"
        return [Part(PART, wanted, absent=definition.mode == "mirror")]

    def unique(self, definition: SuppressionSync, slots: Slots) -> Iterator[tuple[Slot, str]]:
        return people.unique(slots)

    def builder(self, definition: SuppressionSync, slots: Slots, now: datetime) -> SuppressionBuilder:
        return SuppressionBuilder(definition, slots)

    def removes(self, definition: SuppressionSync) -> bool:
        return definition.mode == "mirror"

    def gone(self, definition: SuppressionSync, gone: Gone) -> Iterator[Entry]:
        yield entry("suppressions.lift", gone.identity.partition(":")[2], digest=None)

    def removal_bounds(self, definition: SuppressionSync) -> Iterator[RemovalBound]:
        if definition.mode == "mirror":
            yield RemovalBound(PART, definition.max_removals, ("max_removals",))


class SuppressionBuilder:
    def __init__(self, definition: SuppressionSync, slots: Slots) -> None:
        self.definition = definition
        self.slot = slots.of("attribute")[0]

    def entries(self, due: Due) -> Iterator[Entry]:
        """Raises BadRow."""
        email = people.profile_value(self.slot, due.values)
        if email is None:
            raise BadRow("identifier.missing", self.slot.field, None, "there is no address")
        if due.digests[PART] is None:
            yield entry("suppressions.lift", email, digest=None)
        else:
            yield entry("suppressions.lift" if self.definition.mode == "lift" else "suppressions.add", email)


def entry(route: str, email: str, digest: str | None = "") -> Entry:
    payload = encode({"type": "profile", "attributes": {"email": email}}).decode()
    return Entry(PART, route, payload, f"email:{email}", digest=digest)
