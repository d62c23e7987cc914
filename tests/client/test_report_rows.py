"""Reports and aggregates as rows: all pages, whatever is missing in an answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.client.scripted_server import Answer, Scripted

from clavichord import ConfigurationError, Klaviyo

NOW = datetime(2026, 5, 1, tzinfo=UTC)


def report(results: list[Any], following: str | None = None, **more: Any) -> Answer:
    links = {"self": "x", "next": following}
    return Answer(
        200, {"data": {"type": "report", "id": "1", "attributes": {"results": results, **more}}, "links": links}
    )


def result(id: str, **statistics: Any) -> dict[str, Any]:
    return {"groupings": {"campaign_id": id}, "statistics": statistics}


def test_the_pages_of_a_report_are_one_list(server: Scripted, klaviyo: Klaviyo) -> None:
    following = "https://a.klaviyo.com/api/campaign-values-reports?page_cursor=abc%3D"
    server.answers = [report([result("A", opens=1)], following), report([result("B", opens=2)])]
    rows = klaviyo.reporting.campaign_values(
        statistics=["opens"], timeframe=(NOW - timedelta(days=7), NOW), conversion_metric="M1a2b3", filter="equals(x,1)"
    )
    assert rows == [{"campaign_id": "A", "opens": 1}, {"campaign_id": "B", "opens": 2}]
    first, second = server.asked
    assert second.query == {"page_cursor": "abc="}
    assert first.json == second.json
    assert first.json["data"]["attributes"] == {
        "statistics": ["opens"],
        "timeframe": {"start": "2026-04-24T00:00:00+00:00", "end": "2026-05-01T00:00:00+00:00"},
        "filter": "equals(x,1)",
        "conversion_metric_id": "M1a2b3",
    }


def test_a_series_has_a_row_for_each_date(server: Scripted, klaviyo: Klaviyo) -> None:
    dates = ["2026-05-01T00:00:00+00:00", "2026-05-02T00:00:00+00:00"]
    server.answers = [report([result("A", opens=[1, 2]), result("B", opens=[3])], date_times=dates)]
    rows = klaviyo.reporting.flow_series(
        statistics=["opens"], timeframe="last_7_days", interval="daily", conversion_metric="M1a2b3"
    )
    assert [(r["campaign_id"], r["date_time"].day, r.get("opens")) for r in rows] == [
        ("A", 1, 1),
        ("A", 2, 2),
        ("B", 1, 3),
        ("B", 2, None),
    ]


def test_the_pages_of_aggregates_are_one_list(server: Scripted, klaviyo: Klaviyo) -> None:
    def page(dimension: str, following: str | None) -> Answer:
        data = [{"dimensions": [dimension], "measurements": {"count": [1.0, 2.0]}}]
        attributes = {"dates": ["2026-05-01T00:00:00+00:00", "2026-05-02T00:00:00+00:00"], "data": data}
        return Answer(200, {"data": {"attributes": attributes}, "links": {"next": following}})

    server.answers = [page("a", "https://x.test/api/metric-aggregates/?page_cursor=2"), page("b", None)]
    rows = klaviyo.metrics.aggregate("M1a2b3", since=NOW, until=NOW + timedelta(days=2), by=["URL"])
    assert [(r["URL"], r["date"].day, r["count"]) for r in rows] == [("a", 1, 1), ("a", 2, 2), ("b", 1, 1), ("b", 2, 2)]
    assert [asked.json["data"]["attributes"].get("page_cursor") for asked in server.asked] == [None, "2"]


def metrics(*named: tuple[str, str, str]) -> Answer:
    rows = [{"id": id, "attributes": {"name": n, "integration": {"name": i}}} for id, n, i in named]
    return Answer(200, {"data": rows, "links": {"next": None}})


def test_a_metric_goes_by_its_name(server: Scripted, klaviyo: Klaviyo) -> None:
    nothing = Answer(200, {"data": {"attributes": {"dates": [], "data": []}}, "links": {}})
    server.answers = [metrics(("AAAAAA", "Viewed", "API"), ("BBBBBB", "viewed", "API")), nothing]
    assert klaviyo.metrics.aggregate("Viewed", since=NOW - timedelta(days=1), until=NOW) == []
    assert server.asked[1].json["data"]["attributes"]["metric_id"] == "AAAAAA"
    server.answers = [metrics(("AAAAAA", "Viewed", "API")), nothing]
    klaviyo.metrics.aggregate("Absent", since=NOW - timedelta(days=1), until=NOW)  # no such name: an id, then
    assert server.asked[-1].json["data"]["attributes"]["metric_id"] == "Absent"


def test_a_name_that_several_metrics_have_is_no_name(server: Scripted, klaviyo: Klaviyo) -> None:
    server.answers = [metrics(("AAAAAA", "Placed Order", "API"), ("BBBBBB", "Placed Order", "Shopify"))]
    with pytest.raises(ConfigurationError, match=r"AAAAAA \(API\), BBBBBB \(Shopify\); give one's id as metric="):
        klaviyo.metrics.aggregate("Placed Order", since=NOW - timedelta(days=1), until=NOW)
