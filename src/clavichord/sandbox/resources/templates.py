"""Templates: CODE, USER_DRAGGABLE and SYSTEM_DRAGGABLE; copies; rendering (FACTS §9.8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import SECOND, micros, seconds
from clavichord.sandbox.crud import Kind
from clavichord.sandbox.errors import Refusal, conflict, invalid
from clavichord.sandbox.rendering import TemplateError, Withheld, render
from clavichord.sandbox.resources import template_blocks, template_html, web_feeds
from clavichord.sandbox.resources.message_links import MessageSurroundings

EDITORS = ("CODE", "USER_DRAGGABLE", "SYSTEM_DRAGGABLE")
MAX_TEMPLATES = 1000


def _definition(call: Call, template_id: str) -> Any:
    return crud.state(call, "template", template_id).get("definition")


TEMPLATE = crud.declare(
    Kind(
        type="template",
        attributes={
            "name": "",
            "editor_type": "CODE",
            "html": "",
            "text": None,
            "amp": None,
            "created": "",
            "updated": "",
        },
        additional={"definition": _definition},
    )
)


def _check(call: Call, attributes: dict[str, Any]) -> None:
    """Name, and the one of html and definition that the editor type asks for."""
    given = call.data["attributes"]
    if not attributes["name"].strip():
        raise invalid("'name' must not be empty.", pointer="/data/attributes/name")
    editor = attributes["editor_type"]
    if editor not in EDITORS:
        text = inferred.CHOICE.format(given=editor, name="editor_type")
        raise invalid(text, pointer="/data/attributes/editor_type")
    foreign = "html" if editor == "SYSTEM_DRAGGABLE" else "definition"
    if given.get(foreign) is not None:
        text = inferred.TEMPLATE_CONTENT.format(name=foreign, editor=editor)
        raise invalid(text, pointer=f"/data/attributes/{foreign}")
    definition = given.get("definition")
    if definition is not None and not definition["body"].get("sections"):
        text = "'sections' must not be empty."  # FACTS §9.8
        raise invalid(text, pointer="/data/attributes/definition/body/sections")


def _content(call: Call, attributes: dict[str, Any]) -> None:
    """html in its normal form or from the definition, and the text that goes with it."""
    given = call.data["attributes"]
    definition = given.get("definition")
    if definition is not None:
        attributes["html"] = template_blocks.from_definition(definition, lambda one: _universal(call, one))
    elif given.get("html") is not None:
        attributes["html"] = template_html.normal(given["html"])
    else:
        return
    if given.get("text") is None:
        attributes["text"] = template_html.plain(attributes["html"])


def _universal(call: Call, content_id: str) -> Mapping[str, Any] | None:
    content = generic.load(call.engine.store, call.account, "template-universal-content", content_id)
    return None if content is None else content["definition"]


def _prepare_new(call: Call, attributes: dict[str, Any]) -> None:
    _room(call)
    _check(call, attributes)
    needed = "definition" if attributes["editor_type"] == "SYSTEM_DRAGGABLE" else "html"
    if call.data["attributes"].get(needed) is None:
        raise invalid(inferred.REQUIRED.format(name=needed), pointer=f"/data/attributes/{needed}")
    _content(call, attributes)


def _room(call: Call) -> None:
    row = call.engine.store.one(
        f"SELECT count(*) FROM resource r WHERE account = ? AND type = 'template' {_LISTED}", call.account
    )
    if row and row[0] >= MAX_TEMPLATES:
        raise invalid(inferred.TOO_MANY_TEMPLATES.format(max=MAX_TEMPLATES), pointer="/data")


def _prepare_change(call: Call, attributes: dict[str, Any]) -> None:
    if attached(call, call.id):
        raise generic.missing("template", call.id)
    _check(call, attributes)
    _content(call, attributes)


def _keep_definition(call: Call, template_id: str, attributes: dict[str, Any]) -> None:
    definition = call.data["attributes"].get("definition")
    if definition is not None:
        filled = template_html.identified(definition, lambda: call.engine.ids.number(9))
        filled["template_id"] = template_id
        crud.keep(call, "template", template_id, {"definition": filled})


_LISTED = "AND json_extract(r.state, '$.attached') IS NULL"


def get_templates(call: Call) -> Answer:
    """Without the copies that messages own."""
    return crud.pages(call, crud.source(call, "template", where=" " + _LISTED))


def attached(call: Call, template_id: str) -> str | None:
    """What owns a copy, `FlowMessage AbCdEf`; None for a template of the library."""
    owner: str | None = crud.state(call, "template", template_id).get("attached")
    return owner


def _refuse_attached(call: Call, attributes: dict[str, Any]) -> None:
    owner = attached(call, call.id)
    if owner is not None:
        detail = f"Cannot delete template {call.id} while it is attached to\n{owner}"
        raise conflict("conflict", detail, "/data")


def copy(call: Call, template_id: str, name: str, owner: str | None) -> tuple[str, dict[str, Any]]:
    """A copy's id and attributes; one with an owner is hidden from the library. Inside a transaction. Refusal (404)."""
    attributes = generic.required(call, "template", template_id)
    state = {key: value for key, value in crud.state(call, "template", template_id).items() if key != "attached"}
    copied = call.engine.ids.six()
    at = seconds(call.now // SECOND)
    attributes |= {"name": name, "created": at, "updated": at}
    generic.insert(call.engine.store, call.account, "template", copied, attributes, call.now)
    if "definition" in state:
        state["definition"] = state["definition"] | {"template_id": copied}
    crud.keep(call, "template", copied, state | ({"attached": owner, "copied_from": template_id} if owner else {}))
    return copied, attributes


def clone_template(call: Call) -> Answer:
    given = call.data["attributes"].get("name")
    _room(call)
    with call.engine.store.write():
        copied, attributes = copy(call, call.data["id"], given or f"Clone of {call.data['id']}", None)
    attributes |= {"created": micros(call.now), "updated": micros(call.now)}
    return crud.show(call, "template", copied, attributes)


def render_template(call: Call) -> Answer:
    """html and amp are escaped as HTML is, text is not (inferred)."""
    template_id = call.data["id"]
    attributes = generic.required(call, "template", template_id)
    context = {"feeds": web_feeds.Feeds(call.engine, call.account)} | call.data["attributes"]["context"]
    around = MessageSurroundings(call.engine, call.account, call.now)
    for name, escape in (("html", True), ("text", False), ("amp", True)):
        if attributes[name] is not None:
            try:
                attributes[name] = render(attributes[name], context, around, escape=escape)
            except (TemplateError, Withheld) as error:
                raise unrenderable(error) from None
    return crud.show(call, "template", template_id, attributes)


def unrenderable(error: Exception) -> Refusal:
    return invalid(inferred.TEMPLATE_SYNTAX.format(problem=error), pointer="/data")


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_templates": get_templates,
    "create_template": crud.create(TEMPLATE, prepare=_prepare_new, after=_keep_definition),
    "get_template": crud.item,
    "update_template": crud.update(TEMPLATE, prepare=_prepare_change, after=_keep_definition),
    "delete_template": crud.delete(TEMPLATE, prepare=_refuse_attached),
    "clone_template": clone_template,
    "render_template": render_template,
}
