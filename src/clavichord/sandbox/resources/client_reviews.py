"""Reviews as a shop's pages write and read them, and what they add up to (FACTS §11.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from clavichord.sandbox import crud, filters, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import SECOND, parse, seconds
from clavichord.sandbox.documents import Resource
from clavichord.sandbox.errors import invalid
from clavichord.sandbox.filters import Column
from clavichord.sandbox.resources import identity
from clavichord.sandbox.resources.reviews import REVIEW

_RATED = ("review", "rating", "store")
_DAYS = {"all_time": 0, "last_30_days": 30, "last_90_days": 90, "last_365_days": 365}
_SHOWN = " AND json_extract(r.attributes, '$.status.value') IN ({})".format(
    ", ".join(f"'{status}'" for status in inferred.PUBLIC_REVIEWS)
)
_STATISTICS = (
    "average_rating",
    "total_reviews",
    "total_questions",
    "total_ratings",
    "total_store_reviews",
    "average_store_rating",
)
_COLUMNS = {
    "status": Column("json_extract(r.attributes, '$.status.value')"),
    "media": Column("nullif(json_array_length(r.attributes, '$.images'), 0)"),
    "incentivized": Column("(json_extract(r.attributes, '$.incentive_type') IS NOT NULL)"),
    "edited": Column("(r.updated > r.created)"),
}


def create_client_review(call: Call) -> Answer:
    """Waits to be published: `PATCH /api/reviews/{id}`."""
    given = call.data["attributes"]
    if given["review_type"] in _RATED and given.get("rating") is None:
        raise invalid(inferred.REQUIRED.format(name="rating"), pointer="/data/attributes/rating")
    found = identity.faults({"email": given["email"]}, "/data/attributes")
    if found:
        raise invalid(found[0].detail, pointer=found[0].source["pointer"])
    if given["review_type"] != "store" and given.get("product") is None:
        raise invalid(inferred.REQUIRED.format(name="product"), pointer="/data/attributes/product")
    now = seconds(call.now // SECOND)
    item_id, product = _product(call, given.get("product"))
    attributes: dict[str, Any] = {
        **REVIEW.attributes,
        "email": given["email"],
        "status": {"value": "pending"},
        "review_type": given["review_type"],
        "created": now,
        "updated": now,
        "images": given.get("images") or [],
        "product": product,
        "rating": given.get("rating"),
        "author": given["author"],
        "content": given["content"],
        "title": given.get("title"),
    }
    if given.get("incentive_type"):
        attributes["incentive_type"] = given["incentive_type"]
    review_id = call.engine.ids.ulid()
    with call.engine.store.write():
        generic.insert(call.engine.store, call.account, "review", review_id, attributes, call.now)
        if item_id:
            crud.link(call, "review", review_id, "item", [item_id])
    return Answer(call.operation.status)


def _product(call: Call, given: Mapping[str, Any] | None) -> tuple[str, dict[str, Any] | None]:
    """The catalog item that is meant, and what a review shows of it; of an unknown one only its id is known."""
    if given is None:
        return "", None
    external_id = given["external_id"]
    row = call.engine.store.one(
        "SELECT id, attributes FROM resource WHERE account = ? AND type = 'catalog-item'"
        " AND json_extract(attributes, '$.external_id') = ?",
        call.account,
        external_id,
    )
    item = msgspec.json.decode(row[1]) if row is not None else {}
    shown = {
        "url": item.get("url") or "",
        "name": item.get("title") or external_id,
        "image_url": item.get("image_full_url"),
        "external_id": external_id,
    }
    return str(row[0]) if row is not None else "", shown


def get_client_reviews(call: Call) -> Answer:
    """Published ones only, and nothing that tells who wrote them but the name they gave."""
    rows = crud.source(call, "review", where=_SHOWN)
    rows = rows._replace(filters={**rows.filters, **_COLUMNS})
    page = call.engine.store.page(rows, call.operation, call.query)
    resources = [_public(row[0], row[1]) for row in page.rows]
    return call.engine.documents.many(call, resources, after=page.next, before=page.prev)


def _public(review_id: str, stored: str) -> Resource:
    known = msgspec.json.decode(stored)
    attributes = {name: known.get(name) for name in REVIEW.attributes if name != "email"}
    attributes = {name: value for name, value in attributes.items() if value is not None or name in _NULLABLE}
    return Resource("review", review_id, msgspec.json.encode(attributes), relationships=())


_NULLABLE = ("status", "rating", "author", "content", "title", "smart_quote")


def get_client_review_values_reports(call: Call) -> Answer:
    """Statistics over the published reviews of a time, of all products together or of each."""
    parameters = dict(call.query.pairs)
    statistics = [name for name in _choice(parameters, "statistics").split(",") if name]
    for name in statistics:
        if name not in _STATISTICS:
            raise invalid(inferred.CHOICE.format(given=name, name="statistics"), parameter="statistics")
    grouping = _choice(parameters, "group_by", ("company_id", "product_id"))
    days = _DAYS[_choice(parameters, "timeframe", tuple(_DAYS))]
    since = call.now // SECOND - days * 86_400 if days else 0
    wanted = _products(call.query.conditions)
    groups: dict[str, list[dict[str, Any]]] = {} if grouping == "product_id" else {call.account: []}
    rows = call.engine.store.execute(
        f"SELECT r.attributes FROM resource r WHERE r.account = ? AND r.type = 'review'{_SHOWN}", (call.account,)
    )
    for row in rows:
        review = msgspec.json.decode(row[0])
        product = (review["product"] or {}).get("external_id")
        if (parse(review["created"]) or 0) // SECOND < since or (wanted is not None and product not in wanted):
            continue
        if grouping == "company_id":
            groups[call.account].append(review)
        elif product is not None:
            groups.setdefault(product, []).append(review)
    results = [{"groupings": {grouping: key}, "statistics": _summed(groups[key], statistics)} for key in sorted(groups)]
    attributes = msgspec.json.encode({"results": results})
    return call.engine.documents.many(call, [Resource("review-values-report", call.engine.ids.uuid(), attributes)])


def _choice(parameters: Mapping[str, str], name: str, allowed: Sequence[str] = ()) -> str:
    given = parameters.get(name)
    if not given:
        raise invalid(inferred.REQUIRED.format(name=name), parameter=name)
    if allowed and given not in allowed:
        raise invalid(inferred.CHOICE.format(given=given[:100], name=name), parameter=name)
    return given


def _products(conditions: Sequence[filters.Condition]) -> set[str] | None:
    """The products that a filter names, None for all of them."""
    found: set[str] | None = None
    for condition in conditions:
        values = condition.value if isinstance(condition.value, list) else [condition.value]
        named = {literal.text for literal in values if literal is not None}
        found = named if found is None else found & named
    return found


def _summed(reviews: Sequence[Mapping[str, Any]], statistics: Sequence[str]) -> dict[str, Any]:
    """An average of nothing is null."""
    of_kind = {kind: [one for one in reviews if one["review_type"] == kind] for kind in (*_RATED, "question")}
    values = {
        "average_rating": _average([*of_kind["review"], *of_kind["rating"]]),
        "total_reviews": len(of_kind["review"]),
        "total_questions": len(of_kind["question"]),
        "total_ratings": len(of_kind["review"]) + len(of_kind["rating"]),
        "total_store_reviews": len(of_kind["store"]),
        "average_store_rating": _average(of_kind["store"]),
    }
    return {name: values[name] for name in statistics}


def _average(reviews: Sequence[Mapping[str, Any]]) -> float | None:
    ratings = [one["rating"] for one in reviews if one["rating"] is not None]
    return round(sum(ratings) / len(ratings), 2) if ratings else None


BEHAVIOURS: Mapping[str, Behaviour] = {
    "create_client_review": create_client_review,
    "get_client_reviews": get_client_reviews,
    "get_client_review_values_reports": get_client_review_values_reports,
}
