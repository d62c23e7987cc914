"""Every declared stream against the demo shop: as many rows as the API's own pages give, and nothing written twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pytest
from tests.sandbox.live_world import World
from tests.sandbox.messages_api import assign, new_campaign
from tests.sandbox.sandbox_api import Api

from clavichord.client.client import AsyncKlaviyo, Klaviyo
from clavichord.sandbox.serve import running
from clavichord.sync.pull import Pull, PullReport, load_pull
from clavichord.sync.pull.streams import STREAMS

KEY = "pk_demo"
MADE = (
    *("segment", "tag", "template", "campaign", "flow", "coupon", "catalog", "form", "image", "content", "feed"),
    "webhook",
)
"""what the demo shop lacks"""

PLAIN = {
    "profiles": "get_profiles",
    "predictive_analytics": "get_profiles",
    "events": "get_events",
    "metrics": "get_metrics",
    "lists": "get_lists",
    "segments": "get_segments",
    "flows": "get_flows",
    "templates": "get_templates",
    "universal_content": "get_all_universal_content",
    "tag_groups": "get_tag_groups",
    "tags": "get_tags",
    "forms": "get_forms",
    "coupons": "get_coupons",
    "catalog_items": "get_catalog_items",
    "catalog_categories": "get_catalog_categories",
    "reviews": "get_reviews",
    "push_tokens": "get_push_tokens",
    "web_feeds": "get_web_feeds",
    "webhooks": "get_webhooks",
    "accounts": "get_accounts",
}
FILTERED = {
    "campaigns": ("get_campaigns", [f"equals(messages.channel,'{c}')" for c in ("email", "sms", "mobile_push")]),
    "images": ("get_images", ["equals(hidden,true)", "equals(hidden,false)"]),
}
CHILDREN = {
    "catalog_variants": ("get_variants_for_catalog_item", "catalog_items", "item_id", "id"),
    "members": ("get_profiles_for_list", "lists", "list_id", "profile_id"),
    "segment_members": ("get_profiles_for_segment", "segments", "segment_id", "profile_id"),
    "campaign_messages": ("get_messages_for_campaign", "campaigns", "campaign_id", "id"),
    "flow_actions": ("get_actions_for_flow", "flows", "flow_id", "id"),
    "flow_messages": ("get_flow_action_messages", "flow_actions", "flow_action_id", "id"),
    "coupon_codes": ("get_coupon_codes_for_coupon", "coupons", "coupon_id", "id"),
}


class Shop(NamedTuple):
    client: Klaviyo
    world: World
    base_url: str

    def ids(self, operation: str, of: str = "", filter: str = "") -> list[str]:
        pages = self.client.pages(operation, path={"id": of} if of else {}, query={"filter": filter} if filter else {})
        return [row["id"] for page in pages for row in page.json()["data"]]

    def truth(self) -> dict[str, list[tuple[str, ...]]]:
        """Stream → what the API's pages give: the ids, or parent and id."""
        found: dict[str, list[tuple[str, ...]]]
        found = {name: [(id,) for id in self.ids(operation)] for name, operation in PLAIN.items()}
        for name, (operation, filters) in FILTERED.items():
            found[name] = [(id,) for f in filters for id in self.ids(operation, filter=f)]
        for name, (operation, parents, *_) in CHILDREN.items():
            found[name] = [(of[-1], id) for of in found[parents] for id in self.ids(operation, of[-1])]
        return found


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running(seed="demo", limits="off", job_delay=0) as served, Klaviyo(KEY, base_url=served.base_url) as client:
        api = Api(served.base_url, KEY)
        world = World(api, api)
        for name in [
            "segment",
            "tag",
            "template",
            "campaign",
            "flow",
            "coupon",
            "catalog",
            "form",
            "image",
            "content",
            "feed",
            "webhook",
        ]:
            assert getattr(world, name)
        assert new_campaign(api, world.list_id, definition={"channel": "sms", "content": {"body": "x"}}).status == 201
        assert assign(api, world.message, world.template).status == 200
        person = {"data": {"type": "profile", "attributes": {"external_id": "me"}}}
        token: dict[str, Any] = {"token": "t1", "platform": "android", "vendor": "fcm", "profile": person}
        sent = {"data": {"type": "push-token", "attributes": token | {"enablement_status": "AUTHORIZED"}}}
        assert api("POST", "/api/push-tokens", sent).status == 202
        review = {
            "review_type": "review",
            "email": "ann@shop.test",
            "author": "Ann",
            "content": "Good",
            "rating": 5,
            "product": {"external_id": "i", "integration_key": "shopify"},
        }
        data = {"data": {"type": "review", "attributes": review}}
        answer = api("POST", "/client/reviews", data, query={"company_id": world.account})
        assert answer.status == 202, answer.body
        yield Shop(client, world, served.base_url)


def pull(shop: Shop, root: Path, streams: str = "", into: str = "w.duckdb") -> PullReport:
    streams = streams or "{" + ", ".join(f"{name}: {{}}" for name in STREAMS) + "}"
    definition = load_pull(f"pull: w\ninto: {into}\nstreams: {streams}\n", "w.yaml")

    async def run() -> PullReport:
        async with AsyncKlaviyo(KEY, base_url=shop.base_url) as client:
            return await Pull(definition, client=client, root=root).run()

    report = asyncio.run(run())
    assert report.exit_code == 0, list(report.lines())
    return report


def rows(root: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(root / "w.duckdb"), read_only=True) as db:
        return db.execute(sql).fetchall()


def test_every_stream_holds_what_the_pages_give_and_the_second_pull_writes_nothing(shop: Shop, tmp_path: Path) -> None:
    assert set(STREAMS) == set(PLAIN) | set(FILTERED) | set(CHILDREN)
    pull(shop, tmp_path)
    truth = shop.truth()
    for name, expected in truth.items():
        key = ", ".join(CHILDREN[name][2:]) if name in CHILDREN else "id"
        got = rows(tmp_path, f"select {key} from klaviyo.{STREAMS[name].table}")
        assert sorted(got) == sorted(expected), name
    assert [name for name, expected in truth.items() if not expected] == []
    second = pull(shop, tmp_path)
    for name, stream in second.streams.items():
        c = stream.counts
        assert (c.new, c.changed, c.removed) == (0, 0, 0), name


def test_a_declared_column_is_an_attribute_of_its_resource(shop: Shop, tmp_path: Path) -> None:
    """A misspelt attribute would be a column of nulls for ever."""
    pull(shop, tmp_path)
    for stream in STREAMS.values():
        if not stream.raw:
            continue
        named = {c.path[1] for c in stream.columns if c.path[:1] == ("attributes",)}
        found = rows(tmp_path, f"select distinct unnest(json_keys(raw, '$.attributes')) from klaviyo.{stream.table}")
        assert named <= {name for (name,) in found}, stream.name
        for name in (c.name for c in stream.columns if c.path[:1] == ("relationships",)):
            filled = rows(tmp_path, f"select count(*) > 0 from klaviyo.{stream.table} where {name} is not null")
            assert filled == [(True,)] or name == "image_id", (stream.name, name)


def test_what_is_gone_stays_marked_and_comes_back_unmarked(shop: Shop, tmp_path: Path) -> None:
    api = shop.world.api
    made = shop.world.made("/api/templates", "template", {"name": "T", "editor_type": "CODE", "html": "<p>x</p>"})
    one = made.data["id"]
    pull(shop, tmp_path, "{templates: {}}")
    assert api("DELETE", f"/api/templates/{one}").status == 204
    report = pull(shop, tmp_path, "{templates: {}}")
    assert report.streams["templates"].counts.removed == 1
    marked = f"select name from klaviyo.templates where _removed is not null and id = '{one}'"
    assert rows(tmp_path, marked) == [("T",)]
    assert pull(shop, tmp_path, "{templates: {}}").streams["templates"].counts.removed == 0
    with duckdb.connect(str(tmp_path / "w.duckdb")) as db:
        db.execute("update klaviyo.templates set _removed = now()")
    pull(shop, tmp_path, "{templates: {}}")
    assert rows(tmp_path, "select id from klaviyo.templates where _removed is not null") == [(one,)]
