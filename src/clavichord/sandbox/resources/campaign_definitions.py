"""The parts of a campaign and of its message, completed as the API answers them (FACTS §9.6, LIVE #15)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import inferred
from clavichord.sandbox.clock import SECOND, micros, parse, seconds
from clavichord.sandbox.errors import invalid

EMAIL = ("subject", "preview_text", "from_email", "from_label", "reply_to_email", "cc_email", "bcc_email")
RENDER_OPTIONS = {
    "shorten_links": True,
    "add_org_prefix": True,
    "add_info_link": True,
    "add_opt_out_language": False,
}
_REQUIRED_UTM = ("utm_source", "utm_medium")


def message(given: Mapping[str, Any], label: str) -> dict[str, Any]:
    """A message's definition: content is replaced as a whole, what was left out of it is empty."""
    content = given.get("content") or {}
    channel = given["channel"]
    if channel == "email":
        filled = dict.fromkeys(EMAIL, "") | _present(inferred.SENDER | content)
        return {"channel": channel, "label": given.get("label") or label, "content": filled}
    if channel == "sms":
        options = RENDER_OPTIONS | _present(given.get("render_options") or {})
        return {"channel": channel, "content": {"body": content.get("body") or ""}, "render_options": options}
    kind = given.get("notification_type") or "standard"
    push: dict[str, Any] = {"channel": channel, "notification_type": kind, "kv_pairs": given.get("kv_pairs")}
    if kind == "standard":
        push["content"] = dict.fromkeys(("title", "body", "dynamic_image", "action_buttons")) | dict(content)
        push["options"] = dict.fromkeys(("on_open", "badge")) | {"play_sound": False} | (given.get("options") or {})
        push = {name: push[name] for name in ("channel", "notification_type", "content", "kv_pairs", "options")}
    return push


def _present(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def send_options(channel: str, given: Mapping[str, Any] | None) -> dict[str, Any]:
    options = {"use_smart_sending": True} | _present(given or {})
    return (
        options | {"ignore_unsubscribes": options.get("ignore_unsubscribes", False)} if channel == "email" else options
    )


def tracking_options(channel: str, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Refusal (400) for own tracking parameters without the two that are required."""
    known: dict[str, Any] = {"add_tracking_params": False, "custom_tracking_params": []}
    if channel == "email":
        known |= {"is_tracking_clicks": True, "is_tracking_opens": True}
    at = "/data/attributes/tracking_options"
    for name in given or {}:
        if name not in known:
            raise invalid(inferred.FIELD.format(given=name, type="campaign"), pointer=f"{at}/{name}")
    known |= _present(given or {})
    custom = [{name: one[name] for name in ("type", "value", "name")} for one in known["custom_tracking_params"]]
    missing = [name for name in _REQUIRED_UTM if all(one["name"] != name for one in custom)]
    if custom and missing:
        raise invalid(inferred.UTM_MISSING.format(names=" and ".join(missing)), pointer=f"{at}/custom_tracking_params")
    return known | {"custom_tracking_params": custom}


def send_strategy(given: Mapping[str, Any] | None) -> dict[str, Any]:
    if given is None:
        return {"method": "immediate"}
    strategy = dict(given)
    if "datetime" in strategy:
        strategy["datetime"] = seconds((parse(strategy["datetime"]) or 0) // SECOND)
    if strategy["method"] == "static":
        options = strategy.get("options") or {}
        strategy["options"] = {"is_local": bool(options.get("is_local"))}
        if options.get("is_local"):
            strategy["options"]["send_past_recipients_immediately"] = bool(
                options.get("send_past_recipients_immediately")
            )
    return strategy


def cloned_strategy(now: int) -> dict[str, Any]:
    """A clone's strategy becomes static, at the time of cloning (recorded)."""
    return {"method": "static", "datetime": micros(now), "options": {"is_local": False}}


def channel_of(messages: list[Mapping[str, Any]]) -> str:
    """The one channel of a campaign's messages. Refusal (400)."""
    at = "/data/attributes/campaign-messages/data"
    channels = list(dict.fromkeys(str(one["attributes"]["definition"]["channel"]) for one in messages))
    if len(channels) != 1:
        raise invalid(inferred.ONE_CHANNEL if channels else "'data' must not be empty.", pointer=at)
    return channels[0]
