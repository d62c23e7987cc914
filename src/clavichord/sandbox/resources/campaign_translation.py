"""One campaign in the words of two revisions (FACTS §9.6, App. H).

Until 2026-07-15 a campaign has one channel, one audience, one way of sending, and messages that are their own content.
From 2026-10-15 on it has audiences, each audience messages, each message variations; channel and content are the
variation's, the way of sending is the message's. Stored is the newer form, sparse: what nobody said is absent, and each
revision fills in its own default. Nothing here looks into the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from clavichord.sandbox import inferred
from clavichord.sandbox.clock import SECOND, micros, parse, seconds
from clavichord.sandbox.resources import campaign_definitions as definitions

Attributes = Mapping[str, Any]

SINCE = "2026-10-15"
"""the first revision with the newer form"""

OLDER_CAMPAIGN = (
    *("name", "status", "archived", "audiences", "send_options", "tracking_options", "send_strategy"),
    *("created_at", "scheduled_at", "updated_at", "send_time"),
)
DEFINITION = ("name", "builder", "archived", "color", "description", "send_settings")
SEND_SETTINGS = (
    *("send_timezone", "send_strategy", "send_passed_rltz_immediately"),
    *("exit_condition_enabled", "exit_condition_conversion_metric_id"),
)
TRACKING = ("is_add_utm", "is_tracking_clicks", "is_tracking_opens")
SENDING = (
    *("send_time", "send_times", "send_strategy", "recipient_percentage", "throttling_type", "throttle_unit"),
    "is_ignoring_unsubscribes",
)
AB_TEST = ("winner_metric", "winner_percentage", "winner_wait_hours")

KEPT = (
    *("template_id", "static_asset_id", "mms_static_image_asset_id", "mms_dynamic_image_template", "cost"),
    *("include_contact_card", "text_message_type", "message_hierarchy", "sound_file_name", "content_available"),
    *("mutable_content", "video_asset_id"),
)
"""members of details that the older revisions cannot say, and so leave as they are"""
_NEWER_STATUS = {
    **dict.fromkeys(("Scheduled", "Preparing to schedule", "Preparing to send"), "scheduled"),
    **dict.fromkeys(("Sending", "Adding Recipients", "Sending Segments", "Variations Sent"), "sending"),
    "Draft": "draft",
    "Sent": "sent",
}
_JOBS = {"scheduled": "queued", "sending": "processing", "sent": "complete", "cancelled": "cancelled"}
_LOCAL = ("local_timezone", "content_variation_local_timezone")
_SMART = ("send_time_optimization", "personalized_send_time_optimization")
_STATIC = ("static", "content_variation")


# -- status


def newer_status(phase: str) -> str:
    """A message's status, of the phase it is in: phases have the older revisions' names."""
    return _NEWER_STATUS.get(phase, "cancelled")


def in_phase(message: Attributes, phase: str) -> dict[str, Any]:
    return {**message, "phase": phase, "status": newer_status(phase)}


def older_status(phases: Sequence[str]) -> str:
    """A campaign's status, of its messages' phases: of those that are under way the one that is furthest."""
    for phase in ("Sending", "Variations Sent", "Preparing to send", "Scheduled"):
        if phase in phases:
            return phase
    done = list(dict.fromkeys(phases))
    if len(done) < 2:
        return done[0] if done else "Draft"
    open_, sent = "Draft" in done, "Sent" in done
    if open_:
        return inferred.PARTLY_SENT if sent else "Draft"
    return "Sent" if sent else "Cancelled"


def job_status(status: str, known: str | None) -> str | None:
    """A send job's status, of its campaign's; None for a campaign that nobody sent."""
    found = _JOBS.get(newer_status(status))
    return found or ("cancelled" if known else None)


# -- content


def older_channel(known: Attributes) -> str | None:
    """A message's channel, of its first variation's details."""
    channel = known.get("channel")
    return "mobile_push" if channel == "push" else channel


def details(definition: Attributes) -> dict[str, Any]:
    """A variation's details, of an older message's completed definition."""
    content = definition.get("content") or {}
    if definition["channel"] == "email":
        return {"channel": "email", **content}
    if definition["channel"] == "sms":
        return {"channel": "sms", "body": content["body"], **definition["render_options"]}
    options = definition.get("options") or {}
    opened, badge = options.get("on_open") or {}, options.get("badge") or {}
    count = badge.get("badge_options") or {}
    given = {
        "channel": "push",
        "title": content.get("title"),
        "body": content.get("body"),
        "badge": badge.get("display"),
        "badge_config": count["badge_config"].replace("_", "-") if count else None,
        "badge_value": count.get("value", count.get("set_from_property")),
        "sound": options.get("play_sound"),
        "open_action": inferred.OPEN_ACTIONS.index(opened["type"]) if opened else None,
        "dynamic_media_template": content.get("dynamic_image"),
        "kv_pairs": definition.get("kv_pairs"),
        "push_type": definition["notification_type"],
        **{name: opened.get(name) for name in ("ios_deep_link", "android_deep_link", "web_url")},
        "action_buttons": content.get("action_buttons"),
    }
    return {name: value for name, value in given.items() if value is not None}


def definition(known: Attributes | None, label: str | None) -> dict[str, Any] | None:
    """An older message's definition, of its first variation's details; None for what older revisions cannot say."""
    if not known or known["channel"] == "whatsapp":
        return None
    if known["channel"] == "email":
        content = {name: known.get(name) or "" for name in definitions.EMAIL}
        return {"channel": "email", "label": label or "", "content": content}
    if known["channel"] == "sms":
        options = {name: known.get(name) for name in definitions.RENDER_OPTIONS}
        given = {"channel": "sms", "content": {"body": known.get("body")}, "render_options": options}
        return definitions.message(given, "")
    push = {
        "channel": "mobile_push",
        "notification_type": known.get("push_type"),
        "kv_pairs": known.get("kv_pairs"),
        "content": {
            "title": known.get("title"),
            "body": known.get("body"),
            "dynamic_image": known.get("dynamic_media_template"),
            "action_buttons": _buttons(known, ("label", "action_type", "position", "url")),
        },
        "options": {"on_open": _on_open(known), "badge": _badge(known), "play_sound": bool(known.get("sound"))},
    }
    return definitions.message(push, "")


def _buttons(known: Attributes, names: Iterable[str]) -> list[dict[str, Any]] | None:
    buttons: list[dict[str, Any]] | None = known.get("action_buttons")
    return buttons and [{name: one[name] for name in names if name in one} for one in buttons]


def _on_open(known: Attributes) -> dict[str, Any] | None:
    action = known.get("open_action")
    if action is None or not 0 <= action < len(inferred.OPEN_ACTIONS):
        return None
    links = ("ios_deep_link", "android_deep_link", "web_url")
    return {"type": inferred.OPEN_ACTIONS[action]} | {name: known[name] for name in links if name in known}


def _badge(known: Attributes) -> dict[str, Any] | None:
    if "badge" not in known:
        return None
    if not known["badge"] or "badge_config" not in known:
        return {"display": known["badge"]}
    config = known["badge_config"].replace("-", "_")
    member = {"set_count": "value", "set_property": "set_from_property"}.get(config)
    return {
        "display": True,
        "badge_options": {"badge_config": config} | ({member: known.get("badge_value", "1")} if member else {}),
    }


def shown_details(known: Attributes) -> dict[str, Any]:
    """Details as the newer revision has them: the place of a button is its place in the list."""
    buttons = _buttons(known, ("label", "action_type", "url", "icon", "custom_action_id"))
    return {**known, "action_buttons": buttons} if buttons else dict(known)


def image_of(known: Attributes | None) -> str | None:
    """The id of the image that details name."""
    given = known.get(_asset(known)) if known else None
    return None if given is None else str(given)


def with_image(known: Attributes, image: str | None) -> dict[str, Any]:
    kept = {name: one for name, one in known.items() if name != _asset(known)}
    return kept if image is None else {**kept, _asset(known): int(image)}


def _asset(known: Attributes) -> str:
    return "mms_static_image_asset_id" if known["channel"] == "sms" else "static_asset_id"


# -- sending


def sending(strategy: Attributes) -> dict[str, Any]:
    """What a message keeps of an older campaign's completed `send_strategy`: see `keep_sending`."""
    method, when = strategy["method"], strategy.get("datetime")
    options = strategy.get("options") or {}
    found: dict[str, Any] = dict.fromkeys(("send_strategy", "send_time", "send_times", "recipient_percentage"))
    found |= {"throttle_unit": None, "send_date": None, "send_past_immediately": None}
    if method == "throttled":
        found |= {"recipient_percentage": strategy["throttle_percentage"], "throttle_unit": "hour"}
    if options.get("is_local"):
        found |= {"send_past_immediately": options["send_past_recipients_immediately"]}
    names = {"immediate": None, "static": _LOCAL[0] if options.get("is_local") else "static", "throttled": "throttled"}
    return found | {
        "send_strategy": names.get(method, _SMART[0]),
        "send_time": when,
        "send_date": strategy.get("date"),
    }


def older_strategy(message: Attributes, variations: int) -> dict[str, Any]:
    """An older campaign's `send_strategy`, of one of its messages."""
    given = message["send_options"]
    method, when = given.get("send_strategy"), given.get("send_time")
    if variations > 1:
        return {"method": "ab_test_campaign"}
    if method in _SMART and message.get("send_date"):
        return {"method": "smart_send_time", "date": message["send_date"]}
    if when is None:
        return {"method": "immediate" if method in (None, *_STATIC) else "unsupported"}
    if method in (None, *_STATIC):
        return {"method": "static", "datetime": when, "options": {"is_local": False}}
    if method in _LOCAL:
        options = {"is_local": True, "send_past_recipients_immediately": bool(message.get("send_past_immediately"))}
        return {"method": "static", "datetime": when, "options": options}
    if method == "throttled" and given.get("recipient_percentage") and given.get("throttle_unit") != "minute":
        return {"method": "throttled", "datetime": when, "throttle_percentage": given["recipient_percentage"]}
    return {"method": "unsupported"}


def scheduled(given: Attributes, variations: int) -> dict[str, Any]:
    """What a message keeps of the newer `campaign-message-schedule`: see `keep_sending`."""
    strategy = given["strategy"]
    throttled = given.get("throttled_options") or {}
    tomorrow = (given.get("timezone_options") or {}).get("send_past_timezones_tomorrow")
    several = {"static": "content_variation", "local_timezone": "content_variation_local_timezone"}
    named = {"smart_send_time": _SMART[0]} | (several if variations > 1 else {})
    instant = parse(given["send_time"]) if given.get("send_time") else None
    return {
        "send_strategy": named.get(strategy, strategy),
        "send_time": None if instant is None else seconds(instant // SECOND),
        "send_date": given.get("send_date"),
        "recipient_percentage": throttled.get("throttling_percentage"),
        "throttle_unit": (throttled.get("throttle_unit") or "hour") if throttled else None,
        "send_past_immediately": not tomorrow if strategy == "local_timezone" else None,
    }


def keep_sending(message: Attributes, kept: Attributes) -> dict[str, Any]:
    """The message with what `sending` or `scheduled` found: members of its `send_options`, and of itself."""
    options = {**message["send_options"], **{name: kept[name] for name in SENDING if name in kept}}
    when = {name: kept[name] for name in ("send_date", "send_past_immediately")}
    return {**message, "send_options": {name: one for name, one in options.items() if one is not None}, **when}


def is_local(message: Attributes) -> bool:
    return message["send_options"].get("send_strategy") in _LOCAL and bool(message["send_options"].get("send_time"))


def is_smart(message: Attributes) -> bool:
    return message["send_options"].get("send_strategy") in _SMART and bool(message.get("send_date"))


def uses_smart_sending(message: Attributes) -> bool:
    return bool(message["send_options"].get("throttling_type", inferred.SMART_SENDING) != "none")


def older_options(message: Attributes | None) -> dict[str, Any]:
    """An older campaign's `send_options`, of its first message."""
    if message is None:
        return definitions.send_options("", None)
    given = {"use_smart_sending": uses_smart_sending(message)}
    ignored = message["send_options"].get("is_ignoring_unsubscribes")
    return definitions.send_options(
        message["channel"] or "", given | ({"ignore_unsubscribes": True} if ignored else {})
    )


def newer_options(given: Attributes) -> dict[str, Any]:
    """Members of a message's `send_options`, of an older campaign's."""
    found: dict[str, Any] = {"throttling_type": inferred.SMART_SENDING if given["use_smart_sending"] else "none"}
    return found | ({"is_ignoring_unsubscribes": True} if given.get("ignore_unsubscribes") else {})


def older_tracking(message: Attributes | None, custom: Sequence[Any]) -> dict[str, Any]:
    """An older campaign's `tracking_options`, of its first message; own parameters are the campaign's alone."""
    given = message["tracking_options"] if message else {}
    found = {"add_tracking_params": bool(given.get("is_add_utm")), "custom_tracking_params": list(custom)}
    if message and message["channel"] == "email":
        found |= {name: given.get(name) is not False for name in ("is_tracking_clicks", "is_tracking_opens")}
    return found


def newer_tracking(given: Attributes) -> dict[str, Any]:
    clicks = {name: given[name] for name in ("is_tracking_clicks", "is_tracking_opens") if name in given}
    return {"is_add_utm": given["add_tracking_params"], **clicks}


# -- resources


def older_campaign(stored: Attributes) -> dict[str, Any]:
    return {name: stored[name] for name in OLDER_CAMPAIGN} | {"name": stored["name"] or ""}


def newer_campaign(stored: Attributes) -> dict[str, Any]:
    shown = {name: stored[name] for name in ("created_at", "updated_at")}
    settings = stored["send_settings"]
    shown_settings = settings and {name: settings.get(name) for name in SEND_SETTINGS}
    return shown | {"definition": {name: stored[name] for name in DEFINITION} | {"send_settings": shown_settings}}


def older_message(stored: Attributes, first: Attributes | None) -> dict[str, Any]:
    """`first`: the details of its first variation."""
    times = [{"datetime": stored["due"], "is_local": is_local(stored)}] if stored["due"] else []
    shown = {"definition": definition(first, stored["name"]), "send_times": times}
    return shown | {name: stored[name] for name in ("created_at", "updated_at")}


def newer_message(stored: Attributes) -> dict[str, Any]:
    tracking, options = stored["tracking_options"], stored["send_options"]
    ab_test = stored["ab_test"]
    followed = True if stored["channel"] == "email" else None
    shown = {
        "name": stored["name"],
        "status": stored["status"],
        "tracking_options": dict.fromkeys(TRACKING, followed) | {"is_add_utm": False} | tracking,
        "send_options": dict.fromkeys(SENDING) | {"throttling_type": inferred.SMART_SENDING} | options,
        "ab_test": ab_test and dict.fromkeys(AB_TEST) | ab_test,
    }
    return {"created": stored["created_at"], "updated": stored["updated_at"], "definition": shown}


def older_audiences(audiences: Sequence[Attributes]) -> dict[str, list[str]]:
    """The audiences of a campaign as one."""
    return {
        name: list(dict.fromkeys(one for each in audiences for one in each[name])) for name in ("included", "excluded")
    }


def older_campaign_of(
    stored: Attributes, audiences: Sequence[Attributes], messages: Sequence[tuple[Attributes, int]]
) -> dict[str, Any]:
    """What follows for the older revisions' campaign from its parts. `messages`: each with its number of variations."""
    first = messages[0][0] if messages else None
    strategies = [older_strategy(message, variations) for message, variations in messages]
    same = all(one == strategies[0] for one in strategies)
    under_way = [message for message, _ in messages if message["due"]]
    custom = (stored["tracking_options"] or {}).get("custom_tracking_params", [])
    return {
        "status": older_status([message["phase"] for message, _ in messages]),
        "audiences": older_audiences(audiences),
        "send_options": older_options(first),
        "tracking_options": older_tracking(first, custom),
        "send_strategy": (strategies[0] if same else {"method": "unsupported"})
        if strategies
        else {"method": "immediate"},
        "scheduled_at": max((one["scheduled_at"] for one in under_way), default=None),
        "send_time": min((one["due"] for one in under_way), default=None),
    }


def due_of(message: Attributes, now: int) -> str:
    """`send_time` of the older revisions for a message that is sent at `now`: what it says itself, but not the past."""
    when = message["send_date"] if is_smart(message) else message["send_options"].get("send_time")
    instant = parse(when) if when else None
    return micros(now if instant is None else max(now, instant))
