"""Flows: definitions with real ids, status, actions, messages, template copies, deletion (FACTS §9.7)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.sandbox.messages_api import delay_action, email_action, flow, new_flow, template, write
from tests.sandbox.sandbox_api import Api

SPLIT = {
    "temporary_id": "split",
    "type": "conditional-split",
    "data": {"profile_filter": None},
    "links": {"next_if_true": "mail", "next_if_false": None},
}


def definition_of(api: Api, flow_id: str) -> dict[str, Any]:
    reply = api.get(f"/api/flows/{flow_id}", **{"additional-fields[flow]": "definition"})
    found: dict[str, Any] = reply.data["attributes"]["definition"]
    return found


def test_create_answers_the_definition_with_real_ids(api: Api) -> None:
    list_id = api.list()
    original = template(api)
    actions = (delay_action("wait", "split"), SPLIT, email_action("mail", original))
    made = flow(api, *actions, trigger={"type": "list", "id": list_id})
    attributes = made["attributes"]
    assert list(attributes) == ["name", "status", "archived", "created", "updated", "trigger_type", "definition"]
    assert (attributes["status"], attributes["trigger_type"]) == ("draft", "Added to List")
    definition = attributes["definition"]
    assert list(definition) == ["triggers", "profile_filter", "actions", "entry_action_id"]
    wait, split, mail = definition["actions"]
    assert definition["entry_action_id"] == wait["id"]
    assert wait["links"] == {"next": split["id"]}
    assert split["links"] == {"next_if_true": mail["id"], "next_if_false": None}
    assert all(one["id"].isdigit() and "temporary_id" not in one for one in definition["actions"])
    assert wait["data"]["timezone"] == "profile"
    message = mail["data"]["message"]
    assert message["template_id"] != original
    assert (message["smart_sending_enabled"], message["cc_email"], mail["data"]["status"]) == (True, None, "draft")
    assert definition_of(api, made["id"]) == definition
    assert "definition" not in api.get(f"/api/flows/{made['id']}").data["attributes"]
    assert api.get(f"/api/lists/{list_id}/flow-triggers").ids == [made["id"]]
    assert api.get(f"/api/lists/{list_id}/relationships/flow-triggers").ids == [made["id"]]


def test_other_triggers(api: Api) -> None:
    api.event("Ordered", email="ann@shop.test")
    metric_id = api.get("/api/metrics").ids[0]
    made = flow(api, delay_action("a"), trigger={"type": "metric", "id": metric_id})
    assert made["attributes"]["trigger_type"] == "Metric"
    assert api.get(f"/api/metrics/{metric_id}/flow-triggers").ids == [made["id"]]
    bare = new_flow(api, reentry_criteria={"duration": 1, "unit": "alltime"})
    assert bare.status == 201, bare.body
    assert bare.data["attributes"]["trigger_type"] == "Unconfigured"
    assert bare.data["attributes"]["definition"]["reentry_criteria"] == {"duration": 1, "unit": "alltime"}


@pytest.mark.parametrize(
    ("actions", "definition", "pointer"),
    [
        ([delay_action("a"), delay_action("a")], {}, "/actions/1/temporary_id"),
        ([delay_action("a", "gone")], {}, "/actions/0/links/next"),
        ([delay_action("a")], {"entry_action_id": "gone"}, "/entry_action_id"),
        ([delay_action("a")], {"triggers": [{"type": "list"}, {"type": "list"}]}, "/triggers"),
        ([email_action("a", "NOPE01")], {}, "/actions/0/data/message/template_id"),
        ([delay_action("a") | {"type": "magic"}], {}, "/actions/0/type"),
        ([delay_action("a") | {"temporary_id": None}], {"entry_action_id": "a"}, "/actions/0/temporary_id"),
        ([delay_action("a") | {"id": "1"}], {}, "/actions/0/id"),
    ],
)
def test_refused_definitions(api: Api, actions: list[Any], definition: dict[str, Any], pointer: str) -> None:
    reply = new_flow(api, *actions, **definition)
    assert reply.status == 400
    assert f"/data/attributes/definition{pointer}" in [where for where, _ in reply.faults]
    assert api.get("/api/flows").ids == []


def test_listing(api: Api) -> None:
    ids = []
    for name in ("Bravo", "alpha", "Charlie"):
        made = flow(api, delay_action("a"))
        write(
            api,
            "PATCH",
            f"/api/flows/{made['id']}",
            "flow",
            id=made["id"],
            status="live" if name == "alpha" else "draft",
        )
        ids.append(made["id"])
    assert sorted(api.get("/api/flows").ids) == sorted(ids)
    assert api.get("/api/flows", filter="equals(status,'live')").ids == [ids[1]]
    assert api.get("/api/flows", filter="starts-with(name,'Welcome')", sort="-created").ids == sorted(
        ids, key=ids.index, reverse=True
    )
    assert api.get("/api/flows", filter="equals(trigger_type,'Metric')").ids == []
    assert api.get("/api/flows", filter="equals(archived,true)").ids == []
    assert sorted(api.get("/api/flows", filter=f'any(id,["{ids[0]}","{ids[2]}"])').ids) == sorted([ids[0], ids[2]])
    pages = list(api.pages("/api/flows", sort="id", **{"page[size]": "2"}))
    assert [len(page.data) for page in pages] == [2, 1]
    assert api.get("/api/flows", **{"page[size]": "51"}).status == 400


def test_date_bounds(api: Api) -> None:
    """Observed: no bounds in the future, sort by the date that is filtered (FACTS §4.1)."""
    flow(api, delay_action("a"))
    past = "greater-than(created,2020-01-01T00:00:00Z)"
    assert len(api.get("/api/flows", filter=past, sort="-created").ids) == 1
    assert api.get("/api/flows", filter=past, sort="name").faults[0][0] == "sort"
    tomorrow = (datetime.now(UTC) + timedelta(1)).isoformat(timespec="seconds")
    assert api.get("/api/flows", filter=f"less-than(updated,{tomorrow})").faults[0][0] == "filter"


def test_status_reaches_the_actions(api: Api) -> None:
    made = flow(api, email_action("mail"), delay_action("wait"))
    path = f"/api/flows/{made['id']}"
    changed = write(api, "PATCH", path, "flow", id=made["id"], status="live")
    assert (changed.status, changed.data["attributes"]["status"]) == (200, "live")
    mail, wait = definition_of(api, made["id"])["actions"]
    assert mail["data"]["status"] == "live" and "status" not in wait["data"]
    assert api.get(f"{path}/flow-actions", filter="equals(status,'live')").ids == [mail["id"]]
    assert write(api, "PATCH", path, "flow", id=made["id"], status="loud").faults[0][0] == "/data/attributes/status"
    assert write(api, "PATCH", path, "flow", id="NOPE01", status="live").faults[0][0] == "/data/id"


def test_actions_and_messages_are_read(api: Api) -> None:
    made = flow(api, delay_action("wait", "mail"), email_action("mail", template(api)))
    wait, mail = made["attributes"]["definition"]["actions"]
    path = f"/api/flows/{made['id']}"
    assert api.get(f"{path}/flow-actions").ids == [wait["id"], mail["id"]]
    assert api.get(f"{path}/relationships/flow-actions", sort="-id").ids == [mail["id"], wait["id"]]
    assert api.get(f"{path}/flow-actions", filter='equals(action_type,"TIME_DELAY")').ids == [wait["id"]]
    assert api.get(f"{path}/flow-actions", filter='any(action_type,["SEND_EMAIL"])', sort="action_type").ids == [
        mail["id"]
    ]
    assert api.get(f"{path}/flow-actions", sort="status", **{"page[size]": "1"}).json["links"]["next"]
    included = api.get(path, include="flow-actions").json["included"]
    assert [one["id"] for one in included] == [mail["id"], wait["id"]]
    action = f"/api/flow-actions/{mail['id']}"
    message_id = mail["data"]["message"]["id"]
    assert api.get(action).data["attributes"]["definition"] == mail
    assert api.get(f"{action}/flow").data["id"] == made["id"]
    assert api.get(f"{action}/relationships/flow").data == {"type": "flow", "id": made["id"]}
    assert api.get(f"{action}/flow-messages", filter='starts-with(name,"Email")', sort="-name").ids == [message_id]
    assert api.get(f"{action}/relationships/flow-messages").ids == [message_id]
    assert api.get(f"/api/flow-actions/{wait['id']}/flow-messages").ids == []
    message = f"/api/flow-messages/{message_id}"
    assert api.get(message).data["attributes"]["definition"] == mail["data"]["message"]
    assert api.get(f"{message}/flow-action").data["id"] == mail["id"]
    assert api.get(f"{message}/relationships/flow-action").data["id"] == mail["id"]
    assert api.get(f"{message}/template").data["id"] == mail["data"]["message"]["template_id"]
    assert api.get(f"{message}/relationships/template").data["id"] == mail["data"]["message"]["template_id"]
    assert [one["type"] for one in api.get(action, include="flow,flow-messages").json["included"]] == [
        "flow",
        "flow-message",
    ]


def test_message_without_template(api: Api) -> None:
    made = flow(api, email_action("mail"))
    message_id = made["attributes"]["definition"]["actions"][0]["data"]["message"]["id"]
    assert api.get(f"/api/flow-messages/{message_id}/template").json == {"data": None}


def test_an_action_is_changed(api: Api) -> None:
    made = flow(api, delay_action("wait", "mail"), email_action("mail", template(api)))
    wait, mail = made["attributes"]["definition"]["actions"]
    path = f"/api/flow-actions/{wait['id']}"

    def change(**given: Any) -> Any:
        return write(api, "PATCH", path, "flow-action", id=wait["id"], definition={"type": "time-delay", **given})

    changed = change(id=wait["id"], data={"unit": "hours", "value": 3}, links={"next": None})
    assert changed.status == 200, changed.body
    assert definition_of(api, made["id"])["actions"][0]["data"]["unit"] == "hours"
    assert definition_of(api, made["id"])["actions"][0]["links"] == {"next": None}
    assert change(data={"value": 1}, links={"next": "999"}).faults[0][0] == "/data/attributes/definition/links/next"
    assert change(id="999", data={"value": 1}).faults[0][0] == "/data/attributes/definition/id"
    path, own = f"/api/flow-actions/{mail['id']}", mail["data"]["message"]
    other = template(api, "<p>Other</p>")
    data = {"message": own | {"subject_line": "New", "template_id": other}, "status": "live"}
    changed = write(
        api,
        "PATCH",
        path,
        "flow-action",
        id=mail["id"],
        definition={"type": "send-email", "id": mail["id"], "data": data},
    )
    assert changed.status == 200, changed.body
    message = api.get(f"/api/flow-messages/{own['id']}").data["attributes"]["definition"]
    assert message["subject_line"] == "New" and message["template_id"] not in (other, own["template_id"])
    wrong = write(
        api, "PATCH", path, "flow-action", id=mail["id"], definition={"type": "time-delay", "data": {"value": 1}}
    )
    assert wrong.faults[0][0] == "/data/attributes/definition/type"


def test_deleting_an_action_closes_the_gap(api: Api) -> None:
    made = flow(api, delay_action("a", "b"), email_action("b", None, "c"), delay_action("c"))
    a, b, c = (one["id"] for one in made["attributes"]["definition"]["actions"])
    message_id = made["attributes"]["definition"]["actions"][1]["data"]["message"]["id"]
    assert api("DELETE", f"/api/flow-actions/{b}").status == 204
    definition = definition_of(api, made["id"])
    assert [(one["id"], one["links"]) for one in definition["actions"]] == [(a, {"next": c}), (c, {"next": None})]
    assert api("DELETE", f"/api/flow-actions/{a}").status == 204
    assert definition_of(api, made["id"])["entry_action_id"] == c
    gone = api.get(f"/api/flow-actions/{b}")
    assert gone.errors[0]["detail"] == f"An action with id {b} does not exist."
    assert api.get(f"/api/flow-messages/{message_id}").errors[0]["detail"] == (
        f"A flow message with id {message_id} does not exist."
    )


def test_template_copies_outlive_the_flow(api: Api) -> None:
    original = template(api)
    made = flow(api, email_action("mail", original))
    message = made["attributes"]["definition"]["actions"][0]["data"]["message"]
    copied = message["template_id"]
    assert api.get("/api/templates").ids == [original]
    assert write(api, "PATCH", f"/api/templates/{copied}", "template", id=copied, name="x").status == 404
    assert api("DELETE", f"/api/flows/{made['id']}").status == 204
    assert api.get(f"/api/flows/{made['id']}").status == 404
    refused = api("DELETE", f"/api/templates/{copied}")
    assert (refused.status, refused.errors[0]["code"]) == (409, "conflict")
    assert refused.faults == [
        ("/data", f"Cannot delete template {copied} while it is attached to\nFlowMessage {message['id']}")
    ]


def test_deleted_flows_are_no_longer_triggered(api: Api) -> None:
    list_id = api.list()
    made = flow(api, delay_action("a"), trigger={"type": "list", "id": list_id})
    api("DELETE", f"/api/flows/{made['id']}")
    assert api.get(f"/api/lists/{list_id}/flow-triggers").ids == []


def test_tags(api: Api) -> None:
    made = flow(api, delay_action("a"))
    tag = write(api, "POST", "/api/tags", "tag", name="spring").data["id"]
    links = {"data": [{"type": "flow", "id": made["id"]}]}
    assert api("POST", f"/api/tags/{tag}/relationships/flows", links).status == 204
    assert api.get(f"/api/flows/{made['id']}/tags").ids == [tag]
    assert api.get(f"/api/flows/{made['id']}/relationships/tags").ids == [tag]
    assert [one["id"] for one in api.get("/api/flows", include="tags").json["included"]] == [tag]


def test_experiments_keep_their_messages(api: Api) -> None:
    main = email_action("main") | {"temporary_id": "main"}
    action = {
        "temporary_id": "test",
        "type": "ab-test",
        "data": {"main_action": {key: main[key] for key in ("type", "data", "links", "temporary_id")}},
        "links": {"next": None},
    }
    reply = new_flow(api, action)
    assert reply.status == 201, reply.body
    (made,) = reply.data["attributes"]["definition"]["actions"]
    message = made["data"]["main_action"]["data"]["message"]
    assert api.get(f"/api/flow-actions/{made['id']}/flow-messages").ids == [message["id"]]
