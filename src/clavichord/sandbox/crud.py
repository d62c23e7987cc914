"""Resources that are made, read, changed, deleted and linked as JSON:API says: one `Kind` each, hooks for the rest."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from clavichord.sandbox import generic
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import SECOND, Precision, micros, written
from clavichord.sandbox.documents import Linkage, Resource
from clavichord.sandbox.errors import Refusal, invalid
from clavichord.sandbox.filters import Column
from clavichord.sandbox.resources import identity, profiles
from clavichord.sandbox.store import Source

Hook = Callable[[Call, dict[str, Any]], None]
"""Gets all attributes as they are about to be stored: changes them in place, or refuses. What was really sent is in
`call.data`. For `delete`: the attributes of what goes."""

After = Callable[[Call, str, dict[str, Any]], None]
"""Runs in the transaction of the change, with the id and the stored attributes."""

_ALL = 1_000_000
"""rows of a relationship that has no pages"""


def six(call: Call) -> str:
    return call.engine.ids.six()


def ulid(call: Call) -> str:
    return call.engine.ids.ulid()


def uuid(call: Call) -> str:
    return call.engine.ids.uuid()


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
    """relationships whose `data` is always answered"""
    inverse: Mapping[str, str] = field(default_factory=dict)
    """relationship → the relationship of its target type that keeps the edge: tag-group.tags is the other side of
    tag.tag-group, so `{"tags": "tag-group"}`"""
    additional: Mapping[str, Callable[[Call, str], Any]] = field(default_factory=dict)
    """attributes that are answered only when they are asked for: how one is found for an id"""
    shown: Callable[[Call, str], tuple[str, ...] | None] = lambda call, resource_id: None
    """the relationships that an answer shows, None = all of the type"""
    filters: Mapping[str, Column] = field(default_factory=dict)
    """filter fields that are no attribute (`ids`, `category.id`), and how they are found"""
    find: Callable[[Call, str], Mapping[str, Any] | None] | None = None
    """the attributes for an id, None if there is none, where they are worked out instead of stored"""
    order: str = ""
    """the order where no sort is asked for: a column of `resource r`, "" = by id; a leading `-` turns it round"""
    refused: tuple[str, ...] = ()
    """relationships for whose unknown target a body is answered with 400 instead of 404"""

    @property
    def unit(self) -> int:
        return {"sec": SECOND, "msec": 1000, "usec": 1}[self.precision]


_kinds: dict[str, Kind] = {}


def declare(kind: Kind) -> Kind:
    """Makes a kind known to `item`, `collection`, `related` and to everybody's `include`."""
    _kinds[kind.type] = kind
    return kind


# -- reading


def item(call: Call) -> Answer:
    """GET /api/things/{id}"""
    attributes = generic.required(call)
    return show(call, call.operation.base, call.id, attributes)


def show(
    call: Call, type_name: str, resource_id: str, attributes: str | Mapping[str, Any], *, status: int = 0
) -> Answer:
    """The document of one resource, with what the query includes."""
    primary = resource(call, type_name, resource_id, attributes, primary=True)
    return call.engine.documents.one(call, primary, included(call, [primary]), status=status)


def collection(call: Call) -> Answer:
    """GET /api/things"""
    return pages(call, source(call, call.operation.resource))


def related(call: Call) -> Answer:
    """GET /api/things/{id}/others and /api/things/{id}/relationships/others, to-one and to-many."""
    generic.exists(call)
    operation = call.operation
    base, name = operation.base, operation.relationship
    relation = call.engine.catalogue.types[base].relationships[name]
    if not relation.many:
        target = next(iter(targets(call, base, call.id, name)), None)
        found = [] if operation.identifiers_only or target is None else fetch(call, relation.type, [target])
        if not found:
            return call.engine.documents.identifier(call, relation.type, target)
        return call.engine.documents.one(call, found[0])
    owner, kept, inverted = _edge(call, base, name)
    here, there = ("e.target", "e.id") if inverted else ("e.id", "e.target")
    joined = source(
        call,
        relation.type,
        table=f"edge e JOIN resource r ON r.account = e.account AND r.type = '{relation.type}' AND r.id = {there}",
        where=f" AND e.type = ? AND e.relationship = ? AND {here} = ?",
        parameters=(owner, kept, call.id),
    )
    if not operation.paged:
        call.query.size = _ALL
    return pages(call, joined)


def pages(call: Call, rows: Source) -> Answer:
    """One page of a source whose columns are id and attributes: resources, or identifiers, as the operation asks."""
    type_name, documents = call.operation.resource, call.engine.documents
    page = call.engine.store.page(rows, call.operation, call.query)
    if call.operation.identifiers_only:
        return documents.identifiers(call, type_name, [row[0] for row in page.rows], page.next, page.prev)
    resources = [resource(call, type_name, row[0], row[1], primary=True) for row in page.rows]
    return documents.many(call, resources, included(call, resources), page.next, page.prev)


def source(call: Call, type_name: str, table: str = "", where: str = "", parameters: Sequence[Any] = ()) -> Source:
    """A collection of a kind; more conditions in `where` (begins with AND) with their parameters."""
    kind = _kinds.get(type_name)
    unit = kind.unit if kind else SECOND
    found = generic.source(call.operation, call.account, type_name, table or "resource r", where, unit=unit)
    sort, filters = (kind.order, kind.filters) if kind else ("", {})
    return found._replace(parameters=(*found.parameters, *parameters), sort=sort, filters={**found.filters, **filters})


def resource(
    call: Call, type_name: str, resource_id: str, attributes: str | Mapping[str, Any], *, primary: bool = False
) -> Resource:
    """A resource object; a primary one has `data` for each included relationship."""
    kind = _kinds.get(type_name)
    if kind is None:
        return generic.resource(type_name, resource_id, attributes, _linked(call, type_name, resource_id, primary, ()))
    more = {name: find for name, find in kind.additional.items() if call.query.wants(type_name, name)}
    if more:
        known = msgspec.json.decode(attributes) if isinstance(attributes, str) else dict(attributes)
        attributes = {**known, **{name: find(call, resource_id) for name, find in more.items()}}
    linked = _linked(call, type_name, resource_id, primary, kind.resolved)
    found = generic.resource(type_name, resource_id, attributes, linked)
    return found._replace(relationships=kind.shown(call, resource_id))


def _linked(
    call: Call, type_name: str, resource_id: str, primary: bool, resolved: tuple[str, ...]
) -> Mapping[str, Linkage]:
    names = dict.fromkeys((*resolved, *(call.query.include if primary else ())))
    relations = call.engine.catalogue.types[type_name].relationships
    found: dict[str, Linkage] = {}
    for name in names:
        ids = targets(call, type_name, resource_id, name)
        found[name] = ids if relations[name].many else next(iter(ids), None)
    return found


def included(call: Call, primary: Iterable[Resource]) -> list[Resource]:
    """What the primary resources' included relationships point at, in the order of `include` (FACTS §4.5)."""
    found: list[Resource] = []
    for one in primary:
        relations = call.engine.catalogue.types[one.type].relationships
        for name in call.query.include:
            linkage = one.linked.get(name)
            ids = [linkage] if isinstance(linkage, str) else linkage or []
            found += fetch(call, relations[name].type, ids)
    return found


def fetch(call: Call, type_name: str, ids: Iterable[str]) -> list[Resource]:
    """Those of the resources that are there."""
    store = call.engine.store
    if type_name == "profile":
        people = (identity.load(store, call.account, one) for one in ids)
        return [profiles.resource(call, person) for person in people if person is not None]
    found = ((one, _load(call, type_name, one)) for one in ids)
    return [resource(call, type_name, one, attributes) for one, attributes in found if attributes is not None]


# -- relationships


def _edge(call: Call, type_name: str, relationship: str) -> tuple[str, str, bool]:
    """(type, relationship) under which edges are kept, and whether `type_name` is their target."""
    kind = _kinds.get(type_name)
    other = kind.inverse.get(relationship) if kind else None
    if other is None:
        return type_name, relationship, False
    return call.engine.catalogue.types[type_name].relationships[relationship].type, other, True


def targets(call: Call, type_name: str, resource_id: str, relationship: str) -> list[str]:
    """The ids that a relationship points at, oldest first."""
    owner, kept, inverted = _edge(call, type_name, relationship)
    if not inverted:
        return generic.targets(call.engine.store, call.account, type_name, resource_id, relationship)
    rows = call.engine.store.execute(
        "SELECT id FROM edge WHERE account = ? AND target = ? AND type = ? AND relationship = ? ORDER BY at, id",
        (call.account, resource_id, owner, kept),
    )
    return [row[0] for row in rows]


def link(call: Call, type_name: str, resource_id: str, relationship: str, ids: Iterable[str]) -> None:
    """Adds to a relationship; what is there already stays as it is."""
    owner, kept, inverted = _edge(call, type_name, relationship)
    for one in ids:
        start, end = (one, resource_id) if inverted else (resource_id, one)
        generic.link(call.engine.store, call.account, owner, start, kept, [end], call.now)


def unlink(call: Call, type_name: str, resource_id: str, relationship: str, ids: Iterable[str]) -> None:
    owner, kept, inverted = _edge(call, type_name, relationship)
    for one in ids:
        start, end = (one, resource_id) if inverted else (resource_id, one)
        generic.unlink(call.engine.store, call.account, owner, start, kept, [end])


def relink(call: Call, type_name: str, resource_id: str, relationship: str, ids: Sequence[str]) -> None:
    """Makes a relationship point at exactly these."""
    unlink(call, type_name, resource_id, relationship, targets(call, type_name, resource_id, relationship))
    link(call, type_name, resource_id, relationship, ids)


def named(linkage: Any) -> list[str]:
    """The ids of a `data` member: an identifier, an array of them, null."""
    entries = linkage if isinstance(linkage, list) else [linkage] if linkage else []
    return list(dict.fromkeys(entry["id"] for entry in entries))


def require_all(call: Call, type_name: str, ids: Iterable[str]) -> None:
    """Refusal (404) for the first id that nothing has (inferred)."""
    for one in ids:
        if not known(call, type_name, one):
            raise generic.missing(type_name, one)


def known(call: Call, type_name: str, resource_id: str) -> bool:
    if type_name == "profile":
        return identity.load(call.engine.store, call.account, resource_id) is not None
    return _load(call, type_name, resource_id) is not None


def _load(call: Call, type_name: str, resource_id: str) -> Mapping[str, Any] | None:
    kind = _kinds.get(type_name)
    if kind is not None and kind.find is not None:
        return kind.find(call, resource_id)
    return generic.load(call.engine.store, call.account, type_name, resource_id)


Check = Callable[[Call, list[str]], None]
"""Looks at the ids of a relationship's body before it changes, and refuses."""


def add(check: Check | None = None) -> Behaviour:
    """POST /api/things/{id}/relationships/others: idempotent unless `check` refuses."""
    return _linking(link, check, strict=True)


def remove(check: Check | None = None) -> Behaviour:
    """DELETE /api/things/{id}/relationships/others; what is not there stays away (inferred)."""
    return _linking(unlink, check, strict=False)


def replace(check: Check | None = None) -> Behaviour:
    """PATCH /api/things/{id}/relationships/others"""
    return _linking(relink, check, strict=True)


def _linking(
    change: Callable[[Call, str, str, str, list[str]], None], check: Check | None, *, strict: bool
) -> Behaviour:
    def behave(call: Call) -> Answer:
        generic.exists(call)
        base, name = call.operation.base, call.operation.relationship
        ids = named(call.data)
        if strict:
            require_all(call, call.engine.catalogue.types[base].relationships[name].type, ids)
        if check is not None:
            check(call, ids)
        with call.engine.store.write():
            change(call, base, call.id, name, ids)
        return Answer(call.operation.status)

    return behave


# -- writing


def create(kind: Kind, *, prepare: Hook | None = None, after: After | None = None, status: int = 0) -> Behaviour:
    """POST /api/things. Relationships of the body are linked, their targets must exist."""

    def behave(call: Call) -> Answer:
        attributes = copy.deepcopy(dict(kind.attributes))
        _merge(kind, attributes, call)
        at = written(call.now, kind.precision)
        attributes |= {name: at for name in (kind.created, kind.updated) if name}
        if prepare is not None:
            prepare(call, attributes)
        resource_id = kind.new_id(call)
        with call.engine.store.write():
            generic.insert(call.engine.store, call.account, kind.type, resource_id, attributes, call.now)
            _link_body(call, kind, resource_id)
            if after is not None:
                after(call, resource_id, attributes)
        attributes |= {name: micros(call.now) for name in (kind.created, kind.updated) if name}
        return show(call, kind.type, resource_id, attributes, status=status)

    return behave


def update(kind: Kind, *, prepare: Hook | None = None, after: After | None = None) -> Behaviour:
    """PATCH /api/things/{id}: what is missing in the body stays, null is stored where the schema lets it in."""

    def behave(call: Call) -> Answer:
        attributes = generic.required(call, kind.type)
        same_id(call)
        _merge(kind, attributes, call)
        if kind.updated:
            attributes[kind.updated] = written(call.now, kind.precision)
        if prepare is not None:
            prepare(call, attributes)
        with call.engine.store.write():
            generic.update(call.engine.store, call.account, kind.type, call.id, attributes, call.now)
            _link_body(call, kind, call.id)
            if after is not None:
                after(call, call.id, attributes)
        if call.operation.status == 204:
            return Answer(204)
        if kind.updated:
            attributes[kind.updated] = micros(call.now)
        return show(call, kind.type, call.id, attributes)

    return behave


def delete(kind: Kind, *, prepare: Hook | None = None, after: After | None = None) -> Behaviour:
    """DELETE /api/things/{id}: the resource, and every relationship from and to it."""

    def behave(call: Call) -> Answer:
        attributes = generic.required(call, kind.type)
        if prepare is not None:
            prepare(call, attributes)
        with call.engine.store.write():
            if after is not None:
                after(call, call.id, attributes)
            erase(call, kind.type, call.id)
        return Answer(call.operation.status)

    return behave


def erase(call: Call, type_name: str, resource_id: str) -> None:
    """Deletes a resource with its edges, inside a transaction."""
    store, account = call.engine.store, call.account
    store.execute(
        "DELETE FROM resource WHERE account = ? AND type = ? AND id = ?",
        (account, type_name, resource_id),
    )
    store.execute("DELETE FROM edge WHERE account = ? AND type = ? AND id = ?", (account, type_name, resource_id))
    for owner in call.engine.catalogue.types.values():  # ids of different types may be alike: coupons choose theirs
        for name, relation in owner.relationships.items():
            if relation.type == type_name:
                store.execute(
                    "DELETE FROM edge WHERE account = ? AND target = ? AND type = ? AND relationship = ?",
                    (account, resource_id, owner.name, name),
                )


def state(call: Call, type_name: str, resource_id: str) -> dict[str, Any]:
    """What a behaviour keeps to itself about a resource."""
    row = call.engine.store.one(
        "SELECT state FROM resource WHERE account = ? AND type = ? AND id = ?", call.account, type_name, resource_id
    )
    return {} if row is None else msgspec.json.decode(row[0])


def keep(call: Call, type_name: str, resource_id: str, changes: Mapping[str, Any]) -> None:
    """Merges into `state`."""
    merged = msgspec.json.encode({**state(call, type_name, resource_id), **changes}).decode()
    call.engine.store.execute(
        "UPDATE resource SET state = ? WHERE account = ? AND type = ? AND id = ?",
        (merged, call.account, type_name, resource_id),
    )


def same_id(call: Call) -> None:
    """Refusal (400) if the body's id is not the path's."""
    if call.data["id"] != call.id:
        raise invalid("'id' must be the id of the path.", pointer="/data/id")


def require_name(call: Call, attributes: dict[str, Any]) -> None:
    """A hook: refuses (400) an empty name."""
    if not attributes["name"].strip():
        raise invalid("'name' must not be empty.", pointer="/data/attributes/name")


def count(call: Call, type_name: str) -> int:
    """Resources of a type in the account, for the limits of some of them."""
    row = call.engine.store.one("SELECT count(*) FROM resource WHERE account = ? AND type = ?", call.account, type_name)
    return int(row[0]) if row else 0


def _merge(kind: Kind, attributes: dict[str, Any], call: Call) -> None:
    given = call.data.get("attributes") or {}
    for name, value in given.items():
        if name in kind.attributes and (value is not None or kind.attributes[name] is None):
            attributes[name] = value


def _link_body(call: Call, kind: Kind, resource_id: str) -> None:
    """The relationships of the body, replacing what was there. Refusal (404 or 400) for an unknown target."""
    relations = call.engine.catalogue.types[kind.type].relationships
    for name, given in (call.data.get("relationships") or {}).items():
        if given is None or name not in relations:
            continue
        ids = named(given.get("data"))
        try:
            require_all(call, relations[name].type, ids)
        except Refusal as refusal:
            if name not in kind.refused:
                raise
            raise invalid(refusal.errors[0].detail, pointer=f"/data/relationships/{name}/data") from None
        relink(call, kind.type, resource_id, name, ids)
