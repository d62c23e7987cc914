"""Events in the background: gathered, sent, refused, kept; full queues; the ends of programs, orderly and not."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.client.scripted_server import KEY, Answer, Asked, Scripted

from clavichord.client.client import AsyncKlaviyo, Klaviyo
from clavichord.client.errors import AuthenticationFailed, ConfigurationError, NotFound
from clavichord.client.pacing import Pacing
from clavichord.client.queue.sender import EventQueue, QueueFull, Undelivered
from clavichord.client.queue.spool import SpoolBacklog, SpoolError

WORKER = Path(__file__).with_name("queue_worker.py")
OPTIONS: dict[str, Any] = {"retries": 0, "pacing": Pacing(enabled=False)}
SARAH = {"email": "sarah@shop.test"}


class Klaviyos(Scripted):
    """Takes events, and knows which. `held` keeps the answers back until it is set."""

    def __init__(self) -> None:
        super().__init__()
        self.held = threading.Event()
        self.held.set()
        self.refusal: Callable[[Asked], Answer | None] = lambda asked: None
        self.otherwise = self.answer
        self.taken: list[dict[str, Any]] = []

    def answer(self, asked: Asked) -> Answer:
        self.held.wait(30)
        refused = self.refusal(asked)
        if refused is None:
            self.taken += events_of(asked)
        return refused or Answer(202)

    @property
    def ids(self) -> Counter[str]:
        return Counter(event["unique_id"] for event in self.taken)


def events_of(asked: Asked) -> list[dict[str, Any]]:
    """The attributes of the events in a request, with the profile among them."""
    attributes = asked.json["data"]["attributes"]
    if asked.path == "/api/events":
        return [attributes]
    entries = [entry["attributes"] for entry in attributes["events-bulk-create"]["data"]]
    return [{**entry["events"]["data"][0]["attributes"], "profile": entry["profile"]} for entry in entries]


@pytest.fixture
def server() -> Iterator[Klaviyos]:
    made = Klaviyos()
    yield made
    made.held.set()
    made.close()


def klaviyo(server: Klaviyos, **queue: Any) -> Klaviyo:
    return Klaviyo(KEY, base_url=server.base_url, event_queue=EventQueue(**queue), **OPTIONS)


def paths(server: Klaviyos) -> list[str]:
    return [asked.path for asked in server.asked]


def test_many_events_are_one_request_and_few_are_sent_singly(server: Klaviyos) -> None:
    with klaviyo(server, interval=60) as k:
        ids = [k.events.enqueue("Seen", profile=SARAH, properties={"n": n}) for n in range(40)]
        assert server.asked == []  # it waits for company
        assert k.events.flush() == 0
        assert paths(server) == ["/api/event-bulk-create-jobs"]
        assert len(set(ids)) == 40 == len(server.ids)
        for _ in range(3):
            k.events.enqueue("Seen", profile="01PROFILE", value=1.5)
        assert k.events.flush() == 0
        assert paths(server)[1:] == ["/api/events"] * 3
        assert (k.event_queue.sent, k.event_queue.pending) == (43, 0)
    single = server.taken[-1]
    assert single["profile"]["data"]["id"] == "01PROFILE"
    assert single["metric"] == {"data": {"type": "metric", "attributes": {"name": "Seen"}}}
    assert datetime.fromisoformat(single["time"]).tzinfo is not None


def test_the_asynchronous_client_has_it_too(server: Klaviyos, tmp_path: Path) -> None:
    async def main(**queue: Any) -> None:
        async with AsyncKlaviyo(KEY, base_url=server.base_url, event_queue=EventQueue(**queue), **OPTIONS) as k:
            for _ in range(10):
                assert await k.events.enqueue("Seen", profile=SARAH)
            assert await k.events.flush() == 0
            await k.events.enqueue("Seen", profile=SARAH, unique_id="last")
        assert server.ids["last"] == 1  # closing sends what is left

    asyncio.run(main(interval=60))
    server.taken.clear()
    asyncio.run(main(interval=60, spool=tmp_path / "spool.db"))
    assert len(server.ids) == 11


def test_the_same_event_twice_is_sent_once_a_batch(server: Klaviyos) -> None:
    with klaviyo(server, interval=60) as k:
        for n in range(20):
            k.events.enqueue("Seen", profile=SARAH, unique_id=f"order-{n // 2}")
        assert k.events.flush() == 0
    assert server.ids == {f"order-{n}": 1 for n in range(10)}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"metric": "", "profile": SARAH}, "metric"),
        ({"metric": "Seen", "profile": {}}, "email"),
        ({"metric": "Seen", "profile": {"email": "nobody"}}, "email"),
        ({"metric": "Seen", "profile": SARAH, "time": datetime(2026, 1, 1)}, "time zone"),  # noqa: DTZ001
        ({"metric": "Seen", "profile": SARAH, "properties": {"x": object()}}, "JSON"),
        ({"metric": "Seen", "profile": SARAH, "properties": {"x": "y" * 5_000_000}}, "5 MB"),
    ],
)
def test_a_bad_event_is_refused_where_it_is_enqueued(server: Klaviyos, given: dict[str, Any], says: str) -> None:
    with klaviyo(server) as k, pytest.raises(ConfigurationError, match=says):
        k.events.enqueue(**given)
    assert server.asked == []


def test_a_batch_is_cut_by_bytes_too(server: Klaviyos) -> None:
    with klaviyo(server, interval=60) as k:
        for _ in range(20):
            k.events.enqueue("Seen", profile="01PROFILE", properties={"text": "x" * 300_000})
        assert k.events.flush(30) == 0
    assert len(server.ids) == 20
    assert all(len(asked.body) < 5_000_000 for asked in server.asked)
    assert len(server.asked) < 20


# A full queue


@pytest.mark.parametrize("spooled", [False, True])
def test_a_full_queue_raises_drops_or_blocks(server: Klaviyos, tmp_path: Path, spooled: bool) -> None:
    def queue(name: str, **options: Any) -> dict[str, Any]:
        return {"size": 2, **options} | ({"spool": tmp_path / name} if spooled else {})

    server.held.clear()
    with klaviyo(server, **queue("a")) as k:
        for _ in range(2):
            k.events.enqueue("Seen", profile=SARAH)
        with pytest.raises(QueueFull, match="holds 2 events"):
            k.events.enqueue("Seen", profile=SARAH)
        server.held.set()
    with klaviyo(server, **queue("b", full="drop", deadline=30)) as k:
        server.held.clear()
        given = [k.events.enqueue("Seen", profile=SARAH) for _ in range(5)]
        assert [one is None for one in given] == [False, False, True, True, True]
        assert k.event_queue.dropped == 3
        server.held.set()
    with klaviyo(server, **queue("c", full="block", patience=30, deadline=30)) as k:
        server.held.clear()
        for _ in range(2):
            k.events.enqueue("Seen", profile=SARAH)
        waiting = threading.Thread(target=lambda: k.events.enqueue("Seen", profile=SARAH, unique_id="patient"))
        waiting.start()
        waiting.join(0.1)
        assert waiting.is_alive()
        server.held.set()
        waiting.join(30)
        assert k.events.flush(30) == 0
        assert server.ids["patient"] == 1
    with klaviyo(server, **queue("d", full="block", patience=0.05, deadline=30)) as k:
        server.held.clear()
        for _ in range(2):
            k.events.enqueue("Seen", profile=SARAH)
        with pytest.raises(QueueFull):
            k.events.enqueue("Seen", profile=SARAH)
        server.held.set()


# What Klaviyo refuses


def pointing(*places: int) -> Answer:
    at = "/data/attributes/events-bulk-create/data/{}/attributes/profile/data/attributes/email"
    problem = {"code": "invalid", "title": "Invalid input.", "detail": "Invalid email address"}
    return Answer(400, {"errors": [{**problem, "source": {"pointer": at.format(place)}} for place in places]})


def test_refused_events_are_told_and_the_others_sent(server: Klaviyos) -> None:
    def refuse(asked: Asked) -> Answer | None:
        bad = [n for n, event in enumerate(events_of(asked)) if event["unique_id"] in ("e3", "e7")]
        return pointing(*bad) if bad else None

    server.refusal = refuse
    told: list[Undelivered] = []
    with klaviyo(server, interval=60, on_error=told.append) as k:
        for n in range(10):
            k.events.enqueue("Seen", profile=SARAH, unique_id=f"e{n}")
        assert k.events.flush() == 0
        assert (k.event_queue.sent, k.event_queue.refused) == (8, 2)
    assert sorted(server.ids) == ["e0", "e1", "e2", "e4", "e5", "e6", "e8", "e9"]
    assert [(one.events[0]["unique_id"], one.kept) for one in told] == [("e3", False), ("e7", False)]
    assert "Invalid email address" in told[0].reason
    assert "sarah" not in repr(told)  # what is logged by mistake holds no personal data


def test_a_refusal_that_names_no_event_is_looked_into_one_by_one(server: Klaviyos) -> None:
    nameless = Answer(400, {"errors": [{"code": "invalid", "detail": "no", "source": {"pointer": "/data"}}]})
    server.refusal = lambda asked: nameless if any(e["unique_id"] == "e3" for e in events_of(asked)) else None
    told: list[Undelivered] = []
    with klaviyo(server, interval=60, on_error=told.append) as k:
        for n in range(6):
            k.events.enqueue("Seen", profile=SARAH, unique_id=f"e{n}")
        assert k.events.flush() == 0
    assert sorted(server.ids) == ["e0", "e1", "e2", "e4", "e5"]
    assert [(one.events[0]["unique_id"], one.kept) for one in told] == [("e3", False)]


@pytest.mark.parametrize(
    ("answer", "error"),
    [(Answer(401), AuthenticationFailed), (Answer(404, b"<html>not here</html>"), NotFound)],
)
@pytest.mark.parametrize("count", [2, 20])
def test_events_outlast_a_bad_key_or_address(
    server: Klaviyos, monkeypatch: pytest.MonkeyPatch, answer: Answer, error: Any, count: int
) -> None:
    monkeypatch.setattr("clavichord.client.queue.sender.FIRST_PAUSE", 60)
    failed = threading.Event()
    told: list[Undelivered] = []

    def hear(one: Undelivered) -> None:
        told.append(one)
        server.refusal = lambda asked: None
        failed.set()

    server.refusal = lambda asked: answer
    with klaviyo(server, interval=60, on_error=hear) as k:
        for n in range(count):
            k.events.enqueue("Seen", profile=SARAH, unique_id=f"e{n}")
        k.events.flush(0)
        assert failed.wait(30)
        assert k.events.flush(30) == 0  # the pause ends when somebody asks
    assert len(server.ids) == count
    assert [(type(one.error), one.kept, len(one.events)) for one in told] == [(error, True, count)]


def test_an_on_error_that_raises_does_not_stop_the_queue(server: Klaviyos, monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", raised.append)
    server.refusal = lambda asked: Answer(401) if len(server.asked) == 1 else None

    def bad(one: Undelivered) -> None:
        raise ZeroDivisionError

    with klaviyo(server, interval=60, on_error=bad) as k:
        for n in range(10):
            k.events.enqueue("Seen", profile=SARAH, unique_id=f"e{n}")
        assert k.events.flush(30) == 0
    assert len(server.ids) == 10
    assert [one.exc_type for one in raised] == [ZeroDivisionError]


# Many at once, and the ends of programs


def test_threads_share_a_queue(server: Klaviyos) -> None:
    with klaviyo(server, deadline=60) as k:

        def work(name: int) -> None:
            for n in range(250):
                k.events.enqueue("Seen", profile=SARAH, unique_id=f"{name}-{n}")

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(server.ids) == 2000 == server.ids.total()


def run(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(WORKER), *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_the_end_of_a_program_sends_what_is_left(server: Klaviyos) -> None:
    assert run("ends", server.base_url, "30").communicate(timeout=60)[1] == ""
    assert len(server.ids) == 30


def test_the_end_of_a_program_does_not_wait_for_ever(server: Klaviyos) -> None:
    server.held.clear()
    process = run("ends_in_vain", server.base_url)
    assert "closed with 2 events not sent: they are lost" in process.communicate(timeout=25)[1]
    assert process.returncode == 0


def test_kill_9_loses_nothing_that_was_enqueued(server: Klaviyos, tmp_path: Path) -> None:
    spool = tmp_path / "spool.db"
    on_its_way = threading.Event()

    def silence(asked: Asked) -> Answer:
        on_its_way.set()
        return Answer(silent=True)

    server.refusal = silence
    process = run("killed", server.base_url, str(spool))
    assert process.stdout is not None
    safe = [process.stdout.readline().strip() for _ in range(700)]
    assert on_its_way.wait(30)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    server.refusal = lambda asked: None
    with klaviyo(server, spool=spool) as k:
        assert k.events.flush(30) == 0
    assert set(safe) <= set(server.ids)
    assert set(server.ids.values()) == {1}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize("spooled", [False, True])
def test_forks_send_every_event_once(server: Klaviyos, tmp_path: Path, spooled: bool) -> None:
    process = run("forks", server.base_url, *([str(tmp_path / "spool.db")] if spooled else []))
    assert process.communicate(timeout=60) == ("", "")
    wanted = {f"{who}-{child}-{n}" for who in ("parent", "child") for child in range(8) for n in range(20)}
    assert set(server.ids) == wanted
    assert set(server.ids.values()) == {1}


def test_processes_share_a_spool(server: Klaviyos, tmp_path: Path) -> None:
    processes = [run("shares", server.base_url, str(tmp_path / "spool.db"), f"p{n}") for n in range(3)]
    assert [process.communicate(timeout=100)[1] for process in processes] == [""] * 3
    assert set(server.ids) == {f"p{p}-{n}" for p in range(3) for n in range(300)}
    assert set(server.ids.values()) == {1}


# The spool


def test_a_spool_is_private_and_forgets_what_was_sent(server: Klaviyos, tmp_path: Path) -> None:
    spool = tmp_path / "deep" / "spool.db"
    server.held.clear()
    with klaviyo(server, spool=spool) as k:
        k.events.enqueue("Seen", profile=SARAH)
        kept = {file: file.read_bytes() for file in spool.parent.iterdir()}
        assert b"sarah@shop.test" in b"".join(kept.values())
        assert KEY[5:].encode() not in b"".join(kept.values())
        assert {file.stat().st_mode & 0o777 for file in kept} == {0o600}
        server.held.set()
        assert k.events.flush(30) == 0
    assert b"sarah@shop.test" not in b"".join(file.read_bytes() for file in spool.parent.iterdir())


def test_a_spool_that_cannot_be_written_is_a_typed_error(server: Klaviyos, tmp_path: Path) -> None:
    (tmp_path / "spool.db").mkdir()
    with klaviyo(server, spool=tmp_path / "spool.db") as k, pytest.raises(SpoolError, match=r"spool\.db"):
        k.events.enqueue("Seen", profile=SARAH)
    (tmp_path / "other.db").write_bytes(b"this is no database" * 100)
    with klaviyo(server, spool=tmp_path / "other.db") as k, pytest.raises(SpoolError):
        k.events.enqueue("Seen", profile=SARAH)


def test_what_a_process_took_and_did_not_finish_comes_back(tmp_path: Path) -> None:
    now = 1e9
    mine, other = (SpoolBacklog(tmp_path / "s.db", 10, clock=lambda: now) for _ in range(2))
    for _ in range(3):
        mine.add(b"{}")
    other.add(b"{}")  # opened before anything was taken
    assert [one.number for one in mine.take(2, 1000)] == [1, 2]
    assert [one.number for one in other.take(9, 1000)] == [3, 4]
    mine.back([2])
    assert [one.number for one in other.take(9, 1000)] == [2]
    now += 601
    assert [one.number for one in other.take(9, 1000)] == [1, 2, 3, 4]
    other.done([1, 2, 3, 4])
    assert (len(mine), len(other)) == (0, 0)


def test_a_queue_has_one_client(server: Klaviyos) -> None:
    queue = EventQueue()
    first = Klaviyo(KEY, base_url=server.base_url, event_queue=queue, **OPTIONS)
    second = Klaviyo(KEY, base_url=server.base_url, event_queue=queue, **OPTIONS)
    assert first.event_queue is queue
    with pytest.raises(ConfigurationError, match="another client"):
        second.events.enqueue("Seen", profile=SARAH)


@pytest.mark.parametrize("options", [{"size": 0}, {"full": "explode"}, {"interval": -1}])
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match="EventQueue"):
        EventQueue(**options)
