"""The journal: which requests there were, what they said, and what nobody read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.sandbox.sandbox_api import Api, event

from clavichord.sandbox.serve import running


@pytest.fixture
def own() -> Iterator[Api]:
    with running(limits="off", job_delay=0) as served:
        yield Api(served.base_url, "pk_a")


def requests(api: Api, **query: str) -> list[dict[str, Any]]:
    reply = api("GET", "/_sandbox/requests", query=query)
    assert reply.status == 200, reply.body
    found: list[dict[str, Any]] = reply.json["requests"]
    return found


def test_filters(own: Api) -> None:
    other = Api(own.base_url, "pk_other")
    account = other.get("/api/accounts").ids[0]
    list_id = own.list("A")
    own.get(f"/api/lists/{list_id}", **{"fields[list]": "name"})
    own.get("/api/lists/NOPE01")
    assert [one["path"] for one in requests(own, account=account)] == ["/api/accounts"]
    assert [one["status"] for one in requests(own, method="POST")] == [201]
    assert [one["status"] for one in requests(own, path="/api/lists/")] == [200, 404]
    assert requests(own, path=list_id)[0]["query"] == "fields%5Blist%5D=name"
    assert requests(own, operation="get_list", status="404")[0]["path"] == "/api/lists/NOPE01"
    assert {one["revision"] for one in requests(own)} == {"2026-07-15"}
    assert {one["test"] for one in requests(own)} == {"tests/sandbox/test_journal.py::test_filters"}
    assert len(requests(own, test="test_filters", limit="2")) == 2
    wrong = own("GET", "/_sandbox/requests", query={"operaton": "get_list"})
    assert (wrong.status, "operation" in wrong.json["error"]) == (400, True)


def test_bodies_of_a_request(own: Api) -> None:
    own.list("Seen")
    number = requests(own, operation="create_list")[0]["number"]
    whole = own("GET", f"/_sandbox/requests/{number}").json
    assert whole["sent"]["data"]["attributes"]["name"] == "Seen"
    assert whole["answered"]["data"]["type"] == "list"
    assert whole["request"]["number"] == number
    for missing in ("999999", "x", "-1"):
        assert own("GET", f"/_sandbox/requests/{missing}").status == 404


def test_old_bodies_make_room_for_new_ones(own: Api) -> None:
    entries = [{"attributes": {"email": f"p{n}@shop.test", "properties": {"x": "y" * 1000}}} for n in range(700)]
    for _ in range(25):
        own.imports(*entries)
    first, last = (own("GET", f"/_sandbox/requests/{number}").json for number in (1, 25))
    assert first["sent"] is None
    assert last["sent"] is not None


def test_fields_that_nobody_reads(own: Api) -> None:
    assert requests(own, unread="true") == []
    assert own("PUT", "/_sandbox/requests/watch", {"unread": True}).json == {"unread": True}
    body = event("Seen", email="a@shop.test", properties={"free": {"form": 1}}, value=3)
    body["data"]["attributes"]["profile"]["data"]["attributes"]["properties"] = {"free": 1}
    own("POST", "/api/events", body)
    assert requests(own, unread="true") == []
    review: dict[str, Any] = {"review_type": "question", "email": "a@shop.test", "author": "A", "content": "?"}
    review["product"] = {"external_id": "tee", "integration_key": "shopify"}
    data = {"type": "review", "attributes": review, "relationships": {"order": {"data": {"type": "order", "id": "1"}}}}
    own("POST", "/client/reviews", {"data": data}, query="company_id=ABC123")
    unread = ["/data/attributes/product/integration_key", "/data/relationships"]
    assert [one["unread"] for one in requests(own, unread="true")] == [unread]
    own.get("/api/lists", **{"page-size": "3"})
    assert requests(own, operation="get_lists")[0]["unread"] == ["?page-size"]
    own("PUT", "/_sandbox/requests/watch", {"unread": False})
    own.get("/api/lists", **{"page-size": "3"})
    assert requests(own, operation="get_lists")[1]["unread"] == []


def test_watching_changes_no_answer(own: Api) -> None:
    replies = []
    for watching in (False, True):
        own("POST", "/_sandbox/reset")
        own("POST", "/_sandbox/clock", {"freeze": True, "set": "2026-05-01T00:00:00Z"})
        own("PUT", "/_sandbox/requests/watch", {"unread": watching})
        own.profile(email="a@shop.test", location={"city": "Paris"}, properties={"a": [1, {"b": 2}]})
        list_id = own.list("A", opt_in_process="single_opt_in")
        own.imports({"attributes": {"email": "b@shop.test", "properties": {"x": {"y": 1}}}}, lists=(list_id,))
        said = {"email": {"marketing": {"consent": "SUBSCRIBED"}}}
        own.consent("create", {"email": "b@shop.test", "subscriptions": said}, list_id=list_id)
        own.event(email="a@shop.test", properties={"x": {"y": 1}}, unique_id="1")
        rows = [*own.get("/api/profiles", **{"additional-fields[profile]": "subscriptions"}).data]
        rows += own.get("/api/events").data
        replies.append([row["attributes"] | {"uuid": None} for row in rows])
    for row in (one for reply in replies for one in reply):
        marketing = (row.get("subscriptions") or {}).get("email", {}).get("marketing", {})
        if marketing.get("method_detail"):
            marketing["method_detail"] = "a list"
    assert replies[0] == replies[1]


def test_limits_change_while_it_runs(own: Api) -> None:
    assert own("GET", "/_sandbox/limits").json == {"mode": "off", "windows": "clock", "scale": 1}
    assert "ratelimit-limit" not in own.get("/api/accounts").headers
    own("POST", "/_sandbox/clock", {"freeze": True})
    own("PUT", "/_sandbox/limits", {"mode": "enforce"})
    assert [own.get("/api/accounts").status for _ in range(2)] == [200, 429]
    own("PUT", "/_sandbox/limits", {"scale": 3})
    assert [own.get("/api/accounts").status for _ in range(4)] == [200, 200, 200, 429]
    own("PUT", "/_sandbox/limits", {"scale": 0.01})
    assert own.get("/api/profiles").headers["ratelimit-limit"] == "1, 1;w=1, 8;w=60"
    own("PUT", "/_sandbox/limits", {"mode": "headers"})
    assert {own.get("/api/accounts").status for _ in range(5)} == {200}
    for wrong in ({"mode": "strict"}, {"scale": 0}, {"windows": "moon"}, {"speed": 1}):
        assert own("PUT", "/_sandbox/limits", wrong).status == 400


def test_pages_of_another_origin_change_nothing(own: Api) -> None:
    own.list("A")
    for headers in ({"Origin": "https://evil.test"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        refused = own("POST", "/_sandbox/reset", headers=headers)
        assert refused.status == 403
    assert len(own.get("/api/lists").data) == 1
    assert own("POST", "/_sandbox/reset", headers={"Origin": own.base_url}).status == 200
    assert own("GET", "/_sandbox/health", headers={"Origin": "https://evil.test"}).status == 200
    assert "access-control-allow-origin" not in own("GET", "/_sandbox/health").headers


def test_coverage_names_evidence_and_the_tests(own: Api) -> None:
    own.get("/api/lists/" + own.list())
    report = own("GET", "/_sandbox/coverage").json
    row = report["operations"]["get_list"]
    assert row["evidence"] == "live"
    assert row["answered"] == {"200": 1}
    assert "tests/sandbox/test_journal.py::test_coverage_names_evidence_and_the_tests" in row["tests"]
    assert report["operations"]["create_client_event"]["evidence"] == "spec"
    sender = report["operations"]["get_text_messaging_senders"]
    assert (sender["evidence"], sender["revisions"]) == ("inferred", {"2026-10-15": "implemented"})
    assert report["totals"]["2026-07-15"]["operations"] == 345
    assert report["totals"]["2026-10-15"]["operations"] == 434
