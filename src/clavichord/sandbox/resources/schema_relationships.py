"""Relationships of an object schema: to other schemas and to profiles, each with an id, a name and a description.

They are kept in the schema's `state`: an edge has no room for names, and two schemas may be related twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.documents import Linkage, Resource
from clavichord.sandbox.errors import conflict, invalid, not_found
from clavichord.sandbox.store import Store

_MISSING = "{kind}-schema relationship with id=`{id}`, origin_schema_id={schema} does not exist."
"""recorded for `profile`"""
PROFILE = "profile"
"""the one id of profile-object-schema and profile-object-type"""
_LIKE = {"object-types": "object-schema", "profile-object-types": "profile-object-schema"}
"""relationships of an object type that are those of its schema"""


def own(call: Call, schema_id: str) -> list[dict[str, Any]]:
    """Each: relationship_id, type and id of the target, name, description."""
    found: list[dict[str, Any]] = crud.state(call, "object-schema", schema_id).get("relationships", [])
    return found


def _keep(call: Call, schema_id: str, relationships: list[dict[str, Any]]) -> None:
    with call.engine.store.write():
        crud.keep(call, "object-schema", schema_id, {"relationships": relationships})


def schema_of(call: Call, type_id: str) -> str | None:
    """The current schema of an object type, or its draft as long as it has none."""
    for name in ("current-schema", "draft-schema"):
        for schema_id in crud.targets(call, "object-type", type_id, name):
            return schema_id
    return None


def type_of(store: Store, account: str, schema_id: str) -> str | None:
    """The object type of a schema; None if it was deleted."""
    row = store.one(
        "SELECT id FROM edge WHERE account = ? AND target = ? AND type = 'object-type'"
        " AND relationship = 'schema-versions'",
        account,
        schema_id,
    )
    return None if row is None else str(row[0])


def related(call: Call, type_name: str, resource_id: str, name: str) -> list[Resource]:
    """What a schema or an object type is related to; the attributes tell how (`meta`)."""
    schema_id = resource_id if type_name == "object-schema" else schema_of(call, resource_id)
    wanted = _LIKE.get(name, name.removesuffix("s"))
    found: list[Resource] = []
    for one in own(call, schema_id) if schema_id else ():
        if one["type"] != wanted:
            continue
        target: str | None = one["id"]
        if name == "object-types":
            target = type_of(call.engine.store, call.account, one["id"])
        if target is not None:
            meta = {key: one[key] for key in ("relationship_id", "name", "description")}
            kind = call.engine.catalogue.types[type_name].relationships[name].type
            found.append(generic.resource(kind, target, {"meta": meta}, {})._replace(relationships=()))
    return found


def _ids(resources: list[Resource]) -> list[str]:
    return list(dict.fromkeys(one.id for one in resources))


def show(call: Call, resource_id: str, attributes: Mapping[str, Any]) -> Answer:
    """A schema or an object type, with all that the query includes."""
    type_name = call.operation.resource
    linked: dict[str, Linkage] = {}
    included: list[Resource] = []
    for name in call.query.include:
        relation = call.engine.catalogue.types[type_name].relationships[name]
        if name in _LIKE or name in ("object-schemas", "profile-object-schemas"):
            found = related(call, type_name, resource_id, name)
            linked[name] = _ids(found)
        else:
            ids = crud.targets(call, type_name, resource_id, name)
            found = crud.fetch(call, relation.type, ids)
            linked[name] = ids if relation.many else next(iter(ids), None)
        included += found
    primary = generic.resource(type_name, resource_id, attributes, linked)
    return call.engine.documents.one(call, primary, included)


def item(call: Call) -> Answer:
    """GET /api/object-schemas/{id} and /api/object-types/{id}"""
    return show(call, call.id, generic.required(call))


def identifiers(call: Call) -> Answer:
    """An object type that is not there has none, as recorded."""
    operation = call.operation
    if operation.base == "object-schema":
        generic.required(call)
    found = related(call, operation.base, call.id, operation.relationship)
    return call.engine.documents.identifiers(call, operation.resource, _ids(found))


def draft(call: Call) -> dict[str, Any]:
    """The schema of the path. Refusal: 404, or 400 if it is no draft any more."""
    attributes = generic.required(call)
    if attributes["status"] != "draft":
        text = inferred.SCHEMA_ACTIVE.format(id=call.id, status=attributes["status"])
        raise invalid(text, pointer="/data/attributes/status")
    return attributes


def create(call: Call) -> Answer:
    """Looks for the other ends before its own, as recorded."""
    for entry in call.data:
        _require_target(call, entry)
    draft(call)
    known = own(call, call.id)
    for number, entry in enumerate(call.data):
        meta = entry.get("meta")
        if not meta or not meta["name"].strip():
            raise invalid(inferred.REQUIRED.format(name="name"), pointer=f"/data/{number}/meta/name")
        if any(one["name"] == meta["name"] for one in known):
            raise conflict(
                "conflict", inferred.RELATIONSHIP_TAKEN.format(name=meta["name"]), f"/data/{number}/meta/name"
            )
        known.append(
            {
                "relationship_id": call.engine.ids.ulid(),
                "type": entry["type"],
                "id": entry["id"],
                "name": meta["name"],
                "description": meta.get("description") or "",
            }
        )
    _keep(call, call.id, known)
    return Answer(call.operation.status)


def _require_target(call: Call, entry: Mapping[str, Any]) -> None:
    if entry["type"] == "object-schema":
        crud.require_all(call, "object-schema", [entry["id"]])
    elif entry["id"] != PROFILE:
        raise generic.missing("profile-object-schema", entry["id"])


def update(call: Call) -> Answer:
    """Looks for another schema before its own, for a relationship with profiles at once; as recorded."""
    entry = call.data
    meta = entry.get("meta")
    if not meta:
        raise invalid(inferred.REQUIRED.format(name="meta"), pointer="/data/meta")
    if entry["type"] == "object-schema":
        _require_target(call, entry)
        generic.required(call)
    known = own(call, call.id)
    for one in known:
        if (one["relationship_id"], one["type"], one["id"]) == (meta["relationship_id"], entry["type"], entry["id"]):
            draft(call)
            one |= {name: meta[name] for name in ("name", "description") if meta.get(name) is not None}
            _keep(call, call.id, known)
            return Answer(call.operation.status)
    kind = "object" if entry["type"] == "object-schema" else "profile"
    raise not_found(_MISSING.format(kind=kind, id=meta["relationship_id"], schema=call.id))


def delete(call: Call) -> Answer:
    """Without a relationship_id all relationships to the target go (inferred)."""
    draft(call)
    known = own(call, call.id)
    for entry in call.data:
        given = (entry.get("meta") or {}).get("relationship_id")
        known = [
            one
            for one in known
            if (one["type"], one["id"]) != (entry["type"], entry["id"]) or given not in (None, one["relationship_id"])
        ]
    _keep(call, call.id, known)
    return Answer(call.operation.status)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_object_schema_relationships": identifiers,
    "create_object_schema_relationship": create,
    "update_object_schema_relationship": update,
    "delete_object_schema_relationship": delete,
    "get_profile_schema_relationships": identifiers,
    "create_profile_schema_relationship": create,
    "update_profile_schema_relationship": update,
    "delete_profile_schema_relationship": delete,
    "get_object_type_relationships": identifiers,
    "get_profile_type_relationships": identifiers,
}
