"""What goes over the wire, and what becomes of every way in which the other side can fail; over all four transports."""

from __future__ import annotations

import asyncio
import logging
import pickle
import traceback
from typing import Any

import pytest
from tests.client.conftest import Caller
from tests.client.scripted_server import KEY, Answer, Scripted

from clavichord.client import errors
from clavichord.client.client import AsyncKlaviyo, Klaviyo
from clavichord.client.pacing import Pacing
from clavichord.client.types import Call

EVENT = {
    "data": {
        "type": "event",
        "attributes": {
            "properties": {},
            "unique_id": "order-1",
            "metric": {"data": {"type": "metric", "attributes": {"name": "Placed Order"}}},
            "profile": {"data": {"type": "profile", "attributes": {"email": "a@shop.example"}}},
        },
    }
}
PROFILE = {"data": {"type": "profile", "attributes": {"email": "a@shop.example"}}}


def throttled(seconds: str) -> Answer:
    body = {"errors": [{"id": "x", "status": 429, "code": "throttled", "detail": "Request was throttled."}]}
    return Answer(429, body, {"Retry-After": seconds})


def test_a_request_is_what_klaviyo_documents(send: Caller, server: Scripted) -> None:
    send("get_profiles", query={"filter": 'equals(email,"a+b@shop.example")', "page[size]": 100})
    asked = server.asked[0]
    assert (asked.method, asked.path) == ("GET", "/api/profiles")
    assert asked.query == {"filter": 'equals(email,"a+b@shop.example")', "page[size]": "100"}
    assert asked.headers["authorization"] == f"Klaviyo-API-Key {KEY}"
    assert asked.headers["revision"] == "2026-07-15"
    assert asked.headers["accept-encoding"] == "gzip"
    assert "content-type" not in asked.headers


def test_a_body_is_json_api(send: Caller, server: Scripted) -> None:
    server.otherwise = Answer(202)
    assert send("create_event", body=EVENT).status == 202
    assert server.asked[0].json == EVENT
    assert server.asked[0].headers["content-type"] == "application/vnd.api+json"


def test_a_compressed_answer_is_read(send: Caller, server: Scripted) -> None:
    server.otherwise = Answer(200, {"data": [{"type": "list", "id": "Ab12Cd"}]}, zipped=True)
    assert send("get_lists").json()["data"][0]["id"] == "Ab12Cd"


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize("retries", [0, 1, 3])
@pytest.mark.parametrize("status", [408, 500, 503, 524])
def test_n_retries_are_n_plus_1_requests(send: Caller, server: Scripted, retries: int, status: int) -> None:
    server.otherwise = Answer(status)
    with pytest.raises(errors.APIError) as caught:
        send("get_profiles", retries=retries)
    assert caught.value.status == status
    assert len(server.asked) == retries + 1


@pytest.mark.usefixtures("no_backoff")
@pytest.mark.parametrize(
    ("operation", "body", "requests"),
    [
        ("create_profile", PROFILE, 1),
        ("create_or_update_profile", PROFILE, 3),
        ("create_event", EVENT, 3),
        ("create_event", {"data": {"type": "event", "attributes": {"properties": {"unique_id": "not one"}}}}, 1),
        ("update_profile", PROFILE, 3),
        ("delete_list", None, 3),
        ("merge_profiles", {"data": {"type": "profile-merge", "id": "1"}}, 1),
    ],
)
@pytest.mark.parametrize("failure", [Answer(502), Answer(reset=True)])
def test_only_what_is_safe_to_repeat_is_repeated(
    send: Caller, server: Scripted, operation: str, body: Any, requests: int, failure: Answer
) -> None:
    server.otherwise = failure
    path = {"id": "X1"} if operation in ("update_profile", "delete_list") else {}
    with pytest.raises(errors.KlaviyoError):
        send(operation, retries=2, body=body, path=path)
    assert len(server.asked) == requests


@pytest.mark.usefixtures("no_backoff")
def test_a_429_is_repeated_for_every_operation(send: Caller, server: Scripted) -> None:
    server.answers = [throttled("0"), throttled("0")]
    server.otherwise = Answer(201, PROFILE)
    assert send("create_profile", retries=2, body=PROFILE).attempts == 3


def test_a_429_after_the_last_retry_says_when_it_is_free_again(send: Caller, server: Scripted) -> None:
    server.otherwise = throttled("7")
    with pytest.raises(errors.RateLimited, match="Free again in 7 s") as caught:
        send("get_profiles", retries=0)
    assert (caught.value.retry_after, caught.value.daily, caught.value.sent) == (7.0, False, True)


def test_a_long_retry_after_is_reported_instead_of_waited_for(send: Caller, server: Scripted) -> None:
    server.otherwise = throttled("67608")
    with pytest.raises(errors.RateLimited, match="daily cap") as caught:
        send("query_flow_values", retries=5, body={"data": {}})
    assert caught.value.daily
    assert len(server.asked) == 1


def test_retry_after_as_a_date(send: Caller, server: Scripted) -> None:
    headers = {"Retry-After": "Sat, 21 Nov 2026 10:00:01 GMT", "Date": "Sat, 21 Nov 2026 10:00:00 GMT"}
    server.answers = [Answer(429, b"", headers)]
    assert send("get_profiles", retries=1).waited >= 1.0


def test_a_reset_after_sending_may_have_taken_effect(send: Caller, server: Scripted) -> None:
    server.otherwise = Answer(reset=True)
    with pytest.raises(errors.TransportError, match="may have taken effect") as caught:
        send("create_profile", body=PROFILE, retries=3)
    assert caught.value.maybe_sent
    assert caught.value.operation == "create_profile"
    assert len(server.asked) == 1


@pytest.mark.usefixtures("no_backoff")
def test_a_refused_connection_was_not_sent(send: Caller, server: Scripted) -> None:
    server.close()
    with pytest.raises(errors.TransportError, match="safe to send it again") as caught:
        send("create_profile", body=PROFILE, retries=1)
    assert not caught.value.maybe_sent


def test_a_name_that_does_not_resolve_was_not_sent(send: Caller) -> None:
    with pytest.raises(errors.TransportError) as caught:
        send("get_profiles", base_url="http://no-such-host.invalid")
    assert not caught.value.maybe_sent


def test_no_answer_in_time(send: Caller, server: Scripted) -> None:
    server.otherwise = Answer(silent=True)
    with pytest.raises(errors.Timeout) as caught:
        send("create_profile", body=PROFILE, total=0.2)
    assert caught.value.maybe_sent


def test_a_body_cut_on_the_way_is_a_transport_error(send: Caller, server: Scripted) -> None:
    server.otherwise = Answer(200, {"data": [{"type": "list", "id": "Ab12Cd"}]}, cut=10)
    with pytest.raises(errors.TransportError) as caught:
        send("get_lists")
    assert caught.value.maybe_sent


def test_a_kept_connection_that_breaks_costs_no_hidden_request(server: Scripted) -> None:
    server.answers = [Answer(200, {"data": []}), Answer(reset=True)] * 2
    with Klaviyo(KEY, base_url=server.base_url, retries=0, pacing=Pacing(enabled=False)) as klaviyo:
        klaviyo.send("get_profiles")
        with pytest.raises(errors.TransportError):
            klaviyo.send("get_profiles")

    async def run() -> None:
        async with AsyncKlaviyo(KEY, base_url=server.base_url, retries=0, pacing=Pacing(enabled=False)) as client:
            await client.send("get_profiles")
            with pytest.raises(errors.TransportError):
                await client.send("get_profiles")

    asyncio.run(run())
    assert [asked.connection for asked in server.asked] == [1, 1, 2, 2]


def test_one_asynchronous_client_serves_one_loop_after_the_other(server: Scripted) -> None:
    client = AsyncKlaviyo(KEY, base_url=server.base_url, pacing=Pacing(enabled=False))

    async def run(last: bool) -> None:
        await client.send("get_profiles")
        if last:
            await client.close()

    asyncio.run(run(False))
    asyncio.run(run(True))
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "body", [b"", b"<html><title>Attention Required!</title></html>", b'{"errors":', b"[1]", b"\xff\xfe"]
)
@pytest.mark.parametrize("status", [400, 403, 404, 429, 500])
def test_an_error_without_json_is_typed_all_the_same(send: Caller, server: Scripted, status: int, body: bytes) -> None:
    server.otherwise = Answer(status, body, {"Content-Type": "text/html"})
    with pytest.raises(errors.APIError) as caught:
        send("create_profile", body=PROFILE)
    assert caught.value.status == status
    assert caught.value.errors == []
    assert f"create_profile: {status}" in str(caught.value)


def test_an_html_403_blames_the_firewall_not_the_key(send: Caller, server: Scripted) -> None:
    page = b"<!DOCTYPE html><html><head><title>Just a moment...</title></head></html>"
    server.otherwise = Answer(403, page, {"Content-Type": "text/html", "CF-Mitigated": "challenge", "CF-Ray": "8f-CDG"})
    with pytest.raises(errors.PermissionDenied) as caught:
        send("get_profiles")
    message = str(caught.value)
    assert "Just a moment" in message
    assert "firewall" in message
    assert "scope" not in message
    assert caught.value.request_id == "8f-CDG"


def test_an_error_names_operation_detail_argument_and_fix(send: Caller, server: Scripted) -> None:
    detail = "Invalid phone number format (Example of a valid format: +12345678901)"
    entry = {
        "id": "1",
        "status": 400,
        "code": "invalid",
        "title": "Invalid input.",
        "detail": detail,
        "source": {"pointer": "/data/attributes/profiles/data/3/attributes/phone_number"},
    }
    server.otherwise = Answer(400, {"errors": [entry]})
    with pytest.raises(errors.InvalidRequest) as caught:
        send("bulk_import_profiles", body=PROFILE)
    found = caught.value.errors[0]
    assert (found.code, found.argument) == ("invalid", "profiles[3].phone_number")
    for part in ("bulk_import_profiles: 400", detail, "profiles[3].phone_number", "Correct the argument"):
        assert part in str(caught.value)


def test_a_duplicate_profile_is_named(send: Caller, server: Scripted) -> None:
    entry = {
        "code": "duplicate_profile",
        "detail": "A profile already exists",
        "meta": {"duplicate_profile_id": "01GD"},
    }
    server.otherwise = Answer(409, {"errors": [entry]})
    with pytest.raises(errors.Conflict, match="01GD") as caught:
        send("create_profile", body=PROFILE)
    assert caught.value.duplicate_profile_id == "01GD"
    assert pickle.loads(pickle.dumps(caught.value)).duplicate_profile_id == "01GD"


def test_a_redirect_is_not_followed(send: Caller, server: Scripted, other_server: Scripted) -> None:
    server.otherwise = Answer(307, b"", {"Location": other_server.base_url + "/api/profiles"})
    with pytest.raises(errors.APIError, match="correct base_url"):
        send("get_profiles")
    assert other_server.asked == []


def test_client_operations_are_sent_without_the_private_key(send: Caller, server: Scripted) -> None:
    server.otherwise = Answer(202)
    send("create_client_event", query={"company_id": "AbC123"}, body=EVENT)
    assert "authorization" not in server.asked[0].headers


def test_pages_are_followed_by_the_query_of_their_link_only(server: Scripted, klaviyo: Klaviyo) -> None:
    evil = "https://elsewhere.example/stolen?page%5Bcursor%5D=bmV4dA%3D%3D&filter=a%2Bb"
    server.answers = [Answer(200, {"data": [1], "links": {"next": evil}}), Answer(200, {"data": [2], "links": {}})]
    assert [page.json()["data"] for page in klaviyo.pages("get_profiles", query={"page[size]": 1})] == [[1], [2]]
    assert [asked.target for asked in server.asked] == [
        "/api/profiles?page%5Bsize%5D=1",
        "/api/profiles?page%5Bcursor%5D=bmV4dA%3D%3D&filter=a%2Bb",
    ]


def test_a_next_link_that_goes_in_circles_ends(server: Scripted, klaviyo: Klaviyo) -> None:
    server.otherwise = Answer(200, {"data": [], "links": {"next": "/api/lists?page%5Bcursor%5D=x"}})
    with pytest.raises(errors.InvalidResponse, match="already read"):
        list(klaviyo.pages("get_lists"))
    assert len(server.asked) == 2


def test_connections_are_kept(server: Scripted, klaviyo: Klaviyo) -> None:
    for _ in range(3):
        klaviyo.send("get_lists")
    assert {asked.connection for asked in server.asked} == {1}


def test_a_base_url_may_have_a_path(server: Scripted) -> None:
    with Klaviyo(KEY, base_url=server.base_url + "/gateway/", pacing=Pacing(enabled=False)) as klaviyo:
        klaviyo.send("get_lists")
    assert server.asked[0].path == "/gateway/api/lists"


def test_request_takes_any_path(server: Scripted, klaviyo: Klaviyo) -> None:
    assert klaviyo.request("GET", "/api/lists/AbC/").operation == "get_list"
    assert klaviyo.request("POST", "/api/brand-new", body={"data": 1}).operation == "POST /api/brand-new"
    assert [(a.method, a.path) for a in server.asked] == [("GET", "/api/lists/AbC"), ("POST", "/api/brand-new")]


def test_ids_cannot_leave_their_place_in_the_path(server: Scripted, klaviyo: Klaviyo) -> None:
    klaviyo.send("get_list", path={"id": "a/../../oauth?x=1#y"})
    assert server.asked[0].target == "/api/lists/a%2F..%2F..%2Foauth%3Fx%3D1%23y"
    for impossible in ("", ".", ".."):
        with pytest.raises(errors.ConfigurationError, match="id"):
            klaviyo.send("get_list", path={"id": impossible})


def test_every_attempt_is_told_to_the_hook(send: Caller, server: Scripted) -> None:
    server.answers = [throttled("0")]
    calls: list[Call] = []
    send("get_profiles", retries=1, on_response=calls.append)
    assert [(c.operation, c.attempt, c.status, c.retry_in) for c in calls] == [
        ("get_profiles", 1, 429, 0.0),
        ("get_profiles", 2, 200, None),
    ]


def test_the_key_is_nowhere_to_be_seen(
    send: Caller, server: Scripted, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    calls: list[Call] = []
    seen: list[str] = []
    for answer in (Answer(401), Answer(reset=True), Answer(307, b"", {"Location": "http://x.example"}), Answer(500)):
        server.answers = [answer]
        try:
            send("get_profiles", on_response=calls.append)
        except errors.KlaviyoError as error:
            shown = traceback.TracebackException.from_exception(error, capture_locals=True)
            # the fixtures' frames hold the key as the test's own constant; ours must not
            seen += [line for line in shown.format() if "/clavichord/client/" in line]
            seen += [str(error), repr(error), repr(vars(error))]
    for made in (Klaviyo(KEY), AsyncKlaviyo(KEY)):
        seen += [repr(made), str(made), repr(vars(made)), repr(made._core.auth)]
        with pytest.raises(TypeError):
            pickle.dumps(made)
        with pytest.raises(TypeError):
            pickle.dumps(made._core.auth)
    captured = capfd.readouterr()
    everything = "\n".join([*seen, repr(calls), caplog.text, captured.out, captured.err])
    assert len(seen) > 10
    assert KEY[5:] not in everything


@pytest.mark.parametrize(
    ("key", "says"),
    [("", "empty"), ("   ", "empty"), ("AbC123", "public key"), ("pk_ab cd", "spaces"), ("pk_né", "characters")],
)
def test_what_cannot_be_a_private_key_is_refused(key: str, says: str) -> None:
    with pytest.raises(errors.ConfigurationError, match=says) as caught:
        Klaviyo(key)
    assert not key.strip() or key not in str(caught.value)


@pytest.mark.parametrize("query", ["a b", "a=ü", "a=1\r\nx: y", "a#b"])
def test_a_query_as_text_must_be_encoded(server: Scripted, klaviyo: Klaviyo, query: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="percent-encoded"):
        klaviyo.send("get_lists", query=query)
    assert server.asked == []


def test_a_line_break_cannot_become_a_header(server: Scripted, klaviyo: Klaviyo) -> None:
    with pytest.raises(errors.KlaviyoError):
        klaviyo.request("POST", "/api/x", body=b"{}", content_type="text/plain\r\nx-evil: 1")
    with pytest.raises(errors.ConfigurationError, match="method"):
        klaviyo.request("GET / HTTP/1.1\r\nx: y", "/api/x")
    klaviyo.request("GET", "/api/brand new/ü\r\nx: y")
    assert [asked.target for asked in server.asked] == ["/api/brand%20new/%C3%BC%0D%0Ax:%20y"]


def test_unknown_operations_are_refused_with_near_names(klaviyo: Klaviyo) -> None:
    with pytest.raises(errors.ConfigurationError, match="get_profiles"):
        klaviyo.send("get_profilse")


@pytest.mark.parametrize("base_url", ["a.klaviyo.com", "ftp://x", "https://user:secret@host", "https://h/?k=secret"])
def test_an_impossible_base_url_is_refused_without_quoting_secrets(base_url: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="base_url") as caught:
        Klaviyo(KEY, base_url=base_url)
    assert "secret" not in str(caught.value)
