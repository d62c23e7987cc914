"""One client for many threads, tasks and forked processes; and nothing of it left open."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from tests.client.scripted_server import KEY, Answer, Asked, Scripted

from clavichord.client.client import AsyncKlaviyo, Klaviyo
from clavichord.client.pacing import Pacing


def echo(asked: Asked) -> Answer:
    """A profile that is named as it was asked for, so that a mixed-up answer shows."""
    return Answer(200, {"data": {"type": "profile", "id": asked.path.rpartition("/")[2]}})


@pytest.fixture
def echoing(server: Scripted) -> Scripted:
    server.otherwise = echo
    return server


def options(server: Scripted) -> dict[str, Any]:
    return {"base_url": server.base_url, "retries": 0, "pacing": Pacing(enabled=False)}


def test_eight_threads_share_a_client(echoing: Scripted) -> None:
    wrong: list[str] = []
    with Klaviyo(KEY, **options(echoing)) as k:
        start = threading.Barrier(8)

        def work(number: int) -> None:
            start.wait()
            for turn in range(40):
                name = f"P{number}-{turn}"
                if k.profiles.get_profile(name).id != name:
                    wrong.append(name)

        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert k.response_times()[0].attempts == 320
    assert wrong == []
    assert len(echoing.asked) == 320
    assert len({asked.connection for asked in echoing.asked}) <= 8


def in_a_fork(work: Callable[[], bytes]) -> bytes:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, work())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read, "rb") as pipe:
        return pipe.read()


def test_parent_and_child_of_a_fork_go_on_with_a_blocking_client(echoing: Scripted) -> None:
    with Klaviyo(KEY, **options(echoing)) as k:
        assert k.profiles.get_profile("before").id == "before"
        assert in_a_fork(lambda: k.profiles.get_profile("child").id.encode()) == b"child"
        assert k.profiles.get_profile("after").id == "after"
    by_name = {asked.path.rpartition("/")[2]: asked.connection for asked in echoing.asked}
    assert by_name["before"] == by_name["after"] != by_name["child"]


def test_a_fork_while_another_thread_holds_the_pacing(echoing: Scripted) -> None:
    with Klaviyo(KEY, base_url=echoing.base_url, pacing=Pacing(folder=None)) as k:
        assert k.profiles.get_profile("before").id == "before"
        (ledger,) = k._core.ledgers(type(k.profiles).get_profile, "")
        ledger._ring.acquire()  # as a thread in the middle of it would
        try:
            assert in_a_fork(lambda: k.profiles.get_profile("child").id.encode()) == b"child"
        finally:
            ledger._ring.release()


def test_parent_and_child_of_a_fork_go_on_with_an_asynchronous_client(echoing: Scripted) -> None:
    async def run() -> None:
        async with AsyncKlaviyo(KEY, **options(echoing)) as k:
            assert (await k.profiles.get_profile("before")).id == "before"

            def child() -> bytes:
                asyncio.events._set_running_loop(None)  # the child is no part of its parent's loop
                asyncio.set_event_loop(None)
                return asyncio.run(named(k, "child")).encode()

            assert in_a_fork(child) == b"child"
            assert (await k.profiles.get_profile("after")).id == "after"

    asyncio.run(run())
    by_name = {asked.path.rpartition("/")[2]: asked.connection for asked in echoing.asked}
    assert by_name["before"] == by_name["after"] != by_name["child"]


async def named(k: AsyncKlaviyo, name: str) -> str:
    return (await k.profiles.get_profile(name)).id


def test_many_tasks_share_a_client(echoing: Scripted) -> None:
    async def run() -> list[str]:
        async with AsyncKlaviyo(KEY, **options(echoing)) as k:
            return await asyncio.gather(*(named(k, f"P{n}") for n in range(100)))

    assert asyncio.run(run()) == [f"P{n}" for n in range(100)]


def test_a_cancelled_call_leaves_no_half_answer_behind(server: Scripted) -> None:
    release = threading.Event()

    def slow(asked: Asked) -> Answer:
        release.wait(5)
        return echo(asked)

    async def run() -> str:
        async with AsyncKlaviyo(KEY, **options(server)) as k:
            server.otherwise = slow
            task = asyncio.create_task(named(k, "cancelled"))
            while not server.asked:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            release.set()
            server.otherwise = echo
            return await named(k, "next")

    assert asyncio.run(run()) == "next"


def test_closing_closes_every_connection(echoing: Scripted) -> None:
    async def run() -> None:
        async with AsyncKlaviyo(KEY, **options(echoing)) as k:
            await asyncio.gather(*(named(k, f"P{n}") for n in range(5)))

    with Klaviyo(KEY, **options(echoing)) as k:
        k.profiles.get_profile("1")
        assert not echoing.all_closed(0.1)
    assert echoing.all_closed()
    asyncio.run(run())
    assert len(echoing._threads) >= 3
    assert echoing.all_closed()


CLOSED = """
import asyncio, sys
from clavichord import AsyncKlaviyo, Klaviyo
with Klaviyo("pk_x", base_url=sys.argv[1]) as k:
    k.profiles.get_profile("1")
async def main():
    async with AsyncKlaviyo("pk_x", base_url=sys.argv[1]) as k:
        await asyncio.gather(*(k.profiles.get_profile("1") for _ in range(3)))
asyncio.run(main())
client = AsyncKlaviyo("pk_x", base_url=sys.argv[1])
async def last():
    await client.profiles.get_profile("1")
    await client.close()
asyncio.run(last())
asyncio.run(last())
print("done")
"""


def test_nothing_is_left_to_warn_of(echoing: Scripted) -> None:
    command = [sys.executable, "-W", "error", "-c", CLOSED, echoing.base_url]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (run.stdout, run.stderr) == ("done\n", "")


def test_a_client_that_was_passed_in_stays_open(echoing: Scripted) -> None:
    import httpx2

    from clavichord.client.transports.httpx2 import AsyncHTTPX2Transport, HTTPX2Transport

    with httpx2.Client() as mine:
        with Klaviyo(KEY, transport=HTTPX2Transport(mine), **options(echoing)) as k:
            assert k.profiles.get_profile("1").id == "1"
        assert not mine.is_closed
    owned = HTTPX2Transport()
    with Klaviyo(KEY, transport=owned, **options(echoing)) as k:
        assert k.profiles.get_profile("2").id == "2"
    owned.close()
    assert owned._client.is_closed

    async def run() -> None:
        async with httpx2.AsyncClient() as mine:
            async with AsyncKlaviyo(KEY, transport=AsyncHTTPX2Transport(mine), **options(echoing)) as k:
                assert await named(k, "3") == "3"
            assert not mine.is_closed

    asyncio.run(run())


def test_httpx2s_mock_transport_is_enough_for_a_test_without_a_server() -> None:
    import httpx2

    from clavichord.client.transports.httpx2 import HTTPX2Transport

    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, json={"data": {"type": "profile", "id": "P"}})

    with Klaviyo(KEY, transport=HTTPX2Transport(httpx2.Client(transport=httpx2.MockTransport(answer)))) as k:
        assert k.profiles.get_profile("P").id == "P"
    assert str(seen[0].url) == "https://a.klaviyo.com/api/profiles/P"
    assert seen[0].headers["revision"] == "2026-07-15"
