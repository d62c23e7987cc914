"""Data sources: where records for custom objects come from (FACTS §9.13)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.errors import conflict, invalid

_NAMESPACE = re.compile(r"custom-objects|applications/[0-9A-HJKMNP-TV-Z]{26}")
_MAX_TITLE = 255

KIND = crud.declare(
    crud.Kind(
        type="data-source",
        attributes={"title": None, "visibility": "private", "description": "", "namespace": "custom-objects"},
        new_id=crud.ulid,
        created="",
        updated="",
    )
)


def _prepare(call: Call, attributes: dict[str, Any]) -> None:
    check(attributes)
    if len(attributes["title"]) > _MAX_TITLE:
        raise invalid(f"'title' has at most {_MAX_TITLE} characters.", pointer="/data/attributes/title")
    taken = call.engine.store.one(
        "SELECT 1 FROM resource WHERE account = ? AND type = 'data-source' AND json_extract(attributes, '$.title') = ?"
        " AND json_extract(attributes, '$.namespace') = ?",
        call.account,
        attributes["title"],
        attributes["namespace"],
    )
    if taken:
        text = inferred.DATA_SOURCE_TAKEN.format(title=attributes["title"], namespace=attributes["namespace"])
        raise conflict("conflict", text, "/data")


def check(attributes: Mapping[str, Any]) -> None:
    """Refusal: 400 for a title or a namespace that neither a data source nor an object type can have."""
    if not attributes["title"].strip():
        raise invalid("'title' must not be empty.", pointer="/data/attributes/title")
    if _NAMESPACE.fullmatch(attributes["namespace"]) is None:
        text = inferred.CHOICE.format(given=attributes["namespace"], name="namespace")
        raise invalid(text, pointer="/data/attributes/namespace")


def get_data_sources(call: Call) -> Answer:
    """`prev` is null on every page (LIVE #22)."""
    page = call.engine.store.page(crud.source(call, "data-source"), call.operation, call.query)
    rows = [crud.resource(call, "data-source", row[0], row[1]) for row in page.rows]
    return call.engine.documents.many(call, rows, after=page.next)


def _erase_records(call: Call, source_id: str, attributes: dict[str, Any]) -> None:
    """What came from it goes; the objects made of it stay (inferred)."""
    for record_id in crud.targets(call, "data-source", source_id, "data-source-records"):
        crud.erase(call, "data-source-record", record_id)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_data_sources": get_data_sources,
    "create_data_source": crud.create(KIND, prepare=_prepare),
    "get_data_source": crud.item,
    "delete_data_source": crud.delete(KIND, after=_erase_records),
}
