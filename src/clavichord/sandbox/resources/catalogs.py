"""What items, variants and categories of a catalog have in common: compound ids, dates, conflicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from clavichord.sandbox import crud, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.crud import Check, Hook, Kind
from clavichord.sandbox.errors import conflict, invalid

_PREFIX = "$custom:::$default:::"
"""the one integration and the one catalog that can be written to (FACTS §9.9)"""
SHOWN: Mapping[str, Any] = {
    "image_full_url": "",
    "image_thumbnail_url": "",
    "images": [],
    "custom_metadata": {},
    "published": True,
    "created": None,
    "updated": None,
}
"""the attributes that items and variants end with"""
_MAX_METADATA = 100_000
"""bytes of custom_metadata"""


def compound_id(call: Call) -> str:
    """`$custom:::$default:::<external_id>`"""
    return _PREFIX + str(call.data["attributes"]["external_id"])


def create(kind: Kind, noun: str, prepare: Hook | None = None) -> Behaviour:
    """POST: 409 for an external id that is taken (status and wording inferred)."""
    store = crud.create(kind, prepare=prepare)

    def behave(call: Call) -> Answer:
        given = call.data["attributes"]
        if not given["external_id"]:
            raise invalid("'external_id' must not be empty.", pointer="/data/attributes/external_id")
        if given.get("catalog_type") not in (None, "$default"):
            text = inferred.CHOICE.format(given=given["catalog_type"], name="catalog_type")
            raise invalid(text, pointer="/data/attributes/catalog_type")
        _settle(call)
        resource_id = compound_id(call)
        if crud.known(call, kind.type, resource_id):
            raise conflict("conflict", inferred.CATALOG_TAKEN.format(noun=noun, id=resource_id), "/data")
        return store(call)

    return behave


def update(kind: Kind) -> Behaviour:
    """PATCH: null leaves all but an item's price as it is (inferred)."""
    store = crud.update(kind)

    def behave(call: Call) -> Answer:
        _settle(call)
        return store(call)

    return behave


def _settle(call: Call) -> None:
    """Prices become floats, and the instant whole milliseconds (FACTS §3). Refusal (400) for too much metadata."""
    call.now -= call.now % 1000
    given = call.data["attributes"]
    if given.get("price") is not None:
        try:
            given["price"] = float(given["price"])
        except OverflowError:
            text = inferred.WRONG_TYPE.format(name="price", expected="a number")
            raise invalid(text, pointer="/data/attributes/price") from None
    size = len(msgspec.json.encode(given.get("custom_metadata")))
    if size > _MAX_METADATA:
        text = inferred.ITEM_TOO_LARGE.format(size=size, max=_MAX_METADATA)
        raise invalid(text, pointer="/data/attributes/custom_metadata")


def related_already(noun: str) -> Check:
    """Adding twice is a conflict here, unlike elsewhere (FACTS §9.9)."""

    def check(call: Call, ids: list[str]) -> None:
        there = set(crud.targets(call, call.operation.base, call.id, call.operation.relationship))
        for one in ids:
            if one in there:
                raise conflict("conflict", inferred.CATALOG_RELATED.format(noun=noun, id=one), "/data")

    return check
