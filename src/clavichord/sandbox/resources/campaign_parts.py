"""A campaign in the store: its audiences, their messages, the messages' variations (FACTS §9.6, App. H).

Each is a resource of its own. What the older revisions say of a campaign follows from its parts, and is kept on the
campaign so that they can be filtered and sorted by it: `settle` brings it up to date.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from clavichord.sandbox import completion, crud, generic, inferred
from clavichord.sandbox.call import Call
from clavichord.sandbox.clock import micros
from clavichord.sandbox.crud import Kind
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.errors import invalid
from clavichord.sandbox.filters import Column
from clavichord.sandbox.resources import campaign_translation as translation
from clavichord.sandbox.resources import templates
from clavichord.sandbox.store import Store


class Part(NamedTuple):
    """An audience, a message or a variation."""

    id: str
    attributes: dict[str, Any]


def is_newer(call: Call) -> bool:
    return call.engine.catalogue.revision >= translation.SINCE


def _campaign_view(call: Call, campaign_id: str, stored: Mapping[str, Any]) -> Mapping[str, Any]:
    return translation.newer_campaign(stored) if is_newer(call) else translation.older_campaign(stored)


def _message_view(call: Call, message_id: str, stored: Mapping[str, Any]) -> Mapping[str, Any]:
    if is_newer(call):
        return translation.newer_message(stored)
    first = next(iter(variations(call.engine.store, call.account, message_id)), None)
    return translation.older_message(stored, first.attributes["details"] if first else None)


def _message_relationships(call: Call, message_id: str) -> tuple[str, ...] | None:
    """The newer form has relationships that its own resource object does not show."""
    return ("campaign", "campaign-audience", "campaign-variations") if is_newer(call) else None


def _defined(names: tuple[str, ...], stored: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: stored[name] for name in ("created", "updated")}
    return shown | {"definition": {name: stored[name] for name in names}}


def _audience_view(call: Call, audience_id: str, stored: Mapping[str, Any]) -> Mapping[str, Any]:
    return _defined(("name", "included", "excluded", "priority"), stored)


def _variation_view(call: Call, variation_id: str, stored: Mapping[str, Any]) -> Mapping[str, Any]:
    shown, details = _defined(("name", "details"), stored), stored["details"]
    if details is not None:
        schema = call.engine.catalogue.schema("VariationDefinition")["properties"]["details"]
        said = {name: one for name, one in translation.shown_details(details).items() if one is not None}
        shown["definition"]["details"] = completion.complete(call.engine.catalogue, schema, said)
    return shown


CAMPAIGN = crud.declare(
    Kind(
        type="campaign",
        attributes={
            "name": "",
            "status": "Draft",
            "archived": False,
            "audiences": {},
            "send_options": {},
            "tracking_options": {},
            "send_strategy": {},
            "created_at": "",
            "scheduled_at": None,
            "updated_at": "",
            "send_time": None,
            "builder": None,
            "color": None,
            "description": None,
            "send_settings": None,
        },
        new_id=crud.ulid,
        created="created_at",
        updated="updated_at",
        precision="usec",
        resolved=("campaign-audiences", "campaign-messages"),
        inverse={"tags": "campaigns", "campaign-audiences": "campaign"},
        view=_campaign_view,
        filters={
            "messages.channel": Column(
                "EXISTS (SELECT 1 FROM edge e JOIN resource m ON m.account = e.account AND m.type = 'campaign-message'"
                " AND m.id = e.target WHERE e.account = r.account AND e.type = 'campaign' AND e.id = r.id"
                " AND e.relationship = 'campaign-messages' AND json_extract(m.attributes, '$.channel') {})"
            )
        },
        order="-r.created",
    )
)
AUDIENCE = crud.declare(
    Kind(
        type="campaign-audience",
        attributes={"created": "", "updated": "", "name": None, "included": [], "excluded": [], "priority": None},
        new_id=crud.ulid,
        precision="usec",
        resolved=("campaign", "campaign-messages"),
        inverse={"campaign-messages": "campaign-audience"},
        view=_audience_view,
    )
)
MESSAGE = crud.declare(
    Kind(
        type="campaign-message",
        attributes={
            "name": None,
            "status": "draft",
            "channel": None,
            "tracking_options": {},
            "send_options": {},
            "ab_test": None,
            "created_at": "",
            "updated_at": "",
            "phase": "Draft",
            "scheduled_at": None,
            "due": None,
            "send_date": None,
            "send_past_immediately": None,
        },
        new_id=crud.ulid,
        created="created_at",
        updated="updated_at",
        precision="usec",
        resolved=("campaign", "campaign-audience", "campaign-variations"),
        inverse={"campaign-variations": "campaign-message"},
        shown=_message_relationships,
        view=_message_view,
        filters={
            "campaign_id": Column(
                "(SELECT e.target FROM edge e WHERE e.account = r.account AND e.type = 'campaign-message'"
                " AND e.id = r.id AND e.relationship = 'campaign')"
            )
        },
    )
)
VARIATION = crud.declare(
    Kind(
        type="campaign-variation",
        attributes={"created": "", "updated": "", "name": None, "details": None},
        new_id=crud.ulid,
        precision="usec",
        resolved=("campaign-message",),
        inverse={"translation": "campaign-variation"},
        view=_variation_view,
    )
)


# -- reading


def audiences(store: Store, account: str, campaign_id: str) -> list[Part]:
    return _sources(store, account, "campaign-audience", "campaign", campaign_id)


def messages(store: Store, account: str, campaign_id: str) -> list[Part]:
    ids = generic.targets(store, account, "campaign", campaign_id, "campaign-messages")
    return _parts(store, account, "campaign-message", ids)


def messages_of_audience(store: Store, account: str, audience_id: str) -> list[Part]:
    return _sources(store, account, "campaign-message", "campaign-audience", audience_id)


def variations(store: Store, account: str, message_id: str) -> list[Part]:
    return _sources(store, account, "campaign-variation", "campaign-message", message_id)


def owner(store: Store, account: str, type_name: str, part_id: str, relationship: str) -> str:
    """What a part belongs to, `campaign` of a message; "" if that is gone."""
    return next(iter(generic.targets(store, account, type_name, part_id, relationship)), "")


def _sources(store: Store, account: str, type_name: str, relationship: str, target: str) -> list[Part]:
    ids = generic.sources(store, account, type_name, relationship, target)
    return _parts(store, account, type_name, ids)


def _parts(store: Store, account: str, type_name: str, ids: list[str]) -> list[Part]:
    found = ((one, generic.load(store, account, type_name, one)) for one in ids)
    return [Part(one, attributes) for one, attributes in found if attributes is not None]


def settle(store: Store, account: str, campaign_id: str, now: int) -> dict[str, Any]:
    """The campaign's attributes after something of it changed, stored, inside a transaction; `updated_at` moves when
    they are others than before."""
    stored = generic.load(store, account, "campaign", campaign_id)
    if stored is None:
        return {}
    held = messages(store, account, campaign_id)
    counted = [(one.attributes, len(variations(store, account, one.id))) for one in held]
    everyone = [one.attributes for one in audiences(store, account, campaign_id)]
    settled = stored | translation.older_campaign_of(stored, everyone, counted)
    if settled != stored:
        settled["updated_at"] = micros(now)
        generic.update(store, account, "campaign", campaign_id, settled, now)
    known = store.one(
        "SELECT json_extract(state, '$.send_job') FROM resource WHERE account = ? AND type = 'campaign' AND id = ?",
        account,
        campaign_id,
    )
    store.execute(
        "UPDATE resource SET state = json_set(state, '$.send_job', ?)"
        " WHERE account = ? AND type = 'campaign' AND id = ?",
        (translation.job_status(settled["status"], known[0] if known else None), account, campaign_id),
    )
    return settled


# -- writing; all of it inside a transaction


def save(store: Store, account: str, type_name: str, part: Part, now: int) -> None:
    """Stores a part as it is at `now`."""
    stamp = "updated_at" if type_name == "campaign-message" else "updated"
    generic.update(store, account, type_name, part.id, part.attributes | {stamp: micros(now)}, now)


def add_audience(call: Call, campaign_id: str, given: Mapping[str, Any]) -> str:
    attributes = dict(AUDIENCE.attributes) | {"created": micros(call.now), "updated": micros(call.now)}
    attributes |= {name: one for name, one in given.items() if name in attributes and one is not None}
    audience_id = call.engine.ids.ulid()
    generic.insert(call.engine.store, call.account, "campaign-audience", audience_id, attributes, call.now)
    relink(call, "campaign-audience", audience_id, "campaign", campaign_id)
    return audience_id


def add_message(call: Call, campaign_id: str, audience_id: str, given: Mapping[str, Any]) -> str:
    """`given`: any of the stored attributes."""
    message_id = call.engine.ids.ulid()
    attributes = {**MESSAGE.attributes, **given, "created_at": micros(call.now), "updated_at": micros(call.now)}
    generic.insert(call.engine.store, call.account, "campaign-message", message_id, attributes, call.now)
    place_message(call, message_id, campaign_id, audience_id)
    return message_id


def place_message(call: Call, message_id: str, campaign_id: str, audience_id: str) -> None:
    relink(call, "campaign-message", message_id, "campaign", campaign_id)
    relink(call, "campaign-message", message_id, "campaign-audience", audience_id)
    generic.link(call.engine.store, call.account, "campaign", campaign_id, "campaign-messages", [message_id], call.now)


def relink(call: Call, type_name: str, part_id: str, relationship: str, target: str | None) -> None:
    """Makes a to-one relationship point there, in whatever revision."""
    store, account = call.engine.store, call.account
    before = generic.targets(store, account, type_name, part_id, relationship)
    generic.unlink(store, account, type_name, part_id, relationship, before)
    generic.link(store, account, type_name, part_id, relationship, [target] if target else [], call.now)


def add_variation(
    call: Call, message_id: str, name: str | None, details: Mapping[str, Any] | None, at: str = "/data"
) -> str:
    """`at`: the pointer of the details. Refusal (400): a template or an image that is not there."""
    variation_id = call.engine.ids.ulid()
    attributes = dict(VARIATION.attributes) | {"created": micros(call.now), "updated": micros(call.now), "name": name}
    generic.insert(call.engine.store, call.account, "campaign-variation", variation_id, attributes, call.now)
    relink(call, "campaign-variation", variation_id, "campaign-message", message_id)
    set_details(call, Part(variation_id, attributes), details, at)
    return variation_id


def set_details(call: Call, variation: Part, details: Mapping[str, Any] | None, at: str = "/data") -> None:
    """Gives a variation its content: the template that it names is copied, the image linked. Refusal (400)."""
    store, account = call.engine.store, call.account
    message_id = owner(store, account, "campaign-variation", variation.id, "campaign-message")
    before = (variation.attributes["details"] or {}).get("template_id")
    named = details.get("template_id") if details else None
    if named is not None and named != before:
        if not crud.known(call, "template", named):
            raise invalid(f"Template with id '{named}' does not exist", pointer=f"{at}/template_id")
        named, _ = templates.copy(call, named, f"Clone of {named}", f"CampaignMessage {message_id}")
        details = {**(details or {}), "template_id": named}
    if before is not None and before != named:
        crud.erase(call, "template", before)
    image = translation.image_of(details)
    if image is not None and not crud.known(call, "image", image):
        raise invalid(f"An image with id '{image}' does not exist.", pointer=at)
    relink(call, "campaign-variation", variation.id, "image", image)
    changed = Part(variation.id, variation.attributes | {"details": details})
    save(store, account, "campaign-variation", changed, call.now)
    mirror(call, message_id)


def mirror(call: Call, message_id: str) -> None:
    """Channel, template and image of a message are its first variation's."""
    store, account = call.engine.store, call.account
    message = generic.load(store, account, "campaign-message", message_id)
    if message is None:
        return
    first = next(iter(variations(store, account, message_id)), None)
    details = (first.attributes["details"] if first else None) or {}
    relink(call, "campaign-message", message_id, "template", details.get("template_id"))
    relink(call, "campaign-message", message_id, "image", translation.image_of(details))
    channel = translation.older_channel(details)
    if message["channel"] != channel:
        generic.update(store, account, "campaign-message", message_id, message | {"channel": channel}, call.now)


def copy_message(call: Call, message: Part, campaign_id: str, audience_id: str, name: str | None) -> str:
    """The message again as a draft, with copies of its variations and their templates."""
    again = {"phase": "Draft", "status": "draft", "scheduled_at": None, "due": None, "name": name}
    copied = add_message(call, campaign_id, audience_id, message.attributes | again)
    for variation in variations(call.engine.store, call.account, message.id):
        add_variation(call, copied, variation.attributes["name"], variation.attributes["details"])
    return copied


def drop_variation(call: Call, variation: Part) -> None:
    """With its copy of a template."""
    message_id = owner(call.engine.store, call.account, "campaign-variation", variation.id, "campaign-message")
    template = (variation.attributes["details"] or {}).get("template_id")
    if template is not None:
        crud.erase(call, "template", template)
    crud.erase(call, "campaign-variation", variation.id)
    mirror(call, message_id)


def drop_message(call: Call, message_id: str) -> None:
    """With its variations and what is still to be sent of it."""
    store, account = call.engine.store, call.account
    for variation in variations(store, account, message_id):
        drop_variation(call, variation)
    crud.erase(call, "campaign-message", message_id)
    unsend(call.engine, account, message_id)
    store.execute("DELETE FROM outbox WHERE account = ? AND message = ? AND status = 'queued'", (account, message_id))


def unsend(engine: Engine, account: str, message_id: str) -> None:
    """Forgets the work that a message still has before it."""
    engine.store.execute("DELETE FROM task WHERE account = ? AND job = ?", (account, message_id))
    engine.jobs.wake()


def related(call: Call, relationship: str) -> str:
    """The id that a body's relationship names; relationships have the name of their type here. Refusal: 400, 404."""
    target = next(iter(crud.named(call.data["relationships"][relationship].get("data"))), None)
    if target is None:
        text = inferred.REQUIRED.format(name="data")
        raise invalid(text, pointer=f"/data/relationships/{relationship}/data")
    generic.required(call, relationship, target)
    return str(target)


def editable(message: Part, what: str = inferred.MESSAGE_LOCKED, *, unsent: bool = False) -> None:
    """Refusal (400) for a message that is no draft any more, with `unsent` also no cancelled one (inferred)."""
    if message.attributes["status"] not in ("draft", *(("cancelled",) if unsent else ())):
        raise invalid(what.format(status=message.attributes["status"]), pointer="/data")
