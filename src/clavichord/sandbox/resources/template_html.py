"""A template's HTML: its normal form, its plain text, and ids for the parts of a drag-and-drop definition."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from typing import Any

_OPENING = re.compile(r"<html\b[^<>]*>", re.IGNORECASE)
_NAME = re.compile(r"/?([a-zA-Z][a-zA-Z0-9]*)")
_LINE = frozenset(
    ("address", "blockquote", "br", "div", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "p", "table", "tr")
)
_HIDDEN = frozenset(("head", "script", "style", "title"))
_BLANK = re.compile(r"[ \t\r\f\v]+")


def normal(given: str) -> str:
    """Inside `<html><head></head><body>` (FACTS §9.8), whatever of it was left out."""
    low = given.lower()
    found = _OPENING.search(given)
    if found is not None:
        return given if "<head" in low else given[: found.end()] + "<head></head>" + given[found.end() :]
    if "<body" in low:
        return f"<html>{'' if '<head' in low else '<head></head>'}{given}</html>"
    return f"<html><head></head><body>{given}</body></html>"


def runs(markup: str) -> Iterator[tuple[str, str]]:
    """(tag, piece) of everything in the markup, in its order. Text has no tag; what is between `<head>`, `<script>`,
    `<style>` or `<title>` and its end belongs to the tag."""
    text = at = 0
    while (start := markup.find("<", at)) >= 0:
        name = _NAME.match(markup, start + 1)
        if name is None and not markup.startswith(("!", "?"), start + 1):
            at = start + 1
            continue
        if (end := markup.find(">", start)) < 0:
            break
        if start > text:
            yield "", markup[text:start]
        tag = name[1].lower() if name is not None else "!"
        at = end + 1
        if tag in _HIDDEN and not markup.startswith("/", start + 1):
            closing = re.compile(rf"</{tag}\s*>", re.IGNORECASE).search(markup, at)
            at = closing.end() if closing is not None else len(markup)
        yield tag, markup[start:at]
        text = at
    if text < len(markup):
        yield "", markup[text:]


def plain(markup: str) -> str:
    """The text that a reader sees, a line for each block."""
    parts = [piece if not tag else "\n" if tag in _LINE else "" for tag, piece in runs(markup)]
    lines = (_BLANK.sub(" ", line).strip() for line in html.unescape("".join(parts)).split("\n"))
    return "\n".join(line for line in lines if line)


def identified(definition: Any, new_id: Callable[[], str]) -> Any:
    """The definition with an id for every part that may have one."""
    if isinstance(definition, list):
        return [identified(one, new_id) for one in definition]
    if not isinstance(definition, dict):
        return definition
    parts = {
        name: identified(value, new_id) if name == "body" or (name in _PARTS and isinstance(value, list)) else value
        for name, value in definition.items()
    }
    return {"id": parts.pop("id", None) or new_id(), **parts}


_PARTS = frozenset(("sections", "rows", "columns", "blocks", "subblocks", "styles"))
