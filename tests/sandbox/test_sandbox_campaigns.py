"""Campaigns from draft to sent: audiences, consent, rendering, the clock, cancel and revert (FACTS §9.6)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.sandbox.messages_api import EMAIL, assign, campaign, new_campaign, segment, send, status, template, write
from tests.sandbox.sandbox_api import Api, until

from clavichord.sandbox.clock import VirtualClock
from clavichord.sandbox.resources import outbox
from clavichord.sandbox.serve import Running, running

NOON = int(datetime(2026, 5, 4, 12, tzinfo=UTC).timestamp()) * 1_000_000


class Stopped:
    """A sandbox whose clock moves when it is told to."""

    def __init__(self, served: Running, clock: VirtualClock) -> None:
        self.served, self.clock = served, clock
        self.api = Api(served.base_url, "pk_stopped")


@pytest.fixture
def stopped() -> Iterator[Stopped]:
    clock = VirtualClock(NOON)
    with running(limits="off", job_delay=0, clock=clock) as served:
        yield Stopped(served, clock)


def sent(served: Running, api: Api) -> list[outbox.Entry]:
    account = api.get("/api/accounts").ids[0]
    return outbox.entries(served.sandbox.engine.store, account)


def people(api: Api, *names: str) -> tuple[str, list[str]]:
    """A list and its members."""
    list_id = api.list(opt_in_process="single_opt_in")
    ids = [api.profile(email=f"{name}@shop.test", first_name=name.title()) for name in names]
    if ids:
        api.join(list_id, *ids)
    return list_id, ids


def received(api: Api, metric: str = "Received Email") -> list[str]:
    """Who got something, by e-mail address."""
    found = api.get("/api/events", include="metric,profile").json
    metrics = {one["id"]: one["attributes"]["name"] for one in found["included"] if one["type"] == "metric"}
    emails = {one["id"]: one["attributes"]["email"] for one in found["included"] if one["type"] == "profile"}
    return sorted(
        emails[event["relationships"]["profile"]["data"]["id"]]
        for event in found["data"]
        if metrics[event["relationships"]["metric"]["data"]["id"]] == metric
    )


def test_a_sent_campaign_reaches_its_audience(api: Api, server: Running) -> None:
    list_id, (ann, bob, cid) = people(api, "ann", "bob", "cid")
    excluded = api.list("Not these")
    api.join(excluded, cid)
    audiences = {"included": [list_id], "excluded": [excluded]}
    campaign_id, message_id = campaign(
        api, audiences=audiences, html="<p>{{ person.first_name }} {% unsubscribe %}</p>"
    )
    assert api.get(f"/api/campaign-send-jobs/{campaign_id}").status == 404
    reply = send(api, campaign_id)
    assert (reply.status, reply.data["id"], reply.data["attributes"]) == (202, campaign_id, {"status": "queued"})
    assert api.get(f"/api/campaign-send-jobs/{campaign_id}").data["attributes"] == {"status": "complete"}
    assert status(api, campaign_id) == "Sent"
    assert received(api) == ["ann@shop.test", "bob@shop.test"]
    first, second = sent(server, api)
    assert (first.recipient, first.subject, first.status) == ("ann@shop.test", "For Ann", "sent")
    assert "<p>Ann <a href=" in first.html and f"p={ann}" in first.html
    assert second.profile == bob
    event = api.get("/api/events").data[0]["attributes"]["event_properties"]
    assert (event["Campaign Name"], event["$message"], event["Email Domain"]) == ("Sale", message_id, "shop.test")
    again = send(api, campaign_id)
    assert (again.status, again.faults[0][1]) == (400, "A campaign with the status 'Sent' cannot be sent.")


def test_nobody_gets_it_twice_and_nobody_who_may_not(api: Api) -> None:
    list_id, ids = people(api, "ann", "bob", "cid", "dan", "eve")
    other = api.list()
    api.join(other, ids[0])
    phone_only = api.profile(phone_number="+12125551234")
    api.join(list_id, phone_only)
    api.suppress("create", "bob@shop.test")
    api.consent(
        "delete", {"email": "cid@shop.test", "subscriptions": {"email": {"marketing": {"consent": "UNSUBSCRIBED"}}}}
    )
    left = {"email": "eve@shop.test", "subscriptions": {"email": {"marketing": {"consent": "UNSUBSCRIBED"}}}}
    api.consent("delete", left, list_id=list_id)
    api.join(list_id, ids[4])  # back in the list, but she asked not to be written to through it
    campaign_id, _ = campaign(api, list_id, other)
    send(api, campaign_id)
    assert received(api) == ["ann@shop.test", "dan@shop.test"]
    later, _ = campaign(api, list_id, other, send_options={"use_smart_sending": False})
    send(api, later)
    assert received(api) == ["ann@shop.test"] * 2 + ["dan@shop.test"] * 2


def test_smart_sending_skips_who_just_got_one(stopped: Stopped) -> None:
    api = stopped.api
    list_id, _ = people(api, "ann")
    send(api, campaign(api, list_id)[0])
    stopped.clock.advance(15 * 3600)
    send(api, campaign(api, list_id)[0])
    assert [(one.status, one.reason) for one in sent(stopped.served, api)] == [
        ("sent", ""),
        ("skipped", "Smart Sending"),
    ]
    stopped.clock.advance(2 * 3600)
    send(api, campaign(api, list_id)[0])
    assert [one.status for one in sent(stopped.served, api)] == ["sent", "skipped", "sent"]


def test_segments_are_audiences_too(api: Api) -> None:
    people(api, "ann", "bob")
    campaign_id, _ = campaign(api, segment(api, "Bob"))
    api.profile(email="rob@shop.test", first_name="Bob")
    send(api, campaign_id)
    assert received(api) == ["bob@shop.test", "rob@shop.test"]


def test_a_scheduled_campaign_goes_out_at_its_time(stopped: Stopped) -> None:
    api = stopped.api
    list_id, _ = people(api, "ann")
    strategy = {"method": "static", "datetime": "2026-05-04T14:00:00+02:00", "options": {"is_local": False}}
    soon, _ = campaign(api, list_id, send_strategy=strategy)
    assert send(api, soon).status == 202
    assert status(api, soon) == "Sent"  # 14:00+02:00 is noon, now
    strategy = {"method": "static", "datetime": "2026-05-05T08:30:00Z"}
    campaign_id, message_id = campaign(api, list_id, send_strategy=strategy)
    send(api, campaign_id)
    attributes = api.get(f"/api/campaigns/{campaign_id}").data["attributes"]
    assert attributes["status"] == "Scheduled"
    assert attributes["send_time"] == "2026-05-05T08:30:00.000000+00:00"
    assert attributes["scheduled_at"] == "2026-05-04T12:00:00.000000+00:00"
    times = api.get(f"/api/campaign-messages/{message_id}").data["attributes"]["send_times"]
    assert times == [{"datetime": "2026-05-05T08:30:00.000000+00:00", "is_local": False}]
    assert len(sent(stopped.served, api)) == 1
    stopped.clock.advance(24 * 3600)
    until(lambda: status(api, campaign_id) == "Sent")
    assert [one.status for one in sent(stopped.served, api)] == ["sent", "sent"]


@pytest.mark.parametrize(("action", "after"), [("cancel", "Cancelled"), ("revert", "Draft")])
def test_a_scheduled_campaign_is_stopped(stopped: Stopped, action: str, after: str) -> None:
    api = stopped.api
    list_id, _ = people(api, "ann")
    strategy = {"method": "static", "datetime": "2026-06-01T00:00:00Z"}
    campaign_id, message_id = campaign(api, list_id, send_strategy=strategy)
    path, kind = f"/api/campaign-send-jobs/{campaign_id}", "campaign-send-job"
    early = write(api, "PATCH", path, kind, id=campaign_id, action=action)
    assert early.status == 400
    send(api, campaign_id)
    assert write(api, "PATCH", path, kind, id=campaign_id, action=action).status == 204
    assert status(api, campaign_id) == after
    assert api.get(path).data["attributes"]["status"] == "cancelled"
    assert api.get(f"/api/campaign-messages/{message_id}").data["attributes"]["send_times"] == []
    stopped.clock.advance(60 * 86_400)
    assert send(api, campaign_id).status == (202 if action == "revert" else 400)
    assert len(sent(stopped.served, api)) == (1 if action == "revert" else 0)
    assert write(api, "PATCH", path, kind, id=campaign_id, action="explode").status == 400


def test_campaigns_that_cannot_be_sent(api: Api) -> None:
    empty, _ = campaign(api, api.list())
    send(api, empty)
    assert status(api, empty) == "Cancelled: No Recipients"
    assert api.get(f"/api/campaign-send-jobs/{empty}").data["attributes"]["status"] == "cancelled"
    list_id, _ = people(api, "ann")
    bare = new_campaign(api, list_id).data["id"]
    send(api, bare)
    assert status(api, bare) == "Cancelled: Misconfigured"
    assert send(api, "01JNOPE").errors[0]["detail"] == "A campaign with id '01JNOPE' does not exist."


def test_a_template_that_breaks_is_not_sent(api: Api, server: Running) -> None:
    list_id, _ = people(api, "ann")
    campaign_id, _ = campaign(api, list_id, html="{{ first_name|nope }}")
    send(api, campaign_id)
    (entry,) = sent(server, api)
    assert (entry.status, entry.reason) == ("skipped", "Invalid filter: 'nope'")
    assert api.get("/api/events").data == []


def test_what_a_person_lacks_renders_empty(api: Api, server: Running) -> None:
    list_id = api.list()
    api.join(list_id, api.profile(email="ann@shop.test", properties={"Own Key": "own"}))
    html = "[{{ first_name }}]{{ person|lookup:'Own Key' }}{{ organization.name|slice:':7' }}"
    send(api, campaign(api, list_id, html=html)[0])
    assert "<body>[]ownSandbox</body>" in sent(server, api)[0].html


def test_text_messages_need_consent(api: Api, server: Running) -> None:
    list_id = api.list(opt_in_process="single_opt_in")
    said = {"sms": {"marketing": {"consent": "SUBSCRIBED"}}}
    api.consent("create", {"phone_number": "+12125551234", "subscriptions": said}, list_id=list_id)
    api.join(list_id, api.profile(phone_number="+12125559876"))
    definition = {"channel": "sms", "content": {"body": "Hi {{ nobody|default:'you' }}"}}
    campaign_id = new_campaign(api, list_id, definition=definition).data["id"]
    send(api, campaign_id)
    (entry,) = sent(server, api)
    assert (entry.recipient, entry.text) == ("+12125551234", "Hi you")
    assert api.get("/api/metrics").data[0]["attributes"]["name"] == "Received SMS"


def test_estimation(api: Api) -> None:
    list_id, _ = people(api, "ann", "bob")
    campaign_id, _ = campaign(api, list_id)
    estimation, job = f"/api/campaign-recipient-estimations/{campaign_id}", "campaign-recipient-estimation-job"
    assert api.get(estimation).errors[0]["detail"] == f"A campaign with id '{campaign_id}' does not exist."
    made = write(api, "POST", f"/api/{job}s", job, id=campaign_id)
    assert (made.status, made.data["attributes"]["status"]) == (202, "processing")
    assert api.get(f"/api/{job}s/{campaign_id}").data["attributes"]["status"] == "complete"
    assert api.get(estimation).data["attributes"] == {"estimated_recipient_count": 2}


def test_coupon_codes_are_given_away(api: Api, server: Running) -> None:
    coupon = {"data": {"type": "coupon", "attributes": {"external_id": "SALE", "description": "d"}}}
    assert api("POST", "/api/coupons", coupon).status == 201
    related = {"coupon": {"type": "coupon", "id": "SALE"}}
    for code in ("A1", "B2"):
        made = write(
            api, "POST", "/api/coupon-codes", "coupon-code", related=related, unique_code=code, expires_at=None
        )
        assert made.status == 200, made.body
    list_id, _ = people(api, "ann", "bob")
    html = "{% coupon_code 'SALE' %} {% coupon_code 'SALE' %}"
    send(api, campaign(api, list_id, html=html)[0])
    assert sorted(one.html[25:30] for one in sent(server, api)) == ["A1 A1", "B2 B2"]
    codes = api.get("/api/coupon-codes", filter='equals(coupon.id,"SALE")').data
    assert {one["attributes"]["status"] for one in codes} == {"ASSIGNED_TO_PROFILE"}


def test_listing_needs_a_channel(api: Api) -> None:
    first, _ = campaign(api, name="Spring sale")
    second, _ = campaign(api, name="Autumn sale")
    text = new_campaign(api, definition={"channel": "sms", "content": {"body": "x"}}).data["id"]
    email, sms = "equals(messages.channel,'email')", "equals(messages.channel,'sms')"
    assert api.get("/api/campaigns").faults == [("filter", "'filter' is a required parameter.")]
    assert api.get("/api/campaigns", filter="equals(archived,false)").status == 400
    assert api.get("/api/campaigns", filter="equals(messages.channel,'fax')").status == 400
    assert api.get("/api/campaigns", filter="any(messages.channel,['email'])").status == 400
    assert sorted(api.get("/api/campaigns", filter=email).ids) == sorted([first, second])
    assert api.get("/api/campaigns", filter=sms).ids == [text]
    assert api.get("/api/campaigns", filter=f"{email},contains(name,'spring')").ids == [first]
    assert api.get("/api/campaigns", filter=f"{email},equals(status,'Draft')", sort="name").ids == [second, first]
    assert api.get("/api/campaigns", filter=f"{email},any(status,['Sent'])").ids == []
    assert api.get("/api/campaigns", filter=f"{email},equals(archived,true)").ids == []
    created = api.get(f"/api/campaigns/{first}").data["attributes"]["created_at"]
    assert api.get("/api/campaigns", filter=f"{email},greater-than(created_at,{created})").ids == [second]
    assert api.get("/api/campaigns", filter=f"{email},greater-than(scheduled_at,2020-01-01T00:00:00Z)").ids == []
    pages = api.pages("/api/campaigns", filter=email, sort="-scheduled_at", **{"page[size]": "1"})
    assert sorted(one for page in pages for one in page.ids) == sorted([first, second])


def test_campaign_is_changed_while_it_is_a_draft(api: Api) -> None:
    list_id, _ = people(api, "ann")
    campaign_id, message_id = campaign(api, list_id)
    path = f"/api/campaigns/{campaign_id}"
    changed = write(
        api, "PATCH", path, "campaign", id=campaign_id, name="New", audiences={"excluded": ["XyZ123"]},
        tracking_options={"is_tracking_opens": False},
    )  # fmt: skip
    assert changed.status == 200
    attributes = api.get(path).data["attributes"]
    assert attributes["name"] == "New"
    assert attributes["audiences"] == {"included": [list_id], "excluded": ["XyZ123"]}
    assert attributes["tracking_options"] == {
        "add_tracking_params": False,
        "custom_tracking_params": [],
        "is_tracking_clicks": True,
        "is_tracking_opens": False,
    }
    message = {"channel": "email", "content": {"subject": "Other"}}
    edited = write(
        api, "PATCH", f"/api/campaign-messages/{message_id}", "campaign-message", id=message_id, definition=message
    )
    assert edited.status == 200, edited.body
    definition = api.get(f"/api/campaign-messages/{message_id}").data["attributes"]["definition"]
    assert (definition["label"], definition["content"]["subject"]) == ("First", "Other")
    other = {"channel": "sms", "content": {"body": "x"}}
    path_of_message = f"/api/campaign-messages/{message_id}"
    wrong = write(api, "PATCH", path_of_message, "campaign-message", id=message_id, definition=other)
    assert wrong.faults[0][0] == "/data/attributes/definition/channel"
    send(api, campaign_id)
    locked = write(api, "PATCH", path, "campaign", id=campaign_id, name="Late")
    assert locked.faults[0][1] == "A campaign with the status 'Sent' cannot be changed."
    assert write(api, "PATCH", path_of_message, "campaign-message", id=message_id, definition=message).status == 400
    assert assign(api, message_id, template(api)).status == 400


def test_assigned_templates_are_hidden_copies(api: Api) -> None:
    original = template(api, "<p>One</p>")
    _, message_id = campaign(api)
    assign(api, message_id, original)
    copied = api.get(f"/api/campaign-messages/{message_id}/relationships/template").data["id"]
    assert copied != original
    assert copied not in api.get("/api/templates").ids
    write(api, "PATCH", f"/api/templates/{original}", "template", id=original, html="<p>Two</p>")
    assert "One" in api.get(f"/api/campaign-messages/{message_id}/template").data["attributes"]["html"]
    assert write(api, "PATCH", f"/api/templates/{copied}", "template", id=copied, name="x").status == 404
    assert api("DELETE", f"/api/templates/{copied}").status == 409
    assert api("DELETE", f"/api/templates/{original}").status == 204
    assert assign(api, message_id, "NOPE01").status == 404
    assert assign(api, "01JNOPE", copied).errors[0]["detail"] == "A message with id '01JNOPE' does not exist."


def test_clone(api: Api) -> None:
    list_id, _ = people(api, "ann")
    campaign_id, message_id = campaign(api, list_id)
    send(api, campaign_id)
    reply = write(api, "POST", "/api/campaign-clone", "campaign", id=campaign_id, new_name="Again")
    assert (reply.status, reply.data["attributes"]["status"]) == (201, "Draft")
    copied = reply.data["relationships"]["campaign-messages"]["data"][0]["id"]
    assert copied != message_id
    assert api.get(f"/api/campaign-messages/{copied}/template").status == 200
    assert api.get(f"/api/campaign-messages/{copied}/campaign").data["id"] == reply.data["id"]
    send(api, reply.data["id"])
    assert status(api, reply.data["id"]) == "Cancelled: Smart Sending"  # she has just had the original


def test_tags_and_includes(api: Api) -> None:
    campaign_id, message_id = campaign(api)
    tag = write(api, "POST", "/api/tags", "tag", name="spring").data["id"]
    links = {"data": [{"type": "campaign", "id": campaign_id}]}
    assert api("POST", f"/api/tags/{tag}/relationships/campaigns", links).status == 204
    assert api.get(f"/api/campaigns/{campaign_id}/tags").ids == [tag]
    assert api.get(f"/api/campaigns/{campaign_id}/relationships/tags").ids == [tag]
    found = api.get(f"/api/campaigns/{campaign_id}", include="tags,campaign-messages").json
    assert [one["id"] for one in found["included"]] == [tag, message_id]
    listed = api.get(f"/api/campaigns/{campaign_id}/campaign-messages", include="campaign,template").json
    assert [one["type"] for one in listed["included"]] == ["campaign", "template"]


def test_deleting_takes_messages_and_copies_along(api: Api) -> None:
    campaign_id, message_id = campaign(api)
    copied = api.get(f"/api/campaign-messages/{message_id}/relationships/template").data["id"]
    assert api("DELETE", f"/api/campaigns/{campaign_id}").status == 204
    for path in (f"campaigns/{campaign_id}", f"campaign-messages/{message_id}", f"templates/{copied}"):
        assert api.get(f"/api/{path}").status == 404, path


@pytest.mark.parametrize(
    ("attributes", "pointer"),
    [
        ({"name": " "}, "/data/attributes/name"),
        ({"audiences": {"included": ["a"], "excluded": ["a"]}}, "/data/attributes/audiences"),
        ({"campaign__messages": {"data": []}}, "/data/attributes/campaign-messages/data"),
        (
            {"tracking_options": {"custom_tracking_params": [{"type": "static", "value": "v", "name": "utm_source"}]}},
            "/data/attributes/tracking_options/custom_tracking_params",
        ),
        ({"send_strategy": {"method": "throttled", "datetime": "2026-01-01T00:00:00Z", "throttle_percentage": 3}},
         "/data/attributes/send_strategy/throttle_percentage"),
        ({"send_strategy": {"method": "static", "datetime": "soon"}}, "/data/attributes/send_strategy/datetime"),
    ],
)  # fmt: skip
def test_refused(api: Api, attributes: dict[str, Any], pointer: str) -> None:
    reply = new_campaign(api, **attributes)
    assert reply.status == 400
    assert pointer in [where for where, _ in reply.faults]


def test_images_are_not_for_email(api: Api) -> None:
    refused = new_campaign(api, definition=EMAIL, image="123456789")
    where = ("/data/relationships/images/", "Image relationships are only supported for push and SMS messages")
    assert refused.faults == [where]
    unknown = new_campaign(api, definition={"channel": "sms", "content": {"body": "x"}}, image="123456789")
    assert unknown.status == 400


def test_defaults_of_each_channel(api: Api) -> None:
    push = {"channel": "mobile_push", "content": {"body": "Hi"}, "notification_type": "standard"}
    made = new_campaign(api, definition=push)
    message_id = made.data["relationships"]["campaign-messages"]["data"][0]["id"]
    assert api.get(f"/api/campaign-messages/{message_id}").data["attributes"]["definition"] == {
        "channel": "mobile_push",
        "notification_type": "standard",
        "content": {"title": None, "body": "Hi", "dynamic_image": None, "action_buttons": None},
        "kv_pairs": None,
        "options": {"on_open": None, "badge": None, "play_sound": False},
    }
    sms = new_campaign(api, definition={"channel": "sms", "content": {"body": "x"}}).data["attributes"]
    assert sms["send_options"] == {"use_smart_sending": True}
    assert sms["tracking_options"] == {"add_tracking_params": False, "custom_tracking_params": []}
    assert sms["send_strategy"] == {"method": "immediate"}


def test_a_campaign_for_thousands(api: Api) -> None:
    """More recipients than one slice of a send."""
    list_id = api.list()
    rows = [{"attributes": {"email": f"p{number:04}@shop.test"}} for number in range(450)]
    assert api.imports(*rows, lists=(list_id,)).status == 202
    campaign_id, _ = campaign(api, list_id)
    send(api, campaign_id)
    assert status(api, campaign_id) == "Sent"
    count = sum(len(page.data) for page in api.pages("/api/events", **{"page[size]": "200"}))
    assert count == 450
