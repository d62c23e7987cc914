"""Which rows a refusal is about: by the pointers of an answer, by the errors of a job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clavichord.client.errors import APIError, ErrorObject
from clavichord.client.uploads.route import Route
from clavichord.client.uploads.rows import IDENTIFIERS


def key(kind: str, name: str) -> int:
    """Of what names a row; stays in memory."""
    return hash((kind, name.casefold()))


def by_pointer(route: Route, count: int, error: APIError) -> tuple[dict[int, ErrorObject], bool]:
    """Place among the `count` rows of the request → its first error; and whether anything beside the rows is blamed."""
    blamed: dict[int, ErrorObject] = {}
    outside = False
    for found in error.errors:
        match = route.entry.match(found.pointer)
        if match is not None and int(match[1]) < count:
            blamed.setdefault(int(match[1]), found)
        else:
            outside = outside or bool(found.parameter) or found.pointer.rstrip("/") not in route.around
    return blamed, outside


def by_error(
    route: Route, keys: Sequence[int], errors: Sequence[Mapping[str, Any]] | None
) -> tuple[dict[int, tuple[Any, str, str, str]], int]:
    """Place among the rows of the job → (row as quoted, code, reason, argument); and how many errors name none.

    First by the payload that an error quotes, then by its pointer: what real ones hold is not recorded (FACTS §16.12).
    None for `errors` is a job that failed for some and does not say for whom.
    """
    places = {hashed: place for place, hashed in enumerate(keys)} if errors else {}
    failed: dict[int, tuple[Any, str, str, str]] = {}
    lost = 0 if errors is not None else 1
    for found in errors or ():
        source = found.get("source")
        pointer = str(source.get("pointer") or "") if isinstance(source, dict) else ""
        place, row = _quoted(found.get("original_payload"), places)
        match = route.entry.match(pointer)
        if place is None and match is not None and int(match[1]) < len(keys):
            place = int(match[1])
        if place is None:
            lost += 1
            continue
        reason = str(found.get("detail") or found.get("title") or "refused without a reason")
        failed.setdefault(place, (row, str(found.get("code") or "import_error"), reason, route.argument(pointer)))
    return failed, lost


def _quoted(payload: Any, places: Mapping[int, int]) -> tuple[int | None, Any]:
    """The row that an import error quotes: its place in the job, and the row."""
    while isinstance(payload, dict):
        for kind in ("id", *IDENTIFIERS):
            value = payload.get(kind)
            place = places.get(key(kind, value)) if isinstance(value, str) else None
            if place is not None:
                return place, _flat(payload)
        inner = payload.get("attributes") or payload.get("data")
        if inner is payload.get("attributes") and isinstance(inner, dict) and isinstance(payload.get("id"), str):
            inner = {"id": payload["id"], **inner}
        payload = inner
    return None, None


def _flat(payload: Mapping[str, Any]) -> Mapping[str, Any]:
    inner = payload.get("attributes")
    return {**({"id": payload["id"]} if "id" in payload else {}), **inner} if isinstance(inner, dict) else payload
