"""Catalog items, variants and categories: chains over HTTP."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from tests.sandbox.catalog_api import PREFIX, at, category, change, item, links, make, variant
from tests.sandbox.sandbox_api import Api

from clavichord.sandbox.clock import VirtualClock, parse
from clavichord.sandbox.serve import running


def ids(*names: str) -> list[str]:
    return [PREFIX + name for name in names]


def test_item_is_made_read_changed_and_deleted(api: Api) -> None:
    made = api("POST", "/api/catalog-items", {"data": item("a", price=42)})
    assert (made.status, made.data["id"]) == (201, PREFIX + "a")
    attributes = made.data["attributes"]
    assert attributes["created"] == attributes["updated"]
    assert attributes["created"].endswith("000+00:00")  # whole milliseconds, six digits
    assert {
        name: attributes[name] for name in ("price", "image_full_url", "images", "custom_metadata", "published")
    } == {
        "price": 42.0,
        "image_full_url": "",
        "images": [],
        "custom_metadata": {},
        "published": True,
    }
    read = api.get(at("items", "a"))
    assert read.data == made.data
    assert read.json["links"]["self"] == f"https://a.klaviyo.com/api/catalog-items/{PREFIX}a"
    again = api("POST", "/api/catalog-items", {"data": item("a")})
    assert (again.status, again.errors[0]["code"]) == (409, "conflict")
    changed = change(api, "items", "a", title="New", price=None, image_full_url=None, description=None)
    assert changed.status == 200
    assert changed.data["attributes"] == attributes | {
        "title": "New",
        "price": None,
        "updated": changed.data["attributes"]["updated"],
    }
    assert api("DELETE", at("items", "a")).status == 204
    missing = api.get(at("items", "a"))
    assert missing.faults == [("/data/", f"An item with id {PREFIX}a does not exist.")]
    assert api("DELETE", at("items", "a")).faults == [("/data/", f"An item with the id `{PREFIX}a` does not exist.")]
    assert change(api, "items", "a", title="x").status == 404


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (item(""), "/data/attributes/external_id"),
        (item("a", integration_type="shopify"), "/data/attributes/integration_type"),
        (item("a", catalog_type="other"), "/data/attributes/catalog_type"),
        (item("a", price="dear"), "/data/attributes/price"),
        (item("a", price=10**400), "/data/attributes/price"),
        (item("a", custom_metadata={"blob": "x" * 100_001}), "/data/attributes/custom_metadata"),
        (item("a", sku="x"), "/data/attributes/sku"),
    ],
)
def test_bad_items_are_refused(api: Api, body: object, pointer: str) -> None:
    reply = api("POST", "/api/catalog-items", {"data": body})
    assert (reply.status, reply.faults[0][0]) == (400, pointer)
    assert api.get("/api/catalog-items").data == []


def test_ids_with_awkward_characters(api: Api) -> None:
    for name in ("a/b", "ä ö", "x%2Fy", "50% off?"):
        made = api("POST", "/api/catalog-items", {"data": item(name)})
        assert made.status == 201
        assert api.get(at("items", name)).data["id"] == PREFIX + name
        own = made.data["links"]["self"].removeprefix("https://a.klaviyo.com")
        assert own == f"/api/catalog-items/{quote(PREFIX + name, safe='$:')}/"
        assert api.get(own).data["id"] == PREFIX + name


def test_items_are_filtered_sorted_and_paged() -> None:
    clock = VirtualClock(parse("2026-01-01T00:00:00Z") or 0)
    with running(clock=clock, limits="off") as served:
        api = Api(served.base_url, "pk_catalog")
        make(api, category("c"))
        for name in "dbac":
            make(api, item(name, *(["c"] if name in "ab" else []), published=name != "d"))
            clock.advance(1)
        path = "/api/catalog-items"
        assert api.get(path, sort="created").ids == ids(*"dbac")
        assert api.get(path, sort="-created").ids == ids(*"cabd")
        assert api.get(path, filter='equals(category.id,"$custom:::$default:::c")').ids == ids("a", "b")
        assert api.get(path, filter='any(ids,["$custom:::$default:::a","$custom:::$default:::x"])').ids == ids("a")
        assert api.get(path, filter='contains(title,"item B")').ids == ids("b")
        assert api.get(path, filter="equals(published,false)").ids == ids("d")
        assert api.get(path, filter='equals(title,"Item a")').status == 400
        assert api.get(path, sort="title").status == 400
        pages = [page.ids for page in api.pages(path, sort="-created", **{"page[size]": "3"})]
        assert pages == [ids(*"cab"), ids("d")]
        assert api.get(path, **{"page[size]": "101"}).status == 400


def test_variants_belong_to_an_item_and_go_with_it(api: Api) -> None:
    make(api, item("a"), item("b"), variant("v", "a"), variant("w", "a", sku="Z", published=False), variant("x", "b"))
    assert api.get(at("items", "a", "/variants")).ids == ids("v", "w")
    assert api.get(at("items", "a", "/relationships/variants"), filter='equals(sku,"Z")').ids == ids("w")
    assert api.get("/api/catalog-variants", filter='equals(item.id,"$custom:::$default:::a")').ids == ids("v", "w")
    read = api.get(at("items", "a"), include="variants", **{"fields[catalog-variant]": "sku,title"})
    assert read.data["relationships"]["variants"]["data"] == links("variant", "v", "w")
    assert [one["attributes"] for one in read.json["included"]] == [
        {"sku": "SKU-v", "title": "Variant v"},
        {"sku": "Z", "title": "Variant w"},
    ]
    listed = api.get("/api/catalog-items", include="variants")
    assert [one["id"] for one in listed.json["included"]] == ids("v", "w", "x")
    changed = change(api, "variants", "v", inventory_quantity=0, inventory_policy=1, price=9)
    assert changed.data["attributes"]["inventory_quantity"] == 0
    assert changed.data["attributes"]["price"] == 9.0
    assert change(api, "variants", "v", inventory_policy=3).status == 400
    assert api("DELETE", at("variants", "w")).status == 204
    assert api("DELETE", at("items", "a")).status == 204
    assert api.get("/api/catalog-variants").ids == ids("x")


def test_a_variant_needs_an_item(api: Api) -> None:
    body = variant("v", "a")
    unknown = api("POST", "/api/catalog-variants", {"data": body})
    assert (unknown.status, unknown.faults[0][1]) == (404, f"An item with id {PREFIX}a does not exist.")
    body["relationships"]["item"] = {}
    bare = api("POST", "/api/catalog-variants", {"data": body})
    assert (bare.status, bare.faults[0][0]) == (400, "/data/relationships/item/data")
    assert api.get("/api/catalog-variants").data == []


def test_items_and_categories_are_related_from_both_sides(api: Api) -> None:
    make(api, item("a"), item("b"), category("c", "a"), category("d"))
    assert api.get(at("items", "a", "/categories")).ids == ids("c")
    members, own = at("categories", "c", "/relationships/items"), at("items", "b", "/relationships/categories")
    assert api("POST", members, {"data": links("item", "b")}).status == 204
    assert api("POST", members, {"data": links("item", "b")}).status == 409
    assert api.get(own).data == links("category", "c")
    assert api("POST", own, {"data": links("category", "c", "d")}).status == 409
    assert api("PATCH", own, {"data": links("category", "d")}).status == 204
    assert api.get(members).data == links("item", "a")
    assert api("DELETE", members, {"data": links("item", "a", "b")}).status == 204
    assert api.get(members).data == []
    assert api("POST", members, {"data": links("item", "none")}).status == 404
    unknown = api("POST", at("categories", "none", "/relationships/items"), {"data": links("item", "a")})
    assert unknown.faults == [("/data/", f"No category with the ID `{PREFIX}none` exists.")]
    assert api.get(at("categories", "d", "/items"), include="variants").ids == ids("b")
    assert api.get("/api/catalog-categories", filter='equals(item.id,"$custom:::$default:::b")').ids == ids("d")
    assert api.get(at("items", "b", "/categories"), filter='contains(name,"x")').ids == []
    assert api("DELETE", at("items", "b")).status == 204
    assert api.get(at("categories", "d", "/items")).ids == []


def test_a_change_replaces_the_categories_it_names(api: Api) -> None:
    make(api, category("c"), category("d"), item("a", "c"))
    linked = {"categories": {"data": links("category", "d")}}
    data = {"type": "catalog-item", "id": PREFIX + "a", "attributes": {}, "relationships": linked}
    assert api("PATCH", at("items", "a"), {"data": data}).status == 200
    assert api.get(at("items", "a", "/categories")).ids == ids("d")
    assert change(api, "categories", "d", name="Renamed").data["attributes"]["name"] == "Renamed"
    assert change(api, "categories", "d", name=None).data["attributes"]["name"] == "Renamed"


def subscribe(api: Api, path: str, of: str, **profile: str) -> tuple[int, bytes]:
    data = {
        "type": "back-in-stock-subscription",
        "attributes": {
            "channels": ["EMAIL", "SMS"],
            "profile": {"data": {"type": "profile", "attributes": profile}},
        },
        "relationships": {"variant": {"data": links("variant", of)[0]}},
    }
    reply = api("POST", path, {"data": data})
    return reply.status, reply.body


def test_back_in_stock_subscription_leaves_an_event(api: Api) -> None:
    make(api, item("a"), variant("v", "a"))
    path = "/api/back-in-stock-subscriptions"
    assert subscribe(api, path, "v", email="Ann@shop.test") == (202, b"")
    company = api.get("/api/accounts").ids[0]
    assert (
        subscribe(api, f"/client/back-in-stock-subscriptions?company_id={company}", "v", email="ann@shop.test")[0]
        == 202
    )
    events = api.get("/api/events", include="metric,profile")
    assert [one["attributes"]["event_properties"]["VariantId"] for one in events.data] == ["v", "v"]
    assert [one["attributes"].get("name") or one["attributes"]["email"] for one in events.json["included"]] == [
        "Subscribed to Back in Stock",
        "ann@shop.test",
    ]
    assert subscribe(api, path, "none", email="ann@shop.test")[0] == 404
    assert subscribe(api, path, "v")[0] == 400
    assert subscribe(api, path, "v", email="nonsense")[0] == 400
    assert len(api.get("/api/events").data) == 2
