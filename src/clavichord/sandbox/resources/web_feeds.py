"""Web feeds: polled if they are on this machine. Whoever writes one is answered a status of null (FACTS §9.12)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import msgspec

from clavichord.sandbox import crud, fetching, generic, inferred
from clavichord.sandbox.call import Behaviour, Call
from clavichord.sandbox.clock import SECOND
from clavichord.sandbox.crud import Kind
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.errors import invalid
from clavichord.sandbox.jobs import Task

_NAME = re.compile(r"[0-9_A-z]+")
"""as the spec has it: between Z and a there are six more characters"""
_POLL = "web-feed-poll"
MAX_BYTES = 5_000_000
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
    crud.keep(call, "web-feed", feed_id, {"content": None, "polled": None})
    call.engine.jobs.submit(call.account, _POLL, {}, job=feed_id)


def _poll(engine: Engine, task: Task) -> None:
    poll(engine, task.account, task.job)


def poll(engine: Engine, account: str, feed_id: str) -> Any:
    """What the feed holds now; None for one that cannot be read. Of another machine's nothing is known, and its status
    is that of one that works."""
    attributes = generic.load(engine.store, account, "web-feed", feed_id)
    if attributes is None or not fetching.is_near(attributes["url"]):
        return None
    now, content = engine.clock.now(), None
    try:
        body = fetching.fetch(attributes["url"], MAX_BYTES, attributes["request_method"].upper())
        content = msgspec.json.decode(body) if attributes["content_type"] == "json" else _read_xml(body)
        status = inferred.WEB_FEED_STATUS
    except (fetching.Unreachable, ValueError, RecursionError, ElementTree.ParseError):
        status = inferred.WEB_FEED_FAILED
    with engine.store.write():
        kept = msgspec.json.encode({"content": content, "polled": now}).decode()
        engine.store.execute(
            "UPDATE resource SET state = ?, attributes = json_set(attributes, '$.status', ?)"
            " WHERE account = ? AND type = 'web-feed' AND id = ?",
            (kept, status, account, feed_id),
        )
    return content


def _read_xml(body: bytes) -> Any:
    return {(root := ElementTree.fromstring(body)).tag: _element(root)}


def _element(element: ElementTree.Element) -> Any:
    """Its text, or its children by name; several of one name are a list, attributes are children too (inferred)."""
    found: dict[str, Any] = dict(element.attrib)
    for child in element:
        value = _element(child)
        if child.tag in found:
            known = found[child.tag]
            found[child.tag] = [*known, value] if isinstance(known, list) else [known, value]
        else:
            found[child.tag] = value
    return found or (element.text or "").strip()


class Feeds(Mapping[str, Any]):
    """`{{ feeds.NAME }}`: read from the account when a template asks, polled again when the last poll is old."""

    def __init__(self, engine: Engine, account: str) -> None:
        self._engine, self._account = engine, account

    def __getitem__(self, name: str) -> Any:
        row = self._engine.store.one(
            "SELECT id, state FROM resource WHERE account = ? AND type = 'web-feed'"
            " AND json_extract(attributes, '$.name') = ? ORDER BY created, id LIMIT 1",
            self._account,
            name,
        )
        state = msgspec.json.decode(row[1]) if row else {}
        if row and (state.get("polled") or 0) < self._engine.clock.now() - inferred.WEB_FEED_AGE * SECOND:
            state["content"] = poll(self._engine, self._account, row[0])
        if state.get("content") is None:
            raise KeyError(name)
        return state["content"]

    def __iter__(self) -> Iterator[str]:
        rows = self._engine.store.execute(
            "SELECT json_extract(attributes, '$.name') FROM resource WHERE account = ? AND type = 'web-feed'",
            (self._account,),
        )
        return (row[0] for row in rows.fetchall())

    def __len__(self) -> int:
        return len(list(iter(self)))


def declare(engine: Engine) -> None:
    engine.jobs.kind(_POLL, _poll)


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
