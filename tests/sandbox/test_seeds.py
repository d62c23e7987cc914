"""Seed files and the built-in demo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.sandbox.sandbox_api import Api

from clavichord.sandbox.seeds import SeedError, parsed, read
from clavichord.sandbox.serve import running

SHOP = """
clock: 2026-06-01T09:00:00Z
frozen: true
apps:
  - {client_id: app, client_secret: s, redirect_uris: ["https://app.test/"]}
accounts:
  - id: SHOP01
    keys:
      - {key: pk_shop}
      - {key: pk_reader, scopes: ["lists:read"]}
    attributes: {timezone: Europe/Berlin}
    metrics: [Refunded Order]
    lists:
      - Newsletter
      - {name: Members, opt_in_process: single_opt_in}
    profiles:
      - {email: ann@shop.test, first_name: Ann, lists: [Members], consent: {email: SUBSCRIBED}, at: 2026-01-05}
      - {email: bob@shop.test, phone_number: "+16175550100", consent: {email: UNSUBSCRIBED, sms: SUBSCRIBED}}
      - {email: cid@shop.test, suppressed: true, properties: {tier: gold}}
    events:
      - {metric: Placed Order, email: ann@shop.test, time: 2026-02-01T00:00:00Z, value: 12.5, unique_id: "1"}
    create:
      catalog-category: [{external_id: tops, name: Tops, as: tops}]
      catalog-item:
        - external_id: tee
          title: Tee
          description: A tee
          url: https://shop.test/tee
          relationships: {categories: {data: [{type: catalog-category, id: $tops}]}}
    geofences: [{latitude: 42.36, longitude: -71.05, radius: 100}]
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    file = tmp_path / "shop.yaml"
    file.write_text(SHOP)
    return file


def check(api: Api) -> None:
    account = api.get("/api/accounts").data[0]
    assert (account["id"], account["attributes"]["timezone"]) == ("SHOP01", "Europe/Berlin")
    names = {row["attributes"]["name"]: row["id"] for row in api.get("/api/lists").data}
    assert set(names) == {"Newsletter", "Members"}
    ann, bob, cid = (api.person(f"{name}@shop.test") or {} for name in ("ann", "bob", "cid"))
    assert (ann["created"], ann["updated"]) == ("2026-01-05T00:00:00+00:00", "2026-02-01T00:00:00+00:00")
    assert api.get(f"/api/lists/{names['Members']}/profiles").ids == [ann["id"]]
    marketing = ann["subscriptions"]["email"]["marketing"]
    assert (marketing["consent"], marketing["consent_timestamp"][:10]) == ("SUBSCRIBED", "2026-01-04")
    assert bob["subscriptions"]["email"]["marketing"]["consent"] == "UNSUBSCRIBED"
    assert bob["subscriptions"]["sms"]["marketing"]["consent"] == "SUBSCRIBED"
    assert cid["subscriptions"]["email"]["marketing"]["suppression"][0]["reason"] == "USER_SUPPRESSED"
    assert cid["properties"] == {"tier": "gold"}
    event = api.get("/api/events").data[0]["attributes"]
    assert (event["datetime"], event["event_properties"]["$value"]) == ("2026-02-01T00:00:00+00:00", 12.5)
    assert {row["attributes"]["name"] for row in api.get("/api/metrics").data} == {"Placed Order", "Refunded Order"}
    assert api.get("/api/catalog-items/$custom:::$default:::tee/categories").ids == ["$custom:::$default:::tops"]
    fences = api("GET", "/client/geofences", query="company_id=SHOP01").data
    assert [row["attributes"] for row in fences] == [{"latitude": 42.36, "longitude": -71.05, "radius": 100}]
    assert api("GET", "/_sandbox/clock").json["now"] == "2026-06-01T09:00:00.000000+00:00"


def test_a_seed_file_and_the_reset_to_it(shop: Path) -> None:
    with running(seed=shop, limits="off") as served:
        api = Api(served.base_url, "pk_shop")
        check(api)
        api.profile(email="new@shop.test")
        api("DELETE", f"/api/lists/{api.get('/api/lists').ids[0]}")
        api("POST", "/_sandbox/clock", {"advance": "3d"})
        api("POST", "/_sandbox/reset")
        assert api.person("new@shop.test") is None
        check(api)
        assert Api(served.base_url, "pk_reader").get("/api/lists").status == 200
        assert Api(served.base_url, "pk_reader").get("/api/profiles").status == 403
        assert Api(served.base_url, "pk_undeclared").get("/api/lists").status == 401


def test_a_file_that_is_kept_is_seeded_once(shop: Path, tmp_path: Path) -> None:
    file = str(tmp_path / "state.db")
    with running(seed=shop, db=file, limits="off") as served:
        Api(served.base_url, "pk_shop").profile(email="new@shop.test")
    with running(seed=shop, db=file, limits="off") as served:
        api = Api(served.base_url, "pk_shop")
        assert len(api.get("/api/profiles").data) == 4
        assert Api(served.base_url, "pk_undeclared").get("/api/lists").status == 401
        api("POST", "/_sandbox/reset")
        check(api)
        assert len(api.get("/api/profiles").data) == 3


def test_the_demo_is_rich_and_the_same_every_time() -> None:
    seen = []
    for _ in range(2):
        with running(seed="demo", limits="off") as served:
            api = Api(served.base_url, "pk_demo")
            orders = next(
                row["id"] for row in api.get("/api/metrics").data if row["attributes"]["name"] == "Placed Order"
            )
            placed = api.get(
                "/api/events", filter=f'equals(metric_id,"{orders}")', sort="datetime", **{"page[size]": "5"}
            )
            values = [row["attributes"]["event_properties"]["$value"] for row in placed.data]
            counts = api("GET", "/_sandbox/health").json["counts"]
            seen.append((values, counts["profile"], counts["event"]))
            assert len(api.get("/api/catalog-items").data) == 10
    assert seen[0] == seen[1]
    assert seen[0][1] == 200
    assert seen[0][2] > 500


def test_seeds_are_planted_while_it_runs() -> None:
    with running(limits="off") as served:
        api = Api(served.base_url, "pk_a")
        seed = {"accounts": [{"key": "pk_a", "lists": ["A"], "profiles": [{"email": "a@shop.test", "lists": ["A"]}]}]}
        reply = api("POST", "/_sandbox/seed", {"seed": seed})
        assert (reply.status, reply.json["counts"]["profile"]) == (200, 1)
        assert api("POST", "/_sandbox/seed", {"name": "demo"}).json["counts"]["profile"] == 201
        assert "demo" in api("POST", "/_sandbox/seed", {"name": "other"}).json["error"]
        wrong = api("POST", "/_sandbox/seed", {"seed": {"accounts": [{"key": "pk_a", "profile": []}]}})
        assert (wrong.status, wrong.json["error"]) == (
            400,
            "seed: accounts[0]: Object contains unknown field `profile`",
        )


@pytest.mark.parametrize(
    ("account", "text"),
    [
        ({"key": "secret"}, "begins with pk_"),
        ({}, "needs a key"),
        ({"id": "too-long-1"}, "six letters"),
        ({"key": "pk_a", "id": "ABC123"}, "`key` or `id`"),
        ({"key": "pk_a", "profiles": [{"email": "no"}]}, "accounts[0].profiles[0]: Invalid email address"),
        ({"key": "pk_a", "profiles": [{"emial": "a@shop.test"}]}, "'emial' is not a valid field"),
        ({"key": "pk_a", "profiles": [{"email": "a@shop.test", "lists": ["Z"]}]}, "'Z' is not among"),
        ({"key": "pk_a", "profiles": [{"email": "a@shop.test", "consent": {"email": "YES"}}]}, "SUBSCRIBED or"),
        ({"key": "pk_a", "profiles": [{"email": "a@shop.test", "at": "then"}]}, "profiles[0].at"),
        ({"key": "pk_a", "profiles": [{"external_id": "a", "suppressed": True}]}, "suppressed"),
        ({"key": "pk_a", "events": [{"email": "a@shop.test"}]}, "needs a metric"),
        ({"key": "pk_a", "events": [{"metric": "M", "email": "a@example.com"}]}, "drops events"),
        ({"key": "pk_a", "create": {"wombat": [{}]}}, "nothing of type 'wombat'"),
        ({"key": "pk_a", "create": {"catalog-item": [{"external_id": "a"}]}}, "create.catalog-item[0]"),
    ],
)
def test_mistakes_say_where_they_are(tmp_path: Path, account: dict[str, Any], text: str) -> None:
    file = tmp_path / "seed.json"
    file.write_text(json.dumps({"accounts": [account]}))
    with pytest.raises(SeedError) as caught, running(seed=file):
        pass
    assert text in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for name, content in (("a.yaml", "a: [b"), ("a.json", "{"), ("b.yaml", "accounts: 3"), ("c.yaml", "when: now")):
        (tmp_path / name).write_text(content)
        with pytest.raises(SeedError):
            read(tmp_path / name)
    with pytest.raises(SeedError, match="or demo"):
        read("demmo")
    with pytest.raises(SeedError):
        parsed(None)
