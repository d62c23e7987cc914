"""Reading: one resource, a page of them, what a relationship points at, what the query includes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from clavichord.sandbox import generic
from clavichord.sandbox.call import Answer, Call
from clavichord.sandbox.clock import SECOND
from clavichord.sandbox.crud.edges import edge, load, targets
from clavichord.sandbox.crud.kinds import kind_of
from clavichord.sandbox.documents import Linkage, Resource
from clavichord.sandbox.resources import identity, profiles
from clavichord.sandbox.store import Source

_ALL = 1_000_000
"""rows of a relationship that has no pages"""


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
    owner, kept, inverted = edge(call, base, name)
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


def pages(call: Call, rows: Source, before: str | None = None) -> Answer:
    """One page of a source whose columns are id and attributes: resources, or identifiers, as the operation asks.
    `before`: the cursor of the previous page, where it is not the usual one."""
    type_name, documents = call.operation.resource, call.engine.documents
    page = call.engine.store.page(rows, call.operation, call.query)
    prev = before or page.prev
    if call.operation.identifiers_only:
        return documents.identifiers(call, type_name, [row[0] for row in page.rows], page.next, prev)
    resources = [resource(call, type_name, row[0], row[1], primary=True) for row in page.rows]
    return documents.many(call, resources, included(call, resources), page.next, prev)


def source(call: Call, type_name: str, table: str = "", where: str = "", parameters: Sequence[Any] = ()) -> Source:
    """A collection of a kind; more conditions in `where` (begins with AND) with their parameters."""
    kind = kind_of(type_name)
    unit = kind.unit if kind else SECOND
    found = generic.source(call.operation, call.account, type_name, table or "resource r", where, unit=unit)
    sort, filters = (kind.order, kind.filters) if kind else ("", {})
    return found._replace(parameters=(*found.parameters, *parameters), sort=sort, filters={**found.filters, **filters})


def resource(
    call: Call, type_name: str, resource_id: str, attributes: str | Mapping[str, Any], *, primary: bool = False
) -> Resource:
    """A resource object; a primary one has `data` for each included relationship."""
    kind = kind_of(type_name)
    if kind is None:
        return generic.resource(type_name, resource_id, attributes, _linked(call, type_name, resource_id, primary, ()))
    more = {name: find for name, find in kind.additional.items() if call.query.wants(type_name, name)}
    if more or kind.view is not None:
        known = msgspec.json.decode(attributes) if isinstance(attributes, str) else dict(attributes)
        shown = known if kind.view is None else kind.view(call, resource_id, known)
        attributes = {**shown, **{name: find(call, resource_id) for name, find in more.items()}}
    resolved = kind.resolved if kind.resolves(call) else ()
    linked = _linked(call, type_name, resource_id, primary, resolved, kind.dataless)
    found = generic.resource(type_name, resource_id, attributes, linked)
    return found._replace(relationships=kind.shown(call, resource_id))


def _linked(
    call: Call,
    type_name: str,
    resource_id: str,
    primary: bool,
    resolved: tuple[str, ...],
    dataless: tuple[str, ...] = (),
) -> Mapping[str, Linkage]:
    relations = call.engine.catalogue.types[type_name].relationships
    names = dict.fromkeys((*filter(relations.__contains__, resolved), *(call.query.include if primary else ())))
    found: dict[str, Linkage] = {}
    for name in names:
        ids = targets(call, type_name, resource_id, name)
        if ids or name not in dataless:
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
    found = ((one, load(call, type_name, one)) for one in ids)
    return [resource(call, type_name, one, attributes) for one, attributes in found if attributes is not None]
