"""Whatever a server sends, a call ends in a result, however odd, or in a KlaviyoError; and the key is in neither.

Good answers are mutated by hypothesis: values of another type, nulls, new members, cut JSON, wrong lengths, broken
encodings, heads that are none.
"""

from __future__ import annotations

import asyncio
import copy
import gzip
import json
import logging
import traceback
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.client.conftest import Caller
from tests.client.scripted_server import KEY, Answer, Scripted

from clavichord.client import encoding, errors
from clavichord.client.client import AsyncKlaviyo, Klaviyo
from clavichord.client.pacing import Pacing
from clavichord.client.types import Timeouts

HERE = "https://a.klaviyo.com/api/profiles"
PROFILE = {
    "type": "profile",
    "id": "01P",
    "attributes": {
        "email": "a@shop.example",
        "created": "2026-01-02T03:04:05+00:00",
        "location": {"city": "Paris", "latitude": 48.85},
        "properties": {"tier": "gold", "orders": [1, 2]},
        "subscriptions": {"email": {"marketing": {"consent": "SUBSCRIBED", "suppression": []}}},
    },
    "relationships": {"lists": {"data": [{"type": "list", "id": "L"}], "links": {"self": HERE}}},
    "links": {"self": HERE},
}
LIST = {"type": "list", "id": "L", "attributes": {"name": "Newsletter", "opt_in_process": "double_opt_in"}}
PAGE = {"data": [PROFILE, PROFILE], "included": [LIST], "links": {"self": HERE, "next": None, "prev": None}}
ERROR = {
    "errors": [
        {
            "id": "1",
            "status": 400,
            "code": "invalid",
            "title": "Invalid input.",
            "detail": "No.",
            "source": {"pointer": "/data/attributes/email"},
            "meta": {},
        }
    ]
}
ODD: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, -1, 10**30, 1.5, "", "\ud800", "BRAND_NEW", "2026-13-45T99:99:99Z", [], {}, [None], {"": None}, [[{}]]]
)


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in inner:
        yield from places(value, (*path, key))


@st.composite
def documents(draw: st.DrawFn, good: Any) -> bytes:
    """A good document with up to four places changed, and perhaps its text."""
    document = copy.deepcopy(good)
    for _ in range(draw(st.integers(0, 4))):
        path = draw(st.sampled_from(list(places(document))))
        odd = copy.deepcopy(draw(ODD))
        if not path:
            document = odd
            continue
        node = document
        for key in path[:-1]:
            node = node[key]
        if isinstance(node, dict) and draw(st.booleans()):
            node["brand_new"] = odd
        else:
            node[path[-1]] = odd
    text = json.dumps(document).encode()
    cut = draw(st.integers(0, len(text)) | st.just(len(text)))
    text = text[:cut]
    if draw(st.booleans()) and text:
        place = draw(st.integers(0, len(text) - 1))
        text = text[:place] + draw(st.binary(min_size=1, max_size=3)) + text[place + 1 :]
    return text


@st.composite
def answers(draw: st.DrawFn, good: Any) -> Answer:
    """A whole answer: its status, head, encoding and framing may be wrong, too."""
    body = draw(documents(good))
    status = draw(st.sampled_from([200, 200, 200, 201, 204, 302, 400, 403, 404, 409, 429, 500, 503, 299, 700, 103]))
    head = [f"HTTP/1.1 {status} Odd", "Content-Type: application/vnd.api+json"]
    if draw(st.booleans()):
        packed = gzip.compress(body)
        cut = draw(st.integers(0, len(packed)) | st.just(len(packed)))
        body = draw(st.sampled_from([packed, packed[:cut], body, packed[:-4] + b"\xff\xff\xff\x7f", packed + packed]))
        head.append(
            draw(st.sampled_from(["Content-Encoding: gzip", "content-encoding: br", "Content-Encoding: GZIP "]))
        )
    framing = draw(st.sampled_from(["right", "short", "long", "none", "chunked", "no number", "two", "wrong chunks"]))
    length = len(body)
    if framing == "chunked":
        head.append("Transfer-Encoding: chunked")
        body = f"{length:x}\r\n".encode() + body + b"\r\n0\r\n\r\n" if length else b"0\r\n\r\n"
    elif framing == "wrong chunks":
        head.append("Transfer-Encoding: chunked")
        body = b"zz\r\n" + body
    elif framing == "two":
        head += [f"Content-Length: {length}", f"Content-Length: {length + 1}"]
    elif framing != "none":
        said = {"right": length, "short": length // 2, "long": length + 5, "no number": "many"}[framing]
        head.append(f"Content-Length: {said}")
    head.append(
        draw(
            st.sampled_from(
                [
                    "RateLimit-Limit: 75, 75;w=1, 750;w=60",
                    "RateLimit-Limit: x;w=y",
                    "RateLimit-Limit: 99999999999999999999;w=1",
                    "Retry-After: 99999999999999999999999",
                    "Retry-After: soon",
                    "Retry-After: Thu, 31 Dec 9999 23:59:59 GMT",
                    "Date: yesterday",
                    "X-Odd: \xe9\xff",
                    ": nothing",
                    "no colon",
                ]
            )
        )
    )
    head.append(draw(st.sampled_from(["RateLimit-Remaining: 7", "RateLimit-Remaining: -1", "RateLimit-Remaining: ²"])))
    head.append("RateLimit-Reset: 0")
    text = "\r\n".join([*head, "", ""]).encode("latin-1")
    if draw(st.integers(0, 9)) == 0:
        text = text[: draw(st.integers(0, len(text)))]
    return Answer(raw=text + body)


@pytest.fixture(scope="module")
def served() -> Iterator[Scripted]:
    made = Scripted()
    yield made
    made.close()


OPTIONS: dict[str, Any] = {"retries": 0, "timeout": Timeouts(connect=2, total=2)}
PATIENT = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def look_at(found: Any) -> None:
    """Every way in which a result is read."""
    for resource in found if isinstance(found, list) else [found]:
        repr(resource)
        for name in ("email", "created", "location", "properties", "extra", "relationships", "links"):
            getattr(resource, name)
        resource.to_dict()
        for other in resource.related("lists"):
            repr(other)


@PATIENT
@given(answer=answers(PAGE), single=st.booleans())
def test_mutated_answers_while_blocking(served: Scripted, answer: Answer, single: bool) -> None:
    served.otherwise = answer
    with Klaviyo(KEY, base_url=served.base_url, pacing=Pacing(folder=None), **OPTIONS) as k:
        try:
            if single:
                look_at(k.profiles.get_profile("01P"))
            else:
                page = k.profiles.get_profiles().first()
                look_at(list(page))
                repr((page.has_next, page.included))
        except errors.KlaviyoError as error:
            assert KEY[5:] not in repr(error) + str(error)
            assert "get_profile" in str(error)


@PATIENT
@given(answer=answers(PAGE), single=st.booleans())
def test_mutated_answers_while_awaiting(served: Scripted, answer: Answer, single: bool) -> None:
    served.otherwise = answer

    async def call() -> None:
        async with AsyncKlaviyo(KEY, base_url=served.base_url, pacing=Pacing(folder=None), **OPTIONS) as k:
            if single:
                look_at(await k.profiles.get_profile("01P"))
            else:
                page = await k.profiles.get_profiles()
                look_at(list(page))
                repr((page.has_next, page.included))

    try:
        asyncio.run(call())
    except errors.KlaviyoError as error:
        assert KEY[5:] not in repr(error) + str(error)
        assert "get_profile" in str(error)


@PATIENT
@given(body=documents(ERROR), status=st.sampled_from([400, 401, 403, 404, 409, 410, 413, 429, 500]))
def test_mutated_errors(served: Scripted, body: bytes, status: int) -> None:
    served.otherwise = Answer(status, body)
    with Klaviyo(KEY, base_url=served.base_url, pacing=Pacing(folder=None), **OPTIONS) as k:
        with pytest.raises(errors.APIError) as caught:
            k.profiles.create_profile(email="a@shop.example")
        assert f"create_profile: {status}" in str(caught.value)
        for found in caught.value.errors:
            repr((found, str(found), found.argument))


@settings(max_examples=30, deadline=None)
@given(body=documents({"data": [{"type": "tag", "id": "T"}]}))
def test_mutated_identifiers(body: bytes) -> None:
    from clavichord.client.resource import decode_identifier, decode_identifiers
    from clavichord.client.types import Response

    for decode in (decode_identifier, decode_identifiers):
        try:
            decode(Response("op", 200, {}, body))
        except errors.InvalidResponse as error:
            assert "op: 200" in str(error)


def test_a_slow_drip_ends_with_the_time_of_the_whole_exchange(send: Caller, server: Scripted) -> None:
    body = json.dumps(PAGE).encode()
    server.otherwise = Answer(200, body, drip=0.05)
    with pytest.raises(errors.TransportError) as caught:
        send("get_profiles", total=0.5)
    assert isinstance(caught.value, errors.Timeout)
    assert len(server.asked) == 1


def test_an_answer_before_the_body_was_read_is_heard(send: Caller, server: Scripted) -> None:
    server.otherwise = Answer(413, {"errors": [{"code": "too_large", "detail": "5 MB at most"}]}, early=True)
    with pytest.raises(errors.PayloadTooLarge, match="5 MB at most"):
        send("bulk_import_profiles", body=b" " * 5_000_000)


@pytest.mark.parametrize("wish", ["gzip", "br", "deflate"])
def test_what_cannot_be_unpacked_is_a_success_that_cannot_be_read(send: Caller, server: Scripted, wish: str) -> None:
    server.otherwise = Answer(200, b"\x00\x01garbage", {"Content-Encoding": wish})
    with pytest.raises(errors.InvalidResponse, match="get_profiles: 200"):
        send("get_profiles", retries=3)
    assert len(server.asked) == 1


@pytest.mark.parametrize("lie", [False, True])
def test_a_small_answer_does_not_unfold_into_a_huge_one(
    send: Caller, server: Scripted, monkeypatch: pytest.MonkeyPatch, lie: bool
) -> None:
    monkeypatch.setattr(encoding, "LARGEST", 100_000)
    packed = gzip.compress(b" " * 200_000)
    if lie:
        packed = packed[:-4] + (10).to_bytes(4, "little")
    server.otherwise = Answer(200, packed, {"Content-Encoding": "gzip"})
    with pytest.raises(errors.InvalidResponse, match=r"unfolds into more|bytes instead of|it says gzip"):
        send("get_profiles")


@pytest.mark.parametrize("chunked", [False, True])
def test_an_answer_without_end_is_refused(
    send: Caller, server: Scripted, monkeypatch: pytest.MonkeyPatch, chunked: bool
) -> None:
    from clavichord.client.transports import aiohttp, httpx2, urllib3

    for transport in (aiohttp, httpx2, urllib3):
        monkeypatch.setattr(transport, "LARGEST", 50_000)
    head = "Transfer-Encoding: chunked" if chunked else "Content-Length: 60000"
    body = b"ea60\r\n" + b" " * 60_000 + b"\r\n0\r\n\r\n" if chunked else b" " * 60_000
    server.otherwise = Answer(raw=f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode() + body)
    with pytest.raises(errors.TransportError, match="larger than 50,000 bytes"):
        send("get_profiles", retries=3)
    assert len(server.asked) == 1


def test_early_hints_are_passed_over(send: Caller, server: Scripted) -> None:
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n"
    body = b'{"data": []}'
    answer = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    server.otherwise = Answer(raw=hints + answer)
    assert send("get_profiles").json() == {"data": []}


def test_bytes_after_an_answer_do_not_become_the_next_one(send: Caller, server: Scripted) -> None:
    server.answers = [Answer(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}{}{}HTTP/1.1 500 No\r\n\r\n")]
    with suppress(errors.TransportError):  # aiohttp's parser does not trust such an answer at all
        assert send("get_lists").json() == {}
    assert send("get_lists").json() == {"data": []}


def test_the_key_is_in_no_traceback_of_a_broken_exchange(
    send: Caller, server: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    seen = []
    for raw in (b"", b"\x00", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", b"HTTP/1.1 99\r\n\r\n"):
        server.answers = [Answer(raw=raw)]
        with pytest.raises(errors.KlaviyoError) as caught:
            send("get_profiles")
        shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        seen += [line for line in shown.format() if "/clavichord/client/" in line]
        seen.append(repr(caught.value))
    assert KEY[5:] not in "\n".join([*seen, caplog.text])
