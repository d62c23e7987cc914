"""Metric properties, custom and mapped metrics."""

from __future__ import annotations

from typing import Any

from tests.sandbox.sandbox_api import Api, Reply

from clavichord.sandbox.clock import VirtualClock, parse
from clavichord.sandbox.serve import running


def metric(api: Api, name: str) -> str:
    return str(next(row["id"] for row in api.get("/api/metrics").data if row["attributes"]["name"] == name))


def ordered(api: Api) -> str:
    properties = {"sku": "a", "count": 2, "gift": True, "tags": ["x"], "weight": 1.5, "mixed": 1}
    api.event("Order", email="a@shop.test", value=3, unique_id="1", properties=properties)
    api.event("Order", email="a@shop.test", value=4, unique_id="2", properties={"sku": "b", "mixed": "m"})
    return metric(api, "Order")


def test_properties_are_those_of_the_events(api: Api) -> None:
    order = ordered(api)
    found = api.get(f"/api/metrics/{order}/metric-properties").data
    assert [(row["attributes"]["property"], row["attributes"]["inferred_type"]) for row in found] == [
        ("$value", "numeric"),
        ("count", "numeric"),
        ("gift", "numeric"),
        ("mixed", "string"),
        ("sku", "string"),
        ("tags", "list"),
        ("weight", "numeric"),
    ]
    ids = api.get(f"/api/metrics/{order}/relationships/metric-properties").ids
    assert ids == [row["id"] for row in found]
    sampled = api.get(
        f"/api/metrics/{order}/metric-properties", **{"additional-fields[metric-property]": "sample_values"}
    )
    assert [row["attributes"]["sample_values"] for row in sampled.data] == [None] * 7
    assert api.get("/api/metrics/NOPE01/metric-properties").status == 404


def test_one_property(api: Api) -> None:
    order = ordered(api)
    sku = api.get(f"/api/metrics/{order}/relationships/metric-properties").ids[4]
    read = api.get(f"/api/metric-properties/{sku}", include="metric").json
    assert read["data"]["attributes"] == {"label": "sku", "property": "sku", "inferred_type": "string"}
    assert read["data"]["relationships"]["metric"]["data"] == {"type": "metric", "id": order}
    assert [row["id"] for row in read["included"]] == [order]
    assert api.get(f"/api/metric-properties/{sku}/metric").data["attributes"]["name"] == "Order"
    assert api.get(f"/api/metric-properties/{sku}/relationships/metric").data == {"type": "metric", "id": order}
    for wrong in ("x", "%00", "a.b", "WA==", sku + "A", "é"):
        assert api.get(f"/api/metric-properties/{wrong}").status == 404


def test_samples_are_taken_of_events_that_are_a_day_old(api: Api) -> None:
    for number, at in enumerate(("2025-01-03", "2025-01-02", "2025-01-01", "2025-01-04")):
        properties = {"sku": f"s{number % 3}", "count": number, "gift": True, "tags": ["x"]}
        api.event("Sampled", email="a@shop.test", properties=properties, time=at, unique_id=str(number))
    api.event("Sampled", email="a@shop.test", properties={"sku": "fresh"}, unique_id="fresh")
    path, query = f"/api/metrics/{metric(api, 'Sampled')}", {"additional-fields[metric-property]": "sample_values"}
    found = api.get(f"{path}/metric-properties", **query).data
    samples = {row["attributes"]["property"]: row["attributes"]["sample_values"] for row in found}
    assert samples == {"count": [3, 0, 1, 2], "gift": [True], "sku": ["s0", "s1", "s2"], "tags": None}
    ids = {row["attributes"]["property"]: row["id"] for row in found}
    read = [api.get(f"/api/metric-properties/{ids[name]}", **query).data for name in ("sku", "tags")]
    assert [one["attributes"]["sample_values"] for one in read] == [["s0", "s1", "s2"], []]


def custom(api: Api, name: str, *metric_ids: str, **more: Any) -> Reply:
    groups = [{"metric_id": one, **more} for one in metric_ids]
    definition = {"aggregation_method": "count", "metric_groups": groups}
    data = {"type": "custom-metric", "attributes": {"name": name, "definition": definition}}
    return api("POST", "/api/custom-metrics", {"data": data})


def test_life_of_a_custom_metric(api: Api) -> None:
    order = ordered(api)
    made = custom(api, "Orders", order).data
    assert made["attributes"]["definition"] == {
        "aggregation_method": "count",
        "metric_groups": [{"metric_id": order, "metric_filters": [], "value_property": None}],
    }
    path = f"/api/custom-metrics/{made['id']}"
    assert api.get(path, include="metrics").json["included"][0]["id"] == order
    assert api.get(path + "/metrics").ids == api.get(path + "/relationships/metrics").ids == [order]
    api.event("View", email="a@shop.test")
    view = metric(api, "View")
    definition = {"aggregation_method": "value", "metric_groups": [{"metric_id": view, "value_property": "n"}]}
    body = {"data": {"type": "custom-metric", "id": made["id"], "attributes": {"definition": definition}}}
    assert api("PATCH", path, body).data["attributes"]["name"] == "Orders"
    assert api.get(path + "/metrics").ids == [view]
    assert api.get("/api/custom-metrics").ids == [made["id"]]
    assert custom(api, "Orders", order).faults[0][0] == "/data/attributes/name"
    assert custom(api, "Other", "NOPE01").faults[0][0] == "/data/attributes/definition/metric_groups/0/metric_id"
    assert custom(api, "Other").status == 400
    broken = [{"property": "sku", "filter": {"type": "string", "operator": "regex", "value": "("}}]
    assert custom(api, "Other", order, metric_filters=broken).status == 400
    assert api("DELETE", path).status == 204
    assert api.get(path).faults == [("/data/", f"Custom metric with id `{made['id']}` does not exist.")]


def mapping(api: Api, name: str, **targets: str | None) -> Reply:
    relationships = {
        kind.replace("_", "-"): {"data": None if one is None else {"type": kind.replace("_", "-"), "id": one}}
        for kind, one in targets.items()
    }
    data = {"type": "mapped-metric", "id": name, "relationships": relationships}
    return api("PATCH", f"/api/mapped-metrics/{name}", {"data": data})


def test_seven_mappings() -> None:
    clock = VirtualClock(parse("2026-05-01T10:00:00Z") or 0)
    with running(clock=clock, limits="off") as served:
        api = Api(served.base_url, "pk_mappings")
        order = ordered(api)
        rows = api.get("/api/mapped-metrics", include="metric,custom-metric").json
        assert len(rows["data"]) == 7
        assert rows["included"] == []
        assert all("relationships" not in row for row in rows["data"])
        clock.advance(1)
        mapped = mapping(api, "revenue", metric=order).data
        assert list(mapped["relationships"]) == ["metric"]
        assert mapped["relationships"]["metric"]["data"] == {"type": "metric", "id": order}
        assert api.get("/api/mapped-metrics").ids[0] == "revenue", "the last one changed comes first"
        assert api.get("/api/mapped-metrics/revenue/metric").data["id"] == order
        own = custom(api, "Orders", order).data["id"]
        assert mapping(api, "revenue", metric=order, custom_metric=own).status == 400
        assert mapping(api, "revenue", custom_metric="NOPE").status == 404
        assert list(mapping(api, "revenue", custom_metric=own).data["relationships"]) == ["custom-metric"]
        assert api.get("/api/mapped-metrics/revenue/relationships/custom-metric").data["id"] == own
        third = mapping(api, "revenue", metric=None)
        assert (third.status, third.errors[0]["code"]) == (403, "permission_denied")
        assert third.faults == [("/data/", "Mapped Metric `revenue` has reached the daily limit of updates (2).")]
        clock.advance(86_400)
        assert api("DELETE", f"/api/custom-metrics/{own}").status == 204
        assert "relationships" not in api.get("/api/mapped-metrics/revenue").data
        cleared = mapping(api, "revenue", metric=None)
        assert (cleared.status, "relationships" in cleared.data) == (200, False)
        assert api.get("/api/mapped-metrics/revenue/custom-metric").json == {"data": None}
        for path in ("", "/metric", "/relationships/custom-metric"):
            assert api.get(f"/api/mapped-metrics/sales{path}").faults == [
                ("/data/attributes/id", "'sales' is not a valid choice for 'id'.")
            ]
