"""A message's variations: one channel, and the content that a recipient gets (FACTS App. H, App. J)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.errors import invalid
from clavichord.sandbox.resources import campaign_parts as parts
from clavichord.sandbox.resources.campaign_parts import VARIATION, Part

_SCHEMAS = {
    "email": "EmailChannelDetails",
    "sms": "SMSChannelDetails",
    "push": "PushChannelDetails",
    "whatsapp": "WhatsappChannelDetails",
}
_AT = "/data/attributes/definition/details"


def with_channel(call: Call, details: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Details as they are stored, sparse. Without a channel they are of the first that has all their members."""
    if details is None:
        return None
    channel = details.get("channel")
    if channel is None:
        members = {one: call.engine.catalogue.schema(name)["properties"] for one, name in _SCHEMAS.items()}
        channel = next(one for one, known in members.items() if details.keys() <= known.keys())
    return {"channel": channel, **{name: value for name, value in details.items() if value is not None}}


def check(details: Mapping[str, Any] | None, channel: str | None, at: str) -> None:
    """Refusal (400) for details that a new variation of a message with that channel cannot have."""
    if details is None:
        return
    if details["channel"] == "sms" and details.get("cost") is not None:
        raise invalid(inferred.COST_IS_READ_ONLY, pointer=f"{at}/cost")
    if channel not in (None, details["channel"]):
        raise invalid(inferred.ONE_MESSAGE_CHANNEL.format(channel=channel), pointer=f"{at}/channel")


def channel_of(call: Call, message_id: str, but: str = "") -> str | None:
    """The channel of a message's variations, without the one that is `but`."""
    for one in parts.variations(call.engine.store, call.account, message_id):
        if one.id != but and one.attributes["details"]:
            channel: str = one.attributes["details"]["channel"]
            return channel
    return None


def add_all(call: Call, message_id: str, given: list[Any] | None, at: str) -> None:
    """The variations of a new message, inside a transaction; one without content where none are given."""
    for index, one in enumerate(given or [{"definition": {}}]):
        here = f"{at}/{index}/definition/details"
        details = with_channel(call, one["definition"].get("details"))
        check(details, channel_of(call, message_id), here)
        parts.add_variation(call, message_id, one["definition"].get("name"), details, here)


def _message(call: Call, variation_id: str) -> Part:
    store = call.engine.store
    message_id = parts.owner(store, call.account, "campaign-variation", variation_id, "campaign-message")
    return Part(message_id, generic.required(call, "campaign-message", message_id))


def _settle(call: Call, message_id: str) -> None:
    store = call.engine.store
    campaign_id = parts.owner(store, call.account, "campaign-message", message_id, "campaign")
    parts.settle(store, call.account, campaign_id, call.now)


def create(call: Call) -> Answer:
    message_id = parts.related(call, "campaign-message")
    message = Part(message_id, generic.required(call, "campaign-message", message_id))
    parts.editable(message)
    definition = call.data["attributes"]["definition"]
    details = with_channel(call, definition.get("details"))
    check(details, channel_of(call, message_id), _AT)
    with call.engine.store.write():
        variation_id = parts.add_variation(call, message_id, definition.get("name"), details, _AT)
        _settle(call, message_id)
    return crud.show(
        call, "campaign-variation", variation_id, generic.required(call, "campaign-variation", variation_id)
    )


def _prepare(call: Call, attributes: dict[str, Any]) -> None:
    message = _message(call, call.id)
    parts.editable(message)
    definition = call.data["attributes"]["definition"]
    if definition.get("name") is not None:
        attributes["name"] = definition["name"]
    check(with_channel(call, definition.get("details")), channel_of(call, message.id, call.id), _AT)


def _set_details(call: Call, variation_id: str, attributes: dict[str, Any]) -> None:
    """Details are replaced as a whole, as an older message's content is; the template stays until null (inferred)."""
    definition = call.data["attributes"]["definition"]
    if "details" not in definition:
        return
    given = definition["details"]
    details, known = with_channel(call, given), attributes["details"] or {}
    if details is not None and details["channel"] == known.get("channel") and "template_id" not in given:
        details |= {name: one for name, one in known.items() if name == "template_id"}
    parts.set_details(call, Part(variation_id, attributes), details, _AT)
    attributes |= generic.required(call)
    _settle(call, _message(call, variation_id).id)


def _drop(call: Call, variation_id: str, attributes: dict[str, Any]) -> None:
    message = _message(call, variation_id)
    parts.editable(message)
    parts.drop_variation(call, Part(variation_id, attributes))
    _settle(call, message.id)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "create_campaign_variation": create,
    "get_campaign_variation": crud.item,
    "update_campaign_variation": crud.update(VARIATION, prepare=_prepare, after=_set_details),
    "delete_campaign_variation": crud.delete(VARIATION, after=_drop),
    "get_message_for_campaign_variation": crud.related,
    "get_message_id_for_campaign_variation": crud.related,
    "get_image_for_campaign_variation": crud.related,
    "get_image_id_for_campaign_variation": crud.related,
    "get_translation_for_campaign_variation": crud.related,
    "get_translation_id_for_campaign_variation": crud.related,
    "get_variations_for_campaign_message": crud.related,
    "get_variation_ids_for_campaign_message": crud.related,
}
