"""Uploads: whatever Klaviyo makes of the rows, each gets exactly its own result."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.client.bulk_server import AsyncBulkServer, BulkServer, answer, lost, refusal
from tests.client.scripted_server import KEY

from clavichord import (
    AsyncKlaviyo,
    AuthenticationFailed,
    ConfigurationError,
    Klaviyo,
    KlaviyoError,
    NotFound,
    Pacing,
    RowResult,
    RowsRefused,
    UploadReport,
    UploadStopped,
)
from clavichord.client.types import Reply, Request
from clavichord.client.uploads import engine, following
from clavichord.client.uploads.route import Route

FATES = {"good": "confirmed", "door": "rejected", "poison": "rejected", "late": "rejected"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for anybody: the server is a function."""
    monkeypatch.setattr(following, "FIRST_LOOK", 0.0)
    monkeypatch.setattr(following, "LONGEST_PAUSE", 0.0)
    monkeypatch.setattr(engine, "LONGEST_PAUSE", 0.0)
    monkeypatch.setattr("clavichord.client.core.backoff", lambda attempt: 0.0)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rows a request."""
    monkeypatch.setattr(Route, "items", property(lambda self: 3))


def client(server: BulkServer, retries: int = 0) -> Klaviyo:
    return Klaviyo(KEY, transport=Locked(server), retries=retries, pacing=Pacing(enabled=False))


class Locked:
    """One request after the other, so that the server need not be thread-safe."""

    def __init__(self, server: BulkServer) -> None:
        self._server, self._lock = server, threading.Lock()

    def send(self, request: Request) -> Reply:
        with self._lock:
            return self._server.send(request)

    def close(self) -> None: ...


def upload(face: str, verb: str, server: BulkServer, rows: Any, **options: Any) -> UploadReport:
    """The same verb on either face."""
    group, _, name = verb.partition(".")
    if face == "sync":
        with client(server) as k:
            report: UploadReport = getattr(getattr(k, group), name)(rows, **options)
            return report

    async def run() -> UploadReport:
        transport = AsyncBulkServer(server)
        async with AsyncKlaviyo(KEY, transport=transport, retries=0, pacing=Pacing(enabled=False)) as k:
            found: UploadReport = await getattr(getattr(k, group), name)(rows, **options)
            return found

    return asyncio.run(run())


def profiles(fates: list[str]) -> list[dict[str, Any]]:
    return [{"external_id": str(n), "title": fate} for n, fate in enumerate(fates)]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("face", ["sync", "async"])
@settings(max_examples=25, deadline=None)
@given(fates=st.lists(st.sampled_from(sorted(FATES)), max_size=25), list_page=st.sampled_from([1, 100]))
@example(fates=["late"] * 3, list_page=100)
def test_every_row_gets_its_own_result(face: str, fates: list[str], list_page: int) -> None:
    server = BulkServer(max_items=3, list_page=list_page)
    report = upload(face, "profiles.upload", server, iter(profiles(fates)))
    assert [(r.index, r.status) for r in report.results()] == [(n, FATES[fate]) for n, fate in enumerate(fates)]
    assert report.rows == len(fates) == sum(report.counts.values())
    for found in report.problems:
        assert found.row["external_id"] == str(found.index)
        assert found.reason
    assert sorted(int(n) for post in server.posts for n in post) == [
        n for n, fate in enumerate(fates) if fate in ("good", "late")
    ]


@pytest.mark.usefixtures("small")
def test_a_pointer_becomes_the_name_of_the_part() -> None:
    report = upload("sync", "profiles.upload", BulkServer(), profiles(["good", "door"]))
    (found,) = report.problems
    assert (found.index, found.argument, found.code, found.reason) == (1, "title", "invalid", "no")
    assert str(found) == "row 1, title: rejected, no"


@pytest.mark.usefixtures("small")
def test_errors_in_a_job_itself_are_read_by_their_pointer() -> None:
    rows = [
        {"external_id": str(n), "title": fate, "url": "u"} for n, fate in enumerate(["late", "good", "late", "good"])
    ]
    report = upload("sync", "catalogs.upload_items", BulkServer(max_items=3), rows, mode="create")
    assert [r.status for r in report.results()] == ["rejected", "confirmed", "rejected", "confirmed"]


def test_requests_are_split_by_bytes_as_well() -> None:
    rows = [{"external_id": str(n), "properties": {"x": "y" * 90_000}} for n in range(120)]
    server = BulkServer()
    assert upload("sync", "profiles.upload", server, rows).confirmed == 120
    assert len(server.posts) > 1
    assert server.too_large == 0


def test_what_is_still_too_large_is_halved() -> None:
    server = BulkServer(max_bytes=2_000)
    rows = [{"external_id": str(n), "properties": {"x": "y" * 400}} for n in range(10)]
    rows.append({"external_id": "10", "properties": {"x": "y" * 3_000}})
    report = upload("sync", "profiles.upload", server, rows)
    assert report.confirmed == 10
    assert [(r.index, r.code) for r in report.problems] == [(10, "too_large")]


def test_rows_are_read_as_there_is_room() -> None:
    """A generator is never read further ahead than what is on its way."""
    read = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal read
        for n in range(200_000):
            read += 1
            yield {"external_id": str(n)}

    ahead: list[int] = []
    server = BulkServer()

    def watching(request: Request) -> None:
        ahead.append(read - sum(map(len, server.posts)))

    server.before = watching
    report = upload("sync", "profiles.upload", server, rows())
    assert report.confirmed == 200_000
    assert max(ahead) <= (engine.IN_FLIGHT + 1) * 10_000
    assert report.problems == []


@pytest.mark.usefixtures("small")
def test_results_can_go_to_a_function() -> None:
    seen: list[RowResult] = []
    report = upload("sync", "profiles.upload", BulkServer(), profiles(["good", "door", "late"]), on_result=seen.append)
    assert sorted((r.index, r.status) for r in seen) == [(0, "confirmed"), (1, "rejected"), (2, "rejected")]
    assert (report.confirmed, report.rejected, report.problems) == (1, 2, [])
    with pytest.raises(KlaviyoError, match="on_result"):
        list(report.results())


def test_without_waiting_rows_are_accepted_and_the_jobs_named() -> None:
    report = upload("sync", "profiles.upload", BulkServer(), profiles(["good", "late"]), wait=False)
    assert (report.accepted, report.ok) == (2, True)
    assert [(job.type, job.id) for job in report.open_jobs] == [("profile-bulk-import-job", "job0")]


def test_a_job_that_takes_too_long_leaves_its_rows_accepted() -> None:
    report = upload("sync", "profiles.upload", BulkServer(looks=1_000_000), profiles(["good"]), timeout=0)
    assert (report.accepted, len(report.open_jobs)) == (1, 1)


@pytest.mark.usefixtures("small")
def test_no_more_jobs_are_at_work_than_klaviyo_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Route, "queued_jobs", property(lambda self: 4))
    server = BulkServer(max_jobs=4, looks=5)
    rows = [{"external_id": str(n), "title": "good"} for n in range(60)]
    report = upload("sync", "catalogs.upload_items", server, rows, mode="create")
    assert (report.confirmed, server.busiest) == (60, 4)


def test_others_jobs_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = 0

    def crowded(request: Request) -> Reply | None:
        nonlocal refused
        refused += 1
        return refusal(400, "/data", detail="too many jobs in progress") if refused <= 3 else None

    report = upload("sync", "catalogs.upload_items", BulkServer(before=crowded), [{"external_id": "a"}], mode="create")
    assert (report.confirmed, report.rejected) == (1, 0)


@pytest.mark.usefixtures("small")
def test_many_jobs_are_followed_by_their_list() -> None:
    server = BulkServer()
    assert upload("sync", "profiles.upload", server, profiles(["good"] * 300)).confirmed == 300
    assert server.requests < 100 + 50


def test_a_cancelled_job_leaves_its_rows_unknown() -> None:
    gone = answer(200, {"data": {"type": "job", "id": "job0", "attributes": {"status": "cancelled"}}})
    server = BulkServer(before=lambda request: gone if request.method == "GET" else None)
    report = upload("sync", "profiles.upload", server, profiles(["good"]))
    assert [(r.status, r.code) for r in report.problems] == [("unknown", "cancelled")]
    with pytest.raises(RowsRefused, match="cancelled the job"):
        report.raise_for_problems()


def test_a_key_that_may_not_read_jobs_ends_with_accepted_rows_and_says_so() -> None:
    server = BulkServer(before=lambda request: refusal(403) if request.method == "GET" else None)
    report = upload("sync", "profiles.upload", server, profiles(["good"]))
    assert report.accepted == 1
    assert "403" in report.notes[0]


def test_errors_that_name_no_row_confirm_none() -> None:
    def vague(request: Request) -> Reply | None:
        if "import-errors" not in request.target:
            return None
        return answer(200, {"data": [{"id": "1", "attributes": {"detail": "?"}}], "links": {"next": None}})

    report = upload("sync", "profiles.upload", BulkServer(before=vague), profiles(["good", "late"]))
    assert (report.accepted, report.confirmed) == (2, 0)
    assert "name no row" in report.notes[0]


@pytest.mark.parametrize("face", ["sync", "async"])
def test_what_is_wrong_from_the_start_is_raised_as_it_is(face: str) -> None:
    with pytest.raises(AuthenticationFailed):
        upload(face, "profiles.upload", BulkServer(before=lambda request: refusal(401)), profiles(["good"]))
    elsewhere = BulkServer(before=lambda request: refusal(404, "/data/relationships/lists/data/0", detail="A list …"))
    with pytest.raises(NotFound, match="A list"):
        upload(face, "profiles.upload", elsewhere, profiles(["good"] * 9), lists=["NoList"])
    assert elsewhere.requests == 1


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("face", ["sync", "async"])
def test_an_upload_that_ends_half_way_tells_what_was_sent(face: str) -> None:
    server = BulkServer()
    server.before = lambda request: refusal(401) if request.method == "POST" and len(server.posts) >= 2 else None
    with pytest.raises(UploadStopped, match="then it stopped: bulk_import_profiles: 401") as caught:
        upload(face, "profiles.upload", server, profiles(["good"] * 60), wait=False)
    report = caught.value.report
    assert isinstance(caught.value.__cause__, AuthenticationFailed)
    assert report.accepted == 6
    assert report.rows == sum(report.counts.values()) < 60
    unsent = {r.index for r in report.problems}
    assert unsent == set(range(report.rows)) - {int(n) for post in server.posts for n in post}


def test_the_row_that_was_read_ahead_is_not_forgotten() -> None:
    server = BulkServer()
    server.before = lambda request: refusal(401) if server.posts else None
    rows = [{"external_id": str(n), "properties": {"x": "y" * 90_000}} for n in range(3_000)]
    with pytest.raises(UploadStopped) as caught:
        upload("sync", "profiles.upload", server, iter(rows), wait=False)
    report = caught.value.report
    assert report.rows == sum(report.counts.values()) < 3_000


@pytest.mark.parametrize("status", [500, 503])
def test_a_failure_of_the_server_may_have_taken_effect(status: int) -> None:
    server = BulkServer(before=lambda request: refusal(status))
    with client(server, retries=3) as k, pytest.raises(UploadStopped, match=f"then it stopped.*{status}") as caught:
        k.coupons.upload_codes("TEN", ["A", "B"])
    assert (server.requests, caught.value.report.unknown) == (1, 2)


def test_coupon_codes_are_not_sent_again_after_a_lost_answer() -> None:
    sent = 0

    def losing(request: Request) -> Reply | None:
        nonlocal sent
        sent += 1
        return lost(request)

    with client(BulkServer(before=losing), retries=5) as k, pytest.raises(UploadStopped) as caught:
        k.coupons.upload_codes("TEN", ["A", "B"])
    assert sent == 1
    assert [(r.row, r.status) for r in caught.value.report.problems] == [("A", "unknown"), ("B", "unknown")]


def test_profiles_are_sent_again_after_a_lost_answer() -> None:
    sent = 0

    def losing_once(request: Request) -> Reply | None:
        nonlocal sent
        sent += 1
        return lost(request) if sent == 1 else None

    with client(BulkServer(before=losing_once), retries=1) as k:
        assert k.profiles.upload(profiles(["good"])).confirmed == 1


def test_a_limit_that_a_call_does_not_wait_for_is_waited_for_between_calls() -> None:
    answers = iter([Reply(429, {"retry-after": "0"}, b""), None, None, None])
    with client(BulkServer(before=lambda request: next(answers))) as k:
        assert k.profiles.upload(profiles(["good"])).confirmed == 1


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.just("\ud800")
    | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=8,
)
NAMES = ["email", "phone_number", "external_id", "id", "properties", "metric", "profile", "time", "unique_id"]
ROWS = JSON | st.dictionaries(st.sampled_from([*NAMES, "unique_code", "title", "item"]), JSON | st.just("a@b.test"))


@pytest.mark.parametrize(
    "verb",
    ["profiles.upload", "events.upload", "catalogs.upload_items", "catalogs.upload_variants", "coupons.upload_codes"],
)
@settings(max_examples=60, deadline=None)
@given(rows=st.lists(ROWS, max_size=8))
def test_no_row_is_too_wild(verb: str, rows: list[Any]) -> None:
    """Whatever a row is, it gets a result, and the others are sent."""

    def taking(request: Request) -> Reply | None:
        return answer(202) if request.method == "POST" else answer(200, {"data": []})

    good = {
        "profiles.upload": {"email": "good@shop.test"},
        "events.upload": {"metric": "M", "profile": {"email": "good@shop.test"}},
        "coupons.upload_codes": "GOOD",
    }.get(verb, {"external_id": "good"})
    with client(BulkServer(before=taking)) as k:
        group, _, name = verb.partition(".")
        verb_of = getattr(getattr(k, group), name)
        report = verb_of("TEN", [*rows, good]) if group == "coupons" else verb_of([*rows, good])
    results = list(report.results())
    assert [r.index for r in results] == list(range(len(rows) + 1))
    assert results[-1].status == "accepted"
    assert all(r.reason for r in results if r.status == "rejected")


def test_rows_that_are_no_rows() -> None:
    with client(BulkServer()) as k:
        for wrong in ("a@b.test", b"x", {"email": "a@b.test"}, 5, None):
            with pytest.raises(ConfigurationError, match="rows is any iterable of rows"):
                k.profiles.upload(wrong)  # type: ignore[arg-type]
