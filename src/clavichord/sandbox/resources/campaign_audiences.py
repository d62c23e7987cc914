"""A campaign's audiences: the lists and segments that its messages go to (FACTS App. H, App. J)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.errors import invalid
from clavichord.sandbox.resources import campaign_parts as parts
from clavichord.sandbox.resources.campaign_parts import AUDIENCE, Part
from clavichord.sandbox.resources.campaigns import audience

_AT = "/data/attributes/definition"
_NOBODY: Mapping[str, list[str]] = {"included": [], "excluded": []}


def definition(known: Mapping[str, Any], given: Mapping[str, Any], at: str) -> dict[str, Any]:
    """Members of an audience's definition; what is not given stays. Refusal (400)."""
    said = {name: given[name] for name in ("name", "priority") if given.get(name) is not None}
    return said | audience(known, given, at)


def _show(call: Call, audience_id: str) -> Answer:
    return crud.show(call, "campaign-audience", audience_id, generic.required(call, "campaign-audience", audience_id))


def create(call: Call) -> Answer:
    campaign_id = parts.related(call, "campaign")
    given = definition(_NOBODY, call.data["attributes"]["definition"], _AT)
    taken = crud.named((call.data["relationships"].get("campaign-messages") or {}).get("data"))
    for message_id in taken:
        message = Part(message_id, generic.required(call, "campaign-message", message_id))
        if campaign_id not in crud.targets(call, "campaign-message", message_id, "campaign"):
            text = inferred.OTHER_CAMPAIGN.format(type="message", id=message_id, campaign=campaign_id)
            raise invalid(text, pointer="/data/relationships/campaign-messages/data")
        parts.editable(message)
    with call.engine.store.write():
        audience_id = parts.add_audience(call, campaign_id, given)
        for message_id in taken:
            parts.place_message(call, message_id, campaign_id, audience_id)
        parts.settle(call.engine.store, call.account, campaign_id, call.now)
    return _show(call, audience_id)


def clone(call: Call) -> Answer:
    """The lists and segments again, for the same campaign or another; messages stay where they are (inferred)."""
    given = call.data["attributes"]
    if given["id"] != call.data["id"]:
        raise invalid(inferred.SAME_IDS, pointer="/data/attributes/id")
    original = generic.required(call, "campaign-audience", given["id"])
    target = ((call.data.get("relationships") or {}).get("campaign") or {}).get("data")
    store, account = call.engine.store, call.account
    campaign_id = target["id"] if target else parts.owner(store, account, "campaign-audience", given["id"], "campaign")
    generic.required(call, "campaign", campaign_id)
    name = given.get("name") or inferred.COPY_OF.format(name=original["name"] or given["id"])
    with store.write():
        audience_id = parts.add_audience(call, campaign_id, original | {"name": name})
        parts.settle(store, account, campaign_id, call.now)
    return _show(call, audience_id)


def _editable(call: Call) -> None:
    for message in parts.messages_of_audience(call.engine.store, call.account, call.id):
        parts.editable(message, inferred.AUDIENCE_LOCKED, unsent=True)


def _prepare(call: Call, attributes: dict[str, Any]) -> None:
    _editable(call)
    attributes |= definition(attributes, call.data["attributes"].get("definition") or {}, _AT)


def _settle(call: Call, audience_id: str, attributes: dict[str, Any]) -> None:
    store, account = call.engine.store, call.account
    campaign_id = parts.owner(store, account, "campaign-audience", audience_id, "campaign")
    parts.settle(store, account, campaign_id, call.now)


def delete(call: Call) -> Answer:
    """The audience's messages go with it (inferred)."""
    generic.required(call)
    _editable(call)
    store, account = call.engine.store, call.account
    with store.write():
        campaign_id = parts.owner(store, account, "campaign-audience", call.id, "campaign")
        for message in parts.messages_of_audience(store, account, call.id):
            parts.drop_message(call, message.id)
        crud.erase(call, "campaign-audience", call.id)
        parts.settle(store, account, campaign_id, call.now)
    return Answer(call.operation.status)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "create_campaign_audience": create,
    "clone_campaign_audience": clone,
    "get_campaign_audience": crud.item,
    "update_campaign_audience": crud.update(AUDIENCE, prepare=_prepare, after=_settle),
    "delete_campaign_audience": delete,
    "get_campaign_for_campaign_audience": crud.related,
    "get_campaign_id_for_campaign_audience": crud.related,
    "get_campaign_messages_for_campaign_audience": crud.related,
    "get_message_ids_for_campaign_audience": crud.related,
    "get_campaign_audiences_for_campaign": crud.related,
    "get_audience_ids_for_campaign": crud.related,
}
