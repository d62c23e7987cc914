"""Messages in the language of whoever reads them: what there is to translate, and what a translation makes of it.

A value block is a field of a message (its id is the field's name) or a text between two tags of its HTML (its id is
made of the text, so that a translation goes when its source changes).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from clavichord.sandbox import generic, inferred
from clavichord.sandbox.resources import template_blocks, template_html
from clavichord.sandbox.store import Store

_FIELDS = ("subject", "subject_line", "preview_text", "title", "body")
_SYNTAX = re.compile(r"\{\{[^{}]*\}\}|\{%[^{}]*%\}|\{#[^{}]*#\}")

Owner = tuple[str, str]
"""(type, id) of what a translation belongs to"""


class Content(NamedTuple):
    """What can be translated of a resource."""

    fields: Mapping[str, str]
    markup: str = ""


def content_of(store: Store, account: str, owner: Owner) -> Content:
    """Nothing, if the resource is not there."""
    type_name, resource_id = owner
    attributes = generic.load(store, account, type_name, resource_id) or {}
    if type_name == "template":
        return Content({}, attributes.get("html") or "")
    definition = attributes.get("definition") or attributes  # a variation is kept without one
    if type_name == "template-universal-content":
        return Content({}, template_blocks.block_html(definition))
    said = definition.get("details") or definition  # a campaign's variation keeps its words there
    given = ((inferred.CONTENT_NAMES.get(name, name), said.get(name)) for name in _FIELDS)
    fields = {name: text for name, text in given if isinstance(text, str) and text.strip()}
    template_id = next(
        iter(generic.targets(store, account, type_name, resource_id, "template")), said.get("template_id")
    )
    template = generic.load(store, account, "template", template_id) if template_id else None
    return Content(fields, (template or {}).get("html") or "")


def blocks(content: Content) -> dict[str, str]:
    """Id of each value block → its source text, in the order of the message."""
    found = dict(content.fields)
    for tag, piece in template_html.runs(content.markup):
        text = piece.strip()
        if not tag and any(sign.isalpha() for sign in _SYNTAX.sub("", text)):
            found.setdefault(_id(text), text)
    return found


def _id(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def owners_of(store: Store, account: str, template_id: str) -> list[Owner]:
    """Whose translations a template shows, of those that have any: of the universal content in it, of the template that
    it is a message's copy of (inferred), and its own."""
    state = generic.state(store, account, "template", template_id)
    shared = dict.fromkeys(("template-universal-content", one) for one in _universal_ids(state.get("definition")))
    owners = [*shared, ("template", state.get("copied_from", "")), ("template", template_id)]
    return [owner for owner in owners if translations_of(store, account, owner)]


def _universal_ids(part: Any) -> Iterator[str]:
    if isinstance(part, list):
        for one in part:
            yield from _universal_ids(one)
    elif isinstance(part, dict):
        if isinstance(part.get("universal_id"), str):
            yield part["universal_id"]
        for one in part.values():
            yield from _universal_ids(one)


def translations_of(store: Store, account: str, owner: Owner) -> list[str]:
    """The ids of the translations of a resource."""
    rows = store.execute(
        "SELECT id FROM edge WHERE account = ? AND target = ? AND type = 'translation' AND relationship = ?",
        (account, owner[1], owner[0]),
    )
    return [row[0] for row in rows]


def table(store: Store, account: str, owners: Iterable[Owner], locale: str | None) -> dict[str, str]:
    """Id of a value block → its text for a reader of `locale`; of several owners the last one is right."""
    found: dict[str, str] = {}
    for owner in owners:
        for translation_id in translations_of(store, account, owner):
            attributes = generic.load(store, account, "translation", translation_id)
            if attributes is None:
                continue
            chosen = _chosen(attributes, locale)
            values = generic.state(store, account, "translation", translation_id).get("values") or {}
            found |= {block: texts[chosen] for block, texts in values.items() if texts.get(chosen)}
    return found


def _chosen(attributes: Mapping[str, Any], locale: str | None) -> str:
    """The very locale, one of the same language, or the one to fall back to (inferred)."""
    known = [attributes["source_locale"], *attributes["target_locales"]]
    wanted = (locale or "").replace("_", "-").lower()
    for fits in (
        [one for one in known if one.replace("_", "-").lower() == wanted],
        [one for one in known if wanted and _language(one) == _language(wanted)],
    ):
        if fits:
            return str(fits[0])
    return attributes["fallback_locale"] or str(known[0])


def _language(locale: str) -> str:
    return re.split("[-_]", locale.lower())[0]


def field(name: str, text: str, words: Mapping[str, str]) -> str:
    """A field of a message, translated if there are words for it."""
    return words.get(name, text) if text else text


def markup(source: str, words: Mapping[str, str]) -> str:
    """HTML with its texts translated; blanks around them stay."""
    if not words:
        return source
    pieces = []
    for tag, piece in template_html.runs(source):
        text = piece.strip()
        if not tag and text and (translated := words.get(_id(text))) is not None:
            piece = piece.replace(text, translated, 1)
        pieces.append(piece)
    return "".join(pieces)


def template(attributes: Mapping[str, Any], words: Mapping[str, str]) -> tuple[str, str]:
    """(HTML, plain text) of a template; text that was made of the HTML follows it."""
    html, text = attributes["html"] or "", attributes["text"] or ""
    translated = markup(html, words)
    if translated != html and text == template_html.plain(html):
        text = template_html.plain(translated)
    return translated, text
