"""A message on its way: recipients are queued when it begins, each gets it at its own time (FACTS §9.6).

Klaviyo looks at its recipients when sending begins: who joins an audience from then on is too late. Whether somebody
may still be written to is looked at again when the message is due.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from clavichord.sandbox import generic, inferred
from clavichord.sandbox.clock import SECOND, micros
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.jobs import Task
from clavichord.sandbox.resources import audiences, outbox, send_plans
from clavichord.sandbox.resources import campaign_parts as parts
from clavichord.sandbox.resources import campaign_translation as translation
from clavichord.sandbox.resources.campaign_parts import Part
from clavichord.sandbox.resources.report_statistics import ROLES
from clavichord.sandbox.resources.send_plans import Recipient

_TASK = "campaign-send"
_RECENT = {
    "throttle-for-campaigns": " AND o.campaign <> ''",
    "throttle-for-flows": " AND o.campaign = ''",
    "throttle-for-campaigns-and-flows": "",
}
_OF_THE_MESSAGE = " AND json_extract(CAST(v.attributes AS TEXT), '$.event_properties.\"$message\"') = o.message"
_WINNERS = {
    "opens_unique": ("opens", _OF_THE_MESSAGE),
    "clicks_unique": ("clicks", _OF_THE_MESSAGE),
    "placed_orders_unique": ("Placed Order", ""),
}
"""what `winner_metric` counts: the role or name of metrics, and the condition on their events"""


def launch(engine: Engine, account: str, message: Part, now: int) -> float | None:
    """Sets a draft on its way, inside a transaction; seconds until it begins, None: as soon as any job is done."""
    at = send_plans.begins(message.attributes, now)
    phase = "Scheduled" if at > now else "Preparing to send"
    attributes = translation.in_phase(message.attributes, phase)
    attributes |= {"scheduled_at": micros(now), "due": translation.due_of(attributes, now)}
    parts.save(engine.store, account, "campaign-message", Part(message.id, attributes), now)
    return (at - now) / SECOND if at > now else None


def submit(engine: Engine, account: str, campaign_id: str, message_id: str, delay: float | None) -> None:
    """In the transaction of `launch`: a message is never on its way without anybody to send it."""
    engine.jobs.submit(account, _TASK, {"campaign": campaign_id, "begun": False}, job=message_id, delay=delay)


def stop(engine: Engine, account: str, message: Part, phase: str, now: int) -> None:
    """Takes a message from its way, inside a transaction: who has it keeps it, nobody else gets it."""
    parts.unsend(engine, account, message.id)
    engine.store.execute(
        "UPDATE outbox SET status = 'skipped', reason = 'Cancelled' WHERE account = ? AND message = ?"
        " AND status = 'queued'",
        (account, message.id),
    )
    attributes = translation.in_phase(message.attributes, phase) | {"scheduled_at": None, "due": None}
    parts.save(engine.store, account, "campaign-message", Part(message.id, attributes), now)


class _Send:
    """One message and what is needed to send it, read anew for every slice."""

    def __init__(self, engine: Engine, task: Task, message: dict[str, Any]) -> None:
        self.engine, self.store, self.account = engine, engine.store, task.account
        self.id, self.message = task.job, message
        self.campaign_id: str = task.payload["campaign"]
        self.campaign = generic.load(engine.store, task.account, "campaign", self.campaign_id) or {}
        self.variations = parts.variations(engine.store, task.account, task.job)
        self.now = engine.clock.now()

    def content(self) -> dict[str, outbox.Parts] | None:
        """By variation; None if one of them cannot be sent."""
        found = {}
        for one in self.variations:
            content = outbox.parts_of(self.store, self.account, one.id, one.attributes["details"])
            if content is None:
                return None
            found[one.id] = content
        return found or None

    def enter(self, phase: str) -> None:
        if self.message["phase"] != phase:
            self.message = translation.in_phase(self.message, phase)
            parts.save(self.store, self.account, "campaign-message", Part(self.id, self.message), self.now)
            parts.settle(self.store, self.account, self.campaign_id, self.now)

    def people(self) -> list[Recipient]:
        """The recipients of this moment, shuffled in a way that stays the same where not all are treated alike."""
        audience = parts.owner(self.store, self.account, "campaign-message", self.id, "campaign-audience")
        groups = generic.load(self.store, self.account, "campaign-audience", audience)
        if groups is None:
            return []
        others = [one.attributes for one in parts.audiences(self.store, self.account, self.campaign_id)]
        chosen = audiences.recipients(self.engine, self.account, groups, self.message, others)
        alike = len(self.variations) < 2 and "recipient_percentage" not in self.message["send_options"]
        order = "p.id" if alike else "substr(p.id, -8), p.id"
        rows = self.store.execute(
            f"SELECT p.id, json_extract(CAST(p.tail AS TEXT), '$.location.timezone') {chosen.sql} ORDER BY {order}",
            chosen.parameters,
        ).fetchall()
        hours = self._hours() if translation.is_smart(self.message) else {}
        return [Recipient(profile, zone, hours.get(profile)) for profile, zone in rows]

    def _hours(self) -> dict[str, int]:
        """profile → the hour of the day in which it opened the most messages."""
        rows = self.store.execute(
            "SELECT profile, at / 3600 % 24 AS hour, count(*) AS opens FROM event WHERE account = ?"
            " AND metric IN (SELECT value FROM json_each(?)) GROUP BY profile, hour ORDER BY opens, hour DESC",
            (self.account, self._metrics("opens")),
        )
        return {profile: hour for profile, hour, _ in rows}

    def _metrics(self, role: str) -> str:
        """The ids of the metrics that count as `role`, as JSON."""
        rows = self.store.execute(
            "SELECT id, json_extract(attributes, '$.name') FROM resource WHERE account = ? AND type = 'metric'",
            (self.account,),
        )
        return msgspec.json.encode([one for one, name in rows if role in (name, ROLES.get(name))]).decode()

    def winner(self) -> str:
        """The variation of the test that did best so far; of equal ones the first."""
        metric = (self.message["ab_test"] or {}).get("winner_metric") or inferred.WINNER_METRIC
        role, about = _WINNERS[metric]
        rows = self.store.execute(
            "SELECT o.variation, count(DISTINCT o.profile) FROM outbox o JOIN event v ON v.profile = o.profile"
            f" AND v.at >= o.at / {SECOND} AND v.metric IN (SELECT value FROM json_each(?)){about}"
            " WHERE o.account = ? AND o.message = ? AND o.status = 'sent' GROUP BY o.variation",
            (self._metrics(role), self.account, self.id),
        )
        counts = dict(rows.fetchall())
        return max((one.id for one in self.variations), key=lambda one: counts.get(one, 0))

    def withheld(self, profile: str) -> str:
        """Why this person does not get it after all, "" if there is no reason."""
        permitted = audiences.permission(self.message)
        row = self.store.one(
            f"SELECT {permitted} FROM profile p WHERE p.account = ? AND p.id = ?", self.account, profile
        )
        if row is not None and not row[0]:
            return "Not permitted any more"
        if translation.uses_smart_sending(self.message) and self._had_one(profile):
            return "Smart Sending"
        return "Exit Condition" if self._left(profile) else ""

    def _had_one(self, profile: str) -> bool:
        """Nobody gets a second message of a channel within its window, but for one of the same campaign (§12.2)."""
        channel = self.message["channel"]
        kind = self.message["send_options"].get("throttling_type", inferred.SMART_SENDING)
        since = self.now - inferred.SMART_SENDING_HOURS[channel] * 3600 * SECOND
        found = self.store.one(
            "SELECT 1 FROM outbox o WHERE o.profile = ? AND o.channel = ? AND o.at > ? AND o.status = 'sent'"
            f" AND o.campaign <> ?{_RECENT[kind]}",
            profile,
            channel,
            since,
            self.campaign_id,
        )
        return found is not None

    def _left(self, profile: str) -> bool:
        """Whether something happened that ends the campaign for this person (inferred: since its first message)."""
        settings = self.campaign.get("send_settings") or {}
        if not settings.get("exit_condition_enabled"):
            return False
        found = self.store.one(
            f"SELECT 1 FROM event v WHERE v.profile = ? AND v.metric = ? AND v.at >= (SELECT min(o.at) / {SECOND}"
            " FROM outbox o WHERE o.profile = v.profile AND o.campaign = ? AND o.status = 'sent')",
            profile,
            settings.get("exit_condition_conversion_metric_id"),
            self.campaign_id,
        )
        return found is not None


def _work(engine: Engine, task: Task) -> int | None:
    """Those who are due now, a slice at a time; when nobody is left the message is sent."""
    message = generic.load(engine.store, task.account, "campaign-message", task.job)
    if message is None:
        return None
    send = _Send(engine, task, message)
    if task.position == 0 and not task.payload["begun"]:
        return _begin(send)
    rows = engine.store.execute(
        "SELECT id, profile, variation FROM outbox WHERE account = ? AND message = ? AND status = 'queued' AND at <= ?"
        " ORDER BY at, id LIMIT ?",
        (task.account, task.job, send.now, inferred.SEND_SLICE),
    ).fetchall()
    if not rows:
        _wait_or_finish(send)
        return None
    content = send.content() or {}
    sending = outbox.Sending(
        task.account, send.campaign_id, task.job, send.campaign.get("name") or "", message["channel"]
    )
    if any(not variation for _, _, variation in rows):
        best = send.winner()
        engine.store.execute(
            "UPDATE outbox SET variation = ? WHERE account = ? AND message = ? AND variation = ''",
            (best, task.account, task.job),
        )
        rows = [(entry, profile, variation or best) for entry, profile, variation in rows]
    send.enter("Sending")
    for entry, profile, variation in rows:
        reason = send.withheld(profile)
        if reason:
            outbox.skip(engine.store, entry, reason)
            continue
        about: Mapping[str, Any] = {"$variation": variation} if len(send.variations) > 1 else {}
        outbox.deliver(engine, sending, entry, profile, content.get(variation, outbox.Parts()), about)
    return task.position + len(rows)


def _begin(send: _Send) -> int | None:
    if send.content() is None:
        send.enter("Cancelled: Misconfigured")
        return None
    people = send.people()
    if not people:
        send.enter("Cancelled: No Recipients")
        return None
    account = generic.load(send.store, send.account, "account", send.account) or {}
    variations = [one.id for one in send.variations]
    deliveries = send_plans.plan(send.message, variations, people, send.now, account.get("timezone") or "UTC")
    send.store.executemany(
        "INSERT INTO outbox (account, campaign, message, profile, channel, at, variation) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            (send.account, send.campaign_id, send.id, one.profile, send.message["channel"], one.at, one.variation)
            for one in deliveries
        ),
    )
    send.enter("Sending")
    return 1


def _wait_or_finish(send: _Send) -> None:
    row = send.store.one(
        "SELECT min(at), sum(variation <> '') FROM outbox WHERE account = ? AND message = ? AND status = 'queued'",
        send.account,
        send.id,
    )
    if row is not None and row[0] is not None:
        if not row[1]:
            send.enter("Variations Sent")
        payload = {"campaign": send.campaign_id, "begun": True}
        send.engine.jobs.submit(send.account, _TASK, payload, job=send.id, delay=(row[0] - send.now) / SECOND)
        return
    counts = dict(
        send.store.execute(
            "SELECT CASE WHEN status = 'sent' THEN '' ELSE reason END, count(*) FROM outbox WHERE account = ?"
            " AND message = ? GROUP BY 1",
            (send.account, send.id),
        ).fetchall()
    )
    send.enter("Cancelled: Smart Sending" if counts.keys() == {"Smart Sending"} else "Sent")


def declare(engine: Engine) -> None:
    engine.jobs.kind(_TASK, _work)
