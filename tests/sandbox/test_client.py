"""`/client`: what browsers and apps send with nothing but an account's public id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from tests.sandbox.sandbox_api import Api, Reply

from clavichord.sandbox.serve import running


class Client:
    """The public side of an account: no key, but its id."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.company = api.get("/api/accounts").data[0]["attributes"]["public_api_key"]

    def __call__(self, method: str, path: str, body: Any = None, **query: str) -> Reply:
        sent = {"company_id": self.company, **query}
        return self.api(method, f"/client/{path}", body, query=sent, headers={"Authorization": None})

    def post(self, path: str, kind: str, attributes: Mapping[str, Any], **more: Any) -> Reply:
        return self("POST", path, {"data": {"type": kind, "attributes": attributes, **more}})


def profile(**attributes: Any) -> dict[str, Any]:
    return {"data": {"type": "profile", "attributes": attributes}}


@pytest.fixture
def client(api: Api) -> Client:
    return Client(api)


def accepted(reply: Reply) -> None:
    assert (reply.status, reply.body) == (202, b"")
    assert "content-type" not in reply.headers
    assert reply.headers["access-control-allow-origin"] == "*"


def test_company_id_is_the_only_key(client: Client) -> None:
    body = {"data": {"type": "profile", "attributes": {"email": "a@shop.test"}}}
    nobody = client.api("POST", "/client/profiles", body, headers={"Authorization": None})
    assert (nobody.status, nobody.faults) == (400, [("company_id", "'company_id' is a required field.")])
    wrong = client("POST", "profiles", body, company_id="no-such")
    assert (wrong.status, wrong.faults[0][0]) == (400, "company_id")
    with running(keys={"pk_only": None}) as served:
        strict = Client(Api(served.base_url, "pk_only"))
        assert strict.post("profiles", "profile", {"email": "a@shop.test"}).status == 202
        assert strict("POST", "profiles", body, company_id="ABC123").status == 400


def test_browsers_may_ask_from_anywhere(client: Client) -> None:
    asked = client("OPTIONS", "events")
    assert (asked.status, asked.body) == (204, b"")
    assert asked.headers["access-control-allow-origin"] == "*"
    assert "POST" in asked.headers["access-control-allow-methods"]
    assert "access-control-allow-origin" not in client.api.get("/api/lists").headers


def test_profiles_are_made_and_completed_but_never_renamed(client: Client) -> None:
    accepted(client.post("profiles", "profile", {"email": "Ann@shop.test", "first_name": "Ann"}))
    accepted(client.post("profiles", "profile", {"email": "ann@shop.test", "external_id": "ann", "last_name": "Bell"}))
    accepted(client.post("profiles", "profile", {"external_id": "ann", "email": "other@shop.test", "title": "Dr"}))
    person = client.api.person("ann@shop.test") or {}
    shown = [person[name] for name in ("first_name", "last_name", "external_id", "title", "email")]
    assert shown == ["Ann", "Bell", "ann", "Dr", "ann@shop.test"]
    assert client.api.person("other@shop.test") is None
    for field, value, what in [("email", "nonsense", "Invalid email address"), ("phone_number", "12", "Invalid phone")]:
        refused = client.post("profiles", "profile", {field: value})
        assert refused.status == 400
        assert refused.faults[0][0] == f"/data/attributes/{field}"
        assert refused.faults[0][1].startswith(what)


def test_events_of_a_page(client: Client) -> None:
    metric = {"data": {"type": "metric", "attributes": {"name": "Active on Site"}}}
    one = {"properties": {"page": "/"}, "metric": metric, "profile": profile(email="a@shop.test"), "unique_id": "1"}
    for _ in range(2):
        accepted(client.post("events", "event", one))
    many = [
        {"type": "event", "attributes": {"properties": {"n": n}, "metric": metric, "unique_id": f"b{n}"}}
        for n in range(3)
    ]
    bulk = {"profile": profile(email="a@shop.test"), "events": {"data": many}}
    accepted(client.post("event-bulk-create", "event-bulk-create", bulk))
    assert len(client.api.get("/api/events").data) == 4
    many[1]["attributes"]["value_currency"] = "EURO"  # type: ignore[index]
    refused = client.post("event-bulk-create", "event-bulk-create", bulk)
    assert refused.faults[0][0] == "/data/attributes/events/data/1/attributes/value_currency"
    assert len(client.api.get("/api/events").data) == 4


@pytest.mark.parametrize(("opt_in", "state"), [("single_opt_in", "SUBSCRIBED"), ("double_opt_in", None)])
def test_subscriptions_respect_the_list(client: Client, opt_in: str, state: str | None) -> None:
    list_id = client.api.list(opt_in_process=opt_in)
    relationships = {"list": {"data": {"type": "list", "id": list_id}}}
    given = {"profile": profile(email="a@shop.test", first_name="A"), "custom_source": "popup"}
    accepted(client.post("subscriptions", "subscription", given, relationships=relationships))
    person = client.api.person("a@shop.test")
    if state is None:
        assert person is None
    else:
        assert person is not None
        marketing = person["subscriptions"]["email"]["marketing"]
        assert (marketing["consent"], marketing["custom_method_detail"]) == (state, "popup")
        assert person["first_name"] == "A"
        assert client.api.get(f"/api/lists/{list_id}/profiles").ids == [person["id"]]


def test_subscriptions_that_cannot_be(client: Client) -> None:
    list_id = client.api.list(opt_in_process="single_opt_in")
    there = {"list": {"data": {"type": "list", "id": list_id}}}
    elsewhere = {"list": {"data": {"type": "list", "id": "NOPE01"}}}
    nobody = client.post("subscriptions", "subscription", {"profile": profile(external_id="x")}, relationships=there)
    assert (nobody.status, nobody.faults[0][0]) == (400, "/data/attributes/profile/data/attributes")
    body = {"profile": profile(email="a@shop.test")}
    assert client.post("subscriptions", "subscription", body, relationships=elsewhere).status == 400
    said = {"sms": {"marketing": {"consent": "SUBSCRIBED"}}}
    body = {"profile": profile(email="a@shop.test", subscriptions=said)}
    refused = client.post("subscriptions", "subscription", body, relationships=there)
    assert refused.faults[0][0] == "/data/attributes/profile/data/attributes/phone_number"


def test_channels_that_are_left_out_are_not_subscribed(client: Client) -> None:
    there = {"list": {"data": {"type": "list", "id": client.api.list(opt_in_process="single_opt_in")}}}
    token = {"token": "t1", "platform": "ios", "vendor": "apns"}
    said = {
        "email": {"marketing": {"consent": "SUBSCRIBED"}},
        "push": {"marketing": {"consent": "SUBSCRIBED"}, "tokens": [token]},
    }
    body = {"profile": profile(email="a@shop.test", phone_number="+16175550100", subscriptions=said)}
    accepted(client.post("subscriptions", "subscription", body, relationships=there))
    person = client.api.person("a@shop.test") or {}
    assert person["subscriptions"]["email"]["marketing"]["consent"] == "SUBSCRIBED"
    assert person["subscriptions"]["sms"]["marketing"]["consent"] == "NEVER_SUBSCRIBED"
    assert [row["attributes"]["token"] for row in client.api.get("/api/push-tokens").data] == ["t1"]


def test_push_tokens_come_and_go(client: Client) -> None:
    token = {"token": "t1", "platform": "android", "vendor": "fcm", "profile": profile(external_id="me")}
    accepted(client.post("push-tokens", "push-token", token))
    assert client.api.get("/api/push-tokens").data[0]["attributes"]["platform"] == "android"
    gone = {"token": "t1", "platform": "android", "profile": profile(external_id="me")}
    accepted(client.post("push-token-unregister", "push-token-unregister", gone))
    assert client.api.get("/api/push-tokens").data == []
    empty = client.post("push-tokens", "push-token", token | {"token": " "})
    assert (empty.status, empty.faults[0][0]) == (400, "/data/attributes/token")


def review(**attributes: Any) -> dict[str, Any]:
    return {
        "review_type": "review",
        "email": "ann@shop.test",
        "author": "Ann",
        "content": "Good.",
        "product": {"external_id": "tee", "integration_key": "shopify"},
        **attributes,
    }


def test_reviews_are_seen_once_they_are_published(client: Client) -> None:
    for number in (5, 4, 3):
        accepted(client.post("reviews", "review", review(rating=number, content=f"{number} stars")))
    store = {name: value for name, value in review(review_type="store", rating=2).items() if name != "product"}
    accepted(client.post("reviews", "review", store))
    assert client("GET", "reviews").data == []
    for row in client.api.get("/api/reviews").data:
        status = {"value": "published"} if row["attributes"]["rating"] != 3 else {"value": "unpublished"}
        body = {"data": {"type": "review", "id": row["id"], "attributes": {"status": status}}}
        assert client.api("PATCH", f"/api/reviews/{row['id']}", body).status == 200
    shown = client("GET", "reviews", sort="-rating").data
    assert [row["attributes"]["rating"] for row in shown] == [5, 4, 2]
    assert "ann@shop.test" not in str(shown)
    assert "relationships" not in shown[0]
    assert shown[0]["attributes"]["product"]["external_id"] == "tee"
    good = client("GET", "reviews", filter='and(greater-or-equal(rating,4),equals(review_type,"review"))')
    assert len(good.data) == 2
    pages = client("GET", "reviews", **{"page[size]": "2", "sort": "rating"}).json
    second = client.api("GET", "/client/reviews", query=pages["links"]["next"].partition("?")[2])
    assert [row["attributes"]["rating"] for row in [*pages["data"], *second.data]] == [2, 4, 5]
    report = client(
        "GET",
        "review-values-reports",
        group_by="product_id",
        timeframe="all_time",
        statistics="average_rating,total_reviews",
    ).data[0]
    assert report["attributes"]["results"] == [
        {"groupings": {"product_id": "tee"}, "statistics": {"average_rating": 4.5, "total_reviews": 2}}
    ]
    whole = {"group_by": "company_id", "timeframe": "last_30_days", "statistics": "average_store_rating"}
    results = client("GET", "review-values-reports", **whole).data[0]["attributes"]["results"]
    assert results == [{"groupings": {"company_id": client.company}, "statistics": {"average_store_rating": 2.0}}]
    for wrong in ({"group_by": "person"}, {"timeframe": "today"}, {"statistics": "mood"}, {"statistics": ""}):
        refused = client("GET", "review-values-reports", **{**whole, **wrong})
        assert (refused.status, refused.faults[0][0]) == (400, next(iter(wrong)))


def test_reviews_need_what_their_kind_needs(client: Client) -> None:
    assert client.post("reviews", "review", review()).faults[0][0] == "/data/attributes/rating"
    assert client.post("reviews", "review", review(email="no", rating=1)).faults[0][0] == "/data/attributes/email"
    body = {name: value for name, value in review(rating=1).items() if name != "product"}
    assert client.post("reviews", "review", body).faults[0][0] == "/data/attributes/product"
    accepted(client.post("reviews", "review", review(review_type="question")))


def test_addresses_and_places(client: Client) -> None:
    egress = client("GET", "ip-allowlists/integration-egress")
    assert list(egress.data["attributes"]) == ["prefixes", "sync_token", "created"]
    assert client.api("GET", "/client/ip-allowlists/integration-egress", headers={"Authorization": None}).status == 200
    assert client("GET", "ip-allowlists/other").status == 404
    assert client("GET", "geofences").data == []
