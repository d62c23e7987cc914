"""The brand library: buttons, color groups, logos, social groups (2026-10-15)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import completion, crud, inferred
from clavichord.sandbox.call import Behaviour, Call
from clavichord.sandbox.crud import Kind
from clavichord.sandbox.errors import invalid

_HEX = re.compile(r"#(?:[0-9A-Fa-f]{3,4}|[0-9A-Fa-f]{6}|[0-9A-Fa-f]{8})")
_AT = "/data/attributes"


def _new_id(call: Call) -> str:
    return call.engine.ids.number(inferred.BRAND_ID_DIGITS)


def _declare(type: str, attributes: Mapping[str, Any], **options: Any) -> Kind:
    kind = Kind(type=type, attributes=attributes, new_id=_new_id, created="", updated="", order="r.created", **options)
    return crud.declare(kind)


BUTTON = _declare(
    "brand-button",
    {
        "name": None,
        "is_primary": False,
        "style": None,
        "border": None,
        "spacing": None,
        "text": None,
        "preview_page_hex": None,
    },
)
COLOR = _declare("brand-color", {"name": None, "colors": None})
LOGO = _declare(
    "brand-logo",
    {"width": None, "height": None, "alt_text": None, "link_url": None, "name": None},
    resolved=("image",),
    refused=("image",),
)
SOCIAL_GROUP = _declare("brand-social-group", {"name": None, "social_links": None})


def completed(call: Call, type_name: str, attributes: dict[str, Any]) -> None:
    """Every attribute as it is answered, with the defaults of its members."""
    known = call.engine.catalogue.types[type_name].attributes
    for name, value in attributes.items():
        attributes[name] = completion.complete(call.engine.catalogue, known[name], value)


def _check_button(call: Call, attributes: dict[str, Any]) -> None:
    _check_hex(attributes["preview_page_hex"], "preview_page_hex", f"{_AT}/preview_page_hex")
    completed(call, "brand-button", attributes)


def _check_colors(call: Call, attributes: dict[str, Any]) -> None:
    for index, color in enumerate(attributes["colors"] or ()):
        _check_hex(color["hex"], "hex", f"{_AT}/colors/{index}/hex")


def _check_hex(given: str | None, name: str, at: str) -> None:
    if given is not None and _HEX.fullmatch(given) is None:
        raise invalid(inferred.HEX_COLOR.format(name=name), pointer=at)


def _check_new_logo(call: Call, attributes: dict[str, Any]) -> None:
    image = ((call.data.get("relationships") or {}).get("image") or {}).get("data")
    if image is None:
        raise invalid(inferred.NO_IMAGE_RELATION, pointer="/data/relationships/image/data")
    _check_logo(call, attributes)


def _check_logo(call: Call, attributes: dict[str, Any]) -> None:
    for name in ("width", "height"):
        if attributes[name] is not None and attributes[name] < 1:
            raise invalid(inferred.POSITIVE.format(name=name), pointer=f"{_AT}/{name}")


def _complete_links(call: Call, attributes: dict[str, Any]) -> None:
    completed(call, "brand-social-group", attributes)


def _demote_others(call: Call, button_id: str, attributes: dict[str, Any]) -> None:
    """An account has at most one primary button (documented)."""
    if attributes["is_primary"]:
        call.engine.store.execute(
            "UPDATE resource SET attributes = json_set(attributes, '$.is_primary', json('false'))"
            " WHERE account = ? AND type = 'brand-button' AND id <> ?",
            (call.account, button_id),
        )


def _library(one: str, many: str, kind: Kind, new: Any, changed: Any, after: Any = None) -> dict[str, Behaviour]:
    return {
        f"get_brand_{many}": crud.collection,
        f"create_brand_{one}": crud.create(kind, prepare=new, after=after),
        f"get_brand_{one}": crud.item,
        f"update_brand_{one}": crud.update(kind, prepare=changed, after=after),
        f"delete_brand_{one}": crud.delete(kind),
    }


BEHAVIOURS: Mapping[str, Behaviour] = {
    **_library("button", "buttons", BUTTON, _check_button, _check_button, _demote_others),
    **_library("color", "colors", COLOR, _check_colors, _check_colors),
    **_library("logo", "logos", LOGO, _check_new_logo, _check_logo),
    **_library("social_group", "social_groups", SOCIAL_GROUP, _complete_links, _complete_links),
}
