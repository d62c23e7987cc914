"""The journal of calls, and what is read from it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.client.conftest import Caller
from tests.client.scripted_server import Answer, Scripted

from clavichord.client.errors import ConfigurationError, KlaviyoError
from clavichord.client.journal import Journal, JournalError, table
from clavichord.client.types import Call


def call(operation: str = "get_lists", status: int | None = 200, ms: float = 10, **more: object) -> Call:
    given: dict[str, object] = {"waited": 0.5, "remaining": 7, "revision": "2026-07-15", **more}
    return Call(operation, "GET", "/api/lists", 1, status, ms / 1000, **given)  # type: ignore[arg-type]


@pytest.fixture(params=["file", "memory"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Journal:
    return Journal(tmp_path / "calls.db" if request.param == "file" else None, account="main", keep=500)


def test_a_journal_follows_a_client(send: Caller, server: Scripted, journal: Journal) -> None:
    server.answers = [Answer(429, b"", {"Retry-After": "0"}), Answer(200, {"data": []}, {"RateLimit-Remaining": "8"})]
    start = time.time()
    send("get_lists", retries=1, on_response=journal)
    server.answers = [Answer(reset=True)]
    with pytest.raises(KlaviyoError):
        send("get_profiles", on_response=journal)
    lost, second, first = journal.entries()
    assert (first.account, first.operation, first.method, first.status) == ("main", "get_lists", "GET", 429)
    assert (second.attempt, second.status, second.remaining, second.revision) == (2, 200, 8, "2026-07-15")
    assert (lost.operation, lost.status, lost.error) == ("get_profiles", None, "TransportError")
    assert start <= first.at <= time.time()
    assert 0 < first.ms < 60_000
    assert [one.operation for one in journal.entries(operation="get_lists", limit=1)] == ["get_lists"]
    assert journal.entries(since=time.time() + 1) == []


def test_only_the_newest_are_kept(journal: Journal) -> None:
    for n in range(1200):
        journal(call(ms=n))
    kept = journal.entries(limit=10_000)
    assert [round(one.ms) for one in kept] == list(range(1199, 699, -1))
    journal.close()
    assert len(journal.entries(limit=10_000)) == 500


def test_response_times_are_exact(journal: Journal) -> None:
    for ms in range(100, 0, -1):
        journal(call("busy", ms=ms))
    for status in (404, 429, 500, None):
        journal(call("troubled", status, ms=5, error="Timeout" if status is None else ""))
    busy, troubled = journal.times()
    assert (busy.operation, busy.calls, busy.p50, busy.p95, busy.max) == ("busy", 100, 50, 95, 100)
    assert (busy.errors, busy.throttled) == (0, 0)
    assert (troubled.calls, troubled.errors, troubled.throttled, troubled.max) == (4, 3, 1, 5)
    assert journal.times(since=time.time() + 1) == []
    heading, first, _ = table([busy, troubled])
    assert heading.split() == ["operation", "calls", "p50", "ms", "p95", "ms", "max", "ms", "errors", "429"]
    assert first.split() == ["busy", "100", "50", "95", "100", "0", "0"]


def test_what_an_upgrade_has_to_look_at(journal: Journal) -> None:
    for revision in ("2026-07-15", "2026-10-15", "2026-10-15"):
        journal(call(revision=revision))
    assert {key: count for key, (count, _) in journal.used().items()} == {
        ("get_lists", "2026-07-15"): 1,
        ("get_lists", "2026-10-15"): 2,
    }


def test_several_writers_one_file(tmp_path: Path) -> None:
    file = tmp_path / "calls.db"
    script = (
        "import os, sys\n"
        "from clavichord.client.journal import Journal\n"
        "from clavichord.client.types import Call\n"
        "journal = Journal(sys.argv[1])\n"
        "for n in range(300): journal(Call('parent', 'GET', '/x', 1, 200, 0.1, 0.0))\n"
        "if os.fork() == 0:\n"
        "    for n in range(300): journal(Call('child', 'GET', '/x', 1, 200, 0.1, 0.0))\n"
        "    sys.exit(0)\n"
        "os.wait()\n"
    )
    runs = [subprocess.Popen([sys.executable, "-c", script, str(file)]) for _ in range(3)]
    assert [run.wait(60) for run in runs] == [0, 0, 0]
    assert {one.operation: one.calls for one in Journal(file).times()} == {"parent": 900, "child": 900}
    if os.name == "posix":
        assert file.stat().st_mode & 0o777 == 0o600


def test_a_journal_that_cannot_be_written_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "clavichord")
    (tmp_path / "calls.db").write_bytes(b"no database at all" * 100)
    journal = Journal(tmp_path / "calls.db")
    for _ in range(600):
        journal(call())
    journal.close()
    assert journal.lost == 600
    assert caplog.text.count("cannot be written") == 1
    with pytest.raises(JournalError, match=r"calls\.db"):
        journal.times()
    with pytest.raises(ConfigurationError, match="keep"):
        Journal(keep=0)
