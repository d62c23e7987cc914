"""Object records and the log of what failed to become one (FACTS §9.13)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import SECOND, seconds
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.errors import invalid, not_found
from clavichord.sandbox.filters import Column
from clavichord.sandbox.jobs import Task

_DELETION = "object-record-bulk-delete-job"
_KEPT = 14 * 86_400 * SECOND
_LOGS = 50
"""a page of logs"""

crud.declare(crud.Kind(type="object-record", attributes={"record_properties": {}}, created="", updated=""))


def _with_record(call: Call, log_id: str) -> tuple[str, ...]:
    """`object-record` is there only when the failure belongs to a record."""
    record = crud.targets(call, "object-ingestion-log", log_id, "object-record")
    return ("object-type", "object-record") if record else ("object-type",)


crud.declare(
    crud.Kind(
        type="object-ingestion-log",
        attributes={},
        resolved=("object-type", "object-record"),
        shown=_with_record,
        order="-r.created",
        filters={  # the compound id or its last part (inferred)
            "record_id": Column(
                "EXISTS (SELECT 1 FROM edge f, (SELECT 0 AS whole UNION SELECT 1)"
                " WHERE f.account = r.account AND f.type = r.type AND f.id = r.id AND f.relationship = 'object-record'"
                " AND iif(whole, f.target, substr(f.target, instr(f.target, ':::') + 3)) {})"
            )
        },
    )
)


def store(engine: Engine, account: str, type_id: str, record_id: str, properties: Mapping[str, Any]) -> None:
    """Makes or replaces an object record, inside a transaction."""
    now = engine.clock.now()
    attributes = {"record_properties": properties}
    if generic.load(engine.store, account, "object-record", record_id) is None:
        generic.insert(engine.store, account, "object-record", record_id, attributes, now)
        generic.link(engine.store, account, "object-type", type_id, "object-records", [record_id], now)
    else:
        generic.update(engine.store, account, "object-record", record_id, attributes, now)


def log(engine: Engine, account: str, type_id: str, record_id: str | None, errors: list[dict[str, Any]]) -> None:
    """Notes that a record failed; it has no id where none could be read."""
    now, log_id = engine.clock.now(), engine.ids.uuid()
    about = record_id.partition(":::")[2] if record_id else "a record without id"
    attributes = {
        "status": "error",
        "event_type": "validation_error",
        "timestamp": seconds(now // SECOND),
        "summary": f"{len(errors)} validation error{'s' if len(errors) > 1 else ''} for {about}",
        "errors": errors,
    }
    generic.insert(engine.store, account, "object-ingestion-log", log_id, attributes, now)
    generic.link(engine.store, account, "object-ingestion-log", log_id, "object-type", [type_id], now)
    if record_id:
        generic.link(engine.store, account, "object-ingestion-log", log_id, "object-record", [record_id], now)


def get_ingestion_logs(call: Call) -> Answer:
    """The failures of 14 days, newest first."""
    generic.required(call)
    call.query.size = _LOGS
    logs = crud.source(
        call,
        "object-ingestion-log",
        table="edge e JOIN resource r ON r.account = e.account AND r.id = e.id",
        where=" AND e.type = r.type AND e.relationship = 'object-type' AND e.target = ? AND r.created >= ?",
        parameters=(call.id, call.now - _KEPT),
    )
    return crud.pages(call, logs)


def _require_type(call: Call, record_id: str) -> None:
    """Refusal (404) for a record of an object type that is not there: that is what the answer speaks of."""
    type_id = record_id.partition(":::")[0]
    if not crud.known(call, "object-type", type_id):
        raise not_found(generic.OBJECT_TYPE_GONE.format(type_id))


def get_object_record(call: Call) -> Answer:
    _require_type(call, call.id)
    return crud.item(call)


def bulk_delete_object_records(call: Call) -> Answer:
    """Ids that nothing has are passed over (inferred), if their object type is there."""
    ids = crud.named(call.data["relationships"]["object-records"].get("data"))
    most = call.operation.caps.items if call.operation.caps else 0
    if most and len(ids) > most:
        text = inferred.TOO_MANY.format(given=len(ids), max=most)
        raise invalid(text, pointer="/data/relationships/object-records/data")
    for record_id in ids:
        _require_type(call, record_id)
    call.engine.jobs.submit(call.account, _DELETION, ids)
    return Answer(call.operation.status)


def _delete(engine: Engine, task: Task) -> None:
    erase(engine, task.account, task.payload)


def erase(engine: Engine, account: str, ids: Iterable[str]) -> None:
    """Deletes object records, inside a transaction; logs that name one go on naming it."""
    for record_id in ids:
        gone = (account, record_id)
        engine.store.execute("DELETE FROM resource WHERE account = ? AND type = 'object-record' AND id = ?", gone)
        engine.store.execute(
            "DELETE FROM edge WHERE account = ? AND target = ? AND type = 'object-type'"
            " AND relationship = 'object-records'",
            gone,
        )


def declare(engine: Engine) -> None:
    engine.jobs.kind(_DELETION, _delete)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "bulk_delete_object_records": bulk_delete_object_records,
    "get_object_record": get_object_record,
    "get_records_for_object_type": crud.related,
    "get_record_ids_for_object_type": crud.related,
    "get_ingestion_logs_for_object_type": get_ingestion_logs,
    "get_ingestion_log_ids_for_object_type": get_ingestion_logs,
}
