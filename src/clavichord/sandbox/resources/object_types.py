"""Object types: a draft schema and an empty source mapping come with each (FACTS §9.13)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud, generic
from clavichord.sandbox.call import Behaviour, Call
from clavichord.sandbox.resources import data_sources, object_records, object_schemas, schema_relationships

_SCHEMA_AT = "/data/attributes/object-schema/data/attributes"


def _schema(call: Call) -> Mapping[str, Any]:
    """The attributes of the schema in the body, {} if there is none."""
    embedded = call.data["attributes"].get("object-schema") or {"data": {"attributes": {}}}
    found: Mapping[str, Any] = embedded["data"]["attributes"]
    return found


def _prepare(call: Call, attributes: dict[str, Any]) -> None:
    data_sources.check(attributes)
    object_schemas.check(_schema(call), _SCHEMA_AT)


def _make_schema(call: Call, type_id: str, attributes: dict[str, Any]) -> None:
    about = {
        "title": attributes["title"],
        "description": attributes["description"],
        "visibility": call.data["attributes"].get("visibility") or "private",
    }
    object_schemas.make(call, type_id, _schema(call), about)
    attributes["status"] = generic.required(call, "object-type", type_id)["status"]


def _erase_all(call: Call, type_id: str, attributes: dict[str, Any]) -> None:
    for schema_id in crud.targets(call, "object-type", type_id, "schema-versions"):
        for mapping_id in crud.targets(call, "object-schema", schema_id, "source-mapping"):
            crud.erase(call, "source-mapping", mapping_id)
        crud.erase(call, "object-schema", schema_id)
    for log_id in crud.targets(call, "object-type", type_id, "object-ingestion-logs"):
        crud.erase(call, "object-ingestion-log", log_id)
    object_records.erase(call.engine, call.account, crud.targets(call, "object-type", type_id, "object-records"))


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_object_types": crud.collection,
    "create_object_type": crud.create(object_schemas.OBJECT_TYPE, prepare=_prepare, after=_make_schema),
    "get_object_type": schema_relationships.item,
    "delete_object_type": crud.delete(object_schemas.OBJECT_TYPE, after=_erase_all),
    "get_current_schema_for_object_type": crud.related,
    "get_current_schema_id_for_object_type": crud.related,
    "get_draft_schema_for_object_type": crud.related,
    "get_draft_schema_id_for_object_type": crud.related,
    "get_schema_versions_for_object_type": crud.related,
    "get_schema_version_ids_for_object_type": crud.related,
}
