"""When a message reaches whom: local and smart times, throttling, A/B tests, priorities, exits (FACTS §9.6, App. H)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.sandbox.messages_api import campaign, report, send, status, template, write
from tests.sandbox.omni_api import (
    EMAIL,
    NOON,
    Omni,
    Stopped,
    change,
    message_of,
    new_omni,
    omni,
    people,
    schedule,
    unschedule,
    variation,
)
from tests.sandbox.sandbox_api import Api

from clavichord.sandbox.clock import VirtualClock
from clavichord.sandbox.serve import running

LOCAL_9 = {"method": "static", "datetime": "2026-05-05T09:00:00+00:00", "options": {"is_local": True}}


@pytest.fixture
def stopped() -> Iterator[Stopped]:
    clock = VirtualClock(NOON)
    with running(limits="off", job_delay=0, clock=clock) as served:
        yield Stopped(served, clock)


def travellers(api: Api, **zones: str | None) -> str:
    """A list of people who live in these time zones."""
    list_id = api.list(opt_in_process="single_opt_in")
    for name, zone in zones.items():
        location = {"location": {"timezone": zone}} if zone else {}
        api.join(list_id, api.profile(email=f"{name}@shop.test", first_name=name.title(), **location))
    return list_id


def opened(stopped: Stopped, message_id: str, name: str, metric: str = "Opened Email", **more: Any) -> None:
    reply = stopped.older.event(metric, email=f"{name}@shop.test", properties={"$message": message_id}, **more)
    assert reply.status == 202, reply.body


def test_everybody_gets_it_at_nine_in_the_morning(stopped: Stopped) -> None:
    zones = {"yui": "Asia/Tokyo", "ann": "Europe/Berlin", "bob": "America/New_York", "cid": None, "dan": "Mars/Base"}
    list_id = travellers(stopped.older, **zones)
    campaign_id, _ = campaign(stopped.older, list_id, send_strategy=LOCAL_9)
    send(stopped.older, campaign_id)
    assert status(stopped.older, campaign_id) == "Scheduled"
    stopped.advance("12h")
    assert (status(stopped.older, campaign_id), stopped.got()) == ("Sending", [("yui", "05 00:00")])
    stopped.advance("24h")
    assert stopped.got() == [
        ("yui", "05 00:00"),
        ("ann", "05 07:00"),
        ("cid", "05 09:00"),
        ("dan", "05 09:00"),
        ("bob", "05 13:00"),
    ]
    assert status(stopped.older, campaign_id) == "Sent"


@pytest.mark.parametrize(("immediately", "yui"), [(True, "04 12:00"), (False, "05 03:00")])
def test_a_local_time_that_has_passed(stopped: Stopped, immediately: bool, yui: str) -> None:
    """Noon in London is nine in the evening in Tokyo."""
    list_id = travellers(stopped.older, yui="Asia/Tokyo", ann="UTC")
    strategy = {
        "method": "static",
        "datetime": "2026-05-04T12:00:00+00:00",
        "options": {"is_local": True, "send_past_recipients_immediately": immediately},
    }
    campaign_id, _ = campaign(stopped.older, list_id, send_strategy=strategy)
    send(stopped.older, campaign_id)
    stopped.advance("2d")
    assert sorted(stopped.got()) == [("ann", "04 12:00"), ("yui", yui)]


@pytest.mark.parametrize(("tomorrow", "yui"), [(None, "04 12:00"), (False, "04 12:00"), (True, "05 04:00")])
def test_tomorrow_in_the_words_of_the_newer_revision(stopped: Stopped, tomorrow: bool | None, yui: str) -> None:
    made = omni(stopped.newer, travellers(stopped.newer, yui="Asia/Tokyo", bob="America/New_York"))
    options = {} if tomorrow is None else {"timezone_options": {"send_past_timezones_tomorrow": tomorrow}}
    schedule(stopped.newer, made.messages[0], "local_timezone", send_time="2026-05-04T13:00:00Z", **options)
    stopped.advance("2d")
    assert sorted(stopped.got()) == [("bob", "04 17:00"), ("yui", yui)]


def test_who_may_no_longer_be_written_to_gets_nothing(stopped: Stopped) -> None:
    list_id = travellers(stopped.older, yui="Asia/Tokyo", ann="Europe/Berlin", bob="America/New_York")
    campaign_id, _ = campaign(stopped.older, list_id, send_strategy=LOCAL_9)
    send(stopped.older, campaign_id)
    stopped.advance("12h")
    stopped.older.suppress("create", "bob@shop.test")
    stopped.older.join(list_id, stopped.older.profile(email="late@shop.test"))
    stopped.advance("2d")
    assert stopped.got() == [("yui", "05 00:00"), ("ann", "05 07:00")]
    assert [one.reason for one in stopped.sent() if one.status == "skipped"] == ["Not permitted any more"]
    assert status(stopped.older, campaign_id) == "Sent"


def test_smart_times_are_the_hours_of_reading(stopped: Stopped) -> None:
    list_id = travellers(stopped.older, ann="UTC", bob="UTC")
    for time in ("2026-05-01T07:10:00Z", "2026-05-02T07:50:00Z", "2026-05-03T22:00:00Z"):
        opened(stopped, "x", "ann", time=time)
    campaign_id, message_id = campaign(
        stopped.older, list_id, send_strategy={"method": "smart_send_time", "date": "2026-05-06"}
    )
    send(stopped.older, campaign_id)
    assert message_of(stopped.newer, message_id)["send_options"]["send_strategy"] == "send_time_optimization"
    stopped.advance("4d")
    times = dict(stopped.got())
    assert times["ann"] == "06 07:00"
    assert times["bob"].startswith("06 ") and times["bob"].endswith(":00")


def test_throttled_messages_go_out_in_batches(stopped: Stopped) -> None:
    list_id = people(stopped.older, "ann", "bob", "cid", "dan", "eve")
    strategy = {"method": "throttled", "datetime": "2026-05-04T13:00:00Z", "throttle_percentage": 33}
    campaign_id, _ = campaign(stopped.older, list_id, send_strategy=strategy)
    send(stopped.older, campaign_id)
    stopped.advance("1d")
    assert [time for _, time in stopped.got()] == ["04 13:00"] * 2 + ["04 14:00"] * 2 + ["04 15:00"]
    made = omni(stopped.newer, list_id)
    change(stopped.newer, "campaign-message", made.messages[0], send_options={"throttling_type": "none"})
    schedule(
        stopped.newer, made.messages[0], "throttled", send_time="2026-05-06T00:00:00Z",
        throttled_options={"throttling_percentage": 50, "throttle_unit": "minute"},
    )  # fmt: skip
    stopped.advance("12h")
    assert len(stopped.got()) == 8
    assert unschedule(stopped.newer, made.messages[0], "revert").status == 400
    assert unschedule(stopped.newer, made.messages[0], "cancel").status == 204
    stopped.advance("1d")
    assert len(stopped.got()) == 8
    assert (status(stopped.older, made.id), message_of(stopped.newer, made.messages[0])["status"]) == (
        "Cancelled",
        "cancelled",
    )
    assert sum(one.reason == "Cancelled" for one in stopped.sent()) == 2


def test_a_sending_campaign_is_cancelled_by_its_job(stopped: Stopped) -> None:
    list_id = people(stopped.older, "ann", "bob")
    strategy = {"method": "throttled", "datetime": "2026-05-04T12:00:00Z", "throttle_percentage": 50}
    campaign_id, _ = campaign(stopped.older, list_id, send_strategy=strategy)
    send(stopped.older, campaign_id)
    assert status(stopped.older, campaign_id) == "Sending"
    path, kind = f"/api/campaign-send-jobs/{campaign_id}", "campaign-send-job"
    assert stopped.older.get(path).data["attributes"] == {"status": "processing"}
    assert write(stopped.older, "PATCH", path, kind, id=campaign_id, action="revert").status == 400
    assert write(stopped.older, "PATCH", path, kind, id=campaign_id, action="cancel").status == 204
    stopped.advance("1d")
    assert (len(stopped.got()), status(stopped.older, campaign_id)) == (1, "Cancelled")


def ab_test(api: Api, list_id: str, **definition: Any) -> Omni:
    mail = EMAIL | {"template_id": template(api)}
    variations = [variation(mail | {"subject": name}, name) for name in ("A", "B")]
    made = Omni(new_omni(api, [{"included": [list_id]}], [{"variations": variations}]))
    if definition:
        assert change(api, "campaign-message", made.messages[0], **definition).status == 200
    return made


def test_variations_share_the_audience(stopped: Stopped) -> None:
    list_id = people(stopped.newer, *(f"p{number}" for number in range(8)))
    made = ab_test(stopped.newer, list_id)
    assert stopped.older.get(f"/api/campaigns/{made.id}").data["attributes"]["send_strategy"] == {
        "method": "ab_test_campaign"
    }
    schedule(stopped.newer, made.messages[0], send_time="2026-05-04T13:00:00Z")
    assert message_of(stopped.newer, made.messages[0])["send_options"]["send_strategy"] == "content_variation"
    stopped.advance("2h")
    assert sorted(one.subject for one in stopped.sent()) == ["A"] * 4 + ["B"] * 4
    reader = next(one for one in stopped.sent() if one.subject == "B")
    opened(stopped, made.messages[0], reader.recipient.partition("@")[0])
    asked: dict[str, Any] = {
        "statistics": ["recipients", "opens"],
        "conversion_metric_id": "X",
        "group_by": ["campaign_id", "campaign_message_id", "variation_name"],
    }
    results = report(stopped.newer, "campaign-values", **asked).data["attributes"]["results"]
    assert {one["groupings"]["variation_name"]: one["statistics"] for one in results} == {
        "A": {"recipients": 4, "opens": 0},
        "B": {"recipients": 4, "opens": 1},
    }


@pytest.mark.parametrize(
    ("metric", "event", "named"),
    [("opens_unique", "Opened Email", True), ("clicks_unique", "Clicked Email", True),
     ("placed_orders_unique", "Placed Order", False)],
)  # fmt: skip
def test_the_better_variation_wins(stopped: Stopped, metric: str, event: str, named: bool) -> None:
    list_id = people(stopped.newer, *(f"p{number}" for number in range(10)))
    test = {"winner_metric": metric, "winner_percentage": 60, "winner_wait_hours": 4}
    made = ab_test(stopped.newer, list_id, ab_test=test)
    schedule(stopped.newer, made.messages[0], send_time="2026-05-04T13:00:00Z")
    stopped.advance("2h")
    first = stopped.sent()
    assert sorted(one.subject for one in first if one.status == "sent") == ["A", "A", "B", "B"]
    assert (status(stopped.older, made.id), message_of(stopped.newer, made.messages[0])["status"]) == (
        "Variations Sent",
        "sending",
    )
    for one in first:
        if one.subject == "B":
            opened(stopped, made.messages[0] if named else "", one.recipient.partition("@")[0], event)
    stopped.advance("4h")
    assert sorted(one.subject for one in stopped.sent()) == ["A"] * 2 + ["B"] * 8
    assert [time for _, time in stopped.got()] == ["04 13:00"] * 4 + ["04 17:00"] * 6
    assert status(stopped.older, made.id) == "Sent"


def test_variations_at_times_of_their_own(stopped: Stopped) -> None:
    list_id = people(stopped.newer, "ann", "bob")
    made = ab_test(stopped.newer, list_id)
    path = f"/api/campaign-messages/{made.messages[0]}/relationships/campaign-variations"
    times = dict(zip(stopped.newer.get(path).ids, ("2026-05-04T15:00:00Z", "2026-05-04T20:00:00Z"), strict=True))
    options = {"send_strategy": "ab_send_time_test", "send_times": times}
    assert change(stopped.newer, "campaign-message", made.messages[0], send_options=options).status == 200
    send(stopped.newer, made.id)
    stopped.advance("1d")
    assert [(one.subject, time) for one, (_, time) in zip(stopped.sent(), stopped.got(), strict=True)] == [
        ("A", "04 15:00"),
        ("B", "04 20:00"),
    ]


def test_a_share_of_the_recipients(stopped: Stopped) -> None:
    made = omni(stopped.newer, people(stopped.newer, "ann", "bob", "cid", "dan"))
    change(stopped.newer, "campaign-message", made.messages[0], send_options={"recipient_percentage": 50})
    send(stopped.newer, made.id)
    assert len(stopped.got()) == 2


def test_the_first_audience_has_its_people_to_itself(stopped: Stopped) -> None:
    both, other = people(stopped.newer, "ann"), people(stopped.newer, "bob")
    stopped.newer.join(other, stopped.newer.get("/api/profiles", filter='equals(email,"ann@shop.test")').ids[0])
    mail = EMAIL | {"template_id": template(stopped.newer)}
    messages = [
        {"audience_temporary_id": str(number), "variations": [variation(mail | {"subject": str(number)})]}
        for number in range(2)
    ]
    made = Omni(new_omni(stopped.newer, [{"included": [both]}, {"included": [other]}], messages))
    for priority, audience_id in enumerate(made.audiences):
        change(stopped.newer, "campaign-audience", audience_id, priority=priority + 1)
    kind = "campaign-recipient-estimation-job"
    write(stopped.newer, "POST", f"/api/{kind}s", kind, id=made.id)
    estimated = stopped.newer.get(f"/api/campaign-recipient-estimations/{made.id}").data["attributes"]
    assert estimated == {"estimated_recipient_count": 2}
    send(stopped.newer, made.id)
    assert sorted((one.recipient, one.subject) for one in stopped.sent()) == [
        ("ann@shop.test", "0"),
        ("bob@shop.test", "1"),
    ]


def test_who_bought_gets_no_reminder(stopped: Stopped) -> None:
    list_id = people(stopped.newer, "ann", "bob")
    stopped.newer.event("Placed Order", email="ann@shop.test", time="2026-05-01T00:00:00Z")
    metric_id = stopped.newer.get("/api/metrics").ids[0]
    mail = EMAIL | {"template_id": template(stopped.newer)}
    settings = {"exit_condition_enabled": True, "exit_condition_conversion_metric_id": metric_id}
    messages = [{"variations": [variation(mail)]}, {"variations": [variation(mail)]}]
    made = Omni(new_omni(stopped.newer, [{"included": [list_id]}], messages, send_settings=settings))
    schedule(stopped.newer, made.messages[0], send_time="2026-05-04T13:00:00Z")
    schedule(stopped.newer, made.messages[1], send_time="2026-05-06T13:00:00Z")
    stopped.advance("1d")
    stopped.newer.event("Placed Order", email="bob@shop.test")
    stopped.advance("2d")
    assert stopped.got() == [("ann", "04 13:00"), ("bob", "04 13:00"), ("ann", "06 13:00")]
    assert [one.reason for one in stopped.sent() if one.status == "skipped"] == ["Exit Condition"]


def test_what_is_still_to_be_sent_is_part_of_the_state(stopped: Stopped) -> None:
    """So that a snapshot takes it along."""
    list_id = travellers(stopped.older, ann="UTC", bob="America/New_York")
    campaign_id, _ = campaign(stopped.older, list_id, send_strategy=LOCAL_9)
    send(stopped.older, campaign_id)
    stopped.advance("22h")
    assert stopped.older("PUT", "/_sandbox/snapshots/half").status == 200
    stopped.advance("1d")
    assert len(stopped.got()) == 2
    assert stopped.older("POST", "/_sandbox/snapshots/half").status == 200
    assert stopped.got() == [("ann", "05 09:00")]
    stopped.advance("1d")
    assert stopped.got() == [("ann", "05 09:00"), ("bob", "05 13:00")]
