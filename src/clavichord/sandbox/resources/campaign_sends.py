"""Send jobs and recipient estimations: of a whole campaign, in every revision (FACTS §9.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.errors import invalid
from clavichord.sandbox.jobs import Task
from clavichord.sandbox.resources import audiences, campaign_delivery
from clavichord.sandbox.resources import campaign_parts as parts

_ESTIMATION = "campaign-estimation"
_WAITING = ("Scheduled", "Preparing to send")
_UNDER_WAY = ("Sending", "Variations Sent")


def _job(call: Call, kind: str, campaign_id: str, status: str) -> Answer:
    return call.engine.documents.one(call, generic.resource(kind, campaign_id, {"status": status}, {}))


def send(call: Call) -> Answer:
    """Every message that is still a draft goes its own way. A job has its campaign's id."""
    campaign_id, store, account = call.data["id"], call.engine.store, call.account
    campaign = generic.required(call, "campaign", campaign_id)
    held = parts.messages(store, account, campaign_id)
    drafts = [one for one in held if one.attributes["status"] == "draft"]
    if not held:
        raise invalid(inferred.NO_MESSAGES, pointer="/data/id")
    if not drafts:
        text = inferred.CAMPAIGN_STATE.format(status=campaign["status"], action="sent")
        raise invalid(text, pointer="/data/id")
    with store.write():
        delays = [campaign_delivery.launch(call.engine, account, one, call.now) for one in drafts]
        parts.settle(store, account, campaign_id, call.now)
        for one, delay in zip(drafts, delays, strict=True):
            campaign_delivery.submit(call.engine, account, campaign_id, one.id, delay)
    return _job(call, "campaign-send-job", campaign_id, "queued")


def get_job(call: Call) -> Answer:
    """Refusal (404) for a campaign that nobody sent, in the campaign's words (LIVE #7)."""
    return _job(call, "campaign-send-job", call.id, _kept(call, "send_job"))


def _kept(call: Call, name: str) -> Any:
    found = crud.state(call, "campaign", call.id).get(name)
    if found is None:
        raise generic.missing("campaign", call.id)
    return found


def stop(call: Call) -> Answer:
    """`cancel` is for good, `revert` makes a draft of it again and can only come before it begins."""
    campaign = generic.required(call, "campaign", call.id)
    crud.same_id(call)
    action, store, account = call.data["attributes"]["action"], call.engine.store, call.account
    found = [one for one in parts.messages(store, account, call.id) if can_stop(one.attributes["phase"], action)]
    if not found:
        done = {"cancel": "cancelled", "revert": "reverted"}[action]
        text = inferred.CAMPAIGN_STATE.format(status=campaign["status"], action=done)
        raise invalid(text, pointer="/data/attributes/action")
    with store.write():
        for one in found:
            campaign_delivery.stop(call.engine, account, one, "Draft" if action == "revert" else "Cancelled", call.now)
        parts.settle(store, account, call.id, call.now)
    return Answer(call.operation.status)


def can_stop(phase: str, action: str) -> bool:
    return phase in _WAITING or (action == "cancel" and phase in _UNDER_WAY)


def estimate(call: Call) -> Answer:
    campaign_id = call.data["id"]
    generic.required(call, "campaign", campaign_id)
    with call.engine.store.write():
        crud.keep(call, "campaign", campaign_id, {"estimation": {"status": "processing"}})
    call.engine.jobs.submit(call.account, _ESTIMATION, {}, job=campaign_id)
    return _job(call, "campaign-recipient-estimation-job", campaign_id, "processing")


def _estimate(engine: Engine, task: Task) -> None:
    """The people whom any of the messages would reach."""
    store, account = engine.store, task.account
    everyone = [one.attributes for one in parts.audiences(store, account, task.job)]
    chosen = []
    for message in parts.messages(store, account, task.job):
        audience = parts.owner(store, account, "campaign-message", message.id, "campaign-audience")
        groups = generic.load(store, account, "campaign-audience", audience)
        if groups is not None and message.attributes["channel"] is not None:
            chosen.append(audiences.recipients(engine, account, groups, message.attributes, everyone))
    store.execute(
        "UPDATE resource SET state = json_set(state, '$.estimation', json_object('status', 'complete', 'count', ?))"
        " WHERE account = ? AND type = 'campaign' AND id = ?",
        (audiences.count(engine, account, chosen), account, task.job),
    )


def get_estimation_job(call: Call) -> Answer:
    """404 as long as nobody asked for an estimation, in the campaign's words (LIVE #7)."""
    return _job(call, "campaign-recipient-estimation-job", call.id, _kept(call, "estimation")["status"])


def get_estimation(call: Call) -> Answer:
    estimation = _kept(call, "estimation")
    if "count" not in estimation:
        raise generic.missing("campaign", call.id)
    attributes = {"estimated_recipient_count": estimation["count"]}
    return call.engine.documents.one(call, generic.resource("campaign-recipient-estimation", call.id, attributes, {}))


def declare(engine: Engine) -> None:
    campaign_delivery.declare(engine)
    engine.jobs.kind(_ESTIMATION, _estimate)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "send_campaign": send,
    "get_campaign_send_job": get_job,
    "cancel_campaign_send": stop,
    "refresh_campaign_recipient_estimation": estimate,
    "get_campaign_recipient_estimation_job": get_estimation_job,
    "get_campaign_recipient_estimation": get_estimation,
}
