"""A campaign's messages up to 2026-07-15, each its own content, and what both forms share (FACTS §9.6, LIVE #15)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import micros
from clavichord.sandbox.errors import invalid
from clavichord.sandbox.resources import campaign_definitions as definitions
from clavichord.sandbox.resources import campaign_parts as parts
from clavichord.sandbox.resources import campaign_translation as translation
from clavichord.sandbox.resources.campaign_parts import MESSAGE, Part


def image_of(entry: Mapping[str, Any]) -> str | None:
    image = (entry.get("relationships") or {}).get("image") or {}
    return next(iter(crud.named(image.get("data"))), None)


def check_image(call: Call, channel: str | None, image: str | None, at: str) -> None:
    """Refusal: 400 for e-mail (recorded), 404 for an image that is not there."""
    if image is not None and channel == "email":
        text = "Image relationships are only supported for push and SMS messages"
        raise invalid(text, pointer="/data/relationships/images/")
    if image is not None and not crud.known(call, "image", image):
        raise invalid(f"An image with id '{image}' does not exist.", pointer=at)


def _first(call: Call, message_id: str) -> Part | None:
    return next(iter(parts.variations(call.engine.store, call.account, message_id)), None)


def _editable(call: Call, message_id: str) -> Part:
    """The message. Refusal: 404, 400 once the campaign is on its way (inferred)."""
    message = Part(message_id, generic.required(call, "campaign-message", message_id))
    if message.attributes["status"] != "draft":
        text = inferred.CAMPAIGN_LOCKED.format(status=message.attributes["phase"])
        raise invalid(text, pointer="/data")
    return message


def _prepare(call: Call, attributes: dict[str, Any]) -> None:
    _editable(call, call.id)
    check_image(call, attributes["channel"], image_of(call.data), "/data/relationships/image")
    given = (call.data.get("attributes") or {}).get("definition")
    if given is None:
        return
    if given["channel"] != (attributes["channel"] or given["channel"]):
        text = inferred.CHANNEL_FIXED.format(channel=attributes["channel"])
        raise invalid(text, pointer="/data/attributes/definition/channel")
    if given.get("label"):
        attributes["name"] = given["label"]


def _set_content(call: Call, message_id: str, attributes: dict[str, Any]) -> None:
    """`definition.content` is replaced as a whole; what only the newer form knows stays."""
    given, image = (call.data.get("attributes") or {}).get("definition"), image_of(call.data)
    first = _first(call, message_id)
    known = first.attributes["details"] if first else None
    details = known
    if given is not None:
        before = translation.definition(known, attributes["name"]) or {}
        merged = before | {name: value for name, value in given.items() if value is not None}
        kept = {name: value for name, value in (known or {}).items() if name in translation.KEPT}
        details = kept | translation.details(definitions.message(merged, attributes["name"] or ""))
    if image is not None and details is not None:
        details = translation.with_image(details, image)
    if first is None:
        parts.add_variation(call, message_id, None, details)
    elif details != known:
        parts.set_details(call, first, details)
    attributes |= generic.required(call)
    attributes |= {"updated_at": micros(call.now)}
    parts.settle(call.engine.store, call.account, _campaign(call, message_id) or "", call.now)


def _campaign(call: Call, message_id: str) -> str | None:
    return parts.owner(call.engine.store, call.account, "campaign-message", message_id, "campaign") or None


def assign_template(call: Call) -> Answer:
    """Answers the flat variant of the message, with the copy included without being asked for (recorded)."""
    message_id, template_id = call.data["id"], crud.named(call.data["relationships"]["template"].get("data"))
    attributes = generic.required(call, "campaign-message", message_id)
    if attributes["channel"] not in (None, "email"):
        raise invalid(inferred.NO_TEMPLATE.format(channel=attributes["channel"]), pointer="/data")
    if not template_id:
        pointer = "/data/relationships/template/data"
        raise invalid(inferred.REQUIRED.format(name="data"), pointer=pointer)
    _editable(call, message_id)
    generic.required(call, "template", template_id[0])
    with call.engine.store.write():
        first = _first(call, message_id)
        details = ((first.attributes["details"] if first else None) or {"channel": "email"}) | {
            "template_id": template_id[0]
        }
        if first is None:
            parts.add_variation(call, message_id, None, details)
        else:
            parts.set_details(call, first, details)
        message = Part(message_id, generic.required(call, "campaign-message", message_id))
        parts.save(call.engine.store, call.account, "campaign-message", message, call.now)
    attributes = translation.older_message(message.attributes, details) | {"updated_at": micros(call.now)}
    flat = {
        "label": attributes["definition"]["label"],
        "channel": "email",
        "content": attributes["definition"]["content"],
        "send_times": attributes["send_times"],
        "render_options": None,
        "created_at": attributes["created_at"],
        "updated_at": attributes["updated_at"],
    }
    copied = generic.targets(call.engine.store, call.account, "campaign-message", message_id, "template")[0]
    linked = {"campaign": _campaign(call, message_id), "template": copied}
    shown = generic.resource("campaign-message", message_id, flat, linked)
    template = generic.required(call, "template", copied)
    template |= {"created": micros(call.now), "updated": micros(call.now)}
    call.query.included = True
    return call.engine.documents.one(
        call,
        shown._replace(relationships=("campaign", "template")),
        [generic.resource("template", copied, template, {})],
    )


def update_image(call: Call) -> Answer:
    attributes = generic.required(call)
    check_image(call, attributes["channel"], call.data["id"], "/data/id")
    _editable(call, call.id)
    first = _first(call, call.id)
    if first is None or first.attributes["details"] is None:
        raise invalid(inferred.NO_CONTENT, pointer="/data")
    with call.engine.store.write():
        parts.set_details(call, first, translation.with_image(first.attributes["details"], call.data["id"]))
    return Answer(call.operation.status)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_campaign_message": crud.item,
    "update_campaign_message": crud.update(MESSAGE, prepare=_prepare, after=_set_content),
    "assign_template_to_campaign_message": assign_template,
    "get_campaign_for_campaign_message": crud.related,
    "get_campaign_id_for_campaign_message": crud.related,
    "get_template_for_campaign_message": crud.related,
    "get_template_id_for_campaign_message": crud.related,
    "get_image_for_campaign_message": crud.related,
    "get_image_id_for_campaign_message": crud.related,
    "update_image_for_campaign_message": update_image,
}
