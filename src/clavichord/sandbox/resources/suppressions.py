"""Suppressing and unsuppressing e-mail addresses in bulk (FACTS §7.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import generic
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import micros
from clavichord.sandbox.documents import Linkage, Resource
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.errors import ErrorObject, Refusal, invalid
from clavichord.sandbox.filters import Column
from clavichord.sandbox.jobs import Task
from clavichord.sandbox.resources import identity, segments
from clavichord.sandbox.resources.consent import Consent

_SUPPRESS, _UNSUPPRESS = "profile-suppression-bulk-create-job", "profile-suppression-bulk-delete-job"
_SLICE = 100
_FROM = (
    "EXISTS (SELECT 1 FROM edge e WHERE e.account = r.account AND e.type = r.type AND e.id = r.id"
    " AND e.relationship = '{}' AND e.target {{}})"
)


def create_job(call: Call) -> Answer:
    """Addresses, or one list, or the members that a segment has now."""
    kind = call.operation.base
    given = (call.data.get("attributes") or {}).get("profiles") or {}
    relationships = call.data.get("relationships") or {}
    list_ids = generic.named_lists(call, "list")
    segment = (relationships.get("segment") or {}).get("data")
    if bool(given) + bool(list_ids) + bool(segment) != 1:
        raise invalid("Exactly one of profiles, list or segment must be given.", pointer="/data")
    if segment and generic.load(call.engine.store, call.account, "segment", segment["id"]) is None:
        text = f"A segment with id `{segment['id']}` does not exist."
        raise invalid(text, pointer="/data/relationships/segment/data")
    segment_ids = [segment["id"]] if segment else []
    members = sorted(segments.refresh(call.engine, call.account, segment["id"])) if segment else []
    entries = given.get("data") or []
    found: list[ErrorObject] = []
    for index, entry in enumerate(entries):
        found += identity.faults(entry["attributes"], f"/data/attributes/profiles/data/{index}/attributes")
    if found:
        raise Refusal(*found)
    # Recorded: processing, nothing counted, and completed_at already set.
    attributes = {
        "status": "processing",
        "created_at": micros(call.now),
        "total_count": 0,
        "completed_count": 0,
        "completed_at": micros(call.now),
        "skipped_count": 0,
    }
    job_id = call.engine.ids.ulid()
    store = call.engine.store
    with store.write():
        generic.insert(store, call.account, kind, job_id, attributes, call.now)
        generic.link(store, call.account, kind, job_id, "lists", list_ids, call.now)
        generic.link(store, call.account, kind, job_id, "segments", segment_ids, call.now)
        emails = [entry["attributes"]["email"] for entry in entries]
        payload = {"emails": emails, "lists": list_ids, "members": members}
        call.engine.jobs.submit(call.account, kind, payload, job=job_id)
    return call.engine.documents.one(call, generic.resource(kind, job_id, attributes, {}))


def _work(engine: Engine, task: Task) -> int | None:
    store, now = engine.store, engine.clock.now()
    attributes = generic.load(store, task.account, task.kind, task.job)
    if attributes is None:
        return None
    if task.payload["lists"]:
        ids: list[Any] = generic.targets(store, task.account, "list", task.payload["lists"][0], "profiles")
    else:
        ids = task.payload["emails"] or task.payload["members"]
    end = min(task.position + _SLICE, len(ids))
    for one in ids[task.position : end]:
        changed = _apply(engine, task, one, now)
        attributes["completed_count" if changed else "skipped_count"] += 1
    attributes["total_count"] = len(ids)
    if end == len(ids):
        attributes |= {"status": "complete", "completed_at": micros(now)}
    generic.update(store, task.account, task.kind, task.job, attributes, now)
    return None if end == len(ids) else end


def _apply(engine: Engine, task: Task, one: str, now: int) -> bool:
    """Suppressing makes a profile for an unknown address (inferred); unsuppressing does not."""
    known = not task.payload["emails"]
    if known:
        profile = identity.load(engine.store, task.account, one)
    else:
        profile = identity.find(engine.store, task.account, None, {"email": one})
    if profile is None:
        if task.kind == _UNSUPPRESS or known:
            return False
        profile = identity.create(engine, task.account, {"email": one}, None, now)
    consent = Consent(profile)
    changed = consent.suppress("USER_SUPPRESSED", now) if task.kind == _SUPPRESS else consent.unsuppress(now)
    if changed:
        consent.save(engine, task.account)
    return changed


def _resource(call: Call, job_id: str, attributes: str | Mapping[str, Any]) -> Resource:
    """`lists` has data only when the job was made from a list (LIVE #17), `segments` likewise."""
    store, kind = call.engine.store, call.operation.base
    named = {name: generic.targets(store, call.account, kind, job_id, name) for name in ("lists", "segments")}
    linked: Mapping[str, Linkage] = {name: ids for name, ids in named.items() if ids}
    return generic.resource(call.operation.base, job_id, attributes, linked)


def get_jobs(call: Call) -> Answer:
    kind = call.operation.base
    source = generic.source(call.operation, call.account, kind)
    source = source._replace(
        sort="-r.id",  # the newest first, as recorded
        filters={
            **source.filters,
            "list_id": Column(_FROM.format("lists")),
            "segment_id": Column(_FROM.format("segments")),
        },
    )
    page = call.engine.store.page(source, call.operation, call.query)
    rows = [_resource(call, row[0], row[1]) for row in page.rows]
    return call.engine.documents.many(call, rows, after=page.next, before=page.prev)


def get_job(call: Call) -> Answer:
    return call.engine.documents.one(call, _resource(call, call.id, generic.required(call)))


def declare(engine: Engine) -> None:
    engine.jobs.kind(_SUPPRESS, _work)
    engine.jobs.kind(_UNSUPPRESS, _work)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "bulk_suppress_profiles": create_job,
    "bulk_unsuppress_profiles": create_job,
    "get_bulk_suppress_profiles_jobs": get_jobs,
    "get_bulk_unsuppress_profiles_jobs": get_jobs,
    "get_bulk_suppress_profiles_job": get_job,
    "get_bulk_unsuppress_profiles_job": get_job,
}
