"""What an account's e-mails look and sound like: defaults and brand voice, there from the start (2026-10-15)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Behaviour, Call
from clavichord.sandbox.crud import Kind
from clavichord.sandbox.resources import brand_library

_LINKED = ("brand-button", "brand-logo", "brand-social-group")

EMAIL_DEFAULT = crud.declare(
    Kind(
        type="brand-email-default",
        attributes=inferred.EMAIL_DEFAULTS,
        created="",
        updated="",
        resolved=_LINKED,
        dataless=_LINKED,
        refused=_LINKED,
    )
)
VOICE = crud.declare(Kind(type="brand-voice", attributes=inferred.BRAND_VOICE, created="", updated=""))


def _merge_sections(call: Call, attributes: dict[str, Any]) -> None:
    """The members of body, header and footer that are sent replace the stored ones whole; the others stay, and so do
    those that are null, except the width of the logo: null lifts it (documented)."""
    stored = generic.required(call)
    for section, given in call.data["attributes"].items():
        sent = {name: value for name, value in (given or {}).items() if value is not None or name == "logo_max_width"}
        attributes[section] = stored[section] | sent
    brand_library.completed(call, "brand-email-default", attributes)


def _raise_version(call: Call, attributes: dict[str, Any]) -> None:
    brand_library.completed(call, "brand-voice", attributes)
    attributes["version"] = str(int(attributes["version"]) + 1)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_brand_email_defaults": crud.one_an_account(EMAIL_DEFAULT, crud.collection),
    "get_brand_email_default": crud.one_an_account(EMAIL_DEFAULT, crud.item),
    "update_brand_email_default": crud.one_an_account(
        EMAIL_DEFAULT, crud.update(EMAIL_DEFAULT, prepare=_merge_sections)
    ),
    "get_brand_voice": crud.one_an_account(VOICE, crud.item),
    "update_brand_voice": crud.one_an_account(VOICE, crud.update(VOICE, prepare=_raise_version)),
}
