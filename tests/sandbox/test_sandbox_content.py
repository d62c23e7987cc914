"""Web feeds, tracking settings, forms, reviews, webhooks."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sandbox.sandbox_api import Api, Reply


def make(api: Api, path: str, kind: str, **data: Any) -> Reply:
    return api("POST", path, {"data": {"type": kind, **data}})


def change(api: Api, path: str, kind: str, attributes: Any, **data: Any) -> Reply:
    body = {"data": {"type": kind, "id": path.rpartition("/")[2], "attributes": attributes, **data}}
    return api("PATCH", path, body)


FEED = {"name": "best_sellers", "url": "https://shop.test/feed", "request_method": "get", "content_type": "json"}


def test_life_of_a_web_feed(api: Api) -> None:
    made = make(api, "/api/web-feeds", "web-feed", attributes=FEED)
    assert made.status == 201, made.body
    path = f"/api/web-feeds/{made.data['id']}"
    assert made.data["attributes"]["status"] is None
    assert change(api, path, "web-feed", {"content_type": "xml", "name": None}).status == 200
    read = api.get(path).data["attributes"]
    assert (read["content_type"], read["name"]) == ("xml", "best_sellers")
    for wrong in ({"name": "two words"}, {"url": "nonsense"}, {"request_method": "put"}):
        assert change(api, path, "web-feed", wrong).status == 400
    make(api, "/api/web-feeds", "web-feed", attributes=FEED | {"name": "a"})
    names = [row["attributes"]["name"] for row in api.get("/api/web-feeds", sort="name").data]
    assert names == ["a", "best_sellers"]
    assert len(api.get("/api/web-feeds", filter='contains(name,"best")').data) == 1
    assert len(api.get("/api/web-feeds", filter="greater-or-equal(created,2020-01-01)").data) == 2
    pages = list(api.pages("/api/web-feeds", **{"page[size]": "1"}))
    assert [page.data[0]["attributes"]["name"] for page in pages] == ["best_sellers", "a"]
    assert api("DELETE", path).status == 204
    assert api.get(path).status == 404


def test_tracking_settings(api: Api) -> None:
    account = api.get("/api/accounts").ids[0]
    assert api.get("/api/tracking-settings").ids == [account]
    path = f"/api/tracking-settings/{account}"
    term = {"flow": {"type": "static", "value": "f"}}
    changed = change(api, path, "tracking-setting", {"utm_term": term, "auto_add_parameters": True}).data["attributes"]
    assert changed["utm_term"] == {"flow": {"type": "static", "value": "f"}, "campaign": None}
    source = {"campaign": {"type": "dynamic", "value": "campaign_name"}}
    change(api, path, "tracking-setting", {"utm_source": source})
    read = api.get(path).data["attributes"]
    assert read["utm_source"] == {"flow": {"type": "static", "value": "Klaviyo"}, **source}
    assert (read["auto_add_parameters"], read["utm_term"]["campaign"]) == (True, None)
    assert change(api, path, "tracking-setting", {"utm_term": None}).data["attributes"]["utm_term"] is None
    assert change(api, path, "tracking-setting", {"utm_id": {"flow": {"type": "guess", "value": "x"}}}).status == 400
    assert api.get("/api/tracking-settings/NOPE01").faults == [
        ("/data/", "Tracking settings for id `NOPE01` do not exist.")
    ]


def form(**version: Any) -> dict[str, Any]:
    step: dict[str, Any] = {"columns": [{"rows": []}]}
    versions = [{"steps": [step, step], "type": "popup", "name": "Blue", **version}]
    return {"name": "Welcome", "status": "draft", "ab_test": False, "definition": {"versions": versions}}


def test_life_of_a_form(api: Api) -> None:
    made = make(api, "/api/forms", "form", attributes=form(ab_test=True, type="full_screen"))
    assert made.status == 201, made.body
    assert list(made.data) == ["type", "id", "attributes", "links"]
    assert list(made.data["attributes"])[:4] == ["status", "ab_test", "name", "definition"]
    form_id, version = made.data["id"], made.data["attributes"]["definition"]["versions"][0]
    assert isinstance(version["id"], int)
    assert len(version["steps"][0]["id"]) == len(version["steps"][0]["columns"][0]["id"]) == 26
    assert api.get(f"/api/forms/{form_id}").data["attributes"]["definition"]["versions"] == [version]
    versions = api.get(f"/api/forms/{form_id}/form-versions").data
    assert [row["id"] for row in versions] == [str(version["id"])]
    assert versions[0]["attributes"]["form_type"] == "full_page"
    assert versions[0]["attributes"]["ab_test"] == {"variation_name": "Blue"}
    assert api.get(f"/api/forms/{form_id}/form-versions", filter='equals(form_type,"popup")').data == []
    assert api.get(f"/api/forms/{form_id}/relationships/form-versions", filter='equals(status,"draft")').ids == [
        str(version["id"])
    ]
    own = f"/api/form-versions/{version['id']}"
    assert api.get(own, include="form").json["included"][0]["id"] == form_id
    assert api.get(own + "/form").data["attributes"]["name"] == "Welcome"
    assert api.get(own + "/relationships/form").data == {"type": "form", "id": form_id}
    listed = api.get("/api/forms", filter='contains(name,"wel")', sort="-created_at").data
    assert [row["id"] for row in listed] == [form_id]
    assert listed[0]["relationships"]["form-versions"]["data"] == [{"type": "form-version", "id": str(version["id"])}]
    assert "definition" not in listed[0]["attributes"]
    assert api.get("/api/forms", filter="equals(ab_test,true)").data == []
    assert api("DELETE", f"/api/forms/{form_id}").status == 204
    assert api.get(own).status == api.get(f"/api/forms/{form_id}/form-versions").status == 404


@pytest.mark.parametrize(
    "wrong",
    [
        form(steps=[{"columns": []}]),
        form(location="top_left"),
        form(id=5),
        form(steps="x"),
        form() | {"definition": {"versions": []}},
        form() | {"status": "live"},
    ],
)
def test_bad_forms(api: Api, wrong: dict[str, Any]) -> None:
    assert make(api, "/api/forms", "form", attributes=wrong).status == 400
    assert api.get("/api/forms").data == []


def webhook(api: Api, *topics: str, **attributes: Any) -> Reply:
    given = {
        "name": "Orders",
        "endpoint_url": "https://u:p@hook.test:8443/in?k=1",
        "secret_key": "s" * 16,
        **attributes,
    }
    linked = {"webhook-topics": {"data": [{"type": "webhook-topic", "id": one} for one in topics]}}
    return make(api, "/api/webhooks", "webhook", attributes=given, relationships=linked)


def test_life_of_a_webhook(api: Api) -> None:
    api.event("Viewed Product!", email="a@shop.test")
    topics = api.get("/api/webhook-topics").ids
    assert "event:api.viewed_product_" in topics
    assert "event:klaviyo.opened_email" in topics
    one = api.get("/api/webhook-topics/event:api.viewed_product_").data
    assert (one["id"], one["attributes"]) == ("event:api.viewed_product_", {})
    assert api.get("/api/webhook-topics/event:nope").status == 404
    made = webhook(api, "event:api.viewed_product_", "event:klaviyo.opened_email")
    assert made.status == 201, made.body
    assert made.data["attributes"]["endpoint_url"] == "https://hook.test:8443/*****"
    assert b"ssss" not in made.body
    assert list(made.data["relationships"]["webhook-topics"]) == ["data"]
    path = f"/api/webhooks/{made.data['id']}"
    listed = api.get("/api/webhooks", include="webhook-topics").json
    assert [row["id"] for row in listed["data"]] == [made.data["id"]]
    assert len(listed["included"]) == 2
    fewer = {"webhook-topics": {"data": [{"type": "webhook-topic", "id": "event:klaviyo.opened_email"}]}}
    changed = change(api, path, "webhook", {"enabled": False, "description": None}, relationships=fewer).data
    assert (changed["attributes"]["enabled"], changed["attributes"]["description"]) == (False, "")
    assert [row["id"] for row in changed["relationships"]["webhook-topics"]["data"]] == ["event:klaviyo.opened_email"]
    assert change(api, path, "webhook", {"endpoint_url": "http://hook.test"}).status == 400
    assert api("DELETE", path).status == 204
    assert api.get(path).status == 404


def test_bad_webhooks(api: Api) -> None:
    topic = "event:klaviyo.opened_email"
    for wrong in (
        {"secret_key": "short"},
        {"endpoint_url": "http://x.test"},
        {"name": " "},
        {"endpoint_url": "https://["},
    ):
        assert webhook(api, topic, **wrong).status == 400
    assert webhook(api).status == 400
    assert webhook(api, "event:nope").status == 400
    assert api.get("/api/webhooks").data == []
    for _ in range(10):
        assert webhook(api, topic).status == 201
    assert webhook(api, topic).status == 400


def test_a_review_is_moderated(api: Api) -> None:
    company = api.get("/api/accounts").ids[0]
    for rating, author in ((5, "Ann"), (2, "Bob")):
        product = {"external_id": "tee", "integration_key": "shopify"}
        given = {"review_type": "review", "rating": rating, "email": "a@shop.test", "author": author, "content": "Good"}
        sent = {"data": {"type": "review", "attributes": given | {"product": product}}}
        assert api("POST", "/client/reviews", sent, query={"company_id": company}).status == 202
    ann = api.get("/api/reviews", filter="equals(rating,5)").ids[0]
    path = f"/api/reviews/{ann}"
    rejected = {"value": "rejected", "rejection_reason": {"reason": "other", "status_explanation": "x"}}
    assert change(api, path, "review", {"status": rejected}).data["attributes"]["status"] == rejected
    assert change(api, path, "review", {"status": None}).data["attributes"]["status"] == rejected
    assert api.get("/api/reviews", filter='equals(status,"rejected")').ids == [ann]
    assert len(api.get("/api/reviews", filter='equals(status,"pending"),contains(content,"good")').data) == 1
    by_rating = [row["attributes"]["rating"] for row in api.get("/api/reviews", sort="rating").data]
    assert by_rating == [2, 5]
    pages = api.pages("/api/reviews", sort="-rating", **{"page[size]": "1"})
    assert [page.data[0]["attributes"]["author"] for page in pages] == ["Ann", "Bob"]
    assert change(api, path, "review", {"status": {"value": "adored"}}).status == 400
    assert api.get(path, include="events").json["included"] == []


def test_reviews_of_an_account_without_any(api: Api) -> None:
    assert api.get("/api/reviews", sort="-rating", filter="greater-or-equal(rating,4)").data == []
    assert (
        api.get("/api/reviews", filter='equals(status,"published"),equals(item.id,"x"),equals(verified,true)').data
        == []
    )
    assert api.get("/api/reviews/NOPE").faults == [("/data/", "A review with id `NOPE` does not exist.")]
    body = {"data": {"type": "review", "id": "NOPE", "attributes": {"status": {"value": "published"}}}}
    assert api("PATCH", "/api/reviews/NOPE", body).status == 404
