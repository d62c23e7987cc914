"""A new action in a flow that is there: on a link of another, before another, or as the first (2026-10-15)."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, NamedTuple

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import SECOND, micros, seconds
from clavichord.sandbox.errors import Refusal, invalid
from clavichord.sandbox.resources import flow_actions
from clavichord.sandbox.resources import flow_definitions as definitions

_ANCHOR = "/data/attributes/anchor-action/data"
_MULTI_BRANCH = "multi-branch-split"


class _Place(NamedTuple):
    """Where a new action goes."""

    flow: str
    after: str | None = None
    """the action on whose link it is inserted"""
    link: str = ""
    before: str | None = None
    """the action that follows it"""


def insert(call: Call) -> Answer:
    given = call.data["attributes"]
    definition = copy.deepcopy(dict(given["definition"]))
    _check(call, definition)
    place = _place(call, definition)
    flow = generic.required(call, "flow", place.flow)
    action_id = next(iter(flow_actions.new_ids(call, ["new"]).values()))
    joined = _without_joined(definition)
    definition["links"] = {"next": place.before}
    if definition["type"] == _MULTI_BRANCH:
        definition["links"] = _branches(call, definition, place.before, joined)
    faults = call.engine.bodies.faults(
        definitions.schema_name(call.engine.catalogue, definition["type"]), definition, definitions.AT
    )
    if faults:
        raise Refusal(*faults)
    completed = definitions.completed(call.engine.catalogue, definition, action_id)
    if "status" in (completed.get("data") or {}):
        definition["data"] = (definition.get("data") or {}) | {"status": "draft"}
    elif flow["status"] == "live" and not given.get("allow_live_action"):
        raise invalid(inferred.LIVE_ACTION, pointer="/data/attributes/allow_live_action")
    with call.engine.store.write():
        _reconnect(call, place, action_id)
        flow_actions.add(call, place.flow, definition, action_id, definitions.AT)
        flow["updated"] = seconds(call.now // SECOND)
        generic.update(call.engine.store, call.account, "flow", place.flow, flow, call.now)
    stored = generic.required(call, "flow-action", action_id)
    return crud.show(call, "flow-action", action_id, stored | dict.fromkeys(("created", "updated"), micros(call.now)))


def _check(call: Call, definition: Mapping[str, Any]) -> None:
    for name in ("type", "temporary_id"):
        if not isinstance(definition.get(name), str) or not definition[name]:
            raise invalid(inferred.REQUIRED.format(name=name), pointer=f"{definitions.AT}/{name}")
    if definition.get("id") is not None:
        raise invalid("'id' is not allowed on create; use 'temporary_id'.", pointer=f"{definitions.AT}/id")
    kind = definition["type"]
    if not definitions.schema_name(call.engine.catalogue, kind):
        raise invalid(inferred.CHOICE.format(given=kind, name="type"), pointer=f"{definitions.AT}/type")
    if kind in inferred.NOT_INSERTABLE:
        raise invalid(inferred.INSERT_TYPE.format(type=kind), pointer=f"{definitions.AT}/type")


def _place(call: Call, definition: Mapping[str, Any]) -> _Place:
    anchor = call.data["attributes"].get("anchor-action")
    flow = ((call.data.get("relationships") or {}).get("flow") or {}).get("data")
    given = definition.get("links")
    links = dict(definitions.links_of(definition)) if isinstance(given, dict) else {}
    if bool(anchor) + bool(links) + bool(flow) != 1:
        raise invalid(inferred.INSERT_PLACE, pointer="/data")
    if anchor:
        return _on_link(call, anchor["data"], definition["temporary_id"])
    if links:
        return _before(call, links)
    assert flow is not None
    if not crud.known(call, "flow", flow["id"]):
        raise generic.missing("flow", flow["id"])
    if flow_actions.of_flow(call, flow["id"]):
        raise invalid(inferred.FLOW_NOT_EMPTY.format(id=flow["id"]), pointer="/data/relationships/flow/data/id")
    return _Place(flow["id"])


def _on_link(call: Call, anchor: Mapping[str, Any], temporary_id: str) -> _Place:
    stored = _action(call, anchor["id"], f"{_ANCHOR}/id")
    said = anchor["attributes"]["definition"]
    if said.get("type") != stored["type"]:
        text = inferred.ANCHOR_TYPE.format(type=stored["type"])
        raise invalid(text, pointer=f"{_ANCHOR}/attributes/definition/type")
    at = f"{_ANCHOR}/attributes/definition/links"
    links = said.get("links") if isinstance(said.get("links"), dict) else {}
    if list(links.values()) != [temporary_id]:
        raise invalid(inferred.ANCHOR_LINK.format(temporary_id=temporary_id), pointer=at)
    name = next(iter(links))
    known = stored.get("links") or {}
    branches = [one["branch_id"] for one in (stored.get("data") or {}).get("branches") or ()]
    if name not in known and name not in branches:
        raise invalid(inferred.NO_SUCH_LINK.format(name=name), pointer=f"{at}/{name}")
    return _Place(_flow_of(call, anchor["id"]), anchor["id"], name, known.get(name))


def _before(call: Call, links: Mapping[str, str]) -> _Place:
    if list(links) != ["next"]:
        raise invalid(inferred.INSERT_LINK, pointer=f"{definitions.AT}/links")
    _action(call, links["next"], f"{definitions.AT}/links/next")
    return _Place(_flow_of(call, links["next"]), before=links["next"])


def _action(call: Call, action_id: str, at: str) -> dict[str, Any]:
    found = generic.load(call.engine.store, call.account, "flow-action", str(action_id))
    if found is None:
        raise invalid(f"There is no action with the id '{action_id}'.", pointer=at)
    definition: dict[str, Any] = found["definition"]
    return definition


def _flow_of(call: Call, action_id: str) -> str:
    return crud.targets(call, "flow-action", action_id, "flow")[0]


def _without_joined(definition: dict[str, Any]) -> bool:
    """Takes the marker `joined` out: it is never answered (documented). Whether it was set."""
    data = definition.get("data")
    parts = [definition, data] if isinstance(data, dict) else [definition]
    marks = [part.pop("joined", False) for part in parts]
    return any(marks)


def _branches(call: Call, definition: dict[str, Any], following: str | None, joined: bool) -> dict[str, str | None]:
    """Gives the branches ids. The way goes on behind the branch for everybody else, joined: behind each (inferred)."""
    links: dict[str, str | None] = {}
    data = definition.get("data")
    branches = data.get("branches") if isinstance(data, dict) else None
    for branch in branches if isinstance(branches, list) else ():
        if isinstance(branch, dict):
            branch["branch_id"] = call.engine.ids.ulid()
            links[branch["branch_id"]] = following if joined or branch.get("is_else") else None
    return links


def _reconnect(call: Call, place: _Place, action_id: str) -> None:
    """What led to the following action leads to the new one: everything, or the anchor's link alone."""
    actions = flow_actions.of_flow(call, place.flow)
    entry = crud.state(call, "flow", place.flow).get("entry_action_id")
    if place.after is None and entry == place.before:
        crud.keep(call, "flow", place.flow, {"entry_action_id": action_id})
    for other, attributes in actions:
        definition = attributes["definition"]
        links = dict(definition.get("links") or {})
        if place.after is not None:
            changed = {**links, place.link: action_id} if other == place.after else links
        else:
            changed = {
                name: action_id if target is not None and target == place.before else target
                for name, target in links.items()
            }
        if changed != links:
            attributes["definition"] = definition | {"links": changed}
            generic.update(call.engine.store, call.account, "flow-action", other, attributes, call.now)


BEHAVIOURS: Mapping[str, Behaviour] = {"create_flow_action": insert}
