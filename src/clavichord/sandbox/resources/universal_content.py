"""Universal content: one block under an id that many templates show (FACTS §9.8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import SECOND, micros, seconds
from clavichord.sandbox.crud import Kind
from clavichord.sandbox.errors import Refusal, invalid


def _hex32(call: Call) -> str:
    return call.engine.ids.uuid().replace("-", "")


UNIVERSAL_CONTENT = crud.declare(
    Kind(
        type="template-universal-content",
        attributes={
            "name": "",
            "definition": {},
            "created": "",
            "updated": "",
            "screenshot_status": inferred.SCREENSHOT_STATUS,
            "screenshot_url": "",
        },
        new_id=_hex32,
        precision="usec",
    )
)


def _prepare(call: Call, attributes: dict[str, Any]) -> None:
    if not attributes["name"].strip():
        raise invalid("'name' must not be empty.", pointer="/data/attributes/name")
    faults = call.engine.bodies.attribute_faults(UNIVERSAL_CONTENT.type, "definition", attributes["definition"])
    if faults:  # bodies of 2026-10-15 may hold any object, what comes back may not
        raise Refusal(*faults)
    data = attributes["definition"].get("data")
    if not call.id and isinstance(data, dict) and isinstance(data.get("display_options"), dict):
        data["display_options"] = {"show_on": "all", "visible_check": ""} | data["display_options"]  # LIVE #25


def clone_universal_content(call: Call) -> Answer:
    given = call.data["attributes"]
    if given["id"] != call.data["id"]:
        raise invalid("'id' must be the id of the resource.", pointer="/data/attributes/id")
    attributes = generic.required(call, UNIVERSAL_CONTENT.type, call.data["id"])
    name = attributes["name"] if given.get("name") is None else given["name"]
    if not name.strip():
        raise invalid("'name' must not be empty.", pointer="/data/attributes/name")
    copied, at = UNIVERSAL_CONTENT.new_id(call), seconds(call.now // SECOND)
    attributes |= {"name": name, "created": at, "updated": at}
    with call.engine.store.write():
        generic.insert(call.engine.store, call.account, UNIVERSAL_CONTENT.type, copied, attributes, call.now)
    attributes |= dict.fromkeys(("created", "updated"), micros(call.now))
    return crud.show(call, UNIVERSAL_CONTENT.type, copied, attributes)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_all_universal_content": crud.collection,
    "create_universal_content": crud.create(UNIVERSAL_CONTENT, prepare=_prepare),
    "get_universal_content": crud.item,
    "update_universal_content": crud.update(UNIVERSAL_CONTENT, prepare=_prepare),
    "clone_universal_content": clone_universal_content,
    "delete_universal_content": crud.delete(UNIVERSAL_CONTENT),
}
