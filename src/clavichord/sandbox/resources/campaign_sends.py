"""Sending: a campaign goes out when the clock reaches its time, or is cancelled or reverted before (FACTS §9.6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import SECOND, micros
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.errors import invalid
from clavichord.sandbox.jobs import Task
from clavichord.sandbox.resources import audiences, outbox
from clavichord.sandbox.resources import campaign_definitions as definitions

_TASK = "campaign-send"
_ESTIMATION = "campaign-estimation"
_WAITING = ("Scheduled", "Preparing to send")


def _campaign(call: Call, campaign_id: str) -> dict[str, Any]:
    return generic.required(call, "campaign", campaign_id)


def _job(call: Call, kind: str, campaign_id: str, status: str) -> Answer:
    return call.engine.documents.one(call, generic.resource(kind, campaign_id, {"status": status}, {}))


def send(call: Call) -> Answer:
    """A job has its campaign's id."""
    campaign_id = call.data["id"]
    attributes = _campaign(call, campaign_id)
    if attributes["status"] != "Draft":
        text = inferred.CAMPAIGN_STATE.format(status=attributes["status"], action="sent")
        raise invalid(text, pointer="/data/id")
    at = definitions.send_instant(attributes["send_strategy"], call.now)
    attributes["status"] = "Scheduled" if at > call.now else "Preparing to send"
    attributes |= {"scheduled_at": micros(call.now), "send_time": micros(at)}
    with call.engine.store.write():
        _save(call.engine, call.account, campaign_id, attributes, "queued")
        _set_times(call.engine, call.account, campaign_id, attributes)
    delay = (at - call.now) / SECOND if at > call.now else None
    call.engine.jobs.submit(call.account, _TASK, {}, job=campaign_id, delay=delay)
    return _job(call, "campaign-send-job", campaign_id, "queued")


def _save(engine: Engine, account: str, campaign_id: str, attributes: Mapping[str, Any], job: str) -> None:
    """The campaign with its new status, which moves `updated_at`, and its job's."""
    now = engine.clock.now()
    generic.update(engine.store, account, "campaign", campaign_id, {**attributes, "updated_at": micros(now)}, now)
    engine.store.execute(
        "UPDATE resource SET state = json_set(state, '$.send_job', ?)"
        " WHERE account = ? AND type = 'campaign' AND id = ?",
        (job, account, campaign_id),
    )


def _set_times(engine: Engine, account: str, campaign_id: str, attributes: Mapping[str, Any]) -> None:
    """`send_times` of the messages."""
    strategy, when = attributes["send_strategy"], attributes["send_time"]
    local = bool((strategy.get("options") or {}).get("is_local"))
    times = [] if when is None else [{"datetime": when, "is_local": local}]
    for message_id in generic.targets(engine.store, account, "campaign", campaign_id, "campaign-messages"):
        message = generic.load(engine.store, account, "campaign-message", message_id)
        if message is not None:
            message["send_times"] = times
            generic.update(engine.store, account, "campaign-message", message_id, message, engine.clock.now())


def _begin(engine: Engine, task: Task, campaign: dict[str, Any]) -> int | None:
    """Queues the recipients: who joins an audience from now on is too late."""
    now = engine.clock.now()
    status = "Cancelled: No Recipients"
    for message_id, channel, parts in _messages(engine, task):
        if parts is None:
            status = "Cancelled: Misconfigured"
            break
        sql, parameters = audiences.recipients(engine, task.account, campaign, channel)
        queued = engine.store.execute(
            f"INSERT INTO outbox (account, campaign, message, profile, channel, at) SELECT ?, ?, ?, p.id, ?, ? {sql}"
            " ORDER BY p.id",
            (task.account, task.job, message_id, channel, now, *parameters),
        ).rowcount
        if queued:
            status = "Sending"
        if campaign["send_options"]["use_smart_sending"]:
            outbox.skip_recent(engine.store, task.account, task.job, channel, now)
    campaign["status"] = status
    _save(engine, task.account, task.job, campaign, "processing" if status == "Sending" else "cancelled")
    return 1 if status == "Sending" else None


def _messages(engine: Engine, task: Task) -> Iterator[tuple[str, str, outbox.Parts | None]]:
    """Id, channel and content of each message."""
    for message_id in generic.targets(engine.store, task.account, "campaign", task.job, "campaign-messages"):
        message = generic.load(engine.store, task.account, "campaign-message", message_id)
        if message is not None:
            definition = message["definition"]
            parts = outbox.parts_of(engine, task.account, message_id, definition)
            yield message_id, definition["channel"], parts


def _work(engine: Engine, task: Task) -> int | None:
    """The next recipients; when none is left the campaign is sent."""
    campaign = generic.load(engine.store, task.account, "campaign", task.job)
    if campaign is None:
        return None
    if task.position == 0:
        return _begin(engine, task, campaign)
    rows = engine.store.execute(
        "SELECT id, message, profile FROM outbox WHERE account = ? AND campaign = ? AND status = 'queued'"
        " ORDER BY id LIMIT ?",
        (task.account, task.job, inferred.SEND_SLICE),
    ).fetchall()
    messages = {one: (channel, parts) for one, channel, parts in _messages(engine, task)}
    for row in rows:
        channel, parts = messages[row[1]]
        outbox.deliver(engine, row, task.account, campaign["name"], channel, parts or outbox.Parts())
    if rows:
        return task.position + len(rows)
    campaign["status"] = "Sent"
    _save(engine, task.account, task.job, campaign, "complete")
    return None


def get_job(call: Call) -> Answer:
    """Refusal (404) for a campaign that nobody sent, in the campaign's words (LIVE #7)."""
    return _job(call, "campaign-send-job", call.id, _kept(call, "send_job"))


def _kept(call: Call, name: str) -> Any:
    found = crud.state(call, "campaign", call.id).get(name)
    if found is None:
        raise generic.missing("campaign", call.id)
    return found


def stop(call: Call) -> Answer:
    """`cancel` is for good, `revert` makes a draft of it again; both only before it begins."""
    attributes = _campaign(call, call.id)
    crud.same_id(call)
    action = call.data["attributes"]["action"]
    if attributes["status"] not in _WAITING:
        done = {"cancel": "cancelled", "revert": "reverted"}[action]
        text = inferred.CAMPAIGN_STATE.format(status=attributes["status"], action=done)
        raise invalid(text, pointer="/data/attributes/action")
    attributes["status"] = "Draft" if action == "revert" else "Cancelled"
    attributes |= {"scheduled_at": None, "send_time": None}
    with call.engine.store.write():
        _save(call.engine, call.account, call.id, attributes, "cancelled")
        _set_times(call.engine, call.account, call.id, attributes)
        call.engine.store.execute(
            "DELETE FROM task WHERE account = ? AND kind = ? AND job = ?", (call.account, _TASK, call.id)
        )
    call.engine.jobs.wake()
    return Answer(call.operation.status)


def estimate(call: Call) -> Answer:
    campaign_id = call.data["id"]
    _campaign(call, campaign_id)
    with call.engine.store.write():
        crud.keep(call, "campaign", campaign_id, {"estimation": {"status": "processing"}})
    call.engine.jobs.submit(call.account, _ESTIMATION, {}, job=campaign_id)
    return _job(call, "campaign-recipient-estimation-job", campaign_id, "processing")


def _estimate(engine: Engine, task: Task) -> None:
    campaign = generic.load(engine.store, task.account, "campaign", task.job)
    row = engine.store.one(
        "SELECT json_extract(state, '$.channel') FROM resource WHERE account = ? AND type = 'campaign' AND id = ?",
        task.account,
        task.job,
    )
    if campaign is None or row is None:
        return
    count = audiences.count(engine, task.account, campaign, row[0])
    engine.store.execute(
        "UPDATE resource SET state = json_set(state, '$.estimation', json_object('status', 'complete', 'count', ?))"
        " WHERE account = ? AND type = 'campaign' AND id = ?",
        (count, task.account, task.job),
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
    engine.jobs.kind(_TASK, _work)
    engine.jobs.kind(_ESTIMATION, _estimate)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "send_campaign": send,
    "get_campaign_send_job": get_job,
    "cancel_campaign_send": stop,
    "refresh_campaign_recipient_estimation": estimate,
    "get_campaign_recipient_estimation_job": get_estimation_job,
    "get_campaign_recipient_estimation": get_estimation,
}
