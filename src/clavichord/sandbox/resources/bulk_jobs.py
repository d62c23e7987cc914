"""Bulk jobs that do to every entry what the single operation would do to it: catalogs and coupon codes (FACTS §7.6)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import SECOND, micros
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.errors import Refusal, invalid
from clavichord.sandbox.jobs import Task, Work
from clavichord.sandbox.query import Query

Shown = Callable[[Call, str], tuple[str, ...] | None]

_KEPT = 7 * 86_400 * SECOND
_SLICE = 50
"""entries between two looks at the requests that wait"""


class BulkJob(NamedTuple):
    """One kind of job."""

    type: str
    """its JSON:API type: `catalog-item-bulk-create-job`"""
    entries: str
    """the attribute that holds the entries, and the relationship that holds what came of them: `items`"""
    operation: str
    """the single operation: `create_catalog_item`"""
    single: Behaviour
    kind: crud.Kind
    """of the entries"""


def kind(type_name: str, entries: str, shown: Shown = lambda call, job_id: None) -> crud.Kind:
    """How jobs are kept: the newest first, and what came of one is answered whenever it is read (recorded)."""
    return crud.Kind(
        type=type_name,
        attributes={},
        resolved=(entries,),
        resolves=lambda call: call.operation.method == "GET",
        shown=shown,
        order="-r.id",
    )


def _create(job: BulkJob) -> Behaviour:
    """POST /api/…-jobs: accepted whole, done entry by entry; recorded with `processing` from the start."""

    def behave(call: Call) -> Answer:
        entries = call.data["attributes"][job.entries]["data"]
        _admit(call, job)
        job_id = call.engine.ids.ulid()
        attributes = {
            "status": "processing",
            "created_at": micros(call.now),
            "total_count": len(entries),
            "completed_count": 0,
            "failed_count": 0,
            "completed_at": None,
            "errors": [],
            "expires_at": micros(call.now + _KEPT),
        }
        with call.engine.store.write():
            generic.insert(call.engine.store, call.account, job.type, job_id, attributes, call.now)
            call.engine.jobs.submit(call.account, job.type, entries, job=job_id)
        return crud.show(call, job.type, job_id, attributes)

    return behave


def _admit(call: Call, job: BulkJob) -> None:
    """Refusal (400, inferred) when too many jobs of the kind are in progress."""
    most = call.operation.caps.queued_jobs if call.operation.caps else 0
    row = call.engine.store.one("SELECT count(*) FROM task WHERE account = ? AND kind = ?", call.account, job.type)
    if most and row and row[0] >= most:
        raise invalid(inferred.TOO_MANY_JOBS.format(max=most), pointer="/data")


def _work(job: BulkJob) -> Work:
    def do(engine: Engine, task: Task) -> int | None:
        attributes = generic.load(engine.store, task.account, job.type, task.job)
        if attributes is None:
            return None
        now = engine.clock.now()
        end = min(task.position + _SLICE, len(task.payload))
        done: list[str] = []
        for number in range(task.position, end):
            entry = task.payload[number]
            call = Call(
                engine=engine,
                operation=engine.catalogue.operations[job.operation],
                account=task.account,
                now=now,
                path="",
                id=entry.get("id", ""),
                query=Query([]),
                data=entry,
            )
            errors = _apply(call, job, number)
            if not errors:
                done.append(call.id or job.kind.new_id(call))
            attributes["errors"] += errors
        attributes["completed_count"] += len(done)
        attributes["failed_count"] = end - attributes["completed_count"]
        generic.link(engine.store, task.account, job.type, task.job, job.entries, done, now)
        finished = end == len(task.payload)
        if finished:
            attributes |= {"status": "complete", "completed_at": micros(now)}
        generic.update(engine.store, task.account, job.type, task.job, attributes, now)
        return None if finished else end

    return do


def _apply(call: Call, job: BulkJob, number: int) -> list[dict[str, Any]]:
    """What is wrong with the entry, [] if it is done; a refused one leaves nothing behind."""
    store = call.engine.store
    store.execute("SAVEPOINT entry")
    try:
        job.single(call)
    except Refusal as refusal:
        store.execute("ROLLBACK TO entry")
        at = f"/data/attributes/{job.entries}/data/{number}"
        return [
            {
                "id": call.engine.ids.uuid(),
                "code": error.code,
                "title": error.title,
                "detail": error.detail,
                "source": {"pointer": at + error.source.get("pointer", "").removeprefix("/data").rstrip("/")},
            }
            for error in refusal.errors
        ]
    finally:
        store.execute("RELEASE entry")
    return []


def declare(engine: Engine, job: BulkJob) -> None:
    engine.jobs.kind(job.type, _work(job))


def behaviours(job: BulkJob, create_id: str, list_id: str, get_id: str) -> Mapping[str, Behaviour]:
    return {create_id: _create(job), list_id: crud.collection, get_id: crud.item}
