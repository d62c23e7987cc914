"""The recorded answers of tags, segments, metrics, forms, images, webhooks, tracking settings and reviews.

Two recordings are not here: the 403s of an account without webhooks or push, which the sandbox does not imitate.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.sandbox.sandbox_api import Api, Reply
from tests.sandbox.test_live_shapes import FORMS, hold

from clavichord.sandbox.serve import running

RECORDS = [
    msgspec.json.decode(line)
    for line in Path(__file__).with_name("live_shapes_audience.jsonl").read_bytes().splitlines()
]
FORMS.update(
    {
        "<image-id-num>": r"\d{9}",
        "<form-version-id-num>": r"\d{8}",
        "<mapped-metric-id>": r"[a-z_]+",
        "<metric-property-id>": r"[A-Za-z0-9+/]+",
        "<webhook-topic-id>": r"event:[a-z_]+\.[a-z0-9_]+",
    }
)


class World:
    """What has to be there before a request can be answered as it was recorded."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.profile = api.profile(email="ann@shop.test", first_name="Ann")
        properties = {"a": 1, "b": "x", "c": True, "d": [1], "e": 1.5}
        api.event("Viewed", email="bob@shop.test", properties=properties, value=1, time="2026-01-01")
        self.metric = api.get("/api/metrics").ids[0]
        self.group = self.made("/api/tag-groups", "tag-group", {"name": "Season"})
        self.tag = self.made(
            "/api/tags", "tag", {"name": "<str>"}, **{"tag-group": {"type": "tag-group", "id": self.group}}
        )
        condition = {
            "type": "profile-property",
            "property": "first_name",
            "filter": {"type": "string", "operator": "equals", "value": "Ann"},
        }
        definition = {"condition_groups": [{"conditions": [condition]}]}
        self.segment = self.made("/api/segments", "segment", {"name": "S", "definition": definition})
        groups = [{"metric_id": self.metric}]
        counted = {"aggregation_method": "count", "metric_groups": groups}
        self.custom = self.made("/api/custom-metrics", "custom-metric", {"name": "C", "definition": counted})
        self.image = self.made("/api/images", "image", {"import_from_url": "https://shop.test/a.png"})
        step: dict[str, Any] = {"columns": []}
        versions = [{"steps": [step, step], "type": "popup", "name": "One"}]
        attributes: dict[str, Any] = {
            "name": "F",
            "status": "draft",
            "ab_test": False,
            "definition": {"versions": versions},
        }
        self.form = self.made("/api/forms", "form", attributes)
        self.version = api.get(f"/api/forms/{self.form}/form-versions").ids[0]
        topics = [
            {"type": "webhook-topic", "id": f"event:klaviyo.{name}"}
            for name in ("opened_email", "clicked_email", "received_email")
        ]
        attributes = {"name": "W", "endpoint_url": "https://hook.test", "secret_key": "s" * 16}
        self.webhook = self.made("/api/webhooks", "webhook", attributes, **{"webhook-topics": topics})

    def made(self, path: str, kind: str, attributes: Any, **linked: Any) -> str:
        data: dict[str, Any] = {"type": kind, "attributes": attributes}
        if linked:
            data["relationships"] = {name: {"data": one} for name, one in linked.items()}
        reply = self.api("POST", path, {"data": data})
        assert reply.status == 201, reply.body
        return str(reply.data["id"])

    def changed(self, record: dict[str, Any], one: str, attributes: Any) -> Reply:
        kind = record["operation"].removeprefix("update_").replace("_", "-")
        body = {"data": {"type": kind, "id": one, "attributes": attributes}}
        return self.api("PATCH", record["path"].replace("{id}", one), body, query=record["query"])

    def aggregated(self, record: dict[str, Any]) -> Reply:
        attributes = {
            "metric_id": self.metric,
            "measurements": ["count", "sum_value", "unique"],
            "filter": ["greater-or-equal(datetime,2026-01-01)", "less-than(datetime,2026-01-06)"],
        }
        body = {"data": {"type": "metric-aggregate", "attributes": attributes}}
        return self.api("POST", record["path"], body, query=record["query"])

    def send(self, record: dict[str, Any]) -> Reply:
        operation = record["operation"]
        special: dict[str, Callable[[], Reply]] = {
            "query_metric_aggregates": lambda: self.aggregated(record),
            "create_tag_group": lambda: self.api(
                "POST", "/api/tag-groups", {"data": {"type": "tag-group", "attributes": {"name": "New"}}}
            ),
            "update_tag_group": lambda: self.changed(record, self.group, {"name": "Year"}),
            "update_custom_metric": lambda: self.changed(record, self.custom, {"name": "D"}),
            "update_image": lambda: self.changed(record, self.image, {"name": "D", "hidden": True}),
            "update_segment": lambda: self.changed(record, self.segment, {"name": "D"}),
        }
        if operation in special:
            return special[operation]()
        ids = {
            "profiles": self.profile,
            "metrics": self.metric,
            "tags": self.tag,
            "tag-groups": self.group,
            "segments": self.segment,
            "custom-metrics": self.custom,
            "mapped-metrics": "revenue",
            "images": self.image,
            "forms": self.form,
            "form-versions": self.version,
            "webhooks": self.webhook,
        }
        one = ids.get(record["path"].split("/")[2], "") if record["status"] < 400 else "NOPE01"
        path = record["path"].replace("{id}", one)
        if operation == "get_segment_ids_for_profile":
            path = path.replace(one, self.api.profile(email="nobody@shop.test"))
        body = None
        if operation.startswith("remove_tag_from_"):
            carriers = path.rpartition("/")[2]
            body = {"data": [{"type": carriers.removesuffix("s"), "id": self.segment}]}
        query = {
            name: value.replace("<str>", "<str>" if "tags" in path else "ann@shop.test")
            for name, value in record["query"].items()
        }
        return self.api(record["method"], path, body, query=query)


def test_restated_records_are_all_driven() -> None:
    assert len(RECORDS) == 37


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: f"{record['operation']}.{record['status']}")
def test_answers_have_the_recorded_shape(record: dict[str, Any]) -> None:
    with running(job_delay=0) as served:
        hold(record, World(Api(served.base_url, "pk_live")).send(record))
