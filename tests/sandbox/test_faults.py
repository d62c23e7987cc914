"""Faults on demand, over real connections."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import urllib3
from tests.sandbox.sandbox_api import Api, Reply

from clavichord.sandbox.serve import running


@pytest.fixture
def own() -> Iterator[Api]:
    """A sandbox of its own: faults are for everybody."""
    with running(limits="off", job_delay=0) as served:
        yield Api(served.base_url, "pk_a")


def faults(api: Api, *wanted: dict[str, Any]) -> Reply:
    return api("PUT", "/_sandbox/faults", list(wanted))


def test_the_first_calls_fail_and_then_it_works(own: Api) -> None:
    assert faults(own, {"operation": "create_profile", "status": 503, "times": 2, "retry_after": 1}).status == 200
    body = {"data": {"type": "profile", "attributes": {"email": "a@shop.test"}}}
    replies = [own("POST", "/api/profiles", body) for _ in range(3)]
    assert [reply.status for reply in replies] == [503, 503, 201]
    assert replies[0].headers["retry-after"] == "1"
    assert replies[0].headers["content-type"] == "application/vnd.api+json"
    assert list(replies[0].errors[0]) == ["id", "status", "code", "title", "detail", "source"]
    assert own("GET", "/_sandbox/faults").json["faults"][0]["fired"] == 2
    entries = own("GET", "/_sandbox/requests", query="operation=create_profile").json["requests"]
    assert [entry["fault"] for entry in entries] == ["status=503", "status=503", None]
    assert own("DELETE", "/_sandbox/faults").json == {"faults": []}


def test_a_429_looks_like_the_recorded_one(own: Api) -> None:
    faults(own, {"operation": "get_lists", "status": 429, "retry_after": 7, "after": 1, "times": 1})
    assert own.get("/api/lists").status == 200
    refused = own.get("/api/lists")
    assert (refused.status, refused.headers["retry-after"]) == (429, "7")
    assert "content-type" not in refused.headers
    assert refused.errors[0]["detail"] == "Request was throttled. Expected available in 7 seconds."
    assert own.get("/api/lists").status == 200


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 413, 418, 500, 502, 503, 504, 524])
def test_every_refusal_is_a_document(own: Api, status: int) -> None:
    reply = own("GET", "/api/lists", headers={"X-Sandbox-Fault": str(status)})
    assert reply.status == status
    error = reply.errors[0]
    assert error["status"] == status
    assert error["detail"]
    assert own.get("/api/lists").status == 200


def test_accounts_are_told_apart(own: Api) -> None:
    other = Api(own.base_url, "pk_other")
    account = other.get("/api/accounts").ids[0]
    faults(own, {"account": account, "status": 500})
    assert (own.get("/api/lists").status, other.get("/api/lists").status) == (200, 500)


def test_dice_repeat_themselves(own: Api) -> None:
    runs: list[list[int]] = []
    for seed in (1, 1, 2):
        faults(own, {"operation": "get_lists", "status": 500, "probability": 0.5, "seed": seed})
        runs.append([own.get("/api/lists").status for _ in range(40)])
    assert runs[0] == runs[1] != runs[2]
    assert 5 < runs[0].count(500) < 35


def test_a_reset_before_the_request_is_done(own: Api) -> None:
    body = {"data": {"type": "list", "attributes": {"name": "A"}}}
    with pytest.raises(urllib3.exceptions.ProtocolError) as broken:
        own("POST", "/api/lists", body, headers={"X-Sandbox-Fault": "connection=reset"})
    assert "reset" in str(broken.value).lower()
    assert own.get("/api/lists").data == []


def test_an_answer_that_is_lost_was_done(own: Api) -> None:
    faults(own, {"operation": "create_list", "connection": "lost", "times": 1})
    body = {"data": {"type": "list", "attributes": {"name": "A"}}}
    with pytest.raises(urllib3.exceptions.ProtocolError):
        own("POST", "/api/lists", body)
    assert len(own.get("/api/lists").data) == 1
    entry = own("GET", "/_sandbox/requests", query="operation=create_list").json["requests"][0]
    assert (entry["status"], entry["fault"]) == (201, "connection=lost")


def test_a_body_that_is_torn(own: Api) -> None:
    own.list("A")
    with pytest.raises(urllib3.exceptions.ProtocolError) as broken:
        own("GET", "/api/lists", headers={"X-Sandbox-Fault": "connection=torn"})
    assert "IncompleteRead" in str(broken.value)
    assert own.get("/api/lists").status == 200


def test_latency(own: Api) -> None:
    own("GET", "/api/lists", headers={"X-Sandbox-Fault": "latency=120, status=500"})
    entry = own("GET", "/_sandbox/requests").json["requests"][-1]
    assert entry["ms"] >= 100
    assert entry["fault"] == "latency=120, status=500"


def test_events_that_are_seen_late(own: Api) -> None:
    own("POST", "/_sandbox/clock", {"set": "2026-05-01T00:00:00Z", "freeze": True})
    faults(own, {"operation": "create_event", "late": 3600})
    assert own.event("Seen", email="a@shop.test", unique_id="1").status == 202
    assert own.event("Seen", email="a@shop.test", value_currency="?").status == 400
    assert own.get("/api/events").data == own.get("/api/metrics").data == own.get("/api/profiles").data == []
    own("POST", "/_sandbox/clock", {"advance": "59m"})
    assert own.get("/api/events").data == []
    own("POST", "/_sandbox/clock", {"advance": "2m"})
    event = own.get("/api/events").data[0]["attributes"]
    assert event["datetime"] == "2026-05-01T00:00:00+00:00"
    assert len(own.get("/api/events").data) == 1


def test_events_that_are_dated_wrong(own: Api) -> None:
    own("POST", "/_sandbox/clock", {"set": "2026-05-01T00:00:00Z", "freeze": True})
    for shift in (86_400, -172_800):
        faults(own, {"operation": "create_event", "shift": shift})
        own.event(email="a@shop.test", time="2026-04-30T00:00:00Z", unique_id=str(shift))
    times = [row["attributes"]["datetime"] for row in own.get("/api/events", sort="datetime").data]
    assert times == ["2026-04-28T00:00:00+00:00", "2026-05-01T00:00:00+00:00"]
    faults(own, {"operation": "bulk_create_events", "shift": 60})
    profile = {"data": {"type": "profile", "attributes": {"email": "a@shop.test"}}}
    metric = {"data": {"type": "metric", "attributes": {"name": "Bulk"}}}
    event = {"type": "event", "attributes": {"properties": {}, "metric": metric, "time": "2026-05-01T00:00:00Z"}}
    entry = {"type": "event-bulk-create", "attributes": {"profile": profile, "events": {"data": [event]}}}
    body = {"data": {"type": "event-bulk-create-job", "attributes": {"events-bulk-create": {"data": [entry]}}}}
    assert own("POST", "/api/event-bulk-create-jobs", body).status == 202
    assert own.get("/api/events", sort="-datetime").data[0]["attributes"]["datetime"] == "2026-05-01T00:01:00+00:00"


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        ({"operation": "get_profile_s", "status": 500}, "get_profiles"),
        ({"operation": "get_profiles"}, "does nothing"),
        ({"operation": "get_profiles", "status": 200}, "status"),
        ({"operation": "get_profiles", "status": 500, "times": 0}, "times"),
        ({"operation": "get_profiles", "connection": "cut"}, "connection"),
        ({"operation": "get_profiles", "late": 3}, "create_event"),
        ({"late": 3}, "create_event"),
        ({"operation": "get_profiles", "staus": 500}, "staus"),
        ({"operation": "get_profiles", "status": 500, "probability": 2}, "probability"),
    ],
)
def test_faults_that_cannot_be_are_refused(own: Api, fault: dict[str, Any], text: str) -> None:
    faults(own, {"operation": "get_lists", "status": 500})
    reply = faults(own, {"operation": "get_lists", "status": 501}, fault)
    assert reply.status == 400
    assert text in reply.json["error"]
    assert [one["status"] for one in own("GET", "/_sandbox/faults").json["faults"]] == [500]


@pytest.mark.parametrize("header", ["status=abc", "nonsense", "latency=-1", "late=5", "connection=", "a=b=c", "=", ","])
def test_a_header_that_makes_no_sense_is_said_so(own: Api, header: str) -> None:
    reply = own("GET", "/api/lists", headers={"X-Sandbox-Fault": header})
    assert (reply.status, reply.faults[0][0]) == (400, "X-Sandbox-Fault")
