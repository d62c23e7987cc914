"""Campaigns up to 2026-07-15: one channel, one audience, one way of sending; and what both forms share (FACTS §9.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import micros
from clavichord.sandbox.errors import invalid
from clavichord.sandbox.resources import campaign_definitions as definitions
from clavichord.sandbox.resources import campaign_messages as messages
from clavichord.sandbox.resources import campaign_parts as parts
from clavichord.sandbox.resources import campaign_translation as translation
from clavichord.sandbox.resources.campaign_parts import CAMPAIGN, Part

_CHANNELS = ("email", "sms", "mobile_push")


def get_campaigns(call: Call) -> Answer:
    """One channel at a time; the filter is required."""
    asked = [one.value for one in call.query.conditions if one.field == "messages.channel"]
    if not asked:
        raise invalid(inferred.CHANNEL_REQUIRED, parameter="filter")
    for value in asked:
        if value is not None and not isinstance(value, list) and value.text not in _CHANNELS:
            text = inferred.CHOICE.format(given=value.text, name="messages.channel")
            raise invalid(text, parameter="filter")
    return crud.collection(call)


def _prepare_new(call: Call, attributes: dict[str, Any]) -> None:
    given = call.data["attributes"]
    _name(attributes)
    entries = given["campaign-messages"]["data"]
    channel = definitions.channel_of(entries)
    for index, entry in enumerate(entries):
        at = f"/data/attributes/campaign-messages/data/{index}/relationships/image"
        messages.check_image(call, channel, messages.image_of(entry), at)
    attributes["audiences"] = audience(
        {"included": [], "excluded": []}, given["audiences"], "/data/attributes/audiences"
    )
    attributes["send_options"] = definitions.send_options(channel, given.get("send_options"))
    attributes["tracking_options"] = definitions.tracking_options(channel, given.get("tracking_options"))
    attributes["send_strategy"] = definitions.send_strategy(given.get("send_strategy"))


def _name(attributes: Mapping[str, Any]) -> None:
    if not (attributes["name"] or "").strip():
        raise invalid("'name' must not be empty.", pointer="/data/attributes/name")


def audience(known: Mapping[str, Any], given: Mapping[str, Any], at: str) -> dict[str, list[str]]:
    """Ids that no list or segment has are kept: they hold nobody (inferred). Refusal (400)."""
    merged = {
        name: list(dict.fromkeys(given[name] if given.get(name) is not None else known[name]))
        for name in ("included", "excluded")
    }
    both = [one for one in merged["included"] if one in merged["excluded"]]
    if both:
        raise invalid(inferred.AUDIENCE_TWICE.format(id=both[0]), pointer=at)
    return merged


def _add_parts(call: Call, campaign_id: str, attributes: dict[str, Any]) -> None:
    audience_id = parts.add_audience(call, campaign_id, attributes["audiences"])
    message = dict(parts.MESSAGE.attributes)
    message |= {
        "tracking_options": translation.newer_tracking(attributes["tracking_options"]),
        "send_options": translation.newer_options(attributes["send_options"]),
    }
    message = translation.keep_sending(message, translation.sending(attributes["send_strategy"]))
    for entry in call.data["attributes"]["campaign-messages"]["data"]:
        definition = definitions.message(entry["attributes"]["definition"], attributes["name"])
        label = definition.get("label") or attributes["name"]
        message_id = parts.add_message(call, campaign_id, audience_id, message | {"name": label})
        details = translation.with_image(translation.details(definition), messages.image_of(entry))
        parts.add_variation(call, message_id, None, details)
    attributes |= parts.settle(call.engine.store, call.account, campaign_id, call.now)


def _prepare_change(call: Call, attributes: dict[str, Any]) -> None:
    """The body's parts were merged into the attributes whole; what they leave out is what was there."""
    given = call.data["attributes"]
    _name(attributes)
    known = generic.required(call)
    if known["status"] != "Draft":
        raise invalid(inferred.CAMPAIGN_LOCKED.format(status=known["status"]), pointer="/data")
    held = parts.messages(call.engine.store, call.account, call.id)
    channel = (held[0].attributes["channel"] if held else None) or ""
    attributes["audiences"] = known["audiences"]
    if given.get("audiences"):
        at = "/data/attributes/audiences"
        if len(parts.audiences(call.engine.store, call.account, call.id)) > 1:
            raise invalid(inferred.SEVERAL_AUDIENCES, pointer=at)
        attributes["audiences"] = audience(known["audiences"], given["audiences"], at)
    options = known["send_options"] | (given.get("send_options") or {})
    attributes["send_options"] = definitions.send_options(channel, options)
    options = known["tracking_options"] | (given.get("tracking_options") or {})
    attributes["tracking_options"] = definitions.tracking_options(channel, options)
    attributes["send_strategy"] = known["send_strategy"]


def _change_parts(call: Call, campaign_id: str, attributes: dict[str, Any]) -> None:
    """What was said of the campaign is said of its audience and of each message."""
    store, given = call.engine.store, call.data["attributes"]
    if given.get("audiences"):
        for one in parts.audiences(store, call.account, campaign_id):
            part = Part(one.id, one.attributes | attributes["audiences"])
            parts.save(store, call.account, "campaign-audience", part, call.now)
        if not parts.audiences(store, call.account, campaign_id):
            parts.add_audience(call, campaign_id, attributes["audiences"])
    said = [name for name in ("send_options", "tracking_options", "send_strategy") if given.get(name)]
    for one in parts.messages(store, call.account, campaign_id) if said else ():
        message = dict(one.attributes)
        if "send_options" in said:
            message["send_options"] = message["send_options"] | translation.newer_options(attributes["send_options"])
        if "tracking_options" in said:
            tracking = translation.newer_tracking(attributes["tracking_options"])
            message["tracking_options"] = message["tracking_options"] | tracking
        if "send_strategy" in said:
            kept = translation.sending(definitions.send_strategy(given["send_strategy"]))
            message = translation.keep_sending(message, kept)
        parts.save(store, call.account, "campaign-message", Part(one.id, message), call.now)
    attributes |= parts.settle(store, call.account, campaign_id, call.now)


def _drop(call: Call, campaign_id: str, attributes: dict[str, Any]) -> None:
    """With its parts, the messages' copies of templates and what is still to be sent."""
    store, account = call.engine.store, call.account
    for message in parts.messages(store, account, campaign_id):
        parts.drop_message(call, message.id)
    for one in parts.audiences(store, account, campaign_id):
        crud.erase(call, "campaign-audience", one.id)
    store.execute("DELETE FROM task WHERE account = ? AND job = ?", (account, campaign_id))
    call.engine.jobs.wake()


def clone(call: Call) -> Answer:
    """A draft with copies of all its parts and their templates; tags are not copied (inferred)."""
    original, now = call.data["id"], call.now
    store, account = call.engine.store, call.account
    attributes = generic.required(call, "campaign", original)
    given = call.data["attributes"]
    name = given.get("name" if parts.is_newer(call) else "new_name")
    default = inferred.COPY_OF if parts.is_newer(call) else inferred.CLONE_OF
    attributes |= {
        "name": name or default.format(name=attributes["name"] or original),
        "archived": False,
        "created_at": micros(now),
        "updated_at": micros(now),
    }
    kept = translation.sending(definitions.cloned_strategy(now))
    cloned = call.engine.ids.ulid()
    with store.write():
        generic.insert(store, account, "campaign", cloned, attributes, now)
        for one in parts.audiences(store, account, original):
            copied = parts.add_audience(call, cloned, one.attributes)
            for message in parts.messages_of_audience(store, account, one.id):
                again = Part(message.id, translation.keep_sending(message.attributes, kept))
                parts.copy_message(call, again, cloned, copied, message.attributes["name"])
        attributes |= parts.settle(store, account, cloned, now)
    return crud.show(call, "campaign", cloned, attributes)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_campaigns": get_campaigns,
    "create_campaign": crud.create(CAMPAIGN, prepare=_prepare_new, after=_add_parts),
    "get_campaign": crud.item,
    "update_campaign": crud.update(CAMPAIGN, prepare=_prepare_change, after=_change_parts),
    "delete_campaign": crud.delete(CAMPAIGN, after=_drop),
    "create_campaign_clone": clone,
    "clone_campaign": clone,
    "get_messages_for_campaign": crud.related,
    "get_message_ids_for_campaign": crud.related,
    "get_tags_for_campaign": crud.related,
    "get_tag_ids_for_campaign": crud.related,
}
