"""A template's HTML: its normal form, its plain text, and what a drag-and-drop definition comes to."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping
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
    while (start := markup.find("<", at)) >= 0 and (end := markup.find(">", start)) >= 0:
        name = _NAME.match(markup, start + 1)
        if name is None and markup[start + 1] not in "!?":
            at = start + 1
            continue
        if start > text:
            yield "", markup[text:start]
        tag = name[1].lower() if name is not None else "!"
        at = end + 1
        if tag in _HIDDEN and markup[start + 1] != "/":
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


def from_definition(definition: Mapping[str, Any], universal: Callable[[str], Mapping[str, Any] | None]) -> str:
    """One table row for each row of the definition. `universal` finds the definition of universal content by id.

    Written out: text, html, image, button, horizontal rule, spacer, video, and these inside split and table. Headers,
    products, reviews, coupons and social icons leave a comment in their place.
    """
    body = definition["body"]
    width = (body.get("styles") or {}).get("width") or 600
    rows: list[str] = []
    for section in body.get("sections") or ():
        for row in section.get("rows") or ():
            cells = "".join(f"<td>{''.join(_blocks(column, universal))}</td>" for column in row.get("columns") or ())
            rows.append(f"<tr>{cells}</tr>")
    return normal(f'<table width="{width}">{"".join(rows)}</table>')


def _blocks(column: Mapping[str, Any], universal: Callable[[str], Mapping[str, Any] | None]) -> Iterator[str]:
    for block in column.get("blocks") or ():
        shared = universal(block["universal_id"]) if block.get("universal_id") else None
        yield block_html({**block, **shared} if shared else block)


def block_html(block: Mapping[str, Any]) -> str:
    """Of one block of a definition, or of universal content."""
    data = block.get("data")
    data = data if isinstance(data, dict) else {}
    properties = data.get("properties") or {}
    kind = block.get("type", "")
    if kind in ("split", "table"):
        return "".join(map(block_html, block.get("subblocks") or ()))
    if kind == "button":
        return f'<a href="{_attribute(properties.get("href"))}">{data.get("content") or ""}</a>'
    if kind in ("image", "video"):
        picture = f'<img src="{_attribute(properties.get("src"))}" alt="{_attribute(properties.get("alt_text"))}">'
        link = properties.get("href")
        return f'<a href="{_attribute(link)}">{picture}</a>' if link else picture
    if kind == "horizontal_rule":
        return "<hr>"
    if kind == "spacer":
        return "<div>&nbsp;</div>"
    content = data.get("content")
    if isinstance(content, str):
        return f"<div>{content}</div>" if kind == "text" else content
    return f"<!-- {html.escape(kind)} -->"


def _attribute(value: Any) -> str:
    return html.escape(str(value)) if value is not None else ""
