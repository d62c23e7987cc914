"""Campaigns from 2026-10-15 on: a definition, audiences, and messages for them in any channel (FACTS App. H)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import micros
from clavichord.sandbox.errors import invalid
from clavichord.sandbox.resources import campaign_audiences as audiences
from clavichord.sandbox.resources import campaign_parts as parts
from clavichord.sandbox.resources import campaign_variations as variations
from clavichord.sandbox.resources.campaign_parts import CAMPAIGN, MESSAGE

_AT = "/data/attributes/definition"
_COLOR = re.compile(r"#?[0-9A-Fa-f]{6}")
_NOBODY: Mapping[str, list[str]] = {"included": [], "excluded": []}


def _define(campaign: dict[str, Any], given: Mapping[str, Any]) -> None:
    """Takes over a definition; what is not given stays. Refusal (400)."""
    for name in ("name", "builder", "archived", "color", "description"):
        if given.get(name) is not None:
            campaign[name] = given[name]
    if given.get("send_settings") is not None:
        campaign["send_settings"] = (campaign["send_settings"] or {}) | given["send_settings"]
    if campaign["builder"] not in (None, "canvas", "wizard"):
        raise invalid(inferred.CHOICE.format(given=campaign["builder"], name="builder"), pointer=f"{_AT}/builder")
    if campaign["color"] is not None and _COLOR.fullmatch(campaign["color"]) is None:
        raise invalid(inferred.COLOR.format(given=campaign["color"]), pointer=f"{_AT}/color")
    _check_settings(campaign["send_settings"] or {}, f"{_AT}/send_settings")


def _check_settings(settings: Mapping[str, Any], at: str) -> None:
    zone = settings.get("send_timezone")
    if zone is None:
        return
    try:
        ZoneInfo(zone)
    except (ValueError, OSError, KeyError):  # unknown, malformed, or a directory of the database
        text = inferred.CHOICE.format(given=zone, name="send_timezone")
        raise invalid(text, pointer=f"{at}/send_timezone") from None
    if settings.get("send_strategy") == "timezone" and zone != "UTC":
        raise invalid(inferred.LOCAL_IS_UTC, pointer=f"{at}/send_timezone")


def create(call: Call) -> Answer:
    """The whole tree at once; every message names its audience by `audience_temporary_id`."""
    given = call.data["attributes"]
    campaign = {**CAMPAIGN.attributes, "name": None, "created_at": micros(call.now), "updated_at": micros(call.now)}
    _define(campaign, given["definition"])
    asked, sent = given.get("audiences") or [], given.get("messages") or []
    names = [one["temporary_id"] for one in asked]
    for index, name in enumerate(names):
        if name in names[:index]:
            at = f"/data/attributes/audiences/{index}/temporary_id"
            raise invalid(inferred.TEMPORARY_TWICE.format(given=name), pointer=at)
    for index, one in enumerate(sent):
        if one["audience_temporary_id"] not in names:
            at = f"/data/attributes/messages/{index}/audience_temporary_id"
            raise invalid(inferred.TEMPORARY_UNKNOWN.format(given=one["audience_temporary_id"]), pointer=at)
    tags = _tags(call)
    campaign_id = call.engine.ids.ulid()
    with call.engine.store.write():
        generic.insert(call.engine.store, call.account, "campaign", campaign_id, campaign, call.now)
        crud.link(call, "campaign", campaign_id, "tags", tags)
        ids: dict[str, str] = {}
        for index, one in enumerate(asked):
            definition = audiences.definition(_NOBODY, one, f"/data/attributes/audiences/{index}")
            ids[one["temporary_id"]] = parts.add_audience(call, campaign_id, definition)
        for index, one in enumerate(sent):
            message_id = parts.add_message(call, campaign_id, ids[one["audience_temporary_id"]], _message(one))
            at = f"/data/attributes/messages/{index}/variations"
            variations.add_all(call, message_id, one.get("variations"), at)
        campaign = parts.settle(call.engine.store, call.account, campaign_id, call.now)
    return crud.show(call, "campaign", campaign_id, campaign)


def _tags(call: Call) -> list[str]:
    """The tags that the body names. Refusal: 404 for one that is not there, 400 for parts that are (inferred)."""
    related = {name: (one or {}).get("data") for name, one in (call.data.get("relationships") or {}).items()}
    for name in ("campaign-audiences", "campaign-messages"):
        if related.get(name):
            raise invalid(inferred.PARTS_ARE_MADE.format(name=name), pointer=f"/data/relationships/{name}/data")
    tags = crud.named(related.get("tags"))
    crud.require_all(call, "tag", tags)
    return tags


def _message(given: Mapping[str, Any]) -> dict[str, Any]:
    message = {**MESSAGE.attributes, "name": given.get("name"), "tracking_options": {}, "send_options": {}}
    if given.get("is_add_utm") is not None:
        message["tracking_options"] = {"is_add_utm": given["is_add_utm"]}
    if given.get("throttling_type") is not None:
        message["send_options"] = {"throttling_type": inferred.THROTTLING_TYPES[given["throttling_type"]]}
    return message


def _prepare(call: Call, attributes: dict[str, Any]) -> None:
    """A campaign keeps its name, colour and place in the archive for ever open; how it is sent is fixed with the first
    message that is on its way (inferred)."""
    given = call.data["attributes"]["definition"]
    before = dict(attributes)
    _define(attributes, given)
    if attributes["send_settings"] != before["send_settings"]:
        for message in parts.messages(call.engine.store, call.account, call.id):
            parts.editable(message, inferred.SETTINGS_LOCKED)


RESHAPED: Mapping[str, Behaviour] = {
    "get_campaigns": crud.collection,
    "create_campaign": create,
    "update_campaign": crud.update(CAMPAIGN, prepare=_prepare),
}
