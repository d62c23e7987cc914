"""What one `Kind` says of a JSON:API type that is kept in the `resource` table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from clavichord.sandbox.call import Call
from clavichord.sandbox.clock import SECOND, Precision
from clavichord.sandbox.filters import Column


def six(call: Call) -> str:
    return call.engine.ids.six()


def ulid(call: Call) -> str:
    return call.engine.ids.ulid()


def uuid(call: Call) -> str:
    return call.engine.ids.uuid()


View = Callable[[Call, str, Mapping[str, Any]], Mapping[str, Any]]


def of_revision(type_name: str) -> View:
    """A view that leaves out the attributes that a revision does not know."""

    def view(call: Call, resource_id: str, attributes: Mapping[str, Any]) -> Mapping[str, Any]:
        known = call.engine.catalogue.types[type_name].attributes
        return {name: value for name, value in attributes.items() if name in known}

    return view


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How one JSON:API type is kept in the `resource` table. `declare` makes it known."""

    type: str
    attributes: Mapping[str, Any]
    """the stored attributes in the order of the wire, with the value that an omitted one gets; the two date-times are
    filled in. Null in a body counts as omitted unless that value is null. What a body has beyond these is for hooks."""
    new_id: Callable[[Call], str] = six
    created: str = "created"
    """the attribute that tells when it was made, "" = none does"""
    updated: str = "updated"
    precision: Precision = "sec"
    """of both on read-back; the request that writes one answers microseconds (LIVE #11)"""
    resolved: tuple[str, ...] = ()
    """relationships whose `data` is answered wherever `resolves` says so, and not only when they are included; in the
    revisions that have them"""
    resolves: Callable[[Call], bool] = lambda call: True
    inverse: Mapping[str, str] = field(default_factory=dict)
    """relationship → the relationship of its target type that keeps the edge: tag-group.tags is the other side of
    tag.tag-group, so `{"tags": "tag-group"}`"""
    additional: Mapping[str, Callable[[Call, str], Any]] = field(default_factory=dict)
    """attributes that are answered only when they are asked for: how one is found for an id"""
    shown: Callable[[Call, str], tuple[str, ...] | None] = lambda call, resource_id: None
    """the relationships that an answer shows, None = all of the type"""
    view: View | None = None
    """the attributes that an answer shows, made of the stored ones, where revisions differ in them"""
    filters: Mapping[str, Column] = field(default_factory=dict)
    """filter fields that are no attribute (`ids`, `category.id`), and how they are found"""
    find: Callable[[Call, str], Mapping[str, Any] | None] | None = None
    """the attributes for an id, None if there is none, where they are worked out instead of stored"""
    order: str = ""
    """the order where no sort is asked for: a column of `resource r`, "" = by id; a leading `-` turns it round"""
    refused: tuple[str, ...] = ()
    """relationships for whose unknown target a body is answered with 400 instead of 404"""
    dataless: tuple[str, ...] = ()
    """to-one relationships without `data` while they point at nothing; the others answer null"""
    falls_with: Mapping[str, str] = field(default_factory=dict)
    """relationship → type of its target, for targets that take the resource along when they are deleted, also in a
    revision that does not know the relationship"""

    @property
    def unit(self) -> int:
        return {"sec": SECOND, "msec": 1000, "usec": 1}[self.precision]


_kinds: dict[str, Kind] = {}


def declare(kind: Kind) -> Kind:
    """Makes a kind known to `item`, `collection`, `related` and to everybody's `include`."""
    _kinds[kind.type] = kind
    return kind


def kind_of(type_name: str) -> Kind | None:
    """None for a type that nobody declared."""
    return _kinds.get(type_name)


def falling(target: str) -> list[tuple[str, str]]:
    """(type, relationship) of everything that falls with a resource of the type `target`."""
    return [(kind.type, name) for kind in _kinds.values() for name, type in kind.falls_with.items() if type == target]
