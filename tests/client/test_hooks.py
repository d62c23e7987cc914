"""What a program learns of its calls: the hooks, and the log."""

from __future__ import annotations

import logging

import pytest
from tests.client.conftest import Caller
from tests.client.scripted_server import KEY, Answer, Scripted

from clavichord.client.client import Klaviyo
from clavichord.client.errors import ConfigurationError, NotFound, TransportError
from clavichord.client.pacing import Pacing
from clavichord.client.types import Call


def test_every_hook_is_told_of_every_attempt(send: Caller, server: Scripted) -> None:
    limits = {"RateLimit-Limit": "10, 10;w=1, 150;w=60", "RateLimit-Remaining": "9", "RateLimit-Reset": "1"}
    server.answers = [Answer(429, b"", {"Retry-After": "0"}), Answer(200, {"data": {}}, {**limits, "CF-Ray": "ray-1"})]
    first: list[Call] = []
    second: list[Call] = []
    send("get_list", path={"id": "AbC"}, retries=1, on_response=[first.append, second.append])
    assert first == second
    assert [(c.attempt, c.status, c.retry_in, c.remaining, c.request_id) for c in first] == [
        (1, 429, 0.0, None, ""),
        (2, 200, None, 9, "ray-1"),
    ]
    last = first[-1]
    assert (last.operation, last.method, last.path, last.template) == (
        "get_list",
        "GET",
        "/api/lists/AbC",
        "/api/lists/{id}",
    )
    assert (last.origin, last.revision, last.error) == (server.base_url, "2026-07-15", "")


def test_a_call_without_an_answer_says_why(send: Caller, server: Scripted) -> None:
    server.answers = [Answer(reset=True)]
    calls: list[Call] = []
    with pytest.raises(TransportError):
        send("get_lists", on_response=calls.append)
    assert [(c.status, c.error, c.remaining) for c in calls] == [(None, "TransportError", None)]


def test_the_log_tells_answers_repetitions_and_failures_apart(
    server: Scripted, no_backoff: None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "clavichord")
    server.answers = [Answer(503), Answer(200, {"data": []}, {"RateLimit-Remaining": "7"}), Answer(404)]
    with Klaviyo(KEY, base_url=server.base_url, pacing=Pacing(enabled=False)) as klaviyo:
        klaviyo.send("get_lists", query={"filter": 'equals(name,"private")'})
        with pytest.raises(NotFound):
            klaviyo.send("get_list", path={"id": "AbC"})
    records = [r for r in caplog.records if r.name == "clavichord"]
    assert [r.levelname for r in records] == ["WARNING", "DEBUG", "INFO"]
    assert records[0].getMessage().startswith("get_lists: GET /api/lists 503 in ")
    assert "again in 0.00 s" in records[0].getMessage()
    assert "7 left, attempt 2" in records[1].getMessage()
    assert "get_list: GET /api/lists/AbC 404" in records[2].getMessage()
    assert [getattr(r, "klaviyo").status for r in records] == [503, 200, 404]  # noqa: B009  (set by `extra`)
    assert "private" not in caplog.text


@pytest.mark.parametrize("query", [{"company_id": KEY}, f"company_id={KEY}", {"company_id": " " + KEY}])
def test_a_private_key_is_no_company_id(send: Caller, server: Scripted, query: dict[str, str] | str) -> None:
    with pytest.raises(ConfigurationError, match="site id") as caught:
        send("create_client_event", query=query, body={"data": {}})
    assert KEY not in str(caught.value)
    assert server.asked == []


def test_a_public_key_is_one(send: Caller, server: Scripted) -> None:
    send("create_client_event", query={"company_id": "AbC123"}, body={"data": {}})
    assert server.asked[0].query == {"company_id": "AbC123"}
    assert "authorization" not in server.asked[0].headers
