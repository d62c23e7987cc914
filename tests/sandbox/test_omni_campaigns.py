"""One campaign under two revisions: made, changed, scheduled and sent under either, truthful under both (App. H)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.sandbox.messages_api import assign, campaign, new_campaign, report, send, status, template, write
from tests.sandbox.omni_api import (
    EMAIL,
    NEWER,
    NOON,
    OLDER,
    Omni,
    Stopped,
    change,
    message_of,
    new_omni,
    omni,
    people,
    schedule,
    to,
    unschedule,
    variation,
    variations_of,
)
from tests.sandbox.sandbox_api import Api

from clavichord.sandbox.clock import VirtualClock
from clavichord.sandbox.serve import running

SMS = {"channel": "sms", "body": "Hi"}
PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


@pytest.fixture
def newer(api: Api) -> Api:
    """The same fresh account as `api`."""
    return api.at(NEWER)


@pytest.fixture
def stopped() -> Iterator[Stopped]:
    clock = VirtualClock(NOON)
    with running(limits="off", job_delay=0, clock=clock) as served:
        yield Stopped(served, clock)


def older_of(api: Api, campaign_id: str) -> dict[str, Any]:
    found: dict[str, Any] = api.get(f"/api/campaigns/{campaign_id}").data["attributes"]
    return found


def test_an_older_campaign_is_a_tree_of_one_branch(api: Api, newer: Api) -> None:
    list_id = people(api, "ann")
    audiences = {"included": [list_id], "excluded": ["XyZ123"]}
    campaign_id, message_id = campaign(api, audiences=audiences, tracking_options={"is_tracking_opens": False})
    found = newer.get(f"/api/campaigns/{campaign_id}", include="campaign-audiences,campaign-messages").json
    assert list(found["data"]["attributes"]) == ["created_at", "updated_at", "definition"]
    assert found["data"]["attributes"]["definition"] == {
        "name": "Sale",
        "builder": None,
        "archived": False,
        "color": None,
        "description": None,
        "send_settings": None,
    }
    assert list(found["data"]["relationships"]) == ["campaign-audiences", "campaign-messages", "tags"]
    audience, message = found["included"]
    assert audience["attributes"]["definition"] == {"name": None, **audiences, "priority": None}
    assert audience["relationships"]["campaign-messages"]["data"] == [{"type": "campaign-message", "id": message_id}]
    assert list(message["attributes"]) == ["created", "updated", "definition"]
    assert list(message["relationships"]) == ["campaign", "campaign-audience", "campaign-variations"]
    assert message["attributes"]["definition"] == {
        "name": "First",
        "status": "draft",
        "tracking_options": {"is_add_utm": False, "is_tracking_clicks": True, "is_tracking_opens": False},
        "send_options": {
            "send_time": None,
            "send_times": None,
            "send_strategy": None,
            "recipient_percentage": None,
            "throttling_type": "throttle-for-campaigns-and-flows",
            "throttle_unit": None,
            "is_ignoring_unsubscribes": None,
        },
        "ab_test": None,
    }
    copied = api.get(f"/api/campaign-messages/{message_id}/relationships/template").data["id"]
    assert variations_of(newer, message_id) == [
        {
            "name": None,
            "details": {
                "channel": "email",
                "template_id": copied,
                "from_label": "Sandbox",
                "from_email": "sender@sandbox.invalid",
                "reply_to_email": "",
                "cc_email": "",
                "bcc_email": "",
                "subject": "For {{ first_name }}",
                "preview_text": "",
            },
        }
    ]


def test_a_newer_campaign_is_an_older_one_of_one_channel(api: Api, newer: Api) -> None:
    list_id = people(api, "ann")
    made = omni(newer, list_id)
    attributes = older_of(api, made.id)
    assert {name: attributes[name] for name in attributes if not name.endswith("_at")} == {
        "name": "Sale",
        "status": "Draft",
        "archived": False,
        "audiences": {"included": [list_id], "excluded": []},
        "send_options": {"use_smart_sending": True, "ignore_unsubscribes": False},
        "tracking_options": {
            "add_tracking_params": False,
            "custom_tracking_params": [],
            "is_tracking_clicks": True,
            "is_tracking_opens": True,
        },
        "send_strategy": {"method": "immediate"},
        "send_time": None,
    }
    (message_id,) = made.messages
    message = api.get(f"/api/campaign-messages/{message_id}", include="template").json
    assert message["data"]["attributes"]["definition"] == {
        "channel": "email",
        "label": "First",
        "content": {
            "subject": "For {{ first_name }}",
            **dict.fromkeys(
                ("preview_text", "from_email", "from_label", "reply_to_email", "cc_email", "bcc_email"), ""
            ),
        },
    }
    assert [one["type"] for one in message["included"]] == ["template"]
    assert list(message["data"]["relationships"]) == ["campaign", "template", "image"]
    assert api.get("/api/campaigns", filter="equals(messages.channel,'email')").ids == [made.id]
    assert send(api, made.id).status == 202
    assert status(api, made.id) == "Sent"
    assert message_of(newer, message_id)["status"] == "sent"


def test_either_revision_changes_what_the_other_shows(api: Api, newer: Api) -> None:
    list_id = people(api, "ann")
    made = omni(newer, list_id)
    (message_id,), path = made.messages, f"/api/campaigns/{made.id}"
    changed = write(
        api, "PATCH", path, "campaign", id=made.id, name="Renamed", audiences={"excluded": ["XyZ123"]},
        send_options={"use_smart_sending": False}, tracking_options={"add_tracking_params": True},
    )  # fmt: skip
    assert changed.status == 200, changed.body
    assert newer.get(path).data["attributes"]["definition"]["name"] == "Renamed"
    audience = newer.get(f"/api/campaign-audiences/{made.audiences[0]}").data["attributes"]["definition"]
    assert (audience["included"], audience["excluded"]) == ([list_id], ["XyZ123"])
    message = message_of(newer, message_id)
    assert message["send_options"]["throttling_type"] == "none"
    assert message["tracking_options"]["is_add_utm"] is True
    definition = {"channel": "email", "label": "Second", "content": {"subject": "Other"}}
    edited = write(
        api, "PATCH", f"/api/campaign-messages/{message_id}", "campaign-message", id=message_id, definition=definition
    )
    assert edited.status == 200, edited.body
    before = variations_of(newer, message_id)[0]["details"]
    assert (message_of(newer, message_id)["name"], before["subject"]) == ("Second", "Other")
    assert before["template_id"] is not None
    assert (
        change(
            newer, "campaign-message", message_id, name="Third", tracking_options={"is_tracking_opens": False}
        ).status
        == 200
    )
    variation_id = newer.get(f"/api/campaign-messages/{message_id}/relationships/campaign-variations").ids[0]
    details = {"channel": "email", "subject": "Another", "from_email": "a@shop.test"}
    assert change(newer, "campaign-variation", variation_id, details=details).status == 200
    after = api.get(f"/api/campaign-messages/{message_id}").data["attributes"]["definition"]
    assert (after["label"], after["content"]["subject"], after["content"]["from_email"]) == (
        "Third", "Another", "a@shop.test",
    )  # fmt: skip
    assert api.get(f"/api/campaign-messages/{message_id}/relationships/template").data["id"] == before["template_id"]
    assert change(newer, "campaign-variation", variation_id, details=details | {"template_id": None}).status == 200
    assert api.get(f"/api/campaign-messages/{message_id}/relationships/template").data is None
    assert api.get(f"/api/templates/{before['template_id']}").status == 404
    assert older_of(api, made.id)["tracking_options"]["is_tracking_opens"] is False
    change(newer, "campaign", made.id, archived=True)
    assert older_of(api, made.id)["archived"] is True


@pytest.mark.parametrize(
    ("strategy", "options", "back"),
    [
        ({"method": "immediate"}, {}, None),
        (
            {"method": "static", "datetime": "2026-06-01T10:00:00+02:00"},
            {"send_strategy": "static", "send_time": "2026-06-01T08:00:00+00:00"},
            {"method": "static", "datetime": "2026-06-01T08:00:00+00:00", "options": {"is_local": False}},
        ),
        (
            {"method": "static", "datetime": "2026-06-01T10:00:00+00:00", "options": {"is_local": True}},
            {"send_strategy": "local_timezone", "send_time": "2026-06-01T10:00:00+00:00"},
            {
                "method": "static",
                "datetime": "2026-06-01T10:00:00+00:00",
                "options": {"is_local": True, "send_past_recipients_immediately": False},
            },
        ),
        (
            {"method": "throttled", "datetime": "2026-06-01T10:00:00+00:00", "throttle_percentage": 25},
            {
                "send_strategy": "throttled",
                "send_time": "2026-06-01T10:00:00+00:00",
                "recipient_percentage": 25,
                "throttle_unit": "hour",
            },
            None,
        ),
        ({"method": "smart_send_time", "date": "2026-06-01"}, {"send_strategy": "send_time_optimization"}, None),
    ],
)
def test_ways_of_sending_of_an_older_campaign(
    api: Api, newer: Api, strategy: dict[str, Any], options: dict[str, Any], back: dict[str, Any] | None
) -> None:
    made = new_campaign(api, send_strategy=strategy)
    message_id = made.data["relationships"]["campaign-messages"]["data"][0]["id"]
    assert made.data["attributes"]["send_strategy"] == (back or strategy)
    said = message_of(newer, message_id)["send_options"]
    shown = ("send_strategy", "send_time", "recipient_percentage", "throttle_unit")
    assert {name: said[name] for name in shown if said[name] is not None} == options


@pytest.mark.parametrize(
    ("schedule_", "older"),
    [
        ({"strategy": "static", "send_time": "2026-06-01T10:00:00Z"},
         {"method": "static", "datetime": "2026-06-01T10:00:00+00:00", "options": {"is_local": False}}),
        ({"strategy": "local_timezone", "send_time": "2026-06-01T10:00:00Z"},
         {"method": "static", "datetime": "2026-06-01T10:00:00+00:00",
          "options": {"is_local": True, "send_past_recipients_immediately": True}}),
        ({"strategy": "local_timezone", "send_time": "2026-06-01T10:00:00Z",
          "timezone_options": {"send_past_timezones_tomorrow": True}},
         {"method": "static", "datetime": "2026-06-01T10:00:00+00:00",
          "options": {"is_local": True, "send_past_recipients_immediately": False}}),
        ({"strategy": "throttled", "send_time": "2026-06-01T10:00:00Z",
          "throttled_options": {"throttling_percentage": 10}},
         {"method": "throttled", "datetime": "2026-06-01T10:00:00+00:00", "throttle_percentage": 10}),
        ({"strategy": "throttled", "send_time": "2026-06-01T10:00:00Z",
          "throttled_options": {"throttling_percentage": 10, "throttle_unit": "minute"}}, {"method": "unsupported"}),
        ({"strategy": "smart_send_time", "send_date": "2026-06-01"},
         {"method": "smart_send_time", "date": "2026-06-01"}),
    ],
)  # fmt: skip
def test_a_newer_schedule_under_the_older_revision(
    stopped: Stopped, schedule_: dict[str, Any], older: dict[str, Any]
) -> None:
    made = omni(stopped.newer, people(stopped.newer, "ann"))
    reply = schedule(stopped.newer, made.messages[0], **schedule_)
    assert reply.status == 201, reply.body
    given = reply.data["attributes"]
    assert given["strategy"] == schedule_["strategy"]
    assert given["send_time"] == (None if "send_date" in schedule_ else "2026-06-01T10:00:00+00:00")
    assert reply.data["relationships"]["campaign-message"]["data"]["id"] == reply.data["id"] == made.messages[0]
    attributes = older_of(stopped.older, made.id)
    assert (attributes["status"], attributes["send_strategy"]) == ("Scheduled", older)
    hour = "00:00:00" if "send_date" in schedule_ else "10:00:00"
    assert attributes["send_time"] == f"2026-06-01T{hour}.000000+00:00"
    assert attributes["scheduled_at"] == "2026-05-04T12:00:00.000000+00:00"
    (time,) = stopped.older.get(f"/api/campaign-messages/{made.messages[0]}").data["attributes"]["send_times"]
    assert time == {"datetime": attributes["send_time"], "is_local": schedule_["strategy"] == "local_timezone"}
    assert stopped.older.get(f"/api/campaign-send-jobs/{made.id}").data["attributes"] == {"status": "queued"}


@pytest.mark.parametrize(
    ("action", "older", "message"), [("cancel", "Cancelled", "cancelled"), ("revert", "Draft", "draft")]
)
def test_either_revision_stops_what_the_other_scheduled(
    stopped: Stopped, action: str, older: str, message: str
) -> None:
    list_id = people(stopped.newer, "ann")
    made = omni(stopped.newer, list_id)
    assert unschedule(stopped.newer, made.messages[0], action).status == 400
    schedule(stopped.newer, made.messages[0], send_time="2026-06-01T10:00:00Z")
    job, path = "campaign-send-job", f"/api/campaign-send-jobs/{made.id}"
    assert write(stopped.older, "PATCH", path, job, id=made.id, action=action).status == 204
    assert (status(stopped.older, made.id), message_of(stopped.newer, made.messages[0])["status"]) == (older, message)
    strategy = {"method": "static", "datetime": "2026-06-01T10:00:00Z"}
    campaign_id, message_id = campaign(stopped.older, list_id, send_strategy=strategy)
    send(stopped.older, campaign_id)
    assert message_of(stopped.newer, message_id)["status"] == "scheduled"
    assert unschedule(stopped.newer, message_id, action).status == 204
    assert status(stopped.older, campaign_id) == older
    job_status = stopped.older.get(f"/api/campaign-send-jobs/{campaign_id}").data["attributes"]["status"]
    assert job_status == "cancelled"
    stopped.advance("60d")
    assert stopped.sent() == []


def test_several_channels_and_audiences_at_once(api: Api, newer: Api) -> None:
    ann, bob = people(api, "ann"), people(api, "bob")
    mail = EMAIL | {"template_id": template(api)}
    reply = new_omni(
        newer,
        [{"included": [ann]}, {"included": [bob], "excluded": [ann]}],
        [
            {"name": "Mail", "variations": [variation(mail)]},
            {"name": "Text", "audience_temporary_id": "1", "variations": [variation(SMS)]},
        ],
    )
    made = Omni(reply)
    for channel in ("email", "sms"):
        assert api.get("/api/campaigns", filter=f"equals(messages.channel,'{channel}')").ids == [made.id]
    assert api.get("/api/campaigns", filter="equals(messages.channel,'mobile_push')").ids == []
    attributes = older_of(api, made.id)
    assert attributes["audiences"] == {"included": [ann, bob], "excluded": [ann]}
    path = f"/api/campaigns/{made.id}"
    refused = write(api, "PATCH", path, "campaign", id=made.id, audiences={"included": [ann]})
    assert refused.faults == [
        ("/data/attributes/audiences", "This campaign has several audiences; revision 2026-10-15 can change them.")
    ]
    assert write(api, "PATCH", path, "campaign", id=made.id, name="Other").status == 200
    unequal = [
        {"message_id": made.messages[0], "strategy": "static", "send_time": "2035-01-01T00:00:00Z"},
        {"message_id": made.messages[1], "strategy": "smart_send_time", "send_date": "2035-01-01"},
    ]
    kind = "campaign-schedule"
    write(newer, "POST", f"/api/{kind}", kind, related=to("campaign", made.id), message_schedules=unequal)
    assert older_of(api, made.id)["send_strategy"] == {"method": "unsupported"}
    assert api.get(f"/api/campaigns/{made.id}/campaign-messages").ids == made.messages


def test_a_campaign_that_is_sent_in_part(api: Api, newer: Api) -> None:
    list_id = people(api, "ann")
    mail = EMAIL | {"template_id": template(api)}
    messages = [{"variations": [variation(mail)]}, {"variations": [variation(mail)]}]
    made = Omni(new_omni(newer, [{"included": [list_id]}], messages))
    second = made.messages[1]
    change(
        newer, "campaign-message", second, send_options={"send_strategy": "static", "send_time": "2035-01-01T00:00:00Z"}
    )
    assert send(newer, made.id).status == 202
    assert [message_of(newer, one)["status"] for one in made.messages] == ["sent", "scheduled"]
    assert status(api, made.id) == "Scheduled"
    unschedule(newer, second, "revert")
    assert status(api, made.id) == "Unknown"
    assert write(api, "PATCH", f"/api/campaigns/{made.id}", "campaign", id=made.id, name="Late").status == 400
    change(newer, "campaign-message", second, send_options={"send_time": "2020-01-01T00:00:00Z"})
    assert send(api, made.id).status == 202
    assert status(api, made.id) == "Sent"


def test_what_was_sent_stays_as_it_is(api: Api, newer: Api) -> None:
    made = omni(newer, people(api, "ann"))
    send(newer, made.id)
    (message_id,), (audience_id,) = made.messages, made.audiences
    variation_id = newer.get(f"/api/campaign-messages/{message_id}/relationships/campaign-variations").ids[0]
    locked = "A message with the status 'sent' cannot be changed."
    for reply in (
        change(newer, "campaign-message", message_id, name="x"),
        change(newer, "campaign-variation", variation_id, name="x"),
        newer("DELETE", f"/api/campaign-messages/{message_id}"),
        newer("DELETE", f"/api/campaign-variations/{variation_id}"),
        write(newer, "POST", "/api/campaign-variations", "campaign-variation",
              related=to("campaign-message", message_id), definition={}),
    ):  # fmt: skip
        assert reply.faults == [("/data", locked)], reply.body
    for reply in (
        change(newer, "campaign-audience", audience_id, name="x"),
        newer("DELETE", f"/api/campaign-audiences/{audience_id}"),
    ):
        assert reply.faults == [("/data", "The audience of a message with the status 'sent' cannot be changed.")]
    settings = change(newer, "campaign", made.id, send_settings={"exit_condition_enabled": True})
    assert settings.faults[0][0] == "/data"
    assert change(newer, "campaign", made.id, archived=True, color="00ff00").status == 200
    assert schedule(newer, message_id, send_time="2035-01-01T00:00:00Z").faults == [
        ("/data", "A message with the status 'sent' cannot be scheduled.")
    ]
    assert assign(newer, message_id, template(api)).status == 400
    # a deleted campaign takes everything along, whatever revision asks for it
    assert api("DELETE", f"/api/campaigns/{made.id}").status == 204
    for path in (
        f"campaign-messages/{message_id}",
        f"campaign-audiences/{audience_id}",
        f"campaign-variations/{variation_id}",
    ):
        assert newer.get(f"/api/{path}").status == 404, path


def test_an_audience_takes_its_drafts_along(newer: Api) -> None:
    made = omni(newer, people(newer, "ann"))
    assert newer("DELETE", f"/api/campaign-audiences/{made.audiences[0]}").status == 204
    assert newer.get(f"/api/campaign-messages/{made.messages[0]}").status == 404
    assert newer.get(f"/api/campaigns/{made.id}/campaign-audiences").data == []
    assert send(newer, made.id).faults == [("/data/id", "The campaign has no messages.")]


def test_clones_are_deep(api: Api, newer: Api) -> None:
    made = omni(newer, people(api, "ann"), color="ff5733")
    copied = Omni(write(newer, "POST", "/api/campaign-clone", "campaign", id=made.id, name=None))
    definition = newer.get(f"/api/campaigns/{copied.id}").data["attributes"]["definition"]
    assert (definition["name"], definition["color"]) == ("Copy of Sale", "ff5733")
    mine, theirs = variations_of(newer, made.messages[0])[0], variations_of(newer, copied.messages[0])[0]
    assert mine["details"].pop("template_id") != theirs["details"].pop("template_id")
    assert mine == theirs
    again = write(api, "POST", "/api/campaign-clone", "campaign", id=copied.id, new_name=None)
    assert again.data["attributes"]["name"] == "Clone of Copy of Sale"
    assert again.data["attributes"]["send_strategy"]["method"] == "static"
    other = Omni(new_omni(newer, [{"name": "Elsewhere"}]))
    body = {
        "data": {
            "type": "campaign-audience-clone",
            "id": made.audiences[0],
            "attributes": {"id": made.audiences[0], "name": "Moved"},
            "relationships": {"campaign": {"data": {"type": "campaign", "id": other.id}}},
        }
    }
    moved = newer("POST", "/api/campaign-audience-clone", body)
    assert moved.data["attributes"]["definition"]["name"] == "Moved"
    assert moved.data["relationships"]["campaign"]["data"]["id"] == other.id
    assert moved.data["relationships"]["campaign-messages"]["data"] == []


def test_content_of_a_variation(api: Api, newer: Api) -> None:
    list_id = people(api, "ann")
    image = write(api, "POST", "/api/images", "image", import_from_url=PIXEL, name="dot").data["id"]
    push: dict[str, Any] = {
        "title": "T",
        "body": "B",
        "open_action": 1,
        "ios_deep_link": "app://x",
        "static_asset_id": int(image),
    }
    push |= {"badge": True, "badge_config": "set-count"}
    made = omni(newer, list_id, details=push)  # the channel that has all of these
    (message_id,) = made.messages
    details = variations_of(newer, message_id)[0]["details"]
    assert (details["channel"], details["push_type"], details["badge_value"]) == ("push", "standard", "1")
    older = api.get(f"/api/campaign-messages/{message_id}").data["attributes"]["definition"]
    assert older["options"]["on_open"] == {"type": "deep_link", "ios_deep_link": "app://x"}
    assert older["options"]["badge"] == {
        "display": True,
        "badge_options": {"badge_config": "set_count", "value": "1"},
    }
    assert api.get(f"/api/campaign-messages/{message_id}/image").data["id"] == image
    assert newer.get("/api/campaigns", filter="equals(builder,'canvas')").ids == []
    bare = Omni(new_omni(newer, [{}], [{}]))
    assert variations_of(newer, bare.messages[0]) == [{"name": None, "details": None}]
    assert api.get(f"/api/campaign-messages/{bare.messages[0]}").data["attributes"]["definition"] is None
    assert api.get("/api/campaigns", filter="equals(messages.channel,'email')").ids == []
    assert assign(newer, bare.messages[0], template(api)).status == 200
    assert api.get("/api/campaigns", filter="equals(messages.channel,'email')").ids == [bare.id]


def test_an_audience_takes_over_messages(newer: Api) -> None:
    made = omni(newer, people(newer, "ann"))
    related: dict[str, Any] = to("campaign", made.id)
    related["campaign-messages"] = [{"type": "campaign-message", "id": made.messages[0]}]
    kind = "campaign-audience"
    reply = write(newer, "POST", "/api/campaign-audiences", kind, related=related, definition={"name": "New"})
    assert reply.status == 201, reply.body
    owner = newer.get(f"/api/campaign-messages/{made.messages[0]}/relationships/campaign-audience").data["id"]
    assert owner == reply.data["id"]
    assert newer.get(f"/api/campaign-audiences/{made.audiences[0]}/campaign-messages").data == []
    assert newer.get(f"/api/campaigns/{made.id}/relationships/campaign-audiences").ids == [*made.audiences, owner]


def test_reports_and_events_know_newer_campaigns(api: Api, newer: Api) -> None:
    list_id = people(api, "ann")
    made = omni(newer, list_id)
    tag = write(api, "POST", "/api/tags", "tag", name="spring").data["id"]
    api("POST", f"/api/tags/{tag}/relationships/campaigns", {"data": [{"type": "campaign", "id": made.id}]})
    assert newer.get(f"/api/campaign-messages/{made.messages[0]}/tags").ids == [tag]
    send(newer, made.id)
    event = api.get("/api/events").data[0]["attributes"]["event_properties"]
    assert (event["Campaign Name"], event["$message"]) == ("Sale", made.messages[0])
    assert "$variation" not in event
    asked: dict[str, Any] = {
        "statistics": ["recipients"],
        "conversion_metric_id": "X",
        "group_by": ["campaign_id", "campaign_message_id", "group", "tag_id", "send_channel"],
    }
    for one in (api, newer):
        (result,) = report(one, "campaign-values", **asked).data["attributes"]["results"]
        assert result["groupings"] == {
            "campaign_id": made.id,
            "campaign_message_id": made.messages[0],
            "group": list_id,
            "tag_id": tag,
            "send_channel": "email",
        }
        assert result["statistics"] == {"recipients": 1}


BAD_SETTINGS = {"send_timezone": "Europe/Berlin", "send_strategy": "timezone"}
LATE = {"send_time": "2035-01-01T00:00:00Z"}
DEFINITION, MESSAGES = "/data/attributes/definition", "/data/attributes/messages/0"


def with_variations(*details: dict[str, Any]) -> dict[str, Any]:
    message = {"audience_temporary_id": "a", "variations": [variation(one) for one in details]}
    return {"definition": {}, "audiences": [{"temporary_id": "a"}], "messages": [message]}


@pytest.mark.parametrize(
    ("attributes", "pointer"),
    [
        ({"definition": {"builder": "hammer"}}, f"{DEFINITION}/builder"),
        ({"definition": {"color": "red"}}, f"{DEFINITION}/color"),
        ({"definition": {"send_settings": {"send_timezone": "Mars"}}}, f"{DEFINITION}/send_settings/send_timezone"),
        ({"definition": {"send_settings": BAD_SETTINGS}}, f"{DEFINITION}/send_settings/send_timezone"),
        ({"definition": {"status": "Sent"}}, f"{DEFINITION}/status"),
        ({}, DEFINITION),
        ({"definition": {}, "messages": [{"audience_temporary_id": "x"}]}, f"{MESSAGES}/audience_temporary_id"),
        ({"definition": {}, "audiences": [{"temporary_id": "a"}] * 2}, "/data/attributes/audiences/1/temporary_id"),
        ({"definition": {}, "audiences": [{"temporary_id": "a", "included": ["x"], "excluded": ["x"]}]},
         "/data/attributes/audiences/0"),
        (with_variations({"channel": "fax"}), f"{MESSAGES}/variations/0/definition/details/channel"),
        (with_variations(SMS, {"channel": "email"}), f"{MESSAGES}/variations/1/definition/details/channel"),
        (with_variations({"channel": "email", "template_id": "NOPE01"}),
         f"{MESSAGES}/variations/0/definition/details/template_id"),
        (with_variations(SMS | {"cost": 1.5}), f"{MESSAGES}/variations/0/definition/details/cost"),
    ],
)  # fmt: skip
def test_refused_campaigns(newer: Api, attributes: dict[str, Any], pointer: str) -> None:
    reply = write(newer, "POST", "/api/campaigns", "campaign", **attributes)
    assert reply.status == 400
    assert [where for where, _ in reply.faults] == [pointer]
    assert newer.get("/api/campaigns").data == []


@pytest.mark.parametrize(
    ("attributes", "pointer"),
    [
        ({"strategy": "static"}, "send_time"),
        ({"strategy": "static", "send_time": "2026-05-04T12:00:00Z"}, "send_time"),
        ({"strategy": "static", "send_time": "soon"}, "send_time"),
        ({"strategy": "static", "send_time": "9999-12-31T23:59:59-14:00"}, "send_time"),
        ({"strategy": "smart_send_time", "send_time": "2035-01-01T00:00:00Z"}, "send_date"),
        ({"strategy": "smart_send_time", "send_date": "2026-05-03"}, "send_date"),
        ({"strategy": "smart_send_time", "send_date": "Monday"}, "send_date"),
        ({"strategy": "throttled", "send_time": "2035-01-01T00:00:00Z"}, "throttled_options"),
        (LATE | {"strategy": "throttled", "throttled_options": {"throttling_percentage": 3}},
         "throttled_options/throttling_percentage"),
        ({"strategy": "whenever"}, "strategy"),
    ],
)  # fmt: skip
def test_refused_schedules(stopped: Stopped, attributes: dict[str, Any], pointer: str) -> None:
    made = omni(stopped.newer, people(stopped.newer, "ann"))
    alone = schedule(stopped.newer, made.messages[0], **attributes)
    assert alone.faults[0][0] == f"/data/attributes/{pointer}", alone.body
    kind = "campaign-schedule"
    good = {"message_id": made.messages[0], "strategy": "static", "send_time": "2035-01-01T00:00:00Z"}
    for entries in ([{"message_id": made.messages[0], **attributes}], [good, good | {"message_id": "01JNOPE"}], []):
        whole = write(
            stopped.newer, "POST", f"/api/{kind}", kind, related=to("campaign", made.id), message_schedules=entries
        )
        assert whole.status == 400, entries
    assert message_of(stopped.newer, made.messages[0])["status"] == "draft"


def test_wordings_of_what_is_not_there(newer: Api) -> None:
    for path, wording in (
        ("campaigns", "A campaign with id '01JNOPE' does not exist."),
        ("campaign-audiences", "An audience with id '01JNOPE' does not exist."),
        ("campaign-messages", "A message with id '01JNOPE' does not exist."),
        ("campaign-variations", "A variation with id '01JNOPE' does not exist."),
    ):
        assert newer.get(f"/api/{path}/01JNOPE").errors[0]["detail"] == wording
        assert newer("DELETE", f"/api/{path}/01JNOPE").status == 404
        assert change(newer, path.removesuffix("s"), "01JNOPE").status == 404
    assert unschedule(newer, "01JNOPE", "cancel").status == 404
    assert schedule(newer, "01JNOPE", send_time="2035-01-01T00:00:00Z").status == 404
    assert (
        newer.at(OLDER).get("/api/campaign-audiences/01JNOPE").errors[0]["detail"]
        == "No valid revisions found for method"
    )
