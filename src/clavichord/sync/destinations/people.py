"""The fields of a profile: of a profile that is written, and of the person whom an event or a consent is about."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from clavichord.spec import load
from clavichord.sync import fields
from clavichord.sync.definition import Block, Expression, SyncDefinition
from clavichord.sync.destination import BadRow, Field, Row, Slot, Slots
from clavichord.sync.fields import BadValue
from clavichord.sync.mistakes import Mistake, Path, nearest
from clavichord.sync.values import value

IDENTIFIERS = ("email", "phone_number", "external_id")
ROLES = ("attribute", "location", "property")
PATCHES = ("append", "unappend", "unset")
_TEXT = frozenset(
    [*IDENTIFIERS, "first_name", "last_name", "organization", "locale", "title", "image", "anonymous_id", "_kx"]
)


class Patch(Block):
    """A property that is changed and not replaced (FACTS §6.4). Exactly one of the three."""

    append: Expression | None = None
    """a value, or a list of them, added to a list"""
    unappend: Expression | None = None
    """a value, or a list of them, taken out of a list"""
    unset: bool | Expression | None = None
    """`true`, or a condition: the property is removed"""

    @model_validator(mode="after")
    def _one(self) -> Patch:
        if sum(given is not None for given in (self.append, self.unappend, self.unset)) != 1:
            raise PydanticCustomError("patch", "exactly one of append, unappend and unset is needed")
        return self

    def fields(self, name: str, path: Path) -> Iterator[Field]:
        if self.append is not None:
            yield Field("append", name, (*path, "append"), self.append)
        elif self.unappend is not None:
            yield Field("unappend", name, (*path, "unappend"), self.unappend)
        elif self.unset is not False:
            sql = "true" if self.unset is True else str(self.unset)
            yield Field("unset", name, (*path, "unset"), sql, "condition")


ProfileFields = dict[str, Expression | dict[str, Expression | Patch]]


@cache
def known() -> tuple[frozenset[str], frozenset[str]]:
    """(attributes, fields of `location`) that a bulk import takes, from the catalogue."""
    catalogue = load()
    schema: Any = catalogue.schema(catalogue.operations["bulk_import_profiles"].body)

    def resolved(node: Any) -> Any:
        while "$ref" in node:
            node = catalogue.schema(node["$ref"].removeprefix("#/"))
        return node

    def into(node: Any, *names: str) -> Any:
        for name in names:
            node = resolved(resolved(node)["properties"][name])
            if "items" in node:
                node = resolved(node["items"])
        return node

    attributes = into(schema, "data", "attributes", "profiles", "data", "attributes")
    location = into(attributes, "location")
    return frozenset(attributes["properties"]), frozenset(location["properties"])


def profile_fields(given: ProfileFields, base: str) -> Iterator[Field]:
    """The expressions of a `map` or a `profile` block; `location.city` and `properties.Tier` may be written flat."""
    for name, entry in given.items():
        head, _, sub = name.partition(".")
        role = {"properties": "property", "location": "location"}.get(head, "attribute")
        if isinstance(entry, dict):
            for part, sql in entry.items():
                if isinstance(sql, Patch):
                    yield from sql.fields(part, (base, name, part))
                else:
                    yield Field(role, part, (base, name, part), sql, normalised=True)
        elif role != "attribute":
            yield Field(role, sub, (base, name), entry, normalised=True)
        else:
            yield Field(role, name, (base, name), entry, "text" if name in _TEXT else "plain", normalised=True)


def mistakes(definition: SyncDefinition, given: ProfileFields, base: str) -> Iterator[Mistake]:
    """Fields that a profile does not have, and no identifier at all."""
    attributes, location = known()

    def mistake(path: Path, what: str, fix: str) -> Mistake:
        return definition.place.mistake(path, what, fix)

    for name, entry in given.items():
        head, _, sub = name.partition(".")
        if head not in attributes:
            where = f"put it under {base}.properties: properties: {{{name}: {entry}}}" if isinstance(entry, str) else ""
            near = nearest(name, sorted(attributes - {"_kx"}))
            yield mistake(
                (base, name), f'a profile has no field "{name}"', f"{near} Otherwise {where}" if where else near
            )
        elif isinstance(entry, dict) and head not in ("properties", "location"):
            yield mistake((base, name), f"{name} is one value, not a mapping", f"{name}: column")
        elif isinstance(entry, str) and not sub and head in ("properties", "location"):
            yield mistake((base, name), f"{name} is a mapping: name → expression", f"{name}: {{City: {entry}}}")
        elif sub and head not in ("properties", "location"):
            yield mistake((base, name), f"{head} has no parts", f"{head}: column")
        if isinstance(entry, dict) and (base != "map" or head != "properties"):
            for part, sub_entry in entry.items():
                if isinstance(sub_entry, Patch):
                    yield mistake((base, name, part), "only a profile's properties can be patched", f"{part}: column")
        if head == "location":
            for part in entry if isinstance(entry, dict) else [sub]:
                if part and part not in location:
                    path = (base, name, part) if isinstance(entry, dict) else (base, name)
                    yield mistake(path, f'location has no field "{part}"', nearest(part, sorted(location)))
    if not any(name in given for name in IDENTIFIERS):
        yield mistake((base,), "no identifier", f"{base} needs at least one of {', '.join(IDENTIFIERS)}")


class Person(NamedTuple):
    """A profile's fields as a row gives them."""

    attributes: dict[str, Any]
    unset: list[str]
    """properties to remove"""
    clears: bool
    """something is set to null or removed because it is blank"""
    patch: dict[str, dict[str, Any]]
    """`append` and `unappend`: property → values"""

    @property
    def identity(self) -> str:
        """`kind:value` of the identifier that Klaviyo's answers are matched by."""
        return next(
            f"{name}:{self.attributes[name]}"
            for name in ("email", "external_id", "phone_number")
            if name in self.attributes
        )


def person(slots: Slots, row: Row, blanks: str) -> Person:
    """Raises BadRow."""
    attributes: dict[str, Any] = {}
    location: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    targets = {"attribute": attributes, "location": location, "property": properties}
    unset: list[str] = []
    clears = False
    for slot in slots.of(*ROLES):
        given = profile_value(slot, row)
        if given is None:
            if blanks == "error":
                raise BadRow("field.blank", slot.field, None, "the value is empty")
            if blanks == "keep" or slot.name in IDENTIFIERS:
                continue
            clears = True
            if slot.role == "property":
                unset.append(slot.name)
                continue
        targets[slot.role][slot.name] = given
    patch: dict[str, dict[str, Any]] = {}
    for slot in slots.of(*PATCHES):
        if slot.role == "unset":
            unset += [slot.name] if row[slot.first] is True else []
        elif (given := value(slot, row)) not in (None, []):
            patch.setdefault(slot.role, {})[slot.name] = given
    if not any(name in attributes for name in IDENTIFIERS):
        raise BadRow("identifier.missing", "", None, "neither an address, nor a telephone number, nor an external_id")
    if location:
        attributes["location"] = location
    if properties:
        attributes["properties"] = properties
    return Person(attributes, unset, clears, patch)


def profile_value(slot: Slot, row: Row) -> Any:
    """The slot's value; addresses and telephone numbers are checked also where no normaliser stands. Raises BadRow."""
    given = value(slot, row)
    if given is None or slot.parsed.normaliser or slot.role != "attribute":
        return given
    try:
        if slot.name == "email":
            return fields.check_email(given)
        if slot.name == "phone_number":
            return fields.check_phone(given)
    except BadValue as error:
        raise BadRow(error.code, slot.field, given, error.detail) from None
    return given


def unique(slots: Slots) -> Iterator[tuple[Slot, str]]:
    """Identifiers that only one profile may hold, unless they are the key anyway. Compared before they are normalised:
    trimmed and in lower case, which is what email() does."""
    key = slots[0]
    for name in ("email", "external_id"):
        slot = slots.one("attribute", name)
        if slot is not None and slot.parsed.arguments != key.parsed.arguments:
            yield slot, f"nullif(lower(trim(cast({slot.columns[0]} as varchar))), '')"
