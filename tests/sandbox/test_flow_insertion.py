"""A new action in a flow that is there (2026-10-15)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sandbox.messages_api import delay_action, email_action, flow, template, write
from tests.sandbox.sandbox_api import Api, Reply

ANCHOR = "/data/attributes/anchor-action/data"
DEFINITION = "/data/attributes/definition"
BRANCHES = {
    "temporary_id": "n",
    "type": "multi-branch-split",
    "data": {
        "name": "Who",
        "branches": [{"branch_id": "a", "order": 0}, {"branch_id": "b", "order": 1, "is_else": True}],
    },
}


@pytest.fixture
def api(api: Api) -> Api:
    return api.at("2026-10-15")


def delay(next_action: str | None = None) -> dict[str, Any]:
    action = delay_action("n", next_action)
    return action if next_action else {name: value for name, value in action.items() if name != "links"}


def insert(api: Api, definition: Any, *, anchor: Any = None, flow_id: str = "", **attributes: Any) -> Reply:
    """`anchor`: (id, type, links)"""
    given: dict[str, Any] = {"definition": definition} | attributes
    if anchor is not None:
        place = {"type": anchor[1], "links": anchor[2]}
        given["anchor-action"] = {"data": {"type": "flow-action", "id": anchor[0], "attributes": {"definition": place}}}
    related = {"flow": {"type": "flow", "id": flow_id}} if flow_id else None
    data: dict[str, Any] = {"type": "flow-action", "attributes": given}
    if related:
        data["relationships"] = {name: {"data": value} for name, value in related.items()}
    return api("POST", "/api/flow-actions", {"data": data})


def way(api: Api, flow_id: str) -> list[str]:
    """The ids of the actions in the order in which a person passes them, along `next`."""
    reply = api.get(f"/api/flows/{flow_id}", **{"additional-fields[flow]": "definition"})
    definition = reply.data["attributes"]["definition"]
    actions = {one["id"]: one["links"].get("next") for one in definition["actions"]}
    passed, at = [], definition["entry_action_id"]
    while at is not None:
        passed.append(at)
        at = actions[at]
    assert len(passed) == len(actions)
    return passed


def test_on_a_link_before_an_action_and_as_the_first(api: Api) -> None:
    made = flow(api, delay_action("a", "b"), delay_action("b"))
    first, last = way(api, made["id"])
    between = insert(api, delay(), anchor=(first, "time-delay", {"next": "n"}))
    assert between.status == 201, between.body
    assert list(between.data["attributes"]) == ["created", "updated", "definition"]
    assert between.data["attributes"]["definition"]["links"] == {"next": last}
    assert between.data["relationships"]["flow"]["data"]["id"] == made["id"]
    before = insert(api, delay(first))
    behind = insert(api, delay(), anchor=(last, "time-delay", {"next": "n"}))
    whole = [before.data["id"], first, between.data["id"], last, behind.data["id"]]
    assert way(api, made["id"]) == whole
    assert set(api.at("2026-07-15").get(f"/api/flows/{made['id']}/flow-actions").ids) == set(whole)
    bare = flow(api)["id"]
    assert way(api, bare) == []
    alone = insert(api, delay(), flow_id=bare)
    assert way(api, bare) == [alone.data["id"]]
    assert insert(api, delay(), flow_id=bare).faults[0][0] == "/data/relationships/flow/data/id"


def test_messages_are_drafts_with_a_template_of_their_own(api: Api) -> None:
    made = flow(api, delay_action("a"))
    (first,) = way(api, made["id"])
    write(api, "PATCH", f"/api/flows/{made['id']}", "flow", id=made["id"], status="live")
    original = template(api)
    mail = email_action("n", original)
    mail["data"]["status"] = "live"
    mail.pop("links", None)
    reply = insert(api, mail, anchor=(first, "time-delay", {"next": "n"}))
    assert reply.status == 201, reply.body
    data = reply.data["attributes"]["definition"]["data"]
    assert data["status"] == "draft"
    assert data["message"]["template_id"] != original
    assert "temporary_id" not in reply.data["attributes"]["definition"]
    (message,) = api.get(f"/api/flow-actions/{reply.data['id']}/flow-messages").ids
    assert api.get(f"/api/flow-messages/{message}/template").data["id"] == data["message"]["template_id"]
    at_once = insert(api, delay(), anchor=(reply.data["id"], "send-email", {"next": "n"}))
    assert at_once.faults[0][0] == "/data/attributes/allow_live_action"
    allowed = insert(api, delay(), anchor=(reply.data["id"], "send-email", {"next": "n"}), allow_live_action=True)
    assert way(api, made["id"]) == [first, reply.data["id"], allowed.data["id"]]


def test_a_split_goes_on_behind_its_else_or_behind_every_branch(api: Api) -> None:
    for joined, behind in (({}, 1), ({"joined": True}, 2)):
        made = flow(api, delay_action("a", "b"), delay_action("b"))
        first, last = way(api, made["id"])
        split = insert(api, BRANCHES | joined, anchor=(first, "time-delay", {"next": "n"}))
        assert split.status == 201, split.body
        definition = split.data["attributes"]["definition"]
        assert "joined" not in definition
        branches = [one["branch_id"] for one in definition["data"]["branches"]]
        assert list(definition["links"]) == branches != ["a", "b"]
        assert list(definition["links"].values()).count(last) == behind
        inserted = insert(api, delay(), anchor=(split.data["id"], "multi-branch-split", {branches[0]: "n"}))
        assert inserted.status == 201, inserted.body
        links = api.get(f"/api/flow-actions/{split.data['id']}").data["attributes"]["definition"]["links"]
        assert links[branches[0]] == inserted.data["id"]


def test_refusals(api: Api) -> None:
    made = flow(api, delay_action("a"))
    (first,) = way(api, made["id"])
    here = (first, "time-delay", {"next": "n"})
    for definition, options, pointer in (
        (delay(), {}, "/data"),
        (delay(first), {"anchor": here}, "/data"),
        (delay(), {"anchor": here, "flow_id": made["id"]}, "/data"),
        (delay(), {"anchor": ("1", "time-delay", {"next": "n"})}, f"{ANCHOR}/id"),
        (delay(), {"anchor": (first, "send-email", {"next": "n"})}, f"{ANCHOR}/attributes/definition/type"),
        (delay(), {"anchor": (first, "time-delay", {"next": "m"})}, f"{ANCHOR}/attributes/definition/links"),
        (delay(), {"anchor": (first, "time-delay", {"no": "n"})}, f"{ANCHOR}/attributes/definition/links/no"),
        (delay("1"), {}, f"{DEFINITION}/links/next"),
        (delay() | {"links": {"a": first}}, {}, f"{DEFINITION}/links"),
        (delay() | {"id": "1"}, {"anchor": here}, f"{DEFINITION}/id"),
        (delay() | {"temporary_id": None}, {"anchor": here}, f"{DEFINITION}/temporary_id"),
        (delay() | {"type": "magic"}, {"anchor": here}, f"{DEFINITION}/type"),
        (delay() | {"type": "conditional-split"}, {"anchor": here}, f"{DEFINITION}/type"),
        (delay() | {"data": {"unit": "days", "value": "1"}}, {"anchor": here}, f"{DEFINITION}/data/value"),
        (BRANCHES | {"data": {"name": "Who", "branches": 1}}, {"anchor": here}, f"{DEFINITION}/data/branches"),
    ):
        reply = insert(api, definition, **options)
        assert (reply.status, reply.faults[0][0]) == (400, pointer), reply.body
    assert insert(api, delay(), flow_id="NOPE01").faults == [("/data/", "A flow with id NOPE01 does not exist.")]
    assert way(api, made["id"]) == [first]
