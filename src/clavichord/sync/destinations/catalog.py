"""`to: catalog.items`, `catalog.variants`, `catalog.categories`: products with their prices and stock (FACTS §9.9)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Literal, NamedTuple

from clavichord.spec import load
from clavichord.sync.definition import Bound, Expression, SyncDefinition
from clavichord.sync.destination import (
    BadRow,
    Destination,
    Due,
    Entry,
    Field,
    Gone,
    Kind,
    Part,
    RemovalBound,
    Row,
    Slot,
    Slots,
    digest,
    flat,
)
from clavichord.sync.mistakes import Mistake, nearest
from clavichord.sync.values import encode, value

PREFIX = "$custom:::$default:::"
"""of the ids of everything that the API has made (FACTS §9.1)"""
MAX_BYTES = 500_000
"""of an entry: hundreds of them would not fit into a request of 5 MB (FACTS §7)"""
_OURS = ("integration_type", "catalog_type")
"""attributes whose only value goes without saying"""

CatalogFields = dict[str, Expression | dict[str, Expression]]


class Attribute(NamedTuple):
    kind: Kind
    needed: bool


@cache
def known(operation: str, collection: str) -> Mapping[str, Attribute]:
    """The attributes that a creation takes, from the catalogue."""
    catalogue = load()
    node: Any = catalogue.schema(catalogue.operations[operation].body)
    for name in ("data", "attributes", collection, "data", "attributes"):
        node = node["properties"][name]
        while "$ref" in node or "items" in node:
            node = catalogue.schema(node["$ref"].removeprefix("#/")) if "$ref" in node else node["items"]
    kinds: dict[str, Kind] = {"string": "text", "number": "number", "boolean": "condition"}
    return {
        name: Attribute(kinds.get(str(schema.get("type")), "plain"), name in node["required"])
        for name, schema in node["properties"].items()
        if name not in _OURS
    }


class _CatalogSync(SyncDefinition):
    map: CatalogFields
    gone: Literal["keep", "delete", "unpublish"] = "keep"
    """what becomes of those that leave the source (`unpublish`: items only); they come back when the source has them
    again"""
    max_removals: Bound | None = None
    """more of them at once than this (share of what was delivered) and none is touched; by default a fifth, if that is
    more than 20"""


class CategorySync(_CatalogSync):
    """Rows that become categories of the catalog."""

    to: Literal["catalog.categories"]


class ItemSync(_CatalogSync):
    """Rows that become items of the catalog."""

    to: Literal["catalog.items"]
    categories: Expression | None = None
    """external ids of the categories: a list, or one; they must be there"""


class VariantSync(_CatalogSync):
    """Rows that become variants of items."""

    to: Literal["catalog.variants"]
    item: Expression
    """external id of the item; it must be there"""


class Catalog(Destination[Any]):
    """One of the three kinds."""

    decisive = frozenset({"map", "categories", "item", "blanks", "zone"})

    def __init__(self, model: type[_CatalogSync], kind: str, collection: str) -> None:
        self.to = f"catalog.{collection}"
        self.model = model
        self.kind = kind
        self.collection = collection

    def known(self) -> Mapping[str, Attribute]:
        return known(f"bulk_create_catalog_{self.collection}", self.collection)

    def fields(self, definition: Any) -> Iterator[Field]:
        attributes = self.known()
        for name, entry in definition.map.items():
            if isinstance(entry, dict):
                yield from (Field("metadata", part, ("map", name, part), sql) for part, sql in entry.items())
            elif name.startswith("custom_metadata."):
                yield Field("metadata", name.removeprefix("custom_metadata."), ("map", name), entry)
            else:
                kind = attributes[name].kind if name in attributes else "plain"
                yield Field("attribute", name, ("map", name), entry, kind)
        for name in ("item", "categories"):
            if (sql := getattr(definition, name, None)) is not None:
                yield Field(name, "", (name,), sql, "text" if name == "item" else "plain")

    def mistakes(self, definition: Any) -> Iterator[Mistake]:
        attributes = self.known()
        for name, entry in definition.map.items():
            head = name.partition(".")[0]
            if head not in attributes:
                what = f'{"an" if self.kind == "item" else "a"} {self.kind} has no field "{name}"'
                yield definition.place.mistake(("map", name), what, nearest(name, sorted(attributes)))
            elif isinstance(entry, dict) and head != "custom_metadata":
                yield definition.place.mistake(("map", name), f"{name} is one value, not a mapping", f"{name}: column")
            elif head == "custom_metadata" and isinstance(entry, str) and head == name:
                fix = "custom_metadata: {Colour: column}"
                yield definition.place.mistake(("map", name), f"{name} is a mapping: name → expression", fix)
        if definition.gone == "unpublish" and self.kind != "item":
            yield definition.place.mistake(("gone",), f"a {self.kind} cannot be unpublished", "keep, or delete")
        missing = [name for name, attribute in attributes.items() if attribute.needed and name not in definition.map]
        if missing:
            what = f"a creation needs {', '.join(missing)}"
            yield definition.place.mistake(("map",), what, f"{missing[0]}: column")

    def parts(self, definition: Any, slots: Slots, salt: str) -> Sequence[Part]:
        return [Part(self.kind, digest(slots, salt))]

    def unique(self, definition: Any, slots: Slots) -> Iterator[tuple[Slot, str]]:
        slot = slots.one("attribute", "external_id")
        if slot is not None and slot.parsed.arguments != slots[0].parsed.arguments:
            yield slot, f"nullif(trim(cast({slot.columns[0]} as varchar)), '')"

    def builder(self, definition: Any, slots: Slots, now: datetime) -> CatalogBuilder:
        return CatalogBuilder(definition, slots, self.kind, self.known())

    def removes(self, definition: Any) -> bool:
        return bool(definition.gone != "keep")

    def gone(self, definition: Any, gone: Gone) -> Iterator[Entry]:
        if definition.gone == "unpublish":
            payload = encode({"type": "catalog-item", "attributes": {"published": False}}).decode()
            yield Entry(self.kind, "item.unpublish", payload, gone.identity, digest=None)
        elif definition.gone == "delete":
            yield Entry(self.kind, f"{self.kind}.delete", "{}", gone.identity, digest=None)

    def removal_bounds(self, definition: Any) -> Iterator[RemovalBound]:
        if self.removes(definition):
            yield RemovalBound(self.kind, definition.max_removals, ("max_removals",))

    def outcome(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        found = flat(payload.get("attributes", {}), ("custom_metadata",))
        for name, linked in (payload.get("relationships") or {}).items():
            ids = linked["data"] if isinstance(linked["data"], list) else [linked["data"]]
            external = [one["id"].removeprefix(PREFIX) for one in ids]
            found[name] = external if isinstance(linked["data"], list) else external[0]
        return found


class CatalogBuilder:
    """An item, variant or category as an entry of a creation job."""

    def __init__(self, definition: Any, slots: Slots, kind: str, attributes: Mapping[str, Attribute]) -> None:
        self.definition = definition
        self.slots = slots
        self.kind = kind
        self.attributes = attributes

    def entries(self, due: Due) -> Iterator[Entry]:
        """Raises BadRow."""
        row = due.values
        attributes = self._attributes(row)
        external = str(attributes.get("external_id") or "").strip()
        entry: dict[str, Any] = {"type": f"catalog-{self.kind}", "attributes": attributes}
        if relationships := self._relationships(row):
            entry["relationships"] = relationships
        payload = encode(entry)
        if len(payload) > MAX_BYTES:
            raise BadRow("catalog.too_large", "map", len(payload), f"{len(payload):,} bytes")
        yield Entry(self.kind, f"{self.kind}.put", payload.decode(), f"{self.kind}:{external}")

    def _attributes(self, row: Row) -> dict[str, Any]:
        attributes: dict[str, Any] = {}
        metadata: dict[str, Any] = {}
        for slot in self.slots.of("attribute", "metadata"):
            given = value(slot, row)
            if given is None:
                if slot.role == "attribute" and self.attributes[slot.name].needed:
                    raise BadRow("catalog.incomplete", slot.field, None, f"{slot.name} is empty")
                if self.definition.blanks == "error":
                    raise BadRow("field.blank", slot.field, None, "the value is empty")
                continue
            (attributes if slot.role == "attribute" else metadata)[slot.name] = given
        if metadata:
            attributes["custom_metadata"] = metadata
        return attributes

    def _relationships(self, row: Row) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if (slot := self.slots.one("item")) is not None:
            item = value(slot, row)
            if not str(item or "").strip():
                raise BadRow("catalog.incomplete", slot.field, None, "the item is empty")
            found["item"] = {"data": {"type": "catalog-item", "id": f"{PREFIX}{str(item).strip()}"}}
        if (slot := self.slots.one("categories")) is not None:
            given = value(slot, row)
            names = given if isinstance(given, list) else [given]
            ids = [
                f"{PREFIX}{str(one).strip()}" for one in dict.fromkeys(names) if one is not None and str(one).strip()
            ]
            found["categories"] = {"data": [{"type": "catalog-category", "id": one} for one in ids]}
        return found


CATALOG = (
    Catalog(CategorySync, "category", "categories"),
    Catalog(ItemSync, "item", "items"),
    Catalog(VariantSync, "variant", "variants"),
)
