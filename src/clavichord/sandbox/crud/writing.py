"""Writing: create, update, delete; hooks for what the catalogue cannot know."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from clavichord.sandbox import generic
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import micros, written
from clavichord.sandbox.crud.edges import named, relink, require_all
from clavichord.sandbox.crud.kinds import Kind, falling
from clavichord.sandbox.crud.reading import show
from clavichord.sandbox.errors import Refusal, invalid

Hook = Callable[[Call, dict[str, Any]], None]
"""Gets all attributes as they are about to be stored: changes them in place, or refuses. What was really sent is in
`call.data`. For `delete`: the attributes of what goes."""

After = Callable[[Call, str, dict[str, Any]], None]
"""Runs in the transaction of the change, with the id and the stored attributes."""


def create(kind: Kind, *, prepare: Hook | None = None, after: After | None = None, status: int = 0) -> Behaviour:
    """POST /api/things. Relationships of the body are linked, their targets must exist."""

    def behave(call: Call) -> Answer:
        attributes = copy.deepcopy(dict(kind.attributes))
        _merge(kind, attributes, call)
        at = written(call.now, kind.precision)
        attributes |= {name: at for name in (kind.created, kind.updated) if name}
        if prepare is not None:
            prepare(call, attributes)
        resource_id = kind.new_id(call)
        with call.engine.store.write():
            generic.insert(call.engine.store, call.account, kind.type, resource_id, attributes, call.now)
            _link_body(call, kind, resource_id)
            if after is not None:
                after(call, resource_id, attributes)
        attributes |= {name: micros(call.now) for name in (kind.created, kind.updated) if name}
        return show(call, kind.type, resource_id, attributes, status=status)

    return behave


def update(kind: Kind, *, prepare: Hook | None = None, after: After | None = None) -> Behaviour:
    """PATCH /api/things/{id}: what is missing in the body stays, null is stored where the schema lets it in."""

    def behave(call: Call) -> Answer:
        attributes = generic.required(call, kind.type)
        same_id(call)
        _merge(kind, attributes, call)
        if kind.updated:
            attributes[kind.updated] = written(call.now, kind.precision)
        if prepare is not None:
            prepare(call, attributes)
        with call.engine.store.write():
            generic.update(call.engine.store, call.account, kind.type, call.id, attributes, call.now)
            _link_body(call, kind, call.id)
            if after is not None:
                after(call, call.id, attributes)
        if call.operation.status == 204:
            return Answer(204)
        if kind.updated:
            attributes[kind.updated] = micros(call.now)
        return show(call, kind.type, call.id, attributes)

    return behave


def delete(kind: Kind, *, prepare: Hook | None = None, after: After | None = None) -> Behaviour:
    """DELETE /api/things/{id}: the resource, and every relationship from and to it."""

    def behave(call: Call) -> Answer:
        attributes = generic.required(call, kind.type)
        if prepare is not None:
            prepare(call, attributes)
        with call.engine.store.write():
            if after is not None:
                after(call, call.id, attributes)
            erase(call, kind.type, call.id)
        return Answer(call.operation.status)

    return behave


def one_an_account(kind: Kind, behaviour: Behaviour) -> Behaviour:
    """For a kind of which every account has exactly one from the start, whose id is the account's."""

    def behave(call: Call) -> Answer:
        store, account = call.engine.store, call.account
        if generic.load(store, account, kind.type, account) is None:
            with store.write():
                generic.insert(store, account, kind.type, account, kind.attributes, call.now)
        return behaviour(call)

    return behave


def erase(call: Call, type_name: str, resource_id: str) -> None:
    """Deletes a resource with its edges and what falls with it, inside a transaction."""
    store, account = call.engine.store, call.account
    for other, relationship in falling(type_name):
        rows = store.execute(
            "SELECT id FROM edge WHERE account = ? AND target = ? AND type = ? AND relationship = ?",
            (account, resource_id, other, relationship),
        )
        for (fallen,) in rows.fetchall():
            erase(call, other, fallen)
    store.execute(
        "DELETE FROM resource WHERE account = ? AND type = ? AND id = ?",
        (account, type_name, resource_id),
    )
    store.execute("DELETE FROM edge WHERE account = ? AND type = ? AND id = ?", (account, type_name, resource_id))
    for owner in call.engine.catalogue.types.values():  # ids of different types may be alike: coupons choose theirs
        for name, relation in owner.relationships.items():
            if relation.type == type_name:
                store.execute(
                    "DELETE FROM edge WHERE account = ? AND target = ? AND type = ? AND relationship = ?",
                    (account, resource_id, owner.name, name),
                )


def state(call: Call, type_name: str, resource_id: str) -> dict[str, Any]:
    """What a behaviour keeps to itself about a resource."""
    return generic.state(call.engine.store, call.account, type_name, resource_id)


def keep(call: Call, type_name: str, resource_id: str, changes: Mapping[str, Any]) -> None:
    """Merges into `state`."""
    merged = msgspec.json.encode({**state(call, type_name, resource_id), **changes}).decode()
    call.engine.store.execute(
        "UPDATE resource SET state = ? WHERE account = ? AND type = ? AND id = ?",
        (merged, call.account, type_name, resource_id),
    )


def same_id(call: Call) -> None:
    """Refusal (400) if the body's id is not the path's."""
    if call.data["id"] != call.id:
        raise invalid("'id' must be the id of the path.", pointer="/data/id")


def require_name(call: Call, attributes: dict[str, Any]) -> None:
    """A hook: refuses (400) an empty name."""
    if not attributes["name"].strip():
        raise invalid("'name' must not be empty.", pointer="/data/attributes/name")


def count(call: Call, type_name: str) -> int:
    """Resources of a type in the account, for the limits of some of them."""
    row = call.engine.store.one("SELECT count(*) FROM resource WHERE account = ? AND type = ?", call.account, type_name)
    return int(row[0]) if row else 0


def _merge(kind: Kind, attributes: dict[str, Any], call: Call) -> None:
    given = call.data.get("attributes") or {}
    for name, value in given.items():
        if name in kind.attributes and (value is not None or kind.attributes[name] is None):
            attributes[name] = value


def _link_body(call: Call, kind: Kind, resource_id: str) -> None:
    """The relationships of the body, replacing what was there. Refusal (404 or 400) for an unknown target."""
    relations = call.engine.catalogue.types[kind.type].relationships
    for name, given in (call.data.get("relationships") or {}).items():
        if given is None or name not in relations:
            continue
        ids = named(given.get("data"))
        try:
            require_all(call, relations[name].type, ids)
        except Refusal as refusal:
            if name not in kind.refused:
                raise
            raise invalid(refusal.errors[0].detail, pointer=f"/data/relationships/{name}/data") from None
        relink(call, kind.type, resource_id, name, ids)
