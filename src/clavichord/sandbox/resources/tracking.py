"""Tracking settings: one object an account, whose id is the account's (FACTS §9.12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud, generic
from clavichord.sandbox.call import Behaviour, Call
from clavichord.sandbox.crud import Kind

_SOURCE = {"type": "static", "value": "Klaviyo"}
_MEDIUM = {"type": "dynamic", "value": "message_type"}

SETTING = crud.declare(
    Kind(
        type="tracking-setting",
        attributes={  # as recorded for an account that never changed them
            "auto_add_parameters": False,
            "utm_source": {"flow": _SOURCE, "campaign": _SOURCE},
            "utm_medium": {"flow": _MEDIUM, "campaign": _MEDIUM},
            "utm_campaign": None,
            "utm_id": None,
            "utm_term": None,
            "custom_parameters": [],
        },
        created="",
        updated="",
    )
)


def _merge(call: Call, attributes: dict[str, Any]) -> None:
    """Of a parameter that has two sides the one that is not named stays; null clears the whole (inferred)."""
    stored = generic.required(call)
    for name, given in call.data["attributes"].items():
        if isinstance(given, dict):
            attributes[name] = {"flow": None, "campaign": None} | (stored[name] or {}) | given
        elif given is None and name not in ("auto_add_parameters", "custom_parameters"):
            attributes[name] = None


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_tracking_settings": crud.one_an_account(SETTING, crud.collection),
    "get_tracking_setting": crud.one_an_account(SETTING, crud.item),
    "update_tracking_setting": crud.one_an_account(SETTING, crud.update(SETTING, prepare=_merge)),
}
