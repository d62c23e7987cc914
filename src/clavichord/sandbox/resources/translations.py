"""Translations of templates, universal content, flow messages and variations of campaigns (2026-10-15)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.crud import Kind
from clavichord.sandbox.documents import Resource
from clavichord.sandbox.errors import ErrorObject, Refusal, conflict, invalid, problem
from clavichord.sandbox.filters import Column
from clavichord.sandbox.resources import localisation

_OWNERS = ("campaign-variation", "flow-message", "template", "template-universal-content", "consent-page")
_LOCALE = re.compile(r"[a-z]{2,3}(?:[-_][A-Za-z]{4})?(?:[-_](?:[A-Za-z]{2}|[0-9]{3}))?")
_AT = "/data/attributes"


def _owner(call: Call, translation_id: str) -> localisation.Owner | None:
    """What the translation belongs to."""
    for name in _OWNERS:
        for target in crud.targets(call, "translation", translation_id, name):
            return name, target
    return None


def _shown(call: Call, translation_id: str) -> tuple[str, ...]:
    owner = _owner(call, translation_id)
    return (owner[0],) if owner else ()


def _values(call: Call, translation_id: str) -> list[dict[str, Any]]:
    """Every value block of the resource as it is now, with what was translated."""
    owner = _owner(call, translation_id)
    if owner is None:
        return []
    store, account = call.engine.store, call.account
    locales = generic.required(call, "translation", translation_id)["target_locales"]
    kept = generic.state(store, account, "translation", translation_id).get("values") or {}
    found = []
    for block, text in localisation.blocks(localisation.content_of(store, account, owner)).items():
        texts = {locale: kept.get(block, {}).get(locale) for locale in locales}
        found.append({"id": block, inferred.SOURCE_TEXT: text, "translations": texts})
    return found


TRANSLATION = crud.declare(
    Kind(
        type="translation",
        attributes={
            "source_locale": "",
            "target_locales": [],
            "fallback_locale": None,
            "channel": "",
            "metadata": None,
            "created": "",
            "updated": "",
        },
        new_id=lambda call: "::".join((_given(call)[0], call.data["attributes"]["channel"], call.engine.ids.ulid())),
        resolved=_OWNERS,
        shown=_shown,
        additional={"values": _values},
        falls_with={name: name for name in _OWNERS},
        filters={
            "resource_type": Column("substr(r.id, 1, instr(r.id, '::') - 1)"),
            "related_resource_id": Column(
                "(SELECT e.target FROM edge e WHERE e.account = r.account AND e.type = 'translation' AND e.id = r.id)"
            ),
        },
    )
)


def _given(call: Call) -> localisation.Owner:
    """The one resource that a new translation names. Refusal (400)."""
    named = {
        name: linkage["data"]["id"]
        for name, linkage in (call.data.get("relationships") or {}).items()
        if linkage and linkage.get("data")
    }
    if len(named) != 1:
        raise invalid(inferred.ONE_TRANSLATED.format(names=", ".join(_OWNERS)), pointer="/data/relationships")
    return next(iter(named.items()))


def _prepare_new(call: Call, attributes: dict[str, Any]) -> None:
    owner = _given(call)
    _check_locales(attributes)
    crud.require_all(call, owner[0], [owner[1]])
    channel = _channel(call, owner)
    if channel and attributes["channel"] != channel:
        text = inferred.TRANSLATION_CHANNEL.format(type=owner[0], channel=channel)
        raise invalid(text, pointer=f"{_AT}/channel")
    if localisation.translations_of(call.engine.store, call.account, owner):
        raise conflict("conflict", inferred.TRANSLATED_ALREADY.format(type=owner[0], id=owner[1]), "/data")


def _channel(call: Call, owner: localisation.Owner) -> str:
    """The channel of what is translated, "" if it does not say."""
    type_name, resource_id = owner
    if type_name == "consent-page":
        return "web"
    if type_name in ("template", "template-universal-content"):
        return "email"
    attributes = generic.required(call, type_name, resource_id)
    said = attributes.get("channel") or (attributes.get("details") or {}).get("channel") or ""
    return inferred.TRANSLATION_CHANNELS.get(said, "")


def _check_locales(attributes: Mapping[str, Any]) -> None:
    found: list[ErrorObject] = []
    source, targets, fallback = (attributes[name] for name in ("source_locale", "target_locales", "fallback_locale"))
    for given, at in (
        (source, "source_locale"),
        *((one, f"target_locales/{index}") for index, one in enumerate(targets)),
        (fallback, "fallback_locale"),
    ):
        if given is not None and _LOCALE.fullmatch(given) is None:
            found.append(problem(inferred.LOCALE.format(given=given), pointer=f"{_AT}/{at}"))
    if not targets or len(set(targets)) < len(targets) or source in targets:
        found.append(problem(inferred.TARGET_LOCALES, pointer=f"{_AT}/target_locales"))
    if fallback is not None and fallback not in (source, *targets):
        found.append(problem(inferred.FALLBACK_LOCALE, pointer=f"{_AT}/fallback_locale"))
    if found:
        raise Refusal(*found)


def _prepare_change(call: Call, attributes: dict[str, Any]) -> None:
    _check_locales(attributes)
    owner = _owner(call, call.id)
    content = localisation.content_of(call.engine.store, call.account, owner) if owner else localisation.Content({})
    known, found = localisation.blocks(content), list[ErrorObject]()
    for index, value in enumerate(call.data["attributes"].get("values") or ()):
        found += _value_faults(value, known, attributes["target_locales"], f"{_AT}/values/{index}")
    if found:
        raise Refusal(*found[:100])


def _value_faults(value: Mapping[str, Any], known: Mapping[str, str], locales: list[str], at: str) -> list[ErrorObject]:
    texts = value.get("translations")
    if not isinstance(value.get("id"), str) or not isinstance(texts, dict):
        name, expected = ("translations", "an object") if isinstance(value.get("id"), str) else ("id", "a string")
        return [problem(inferred.WRONG_TYPE.format(name=name, expected=expected), pointer=f"{at}/{name}")]
    if value["id"] not in known:
        return [problem(inferred.VALUE_UNKNOWN.format(id=value["id"]), pointer=f"{at}/id")]
    found = []
    for locale, text in texts.items():
        if locale not in locales:
            detail = inferred.NOT_A_TARGET.format(locale=locale)
        elif text is not None and not isinstance(text, str):
            detail = inferred.WRONG_TYPE.format(name=locale, expected="a string")
        else:
            continue
        found.append(problem(detail, pointer=f"{at}/translations/{locale}"))
    return found


def _keep_values(call: Call, translation_id: str, attributes: dict[str, Any]) -> None:
    """What is sent is merged into what there is, null takes a text away; what is no longer a target goes."""
    kept = crud.state(call, "translation", translation_id).get("values") or {}
    for value in call.data["attributes"].get("values") or ():
        kept[value["id"]] = {**kept.get(value["id"], {}), **value["translations"]}
    locales = attributes["target_locales"]
    values = {
        block: {locale: text for locale, text in texts.items() if locale in locales and text is not None}
        for block, texts in kept.items()
    }
    crud.keep(call, "translation", translation_id, {"values": values})


def get_translation(call: Call) -> Answer:
    primary = crud.resource(call, "translation", call.id, generic.required(call), primary=True)
    return call.engine.documents.one(call, primary, map(_older_message, crud.included(call, [primary])))


def get_translations(call: Call) -> Answer:
    page = call.engine.store.page(crud.source(call, "translation"), call.operation, call.query)
    rows = [crud.resource(call, "translation", row[0], row[1], primary=True) for row in page.rows]
    included = map(_older_message, crud.included(call, rows))
    return call.engine.documents.many(call, rows, included, page.next, page.prev)


def get_flow_message(call: Call) -> Answer:
    generic.required(call)
    found = crud.fetch(call, "flow-message", crud.targets(call, "translation", call.id, "flow-message"))
    if not found:
        return call.engine.documents.identifier(call, "flow-message", None)
    return call.engine.documents.one(call, _older_message(found[0]))


def _older_message(found: Resource) -> Resource:
    """A flow message beside a translation has content where elsewhere it has a definition; specified so."""
    if found.type != "flow-message":
        return found
    stored = msgspec.json.decode(found.attributes)
    definition = stored.pop("definition")
    content = dict.fromkeys(_NEEDED.get(stored["channel"], ()), "")
    for name in _CONTENT:
        if definition.get(name) is not None:
            content[inferred.CONTENT_NAMES.get(name, name)] = definition[name]
    attributes = {"name": definition.get("name") or "", "channel": stored["channel"], "content": content}
    times = {name: stored[name] for name in ("created", "updated")}
    return found._replace(attributes=msgspec.json.encode(attributes | times))


_NEEDED: Mapping[str, tuple[str, ...]] = {
    "Email": ("subject", "preview_text", "from_email", "from_label"),
    "SMS": ("body",),
    "Push": ("title", "body"),
}
_CONTENT = (
    *("subject_line", "preview_text", "from_email", "from_label", "reply_to_email", "cc_email", "bcc_email"),
    *("title", "body", "media_url", "sound", "badge", "on_open", "web_url", "ios_link", "android_link"),
)

BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_translations": get_translations,
    "create_translation": crud.create(TRANSLATION, prepare=_prepare_new),
    "get_translation": get_translation,
    "update_translation": crud.update(TRANSLATION, prepare=_prepare_change, after=_keep_values),
    "delete_translation": crud.delete(TRANSLATION),
    "get_campaign_variation_for_translation": crud.related,
    "get_campaign_variation_id_for_translation": crud.related,
    "get_flow_message_for_translation": get_flow_message,
    "get_flow_message_id_for_translation": crud.related,
    "get_template_for_translation": crud.related,
    "get_template_id_for_translation": crud.related,
    "get_template_universal_content_for_translation": crud.related,
    "get_template_universal_content_id_for_translation": crud.related,
}
