"""Relationships: where their edges are kept, what they point at, and the operations that change them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from clavichord.sandbox import generic
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.crud.kinds import kind_of
from clavichord.sandbox.resources import identity


def edge(call: Call, type_name: str, relationship: str) -> tuple[str, str, bool]:
    """(type, relationship) under which edges are kept, and whether `type_name` is their target."""
    kind = kind_of(type_name)
    other = kind.inverse.get(relationship) if kind else None
    if other is None:
        return type_name, relationship, False
    return call.engine.catalogue.types[type_name].relationships[relationship].type, other, True


def targets(call: Call, type_name: str, resource_id: str, relationship: str) -> list[str]:
    """The ids that a relationship points at, oldest first."""
    owner, kept, inverted = edge(call, type_name, relationship)
    if not inverted:
        return generic.targets(call.engine.store, call.account, type_name, resource_id, relationship)
    return generic.sources(call.engine.store, call.account, owner, kept, resource_id)


def link(call: Call, type_name: str, resource_id: str, relationship: str, ids: Iterable[str]) -> None:
    """Adds to a relationship; what is there already stays as it is."""
    owner, kept, inverted = edge(call, type_name, relationship)
    for one in ids:
        start, end = (one, resource_id) if inverted else (resource_id, one)
        generic.link(call.engine.store, call.account, owner, start, kept, [end], call.now)


def unlink(call: Call, type_name: str, resource_id: str, relationship: str, ids: Iterable[str]) -> None:
    owner, kept, inverted = edge(call, type_name, relationship)
    for one in ids:
        start, end = (one, resource_id) if inverted else (resource_id, one)
        generic.unlink(call.engine.store, call.account, owner, start, kept, [end])


def relink(call: Call, type_name: str, resource_id: str, relationship: str, ids: Sequence[str]) -> None:
    """Makes a relationship point at exactly these."""
    unlink(call, type_name, resource_id, relationship, targets(call, type_name, resource_id, relationship))
    link(call, type_name, resource_id, relationship, ids)


def named(linkage: Any) -> list[str]:
    """The ids of a `data` member: an identifier, an array of them, null."""
    entries = linkage if isinstance(linkage, list) else [linkage] if linkage else []
    return list(dict.fromkeys(entry["id"] for entry in entries))


def require_all(call: Call, type_name: str, ids: Iterable[str]) -> None:
    """Refusal (404) for the first id that nothing has (inferred)."""
    for one in ids:
        if not known(call, type_name, one):
            raise generic.missing(type_name, one)


def known(call: Call, type_name: str, resource_id: str) -> bool:
    if type_name == "profile":
        return identity.load(call.engine.store, call.account, resource_id) is not None
    return load(call, type_name, resource_id) is not None


def load(call: Call, type_name: str, resource_id: str) -> Mapping[str, Any] | None:
    kind = kind_of(type_name)
    if kind is not None and kind.find is not None:
        return kind.find(call, resource_id)
    return generic.load(call.engine.store, call.account, type_name, resource_id)


Check = Callable[[Call, list[str]], None]
"""Looks at the ids of a relationship's body before it changes, and refuses."""


def add(check: Check | None = None) -> Behaviour:
    """POST /api/things/{id}/relationships/others: idempotent unless `check` refuses."""
    return _linking(link, check, strict=True)


def remove(check: Check | None = None) -> Behaviour:
    """DELETE /api/things/{id}/relationships/others; what is not there stays away (inferred)."""
    return _linking(unlink, check, strict=False)


def replace(check: Check | None = None) -> Behaviour:
    """PATCH /api/things/{id}/relationships/others"""
    return _linking(relink, check, strict=True)


def _linking(
    change: Callable[[Call, str, str, str, list[str]], None], check: Check | None, *, strict: bool
) -> Behaviour:
    def behave(call: Call) -> Answer:
        generic.exists(call)
        base, name = call.operation.base, call.operation.relationship
        ids = named(call.data)
        if strict:
            require_all(call, call.engine.catalogue.types[base].relationships[name].type, ids)
        if check is not None:
            check(call, ids)
        with call.engine.store.write():
            change(call, base, call.id, name, ids)
        return Answer(call.operation.status)

    return behave
