"""Lists and their members (FACTS §9.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from clavichord.sandbox import generic
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import SECOND, micros, seconds
from clavichord.sandbox.errors import invalid
from clavichord.sandbox.resources import profiles


def create_list(call: Call) -> Answer:
    given = call.data["attributes"]
    list_id = call.engine.ids.six()
    at = seconds(call.now // SECOND)
    attributes = {
        "name": _name(given["name"]),
        "created": at,
        "updated": at,
        "opt_in_process": given.get("opt_in_process") or "double_opt_in",
    }
    with call.engine.store.write():
        generic.insert(call.engine.store, call.account, "list", list_id, attributes, call.now)
    attributes |= {"created": micros(call.now), "updated": micros(call.now)}
    return call.engine.documents.one(call, generic.resource("list", list_id, attributes, {}))


def update_list(call: Call) -> Answer:
    attributes = generic.required(call)
    if call.data["id"] != call.id:
        raise invalid("'id' must be the id of the path.", pointer="/data/id")
    given = call.data["attributes"]
    if given.get("name") is not None:
        attributes["name"] = _name(given["name"])
    if given.get("opt_in_process") is not None:
        attributes["opt_in_process"] = given["opt_in_process"]
    attributes["updated"] = seconds(call.now // SECOND)
    with call.engine.store.write():
        generic.update(call.engine.store, call.account, "list", call.id, attributes, call.now)
    attributes["updated"] = micros(call.now)
    return call.engine.documents.one(call, generic.resource("list", call.id, attributes, {}))


def _name(name: str) -> str:
    if not name.strip():
        raise invalid("'name' must not be empty.", pointer="/data/attributes/name")
    return name


def get_list(call: Call) -> Answer:
    attributes: dict[str, Any] = generic.required(call)
    if call.query.wants("list", "profile_count"):
        row = call.engine.store.one(
            "SELECT count(*) FROM edge WHERE account = ? AND type = 'list' AND id = ? AND relationship = 'profiles'",
            call.account,
            call.id,
        )
        attributes["profile_count"] = row[0] if row else 0
    encoded = msgspec.json.encode(attributes)
    return call.engine.documents.one(call, generic.resource("list", call.id, encoded, generic.included_links(call)))


def delete_list(call: Call) -> Answer:
    generic.required(call)
    store = call.engine.store
    with store.write():
        store.execute("DELETE FROM resource WHERE account = ? AND type = 'list' AND id = ?", (call.account, call.id))
        store.execute("DELETE FROM edge WHERE account = ? AND type = 'list' AND id = ?", (call.account, call.id))
        store.execute(
            "DELETE FROM edge WHERE account = ? AND target = ? AND relationship = 'lists'", (call.account, call.id)
        )
    return Answer(call.operation.status)


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
    "get_lists": generic.collection,
    "create_list": create_list,
    "get_list": get_list,
    "update_list": update_list,
    "delete_list": delete_list,
    "get_profiles_for_list": profiles.members,
    "get_profile_ids_for_list": profiles.members,
    "add_profiles_to_list": add_profiles_to_list,
    "remove_profiles_from_list": remove_profiles_from_list,
    "get_tags_for_list": generic.related,
    "get_tag_ids_for_list": generic.related,
    "get_flows_triggered_by_list": generic.related,
    "get_ids_for_flows_triggered_by_list": generic.related,
}
