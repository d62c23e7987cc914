"""Kill -9 in the middle of a pull: the next one goes on from there, and the tables are the truth."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from clavichord.client.client import AsyncKlaviyo, Klaviyo
from clavichord.sandbox.serve import running
from clavichord.sync.pull import Pull, PullReport, load_pull

KEY = "pk_" + "v" * 34
PEOPLE = 1200
EVENTS = 2400
DEFINITION = "pull: w\ninto: w.duckdb\nstreams: {profiles: {}, events: {}, metrics: {}, members: {}}\n"


def fill(client: Klaviyo) -> None:
    """1,200 people on a list and two events of each, spread over a month."""
    body: dict[str, Any] = {"data": {"type": "list", "attributes": {"name": "N"}}}
    list_id = client.send("create_list", body=body).json()["data"]["id"]
    people = [{"type": "profile", "attributes": {"external_id": str(i)}} for i in range(PEOPLE)]
    body = {
        "data": {
            "type": "profile-bulk-import-job",
            "attributes": {"profiles": {"data": people}},
            "relationships": {"lists": {"data": [{"type": "list", "id": list_id}]}},
        }
    }
    client.send("bulk_import_profiles", body=body)
    events = [
        {
            "type": "event-bulk-create",
            "attributes": {
                "profile": {"data": {"type": "profile", "attributes": {"external_id": str(i % PEOPLE)}}},
                "events": {
                    "data": [
                        {
                            "type": "event",
                            "attributes": {
                                "properties": {},
                                "time": f"2026-01-{1 + i % 28:02}T{i % 24:02}:00:00Z",
                                "value": i,
                                "unique_id": str(i),
                                "metric": {"data": {"type": "metric", "attributes": {"name": "Placed Order"}}},
                            },
                        }
                    ]
                },
            },
        }
        for i in range(EVENTS)
    ]
    for lo in range(0, EVENTS, 1000):
        data = {
            "type": "event-bulk-create-job",
            "attributes": {"events-bulk-create": {"data": events[lo : lo + 1000]}},
        }
        client.send("bulk_create_events", body={"data": data})


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with running(limits="off", job_delay=0) as sandbox, Klaviyo(KEY, base_url=sandbox.base_url) as client:
        fill(client)
        yield sandbox.base_url


def pull(root: Path, base_url: str) -> PullReport:
    async def run() -> PullReport:
        async with AsyncKlaviyo(KEY, base_url=base_url) as client:
            return await Pull(load_pull(DEFINITION, "w.yaml"), client=client, root=root).run()

    return asyncio.run(run())


@pytest.mark.parametrize("point", ["before", "inside", "after"])
@pytest.mark.parametrize("count", [1, 7, 20])
def test_the_tables_are_the_truth_after_a_kill(tmp_path: Path, base_url: str, count: int, point: str) -> None:
    (tmp_path / "w.yaml").write_text(DEFINITION)
    victim = Path(__file__).with_name("pull_victim.py")
    command = [sys.executable, str(victim), str(tmp_path), base_url, KEY, str(count), point]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    report = pull(tmp_path, base_url)
    assert report.exit_code == 0, list(report.lines())
    if count == 20:
        # The rest only: what was committed before the kill is not written again.
        assert 0 < sum(s.counts.new for s in report.streams.values()) < 2 * PEOPLE + EVENTS
    with duckdb.connect(str(tmp_path / "w.duckdb"), read_only=True) as db:

        def row(sql: str) -> Any:
            return db.execute(sql).fetchone()

        people = "select count(*), count(distinct id), count(distinct external_id) from klaviyo.profiles"
        assert row(people) == (PEOPLE,) * 3
        events = "select count(*), count(distinct id), sum(value)::bigint from klaviyo.events"
        assert row(events) == (EVENTS, EVENTS, sum(range(EVENTS)))
        assert row("select count(*), count(distinct profile_id) from klaviyo.list_members") == (PEOPLE,) * 2
        assert row("select count(*) from klaviyo.events semi join klaviyo.profiles p on p.id = profile_id") == (EVENTS,)
    again = pull(tmp_path, base_url)
    assert all(s.counts.new == s.counts.changed == s.counts.removed == 0 for s in again.streams.values())
