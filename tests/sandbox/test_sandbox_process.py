"""The command, its process, its file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.sandbox.sandbox_api import Api, until

COMMAND = [sys.executable, "-c", "from clavichord.cli.sandbox import command; command()"]


@contextmanager
def started(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and the first line it prints."""
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def refused(*arguments: str) -> str:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_first_line_is_the_url_and_signals_end_it_in_order(number: signal.Signals) -> None:
    with started() as (process, url):
        assert url.startswith("http://127.0.0.1:")
        assert Api(url, "pk_a").get("/api/accounts").status == 200
        process.send_signal(number)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (0, "", "")


def test_declared_keys_link_base_and_limits() -> None:
    options = [
        "--key",
        "pk_a",
        "--key",
        "pk_b:lists:read,profiles:read",
        "--link-base",
        "http://x.test/",
        "--limits",
        "off",
    ]
    with started(*options) as (_, url):
        reply = Api(url, "pk_a").get("/api/accounts")
        assert reply.json["links"]["self"] == "http://x.test/api/accounts"
        assert "ratelimit-limit" not in reply.headers
        assert Api(url, "pk_b").get("/api/lists").status == 200
        assert Api(url, "pk_b").get("/api/accounts").status == 403
        assert Api(url, "pk_c").get("/api/lists").status == 401


def test_what_cannot_be_served_is_said_in_one_line(tmp_path: Path) -> None:
    with started() as (_, url):
        assert "cannot listen" in refused("--port", url.rpartition(":")[2])
    other = tmp_path / "other.db"
    other.write_text("this is not a database, " * 100)
    assert "other.db" in refused("--db", str(other))
    assert "other.db" in refused("--db", str(tmp_path / "missing" / "other.db"))
    file = str(tmp_path / "mine.db")
    with started("--db", file) as (_, url):
        assert "mine.db" in refused("--db", file)
        assert Api(url, "pk_a").get("/api/lists").status == 200
    assert "pk_" in refused("--key", "secret")


def test_another_host_is_warned_about() -> None:
    with started("--host", "0.0.0.0") as (process, url):
        assert url.startswith("http://0.0.0.0:")
        process.send_signal(signal.SIGTERM)
        assert "not loopback" in process.communicate(timeout=20)[1]


def rows(api: Api) -> dict[str, Any]:
    counts: dict[str, Any] = api("GET", "/_sandbox/health").json["counts"]
    return counts


def test_state_outlives_kill_minus_nine(tmp_path: Path) -> None:
    file = str(tmp_path / "state.db")
    with started("--db", file) as (process, url):
        api = Api(url, "pk_a")
        list_id = api.list("Kept")
        profile_id = api.profile(email="a@shop.test")
        api.join(list_id, profile_id)
        api.event(email="a@shop.test", unique_id="u", value=1)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with started("--db", file) as (_, url):
        api = Api(url, "pk_a")
        assert api.get(f"/api/lists/{list_id}/profiles").ids == [profile_id]
        api.event(email="a@shop.test", unique_id="u", value=2)
        api.event(email="a@shop.test", unique_id="v")
        values = [row["attributes"]["event_properties"]["$value"] for row in api.get("/api/events").data]
        assert sorted(values) == [0, 1]
        assert len(api.get("/api/metrics").data) == 1


def test_accepted_work_goes_on_after_kill_minus_nine(tmp_path: Path) -> None:
    file = str(tmp_path / "state.db")
    entries = [{"attributes": {"email": f"p{number}@shop.test"}} for number in range(10_000)]
    with started("--db", file, "--job-delay", "0.01") as (process, url):
        api = Api(url, "pk_a")
        job_id = api.imports(*entries, lists=(api.list(),)).data["id"]
        until(lambda: rows(api)["profile"] > 0)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with started("--db", file, "--job-delay", "0.01") as (_, url):
        api = Api(url, "pk_a")
        path = f"/api/profile-bulk-import-jobs/{job_id}"
        until(lambda: api.get(path).data["attributes"]["status"] == "complete", seconds=60)
        attributes = api.get(path).data["attributes"]
        assert (attributes["completed_count"], attributes["failed_count"]) == (10_000, 0)
        assert rows(api)["profile"] == 10_000
        assert rows(api)["edge"] == 2 * 10_000 + 1
        assert rows(api)["task"] == 0
