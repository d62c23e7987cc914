"""Events and metrics."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.sandbox.sandbox_api import Api, event


def bulk(*entries: tuple[str, list[dict[str, Any]]], backfill: bool = False) -> dict[str, Any]:
    """(e-mail, attributes of its events) → the body of a bulk job"""
    data = []
    for email, events in entries:
        rows = []
        for attributes in events:
            metric = {"data": {"type": "metric", "attributes": {"name": attributes.pop("metric", "Placed Order")}}}
            rows.append({"type": "event", "attributes": {"properties": {}, "metric": metric, **attributes}})
        profile = {"data": {"type": "profile", "attributes": {"email": email}}}
        entry = {"profile": profile, "events": {"data": rows}, "backfill": backfill}
        data.append({"type": "event-bulk-create", "attributes": entry})
    return {"data": {"type": "event-bulk-create-job", "attributes": {"events-bulk-create": {"data": data}}}}


def test_event_makes_profile_and_metric_and_moves_last_event_date(api: Api) -> None:
    assert api.event(email="New@shop.test", time="2026-01-02T03:04:05+01:00", properties={"b": 1, "a": 2}).status == 202
    found = api.get("/api/events").data[0]
    assert found["attributes"]["datetime"] == "2026-01-02T02:04:05+00:00"
    assert found["attributes"]["timestamp"] == 1767319445
    assert list(found["attributes"]["event_properties"].items()) == [("b", 1), ("a", 2), ("$event_id", "1767319445")]
    person = api.person("new@shop.test")
    assert person and person["last_event_date"] == "2026-01-02T02:04:05+00:00"
    metric = api.get("/api/metrics").data[0]
    assert metric["attributes"]["integration"]["key"] == "api"
    assert api.get(f"/api/metrics/{metric['id']}").data["attributes"]["name"] == "Placed Order"
    api.event(email="new@shop.test", time="2025-01-01", unique_id="older")
    person = api.person("new@shop.test")
    assert person and person["last_event_date"] == "2026-01-02T02:04:05+00:00"


def test_unique_id_counts_per_profile_and_metric(api: Api) -> None:
    for email, metric, value in [("a", "X", 1), ("a", "X", 2), ("b", "X", 3), ("a", "Y", 4)]:
        assert api.event(metric, email=f"{email}@shop.test", unique_id="u", value=value).status == 202
    values = sorted(row["attributes"]["event_properties"]["$value"] for row in api.get("/api/events").data)
    assert values == [1, 3, 4]


def test_without_unique_id_a_second_holds_one_event(api: Api) -> None:
    for value in (1, 2):
        api.event(email="a@shop.test", time="2026-01-01T00:00:00.25Z", value=value)
    assert len(api.get("/api/events").data) == 1


def test_metrics_that_had_values_show_zero_for_none(api: Api) -> None:
    api.event(email="a@shop.test", unique_id="1")
    api.event(email="a@shop.test", unique_id="2", value=0.5)
    api.event(email="a@shop.test", unique_id="3")
    rows = [row["attributes"]["event_properties"] for row in api.get("/api/events").data]
    assert {row["$event_id"]: row.get("$value", "none") for row in rows} == {"1": "none", "2": 0.5, "3": 0}


@pytest.mark.parametrize("address", ["jo@example.com", "jo@TEST.com"])
def test_test_addresses_are_dropped_silently(api: Api, address: str) -> None:
    assert api.event(email=address).status == 202
    assert api("POST", "/api/event-bulk-create-jobs", bulk((address, [{}]))).status == 202
    assert api.get("/api/events").data == api.get("/api/profiles").data == api.get("/api/metrics").data == []


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"time": "1989-01-01"}, "/data/attributes/time"),
        ({"time": "2199-01-01"}, "/data/attributes/time"),
        ({"time": "yesterday"}, "/data/attributes/time"),
        ({"unique_id": ""}, "/data/attributes/unique_id"),
        ({"unique_id": "x" * 256}, "/data/attributes/unique_id"),
        ({"value": "12"}, "/data/attributes/value"),
        ({"value": True}, "/data/attributes/value"),
        ({"value_currency": "euro"}, "/data/attributes/value_currency"),
        ({"properties": {"n": 2**63}}, "/data/attributes/properties/n"),
        ({"properties": {"s": "x" * 100_001}}, "/data/attributes/properties/s"),
        ({"properties": {"a": [0] * 4001}}, "/data/attributes/properties/a"),
        ({"properties": {f"p{number}": 0 for number in range(401)}}, "/data/attributes/properties"),
        (
            {"metric": {"data": {"type": "metric", "attributes": {"name": "x" * 128}}}},
            "/data/attributes/metric/data/attributes/name",
        ),
        ({"metric": {"data": {"type": "metric", "attributes": {}}}}, "/data/attributes/metric/data/attributes/name"),
        ({"profile": {"data": {"type": "profile", "attributes": {}}}}, "/data/attributes/profile/data/attributes"),
        ({"surprise": 1}, "/data/attributes/surprise"),
    ],
)
def test_refused_events_leave_nothing(api: Api, change: dict[str, Any], where: str) -> None:
    body = event("Placed Order", email="a@shop.test")
    body["data"]["attributes"] |= change
    reply = api("POST", "/api/events", body)
    assert (reply.status, [at for at, _ in reply.faults]) == (400, [where])
    assert api.get("/api/profiles").data == []


def test_properties_nest_ten_levels(api: Api) -> None:
    deep: Any = 1
    for _ in range(10):
        deep = {"x": deep}
    assert api.event(email="a@shop.test", properties={"p": deep}).status == 202
    assert api.event(email="a@shop.test", properties={"p": {"x": deep}}).status == 400


def test_event_changes_its_profile_and_takes_nobodys_identifier(api: Api) -> None:
    ann = api.profile(email="ann@shop.test")
    api.profile(email="bob@shop.test", external_id="bob")
    body = event("X", email="ann@shop.test")
    body["data"]["attributes"]["profile"]["data"]["attributes"] |= {
        "first_name": "Ann",
        "external_id": "bob",
        "last_name": None,
    }
    assert api("POST", "/api/events", body).status == 202
    attributes = api.get(f"/api/profiles/{ann}").data["attributes"]
    assert (attributes["first_name"], attributes["external_id"]) == ("Ann", None)
    assert api.get("/api/events").data[0]["relationships"]["profile"]["data"]["id"] == ann


def test_reading_one_event_and_its_neighbours(api: Api) -> None:
    api.event(email="a@shop.test")
    found = api.get("/api/events").data[0]
    event_id, metric_id = found["id"], found["relationships"]["metric"]["data"]["id"]
    profile_id = found["relationships"]["profile"]["data"]["id"]
    reply = api.get(f"/api/events/{event_id}", include="profile,metric")
    assert [(one["type"], one["id"]) for one in reply.json["included"]] == [
        ("profile", profile_id),
        ("metric", metric_id),
    ]
    assert api.get(f"/api/events/{event_id}/metric").data["id"] == metric_id
    assert api.get(f"/api/events/{event_id}/relationships/metric").data == {"type": "metric", "id": metric_id}
    assert api.get(f"/api/events/{event_id}/profile").data["id"] == profile_id
    assert api.get(f"/api/events/{event_id}/relationships/profile").data == {"type": "profile", "id": profile_id}
    assert api.get("/api/events/NOPE01").faults == [("/data/id", "Invalid Event ID: 'NOPE01'")]
    assert api.get("/api/events/" + "2" * 11).status == 404


def test_include_follows_events_then_its_own_order(api: Api) -> None:
    api.event("X", email="a@shop.test", time="2026-01-03")
    api.event("Y", email="a@shop.test", time="2026-01-02")
    kinds = [one["type"] for one in api.get("/api/events", include="metric,profile", sort="-datetime").json["included"]]
    assert kinds == ["metric", "profile", "metric"]


def test_bulk_job_stores_all_events(api: Api) -> None:
    entries = [
        (
            f"p{number}@shop.test",
            [{"unique_id": f"{number}-{row}", "value": row, "time": "1997-01-01"} for row in range(10)],
        )
        for number in range(100)
    ]
    assert api("POST", "/api/event-bulk-create-jobs", bulk(*entries, backfill=True)).status == 202
    assert sum(len(page.data) for page in api.pages("/api/events", **{"page[size]": "300"})) == 1000


def test_bulk_job_is_refused_as_a_whole(api: Api) -> None:
    rows = [{"unique_id": "a"}, {"unique_id": "b"}]
    reply = api(
        "POST", "/api/event-bulk-create-jobs", bulk(("a@shop.test", rows), ("A@shop.test", [{"unique_id": "a"}]))
    )
    at = "/data/attributes/events-bulk-create/data/1/attributes/events/data/0/attributes/unique_id"
    assert [where for where, _ in reply.faults] == [at]
    twice = [{"unique_id": "a"}, {"unique_id": "a", "metric": "Other"}]
    assert api("POST", "/api/event-bulk-create-jobs", bulk(("a@shop.test", twice))).status == 202
    many = [{"unique_id": str(number)} for number in range(1001)]
    assert api("POST", "/api/event-bulk-create-jobs", bulk(("a@shop.test", many))).status == 400
    assert len(api.get("/api/events").data) == 2


def test_default_time_is_now(api: Api) -> None:
    before = int(time.time())
    api.event(email="a@shop.test")
    assert before <= api.get("/api/events").data[0]["attributes"]["timestamp"] <= int(time.time())


def test_metrics_are_unique_by_name_and_integration_and_sorted_by_id(api: Api) -> None:
    for name in ("A", "B", "a", "A"):
        api.event(name, email="a@shop.test")
    for service in ("shop", "klaviyo"):  # what is no integration counts as the API
        body = event("A", email="a@shop.test")
        body["data"]["attributes"]["metric"]["data"]["attributes"]["service"] = service
        api("POST", "/api/events", body)
    ids = api.get("/api/metrics").ids
    assert len(ids) == 4
    assert ids == sorted(ids)
    assert len(api.get("/api/metrics", filter='equals(integration.name,"API")').data) == 3
    assert api.get("/api/metrics/NOPE01").faults == [("/data/", "Metric with id NOPE01 does not exist.")]
