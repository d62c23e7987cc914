"""Campaigns: create, list by channel, change, clone, delete (FACTS §9.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import micros
from clavichord.sandbox.crud import Kind
from clavichord.sandbox.errors import invalid
from clavichord.sandbox.filters import Column
from clavichord.sandbox.resources import campaign_definitions as definitions
from clavichord.sandbox.resources import campaign_messages as messages

_CHANNELS = ("email", "sms", "mobile_push")
CAMPAIGN = crud.declare(
    Kind(
        type="campaign",
        attributes={
            "name": "",
            "status": "Draft",
            "archived": False,
            "audiences": {},
            "send_options": {},
            "tracking_options": {},
            "send_strategy": {},
            "created_at": "",
            "scheduled_at": None,
            "updated_at": "",
            "send_time": None,
        },
        new_id=crud.ulid,
        created="created_at",
        updated="updated_at",
        precision="usec",
        resolved=("campaign-messages",),
        inverse={"tags": "campaigns"},
        order="-r.created",
    )
)


def get_campaigns(call: Call) -> Answer:
    """One channel at a time; the filter is required."""
    asked = [one.value for one in call.query.conditions if one.field == "messages.channel"]
    if not asked:
        raise invalid(inferred.CHANNEL_REQUIRED, parameter="filter")
    for value in asked:
        if value is not None and not isinstance(value, list) and value.text not in _CHANNELS:
            text = inferred.CHOICE.format(given=value.text, name="messages.channel")
            raise invalid(text, parameter="filter")
    source = crud.source(call, "campaign")
    channel = Column("json_extract(r.state, '$.channel')")
    return crud.pages(call, source._replace(filters={**source.filters, "messages.channel": channel}))


def _prepare_new(call: Call, attributes: dict[str, Any]) -> None:
    given = call.data["attributes"]
    _name(attributes)
    entries = given["campaign-messages"]["data"]
    channel = definitions.channel_of(entries)
    for index, entry in enumerate(entries):
        at = f"/data/attributes/campaign-messages/data/{index}/relationships/image"
        messages.check_image(call, channel, messages.image_of(entry), at)
    attributes["audiences"] = _audiences({"included": [], "excluded": []}, given["audiences"])
    attributes["send_options"] = definitions.send_options(channel, given.get("send_options"))
    attributes["tracking_options"] = definitions.tracking_options(channel, given.get("tracking_options"))
    attributes["send_strategy"] = definitions.send_strategy(given.get("send_strategy"))


def _name(attributes: Mapping[str, Any]) -> None:
    if not attributes["name"].strip():
        raise invalid("'name' must not be empty.", pointer="/data/attributes/name")


def _audiences(known: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, list[str]]:
    """Ids that no list or segment has are kept: they hold nobody (inferred)."""
    merged = {
        name: list(dict.fromkeys(given[name] if given.get(name) is not None else known[name]))
        for name in ("included", "excluded")
    }
    both = [one for one in merged["included"] if one in merged["excluded"]]
    if both:
        text = inferred.AUDIENCE_TWICE.format(id=both[0])
        raise invalid(text, pointer="/data/attributes/audiences")
    return merged


def _add_messages(call: Call, campaign_id: str, attributes: dict[str, Any]) -> None:
    entries = call.data["attributes"]["campaign-messages"]["data"]
    crud.keep(call, "campaign", campaign_id, {"channel": definitions.channel_of(entries)})
    for entry in entries:
        definition = definitions.message(entry["attributes"]["definition"], attributes["name"])
        messages.add(call, campaign_id, definition, messages.image_of(entry))


def _prepare_change(call: Call, attributes: dict[str, Any]) -> None:
    """The body's parts were merged into the attributes whole; what they leave out is what was there."""
    given = call.data["attributes"]
    _name(attributes)
    if attributes["status"] != "Draft":
        raise invalid(inferred.CAMPAIGN_LOCKED.format(status=attributes["status"]), pointer="/data")
    known = generic.required(call)
    channel = crud.state(call, "campaign", call.id)["channel"]
    attributes["audiences"] = _audiences(known["audiences"], given.get("audiences") or {})
    options = known["send_options"] | (given.get("send_options") or {})
    attributes["send_options"] = definitions.send_options(channel, options)
    options = known["tracking_options"] | (given.get("tracking_options") or {})
    attributes["tracking_options"] = definitions.tracking_options(channel, options)
    if given.get("send_strategy") is not None:
        attributes["send_strategy"] = definitions.send_strategy(given["send_strategy"])


def _drop(call: Call, campaign_id: str, attributes: dict[str, Any]) -> None:
    """Its messages, their copies of templates, and a send that has not begun."""
    for message_id in crud.targets(call, "campaign", campaign_id, "campaign-messages"):
        messages.drop(call, message_id)
    store = call.engine.store
    store.execute("DELETE FROM task WHERE account = ? AND job = ?", (call.account, campaign_id))
    store.execute(
        "DELETE FROM outbox WHERE account = ? AND campaign = ? AND status = 'queued'", (call.account, campaign_id)
    )
    call.engine.jobs.wake()


def clone(call: Call) -> Answer:
    """A draft with copies of the messages and their templates; tags are not copied (inferred)."""
    original = call.data["id"]
    attributes = generic.required(call, "campaign", original)
    given = call.data["attributes"].get("new_name")
    at = micros(call.now)
    attributes |= {
        "name": given or f"Clone of {attributes['name']}",
        "status": "Draft",
        "archived": False,
        "send_strategy": definitions.cloned_strategy(call.now),
        "created_at": at,
        "scheduled_at": None,
        "updated_at": at,
        "send_time": None,
    }
    cloned = call.engine.ids.ulid()
    with call.engine.store.write():
        generic.insert(call.engine.store, call.account, "campaign", cloned, attributes, call.now)
        crud.keep(call, "campaign", cloned, {"channel": crud.state(call, "campaign", original)["channel"]})
        for message_id in crud.targets(call, "campaign", original, "campaign-messages"):
            messages.copy(call, message_id, cloned)
    return crud.show(call, "campaign", cloned, attributes)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_campaigns": get_campaigns,
    "create_campaign": crud.create(CAMPAIGN, prepare=_prepare_new, after=_add_messages),
    "get_campaign": crud.item,
    "update_campaign": crud.update(CAMPAIGN, prepare=_prepare_change),
    "delete_campaign": crud.delete(CAMPAIGN, after=_drop),
    "create_campaign_clone": clone,
    "get_messages_for_campaign": crud.related,
    "get_message_ids_for_campaign": crud.related,
    "get_tags_for_campaign": crud.related,
    "get_tag_ids_for_campaign": crud.related,
}
