"""Metric aggregates are what one would count by hand."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sandbox.sandbox_api import Api, Reply

SINCE, UNTIL = "greater-or-equal(datetime,2026-03-01T00:00:00)", "less-than(datetime,2026-03-04T00:00:00)"


@pytest.fixture
def order(api: Api) -> str:
    for number, (name, time, value, properties) in enumerate(
        [
            ("a", "2026-03-01T00:30:00Z", 10, {"URL": "/x"}),
            ("a", "2026-03-01T23:30:00Z", 5.5, {"URL": "/y", "$message": "M1"}),
            ("b", "2026-03-01T12:00:00Z", 1, {"URL": "/x", "$message": "M1"}),
            ("b", "2026-03-03T23:59:59Z", 2, {"URL": "/x", "Bot Click": False}),
            ("c", "2026-03-04T00:00:00Z", 100, {"URL": "/x"}),
            ("c", "2026-02-28T23:59:59Z", 100, {"URL": "/x"}),
        ]
    ):
        reply = api.event(
            "Order", email=f"{name}@shop.test", time=time, value=value, unique_id=str(number), properties=properties
        )
        assert reply.status == 202
    api.event("Other", email="a@shop.test", time="2026-03-02", value=1000)
    return str(next(row["id"] for row in api.get("/api/metrics").data if row["attributes"]["name"] == "Order"))


def query(api: Api, metric_id: str, *filters: str, **more: Any) -> Reply:
    attributes = {"metric_id": metric_id, "measurements": ["count"], "filter": list(filters or (SINCE, UNTIL)), **more}
    return api("POST", "/api/metric-aggregates", {"data": {"type": "metric-aggregate", "attributes": attributes}})


def test_all_measurements_by_day(api: Api, order: str) -> None:
    reply = query(api, order, measurements=["count", "sum_value", "unique"])
    assert reply.status == 200, reply.body
    assert reply.data["attributes"] == {
        "dates": ["2026-03-01T00:00:00+00:00", "2026-03-02T00:00:00+00:00", "2026-03-03T00:00:00+00:00"],
        "data": [
            {
                "dimensions": [],
                "measurements": {
                    "count": [3.0, 0.0, 1.0],
                    "sum_value": [16.5, 0.0, 2.0],
                    "unique": [2.0, 0.0, 1.0],
                },
            }
        ],
    }


@pytest.mark.parametrize(
    ("interval", "zone", "dates", "counts"),
    [
        ("week", "UTC", ["2026-02-23T00:00:00", "2026-03-02T00:00:00"], [3.0, 1.0]),
        ("month", "UTC", ["2026-03-01T00:00:00"], [4.0]),
        (
            "day",
            "America/New_York",
            ["2026-03-01T05:00:00", "2026-03-02T05:00:00", "2026-03-03T05:00:00"],
            [2.0, 0.0, 2.0],
        ),
        ("month", "Asia/Tokyo", ["2026-02-28T15:00:00"], [4.0]),
        ("month", "Asia/Kolkata", ["2026-02-28T18:30:00"], [4.0]),
    ],
)
def test_intervals_and_zones(
    api: Api, order: str, interval: str, zone: str, dates: list[str], counts: list[float]
) -> None:
    """A time without an offset is the zone's: 1 March begins in Tokyo while it is still February."""
    found = query(api, order, interval=interval, timezone=zone).data["attributes"]
    assert found["dates"] == [f"{date}+00:00" for date in dates]
    assert found["data"][0]["measurements"]["count"] == counts


def test_hours_across_the_change_of_the_clocks(api: Api, order: str) -> None:
    filters = ("greater-or-equal(datetime,2026-03-08T00:00:00)", "less-than(datetime,2026-03-09T00:00:00)")
    found = query(api, order, *filters, interval="hour", timezone="America/New_York").data["attributes"]
    assert len(found["dates"]) == 23
    assert found["data"] == [{"dimensions": [], "measurements": {"count": [0.0] * 23}}]
    days = query(api, order, *filters, timezone="America/New_York").data["attributes"]["dates"]
    assert days == ["2026-03-08T05:00:00+00:00"]


def test_offsets_and_spaces_in_times(api: Api, order: str) -> None:
    filters = ("greater-or-equal(datetime,2026-03-01 00:00:00+00:00)", "less-than(datetime,2026-03-01T12:00:01Z)")
    assert query(api, order, *filters, timezone="Asia/Tokyo").data["attributes"]["data"][0]["measurements"] == {
        "count": [2.0]
    }


def test_dimensions(api: Api, order: str) -> None:
    rows = query(api, order, by=["URL"]).data["attributes"]["data"]
    assert [(row["dimensions"], row["measurements"]["count"]) for row in rows] == [
        (["/x"], [2.0, 0.0, 1.0]),
        (["/y"], [1.0, 0.0, 0.0]),
    ]
    rows = query(api, order, by=["$message", "URL"]).data["attributes"]["data"]
    assert [row["dimensions"] for row in rows] == [["", "/x"], ["M1", "/x"], ["M1", "/y"]]
    assert query(api, order, by=["Bot Click"]).data["attributes"]["data"][1]["dimensions"] == ["false"]
    nothing = ("greater-or-equal(datetime,2020-01-01)", "less-than(datetime,2020-01-02)")
    assert query(api, order, *nothing, by=["URL"]).data["attributes"]["data"] == [
        {"dimensions": [""], "measurements": {"count": [0.0]}}
    ]


def test_filters(api: Api, order: str) -> None:
    def counts(*filters: str) -> list[float]:
        found = query(api, order, SINCE, UNTIL, *filters).data["attributes"]["data"][0]["measurements"]["count"]
        return list(found)

    assert counts('equals(URL,"/y")') == [1.0, 0.0, 0.0]
    assert counts('any($message,["M1","M2"])') == [2.0, 0.0, 0.0]
    assert counts('equals($message,"M1"),equals(URL,"/x")') == [1.0, 0.0, 0.0]
    assert counts('contains(URL,"x")') == [2.0, 0.0, 1.0]
    assert counts('equals(Campaign Name,"none")') == [0.0, 0.0, 0.0]


def test_sorting_paging_and_fields(api: Api, order: str) -> None:
    def urls(**more: Any) -> list[str]:
        return [row["dimensions"][0] for row in query(api, order, by=["URL"], **more).data["attributes"]["data"]]

    assert urls(sort="-URL") == ["/y", "/x"]
    assert urls(sort="count") == ["/y", "/x"]
    assert urls(sort="-count") == ["/x", "/y"]
    assert query(api, order, by=["URL"], sort="unique").status == 400
    first = query(api, order, by=["URL"], page_size=1).json
    assert [row["dimensions"] for row in first["data"]["attributes"]["data"]] == [["/x"]]
    cursor = first["links"]["next"]
    assert cursor is not None
    second = query(api, order, by=["URL"], page_size=1, page_cursor=cursor).json
    assert [row["dimensions"] for row in second["data"]["attributes"]["data"]] == [["/y"]]
    assert second["links"]["next"] is None
    assert list(query(api, order, return_fields=["dates"]).data["attributes"]) == ["dates"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"filter": []},
        {"filter": [SINCE]},
        {"filter": [SINCE, "less-than(datetime,never)"]},
        {"filter": [UNTIL.replace("less-than", "greater-or-equal"), SINCE.replace("greater-or-equal", "less-than")]},
        {"filter": [SINCE, "less-than(datetime,2028-01-01)"]},
        {"filter": [SINCE, "less-than(datetime,[1])"]},
        {"filter": [SINCE, UNTIL, 'equals(Colour,"x")']},
        {"filter": [SINCE, UNTIL, 'greater-than(URL,"x")']},
        {"filter": [SINCE, UNTIL, "equals("]},
        {"timezone": "Mars/Olympus"},
        {"timezone": "America"},
        {"timezone": "../etc/passwd"},
        {"measurements": []},
        {"measurements": ["median"]},
        {"interval": "minute"},
        {"by": ["Colour"]},
        {"page_cursor": "x"},
        {"metric_id": 5},
    ],
)
def test_bad_queries(api: Api, order: str, wrong: dict[str, Any]) -> None:
    attributes = {"metric_id": order, "measurements": ["count"], "filter": [SINCE, UNTIL], **wrong}
    reply = api("POST", "/api/metric-aggregates", {"data": {"type": "metric-aggregate", "attributes": attributes}})
    assert reply.status == 400, reply.body


def test_unknown_metric(api: Api) -> None:
    assert query(api, "NOPE01").faults == [("/data/", "Metric with id NOPE01 does not exist.")]
