"""Object schemas: drafts that are changed until they are activated, and their source mappings (FACTS §9.13).

An object type has at most one current and one draft schema; all of its schemas are its versions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import SECOND, seconds
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.errors import Refusal, invalid, not_found, problem
from clavichord.sandbox.jobs import Task
from clavichord.sandbox.resources import data_source_records, schema_relationships, source_mappings

TYPE = "object-schema"
_ACTIVATION = "object-schema-activation"

crud.declare(crud.Kind(type=TYPE, attributes={}, created="", updated=""))
OBJECT_TYPE = crud.declare(
    crud.Kind(
        type="object-type",
        attributes={
            "title": None,
            "description": "",
            "status": "draft",
            "namespace": "custom-objects",
            "created_at": None,
            "updated_at": None,
        },
        new_id=crud.ulid,
        created="created_at",
        updated="updated_at",
        inverse={"object-ingestion-logs": "object-type"},
    )
)


def check(given: Mapping[str, Any], at: str) -> None:
    """Refusal: 400 for ids or names that repeat, required properties that are none, a mapping that cannot be read."""
    found = []
    properties = given.get("properties") or []
    for number, one in enumerate(properties):
        if one["id"] < 1:
            found.append(problem(inferred.POSITIVE.format(name="id"), pointer=f"{at}/properties/{number}/id"))
        for member in ("id", "name"):
            if any(other[member] == one[member] for other in properties[:number]):
                text = inferred.SCHEMA_REPEATED.format(given=one[member])
                found.append(problem(text, pointer=f"{at}/properties/{number}/{member}"))
    names = {one["name"] for one in properties}
    for number, name in enumerate(given.get("required") or ()):
        if name not in names:
            found.append(problem(inferred.SCHEMA_REQUIRED.format(given=name), pointer=f"{at}/required/{number}"))
    if found:
        raise Refusal(*found[:100])
    source_mappings.check(_mapping(given), f"{at}/source-mapping/data/attributes")


def _mapping(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The attributes of the source mapping that a schema brings along."""
    found: Mapping[str, Any] = (given.get("source-mapping") or {"data": {"attributes": {}}})["data"]["attributes"]
    return found


def make(call: Call, type_id: str, given: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """A schema of a type with its mapping, inside a transaction: the type's new draft, activated if that is asked for.

    `about`: title, description and visibility.
    """
    store, schema_id, mapping_id = call.engine.store, call.engine.ids.ulid(), call.engine.ids.ulid()
    attributes = {
        "title": about["title"],
        "description": about["description"],
        "status": "draft",
        "properties": _properties(given.get("properties") or []),
        "required": given.get("required") or [],
        "published_at": None,
        "visibility": about["visibility"],
    }
    mapping = _mapping(given)
    mapped = {name: mapping.get(name) or [] for name in source_mappings.KIND.attributes}
    generic.insert(store, call.account, TYPE, schema_id, attributes, call.now)
    generic.insert(store, call.account, source_mappings.TYPE, mapping_id, mapped, call.now)
    crud.link(call, TYPE, schema_id, "source-mapping", [mapping_id])
    crud.link(call, "object-type", type_id, "schema-versions", [schema_id])
    crud.relink(call, "object-type", type_id, "draft-schema", [schema_id])
    if given.get("status") == "active":
        _activate(call, schema_id, attributes)
    return schema_id


def _properties(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**one, "description": one.get("description") or ""} for one in given]


def _activate(call: Call, schema_id: str, attributes: dict[str, Any]) -> None:
    """`publishing` until the clock has come to it."""
    attributes["status"] = "publishing"
    generic.update(call.engine.store, call.account, TYPE, schema_id, attributes, call.now)
    call.engine.jobs.submit(call.account, _ACTIVATION, None, job=schema_id)


def _activated(engine: Engine, task: Task) -> None:
    """The type's current schema from now on; records that were stored before are read with it."""
    store, account, now = engine.store, task.account, engine.clock.now()
    attributes = generic.load(store, account, TYPE, task.job)
    type_id = schema_relationships.type_of(store, account, task.job)
    if attributes is None or type_id is None:  # deleted meanwhile
        return
    attributes |= {"status": "active", "published_at": seconds(now // SECOND)}
    generic.update(store, account, TYPE, task.job, attributes, now)
    generic.unlink(store, account, "object-type", type_id, "draft-schema", [task.job])
    former = generic.targets(store, account, "object-type", type_id, "current-schema")
    generic.unlink(store, account, "object-type", type_id, "current-schema", former)
    generic.link(store, account, "object-type", type_id, "current-schema", [task.job], now)
    owner = generic.load(store, account, "object-type", type_id) or {}
    owner |= {"status": "active", "updated_at": seconds(now // SECOND)}
    generic.update(store, account, "object-type", type_id, owner, now)
    data_source_records.read_again(engine, account, type_id)


def create_object_schema(call: Call) -> Answer:
    """A new version of an object type; without one, it begins an object type of its title (inferred)."""
    given = call.data["attributes"]
    _check_title(given)
    check(given, "/data/attributes")
    named = crud.named(((call.data.get("relationships") or {}).get("object-type") or {}).get("data"))
    for one in named:
        if not crud.known(call, "object-type", one):
            raise not_found(f"object-type with id `{one}` does not exist")  # here without a full stop, as recorded
    about = {"title": given["title"], "description": given.get("description") or "", "visibility": "private"}
    with call.engine.store.write():
        type_id = named[0] if named else _begin_type(call, about)
        schema_id = make(call, type_id, given, about)
    return schema_relationships.show(call, schema_id, generic.required(call, TYPE, schema_id))


def _begin_type(call: Call, about: Mapping[str, Any]) -> str:
    type_id, at = call.engine.ids.ulid(), seconds(call.now // SECOND)
    described = {"title": about["title"], "description": about["description"]}
    attributes = {**OBJECT_TYPE.attributes, **described, "created_at": at, "updated_at": at}
    generic.insert(call.engine.store, call.account, "object-type", type_id, attributes, call.now)
    return type_id


def _check_title(given: Mapping[str, Any]) -> None:
    if given.get("title") is not None and not given["title"].strip():
        raise invalid("'title' must not be empty.", pointer="/data/attributes/title")


def update_object_schema(call: Call) -> Answer:
    """Drafts only; `active` activates. The type's title and description move with the schema's."""
    attributes = schema_relationships.draft(call)
    crud.same_id(call)
    given = {name: value for name, value in call.data["attributes"].items() if value is not None}
    _check_title(given)
    status = given.pop("status", "draft")
    attributes |= given
    check(attributes, "/data/attributes")
    attributes["properties"] = _properties(attributes["properties"])
    with call.engine.store.write():
        generic.update(call.engine.store, call.account, TYPE, call.id, attributes, call.now)
        type_id = schema_relationships.type_of(call.engine.store, call.account, call.id)
        if type_id is not None:
            owner = generic.required(call, "object-type", type_id)
            owner |= {name: attributes[name] for name in ("title", "description")}
            owner["updated_at"] = seconds(call.now // SECOND)
            generic.update(call.engine.store, call.account, "object-type", type_id, owner, call.now)
        if status == "active":
            _activate(call, call.id, attributes)
    return schema_relationships.show(call, call.id, generic.required(call))


def _mapping_changed(call: Call, mapping_id: str, attributes: dict[str, Any]) -> None:
    row = call.engine.store.one(
        "SELECT t.id FROM edge s JOIN edge t ON t.account = s.account AND t.type = 'object-type'"
        " AND t.relationship = 'current-schema' AND t.target = s.id"
        " WHERE s.account = ? AND s.type = 'object-schema' AND s.relationship = 'source-mapping' AND s.target = ?",
        call.account,
        mapping_id,
    )
    if row is not None:
        data_source_records.read_again(call.engine, call.account, row[0])


def declare(engine: Engine) -> None:
    engine.jobs.kind(_ACTIVATION, _activated)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "create_object_schema": create_object_schema,
    "get_object_schema": schema_relationships.item,
    "update_object_schema": update_object_schema,
    "get_source_mapping_for_object_schema": crud.related,
    "get_source_mapping_id_for_object_schema": crud.related,
    "get_source_mapping": crud.item,
    "update_source_mapping": crud.update(source_mappings.KIND, prepare=source_mappings.prepare, after=_mapping_changed),
}
