"""Tags, tag groups, and what carries tags (FACTS §9.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.crud import Kind
from clavichord.sandbox.errors import Refusal, service

MAX_TAGS = 500
MAX_GROUPS = 50
MAX_TAGS_OF_ONE = 100
_DEFAULT_NAME = "Ungrouped Tags"

TAG = crud.declare(
    Kind(
        type="tag",
        attributes={"name": ""},
        new_id=crud.uuid,
        created="",
        updated="",
        resolved=("tag-group",),
        resolves=lambda call: call.operation.path.startswith("/api/tags"),
    )
)
TAG_GROUP = crud.declare(
    Kind(
        type="tag-group",
        attributes={"name": "", "exclusive": False, "default": False},
        new_id=crud.uuid,
        created="",
        updated="",
        inverse={"tags": "tag-group"},
    )
)


def _refusal(status: int, detail: str) -> Refusal:
    return service(status, "tag_service_error", "Tag Service Error", detail)


def default_group(call: Call) -> str:
    """The id of the account's default group, made when first looked for (LIVE #23)."""
    row = call.engine.store.one(
        "SELECT id FROM resource WHERE account = ? AND type = 'tag-group' AND json_extract(attributes, '$.default')",
        call.account,
    )
    if row is not None:
        return str(row[0])
    group_id = call.engine.ids.uuid()
    attributes = {"name": _DEFAULT_NAME, "exclusive": False, "default": True}
    with call.engine.store.write():
        generic.insert(call.engine.store, call.account, "tag-group", group_id, attributes, call.now)
    return group_id


def _prepare_tag(call: Call, attributes: dict[str, Any]) -> None:
    crud.require_name(call, attributes)
    if crud.count(call, "tag") >= MAX_TAGS:
        raise _refusal(400, inferred.TOO_MANY_RESOURCES.format(max=MAX_TAGS, what="tags"))
    for group_id in _groups(call):
        if not crud.known(call, "tag-group", group_id):
            raise _refusal(404, f"Tag Group with id {group_id} not found")


def _groups(call: Call) -> list[str]:
    group = (call.data.get("relationships") or {}).get("tag-group") or {}
    return crud.named(group.get("data"))


def _join_group(call: Call, tag_id: str, attributes: dict[str, Any]) -> None:
    if not _groups(call):
        crud.link(call, "tag", tag_id, "tag-group", [default_group(call)])


def _prepare_group(call: Call, attributes: dict[str, Any]) -> None:
    crud.require_name(call, attributes)
    attributes["default"] = False
    default_group(call)
    if crud.count(call, "tag-group") >= MAX_GROUPS:
        raise _refusal(400, inferred.TOO_MANY_RESOURCES.format(max=MAX_GROUPS, what="tag groups"))


def _keep_default(call: Call, attributes: dict[str, Any]) -> None:
    if attributes["default"]:
        raise _refusal(400, inferred.DEFAULT_TAG_GROUP)


def _delete_its_tags(call: Call, group_id: str, attributes: dict[str, Any]) -> None:
    for tag_id in crud.targets(call, "tag-group", group_id, "tags"):
        crud.erase(call, "tag", tag_id)


def get_tag_groups(call: Call) -> Answer:
    default_group(call)
    return crud.collection(call)


def _fits(call: Call, ids: list[str]) -> None:
    """Refuses a second tag of an exclusive group, and the tag that is one too many (inferred: 400)."""
    group_id = crud.targets(call, "tag", call.id, "tag-group")[0]
    exclusive = generic.required(call, "tag-group", group_id)["exclusive"]
    siblings = set(crud.targets(call, "tag-group", group_id, "tags")) - {call.id} if exclusive else set()
    carrier = call.engine.catalogue.types["tag"].relationships[call.operation.relationship].type
    for one in ids:
        tags = crud.targets(call, carrier, one, "tags")
        if siblings.intersection(tags):
            raise _refusal(400, inferred.EXCLUSIVE_TAG.format(type=carrier, id=one, group=group_id))
        if call.id not in tags and len(tags) >= MAX_TAGS_OF_ONE:
            raise _refusal(400, inferred.TOO_MANY_RESOURCES.format(max=MAX_TAGS_OF_ONE, what=f"tags on one {carrier}"))


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_tags": crud.collection,
    "create_tag": crud.create(TAG, prepare=_prepare_tag, after=_join_group),
    "get_tag": crud.item,
    "update_tag": crud.update(TAG, prepare=crud.require_name),
    "delete_tag": crud.delete(TAG),
    "get_tag_groups": get_tag_groups,
    "create_tag_group": crud.create(TAG_GROUP, prepare=_prepare_group),
    "get_tag_group": crud.item,
    "update_tag_group": crud.update(TAG_GROUP, prepare=crud.require_name),
    "delete_tag_group": crud.delete(TAG_GROUP, prepare=_keep_default, after=_delete_its_tags),
    "get_tag_group_for_tag": crud.related,
    "get_tag_group_id_for_tag": crud.related,
    "get_tags_for_tag_group": crud.related,
    "get_tag_ids_for_tag_group": crud.related,
    **{f"get_{carrier}_ids_for_tag": crud.related for carrier in ("list", "segment", "campaign", "flow")},
    **{f"tag_{carriers}": crud.add(_fits) for carriers in ("lists", "segments", "campaigns", "flows")},
    **{f"remove_tag_from_{carriers}": crud.remove() for carriers in ("lists", "segments", "campaigns", "flows")},
    "get_tags_for_segment": crud.related,
    "get_tag_ids_for_segment": crud.related,
}
