"""The virtual clock under ids, timestamps, jobs, limits."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sandbox.sandbox_api import Api

from clavichord.sandbox.clock import VirtualClock, duration
from clavichord.sandbox.serve import running


def clock(api: Api, **what: Any) -> dict[str, Any]:
    reply = api("POST", "/_sandbox/clock", what)
    assert reply.status == 200, reply.body
    found: dict[str, Any] = reply.json
    return found


def test_time_stands_still_and_moves_when_told() -> None:
    with running(job_delay=0) as served:
        api = Api(served.base_url, "pk_a")
        told = clock(api, set="2026-03-01T10:00:00Z", freeze=True)
        assert (told["now"], told["frozen"]) == ("2026-03-01T10:00:00.000000+00:00", True)
        first = api.profile(email="a@shop.test")
        assert clock(api, advance="1d12h")["now"] == "2026-03-02T22:00:00.000000+00:00"
        second = api.profile(email="b@shop.test")
        created = [api.get(f"/api/profiles/{one}").data["attributes"]["created"] for one in (first, second)]
        assert created == ["2026-03-01T10:00:00+00:00", "2026-03-02T22:00:00+00:00"]
        assert first[:10] < second[:10]
        api.event(email="a@shop.test")
        assert api.get("/api/events").data[0]["attributes"]["datetime"] == created[1]
        entry = api("GET", "/_sandbox/requests", query="operation=create_event").json["requests"][0]
        assert entry["at"] == 1772488800.0
        assert clock(api, freeze=False)["frozen"] is False
        assert api("GET", "/_sandbox/clock").json["now"] > "2026-03-02T22:00:00.000000+00:00"
        assert api("POST", "/_sandbox/reset").status == 200
        assert api("GET", "/_sandbox/clock").json["now"] > "2026-08"


def test_jobs_are_done_at_their_own_time_on_the_way() -> None:
    start = 1_790_000_000_000_000
    with running(clock=VirtualClock(start), job_delay=3600) as served:
        api = Api(served.base_url, "pk_a")
        job_id = api.imports({"attributes": {"email": "a@shop.test"}}).data["id"]
        path = f"/api/profile-bulk-import-jobs/{job_id}"
        assert api.get(path).data["attributes"]["status"] == "queued"
        assert api("GET", "/_sandbox/clock").json["tasks"] == 1
        clock(api, advance="40m")
        assert api.get(path).data["attributes"]["status"] == "processing"
        told = clock(api, advance="1d")
        assert (told["stops"], told["tasks"], told["next_due"]) == (1, 0, None)
        attributes = api.get(path).data["attributes"]
        assert attributes["status"] == "complete"
        assert (
            attributes["completed_at"] == "2026-09-21T15:13:20.000000+00:00"
        )  # one hour after it was accepted, not a day


def test_run_until_idle() -> None:
    with running(clock=VirtualClock(1_790_000_000_000_000), job_delay=86_400) as served:
        api = Api(served.base_url, "pk_a")
        for number in range(3):
            api.imports({"attributes": {"email": f"p{number}@shop.test"}})
            clock(api, advance=60)
        told = api("POST", "/_sandbox/clock/run-until-idle").json
        assert told["tasks"] == 0
        assert told["now"] == "2026-09-22T14:15:20.000000+00:00"
        assert len(api.get("/api/profiles").data) == 3


def test_limits_follow_the_clock() -> None:
    with running(clock=VirtualClock(1_790_000_000_000_000), limits="enforce") as served:
        api = Api(served.base_url, "pk_a")
        assert [api.get("/api/accounts").status for _ in range(2)] == [200, 429]
        clock(api, advance="1s")
        assert api.get("/api/accounts").status == 200
        clock(api, set="2020-01-01T00:00:00Z")
        assert [api.get("/api/accounts").status for _ in range(2)] == [200, 429]


def test_what_is_no_time_is_refused(api: Api) -> None:
    for wrong in (
        {"set": "yesterday"},
        {"set": "1969-12-31"},
        {"advance": "soon"},
        {"advance": -3},
        {"advance": "9999999d"},
        {"freeze": "maybe"},
        {"jump": 1},
    ):
        reply = api("POST", "/_sandbox/clock", wrong)
        assert reply.status == 400, wrong
        assert reply.json["error"]
    assert api("POST", "/_sandbox/clock", b"{").status == 400


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3d", 259_200), ("1h30m", 5400), ("250ms", 0.25), ("90", 90), ("1.5h", 5400), ("2w", 1_209_600)],
)
def test_durations(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "d", "3x", "-1", "1d ago", "1e3", "nan"])
def test_no_durations(text: str) -> None:
    assert duration(text) is None
