"""The actions of a flow and their messages, each with its own copy of a template (FACTS §9.7, LIVE #16)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import SECOND, seconds
from clavichord.sandbox.crud import Kind
from clavichord.sandbox.errors import invalid
from clavichord.sandbox.filters import Column
from clavichord.sandbox.resources import flow_definitions as definitions
from clavichord.sandbox.resources import templates

ACTION = crud.declare(
    Kind(
        type="flow-action",
        attributes={"created": "", "updated": "", "definition": {}},
        resolved=("flow",),
        inverse={"flow": "flow-actions"},
    )
)
MESSAGE = crud.declare(
    Kind(
        type="flow-message",
        attributes={"channel": "", "created": "", "updated": "", "definition": {}},
        resolved=("flow-action", "template"),
        inverse={"flow-action": "flow-messages"},
    )
)


def new_ids(call: Call, names: Sequence[str]) -> dict[str, str]:
    """temporary id → a new id; later actions have greater ones."""
    while True:
        first = int(call.engine.ids.number(9))
        ids = {name: str(first + index) for index, name in enumerate(names)}
        if not any(crud.known(call, "flow-action", one) for one in ids.values()):
            return ids


def add(call: Call, flow_id: str, action: Mapping[str, Any], action_id: str, at: str) -> None:
    """A new action with its messages, inside a transaction; `at`: its pointer. Refusal (400): no such template."""
    definition = definitions.completed(call.engine.catalogue, action, action_id)
    stamp = seconds(call.now // SECOND)
    attributes = {"created": stamp, "updated": stamp, "definition": definition}
    generic.insert(call.engine.store, call.account, "flow-action", action_id, attributes, call.now)
    crud.link(call, "flow", flow_id, "flow-actions", [action_id])
    _keep_messages(call, action_id, attributes, at)


def of_flow(call: Call, flow_id: str) -> list[tuple[str, dict[str, Any]]]:
    """(id, attributes) of a flow's actions, in the order of their making."""
    found = []
    for action_id in crud.targets(call, "flow", flow_id, "flow-actions"):
        attributes = generic.load(call.engine.store, call.account, "flow-action", action_id)
        if attributes is not None:
            found.append((action_id, attributes))
    return found


def drop(call: Call, action_id: str) -> None:
    """Deletes an action with its messages. Inside a transaction."""
    for message_id in crud.targets(call, "flow-action", action_id, "flow-messages"):
        crud.erase(call, "flow-message", message_id)
    crud.erase(call, "flow-action", action_id)


def _keep_messages(call: Call, action_id: str, attributes: dict[str, Any], at: str) -> None:
    """Stores the messages that an action's definition holds, with ids, and deletes those it no longer holds."""
    before = crud.targets(call, "flow-action", action_id, "flow-messages")
    kept: list[str] = []
    for number, (channel, message) in enumerate(definitions.messages(attributes["definition"]), 1):
        message_id = message.get("id") if message.get("id") in before else None
        if message_id is None and number <= len(before):
            message_id = before[number - 1]
        if message_id is None:
            message_id = call.engine.ids.six()
        message["id"] = message_id
        if message.get("name") is None:
            message["name"] = f"{channel} #{number}"
        _own_template(call, message_id, message, at)
        _store_message(call, action_id, message_id, channel, message)
        kept.append(message_id)
    for gone in set(before) - set(kept):
        crud.erase(call, "flow-message", gone)
    generic.update(call.engine.store, call.account, "flow-action", action_id, attributes, call.now)


def _own_template(call: Call, message_id: str, message: dict[str, Any], at: str) -> None:
    """The template that a message names becomes a copy of its own."""
    given = message.get("template_id")
    if given is None or given in crud.targets(call, "flow-message", message_id, "template"):
        return
    if not crud.known(call, "template", given):
        raise invalid(f"Template with id '{given}' does not exist", pointer=f"{at}/data/message/template_id")
    name = generic.required(call, "template", given)["name"]
    message["template_id"], _ = templates.copy(call, given, name, f"FlowMessage {message_id}")
    crud.relink(call, "flow-message", message_id, "template", [message["template_id"]])


def _store_message(call: Call, action_id: str, message_id: str, channel: str, message: Mapping[str, Any]) -> None:
    stamp = seconds(call.now // SECOND)
    known = generic.load(call.engine.store, call.account, "flow-message", message_id)
    attributes = {
        "channel": channel,
        "created": known["created"] if known else stamp,
        "updated": stamp,
        "definition": message,
    }
    if known is None:
        generic.insert(call.engine.store, call.account, "flow-message", message_id, attributes, call.now)
        crud.link(call, "flow-action", action_id, "flow-messages", [message_id])
    else:
        generic.update(call.engine.store, call.account, "flow-message", message_id, attributes, call.now)


def _flow_of(call: Call, action_id: str) -> str:
    return crud.targets(call, "flow-action", action_id, "flow")[0]


def _prepare_change(call: Call, attributes: dict[str, Any]) -> None:
    """Data and links are replaced as a whole; the type and the id cannot change."""
    known, given = generic.required(call)["definition"], call.data["attributes"]["definition"]
    if given["type"] != known["type"]:
        raise invalid(inferred.ACTION_TYPE.format(type=known["type"]), pointer=f"{definitions.AT}/type")
    if given.get("id") not in (None, call.id):
        raise invalid("'id' must be the id of the path.", pointer=f"{definitions.AT}/id")
    merged = known | {name: given[name] for name in ("data", "links") if given.get(name) is not None}
    siblings = {action_id for action_id, _ in of_flow(call, _flow_of(call, call.id))}
    definitions.check_links(merged, siblings - {call.id}, definitions.AT)
    attributes["definition"] = definitions.completed(call.engine.catalogue, merged, call.id)


def _change_messages(call: Call, action_id: str, attributes: dict[str, Any]) -> None:
    _keep_messages(call, action_id, attributes, definitions.AT)


def _close_gap(call: Call, action_id: str, attributes: dict[str, Any]) -> None:
    """What led to the action leads to its successor from now on (inferred)."""
    flow_id = _flow_of(call, action_id)
    past = {action_id: definitions.successor(attributes["definition"])}
    for other, action in of_flow(call, flow_id):
        if any(target == action_id for _, target in definitions.links_of(action["definition"])):
            action["definition"] = definitions.relinked(action["definition"], past)
            generic.update(call.engine.store, call.account, "flow-action", other, action, call.now)
    if crud.state(call, "flow", flow_id)["entry_action_id"] == action_id:
        crud.keep(call, "flow", flow_id, {"entry_action_id": past[action_id]})
    drop(call, action_id)


_JOINED = "edge e JOIN resource r ON r.account = e.account AND r.type = '{}' AND r.id = e.target"
_OF = " AND e.type = ? AND e.relationship = ? AND e.id = ?"
_ACTION_TYPE = "upper(replace(json_extract(r.attributes, '$.definition.type'), '-', '_'))"
_ACTION_STATUS = "ifnull(json_extract(r.attributes, '$.definition.data.status'), '')"
_MESSAGE_NAME = "ifnull(json_extract(r.attributes, '$.definition.name'), '')"


def _parts(call: Call, columns: Mapping[str, str]) -> Answer:
    """A page of the actions of a flow or the messages of an action; `columns`: what lies in their definitions."""
    generic.required(call)
    operation = call.operation
    source = crud.source(
        call,
        operation.resource,
        _JOINED.format(operation.resource),
        _OF,
        (operation.base, operation.relationship, call.id),
    )
    filters = {**source.filters, **{name: Column(sql) for name, sql in columns.items()}}
    return crud.pages(call, source._replace(filters=filters, sorts={**source.sorts, **columns}))


def get_actions_for_flow(call: Call) -> Answer:
    """`action_type` is UPPER_SNAKE in filters (FACTS §4.1)."""
    return _parts(call, {"action_type": _ACTION_TYPE, "status": _ACTION_STATUS})


def get_messages_for_action(call: Call) -> Answer:
    return _parts(call, {"name": _MESSAGE_NAME})


def _numbered(behaviour: Behaviour) -> Behaviour:
    """An id that is no number is a 400, not a 404 (recorded; the wording is the one of events)."""

    def answer(call: Call) -> Answer:
        if not (call.id.isascii() and call.id.isdigit()):
            raise invalid(inferred.ACTION_ID.format(call.id), pointer="/data/id")
        return behaviour(call)

    return answer


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_actions_for_flow": get_actions_for_flow,
    "get_action_ids_for_flow": get_actions_for_flow,
    "get_flow_action": _numbered(crud.item),
    "update_flow_action": _numbered(crud.update(ACTION, prepare=_prepare_change, after=_change_messages)),
    "delete_flow_action": _numbered(crud.delete(ACTION, after=_close_gap)),
    "get_flow_for_flow_action": crud.related,
    "get_flow_id_for_flow_action": crud.related,
    "get_flow_action_messages": get_messages_for_action,
    "get_message_ids_for_flow_action": get_messages_for_action,
    "get_flow_message": crud.item,
    "get_action_for_flow_message": crud.related,
    "get_action_id_for_flow_message": crud.related,
    "get_template_for_flow_message": crud.related,
    "get_template_id_for_flow_message": crud.related,
}
