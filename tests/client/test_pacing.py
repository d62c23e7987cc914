"""The limits are kept whatever the server's windows are, and hardly anything of the budget is lost."""

from __future__ import annotations

import multiprocessing
import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.client.virtual_time import FixedWindows, Simulation, most_in

from clavichord.client import company, errors
from clavichord.client.core import Core
from clavichord.client.pacing import Pacing, Slot
from clavichord.client.ring import HostRing, ProcessRing, default_folder
from clavichord.spec import Limit, load

SMALL = [Limit(1, 15), Limit(3, 60), Limit(10, 150), Limit(3, 100), Limit(3, 15)]
TIERS = sorted({op.limit for op in load().operations.values() if not op.limit.daily}, key=str)


@settings(max_examples=60, deadline=None)
@given(
    limit=st.sampled_from(SMALL),
    phase=st.floats(0, 60),
    windows=st.sampled_from(["clock", "first-request"]),
    headers=st.sampled_from(["burst", "steady", "none"]),
    workers=st.integers(1, 40),
    up=st.floats(0, 0.5),
    jitter=st.floats(0, 0.24),
    down=st.floats(0, 1.0),
    late=st.sampled_from([0.0, 0.3, 3.0]),
    seed=st.integers(0, 2**16),
)
def test_no_window_of_any_phase_ever_sees_too_much(
    limit: Limit,
    phase: float,
    windows: str,
    headers: str,
    workers: int,
    up: float,
    jitter: float,
    down: float,
    late: float,
    seed: int,
) -> None:
    server = FixedWindows(limit, phase, windows, headers)
    simulation = Simulation(server, seed)
    simulation.up, simulation.jitter, simulation.down, simulation.late = up, jitter, down, late
    simulation.busy(simulation.core(Pacing(folder=None)), workers)
    simulation.run(until=1000 + 200)
    assert server.refused == 0
    assert most_in(server.accepted, 1.0) <= limit.burst  # in every window there could be, not only the server's
    assert most_in(server.accepted, 60.0) <= limit.steady
    assert simulation.errors == []


WINDOWS = ["clock", "first-request"]
MAIN_TIERS = [Limit(350, 3500), Limit(75, 750), Limit(10, 150), Limit(3, 60)]


@pytest.mark.parametrize("limit", TIERS, ids=str)
@pytest.mark.parametrize(("headers", "phase"), [("burst", 0.0), ("steady", 1000.05), ("none", 37.3)])
def test_at_least_99_percent_of_the_budget_is_used(limit: Limit, headers: str, phase: float) -> None:
    server = FixedWindows(limit, phase, headers=headers)
    simulation = Simulation(server, seed=7)
    core = simulation.core(Pacing(folder=None))
    simulation.busy(core, workers=64)
    minutes = 4
    simulation.run(until=1e9, sends=limit.steady * minutes + 1)
    assert server.refused == 0
    assert simulation.sent[-1] - simulation.sent[0] <= minutes * 60 / 0.99
    assert not noticed(simulation, core)  # nobody else was there


def noticed(simulation: Simulation, core: Core) -> bool:
    """Whether somebody else is taken to use the account."""
    (ledger,) = core.ledgers(simulation.route(), "")
    doubles = ledger._ring.acquire()
    ledger._ring.release()
    return doubles[company.UNTIL] > simulation.now


@pytest.mark.parametrize("windows", WINDOWS)
@pytest.mark.parametrize("limit", MAIN_TIERS, ids=str)
def test_four_processes_of_a_host_use_the_budget_of_one(limit: Limit, windows: str, tmp_path: Path) -> None:
    server = FixedWindows(limit, 12.3, windows)
    simulation = Simulation(server, seed=2)
    for _ in range(4):
        simulation.busy(simulation.core(Pacing(folder=tmp_path)), workers=16)
    minutes = 3
    simulation.run(until=1e9, sends=limit.steady * minutes + 1)
    assert server.refused == 0
    assert simulation.sent[-1] - simulation.sent[0] <= minutes * 60 / 0.99


@pytest.mark.parametrize("windows", WINDOWS)
@pytest.mark.parametrize(
    ("limit", "minutes", "least"),
    [(Limit(350, 3500), 8, 0.65), (Limit(75, 750), 8, 0.65), (Limit(10, 150), 15, 0.55), (Limit(3, 60), 30, 0.4)],
    ids=str,
)
def test_others_on_the_account_cost_few_refusals(limit: Limit, minutes: int, least: float, windows: str) -> None:
    server = FixedWindows(limit, 12.3, windows)
    simulation = Simulation(server, seed=2)
    core = simulation.core(Pacing(folder=None), retries=20)
    simulation.others(per_second=0.3 * limit.steady / 60)
    simulation.busy(core, workers=max(4, limit.burst // 6))
    simulation.run(until=1000 + 60 * minutes)
    assert simulation.errors == []
    assert noticed(simulation, core)
    assert server.refused <= 0.005 * len(simulation.sent)
    assert len(server.accepted) / (minutes * limit.steady) >= least  # of the 70 % that the others leave


def test_when_the_others_are_gone_their_share_is_taken_again() -> None:
    server = FixedWindows(Limit(10, 150), 12.3)
    simulation = Simulation(server, seed=2)
    core = simulation.core(Pacing(folder=None), retries=20)
    simulation.others(per_second=0.75, until=1000 + 300)
    simulation.busy(core, workers=8)
    simulation.run(until=1000 + 300)
    assert noticed(simulation, core)
    simulation.run(until=1000 + 480)
    before = len(server.accepted)
    simulation.run(until=1000 + 600)
    assert len(server.accepted) - before >= 2 * 150 * 0.98


def test_headers_of_the_minute_are_believed_as_well() -> None:
    limit = Limit(75, 750)
    server = FixedWindows(limit, 12.3, headers="steady")
    simulation = Simulation(server, seed=3)
    simulation.others(per_second=0.3 * limit.steady / 60)
    simulation.busy(simulation.core(Pacing(folder=None)), workers=12)
    simulation.run(until=1000 + 420)
    assert simulation.errors == []
    assert server.refused <= 0.005 * len(simulation.sent)


def test_a_lower_limit_in_the_headers_is_adopted() -> None:
    server = FixedWindows(Limit(10, 150), headers="steady")
    simulation = Simulation(server, seed=1)
    core = simulation.core(Pacing(folder=None))
    simulation.busy(core, workers=1, limit=Limit(75, 750))
    simulation.run(until=1000 + 240)
    assert core.budget(simulation.route(Limit(75, 750))).limit == Limit(10, 150)
    assert server.refused <= 2
    assert most_in(simulation.sent[simulation.server.refused + 80 :], 60.0) <= 150


def test_waiters_go_in_the_order_of_asking() -> None:
    simulation = Simulation(FixedWindows(Limit(3, 60)))
    simulation.jitter = 0.0
    core = simulation.core(Pacing(folder=None))
    for name in range(50):
        simulation.once(core, name)
    simulation.run(until=2000)
    assert simulation.order == list(range(50))


def test_a_waiter_that_gives_up_does_not_stop_the_others() -> None:
    simulation = Simulation(FixedWindows(Limit(1, 15)))
    core = simulation.core(Pacing(folder=None))
    leaving = [core.call(simulation.route()) for _ in range(5)]
    for steps in leaving:
        next(steps)
    simulation.once(core, "stays")
    simulation.run(until=simulation.now)
    for steps in leaving[1:]:
        steps.close()
    simulation.run(until=1000 + 20)
    assert simulation.order == ["stays"]


def test_a_waiter_whose_process_died_does_not_stop_the_others() -> None:
    simulation = Simulation(FixedWindows(Limit(1, 15)))
    core = simulation.core(Pacing(folder=None))
    dead = [Slot(core.ledgers(simulation.route(), "")) for _ in range(3)]
    for slot in dead:
        slot.enter(simulation.now)
    simulation.once(core, "lives")
    simulation.run(until=1000 + 30)
    assert simulation.order == ["lives"]


def test_a_waiter_that_was_stopped_for_long_takes_a_new_place() -> None:
    simulation = Simulation(FixedWindows(Limit(1, 15)))
    core = simulation.core(Pacing(folder=None))
    slept = Slot(core.ledgers(simulation.route(), ""))
    slept.enter(simulation.now)
    simulation.busy(core, workers=1)
    simulation.run(until=1000 + 50)
    assert slept.wait(simulation.now) > 0  # its own time is long past, but others have used the budget since


def test_a_429_closes_the_limit_for_all() -> None:
    server = FixedWindows(Limit(10, 150))
    simulation = Simulation(server)
    core = simulation.core(Pacing(folder=None))
    server.count[60.0, 960.0] = 150  # somebody has used this minute (960 to 1020)
    server.headers = "none"
    for name in range(30):
        simulation.once(core, name)
    simulation.run(until=1200)
    assert len(simulation.order) == 30
    assert server.refused <= 10  # only those that were under way when the first refusal came


def test_the_daily_cap_fails_fast() -> None:
    limit = Limit(10, 150, 150)
    server = FixedWindows(limit)
    simulation = Simulation(server)
    core = simulation.core(Pacing(folder=None))
    for name in range(151):
        simulation.once(core, name)
    simulation.run(until=1100)
    assert (len(simulation.order), server.refused) == (150, 0)
    error = simulation.errors[0]
    assert isinstance(error, errors.RateLimited)
    assert (error.daily, error.sent) == (True, False)
    assert error.retry_after is not None
    assert 86300 < error.retry_after < 86401
    assert "daily cap" in str(error)


def test_max_wait_refuses_instead_of_waiting() -> None:
    simulation = Simulation(FixedWindows(Limit(1, 15)))
    core = simulation.core(Pacing(folder=None), max_wait=3.0)
    for name in range(10):
        simulation.once(core, name)
    simulation.run(until=1200)
    assert simulation.order == [0, 1, 2]  # after 0, 1.25 and 2.5 s
    assert {type(error) for error in simulation.errors} == {errors.RateLimited}
    assert "longer than max_wait allows" in str(simulation.errors[0])


def test_a_parameter_may_bring_a_lower_limit() -> None:
    simulation = Simulation(FixedWindows(Limit(75, 750)))
    core = simulation.core(Pacing(folder=None))
    route = load().operations["get_profiles"]
    cheap = core.ledgers(route, "/api/profiles?additional-fields%5Bprofile%5D=subscriptions")
    dear = core.ledgers(route, "/api/profiles?additional-fields%5Bprofile%5D=subscriptions%2Cpredictive_analytics")
    assert [ledger.limit for ledger in cheap] == [Limit(75, 750)]
    assert [ledger.limit for ledger in dear] == [Limit(75, 750), Limit(10, 150)]
    assert cheap[0] is dear[0]


def test_budget() -> None:
    simulation = Simulation(FixedWindows(Limit(10, 150)))
    core = simulation.core(Pacing(folder=None))
    for name in range(12):
        simulation.once(core, name)
    simulation.run(until=1010)
    assert simulation.now > 1001
    simulation.now = 1010.0
    budget = core.budget(simulation.route())
    assert (budget.limit, budget.used_in_minute, budget.free_now) == (Limit(10, 150), 12, 10)


# --- shared by the processes of a host ---------------------------------------------------------------------------


def _hammer(folder: str, barrier: object, seconds: float, out: object) -> None:
    ledger = Pacing(folder=folder).ledger("https://k.example", "account", "get_things", Limit(20, 600))
    barrier.wait()  # type: ignore[attr-defined]  # multiprocessing's barrier has no public type
    end, sent = time.monotonic() + seconds, []
    while (now := time.monotonic()) < end:
        slot = Slot([ledger])
        slot.enter(now)
        while not slot.gone:
            time.sleep(slot.wait(time.monotonic()))
        sent.append(slot.sent)
    out.put(sent)  # type: ignore[attr-defined]  # as above


def test_processes_of_one_host_share_the_budget(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, out = context.Barrier(3), context.Queue()
    made = [context.Process(target=_hammer, args=(str(tmp_path), barrier, 1.5, out)) for _ in range(3)]
    for process in made:
        process.start()
    times = sorted(t for _ in made for t in out.get(timeout=30))
    for process in made:
        process.join()
    assert most_in(times, 1.0) <= 20
    assert len(times) >= 40  # and together they use it: 20 at once, 20 more after 1.25 s


def test_a_fork_does_not_share_its_parents_lock(tmp_path: Path) -> None:
    ring = HostRing(tmp_path / "x.ring", 64)
    read, write = os.pipe()
    ring.acquire()
    child = os.fork()
    if child == 0:
        ring.acquire()
        os.write(write, b"in")
        os._exit(0)
    os.set_blocking(read, False)
    time.sleep(0.2)
    with pytest.raises(BlockingIOError):
        os.read(read, 2)
    ring.release()
    os.waitpid(child, 0)
    assert os.read(read, 2) == b"in"


def test_a_damaged_or_foreign_file_is_started_afresh(tmp_path: Path) -> None:
    path = tmp_path / "x.ring"
    path.write_bytes(b"\xff" * 100)
    first = HostRing(path, 64)
    assert first.acquire()[0] == 0.0
    first._doubles[0] = 5.0
    first.release()
    assert HostRing(path, 64).acquire()[0] == 5.0


def test_file_names_hold_no_key_and_folders_are_private(tmp_path: Path) -> None:
    folder = tmp_path / "rings"
    Pacing(folder=folder, account="pk_secret").ledger("https://k.example", "x", "get_things", Limit(1, 15))
    (made,) = folder.iterdir()
    assert "secret" not in made.name
    assert "get_things" in made.name
    assert (folder.stat().st_mode & 0o777, made.stat().st_mode & 0o777) == (0o700, 0o600)


def test_where_no_file_can_be_made_the_process_paces_itself(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    for folder in (tmp_path / "file" / "below", open_to_all, None):
        ledger = Pacing(folder=folder).ledger("https://k.example", "x", "get_things", Limit(1, 15))
        assert isinstance(ledger._ring, ProcessRing)


def test_loopback_is_not_shared_by_default_and_the_real_thing_is() -> None:
    pacing = Pacing()
    assert pacing._where("http://127.0.0.1:8000") is None
    assert pacing._where("https://a.klaviyo.com") == default_folder()
