"""Lists and their members (FACTS §9.3)."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from clavichord.sandbox import crud, cursors, generic
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.crud import Kind
from clavichord.sandbox.resources import profiles


def _size(call: Call, list_id: str) -> int:
    row = call.engine.store.one(
        "SELECT count(*) FROM edge WHERE account = ? AND type = 'list' AND id = ? AND relationship = 'profiles'",
        call.account,
        list_id,
    )
    return int(row[0]) if row else 0


LIST = crud.declare(
    Kind(
        type="list",
        attributes={"name": "", "created": "", "updated": "", "opt_in_process": "double_opt_in"},
        inverse={"tags": "lists"},
        additional={"profile_count": _size},
    )
)


def get_lists(call: Call) -> Answer:
    """Lists that are looked for by id have a previous page, which is the same one again (recorded; FACTS §4.6)."""
    by_id = call.query.cursor is None and any(condition.field == "id" for condition in call.query.conditions)
    given = next((value for name, value in call.query.pairs if name == "filter"), "")
    return crud.pages(call, crud.source(call, "list"), f"{cursors.FILTERS}{given}>" if by_id else None)


def add_profiles_to_list(call: Call) -> Answer:
    """Idempotent; says nothing about consent."""
    ids = _members(call)
    with call.engine.store.write():
        generic.link(call.engine.store, call.account, "list", call.id, "profiles", ids, call.now)
    return Answer(call.operation.status)


def remove_profiles_from_list(call: Call) -> Answer:
    ids = _members(call)
    with call.engine.store.write():
        generic.unlink(call.engine.store, call.account, "list", call.id, "profiles", ids)
    return Answer(call.operation.status)


def _members(call: Call) -> list[str]:
    """The profiles of the body, all of which must exist (inferred). Refusal (404)."""
    generic.required(call)
    ids = [entry["id"] for entry in call.data]
    rows = call.engine.store.execute(
        "SELECT value FROM json_each(?) WHERE value NOT IN (SELECT id FROM profile WHERE account = ?) LIMIT 1",
        (msgspec.json.encode(ids).decode(), call.account),
    ).fetchall()
    if rows:
        raise generic.missing("profile", rows[0][0])
    return ids


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_lists": get_lists,
    "create_list": crud.create(LIST, prepare=crud.require_name),
    "get_list": crud.item,
    "update_list": crud.update(LIST, prepare=crud.require_name),
    "delete_list": crud.delete(LIST),
    "get_profiles_for_list": profiles.members,
    "get_profile_ids_for_list": profiles.members,
    "add_profiles_to_list": add_profiles_to_list,
    "remove_profiles_from_list": remove_profiles_from_list,
    "get_tags_for_list": crud.related,
    "get_tag_ids_for_list": crud.related,
    "get_flows_triggered_by_list": crud.related,
    "get_ids_for_flows_triggered_by_list": crud.related,
}
