"""Messages from 2026-10-15 on: for one audience, with a way of being sent, content in variations (FACTS App. H)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import SECOND, parse, seconds
from clavichord.sandbox.errors import invalid
from clavichord.sandbox.resources import campaign_parts as parts
from clavichord.sandbox.resources import campaign_variations as variations
from clavichord.sandbox.resources.campaign_parts import MESSAGE, Part

_AT = "/data/attributes/definition"
PERCENTAGES = (1, 2, 5, 10, 11, 13, 14, 17, 20, 25, 33, 50)


def stored(known: Mapping[str, Any], definition: Mapping[str, Any]) -> dict[str, Any]:
    """A message's attributes after its definition was given; what is not given stays. Refusal (400)."""
    message = dict(known)
    if definition.get("status") not in (None, known["status"]):
        raise invalid(inferred.STATUS_BY_SCHEDULING, pointer=f"{_AT}/status")
    for name in ("tracking_options", "send_options", "ab_test"):
        if name == "ab_test" and name in definition and definition[name] is None:
            message[name] = None
        elif definition.get(name) is not None:
            message[name] = (message[name] or {}) | definition[name]
    for name in ("tracking_options", "send_options"):
        message[name] = {key: value for key, value in message[name].items() if value is not None}
    when = parse(message["send_options"].get("send_time") or "")
    if when is not None:
        message["send_options"]["send_time"] = seconds(when // SECOND)
    if definition.get("name") is not None:
        message["name"] = definition["name"]
    _check(message)
    return message


def _check(message: Mapping[str, Any]) -> None:
    options, test = message["send_options"], message["ab_test"] or {}
    share = options.get("recipient_percentage")
    if options.get("send_strategy") == "throttled":
        if share is not None and share not in PERCENTAGES:
            text = inferred.CHOICE.format(given=share, name="recipient_percentage")
            raise invalid(text, pointer=f"{_AT}/send_options/recipient_percentage")
    elif share is not None and not 0 < share <= 100:
        raise invalid(
            inferred.PERCENTAGE.format(name="recipient_percentage"), pointer=f"{_AT}/send_options/recipient_percentage"
        )
    winner, wait = test.get("winner_percentage"), test.get("winner_wait_hours")
    if winner is not None and not 0 <= winner < 100:
        raise invalid(inferred.PERCENTAGE.format(name="winner_percentage"), pointer=f"{_AT}/ab_test/winner_percentage")
    if wait is not None and wait < 1:
        raise invalid(inferred.POSITIVE.format(name="winner_wait_hours"), pointer=f"{_AT}/ab_test/winner_wait_hours")


def _show(call: Call, message_id: str) -> Answer:
    return crud.show(call, "campaign-message", message_id, generic.required(call, "campaign-message", message_id))


def create(call: Call) -> Answer:
    campaign_id, audience_id = parts.related(call, "campaign"), parts.related(call, "campaign-audience")
    store, account = call.engine.store, call.account
    if campaign_id != parts.owner(store, account, "campaign-audience", audience_id, "campaign"):
        text = inferred.OTHER_CAMPAIGN.format(type="audience", id=audience_id, campaign=campaign_id)
        raise invalid(text, pointer="/data/relationships/campaign-audience/data")
    given = call.data["attributes"]
    message = stored(MESSAGE.attributes, given["definition"])
    with store.write():
        message_id = parts.add_message(call, campaign_id, audience_id, message)
        variations.add_all(call, message_id, given.get("variations"), "/data/attributes/variations")
        parts.settle(store, account, campaign_id, call.now)
    return _show(call, message_id)


def clone(call: Call) -> Answer:
    """A draft for an audience, of whatever campaign, with copies of the variations and their templates."""
    given = call.data["attributes"]
    if given["id"] != call.data["id"]:
        raise invalid(inferred.SAME_IDS, pointer="/data/attributes/id")
    original = Part(given["id"], generic.required(call, "campaign-message", given["id"]))
    audience_id = parts.related(call, "campaign-audience")
    store, account = call.engine.store, call.account
    campaign_id = parts.owner(store, account, "campaign-audience", audience_id, "campaign")
    name = given.get("name") or inferred.COPY_OF.format(name=original.attributes["name"] or original.id)
    with store.write():
        message_id = parts.copy_message(call, original, campaign_id, audience_id, name)
        parts.settle(store, account, campaign_id, call.now)
    return _show(call, message_id)


def _prepare(call: Call, attributes: dict[str, Any]) -> None:
    parts.editable(Part(call.id, attributes))
    attributes |= stored(attributes, call.data["attributes"].get("definition") or {})


def _settle(call: Call, message_id: str, attributes: dict[str, Any]) -> None:
    store, account = call.engine.store, call.account
    parts.settle(store, account, parts.owner(store, account, "campaign-message", message_id, "campaign"), call.now)


def delete(call: Call) -> Answer:
    parts.editable(Part(call.id, generic.required(call)), unsent=True)
    store, account = call.engine.store, call.account
    with store.write():
        campaign_id = parts.owner(store, account, "campaign-message", call.id, "campaign")
        parts.drop_message(call, call.id)
        parts.settle(store, account, campaign_id, call.now)
    return Answer(call.operation.status)


def tags(call: Call) -> Answer:
    """A message has its campaign's tags: nothing else can be tagged (inferred)."""
    generic.required(call)
    campaign_id = parts.owner(call.engine.store, call.account, "campaign-message", call.id, "campaign")
    found = crud.targets(call, "campaign", campaign_id, "tags")
    if call.operation.identifiers_only:
        return call.engine.documents.identifiers(call, "tag", found)
    return call.engine.documents.many(call, crud.fetch(call, "tag", found))


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_campaign_messages": crud.collection,
    "create_campaign_message": create,
    "clone_campaign_message": clone,
    "delete_campaign_message": delete,
    "get_audience_for_campaign_message": crud.related,
    "get_audience_id_for_campaign_message": crud.related,
    "get_tags_for_campaign_message": tags,
    "get_tag_ids_for_campaign_message": tags,
}
RESHAPED: Mapping[str, Behaviour] = {
    "update_campaign_message": crud.update(MESSAGE, prepare=_prepare, after=_settle),
}
