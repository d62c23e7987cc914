"""Rate limits on a clock that only moves when told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.sandbox.sandbox_api import Api, Reply

from clavichord.sandbox.clock import SECOND, VirtualClock
from clavichord.sandbox.limits import Mode, Phase
from clavichord.sandbox.serve import running

MIDNIGHT = 20_000 * 86_400 * SECOND


@contextmanager
def limited(mode: Mode = "enforce", windows: Phase = "clock", after: float = 0.0) -> Iterator[tuple[Api, VirtualClock]]:
    """`after`: seconds since the last full day"""
    clock = VirtualClock(MIDNIGHT + round(after * SECOND))
    with running(clock=clock, limits=mode, windows=windows) as served:
        yield Api(served.base_url, "pk_limited"), clock


def told(reply: Reply) -> tuple[str | None, ...]:
    return tuple(reply.headers.get(f"ratelimit-{name}") for name in ("limit", "remaining", "reset"))


def test_burst_is_refused_as_recorded() -> None:
    with limited(after=0.25) as (api, clock):
        assert told(api.get("/api/accounts")) == ("1, 1;w=1, 15;w=60", "0", "0")
        refused = api.get("/api/accounts")
        assert (refused.status, refused.headers["retry-after"]) == (429, "1")
        assert told(refused) == (None, None, None)
        assert "content-type" not in refused.headers
        error = refused.errors[0]
        assert list(error) == ["status", "detail", "meta", "source", "code", "id", "links", "title"]
        assert error["code"] == "throttled"
        assert error["title"] == "Request was throttled."
        assert error["detail"] == "Request was throttled. Expected available in 1 second."
        assert error["source"] == {"pointer": "/data"}
        clock.advance(0.75)
        assert api.get("/api/accounts").status == 200


def test_steady_window_and_its_wait() -> None:
    with limited() as (api, clock):
        for _ in range(15):
            assert api.get("/api/accounts").status == 200
            clock.advance(1)
        refused = api.get("/api/accounts")
        assert (refused.status, refused.headers["retry-after"]) == (429, "45")
        assert refused.errors[0]["detail"].endswith("in 45 seconds.")
        clock.advance(45)
        assert api.get("/api/accounts").status == 200


def test_refused_requests_do_not_count() -> None:
    with limited() as (api, clock):
        for _ in range(30):
            api.get("/api/accounts")
        clock.advance(1)
        assert [api.get("/api/accounts").status for _ in range(2)] == [200, 429]
        counts = api("GET", "/_sandbox/requests/count").json
        assert counts["by_operation"]["get_accounts"] == {"200": 2, "429": 30}


def test_daily_window() -> None:
    with limited() as (api, clock):
        for number in range(150):
            clock.advance(1)
            if number % 50 == 0:
                clock.advance(60)
            api.list(str(number))
        clock.advance(60)
        body = {"data": {"type": "list", "attributes": {"name": "one too many"}}}
        refused = api("POST", "/api/lists", body)
        assert refused.status == 429
        assert int(refused.headers["retry-after"]) == 86_400 - (150 + 180 + 60)


def test_windows_are_fixed_to_the_clock() -> None:
    with limited(after=0.9) as (api, clock):
        assert api.get("/api/accounts").status == 200
        clock.advance(0.1)
        assert api.get("/api/accounts").status == 200


def test_or_start_with_the_first_request() -> None:
    with limited(windows="first-request", after=0.9) as (api, clock):
        assert api.get("/api/accounts").status == 200
        clock.advance(0.1)
        refused = api.get("/api/accounts")
        assert (refused.status, refused.headers["retry-after"]) == (429, "1")
        clock.advance(0.9)
        assert api.get("/api/accounts").status == 200


def test_operations_and_accounts_have_windows_of_their_own() -> None:
    with limited() as (api, _):
        other = Api(api.base_url, "pk_other")
        assert api.get("/api/accounts").status == 200
        assert api.get(f"/api/accounts/{api.get('/api/accounts').status}").status == 404
        assert other.get("/api/accounts").status == 200
        assert api.get("/api/accounts").status == 429


def test_parameters_that_lower_a_limit() -> None:
    with limited() as (api, clock):
        list_id = api.list()
        path, counted = f"/api/lists/{list_id}", {"additional-fields[list]": "profile_count"}
        assert told(api.get(path)) == ("75, 75;w=1, 750;w=60", "74", "0")
        assert told(api.get(path, **counted)) == ("1, 1;w=1, 15;w=60", "0", "0")
        assert api.get(path, **counted).status == 429
        assert api.get(path).status == 200
        predictive = {"additional-fields[profile]": "subscriptions,predictive_analytics"}
        statuses = [api.get("/api/profiles", **predictive).status for _ in range(11)]
        assert statuses == [200] * 10 + [429]
        clock.advance(1)
        # What goes with the lower limit counts towards the endpoint's own.
        remaining = [told(api.get(path))[1] for _ in range(2)]
        assert remaining == ["74", "73"]


@pytest.mark.parametrize("mode", ["off", "headers"])
def test_modes_that_refuse_nothing(mode: Mode) -> None:
    with limited(mode) as (api, _):
        replies = [api.get("/api/accounts") for _ in range(20)]
    assert {reply.status for reply in replies} == {200}
    assert told(replies[-1]) == ((None, None, None) if mode == "off" else ("1, 1;w=1, 15;w=60", "0", "0"))


def test_a_whole_minute_of_bulk_imports_fits_exactly() -> None:
    with limited() as (api, clock):
        statuses: list[int] = []
        for _ in range(20):
            statuses += [api.imports({"attributes": {"external_id": "x"}}).status for _ in range(8)]
            clock.advance(1)
        assert statuses.count(202) == 150
        assert statuses[:150] == [202] * 150


def test_reset_forgets_what_was_counted() -> None:
    with limited() as (api, _):
        api.get("/api/accounts")
        assert api.get("/api/accounts").status == 429
        assert api("POST", "/_sandbox/reset").status == 200
        assert api.get("/api/accounts").status == 200
