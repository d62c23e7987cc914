"""`to: deletions`: people who are erased in Klaviyo, with everything that it knows of them (FACTS §6.9)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Literal

from clavichord.sync.definition import Expression, SyncDefinition
from clavichord.sync.destination import BadRow, Destination, Due, Entry, Field, Part, Slots, digest
from clavichord.sync.destinations import people
from clavichord.sync.mistakes import Mistake
from clavichord.sync.values import encode

KINDS = ("email", "phone_number", "id")


class DeletionSync(SyncDefinition):
    """Rows whose people are erased in Klaviyo. It cannot be taken back: `limits.max_changes` must be set."""

    to: Literal["deletions"]
    email: Expression | None = None
    phone_number: Expression | None = None
    id: Expression | None = None
    """the profile's id in Klaviyo"""


class Deletions(Destination[DeletionSync]):
    to = "deletions"
    model = DeletionSync
    decisive = frozenset({"email", "phone_number", "id"})
    brings_back = False

    def fields(self, definition: DeletionSync) -> Iterator[Field]:
        for name in KINDS:
            if (sql := getattr(definition, name)) is not None:
                yield Field("attribute", name, (name,), sql, "text", normalised=True)

    def mistakes(self, definition: DeletionSync) -> Iterator[Mistake]:
        given = [name for name in KINDS if getattr(definition, name) is not None]
        if len(given) != 1:
            what = f"exactly one of {', '.join(KINDS)} is needed (Klaviyo takes one)"
            yield definition.place.mistake(("to",), what, "email: email(column)")
        if definition.limits.max_changes is None:
            what = "a deletion cannot be taken back: how many may it be at most?"
            yield definition.place.mistake(("to",), what, "limits: {max_changes: 10}")

    def parts(self, definition: DeletionSync, slots: Slots, salt: str) -> Sequence[Part]:
        return [Part("deletion", digest(slots.of("attribute"), salt))]

    def builder(self, definition: DeletionSync, slots: Slots, now: datetime) -> DeletionBuilder:
        return DeletionBuilder(slots)


class DeletionBuilder:
    def __init__(self, slots: Slots) -> None:
        self.slot = slots.of("attribute")[0]

    def entries(self, due: Due) -> Iterator[Entry]:
        """Raises BadRow."""
        given = people.profile_value(self.slot, due.values)
        if given is None:
            raise BadRow("identifier.missing", self.slot.field, None, "it is empty")
        name = self.slot.name
        data = {"type": "profile", "attributes": {} if name == "id" else {name: given}}
        if name == "id":
            data["id"] = given
        job = {"type": "data-privacy-deletion-job", "attributes": {"profile": {"data": data}}}
        yield Entry("deletion", "deletions.request", encode(job).decode(), f"{name}:{given}")
