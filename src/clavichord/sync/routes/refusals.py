"""Klaviyo's refusals → the rows they are about."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from clavichord.client.errors import APIError, PayloadTooLarge
from clavichord.sync.ledger import Finding
from clavichord.sync.plan import PlanRow

_FIELD = re.compile(r"/attributes/((?:properties/|location/|subscriptions/)?[^/]+)/?$")


def rejected(row: PlanRow, code: str, message: str, pointer: str = "") -> Finding:
    """`row` as refused by Klaviyo."""
    field = _FIELD.search(pointer)
    return Finding(
        row.row, row.n, row.key, row.digest, "rejected", code, field[1] if field else "", row.identity, message, pointer
    )


def not_visible(row: PlanRow, message: str, code: str = "not_visible") -> Finding:
    """`row` as accepted, and not seen yet."""
    return Finding(row.row, row.n, row.key, row.digest, "accepted", code, "", row.identity, message, "")


def by_pointer(error: APIError, rows: Sequence[PlanRow], place: re.Pattern[str]) -> list[Finding]:
    """The rows that the answer's pointers name, each once; [] when it names none. `place` finds the index."""
    found: dict[int, Finding] = {}
    for entry in error.errors:
        match = place.search(entry.pointer)
        if match is not None and int(match[1]) < len(rows):
            row = rows[int(match[1])]
            found.setdefault(row.n, rejected(row, "klaviyo.rejected", entry.detail or entry.title, entry.pointer))
    return list(found.values())


def outside_rows(error: APIError) -> bool:
    """The answer points at a part of the body that no row is in: a list, the job itself."""
    pointers = [e.pointer.rstrip("/") for e in error.errors]
    return bool(pointers) and all(
        p not in ("", "/data", "/data/attributes") and "/data/attributes/" not in p for p in pointers
    )


def whole(error: APIError, row: PlanRow) -> Finding:
    """The refusal of a request that held one row."""
    first = error.errors[0] if error.errors else None
    code = "klaviyo.too_large" if isinstance(error, PayloadTooLarge) else "klaviyo.rejected"
    return rejected(row, code, first.detail or first.title if first else str(error), first.pointer if first else "")


def import_errors(
    errors: Sequence[Mapping[str, Any]], rows: Sequence[PlanRow], place: re.Pattern[str]
) -> tuple[list[Finding], int]:
    """Import errors of a job → rows, and how many could not be assigned. First the original payload, then the pointer:
    what the real answers hold is not recorded (FACTS §16.12), so both ways are tried (`inferred`)."""
    by_identity = {row.identity.casefold(): row for row in rows}
    found: dict[int, Finding] = {}
    lost = 0
    for error in errors:
        attributes = error.get("attributes") or {}
        pointer = str((attributes.get("source") or {}).get("pointer") or "")
        row = _by_payload(attributes.get("original_payload"), by_identity)
        if row is None:
            match = place.search(pointer)
            row = rows[int(match[1])] if match is not None and int(match[1]) < len(rows) else None
        if row is None:
            lost += 1
            continue
        message = str(attributes.get("detail") or attributes.get("title") or "")
        found.setdefault(row.n, rejected(row, "klaviyo.import_error", message, pointer))
    return list(found.values()), lost


def _by_payload(payload: Any, by_identity: Mapping[str, PlanRow]) -> PlanRow | None:
    while isinstance(payload, dict):
        for name in ("email", "external_id", "phone_number"):
            row = by_identity.get(str(payload.get(name) or "").casefold())
            if row is not None:
                return row
        payload = payload.get("attributes") or payload.get("data")
    return None
