"""Reports, computed from the events that are there (FACTS §9.14)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.sandbox.messages_api import campaign, email_action, flow, report, segment, send, write
from tests.sandbox.sandbox_api import Api, until

from clavichord.sandbox import inferred
from clavichord.sandbox.clock import VirtualClock
from clavichord.sandbox.resources.report_statistics import FORM_STATISTICS, MESSAGE_STATISTICS
from clavichord.sandbox.serve import running
from clavichord.spec import load

THURSDAY = int(datetime(2026, 5, 14, 12, tzinfo=UTC).timestamp()) * 1_000_000
DAY = 86_400


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(THURSDAY)


@pytest.fixture
def api(clock: VirtualClock) -> Iterator[Api]:
    """A shop that stands still on Thursday, 2026-05-14, at noon."""
    with running(limits="off", job_delay=0, clock=clock) as served:
        yield Api(served.base_url, "pk_reports")


def between(start: str, end: str) -> dict[str, str]:
    return {"start": f"{start}T00:00:00Z", "end": f"{end}T00:00:00Z"}


def metric(api: Api, name: str) -> str:
    ids = [one["id"] for one in api.get("/api/metrics").data if one["attributes"]["name"] == name]
    return str(ids[0]) if ids else "NOPE01"


def sold(api: Api, clock: VirtualClock) -> tuple[str, str]:
    """A campaign to four people: three open, one of them twice, two click, two order; one reported it, one left."""
    list_id = api.list()
    names = ("ann", "bob", "cid", "dan")
    api.join(list_id, *[api.profile(email=f"{name}@shop.test") for name in names])
    campaign_id, message_id = campaign(api, list_id, name="May sale")
    send(api, campaign_id)
    happened: list[tuple[float, str, str, dict[str, Any]]] = [
        (1, "Opened Email", "ann", {}),
        (2, "Opened Email", "ann", {}),
        (1, "Opened Email", "bob", {}),
        (3, "Opened Email", "cid", {}),
        (4, "Clicked Email", "ann", {}),
        (5, "Clicked Email", "bob", {}),
        (6, "Placed Order", "ann", {"value": 30.0}),
        (7, "Placed Order", "ann", {"value": 10.0}),
        (8, "Placed Order", "bob", {"value": 20.0}),
        (9, "Marked Email as Spam", "cid", {}),
        (9, "Unsubscribed", "cid", {}),
        (6 * 24, "Placed Order", "bob", {"value": 99.0}),  # more than five days after the click
        (8, "Placed Order", "dan", {"value": 99.0}),  # never opened anything
    ]
    for hours, name, person, attributes in happened:
        at = datetime.fromtimestamp(THURSDAY / 1e6 + hours * 3600, UTC).isoformat()
        properties = {} if name == "Placed Order" else {"$message": message_id}
        sent = api.event(name, email=f"{person}@shop.test", properties=properties, time=at, **attributes)
        assert sent.status == 202
    clock.advance(7 * DAY)
    return campaign_id, message_id


EVERYTHING = sorted(MESSAGE_STATISTICS)


def test_campaign_values(api: Api, clock: VirtualClock) -> None:
    campaign_id, message_id = sold(api, clock)
    order = metric(api, "Placed Order")
    reply = report(api, "campaign-values", statistics=EVERYTHING, conversion_metric_id=order)
    assert reply.status == 200, reply.body
    assert list(reply.data) == ["type", "id", "attributes", "relationships"]
    assert reply.data["relationships"] == {"campaigns": {"data": [{"type": "campaign", "id": campaign_id}]}}
    assert reply.json["links"] == {
        "self": "https://a.klaviyo.com/api/campaign-values-reports",
        "next": None,
        "prev": None,
    }
    (result,) = reply.data["attributes"]["results"]
    assert result["groupings"] == {
        "campaign_id": campaign_id,
        "campaign_message_id": message_id,
        "send_channel": "email",
    }
    found = result["statistics"]
    assert list(found) == EVERYTHING
    assert {name: value for name, value in found.items() if value} == {
        "average_order_value": 20.0,
        "click_rate": 0.5,
        "click_to_open_rate": pytest.approx(2 / 3),
        "clicks": 2,
        "clicks_unique": 2,
        "conversion_rate": 0.5,
        "conversion_uniques": 2,
        "conversion_value": 60.0,
        "conversions": 3,
        "delivered": 4,
        "delivery_rate": 1.0,
        "open_rate": 0.75,
        "opens": 4,
        "opens_unique": 3,
        "recipients": 4,
        "revenue_per_recipient": 15.0,
        "spam_complaint_rate": 0.25,
        "spam_complaints": 1,
        "unsubscribe_rate": 0.25,
        "unsubscribe_uniques": 1,
        "unsubscribes": 1,
    }


def test_conversions_of_a_custom_metric(api: Api, clock: VirtualClock) -> None:
    sold(api, clock)
    order, opened = metric(api, "Placed Order"), metric(api, "Opened Email")
    large = [{"property": "$value", "filter": {"type": "numeric", "operator": "greater-than", "value": 15}}]
    groups = [
        {"metric_id": order, "metric_filters": large, "value_property": "$value"},
        {"metric_id": opened, "value_property": "points"},
    ]

    def values(name: str, method: str, *groups: Any) -> dict[str, Any]:
        definition = {"aggregation_method": method, "metric_groups": list(groups)}
        made = write(api, "POST", "/api/custom-metrics", "custom-metric", name=name, definition=definition)
        asked = ["conversions", "conversion_uniques", "conversion_value"]
        found = report(api, "campaign-values", statistics=asked, conversion_metric_id=made.data["id"])
        (row,) = found.data["attributes"]["results"]
        statistics: dict[str, Any] = row["statistics"]
        return statistics

    assert values("Large", "value", groups[0]) == {"conversions": 2, "conversion_uniques": 2, "conversion_value": 50}
    assert values("Number", "count", groups[0])["conversion_value"] == 0
    assert values("Both", "value", *groups)["conversions"] == 2 + 4


def test_time_frames_go_by_the_date_of_sending(api: Api, clock: VirtualClock) -> None:
    sold(api, clock)  # sent on the 14th, it is the 21st now

    def opens(timeframe: Any) -> Any:
        reply = report(api, "campaign-values", statistics=["opens"], conversion_metric_id="x", timeframe=timeframe)
        assert reply.status == 200, reply.body
        results = reply.data["attributes"]["results"]
        return results[0]["statistics"]["opens"] if results else None

    for key in ("last_week", "this_month", "this_year", "last_30_days", "last_90_days", "last_365_days"):
        assert opens({"key": key}) == 4, key
    for key in ("last_3_months", "last_12_months"):
        assert opens({"key": key}) == 4, key
    for key in ("today", "yesterday", "this_week", "last_7_days", "last_month", "last_year"):
        assert opens({"key": key}) is None, key
    assert opens({"start": "2026-05-14T00:00:00Z", "end": "2026-05-15T00:00:00Z"}) == 4
    assert opens({"start": "2026-05-15T00:00:00Z", "end": "2026-05-16T00:00:00Z"}) is None
    clock.advance(7 * DAY)
    assert opens({"key": "last_week"}) is None
    clock.advance(7 * DAY)  # June
    assert opens({"key": "last_month"}) == 4
    clock.advance(30 * DAY)
    assert opens({"key": "last_month"}) is None


def test_bounces_and_named_attribution(api: Api, clock: VirtualClock) -> None:
    _, message_id = sold(api, clock)
    api.event("Bounced Email", email="eve@shop.test", properties={"$message": message_id})
    named = {"$attribution": {"$message": message_id}}
    api.event("Placed Order", email="dan@shop.test", properties=named, value=40.0, unique_id="late")
    statistics = ["recipients", "delivered", "bounced", "bounce_rate", "bounced_or_failed_rate", "conversions"]
    reply = report(api, "campaign-values", statistics=statistics, conversion_metric_id=metric(api, "Placed Order"))
    found = reply.data["attributes"]["results"][0]["statistics"]
    assert found == {
        "recipients": 5,
        "delivered": 4,
        "bounced": 1,
        "bounce_rate": 0.2,
        "bounced_or_failed_rate": 0.2,
        "conversions": 4,
    }


def test_filters_and_groups(api: Api, clock: VirtualClock) -> None:
    first, _ = sold(api, clock)
    list_id = api.list("Two")
    api.join(list_id, api.profile(email="zoe@shop.test"))
    second, _ = campaign(api, list_id, name="Other")
    send(api, second)
    for name in ("red", "blue"):
        tag = write(api, "POST", "/api/tags", "tag", name=name).data["id"]
        links = {"data": [{"type": "campaign", "id": first}]}
        assert api("POST", f"/api/tags/{tag}/relationships/campaigns", links).status == 204

    def lines(**attributes: Any) -> list[tuple[dict[str, Any], int]]:
        reply = report(api, "campaign-values", statistics=["recipients"], conversion_metric_id="x", **attributes)
        assert reply.status == 200, reply.body
        return [(one["groupings"], one["statistics"]["recipients"]) for one in reply.data["attributes"]["results"]]

    assert sorted(count for _, count in lines()) == [1, 4]
    assert [count for _, count in lines(filter=f'equals(campaign_id,"{first}")')] == [4]
    assert [
        count for _, count in lines(filter=f'contains-any(campaign_id,["{second}"]),equals(send_channel,"email")')
    ] == [1]
    assert lines(filter='equals(send_channel,"sms")') == []
    assert [count for _, count in lines(filter='contains-any(tag_name,["red","green"])')] == [4]
    assert [count for _, count in lines(filter='contains-all(tag_name,["red","blue"])')] == [4]
    assert lines(filter='contains-all(tag_name,["red","green"])') == []
    group_by = ["campaign_id", "campaign_message_id", "tag_name"]
    found = lines(group_by=group_by)
    assert [groupings["tag_name"] for groupings, _ in found] == ["blue", "red"]
    assert list(found[0][0]) == group_by
    names = lines(group_by=["campaign_message_id", "campaign_id", "campaign_message_name", "group_name", "variation"])
    assert {groupings["group_name"] for groupings, _ in names} == {"Newsletter", "Two"}


@pytest.mark.parametrize(
    ("kind", "attributes", "pointer"),
    [
        ("campaign-values", {"filter": "greater-than(campaign_id,'x')"}, "/filter"),
        ("campaign-values", {"filter": "equals(flow_id,'x')"}, "/filter"),
        ("campaign-values", {"filter": "equals(campaign_id,'x'),equals(campaign_id,'y')"}, "/filter"),
        ("campaign-values", {"filter": "equals(send_channel,'fax')"}, "/filter"),
        ("campaign-values", {"filter": "contains-any(campaign_id,[" + ",".join(["'x'"] * 101) + "])"}, "/filter"),
        ("campaign-values", {"filter": "equals("}, "/filter"),
        ("campaign-values", {"group_by": ["campaign_id"]}, "/group_by"),
        ("campaign-values", {"group_by": ["colour"]}, "/group_by/0"),
        ("campaign-values", {"statistics": ["luck"]}, "/statistics/0"),
        ("campaign-values", {"timeframe": {"key": "some_day"}}, "/timeframe/key"),
        ("campaign-values", {"timeframe": between("2026-01-02", "2026-01-01")}, "/timeframe/end"),
        ("campaign-values", {"timeframe": between("2024-01-01", "2026-01-01")}, "/timeframe"),
        ("flow-series", {"interval": "hourly"}, "/interval"),
        ("flow-series", {"interval": "daily", "timeframe": {"key": "last_90_days"}}, "/interval"),
        ("flow-series", {"interval": "yearly"}, "/interval"),
        ("flow-series", {}, "/interval"),
        ("form-values", {"statistics": ["submits"], "group_by": ["form_version_id"]}, "/group_by"),
        (
            "segment-values",
            {"statistics": ["total_members"], "timeframe": between("2023-01-01", "2023-07-01")},
            "/timeframe",
        ),
    ],
)  # fmt: skip
def test_refused(api: Api, kind: str, attributes: dict[str, Any], pointer: str) -> None:
    given: dict[str, Any] = {"statistics": ["opens"], "conversion_metric_id": "x"}
    if kind.startswith(("form", "segment")):
        del given["conversion_metric_id"]
    reply = report(api, kind, **(given | attributes))
    assert reply.status == 400
    assert f"/data/attributes{pointer}" in [where for where, _ in reply.faults]


def flow_events(api: Api) -> tuple[str, str]:
    """A flow whose message two people got, on different days; one opened it late."""
    made = flow(api, email_action("mail"))
    message_id = str(made["attributes"]["definition"]["actions"][0]["data"]["message"]["id"])
    for name, person, day in (
        ("Received Email", "ann", 10),
        ("Received Email", "bob", 12),
        ("Opened Email", "ann", 13),
        ("Placed Order", "ann", 14),
    ):
        api.event(
            name, email=f"{person}@shop.test", properties={"$message": message_id}, time=f"2026-05-{day}T10:00:00Z",
            unique_id=f"{message_id} {name} {person}",
            **({"value": 5.0} if name == "Placed Order" else {}),
        )  # fmt: skip
    return str(made["id"]), message_id


def test_flow_values_and_series(api: Api) -> None:
    flow_id, message_id = flow_events(api)
    shared: dict[str, Any] = {
        "statistics": ["recipients", "opens", "conversion_value"],
        "conversion_metric_id": metric(api, "Placed Order"),
    }
    values = report(api, "flow-values", **shared)
    assert values.data["attributes"]["results"] == [
        {
            "groupings": {"flow_id": flow_id, "flow_message_id": message_id, "send_channel": "email"},
            "statistics": {"recipients": 2, "opens": 1, "conversion_value": 5.0},
        }
    ]
    related = values.data["relationships"]
    assert related == {
        "flows": {"data": [{"type": "flow", "id": flow_id}]},
        "flow-messages": {"data": [{"type": "flow-message", "id": message_id}]},
    }
    timeframe = {"start": "2026-05-10T00:00:00Z", "end": "2026-05-13T00:00:00Z"}
    series = report(api, "flow-series", interval="daily", timeframe=timeframe, **shared).data["attributes"]
    assert list(series) == ["results", "date_times"]
    assert series["date_times"] == [f"2026-05-{day}T00:00:00+00:00" for day in (10, 11, 12)]
    assert series["results"][0]["statistics"] == {
        "recipients": [1, 0, 1],
        "opens": [1, 0, 0],
        "conversion_value": [5.0, 0.0, 0.0],
    }


def test_intervals(api: Api) -> None:
    flow_events(api)

    def times(interval: str, start: str, end: str) -> list[str]:
        timeframe = {"start": start, "end": end}
        reply = report(
            api, "flow-series", interval=interval, timeframe=timeframe, statistics=["opens"], conversion_metric_id="x"
        )
        assert reply.status == 200, reply.body
        found: list[str] = reply.data["attributes"]["date_times"]
        return found

    assert times("weekly", "2026-05-06T00:00:00Z", "2026-05-12T00:00:00Z") == [
        "2026-05-04T00:00:00+00:00",
        "2026-05-11T00:00:00+00:00",
    ]
    assert times("monthly", "2025-11-20T00:00:00Z", "2026-02-01T00:00:01Z") == [
        f"{month}-01T00:00:00+00:00" for month in ("2025-11", "2025-12", "2026-01", "2026-02")
    ]
    assert len(times("hourly", "2026-05-06T00:00:00Z", "2026-05-13T00:00:00Z")) == 7 * 24
    for key, interval in (("last_7_days", "hourly"), ("last_30_days", "daily"), ("last_12_months", "monthly")):
        named = report(
            api,
            "flow-series",
            interval=interval,
            timeframe={"key": key},
            statistics=["opens"],
            conversion_metric_id="x",
        )
        assert named.status == 200, key


def test_pages(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        flow_events(api)
    monkeypatch.setattr(inferred, "REPORT_PAGE", 2)
    shared: dict[str, Any] = {"statistics": ["opens"], "conversion_metric_id": "x"}
    first = report(api, "flow-values", **shared)
    assert len(first.data["attributes"]["results"]) == 2
    query = first.json["links"]["next"].partition("?")[2]
    assert query.startswith("page_cursor=")
    second = report(api, "flow-values", query, **shared)
    assert len(second.data["attributes"]["results"]) == 1
    assert second.json["links"]["next"] is None and second.json["links"]["prev"]
    assert report(api, "flow-values", "page_cursor=nonsense", **shared).faults == [("page_cursor", "Invalid cursor.")]


def test_forms(api: Api) -> None:
    for name, person, form, version in (
        ("Viewed Form", "ann", "F1", "11"),
        ("Viewed Form", "ann", "F1", "12"),
        ("Viewed Form", "bob", "F1", "11"),
        ("Submitted Form", "bob", "F1", "11"),
        ("Closed Form", "ann", "F2", "21"),
    ):
        unique = f"{name}{person}{version}"
        properties = {"form_id": form, "form_version_id": version}
        api.event(name, email=f"{person}@shop.test", properties=properties, unique_id=unique)
    statistics = ["viewed_form", "viewed_form_uniques", "submits", "submit_rate", "closed_form"]
    values = report(api, "form-values", statistics=statistics)
    assert values.json["links"] == {"self": "https://a.klaviyo.com/api/form-values-reports"}
    assert [(one["groupings"], list(one["statistics"].values())) for one in values.data["attributes"]["results"]] == [
        ({"form_id": "F1"}, [3, 2, 1, pytest.approx(1 / 3), 0]),
        ({"form_id": "F2"}, [0, 0, 0, 0.0, 1]),
    ]
    by = ["form_id", "form_version_id"]
    found = report(api, "form-values", statistics=["viewed_form"], group_by=by, filter='any(form_id,["F1"])')
    assert [one["groupings"]["form_version_id"] for one in found.data["attributes"]["results"]] == ["11", "12"]
    series = report(api, "form-series", statistics=["submits"], interval="daily", timeframe={"key": "last_7_days"})
    assert series.data["attributes"]["results"][0]["statistics"] == {"submits": [0] * 6 + [1]}


def test_segments(api: Api, clock: VirtualClock) -> None:
    segment_id = segment(api, "Ann")
    api.profile(email="ann@shop.test", first_name="Ann")
    until(lambda: api.get(f"/api/segments/{segment_id}/profiles").ids)
    clock.advance(2 * DAY)
    api.profile(email="anne@shop.test", first_name="Ann")
    statistics = ["members_added", "members_removed", "net_members_changed", "total_members"]
    values = report(api, "segment-values", statistics=statistics, filter=f'equals(segment_id,"{segment_id}")')
    assert values.data["attributes"]["results"] == [
        {"groupings": {"segment_id": segment_id}, "statistics": dict(zip(statistics, (2, 0, 2, 2), strict=True))}
    ]
    timeframe = {"start": "2026-05-14T00:00:00Z", "end": "2026-05-17T00:00:00Z"}
    series = report(api, "segment-series", statistics=statistics, interval="daily", timeframe=timeframe)
    assert series.data["attributes"]["results"][0]["statistics"]["total_members"] == [1, 1, 2]
    assert report(api, "segment-values", statistics=statistics, filter='any(segment_id,["X"])').data["attributes"] == {
        "results": []
    }


def test_every_statistic_of_the_catalogue_is_computed() -> None:
    catalogue = load()
    for name, known in (("Campaign", MESSAGE_STATISTICS), ("Flow", MESSAGE_STATISTICS), ("Form", FORM_STATISTICS)):
        schema = catalogue.schema(f"{name}ValuesRequestDTOResourceObject")["properties"]["attributes"]
        assert set(known) == set(schema["properties"]["statistics"]["items"]["enum"]), name
