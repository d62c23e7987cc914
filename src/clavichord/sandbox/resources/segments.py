"""Segments: kept definitions whose members are worked out when somebody looks (FACTS §9.4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import completion, crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import SECOND
from clavichord.sandbox.crud import Kind
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.errors import invalid
from clavichord.sandbox.jobs import Task
from clavichord.sandbox.resources import profiles, segment_evaluation
from clavichord.sandbox.resources.segment_evaluation import Evaluation

_PROCESSING = "segment-processing"


def _size(call: Call, segment_id: str) -> int:
    refresh(call.engine, call.account, segment_id)
    return len(_members(call.engine, call.account, segment_id))


SEGMENT = crud.declare(
    Kind(
        type="segment",
        attributes={
            "name": "",
            "definition": None,
            "created": "",
            "updated": "",
            "is_active": True,
            "is_processing": False,
            "is_starred": False,
        },
        inverse={"tags": "segments"},
        additional={"profile_count": _size},
    )
)


def refresh(engine: Engine, account: str, segment_id: str) -> set[str]:
    """The members as of the clock; edges follow, with the second at which somebody was first seen to fit.

    A segment that is still processing, or inactive, keeps the members it had.
    """
    attributes = generic.load(engine.store, account, "segment", segment_id)
    now = engine.clock.now()
    known = _members(engine, account, segment_id)
    if attributes is None or attributes["is_processing"] or not attributes["is_active"]:
        return known
    mark = (engine.store.changes, now // SECOND)
    if engine.evaluated.get((account, segment_id)) == mark:
        return known

    evaluation = Evaluation(engine, account, now, lambda group_id: _group(engine, account, group_id))
    found = evaluation.fitting(attributes["definition"])
    if found != known:
        with engine.store.write():
            generic.unlink(engine.store, account, "segment", segment_id, "profiles", known - found)
            generic.link(engine.store, account, "segment", segment_id, "profiles", sorted(found - known), now)
    engine.evaluated[account, segment_id] = (engine.store.changes, now // SECOND)
    return found


def _group(engine: Engine, account: str, group_id: str) -> set[str]:
    if generic.load(engine.store, account, "segment", group_id) is not None:
        return refresh(engine, account, group_id)
    return set(generic.targets(engine.store, account, "list", group_id, "profiles"))


def _members(engine: Engine, account: str, segment_id: str) -> set[str]:
    return set(generic.targets(engine.store, account, "segment", segment_id, "profiles"))


def _check(call: Call, attributes: dict[str, Any]) -> None:
    given = call.data["attributes"]
    crud.require_name(call, attributes)
    if given.get("is_active") is False and any(
        value is not None for name, value in given.items() if name != "is_active"
    ):
        raise invalid(inferred.DEACTIVATED_ALONE, pointer="/data/attributes/is_active")
    if given.get("definition") is not None:
        segment_evaluation.check(attributes["definition"], lambda kind, one: _exists(call, kind, one))
        _refuse_cycle(call, attributes["definition"], call.id)
        schema = {"$ref": "#/SegmentDefinition"}
        attributes["definition"] = completion.complete(call.engine.catalogue, schema, attributes["definition"])
        attributes["is_processing"] = True


def _exists(call: Call, kind: str, one: str) -> bool:
    types = ("metric",) if kind == "metric" else ("list", "segment")
    return any(crud.known(call, type_name, one) for type_name in types)


def _refuse_cycle(call: Call, definition: Mapping[str, Any], own_id: str) -> None:
    """And what is nested so deeply that it could not be worked out."""
    seen: set[str] = set()
    open_ids = _groups_of(definition)
    while open_ids:
        one = open_ids.pop()
        if one == own_id:
            text = inferred.SEGMENT_CYCLE.format(own_id)
            raise invalid(text, pointer="/data/attributes/definition")
        attributes = generic.load(call.engine.store, call.account, "segment", one)
        if attributes is not None and one not in seen:
            seen.add(one)
            open_ids += _groups_of(attributes["definition"])
        if len(seen) > inferred.MAX_NESTED_SEGMENTS:
            text = inferred.TOO_MANY_RESOURCES.format(max=inferred.MAX_NESTED_SEGMENTS, what="segments in a segment")
            raise invalid(text, pointer="/data/attributes/definition")


def _groups_of(definition: Mapping[str, Any]) -> list[str]:
    conditions = (condition for group in definition["condition_groups"] for condition in group["conditions"])
    return [one for condition in conditions for one in condition.get("group_ids", ())]


def _process(call: Call, segment_id: str, attributes: dict[str, Any]) -> None:
    if attributes["is_processing"]:
        call.engine.jobs.submit(call.account, _PROCESSING, None, job=segment_id)


def _processed(engine: Engine, task: Task) -> None:
    """Whoever fits by now is in; a delay of the sandbox's jobs delays this too."""
    attributes = generic.load(engine.store, task.account, "segment", task.job)
    if attributes is not None:
        attributes["is_processing"] = False
        engine.store.execute(
            "UPDATE resource SET attributes = json_set(attributes, '$.is_processing', json('false'))"
            " WHERE account = ? AND type = 'segment' AND id = ?",
            (task.account, task.job),
        )
        refresh(engine, task.account, task.job)


def get_profiles_for_segment(call: Call) -> Answer:
    generic.required(call)
    refresh(call.engine, call.account, call.id)
    return profiles.members(call)


def get_segments_for_profile(call: Call) -> Answer:
    generic.exists(call)
    return generic.answer_related(call, "segment", segments_of(call, call.id))


def segments_of(call: Call, profile_id: str) -> list[str]:
    """The segments a profile is in now."""
    rows = call.engine.store.execute(
        "SELECT id FROM resource WHERE account = ? AND type = 'segment' ORDER BY id", (call.account,)
    ).fetchall()
    return [row[0] for row in rows if profile_id in refresh(call.engine, call.account, row[0])]


def declare(engine: Engine) -> None:
    engine.jobs.kind(_PROCESSING, _processed)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_segments": crud.collection,
    "create_segment": crud.create(SEGMENT, prepare=_check, after=_process),
    "get_segment": crud.item,
    "update_segment": crud.update(SEGMENT, prepare=_check, after=_process),
    "delete_segment": crud.delete(SEGMENT),
    "get_profiles_for_segment": get_profiles_for_segment,
    "get_profile_ids_for_segment": get_profiles_for_segment,
    "get_segments_for_profile": get_segments_for_profile,
    "get_segment_ids_for_profile": get_segments_for_profile,
    "get_flows_triggered_by_segment": crud.related,
    "get_ids_for_flows_triggered_by_segment": crud.related,
}
