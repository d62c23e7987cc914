"""Web feeds: kept, never fetched. Whoever writes one is answered a status of null (FACTS §9.12)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from clavichord.sandbox import crud, inferred
from clavichord.sandbox.call import Behaviour, Call
from clavichord.sandbox.crud import Kind
from clavichord.sandbox.errors import invalid

_NAME = re.compile(r"[0-9_A-z]+")
"""as the spec has it: between Z and a there are six more characters"""
_WRONG_NAME = "'name' must match regex '^[0-9_A-z]+$' ('{}' doesn't)"

WEB_FEED = crud.declare(
    Kind(
        type="web-feed",
        attributes={
            "name": "",
            "url": "",
            "request_method": "get",
            "content_type": "json",
            "created": "",
            "updated": "",
            "status": inferred.WEB_FEED_STATUS,
        },
        new_id=lambda call: call.engine.ids.number(7),
        order="r.created",
    )
)


def _check(call: Call, attributes: dict[str, Any]) -> None:
    if _NAME.fullmatch(attributes["name"]) is None:
        raise invalid(_WRONG_NAME.format(attributes["name"]), pointer="/data/attributes/name")
    if not is_url(attributes["url"]):
        raise invalid(inferred.BAD_URL, pointer="/data/attributes/url")


def _unpolled(call: Call, feed_id: str, attributes: dict[str, Any]) -> None:
    """What is stored already says what a poll will have found; the echo of a write comes before it."""
    attributes["status"] = None


def is_url(text: str, *schemes: str) -> bool:
    """Whether a text is a web address: of one of the schemes, or http and https."""
    try:
        parts = urlsplit(text)
        return parts.scheme in (schemes or ("http", "https")) and bool(parts.hostname)
    except ValueError:
        return False


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_web_feeds": crud.collection,
    "create_web_feed": crud.create(WEB_FEED, prepare=_check, after=_unpolled),
    "get_web_feed": crud.item,
    "update_web_feed": crud.update(WEB_FEED, prepare=_check, after=_unpolled),
    "delete_web_feed": crud.delete(WEB_FEED),
}
