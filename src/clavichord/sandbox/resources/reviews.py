"""Reviews: read and moderated here; they are written by `/client` (FACTS §9.12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud, generic
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.crud import Kind
from clavichord.sandbox.filters import Column

REVIEW = crud.declare(
    Kind(
        type="review",
        attributes={
            "email": None,
            "status": None,
            "verified": False,
            "review_type": "review",
            "created": "",
            "updated": "",
            "images": [],
            "product": None,
            "rating": None,
            "author": None,
            "content": None,
            "title": None,
            "smart_quote": None,
            "public_reply": None,
        },
        new_id=crud.ulid,
    )
)
_ITEM = (
    "EXISTS (SELECT 1 FROM edge e WHERE e.account = r.account AND e.type = 'review' AND e.id = r.id"
    " AND e.relationship = 'item' AND e.target {})"
)


def get_reviews(call: Call) -> Answer:
    rows = crud.source(call, "review")
    own = {"item.id": Column(_ITEM), "status": Column("json_extract(r.attributes, '$.status.value')")}
    return crud.pages(call, rows._replace(filters={**rows.filters, **own}))


def _keep_status(call: Call, attributes: dict[str, Any]) -> None:
    """Only the status can be changed; null and nothing leave it."""
    if call.data["attributes"].get("status") is None:
        attributes["status"] = generic.required(call)["status"]


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_reviews": get_reviews,
    "get_review": crud.item,
    "update_review": crud.update(REVIEW, prepare=_keep_status),
}
