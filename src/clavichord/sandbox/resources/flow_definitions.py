"""A flow's definition: checked, its actions and messages given ids, put together again (FACTS §9.7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from clavichord.sandbox import completion, inferred
from clavichord.sandbox.errors import Refusal, invalid
from clavichord.spec import Catalogue

AT = "/data/attributes/definition"
_CHANNELS = {
    "send-email": "Email",
    "send-sms": "SMS",
    "send-mobile-push": "Push",
    "send-whatsapp": "WhatsApp",
    "send-webhook": "Webhook",
    "send-internal-alert": "Internal Alert",
}
TRIGGER_TYPES: Mapping[str, str] = {
    "list": "Added to List",
    "segment": inferred.SEGMENT_TRIGGER,
    "metric": "Metric",
    "date": "Date Based",
    "price-drop": "Price Drop",
    "low-inventory": "Low Inventory",
}


def check(definition: Mapping[str, Any]) -> None:
    """Refusal (400): more than one trigger, actions without or with the same temporary id, links to nowhere."""
    if len(definition["triggers"]) > 1:
        raise invalid("Only one trigger is supported.", pointer=f"{AT}/triggers")
    seen: set[str] = set()
    for index, action in enumerate(definition["actions"]):
        at = f"{AT}/actions/{index}"
        if action.get("id") is not None:
            raise invalid("'id' is not allowed on create; use 'temporary_id'.", pointer=f"{at}/id")
        name = action.get("temporary_id")
        if not name:
            raise invalid(inferred.REQUIRED.format(name="temporary_id"), pointer=f"{at}/temporary_id")
        if name in seen:
            raise invalid(f"'temporary_id' '{name}' is used twice.", pointer=f"{at}/temporary_id")
        seen.add(name)
    for index, action in enumerate(definition["actions"]):
        check_links(action, seen, f"{AT}/actions/{index}")
    entry = definition["entry_action_id"]
    if (entry or seen) and entry not in seen:
        raise _nowhere(entry, f"{AT}/entry_action_id")


def check_links(action: Mapping[str, Any], known: set[str], at: str) -> None:
    """Refusal (400) for a link to an action that is not there."""
    for name, target in links_of(action):
        if target not in known:
            raise _nowhere(target, f"{at}/links/{name}")


def links_of(action: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(name, target) of every link that leads somewhere."""
    for name, target in (action.get("links") or {}).items():
        if target is not None:
            yield name, target


def _nowhere(target: Any, at: str) -> Refusal:
    return invalid(f"There is no action with the id '{target}'.", pointer=at)


def completed(catalogue: Catalogue, action: Mapping[str, Any], action_id: str) -> dict[str, Any]:
    """As it is answered: id, type, data where there is any, links."""
    schema = catalogue.schema(schema_name(catalogue, action["type"]))
    known: dict[str, Any] = {"id": action_id, "type": action["type"]}
    if "data" in schema["properties"]:
        known["data"] = completion.complete(catalogue, schema["properties"]["data"], action.get("data"))
    links = completion.complete(catalogue, schema["properties"]["links"], action.get("links") or {})
    return known | {"links": links}


def schema_name(catalogue: Catalogue, kind: str) -> str:
    """Of the action with this `type`; "" if there is none."""
    branches = catalogue.schema("FlowDefinition")["properties"]["actions"]["items"]["oneOf"]
    names = (str(one["$ref"]).removeprefix("#/") for one in branches)
    return next((one for one in names if kind in catalogue.schema(one)["properties"]["type"]["enum"]), "")


def messages(value: Any, kind: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """(channel, message) of every message in an action, also inside of an experiment."""
    if isinstance(value, list):
        for one in value:
            yield from messages(one, kind)
    elif isinstance(value, dict):
        kind = value["type"] if value.get("type") in _CHANNELS else kind
        for name, one in value.items():
            if name == "message" and isinstance(one, dict) and kind:
                yield _CHANNELS[kind], one
            elif name in ("data", "main_action", "current_experiment", "variations"):
                yield from messages(one, kind)


def with_status(action: dict[str, Any], status: str) -> dict[str, Any]:
    """The action with the status of its flow, if it is of a kind that has one."""
    data = action.get("data")
    if isinstance(data, dict) and "status" in data:
        action["data"] = data | {"status": status}
    return action


def relinked(action: dict[str, Any], ids: Mapping[str, str | None]) -> dict[str, Any]:
    """The action with its links changed: temporary ids to real ones, or past an action that goes."""
    links = action.get("links") or {}
    action["links"] = {name: ids.get(target, target) for name, target in links.items()}
    return action


def successor(action: Mapping[str, Any]) -> str | None:
    """Where a flow goes on when this action is taken out: nowhere if it splits the way (inferred)."""
    links: Mapping[str, str | None] = action.get("links") or {}
    return links.get("next")
