"""Bulk import of profiles: all-or-nothing at the door, row by row behind it (FACTS §7.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from clavichord.sandbox import generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import SECOND, micros, seconds
from clavichord.sandbox.documents import Resource
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.errors import ErrorObject, Refusal, problem
from clavichord.sandbox.jobs import Task
from clavichord.sandbox.resources import identity, profiles
from clavichord.sandbox.store import Source

TYPE = "profile-bulk-import-job"
_KEPT = 7 * 86_400 * SECOND
_SLICE = 250
"""rows between two looks at the requests that wait"""
_AT = "/data/attributes/profiles/data"


def bulk_import_profiles(call: Call) -> Answer:
    entries = call.data["attributes"]["profiles"]["data"]
    list_ids = generic.named_lists(call, "lists")
    _check(call, entries)
    job_id = call.engine.ids.import_job(call.account)
    attributes = {
        "status": "queued",
        "created_at": micros(call.now),
        "total_count": len(entries),
        "completed_count": 0,
        "failed_count": 0,
        "completed_at": None,
        "expires_at": seconds((call.now + _KEPT) // SECOND),
        "started_at": None,
    }
    store = call.engine.store
    with store.write():
        generic.insert(store, call.account, TYPE, job_id, attributes, call.now)
        generic.link(store, call.account, TYPE, job_id, "lists", list_ids, call.now)
        call.engine.jobs.submit(call.account, TYPE, {"profiles": entries}, job=job_id)
    attributes["created_at"] = seconds(call.now // SECOND)  # seconds here, microseconds afterwards (LIVE #11)
    return call.engine.documents.one(call, generic.resource(TYPE, job_id, attributes, {"lists": list_ids}))


def _check(call: Call, entries: list[dict[str, Any]]) -> None:
    """One bad row refuses them all; up to a hundred are named. Refusal (400)."""
    caps = call.operation.caps
    found: list[ErrorObject] = []
    for index, entry in enumerate(entries):
        at = f"{_AT}/{index}"
        found += identity.faults(entry["attributes"], f"{at}/attributes", profile_id=entry.get("id"))
        found += identity.meta_faults(entry.get("meta"), f"{at}/meta")
        if caps and caps.item_bytes:
            size = len(msgspec.json.encode(entry))
            if size > caps.item_bytes:
                found.append(problem(inferred.ITEM_TOO_LARGE.format(size=size, max=caps.item_bytes), pointer=at))
        if len(found) >= 100:
            break
    if found:
        raise Refusal(*found[:100])


def _start(engine: Engine, task: Task) -> None:
    attributes = generic.load(engine.store, task.account, TYPE, task.job)
    if attributes is not None:
        now = engine.clock.now()
        attributes |= {"status": "processing", "started_at": micros(now)}
        generic.update(engine.store, task.account, TYPE, task.job, attributes, now)


def _work(engine: Engine, task: Task) -> int | None:
    """One slice. A row that cannot be stored becomes an import-error and does not stop the others."""
    store, now = engine.store, engine.clock.now()
    attributes = generic.load(store, task.account, TYPE, task.job)
    if attributes is None:
        return None
    entries = task.payload["profiles"]
    end = min(task.position + _SLICE, len(entries))
    done: list[str] = []
    for row in range(task.position, end):
        entry = entries[row]
        profile_id, error = _import(engine, task.account, entry, now)
        if profile_id is not None:
            done.append(profile_id)
        else:
            _fail(engine, task, row, entry, error)
            attributes["failed_count"] += 1
    attributes["completed_count"] += len(done)
    generic.link(store, task.account, TYPE, task.job, "profiles", done, now)
    finished = end == len(entries)
    if finished:
        attributes |= {"status": "complete", "completed_at": micros(now)}
        _join_lists(engine, task, now)
    generic.update(store, task.account, TYPE, task.job, attributes, now)
    return None if finished else end


def _import(engine: Engine, account: str, entry: Mapping[str, Any], now: int) -> tuple[str | None, dict[str, Any]]:
    attributes, profile_id = entry["attributes"], entry.get("id")
    row = identity.find(engine.store, account, profile_id, attributes)
    if row is None and profile_id:
        return None, {"detail": f"A profile with id {profile_id} does not exist.", "code": "not_found", "at": "id"}
    if row is None and identity.nameless(attributes):
        return None, {"detail": inferred.IDENTIFIER, "code": "invalid", "at": "attributes"}
    try:
        if row is None:
            return identity.create(engine, account, attributes, entry.get("meta"), now).id, {}
        return identity.change(engine, account, row, attributes, entry.get("meta"), now, nulls=False).id, {}
    except identity.Taken as taken:
        text = f"A profile already exists with this {taken.identifier}: {taken.owner}."
        return None, {"detail": text, "code": "duplicate_profile", "at": f"attributes/{taken.identifier}"}


def _fail(engine: Engine, task: Task, row: int, entry: Mapping[str, Any], error: Mapping[str, Any]) -> None:
    attributes = {
        "code": error["code"],
        "title": {"not_found": "Not found.", "invalid": "Invalid input."}.get(error["code"], "Conflict."),
        "detail": error["detail"],
        "source": {"pointer": f"{_AT}/{row}/{error['at']}"},
        "original_payload": entry,
    }
    engine.store.execute(
        "INSERT INTO import_error (id, account, job, row, attributes) VALUES (?, ?, ?, ?, ?)",
        (engine.ids.uuid(), task.account, task.job, row, msgspec.json.encode(attributes).decode()),
    )


def _join_lists(engine: Engine, task: Task, now: int) -> None:
    """Lists are joined at the end (FACTS §7.1); one that was deleted meanwhile is left out."""
    for list_id in generic.targets(engine.store, task.account, TYPE, task.job, "lists"):
        if generic.load(engine.store, task.account, "list", list_id) is not None:
            engine.store.execute(
                "INSERT OR IGNORE INTO edge (account, type, id, relationship, target, at)"
                " SELECT account, 'list', ?, 'profiles', target, ? FROM edge"
                " WHERE account = ? AND type = ? AND id = ? AND relationship = 'profiles'",
                (list_id, now // SECOND, task.account, TYPE, task.job),
            )


def _resource(call: Call, job_id: str, attributes: str | Mapping[str, Any]) -> Resource:
    """`lists` always resolved (FACTS §3)."""
    list_ids = generic.targets(call.engine.store, call.account, TYPE, job_id, "lists")
    return generic.resource(TYPE, job_id, attributes, {"lists": list_ids})


def get_jobs(call: Call) -> Answer:
    source = generic.source(call.operation, call.account, TYPE)._replace(sort=inferred.IMPORT_JOB_ORDER)
    page = call.engine.store.page(source, call.operation, call.query)
    rows = [_resource(call, row[0], row[1]) for row in page.rows]
    return call.engine.documents.many(call, rows, after=page.next, before=page.prev)


def get_job(call: Call) -> Answer:
    attributes = generic.required(call)
    found = _resource(call, call.id, attributes)
    list_ids = generic.targets(call.engine.store, call.account, TYPE, call.id, "lists")
    return call.engine.documents.one(call, found, generic.fetch(call, "list", list_ids))


def get_errors(call: Call) -> Answer:
    generic.required(call)
    source = Source(
        columns="x.id, x.attributes",
        table="import_error x",
        where="x.account = ? AND x.job = ?",
        parameters=(call.account, call.id),
        id="x.id",
        sort="x.row",
    )
    page = call.engine.store.page(source, call.operation, call.query)
    rows = [generic.resource("import-error", row[0], row[1], {}) for row in page.rows]
    return call.engine.documents.many(call, rows, after=page.next, before=page.prev)


def declare(engine: Engine) -> None:
    engine.jobs.kind(TYPE, _work, _start)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "bulk_import_profiles": bulk_import_profiles,
    "get_bulk_import_profiles_jobs": get_jobs,
    "get_bulk_import_profiles_job": get_job,
    "get_errors_for_bulk_import_profiles_job": get_errors,
    "get_list_for_bulk_import_profiles_job": generic.related,
    "get_list_ids_for_bulk_import_profiles_job": generic.related,
    "get_profiles_for_bulk_import_profiles_job": profiles.members,
    "get_profile_ids_for_bulk_import_profiles_job": profiles.members,
}
