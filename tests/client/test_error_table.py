"""The error tables of the guides that people work from, row by row: provoked, told, and what to do about it.

Sources: the API guide of 2025 (seed 1), the overview of the old v1/v2 API (seed 2), an integration's troubleshooting
list (seed 4). What the sandbox answers where it can be brought to; a scripted server for the rest.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from tests.client.scripted_server import Answer, Scripted

from clavichord import (
    AuthenticationFailed,
    ConfigurationError,
    Conflict,
    InvalidRequest,
    Klaviyo,
    KlaviyoError,
    NotFound,
    Pacing,
    PayloadTooLarge,
    PermissionDenied,
    RateLimited,
    ServerError,
    UnsupportedMediaType,
)
from clavichord.client.errors import Gone
from clavichord.sandbox.serve import running

FULL, READER, DELETED = ("pk_" + letter * 34 for letter in "abc")


class Server(NamedTuple):
    base_url: str

    def client(self, key: str = FULL) -> Klaviyo:
        return Klaviyo(key, base_url=self.base_url, retries=0, pacing=Pacing(enabled=False))

    def fault(self, **fault: Any) -> None:
        body = json.dumps([{"times": 1, **fault}]).encode()
        urllib.request.urlopen(urllib.request.Request(self.base_url + "/_sandbox/faults", body, method="PUT")).close()


@pytest.fixture(scope="module")
def served() -> Iterator[Server]:
    keys = {FULL: None, READER: ["profiles:read", "lists:read"]}
    with running(keys=keys, limits="enforce", job_delay=0) as sandbox:
        yield Server(sandbox.base_url)


def too_fast(server: Server) -> None:
    for _ in range(4):  # 1 a second
        server.client().accounts.get_accounts().first()


def failing(status: int) -> Callable[[Server], object]:
    def provoke(server: Server) -> object:
        server.fault(status=status)
        return server.client().profiles.get_profiles().first()

    return provoke


def twice(server: Server) -> None:
    for _ in range(2):
        server.client().profiles.create_profile(email="twice@shop.test")


Provoke = Callable[[Server], object]
TABLE: list[tuple[str, Provoke, type[KlaviyoError], list[str]]] = [
    # Seed 1
    (
        "400 malformed payload",
        lambda s: s.client().request("POST", "/api/profiles", body=b'{"data": '),
        InvalidRequest,
        ["create_profile: 400", "not valid JSON", "nothing of this request took effect"],
    ),
    (
        "400 missing required field",
        lambda s: s.client().events.create_event(body={"data": {"type": "event", "attributes": {}}}),
        InvalidRequest,
        ["'metric' is a required field", "(argument metric, /data/attributes/metric)", "Correct the argument"],
    ),
    (
        "400 missing field, known before sending",
        lambda s: s.client().events.create_event(properties={}),
        ConfigurationError,
        ["create_event: needs metric=, profile="],
    ),
    (
        "401 key expired or revoked",
        lambda s: s.client(DELETED).profiles.get_profiles().first(),
        AuthenticationFailed,
        ["get_profiles: 401", "Check the API key", "private key", "Settings > API keys"],
    ),
    (
        "401 wrong key type: public for server calls",
        lambda s: s.client("YafG4m"),
        ConfigurationError,
        ["public key", "need a private key (pk_…)", "company_id="],
    ),
    (
        "wrong key type: private for client calls",
        lambda s: s.client().client.create_client_event(
            company_id=FULL, metric="M", profile={"email": "a@shop.test"}, properties={}
        ),
        ConfigurationError,
        ["company_id is a private key", "was not sent", "6-character site id"],
    ),
    (
        "409 duplicate profile",
        twice,
        Conflict,
        ["create_profile: 409 A profile already exists", "The existing profile is 01", "profiles.upsert"],
    ),
    (
        "415 wrong content type",
        lambda s: s.client().request("POST", "/api/profiles", body=b"{}", content_type="text/plain"),
        UnsupportedMediaType,
        ["415", "text/plain", "Send application/vnd.api+json"],
    ),
    ("429 too many requests", too_fast, RateLimited, ["429", "Free again in 1 s", "share this limit"]),
    *(
        (f"{status} server error", failing(status), ServerError, [str(status), "on Klaviyo's side: try again later"])
        for status in (500, 502, 503, 504)
    ),
    # Seed 2
    (
        "400 not authorized: no key",
        lambda s: s.client(""),
        ConfigurationError,
        ["the API key is empty", "private key (pk_…)"],
    ),
    (
        "403 key without the scope",
        lambda s: s.client(READER).profiles.create_profile(email="a@shop.test"),
        PermissionDenied,
        ["403", "profiles:write", "create a new one", "create_profile needs profiles:write"],
    ),
    (
        "404 no such resource",
        lambda s: s.client().profiles.get_profile("01GDDKASAP8TKDDA2GRZDSVP4H"),
        NotFound,
        ["get_profile: 404", "01GDDKASAP8TKDDA2GRZDSVP4H", "Check the id"],
    ),
    (
        "the old paths",
        lambda s: s.client().request("GET", "/api/v2/lists"),
        Gone,
        ["410", "v1 and v2 have ended"],
    ),
    # Documented beside the tables (FACTS §3)
    (
        "413 too large",
        lambda s: s.client().request("POST", "/api/events", body=b'{"x": "' + b"x" * 5_100_000 + b'"}'),
        PayloadTooLarge,
        ["413", "at most 5000000", "fewer items", "upload verbs"],
    ),
    # Seed 4
    (
        "Invalid API Key",
        lambda s: s.client("pk_" + "d" * 34).lists.get_lists().first(),
        AuthenticationFailed,
        ["401", "it begins with pk_"],
    ),
    (
        "List not found",
        lambda s: s.client().lists.get_list("KKbLLU"),
        NotFound,
        ["`KKbLLU` does not exist", "capitals matter", "may have been deleted"],
    ),
    (
        "List not found, when adding by address",
        lambda s: (
            s.client().profiles.upsert(email="there@shop.test"),
            s.client().lists.add("KKbLLU", "there@shop.test"),
        ),
        NotFound,
        ["add_profiles_to_list: 404", "`KKbLLU` does not exist", "capitals matter"],
    ),
    (
        "List not found, in a bulk upload",
        lambda s: s.client().profiles.upload([{"email": "x@shop.test"}], lists=["KKbLLU"]),
        InvalidRequest,
        ["`KKbLLU` does not exist", "argument lists", "capitals matter"],
    ),
    (
        "List not found, when subscribing",
        lambda s: s.client().lists.subscribe("KKbLLU", "x@shop.test", channel="email", source="form"),
        InvalidRequest,
        ["`KKbLLU` does not exist", "argument list", "capitals matter"],
    ),
    ("Rate limit exceeded", too_fast, RateLimited, ["Free again in"]),
    (
        "Invalid email address",
        lambda s: s.client().profiles.create_profile(email="no-address"),
        InvalidRequest,
        ["Invalid email address (argument email, /data/attributes/email)", "Correct the argument"],
    ),
]


@pytest.mark.parametrize(("row", "provoke", "kind", "parts"), TABLE, ids=[row for row, *_ in TABLE])
def test_the_row(served: Server, row: str, provoke: Provoke, kind: type[KlaviyoError], parts: list[str]) -> None:
    with pytest.raises(KlaviyoError) as caught:
        provoke(served)
    assert type(caught.value) is kind
    for part in parts:
        assert part in str(caught.value)
    for key in (FULL, READER, DELETED):
        assert key not in str(caught.value)


def test_member_already_exists_is_no_error(served: Server) -> None:
    """Seed 4: "typically not an error"; adding and upserting again change nothing."""
    k = served.client()
    group = k.lists.create_list(name="Again")
    first = k.profiles.upsert(email="again@shop.test")
    assert k.lists.add(group, "again@shop.test").confirmed == 1
    assert k.lists.add(group, "again@shop.test").confirmed == 1
    assert k.profiles.upsert(email="again@shop.test").id == first.id
    assert len(list(k.lists.get_profile_ids_for_list(group.id))) == 1


def test_429_and_5xx_are_waited_out(served: Server) -> None:
    """What the guides advise for them, the client does by itself: Retry-After, backoff, no storm."""
    with Klaviyo(FULL, base_url=served.base_url, retries=2) as k:
        for fault in ({"status": 429, "retry_after": 0}, {"status": 503}):
            served.fault(**fault)
            assert k.profiles.get_profiles().first() is not None


def test_the_daily_cap_says_when_it_opens(server: Scripted) -> None:
    server.otherwise = Answer(429, {"errors": [{"code": "throttled", "detail": "…"}]}, {"Retry-After": "40000"})
    with (
        Klaviyo(FULL, base_url=server.base_url) as k,
        pytest.raises(RateLimited, match=r"Free again at \d{4}-\d\d-\d\d \d\d:\d\d UTC") as caught,
    ):
        k.reporting.form_values(statistics=["submits"], timeframe="today")
    assert "daily cap of this operation is used up" in str(caught.value)
    assert len(server.asked) == 1


def test_a_firewall_is_told_apart_from_a_scope(server: Scripted) -> None:
    html = b"<html><title>Just a moment...</title></html>"
    server.otherwise = Answer(403, html, {"cf-mitigated": "challenge"})
    with Klaviyo(FULL, base_url=server.base_url) as k, pytest.raises(PermissionDenied, match="Just a moment") as caught:
        k.profiles.get_profiles().first()
    assert "not your key" in str(caught.value)
    assert "scope" not in str(caught.value)
