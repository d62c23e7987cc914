"""Flows: create from a definition, status, delete (FACTS §9.7). Nobody enters them: the sandbox does not run flows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import SECOND, parse, seconds
from clavichord.sandbox.crud import Kind
from clavichord.sandbox.documents import Resource
from clavichord.sandbox.errors import invalid
from clavichord.sandbox.resources import flow_actions
from clavichord.sandbox.resources import flow_definitions as definitions

_STATUSES = ("draft", "manual", "live")


def definition_of(call: Call, flow_id: str) -> dict[str, Any]:
    """The definition as it stands now, from the flow's actions."""
    state = crud.state(call, "flow", flow_id)
    actions = [action["definition"] for _, action in flow_actions.of_flow(call, flow_id)]
    found = {
        "triggers": state["triggers"],
        "profile_filter": state["profile_filter"],
        "actions": actions,
        "entry_action_id": state["entry_action_id"],
    }
    return found | ({"reentry_criteria": state["reentry_criteria"]} if "reentry_criteria" in state else {})


FLOW = crud.declare(
    Kind(
        type="flow",
        attributes={
            "name": "",
            "status": "draft",
            "archived": False,
            "created": "",
            "updated": "",
            "trigger_type": "Unconfigured",
        },
        inverse={"tags": "flows"},
        additional={"definition": definition_of},
    )
)


def _prepare_new(call: Call, attributes: dict[str, Any]) -> None:
    if not attributes["name"].strip():
        raise invalid("'name' must not be empty.", pointer="/data/attributes/name")
    definition = call.data["attributes"]["definition"]
    definitions.check(definition)
    for trigger in definition["triggers"]:
        attributes["trigger_type"] = definitions.TRIGGER_TYPES[trigger["type"]]
    if "flow" not in call.query.fields:
        call.query.additional["flow"] = ["definition"]  # a create always answers it


def _add_actions(call: Call, flow_id: str, attributes: dict[str, Any]) -> None:
    definition = call.data["attributes"]["definition"]
    ids = flow_actions.new_ids(call, [action["temporary_id"] for action in definition["actions"]])
    for index, action in enumerate(definition["actions"]):
        at = f"{definitions.AT}/actions/{index}"
        flow_actions.add(call, flow_id, definitions.relinked(action, ids), ids[action["temporary_id"]], at)
    state = {
        "triggers": definition["triggers"],
        "profile_filter": definition.get("profile_filter"),
        "entry_action_id": ids.get(definition["entry_action_id"] or ""),
    }
    if definition.get("reentry_criteria") is not None:
        state["reentry_criteria"] = definition["reentry_criteria"]
    crud.keep(call, "flow", flow_id, state)
    for trigger in definition["triggers"]:
        if trigger["type"] in ("list", "segment", "metric") and trigger.get("id"):
            crud.link(call, trigger["type"], trigger["id"], "flow-triggers", [flow_id])


def get_flows(call: Call) -> Answer:
    """Bounds in the future are refused, and so is another sort than by the date that is filtered (FACTS §4.1)."""
    for condition in call.query.conditions:
        if condition.field not in ("created", "updated") or condition.value is None:
            continue
        text = "" if isinstance(condition.value, list) else condition.value.text
        if (parse(text) or 0) > call.now:
            raise invalid(inferred.FUTURE_BOUND.format(field=condition.field), parameter="filter")
        if call.query.sort and call.query.sort != condition.field:
            raise invalid(inferred.SORT_BY_FILTER.format(field=condition.field), parameter="sort")
    page = call.engine.store.page(crud.source(call, "flow"), call.operation, call.query)
    rows = [_newest_first(crud.resource(call, "flow", row[0], row[1], primary=True)) for row in page.rows]
    return call.engine.documents.many(call, rows, crud.included(call, rows), page.next, page.prev)


def get_flow(call: Call) -> Answer:
    flow = _newest_first(crud.resource(call, "flow", call.id, generic.required(call), primary=True))
    return call.engine.documents.one(call, flow, crud.included(call, [flow]))


def _newest_first(flow: Resource) -> Resource:
    """`include=flow-actions` lists the newest id first (LIVE #16)."""
    actions = flow.linked.get("flow-actions")
    if not isinstance(actions, Sequence):
        return flow
    return flow._replace(linked={**flow.linked, "flow-actions": sorted(actions, reverse=True)})


def _check_status(call: Call, attributes: dict[str, Any]) -> None:
    if attributes["status"] not in _STATUSES:
        text = inferred.CHOICE.format(given=attributes["status"], name="status")
        raise invalid(text, pointer="/data/attributes/status")


def _cascade(call: Call, flow_id: str, attributes: dict[str, Any]) -> None:
    """A flow's status becomes that of all its actions."""
    for action_id, action in flow_actions.of_flow(call, flow_id):
        action["definition"] = definitions.with_status(action["definition"], attributes["status"])
        action["updated"] = seconds(call.now // SECOND)
        generic.update(call.engine.store, call.account, "flow-action", action_id, action, call.now)


def _drop(call: Call, flow_id: str, attributes: dict[str, Any]) -> None:
    """Copies of templates outlive their flow (FACTS §9.7)."""
    for action_id, _ in flow_actions.of_flow(call, flow_id):
        flow_actions.drop(call, action_id)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_flows": get_flows,
    "create_flow": crud.create(FLOW, prepare=_prepare_new, after=_add_actions),
    "get_flow": get_flow,
    "update_flow": crud.update(FLOW, prepare=_check_status, after=_cascade),
    "delete_flow": crud.delete(FLOW, after=_drop),
    "get_tags_for_flow": crud.related,
    "get_tag_ids_for_flow": crud.related,
}
