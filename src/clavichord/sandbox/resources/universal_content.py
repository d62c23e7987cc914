"""Universal content: one block under an id that many templates show (FACTS §9.8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud, inferred
from clavichord.sandbox.call import Behaviour, Call
from clavichord.sandbox.crud import Kind
from clavichord.sandbox.errors import invalid


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
    )
)


def _prepare(call: Call, attributes: dict[str, Any]) -> None:
    if not attributes["name"].strip():
        raise invalid("'name' must not be empty.", pointer="/data/attributes/name")
    data = attributes["definition"].get("data")
    if isinstance(data, dict) and isinstance(data.get("display_options"), dict):
        data["display_options"] = {"show_on": "all", "visible_check": ""} | data["display_options"]  # LIVE #25


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_all_universal_content": crud.collection,
    "create_universal_content": crud.create(UNIVERSAL_CONTENT, prepare=_prepare),
    "get_universal_content": crud.item,
    "update_universal_content": crud.update(UNIVERSAL_CONTENT, prepare=_prepare),
    "delete_universal_content": crud.delete(UNIVERSAL_CONTENT),
}
