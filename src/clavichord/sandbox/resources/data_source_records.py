"""Records of data sources: stored as they come, and read with the source mappings that want them (FACTS §9.13)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import parse
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.errors import ErrorObject, Refusal, invalid, problem
from clavichord.sandbox.jobs import Task
from clavichord.sandbox.resources import object_records, source_mappings

_RAW = "data-source-record"
_INGESTION = "data-source-record-bulk-create-job"
_SLICE = 50
"""records between two looks at the requests that wait"""
_FAULTS = {
    "string": ("string_type", "Input should be a valid string"),
    "int": ("int_type", "Input should be a valid integer"),
    "float": ("float_type", "Input should be a valid number"),
    "boolean": ("bool_type", "Input should be a valid boolean"),
    "timestamp": ("datetime_type", "Input should be a valid datetime"),
    "list_str": ("list_type", "Input should be a valid list of strings"),
}
"""type of a property → code and message of a value that does not fit (codes as in the spec's example)"""


class _Definition(NamedTuple):
    """What has to be known of an object type to read a record."""

    type_id: str
    properties: Mapping[int, Mapping[str, Any]]
    """by id"""
    required: list[str]
    mappings: list[Mapping[str, Any]]


def bulk_create_data_source_records(call: Call) -> Answer:
    given = call.data["attributes"].get("data-source-records") or {"data": []}
    return _accept(call, given["data"], "/data/attributes/data-source-records/data/{}")


def create_data_source_record(call: Call) -> Answer:
    return _accept(
        call, [call.data["attributes"]["data-source-record"]["data"]], "/data/attributes/data-source-record/data"
    )


def _accept(call: Call, entries: list[Any], at: str) -> Answer:
    """Stores the records as they are: there need not be an object type that wants them yet."""
    sources = crud.named(((call.data.get("relationships") or {}).get("data-source") or {}).get("data"))
    if not sources:
        raise invalid(inferred.REQUIRED.format(name="data-source"), pointer="/data/relationships/data-source/data")
    crud.require_all(call, "data-source", sources)
    most = call.operation.caps.item_bytes if call.operation.caps else 0
    found: list[ErrorObject] = []
    for number, entry in enumerate(entries):
        size = len(msgspec.json.encode(entry["attributes"]["record"]))
        if most and size > most:
            text = inferred.ITEM_TOO_LARGE.format(size=size, max=most)
            found.append(problem(text, pointer=at.format(number)))
    if found:
        raise Refusal(*found[:100])
    store, ids = call.engine.store, [call.engine.ids.ulid() for _ in entries]
    with store.write():
        for record_id, entry in zip(ids, entries, strict=True):
            generic.insert(store, call.account, _RAW, record_id, entry["attributes"]["record"], call.now)
        generic.link(store, call.account, "data-source", sources[0], "data-source-records", ids, call.now)
        call.engine.jobs.submit(call.account, _INGESTION, {"records": ids, "type": None})
    return Answer(call.operation.status)


def read_again(engine: Engine, account: str, type_id: str) -> None:
    """Makes an object type's records of all that its data sources hold, inside a transaction."""
    found = [one for one in _definitions(engine, account) if one.type_id == type_id]
    sources = {mapping["source"]["source_id"] for one in found for mapping in one.mappings if "source" in mapping}
    ids = [
        record_id
        for source_id in sorted(sources)
        for record_id in generic.targets(engine.store, account, "data-source", source_id, "data-source-records")
    ]
    if ids:
        engine.jobs.submit(account, _INGESTION, {"records": ids, "type": type_id})


def _definitions(engine: Engine, account: str) -> Iterator[_Definition]:
    """The object types of an account that have a current schema."""
    rows = engine.store.execute(
        "SELECT t.id, s.attributes, m.attributes FROM edge t"
        " JOIN resource s ON s.account = t.account AND s.type = 'object-schema' AND s.id = t.target"
        " JOIN edge l ON l.account = t.account AND l.type = s.type AND l.id = s.id"
        " JOIN resource m ON m.account = t.account AND m.type = 'source-mapping' AND m.id = l.target"
        " WHERE t.account = ? AND t.type = 'object-type' AND t.relationship = 'current-schema'"
        " AND l.relationship = 'source-mapping' ORDER BY t.id",
        (account,),
    ).fetchall()
    for type_id, encoded, mapping in rows:
        schema = msgspec.json.decode(encoded)
        properties = {one["id"]: one for one in schema["properties"]}
        yield _Definition(type_id, properties, schema["required"], msgspec.json.decode(mapping)["property_mappings"])


def _ingest(engine: Engine, task: Task) -> int | None:
    definitions = [one for one in _definitions(engine, task.account) if task.payload["type"] in (None, one.type_id)]
    ids = task.payload["records"]
    end = min(task.position + _SLICE, len(ids))
    for raw_id in ids[task.position : end]:
        row = engine.store.one(
            "SELECT e.id, r.attributes FROM edge e JOIN resource r ON r.account = e.account AND r.id = e.target"
            " WHERE r.type = ? AND e.account = ? AND e.target = ? AND e.type = 'data-source'",
            _RAW,
            task.account,
            raw_id,
        )
        if row is None:  # its data source was deleted meanwhile
            continue
        record = msgspec.json.decode(row[1])
        for definition in definitions:
            _read(engine, task.account, definition, row[0], record)
    return None if end == len(ids) else end


def _read(engine: Engine, account: str, definition: _Definition, source_id: str, record: Any) -> None:
    """Stores the object record that a raw record makes, or logs why it makes none."""
    mappings = [one for one in definition.mappings if one.get("source", {}).get("source_id") == source_id]
    if not mappings:
        return
    id_path = mappings[0]["source"]["id_path"]
    found = _value(id_path, record)
    if type(found) not in (str, int) or found == "":
        object_records.log(
            engine, account, definition.type_id, None, [_fault("missing", "Field required", id_path, None)]
        )
        return
    record_id = f"{definition.type_id}:::{found}"
    known = generic.load(engine.store, account, "object-record", record_id) or {"record_properties": {}}
    properties: dict[str, Any] = known["record_properties"]
    errors: list[dict[str, Any]] = []
    for mapping in definition.mappings:
        wanted = definition.properties.get(mapping["id"])
        if wanted is None or (mapping["type"] == "simple" and mapping not in mappings):
            continue
        value = mapping["value"] if mapping["type"] == "constant" else _value(mapping["source"]["data_path"], record)
        if value is not None and not _fits(wanted["type"], value):
            errors.append(_fault(*_FAULTS[wanted["type"]], wanted["name"], value))
        properties[wanted["name"]] = value
    for name in definition.required:
        if properties.get(name) is None:
            errors.append(_fault("missing", "Field required", name, None))
    if errors:
        object_records.log(engine, account, definition.type_id, record_id, errors)
        return
    object_records.store(engine, account, definition.type_id, record_id, properties)


def _value(path: str, record: Any) -> Any:
    """None where there is none."""
    try:
        return source_mappings.select(path, record)
    except source_mappings.Missing:
        return None


def _fits(kind: str, value: Any) -> bool:
    if kind == "timestamp":
        return isinstance(value, str) and parse(value) is not None
    if kind == "float":
        return type(value) in (int, float)
    if kind == "list_str":
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    return type(value) is {"string": str, "int": int, "boolean": bool}[kind]


def _fault(code: str, message: str, name: str, value: Any) -> dict[str, Any]:
    shown = None if value is None else msgspec.json.encode(value).decode()
    return {"code": code, "message": message, "property": name, "invalid_value": shown}


def declare(engine: Engine) -> None:
    engine.jobs.kind(_INGESTION, _ingest)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "bulk_create_data_source_records": bulk_create_data_source_records,
    "create_data_source_record": create_data_source_record,
}
