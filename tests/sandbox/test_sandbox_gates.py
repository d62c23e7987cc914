"""Everything that stops a request before a behaviour sees it."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from tests.sandbox.sandbox_api import Api

from clavichord.sandbox.serve import running

PROFILE = {"data": {"type": "profile", "attributes": {"email": "a@shop.test"}}}


@pytest.fixture(scope="module")
def declared() -> Iterator[str]:
    """A sandbox that knows two keys and whose limits are told."""
    with running(keys={"pk_full": None, "pk_read": ["lists:read", "profiles:read"]}) as served:
        yield served.base_url


def test_a_wrong_key_gets_the_recorded_401(declared: str) -> None:
    reply = Api(declared, "pk_unknown").get("/api/accounts")
    text = "Incorrect authentication credentials."
    assert (reply.status, reply.headers["content-type"]) == (401, "application/vnd.api+json")
    assert not [name for name in reply.headers if name.lower().startswith("ratelimit")]
    error = reply.errors[0]
    assert list(error) == ["id", "code", "title", "detail", "source", "status"]
    assert (error["code"], error["title"], error["detail"]) == ("authentication_failed", text, text)
    assert error["source"] == {"pointer": "/data/"}


@pytest.mark.parametrize("header", [None, "", "Digest abc", "Klaviyo-API-Key", "Klaviyo-Key pk_full", "pk_full"])
def test_no_key_or_another_scheme(declared: str, header: str | None) -> None:
    reply = (
        Api(declared, "").get("/api/accounts")
        if header == ""
        else Api(declared, "x")("GET", "/api/accounts", headers={"Authorization": header})
    )
    assert (reply.status, reply.errors[0]["code"]) == (401, "not_authenticated")


def test_a_public_key_is_no_private_key(api: Api) -> None:
    assert Api(api.base_url, "WBhXHN").get("/api/accounts").status == 401


def test_missing_scope_is_named_and_limits_are_told(declared: str) -> None:
    reader = Api(declared, "pk_read")
    assert reader.get("/api/profiles").status == 200
    reply = reader("POST", "/api/profiles", PROFILE)
    assert (reply.status, reply.errors[0]["code"]) == (403, "permission_denied")
    assert "profiles:write" in reply.errors[0]["detail"]
    assert reply.headers["ratelimit-limit"] == "75, 75;w=1, 750;w=60"
    assert Api(declared, "pk_full").get("/api/lists").status == 200


@pytest.mark.parametrize(
    ("revision", "status", "detail"),
    [
        ("2026-07-15", 200, ""),
        ("2024-10-15", 200, ""),
        ("2026-10-15", 200, ""),
        ("2026-07-15.pre", 200, ""),
        ("2199-01-15", 404, "Unable to specify a future revision date"),
        ("2025-02-02", 400, "'2025-02-02' is not an existing revision"),
        ("2019-01-01", 400, "is before the earliest available"),
        ("latest", 400, "'latest' is not a valid revision"),
        ("2026-13-45", 400, "is not a valid revision"),
        (None, 400, "revision header is required"),
    ],
)
def test_revisions(api: Api, revision: str | None, status: int, detail: str) -> None:
    reply = api("GET", "/api/accounts", headers={"revision": revision})
    assert reply.status == status
    assert status == 200 or detail in reply.errors[0]["detail"]


def test_paths_and_methods(api: Api) -> None:
    assert api.get("/api/nonsense").errors[0]["code"] == "not_found"
    assert api.get("/other").status == 404
    assert api.get("/api/lists/").json["links"]["self"] == "https://a.klaviyo.com/api/lists"
    wrong = api("DELETE", "/api/lists")
    assert (wrong.status, wrong.headers["allow"]) == (405, "GET, POST")
    head = api("HEAD", "/api/lists")
    assert (head.status, head.body) == (200, b"")
    assert int(head.headers["content-length"]) > 0
    assert api("TRACE", "/api/lists").status == 405


def test_what_is_not_implemented_says_so_by_name() -> None:
    with running(limits="off") as served:
        behaviours = served.sandbox.releases.newest.behaviours
        assert isinstance(behaviours, dict)
        del behaviours["get_lists"]
        api = Api(served.base_url, "pk_gap")
        reply = api("GET", "/api/lists", headers={"revision": "2026-10-15"})
        assert (reply.status, reply.errors[0]["code"]) == (501, "not_implemented")
        assert "get_lists" in reply.errors[0]["detail"]
        assert api("GET", "/_sandbox/coverage").json["operations"]["get_lists"]["revisions"] == {
            "2026-07-15": "implemented",
            "2026-10-15": "not implemented",
        }
        assert api.get("/api/lists").status == 200


def test_every_operation_of_the_catalogue_is_answered(api: Api) -> None:
    health = api("GET", "/_sandbox/health").json
    assert health["operations"] == 345
    from clavichord.spec import load

    for operation in load().operations.values():
        path = operation.path.replace("{id}", "x").replace("{job_id}", "x").replace("{external_id}", "x")
        reply = api(operation.method, path, {} if operation.body else None, query="company_id=ABC123")
        implemented = operation.id in health["implemented"]
        assert (reply.status == 501) is not implemented, operation.id
        assert reply.status < 500 or reply.status == 501


def test_content_types(api: Api) -> None:
    for good in ("application/json", "application/vnd.api+json; charset=utf-8", "APPLICATION/JSON", None):
        email = f"p{abs(hash(good))}@shop.test"
        body = {"data": {"type": "profile", "attributes": {"email": email}}}
        assert api("POST", "/api/profiles", body, headers={"Content-Type": good}).status == 201
    for bad in ("text/plain", "application/xml", "multipart/form-data"):
        assert api("POST", "/api/profiles", PROFILE, headers={"Content-Type": bad}).status == 415


def test_gzip(api: Api) -> None:
    packed = gzip.compress(json.dumps(PROFILE).encode())
    assert api("POST", "/api/profiles", packed, headers={"Content-Encoding": "gzip"}).status == 201
    assert api("POST", "/api/profiles", packed[:-9], headers={"Content-Encoding": "gzip"}).status == 400
    assert api("POST", "/api/profiles", b"plain", headers={"Content-Encoding": "gzip"}).status == 400
    assert api("POST", "/api/profiles", packed, headers={"Content-Encoding": "br"}).status == 415


def test_sizes_count_after_decompression(api: Api) -> None:
    bomb = gzip.compress(b" " * 6_000_000)
    assert len(bomb) < 10_000
    reply = api("POST", "/api/events", bomb, headers={"Content-Encoding": "gzip"})
    assert (reply.status, reply.errors[0]["code"]) == (413, "payload_too_large")
    assert api("POST", "/api/events", b" " * 6_000_000).status == 413
    assert api("POST", "/api/events", b" " * 12_000_000).status == 413


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"{",
        b'"\xff"',
        b'{"data":null}',
        b'{"data":[]}',
        b'{"data":{"type":"profile"}}',
        b'{"data":{"type":"list","attributes":{"email":"a@shop.test"}}}',
        b'{"data":{"type":"profile","attributes":[]}}',
        b'{"data":{"type":"profile","attributes":{"email":"\\ud800@shop.test"}}}',
        b'{"data":{"type":"profile","attributes":{"email":"a@shop.test","properties":'
        + b"[" * 9_000
        + b"]" * 9_000
        + b"}}}",
        b'{"data":{"type":"profile","attributes":{"email":"a@shop.test","properties":{"a":1e999}}}}',
        b"[" * 50_000,
        b"NaN",
    ],
)
def test_malformed_bodies(api: Api, body: bytes) -> None:
    reply = api("POST", "/api/profiles", body)
    assert (reply.status, reply.errors[0]["code"]) == (400, "invalid")
    assert api.get("/api/profiles").data == []


@pytest.mark.parametrize("depth", [100, 500, 900, 990, 998, 1000])
def test_nesting_either_fits_or_is_refused(api: Api, depth: int) -> None:
    body = json.dumps(PROFILE)[:-3].encode() + b',"properties":{"p":' + b"[" * depth + b"]" * depth + b"}}}}"
    reply = api("POST", "/api/profiles", body)
    assert reply.status in (201, 400)
    assert api.get("/api/profiles", **{"fields[profile]": "properties"}).status == 200


def test_huge_numbers_and_nul_bytes_are_kept_or_refused(api: Api) -> None:
    number = b"123456789012345678901234567890"
    body = b'{"data":{"type":"profile","attributes":{"email":"a@shop.test","properties":{"n":' + number + b"}}}}"
    assert api("POST", "/api/profiles", body).status in (201, 400)
    list_id = api.list("nul \u0000 byte")
    assert api.get(f"/api/lists/{list_id}").data["attributes"]["name"] == "nul \u0000 byte"
    assert api.get("/api/lists", filter='equals(name,"nul \u0000 byte")').status == 200
    assert api.get("/api/lists/%00").status == 404
    assert api.get("/api/lists/%ff%fe").status == 404
    assert api.get("/api/profiles/" + "9" * 5000).status == 404


def test_raw_garbage_does_not_stop_the_server(api: Api) -> None:
    url = urlsplit(api.base_url)
    for garbage in (
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /api/profiles HTTP/1.1\r\nContent-Length: x\r\n\r\n",
    ):
        with socket.create_connection((url.hostname, url.port), timeout=5) as connection:
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1000)
    assert api.get("/api/lists").status == 200
