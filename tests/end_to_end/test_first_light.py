"""The main job on its real input, and the same job killed in the middle."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import demo
import duckdb
import pytest
from tests.end_to_end.processes import ROOT, Project, SandboxProcess, StartSandbox


def test_the_demo_ends_as_it_must(tmp_path: Path) -> None:
    """`make demo`, in a folder of its own: it checks itself to the row and the cent, and says how."""
    command = [sys.executable, str(ROOT / "examples/cdnow/demo.py"), "--work", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for line in (
        "profiles: 23,570",
        "events: 69,659",
        "members: 11,662",
        "revenue, cents: 250,031,563",
        "confirmed: 100",
    ):
        assert line in done.stdout
    page = (tmp_path / "revenue.html").read_text()
    assert "<svg" in page
    assert "1997" in page


def warehouse(project: Project) -> list[tuple[object, ...]]:
    """What Klaviyo holds in the end, without the ids and times that differ between two accounts."""
    assert project.run("pull", "warehouse").returncode == 0
    with duckdb.connect(str(project.folder / "warehouse.duckdb"), read_only=True) as db:
        return db.execute(
            """select p.external_id, p.email, p.properties::varchar,
                      e.properties->>'$.OrderId', e.datetime::varchar, e.value
               from klaviyo.profiles p left join klaviyo.events e on e.profile_id = p.id order by all"""
        ).fetchall()


def wait_for_progress(sandbox: SandboxProcess, process: subprocess.Popen[str], least: int) -> None:
    """Waits until the sandbox has answered `least` requests of the push, or fails if the push is over before."""
    while sandbox.count("bulk_create_events") < least:
        assert process.poll() is None, "the push ended before it could be killed"
        time.sleep(0.01)  # polling a condition


@pytest.mark.parametrize("requests_before_the_kill", [1, 20, 55])
def test_killed_in_the_middle_of_the_orders(
    tmp_path: Path, start_sandbox: StartSandbox, requests_before_the_kill: int
) -> None:
    ends = []
    for name in ("undisturbed", "killed"):
        sandbox = start_sandbox("--limits", "headers")
        demo.make_project(tmp_path / name)
        project = Project(tmp_path / name, sandbox.base_url)
        assert project.run("run", "customers").returncode == 0
        if name == "killed":
            push = project.start("run", "orders")
            wait_for_progress(sandbox, push, requests_before_the_kill)
            push.send_signal(signal.SIGKILL)
            push.wait()
            assert sandbox.count("bulk_create_events") < 70
        done = project.run("run", "orders")
        assert done.returncode == 0, done.stdout + done.stderr
        ends.append(warehouse(project))
        sandbox.process.kill()
        shutil.rmtree(project.folder / "data")
    assert len(ends[0]) == 69_659
    assert ends[0] == ends[1]
