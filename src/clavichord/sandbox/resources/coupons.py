"""Coupons; their id is what an integration calls them (FACTS §9.10)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.errors import conflict, invalid

_EXTERNAL_ID = re.compile(r"[0-9_A-z]+")
_WRONG_ID = "'{}' must match regex '^[0-9_A-z]+$' ('{}' doesn't)"
"""recorded for the name of a web feed; an id that does not match is known to be a 400"""
_MIN_THRESHOLD = 100
_THRESHOLD = "low_balance_threshold"


def _new_id(call: Call) -> str:
    return str(call.data["attributes"]["external_id"])


KIND = crud.declare(
    crud.Kind(
        type="coupon",
        attributes={
            "external_id": None,
            "description": None,
            "monitor_configuration": None,
            "assigner_configuration": None,
        },
        view=crud.of_revision("coupon"),
        new_id=_new_id,
        created="",
        updated="",
        inverse={"coupon-codes": "coupon"},
    )
)


def _prepare_new(call: Call, attributes: dict[str, Any]) -> None:
    coupon_id = attributes["external_id"]
    if _EXTERNAL_ID.fullmatch(coupon_id) is None:
        text = _WRONG_ID.format("external_id", coupon_id)
        raise invalid(text, pointer="/data/attributes/external_id")
    if crud.known(call, "coupon", coupon_id):
        raise conflict("conflict", inferred.COUPON_TAKEN.format(id=coupon_id), "/data")
    _prepare(call, attributes)


def _prepare(call: Call, attributes: dict[str, Any]) -> None:
    """The threshold is kept as text (LIVE #12)."""
    configuration = attributes["monitor_configuration"]
    if not configuration or configuration.get(_THRESHOLD) is None:
        return
    given = configuration[_THRESHOLD]
    text = str(given) if type(given) in (int, str) else ""
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) >= _MIN_THRESHOLD):
        raise invalid(
            f"'{_THRESHOLD}' must be greater than or equal to {_MIN_THRESHOLD}",
            pointer=f"/data/attributes/monitor_configuration/{_THRESHOLD}",
        )
    attributes["monitor_configuration"] = configuration | {_THRESHOLD: text}


def _erase_codes(call: Call, coupon_id: str, attributes: dict[str, Any]) -> None:
    """Codes go with their coupon (inferred)."""
    for code_id in crud.targets(call, "coupon", coupon_id, "coupon-codes"):
        crud.erase(call, "coupon-code", code_id)


def _named(behaviour: Behaviour) -> Behaviour:
    """An id that no coupon can have is a 400, not a 404."""

    def answer(call: Call) -> Answer:
        if _EXTERNAL_ID.fullmatch(call.id) is None:
            raise invalid(_WRONG_ID.format("id", call.id), pointer="/data/id")
        return behaviour(call)

    return answer


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_coupons": crud.collection,
    "create_coupon": crud.create(KIND, prepare=_prepare_new),
    "get_coupon": _named(crud.item),
    "update_coupon": _named(crud.update(KIND, prepare=_prepare)),
    "delete_coupon": _named(crud.delete(KIND, after=_erase_codes)),
}
