"""Rows of bulk uploads to the catalog: items, variants and categories, made, changed or deleted (FACTS §7.6, §9.9)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from clavichord.client.resource import Resource
from clavichord.client.uploads.engine import Chunk, Screen
from clavichord.client.uploads.people import Known, folded, known
from clavichord.client.uploads.report import Status
from clavichord.client.uploads.route import Route, bulk
from clavichord.client.uploads.rows import Entry, Prepare, Refused, encoded, mapping, text
from clavichord.client.work import Work

Mode: TypeAlias = Literal["upsert", "create", "update", "delete"]
MODES: tuple[Mode, ...] = ("upsert", "create", "update", "delete")
PREFIX = "$custom:::$default:::"
"""of every id that the API can write (FACTS §9.9)"""


class Kind(Struct, frozen=True):
    """One kind of thing in the catalog."""

    plural: str
    type: str
    jobs: str
    """how its jobs are called in the operations that read them"""
    attributes: tuple[str, ...]
    related: str
    """the relationship that a row may carry"""
    related_type: str
    many: bool
    related_on_update: bool = True


_SHARED = ("image_full_url", "image_thumbnail_url", "images", "custom_metadata", "published")
_VARIANT = ("title", "description", "sku", "inventory_policy", "inventory_quantity", "price", "url", *_SHARED)
KINDS: Mapping[str, Kind] = {
    "items": Kind(
        plural="items",
        type="catalog-item",
        jobs="catalog_items",
        attributes=("title", "price", "description", "url", *_SHARED),
        related="categories",
        related_type="catalog-category",
        many=True,
    ),
    "variants": Kind(
        plural="variants",
        type="catalog-variant",
        jobs="variants",
        attributes=_VARIANT,
        related="item",
        related_type="catalog-item",
        many=False,
        related_on_update=False,
    ),
    "categories": Kind(
        plural="categories",
        type="catalog-category",
        jobs="categories",
        attributes=("name",),
        related="items",
        related_type="catalog-item",
        many=True,
    ),
}


def route(kind: Kind, action: str) -> Route:
    operation = f"bulk_{action}_catalog_{kind.plural}"
    return bulk(operation, kind.plural, job=f"get_bulk_{action}_{kind.jobs}_job")


def whole_id(given: str) -> str:
    """The id of an external id; an id stays one."""
    return given if ":::" in given else PREFIX + given


def prepare(kind: Kind, action: str) -> Prepare:
    """A row as it is made, changed or deleted; for deletions an id is enough."""

    def entry(index: int, row: Any) -> Entry:
        given = {"external_id": row} if isinstance(row, str) and action == "delete" else mapping(row)
        if isinstance(row, Resource):
            names = ("id", "external_id", *kind.attributes)
            given = {name: given[name] for name in names if given.get(name) is not None}
        name = text(given, "id") or text(given, "external_id")
        if not name:
            raise Refused("needs external_id (or id)", "external_id", "no_identifier")
        return Entry(index, row, _payload(kind, action, given, whole_id(name)), "ids", whole_id(name))

    return entry


def _payload(kind: Kind, action: str, given: Mapping[str, Any], id: str) -> bytes:
    if action == "delete":
        return encoded({"type": kind.type, "id": id})
    attributes = {name: value for name, value in given.items() if name not in ("id", "external_id", kind.related)}
    body: dict[str, Any] = {"type": kind.type}
    if action == "create":
        attributes = {name: value for name, value in attributes.items() if value is not None}
        attributes["external_id"] = id.removeprefix(PREFIX)
    else:
        body["id"] = id
    body["attributes"] = attributes
    related = given.get(kind.related)
    if related is not None and (action == "create" or kind.related_on_update):
        body["relationships"] = {kind.related: {"data": _linkage(kind, related)}}
    return encoded(body)


def _linkage(kind: Kind, related: Any) -> Any:
    if not kind.many:
        return {"type": kind.related_type, "id": _related_id(kind, related)}
    if isinstance(related, (str, Mapping)) or not isinstance(related, Sequence):
        raise Refused(f"{kind.related} is a list of ids, not {related!r}", kind.related)
    return [{"type": kind.related_type, "id": _related_id(kind, one)} for one in related]


def _related_id(kind: Kind, given: Any) -> str:
    found = given if isinstance(given, str) else getattr(given, "id", None)
    if not isinstance(found, str) or not found:
        raise Refused(f"{kind.related} takes the id or external id of a {kind.related_type}", kind.related)
    return whole_id(found)


def upserting(face: Any, kind: Kind) -> Screen:
    """Asks which rows are there already, and sends those as changes and the others as new."""
    make, change = route(kind, "create"), route(kind, "update")
    changing = prepare(kind, "update")

    def screen(entries: list[Entry], drop: Callable[[Entry, Status, Refused], None]) -> Work[list[Chunk]]:
        names = ((entry.kind, entry.name) for entry in entries)
        fields = {f"fields[{kind.type}]": "name" if kind.plural == "categories" else "title"}
        there: Known = yield from known(face, names, f"get_catalog_{kind.plural}", **fields)
        new = [entry for entry in entries if folded(entry.kind, entry.name) not in there]
        old = [changing(entry.index, entry.row) for entry in entries if folded(entry.kind, entry.name) in there]
        return [Chunk(way, some) for way, some in ((make, new), (change, old)) if some]

    return screen
