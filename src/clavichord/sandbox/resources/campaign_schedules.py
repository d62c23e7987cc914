"""Scheduling a message, or all of a campaign's at once, from 2026-10-15 on (FACTS App. H, App. J)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import parse
from clavichord.sandbox.documents import Resource
from clavichord.sandbox.errors import invalid
from clavichord.sandbox.resources import campaign_delivery, send_plans
from clavichord.sandbox.resources import campaign_parts as parts
from clavichord.sandbox.resources import campaign_translation as translation
from clavichord.sandbox.resources.campaign_parts import Part
from clavichord.sandbox.resources.campaign_sends import can_stop
from clavichord.sandbox.resources.omni_messages import PERCENTAGES


def _check(call: Call, given: Mapping[str, Any], at: str) -> None:
    """Refusal (400) for a schedule that lacks what its strategy needs, or lies in the past."""
    strategy = given["strategy"]
    name = "send_date" if strategy == "smart_send_time" else "send_time"
    if given.get(name) is None:
        raise invalid(inferred.NEEDED_BY.format(name=name, strategy=strategy), pointer=f"{at}/{name}")
    if name == "send_time" and (parse(given[name]) or 0) <= call.now:
        raise invalid(inferred.NOT_IN_FUTURE.format(name=name), pointer=f"{at}/{name}")
    if name == "send_date" and _day(given[name], f"{at}/{name}") < send_plans.today(call.now):
        raise invalid(inferred.IN_THE_PAST.format(name=name), pointer=f"{at}/{name}")
    if strategy == "throttled":
        options = given.get("throttled_options")
        if options is None:
            text = inferred.NEEDED_BY.format(name="throttled_options", strategy=strategy)
            raise invalid(text, pointer=f"{at}/throttled_options")
        share = options["throttling_percentage"]
        if share not in PERCENTAGES:
            text = inferred.CHOICE.format(given=share, name="throttling_percentage")
            raise invalid(text, pointer=f"{at}/throttled_options/throttling_percentage")


def _day(text: str, at: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise invalid(inferred.WRONG_TYPE.format(name="send_date", expected="an ISO 8601 date"), pointer=at) from None


def _schedule(call: Call, message: Part, given: Mapping[str, Any]) -> tuple[dict[str, Any], float | None]:
    """What is answered, and the seconds until sending begins; inside a transaction."""
    store, account = call.engine.store, call.account
    variations = len(parts.variations(store, account, message.id))
    kept = translation.scheduled(given, variations)
    planned = Part(message.id, translation.keep_sending(message.attributes, kept))
    delay = campaign_delivery.launch(call.engine, account, planned, call.now)
    answered = {
        "send_time": kept["send_time"],
        "send_date": kept["send_date"],
        "strategy": given["strategy"],
        "throttling_percentage": kept["recipient_percentage"],
        "throttle_unit": kept["throttle_unit"],
    }
    return answered, delay


def schedule_message(call: Call) -> Answer:
    given = call.data["attributes"]
    message_id = parts.related(call, "campaign-message")
    message = Part(message_id, generic.required(call, "campaign-message", message_id))
    parts.editable(message, inferred.MESSAGE_STATE.replace("{action}", "scheduled"))
    _check(call, given, "/data/attributes")
    store, account = call.engine.store, call.account
    campaign_id = parts.owner(store, account, "campaign-message", message_id, "campaign")
    with store.write():
        answered, delay = _schedule(call, message, given)
        parts.settle(store, account, campaign_id, call.now)
        campaign_delivery.submit(call.engine, account, campaign_id, message_id, delay)
    shown = generic.resource("campaign-message-schedule", message_id, answered, {"campaign-message": message_id})
    return call.engine.documents.one(call, shown)


def schedule_campaign(call: Call) -> Answer:
    """All of the given messages, or none of them. Its job has the campaign's id (inferred)."""
    campaign_id = parts.related(call, "campaign")
    store, account = call.engine.store, call.account
    known = {one.id: one for one in parts.messages(store, account, campaign_id)}
    given, at = call.data["attributes"]["message_schedules"], "/data/attributes/message_schedules"
    if not given:
        raise invalid("'message_schedules' must not be empty.", pointer=at)
    seen: set[str] = set()
    for index, one in enumerate(given):
        here = f"{at}/{index}"
        if one["message_id"] not in known:
            text = inferred.OTHER_CAMPAIGN.format(type="message", id=one["message_id"], campaign=campaign_id)
            raise invalid(text, pointer=f"{here}/message_id")
        if one["message_id"] in seen:
            raise invalid(inferred.MESSAGE_TWICE.format(id=one["message_id"]), pointer=f"{here}/message_id")
        seen.add(one["message_id"])
        parts.editable(known[one["message_id"]], inferred.MESSAGE_STATE.replace("{action}", "scheduled"))
        _check(call, one, here)
    with store.write():
        done = [(one["message_id"], *_schedule(call, known[one["message_id"]], one)) for one in given]
        parts.settle(store, account, campaign_id, call.now)
        for message_id, _, delay in done:
            campaign_delivery.submit(call.engine, account, campaign_id, message_id, delay)
    results = [{"id": message_id, **answered} for message_id, answered, _ in done]
    shown: Resource = generic.resource(
        "campaign-schedule", campaign_id, {"messages": results}, {"campaign": campaign_id}
    )
    return call.engine.documents.one(call, shown)


def update_message_schedule(call: Call) -> Answer:
    message = Part(call.id, generic.required(call, "campaign-message", call.id))
    crud.same_id(call)
    action = call.data["attributes"]["action"]
    if not can_stop(message.attributes["phase"], action):
        done = {"cancel": "cancelled", "revert": "reverted"}[action]
        text = inferred.MESSAGE_STATE.format(status=message.attributes["status"], action=done)
        raise invalid(text, pointer="/data/attributes/action")
    store, account = call.engine.store, call.account
    with store.write():
        campaign_delivery.stop(call.engine, account, message, "Draft" if action == "revert" else "Cancelled", call.now)
        parts.settle(store, account, parts.owner(store, account, "campaign-message", call.id, "campaign"), call.now)
    return Answer(call.operation.status)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "schedule_campaign": schedule_campaign,
    "schedule_campaign_message": schedule_message,
    "update_campaign_message_schedule": update_message_schedule,
}
