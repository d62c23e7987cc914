"""A campaign's messages: definition, template copy, image (FACTS §9.6, LIVE #15)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import micros
from clavichord.sandbox.crud import Kind
from clavichord.sandbox.errors import invalid
from clavichord.sandbox.resources import campaign_definitions as definitions
from clavichord.sandbox.resources import templates

MESSAGE = crud.declare(
    Kind(
        type="campaign-message",
        attributes={"definition": {}, "send_times": [], "created_at": "", "updated_at": ""},
        new_id=crud.ulid,
        created="created_at",
        updated="updated_at",
        precision="usec",
        resolved=("campaign",),
    )
)


def add(call: Call, campaign_id: str, definition: Mapping[str, Any], image: str | None) -> str:
    """A new message of a campaign; its id. Inside a transaction."""
    message_id = call.engine.ids.ulid()
    at = micros(call.now)
    attributes = {"definition": definition, "send_times": [], "created_at": at, "updated_at": at}
    generic.insert(call.engine.store, call.account, "campaign-message", message_id, attributes, call.now)
    crud.link(call, "campaign", campaign_id, "campaign-messages", [message_id])
    crud.link(call, "campaign-message", message_id, "campaign", [campaign_id])
    if image is not None:
        crud.link(call, "campaign-message", message_id, "image", [image])
    return message_id


def copy(call: Call, message_id: str, campaign_id: str) -> None:
    """The message again, for another campaign. Inside a transaction."""
    attributes = generic.required(call, "campaign-message", message_id)
    image = next(iter(crud.targets(call, "campaign-message", message_id, "image")), None)
    copied = add(call, campaign_id, attributes["definition"], image)
    for template_id in crud.targets(call, "campaign-message", message_id, "template"):
        _attach(call, copied, template_id)


def drop(call: Call, message_id: str) -> None:
    """Deletes a message and its copy of a template. Inside a transaction."""
    for template_id in crud.targets(call, "campaign-message", message_id, "template"):
        crud.erase(call, "template", template_id)
    crud.erase(call, "campaign-message", message_id)


def _attach(call: Call, message_id: str, template_id: str) -> tuple[str, dict[str, Any]]:
    """Gives a message a copy of a template in place of the one it had; the copy's id and attributes. Refusal (404)."""
    owner = f"CampaignMessage {message_id}"
    copied, attributes = templates.copy(call, template_id, f"Clone of {template_id}", owner)
    for before in crud.targets(call, "campaign-message", message_id, "template"):
        crud.erase(call, "template", before)
    crud.link(call, "campaign-message", message_id, "template", [copied])
    return copied, attributes


def image_of(entry: Mapping[str, Any]) -> str | None:
    image = (entry.get("relationships") or {}).get("image") or {}
    return next(iter(crud.named(image.get("data"))), None)


def check_image(call: Call, channel: str, image: str | None, at: str) -> None:
    """Refusal: 400 for e-mail (recorded), 404 for an image that is not there."""
    if image is not None and channel == "email":
        text = "Image relationships are only supported for push and SMS messages"
        raise invalid(text, pointer="/data/relationships/images/")
    if image is not None and not crud.known(call, "image", image):
        raise invalid(f"An image with id '{image}' does not exist.", pointer=at)


def _editable(call: Call, message_id: str) -> None:
    """Refusal (400) once the campaign is on its way (inferred)."""
    for campaign_id in crud.targets(call, "campaign-message", message_id, "campaign"):
        status = generic.required(call, "campaign", campaign_id)["status"]
        if status != "Draft":
            raise invalid(inferred.CAMPAIGN_LOCKED.format(status=status), pointer="/data")


def _prepare(call: Call, attributes: dict[str, Any]) -> None:
    """`definition.content` is replaced as a whole, the label stays unless it is given."""
    _editable(call, call.id)
    known = generic.required(call)["definition"]
    check_image(call, known["channel"], image_of(call.data), "/data/relationships/image")
    given = (call.data.get("attributes") or {}).get("definition")
    if given is None:
        attributes["definition"] = known
        return
    if given["channel"] != known["channel"]:
        text = inferred.CHANNEL_FIXED.format(channel=known["channel"])
        raise invalid(text, pointer="/data/attributes/definition/channel")
    merged = {name: value for name, value in known.items() if given.get(name) is None} | {
        name: value for name, value in given.items() if value is not None
    }
    attributes["definition"] = definitions.message(merged, known.get("label", ""))


def assign_template(call: Call) -> Answer:
    """Answers the flat variant of the message, with the copy included without being asked for (recorded)."""
    message_id, template_id = call.data["id"], crud.named(call.data["relationships"]["template"].get("data"))
    attributes = generic.required(call, "campaign-message", message_id)
    definition = attributes["definition"]
    if definition["channel"] != "email":
        raise invalid(inferred.NO_TEMPLATE.format(channel=definition["channel"]), pointer="/data")
    if not template_id:
        pointer = "/data/relationships/template/data"
        raise invalid(inferred.REQUIRED.format(name="data"), pointer=pointer)
    _editable(call, message_id)
    attributes["updated_at"] = micros(call.now)
    with call.engine.store.write():
        copied, template = _attach(call, message_id, template_id[0])
        generic.update(call.engine.store, call.account, "campaign-message", message_id, attributes, call.now)
    flat = {
        "label": definition["label"],
        "channel": definition["channel"],
        "content": definition["content"],
        "send_times": attributes["send_times"],
        "render_options": None,
        "created_at": attributes["created_at"],
        "updated_at": attributes["updated_at"],
    }
    campaign = next(iter(crud.targets(call, "campaign-message", message_id, "campaign")), None)
    shown = generic.resource("campaign-message", message_id, flat, {"campaign": campaign, "template": copied})
    template |= {"created": micros(call.now), "updated": micros(call.now)}
    call.query.included = True
    return call.engine.documents.one(
        call,
        shown._replace(relationships=("campaign", "template")),
        [generic.resource("template", copied, template, {})],
    )


def update_image(call: Call) -> Answer:
    definition = generic.required(call)["definition"]
    check_image(call, definition["channel"], call.data["id"], "/data/id")
    _editable(call, call.id)
    with call.engine.store.write():
        crud.relink(call, "campaign-message", call.id, "image", [call.data["id"]])
    return Answer(call.operation.status)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_campaign_message": crud.item,
    "update_campaign_message": crud.update(MESSAGE, prepare=_prepare),
    "assign_template_to_campaign_message": assign_template,
    "get_campaign_for_campaign_message": crud.related,
    "get_campaign_id_for_campaign_message": crud.related,
    "get_template_for_campaign_message": crud.related,
    "get_template_id_for_campaign_message": crud.related,
    "get_image_for_campaign_message": crud.related,
    "get_image_id_for_campaign_message": crud.related,
    "update_image_for_campaign_message": update_image,
}
