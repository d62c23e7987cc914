"""A sandbox with a file is killed in the middle of its work: what it had answered is there afterwards."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import urllib3
from tests.sandbox.sandbox_api import Api


@contextmanager
def served(db: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "clavichord", "sandbox", "--limits", "off", "--db", str(db)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("answers", [1, 40, 150])
def test_nothing_that_was_answered_is_lost(tmp_path: Path, answers: int) -> None:
    answered: list[tuple[str, str]] = []
    enough = threading.Event()

    def write(url: str, worker: int) -> None:
        api = Api(url, "pk_killed")
        for number in range(10_000):
            name = f"{worker}-{number}"
            try:
                answered.append(("profile", api.profile(email=f"p{name}@shop.test")))
                if api.event(email=f"p{name}@shop.test", unique_id=name).status == 202:
                    answered.append(("event", name))
            except (urllib3.exceptions.HTTPError, OSError):
                return
            if len(answered) >= answers:
                enough.set()

    with served(tmp_path / "kept.db") as (process, url):
        writers = [threading.Thread(target=write, args=(url, worker)) for worker in range(3)]
        for one in writers:
            one.start()
        assert enough.wait(60)
        process.kill()
        for one in writers:
            one.join()
    assert len(answered) >= answers
    with served(tmp_path / "kept.db") as (_, url):
        api = Api(url, "pk_killed")
        profiles = {one for page in api.pages("/api/profiles", **{"page[size]": "100"}) for one in page.ids}
        events = {
            row["attributes"]["event_properties"]["$event_id"]
            for page in api.pages("/api/events", **{"page[size]": "1000"})
            for row in page.data
        }
        assert {one for kind, one in answered if kind == "profile"} <= profiles
        assert {one for kind, one in answered if kind == "event"} <= events
