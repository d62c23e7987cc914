"""The events that reports count, each with the message or form it belongs to (FACTS §9.14).

Klaviyo's reports go by the date a message was sent, not by that of what happened to it afterwards.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from clavichord.sandbox import generic, inferred
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.resources import segment_evaluation
from clavichord.sandbox.resources.report_statistics import FORM_ROLES, ROLES

Dimensions = Mapping[str, Any]
"""what can be grouped and filtered by: a text, None, or a list of texts (tags, audiences)"""

_CHANNELS = {"email": "email", "sms": "sms", "mobile_push": "push-notification", "whatsapp": "whatsapp"}
_FLOW_CHANNELS = {"Email": "email", "SMS": "sms", "Push": "push-notification", "WhatsApp": "whatsapp"}
_SENT = ("delivered", "bounced", "failed")
_TOUCHES = ("opens", "clicks")
_NO_VARIATION = {"variation": None, "variation_name": None}


class Observation(NamedTuple):
    """One event that counts. `at`: the second by which it is sorted into a time frame."""

    dimensions: Dimensions
    role: str
    profile: str
    at: int
    value: float = 0.0


class _Event(NamedTuple):
    metric: str
    profile: str
    at: int
    properties: Mapping[str, Any]


def _events(engine: Engine, account: str, metrics: Mapping[str, Any], since: int) -> list[_Event]:
    """Events of these metrics, oldest first."""
    rows = engine.store.execute(
        "SELECT metric, profile, at, attributes FROM event WHERE account = ? AND at >= ?"
        " AND metric IN (SELECT value FROM json_each(?)) ORDER BY at, id",
        (account, since, msgspec.json.encode(list(metrics)).decode()),
    )
    return [_Event(row[0], row[1], row[2], msgspec.json.decode(row[3])["event_properties"]) for row in rows]


def _roles(engine: Engine, account: str, names: Mapping[str, str]) -> dict[str, str]:
    """metric id → role"""
    rows = engine.store.execute(
        "SELECT id, json_extract(attributes, '$.name') FROM resource WHERE account = ? AND type = 'metric'", (account,)
    )
    return {row[0]: names[row[1]] for row in rows if row[1] in names}


def of_forms(engine: Engine, account: str, start: int) -> Iterator[Observation]:
    """Forms as events name them: the sandbox shows none."""
    roles = _roles(engine, account, FORM_ROLES)
    for event in _events(engine, account, roles, start):
        form = _first(event.properties, "$form_id", "form_id", "Form ID")
        version = _first(event.properties, "$form_version_id", "form_version_id", "Form Version ID")
        if form is not None:
            dimensions = {"form_id": form, "form_version_id": version}
            yield Observation(dimensions, roles[event.metric], event.profile, event.at)


def _first(properties: Mapping[str, Any], *names: str) -> str | None:
    return next((str(properties[name]) for name in names if properties.get(name) is not None), None)


def of_messages(
    engine: Engine, account: str, start: int, conversion_metric: str, messages: Mapping[str, Dimensions]
) -> Iterator[Observation]:
    """What happened to messages that were sent since `start`. `messages`: also by the other names that events use."""
    roles = _roles(engine, account, ROLES)
    sent: dict[tuple[str, str], list[int]] = {}
    got: dict[tuple[str, str], Dimensions] = {}
    touched: dict[str, list[tuple[int, Dimensions]]] = {}

    def sent_at(message: Dimensions, profile: str, at: int) -> int:
        """When this person got the message that something happened to; without a trace of that, when it happened."""
        times = sent.get((_id(message), profile), [])
        index = bisect_right(times, at)
        return times[index - 1] if index else at

    for event in _events(engine, account, roles, start - inferred.REPORT_LOOKBACK):
        message = _message(event.properties, messages)
        role = roles[event.metric]
        if message is None:
            continue
        key = (_id(message), event.profile)
        if role in _SENT:
            sent.setdefault(key, []).append(event.at)
            got[key] = message
        message = got.get(key, message)  # the variation that this person got
        if role in _TOUCHES:
            touched.setdefault(event.profile, []).append((event.at, message))
        yield Observation(message, role, event.profile, sent_at(message, event.profile, event.at))
    for event, value in _conversions(engine, account, conversion_metric, start):
        message = _attributed(event, messages, touched)
        if message is not None:
            message = got.get((_id(message), event.profile), message)
            at = sent_at(message, event.profile, event.at)
            yield Observation(message, "conversions", event.profile, at, value)


def _conversions(engine: Engine, account: str, metric_id: str, start: int) -> Iterator[tuple[_Event, float]]:
    """The events of a metric with their values, or of a custom metric: those of its groups that fit their filters, each
    worth its group's property; where it counts they are worth nothing (inferred)."""
    custom = generic.load(engine.store, account, "custom-metric", metric_id)
    if custom is None:
        for event in _events(engine, account, {metric_id: None}, start):
            yield event, _amount(event.properties, "$value")
        return
    groups, counting = custom["definition"]["metric_groups"], custom["definition"]["aggregation_method"] == "count"
    for event in _events(engine, account, dict.fromkeys(one["metric_id"] for one in groups), start):
        for group in groups:
            filters = group.get("metric_filters") or ()
            if group["metric_id"] == event.metric and segment_evaluation.fits(
                filters, event.properties, engine.clock.now()
            ):
                value = 0.0 if counting else _amount(event.properties, group.get("value_property") or "$value")
                yield event, value
                break  # an event that fits two groups is one event


def _id(message: Dimensions) -> str:
    return str(message["campaign_message_id"] if "campaign_message_id" in message else message["flow_message_id"])


def _message(properties: Mapping[str, Any], messages: Mapping[str, Dimensions]) -> Dimensions | None:
    name, variation = _first(properties, "$message", "Campaign Name"), _first(properties, "$variation")
    if name is None:
        return None
    return messages.get(f"{name}:{variation}") or messages.get(name)


def _attributed(
    event: _Event, messages: Mapping[str, Dimensions], touched: Mapping[str, list[tuple[int, Dimensions]]]
) -> Dimensions | None:
    """The message that the event names, else the last one that was opened or clicked within the window (inferred)."""
    attribution = event.properties.get("$attribution")
    if isinstance(attribution, Mapping):
        return _message(attribution, messages)
    touches = touched.get(event.profile, [])
    index = bisect_right(touches, event.at, key=lambda touch: touch[0])
    if index and event.at - touches[index - 1][0] <= inferred.ATTRIBUTION_WINDOW:
        return touches[index - 1][1]
    return None


def _amount(properties: Mapping[str, Any], name: str) -> float:
    value = properties.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def campaign_messages(engine: Engine, account: str) -> dict[str, Dimensions]:
    """Dimensions of every campaign's messages, by the message's id, the campaign's id and the campaign's name; those of
    one variation by `message:variation`."""
    tags, names = _tags(engine, account, "campaigns"), _audience_names(engine, account)
    found: dict[str, Dimensions] = {}
    for row in engine.store.execute(_CAMPAIGN_MESSAGES, (account,)).fetchall():
        campaign_id, name, message_id, message_name, channel, included, variation, variation_name = row
        groups: list[str] = msgspec.json.decode(included or "[]")
        dimensions: Dimensions = _NO_VARIATION | {
            "campaign_id": campaign_id,
            "campaign_message_id": message_id,
            "campaign_message_name": message_name or name,
            "group": groups,
            "group_name": [names[one] for one in groups if one in names],
            "send_channel": _CHANNELS.get(channel),
            "text_message_format": "SMS" if channel == "sms" else None,
            **tags.get(campaign_id, {"tag_id": [], "tag_name": []}),
        }
        found |= dict.fromkeys(filter(None, (campaign_id, message_id, name)), dimensions)
        if variation is not None:
            found[f"{message_id}:{variation}"] = {
                **dimensions,
                "variation": variation,
                "variation_name": variation_name,
            }
    return found


_CAMPAIGN_MESSAGES = """
SELECT c.id, json_extract(c.attributes, '$.name'), m.id, json_extract(m.attributes, '$.name'),
  json_extract(m.attributes, '$.channel'), json_extract(a.attributes, '$.included'),
  v.id, json_extract(v.attributes, '$.name')
FROM edge e
JOIN resource c ON c.account = e.account AND c.type = 'campaign' AND c.id = e.id
JOIN resource m ON m.account = e.account AND m.type = 'campaign-message' AND m.id = e.target
LEFT JOIN edge f ON f.account = e.account AND f.type = 'campaign-message' AND f.id = m.id
  AND f.relationship = 'campaign-audience'
LEFT JOIN resource a ON a.account = e.account AND a.type = 'campaign-audience' AND a.id = f.target
LEFT JOIN edge g ON g.account = e.account AND g.target = m.id AND g.type = 'campaign-variation'
  AND g.relationship = 'campaign-message'
LEFT JOIN resource v ON v.account = e.account AND v.type = 'campaign-variation' AND v.id = g.id
WHERE e.account = ? AND e.type = 'campaign' AND e.relationship = 'campaign-messages'
ORDER BY c.created, m.id, v.id
"""


def flow_messages(engine: Engine, account: str) -> dict[str, Dimensions]:
    """Dimensions of every flow's messages, by the message's id."""
    rows = engine.store.execute(
        "SELECT m.id, m.attributes, f.id, json_extract(f.attributes, '$.name') FROM edge e"
        " JOIN edge a ON a.account = e.account AND a.type = 'flow-action' AND a.id = e.target"
        " AND a.relationship = 'flow-messages'"
        " JOIN resource m ON m.account = e.account AND m.type = 'flow-message' AND m.id = a.target"
        " JOIN resource f ON f.account = e.account AND f.type = 'flow' AND f.id = e.id"
        " WHERE e.account = ? AND e.type = 'flow' AND e.relationship = 'flow-actions'",
        (account,),
    ).fetchall()
    tags = _tags(engine, account, "flows")
    found: dict[str, Dimensions] = {}
    for message_id, message, flow_id, name in rows:
        attributes = msgspec.json.decode(message)
        channel = _FLOW_CHANNELS.get(attributes["channel"])
        found[message_id] = _NO_VARIATION | {
            "flow_id": flow_id,
            "flow_message_id": message_id,
            "flow_message_name": attributes["definition"].get("name"),
            "flow_name": name,
            "send_channel": channel,
            "text_message_format": "SMS" if channel == "sms" else None,
            **tags.get(flow_id, {"tag_id": [], "tag_name": []}),
        }
    return found


def _tags(engine: Engine, account: str, carriers: str) -> dict[str, dict[str, list[str]]]:
    rows = engine.store.execute(
        "SELECT e.target, t.id, json_extract(t.attributes, '$.name') FROM edge e"
        " JOIN resource t ON t.account = e.account AND t.type = 'tag' AND t.id = e.id"
        " WHERE e.account = ? AND e.type = 'tag' AND e.relationship = ? ORDER BY e.at, t.id",
        (account, carriers),
    )
    found: dict[str, dict[str, list[str]]] = {}
    for carrier, tag_id, name in rows:
        entry = found.setdefault(carrier, {"tag_id": [], "tag_name": []})
        entry["tag_id"].append(tag_id)
        entry["tag_name"].append(name)
    return found


def _audience_names(engine: Engine, account: str) -> dict[str, str]:
    rows = engine.store.execute(
        "SELECT id, json_extract(attributes, '$.name') FROM resource WHERE account = ? AND type IN ('list', 'segment')",
        (account,),
    )
    return {row[0]: row[1] for row in rows}
