"""What the catalogue alone tells how to do, for every type that lives in the `resource` table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from clavichord.sandbox import inferred
from clavichord.sandbox.call import Answer, Call
from clavichord.sandbox.clock import SECOND
from clavichord.sandbox.documents import Linkage, Resource, relationship_of
from clavichord.sandbox.errors import Refusal, invalid, not_found
from clavichord.sandbox.filters import Column
from clavichord.sandbox.store import Source, Store
from clavichord.spec import Operation

_MISSING: Mapping[str, str] = {
    "account": "Account with id {} not found.",
    "campaign": "A campaign with id '{}' does not exist.",
    "campaign-audience": "An audience with id '{}' does not exist.",
    "campaign-message": "A message with id '{}' does not exist.",
    "campaign-message-schedule": "A message with id '{}' does not exist.",
    "campaign-recipient-estimation": "A campaign with id '{}' does not exist.",
    "campaign-recipient-estimation-job": "A campaign with id '{}' does not exist.",
    "campaign-send-job": "A campaign with id '{}' does not exist.",
    "campaign-variation": "A variation with id '{}' does not exist.",
    "catalog-category": "No category with the ID `{}` exists.",
    "catalog-item": "An item with id {} does not exist.",
    "catalog-variant": "A variant with id {} does not exist.",
    "coupon": "A coupon with the given identifier '{}' does not exist.",
    "coupon-code": "A coupon code with given identifier '{}' does not exist.",
    "custom-metric": "Custom metric with id `{}` does not exist.",
    "data-source": "Data source with ID {} not found.",
    "event": "An event with id {} does not exist.",
    "flow": "A flow with id {} does not exist.",
    "flow-action": "An action with id {} does not exist.",
    "flow-message": "A flow message with id {} does not exist.",
    "form": "A form with id `{}` does not exist.",
    "form-version": "A form version with id `{}` does not exist.",
    "image": "Not found.",
    "list": "A list with id `{}` does not exist.",
    "metric": "Metric with id {} does not exist.",
    "metric-property": "A metric property with id `{}` does not exist.",
    "object-type": "object-type with id `{}` does not exist.",
    "profile": "A profile with id {} does not exist.",
    "profile-bulk-import-job": "Invalid job id",
    "profile-suppression-bulk-create-job": "A bulk profile suppression job with the id '{}' does not exist.",
    "profile-suppression-bulk-delete-job": "A bulk profile suppression job with the id '{}' does not exist.",
    "push-token": "Record with token ID: {} cannot be found.",
    "review": "A review with id `{}` does not exist.",
    "segment": "A segment with id `{}` does not exist.",
    "tag": "A tag with id {} does not exist.",
    "tag-group": "A tag group with id {} does not exist.",
    "template": "Template with id '{}' does not exist",
    "template-universal-content": "A universal content with id `{}` does not exist.",
    "tracking-setting": "Tracking settings for id `{}` do not exist.",
    "web-feed": "A web feed with id `{}` does not exist.",
    "webhook": "Not found.",
    "webhook-topic": "Not found.",
    "coupon-code-bulk-create-job": "A coupon code bulk create job with the id '{}' does not exist.",
    **{
        f"catalog-{one}-bulk-{verb}-job": f"A catalog-{one} bulk {verb} job with id {{}} does not exist."
        for one in ("item", "variant", "category")
        for verb in ("create", "update", "delete")
    },
    "object-record": "object-record with id `{}` does not exist.",
    "object-schema": "object-schema with id `{}` does not exist.",
    "source-mapping": "source-mapping with id `{}` does not exist.",
}
"""Wordings differ by resource (LIVE #7); those of event and of what campaigns have from 2026-10-15 on are inferred, and
so is the one for a type that is not here."""

OBJECT_TYPE_GONE = "Object type `{}` not found"
_MISSING_IN: Mapping[str, str] = {
    "delete_catalog_category": "No category with ID `{}` exists.",
    "delete_catalog_item": "An item with the id `{}` does not exist.",
    "get_records_for_object_type": OBJECT_TYPE_GONE,
    "get_record_ids_for_object_type": OBJECT_TYPE_GONE,
    "get_ingestion_logs_for_object_type": OBJECT_TYPE_GONE,
    "get_ingestion_log_ids_for_object_type": OBJECT_TYPE_GONE,
}
"""Operations that say it in words of their own (recorded)."""

_COLUMNS = "r.id, r.attributes"


def missing(type_name: str, resource_id: str, operation: str = "") -> Refusal:
    wording = _MISSING_IN.get(operation) or _MISSING.get(type_name, inferred.MISSING)
    return not_found(wording.format(resource_id, type=type_name, a="An" if type_name[0] in "aeiou" else "A"))


def load(store: Store, account: str, type_name: str, resource_id: str) -> dict[str, Any] | None:
    """The attributes of a resource, None if there is none."""
    row = store.one(
        "SELECT attributes FROM resource WHERE account = ? AND type = ? AND id = ?", account, type_name, resource_id
    )
    return None if row is None else msgspec.json.decode(row[0])


def state(store: Store, account: str, type_name: str, resource_id: str) -> dict[str, Any]:
    """What a behaviour keeps to itself about a resource; {} if there is none."""
    row = store.one(
        "SELECT state FROM resource WHERE account = ? AND type = ? AND id = ?", account, type_name, resource_id
    )
    return {} if row is None else msgspec.json.decode(row[0])


def insert(
    store: Store, account: str, type_name: str, resource_id: str, attributes: Mapping[str, Any], now: int
) -> None:
    store.execute(
        "INSERT INTO resource (account, type, id, created, updated, attributes) VALUES (?, ?, ?, ?, ?, ?)",
        (account, type_name, resource_id, now, now, msgspec.json.encode(attributes).decode()),
    )


def update(
    store: Store, account: str, type_name: str, resource_id: str, attributes: Mapping[str, Any], now: int
) -> None:
    store.execute(
        "UPDATE resource SET attributes = ?, updated = ? WHERE account = ? AND type = ? AND id = ?",
        (msgspec.json.encode(attributes).decode(), now, account, type_name, resource_id),
    )


def required(call: Call, type_name: str = "", resource_id: str = "") -> dict[str, Any]:
    """The attributes of the resource that the path names. Refusal (404)."""
    type_name, one = type_name or call.operation.base, resource_id or call.id
    attributes = load(call.engine.store, call.account, type_name, one)
    if attributes is None:
        raise missing(type_name, one, "" if resource_id else call.operation.id)
    return attributes


def targets(store: Store, account: str, type_name: str, resource_id: str, relationship: str) -> list[str]:
    """The ids a relationship points at, oldest first."""
    rows = store.execute(
        "SELECT target FROM edge WHERE account = ? AND type = ? AND id = ? AND relationship = ? ORDER BY at, target",
        (account, type_name, resource_id, relationship),
    )
    return [row[0] for row in rows]


def sources(store: Store, account: str, type_name: str, relationship: str, target: str) -> list[str]:
    """The ids whose relationship points at `target`, oldest first."""
    rows = store.execute(
        "SELECT id FROM edge WHERE account = ? AND target = ? AND type = ? AND relationship = ? ORDER BY at, id",
        (account, target, type_name, relationship),
    )
    return [row[0] for row in rows]


def link(
    store: Store, account: str, type_name: str, resource_id: str, relationship: str, ids: Iterable[str], now: int
) -> None:
    """Adds to a relationship; what is there already stays as it is."""
    store.executemany(
        "INSERT OR IGNORE INTO edge (account, type, id, relationship, target, at) VALUES (?, ?, ?, ?, ?, ?)",
        [(account, type_name, resource_id, relationship, target, now // SECOND) for target in ids],
    )


def unlink(store: Store, account: str, type_name: str, resource_id: str, relationship: str, ids: Iterable[str]) -> None:
    store.executemany(
        "DELETE FROM edge WHERE account = ? AND type = ? AND id = ? AND relationship = ? AND target = ?",
        [(account, type_name, resource_id, relationship, target) for target in ids],
    )


def resource(
    type_name: str, resource_id: str, attributes: str | bytes | Mapping[str, Any], linked: Mapping[str, Linkage]
) -> Resource:
    if isinstance(attributes, str):
        attributes = attributes.encode()
    elif not isinstance(attributes, bytes):
        attributes = msgspec.json.encode(attributes)
    return Resource(type_name, resource_id, attributes, linked)


_STAMPS = {"created": "r.created", "created_at": "r.created", "updated": "r.updated", "updated_at": "r.updated"}


def source(
    operation: Operation,
    account: str,
    type_name: str,
    table: str = "resource r",
    where: str = "",
    *,
    unit: int = SECOND,
) -> Source:
    """A collection of the `resource` table, filtered and sorted by any attribute; created and updated are compared at
    the precision that is read back, `unit` microseconds."""
    columns = {rule.field: _column(rule.field, rule.type == "date-time") for rule in operation.filters}
    columns |= {name: Column(f"{column} / {unit}", unit) for name, column in _STAMPS.items()}
    sorts = {name: f"ifnull({_member(name)}, '')" for name in operation.sorts if not name.startswith("-")}
    sorts |= _STAMPS | {"id": "r.id"}
    return Source(
        columns=_COLUMNS,
        table=table,
        where="r.account = ? AND r.type = ?" + where,
        parameters=(account, type_name),
        id="r.id",
        sorts=sorts,
        filters=columns,
    )


def _member(name: str) -> str:
    return "r.id" if name == "id" else "json_extract(r.attributes, '$.{}')".format(name.replace("'", ""))


def _column(name: str, instant: bool) -> Column:
    """A date-time among the attributes is text with or without six digits of a second: microseconds either way."""
    member = _member(name)
    if not instant:
        return Column(member)
    return Column(f"CAST(strftime('%s', {member}) AS INTEGER) * {SECOND} + CAST(substr({member}, 21, 6) AS INTEGER)", 1)


def related(call: Call) -> Answer:
    """GET /api/things/{id}/others, whose targets live in the `resource` table."""
    exists(call)
    kind, many = relationship_of(call.operation, call.engine.catalogue)
    ids = targets(call.engine.store, call.account, call.operation.base, call.id, call.operation.relationship)
    return answer_related(call, kind, ids, many=many)


def answer_related(call: Call, kind: str, ids: Sequence[str], *, many: bool = True) -> Answer:
    """The resources of a relationship, or their identifiers, as the operation asks."""
    documents = call.engine.documents
    if call.operation.identifiers_only:
        return (
            documents.identifiers(call, kind, ids)
            if many
            else documents.identifier(call, kind, ids[0] if ids else None)
        )
    resources = fetch(call, kind, ids)
    if not many:
        return documents.one(call, resources[0]) if resources else documents.identifier(call, kind, None)
    return documents.many(call, resources)


def fetch(call: Call, kind: str, ids: Iterable[str]) -> list[Resource]:
    """Those of the resources that are there."""
    found = [(one, load(call.engine.store, call.account, kind, one)) for one in ids]
    return [resource(kind, one, attributes, {}) for one, attributes in found if attributes is not None]


def named_lists(call: Call, relationship: str) -> list[str]:
    """The lists that a body's relationship names; an unknown one refuses the request (400, FACTS §7.1)."""
    given = ((call.data.get("relationships") or {}).get(relationship) or {}).get("data") or []
    entries = given if isinstance(given, list) else [given]
    ids = list(dict.fromkeys(entry["id"] for entry in entries))
    for one in ids:
        if load(call.engine.store, call.account, "list", one) is None:
            raise invalid(_MISSING["list"].format(one), pointer=f"/data/relationships/{relationship}/data")
    return ids


def exists(call: Call) -> None:
    """Refusal (404) if the resource that the path starts from is not there; profiles have a table of their own."""
    if call.operation.base != "profile":
        required(call)
    elif call.engine.store.one("SELECT 1 FROM profile WHERE id = ? AND account = ?", call.id, call.account) is None:
        raise missing("profile", call.id)
