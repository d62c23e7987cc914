"""Who rows are about, asked from Klaviyo in batches, page by page."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from clavichord.client.core import Steps
from clavichord.client.models import Profile
from clavichord.client.pages import next_query
from clavichord.client.types import Query
from clavichord.client.uploads.rows import Entry, Refused, encoded, identify, mapping
from clavichord.client.work import Work, every, plain

PAGE = 100
FILTER_LENGTH = 4_000
"""characters of names in one filter, so that no server finds the address too long"""
Known = Mapping[tuple[str, str], Mapping[str, Any]]
"""(kind, name) → the JSON:API object"""


def person(index: int, row: Any) -> Entry:
    """An address, a phone number (+…), a profile, or a dict with one of email, phone_number, id."""
    kind, name = identify(individual(row), ("id", "email", "phone_number"))
    return Entry(index, row, b"", kind, name)


def individual(row: Any) -> Mapping[str, Any]:
    """One person as attributes. Raises Refused."""
    if isinstance(row, Profile):
        return {"id": row.id or None, "email": row.email, "phone_number": row.phone_number}
    if isinstance(row, str):
        return {"phone_number": row} if row.startswith("+") else {"email": row}
    if isinstance(row, (bytes, int)):
        raise Refused("a person is an address, a phone number, a profile or a dict of them", code="not_a_row")
    return mapping(row)


def member(entry: Entry, profile_id: str) -> Entry:
    """The entry as a member of a relationship."""
    return Entry(entry.index, entry.row, encoded({"type": "profile", "id": profile_id}), "id", profile_id)


def folded(kind: str, name: str) -> tuple[str, str]:
    """Addresses are the same in any case (FACTS §6.1)."""
    return kind, name.casefold() if kind == "email" else name


def known(
    face: Any, names: Iterable[tuple[str, str]], operation: str = "get_profiles", *, id: str = "", **query: str
) -> Work[Known]:
    """The resources of `operation` with these names (kind, name); those that Klaviyo does not have are missing."""
    by_kind: dict[str, set[str]] = defaultdict(set)
    for kind, name in names:
        by_kind[kind].add(name)
    calls = [_page(face, operation, id, kind, batch, query) for kind in by_kind for batch in _batches(by_kind[kind])]
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for part in (yield from every(calls)):
        found.update(part)
    return found


def _batches(names: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for name in sorted(names):
        if batch and (len(batch) == PAGE or size + len(name) > FILTER_LENGTH):
            yield batch
            batch, size = [], 0
        batch.append(name)
        size += len(name) + 3
    if batch:
        yield batch


def _page(
    face: Any, operation: str, id: str, kind: str, names: list[str], given: Mapping[str, str]
) -> Steps[dict[tuple[str, str], Mapping[str, Any]]]:
    listed = json.dumps(names, ensure_ascii=False, separators=(",", ":"))
    query: Query | None = {"filter": f"any({kind},{listed})", "page[size]": PAGE, **given}
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    while query is not None:
        page = yield from plain(face, operation, id=id, query=query)
        for resource in page.json()["data"]:
            name = resource["id"] if kind in ("id", "ids") else resource["attributes"].get(kind)
            if isinstance(name, str):
                found[folded(kind, name)] = resource
        query = next_query(page)
    return found
