"""kill -9 in the middle of a delivery, then again: the same end as if nothing had happened."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sync.push_project import CUSTOMERS, ORDERS, Project, customer, order
from tests.sync.test_push_run import CONSENT

from clavichord.sandbox.serve import Running, running
from clavichord.sync.mistakes import LeaseHeld
from clavichord.sync.state import StateFolder

_numbers = itertools.count(1)
SYNC = CUSTOMERS + CONSENT + "lists: [{list: Everybody, create: true}]\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(limits="off", job_delay=0.02) as served:
        yield served


@pytest.fixture
def project(tmp_path: Path, server: Running) -> Project:
    return Project(tmp_path, server.base_url, f"pk_crash_{next(_numbers)}")


def kill(project: Project, file: str, text: str, point: str, count: int) -> None:
    """Runs the sync in a process of its own that dies at `point`."""
    project.write(file, text)
    victim = Path(__file__).with_name("push_victim.py")
    arguments = [str(project.root), project.url, project.key, file, point, str(count)]
    done = subprocess.run([sys.executable, str(victim), *arguments], capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


@pytest.mark.parametrize(
    ("point", "count"), [("answer", 1), ("answer", 3), ("ledger", 1), ("ledger", 4), ("snapshot", 1)]
)
def test_events_after_a_kill(project: Project, point: str, count: int) -> None:
    project.orders(order(i) for i in range(3_500))
    kill(project, "orders.yaml", ORDERS, point, count)
    report = project.run(ORDERS)
    assert report.exit_code == 0
    assert report.resumed is not None
    assert report.resumed.classes["confirmed"] == report.rows_read == report.classes["unchanged"] == 3_500
    events = project.events()
    assert [(e[0], e[1]) for e in events] == [(f"o{i:05}", i + 0.25) for i in range(3_500)]


# POSTs: list, import, list again …, subscriptions. Ledger writes: sent, accepted, confirmed of each batch.
@pytest.mark.parametrize(
    ("point", "count"),
    [
        ("answer", 1),
        ("answer", 3),
        ("answer", 4),
        ("ledger", 1),
        ("ledger", 3),
        ("ledger", 5),
        ("ledger", 6),
        ("snapshot", 1),
    ],
)
def test_profiles_lists_and_consents_after_a_kill(project: Project, point: str, count: int) -> None:
    project.customers(customer(i) for i in range(1_200))
    kill(project, "customers.yaml", SYNC, point, count)
    # The source moves on meanwhile: what was planned is finished first, then the difference is sent.
    project.customers(customer(i, tier="new" if i == 7 else "old") for i in range(1_200))
    report = project.run(SYNC)
    assert report.exit_code == 0
    profiles = project.profiles()
    assert len(profiles) == 1_200
    assert {p["properties"]["Tier"] for key, p in profiles.items() if key != "c00007"} == {"old"}
    assert profiles["c00007"]["properties"]["Tier"] == "new"
    assert project.subscribed() == {f"c{i:05}" for i in range(1, 1_200, 2)}
    lists = {entry["attributes"]["name"]: entry["id"] for entry in project.all("get_lists")}
    assert sorted(lists) == ["Everybody", "Newsletter"]
    with project.klaviyo() as k:
        pages = k.pages("get_profile_ids_for_list", path={"id": lists["Everybody"]}, query={"page[size]": "100"})
        assert sum(len(page.json()["data"]) for page in pages) == 1_200
    report = project.run(SYNC)
    assert (report.exit_code, report.classes["unchanged"], report.resumed) == (0, 1_200, None)


def test_an_opt_out_between_kill_and_rerun_is_respected(project: Project) -> None:
    project.customers(customer(i) for i in range(40))
    # Two lists, one import, then the subscription: its answer is lost.
    kill(project, "customers.yaml", SYNC, "answer", 4)
    while len(project.subscribed()) < 20:
        pass
    with project.klaviyo() as k:
        out = {"email": {"marketing": {"consent": "UNSUBSCRIBED"}}}
        entry = {"type": "profile", "attributes": {"email": "person1@shop.example", "subscriptions": out}}
        job = {"type": "profile-subscription-bulk-delete-job", "attributes": {"profiles": {"data": [entry]}}}
        k.send("bulk_unsubscribe_profiles", body={"data": job})
    while "c00001" in project.subscribed():
        pass
    report = project.run(SYNC)
    assert "c00001" not in project.subscribed()
    assert report.resumed is not None
    assert (report.resumed.classes["held"], report.resumed.classes["confirmed"]) == (1, 39)
    assert "bulk_subscribe_profiles" not in report.resumed.requests


def test_a_run_whose_plan_is_gone_is_planned_anew(project: Project) -> None:
    project.orders(order(i) for i in range(2_500))
    kill(project, "orders.yaml", ORDERS, "answer", 2)
    for file in (project.root / ".clavichord" / "plans").rglob("*.json"):
        file.unlink()
    report = project.run(ORDERS)
    assert (report.resumed, report.exit_code, report.classes["confirmed"]) == (None, 0, 2_500)
    assert len(project.events()) == 2_500


def test_one_worker_an_account(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as state, StateFolder(tmp_path) as other:
        with state.lease("main"), other.lease("second"), pytest.raises(LeaseHeld, match="main"), other.lease("main"):
            pass
        with other.lease("main"):
            pass


def test_the_lease_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from clavichord.sync.state import StateFolder\n"
        "with StateFolder(Path(sys.argv[1])) as s, s.lease('main'): os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False, timeout=30)
    with StateFolder(tmp_path) as state:
        assert state.db.execute("select count(*) from leases").fetchone()[0] == 1
        with state.lease("main"):
            pass
