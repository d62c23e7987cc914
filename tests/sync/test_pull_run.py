"""Pulls against the sandbox: the table is the truth, whatever happens between two pulls."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from clavichord.client.client import AsyncKlaviyo, Klaviyo
from clavichord.sandbox.clock import VirtualClock
from clavichord.sandbox.serve import running
from clavichord.sync.pull import Pull, PullReport, SinkError, load_pull

KEY = "pk_" + "p" * 34
START = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
EVERYTHING = "{profiles: {}, events: {}, metrics: {}, lists: {}, members: {}}"
HOUR = 3600.0
DAY = 24 * HOUR


@dataclass
class Account:
    """A sandbox account, its clock, and the warehouse it is pulled into."""

    base_url: str
    clock: VirtualClock
    folder: Path
    client: Klaviyo = field(init=False)

    def __post_init__(self) -> None:
        self.client = Klaviyo(KEY, base_url=self.base_url)

    @property
    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now() / 1_000_000, UTC)

    def event(self, name: str, ago: float = 0.0, value: float = 1.0, person: str = "ana@shop.test") -> None:
        """Records an event dated `ago` seconds before now."""
        at = datetime.fromtimestamp(self.now.timestamp() - ago, UTC)
        self.client.send(
            "create_event",
            body={
                "data": {
                    "type": "event",
                    "attributes": {
                        "unique_id": name,
                        "time": at.isoformat(),
                        "value": value,
                        "properties": {"Name": name},
                        "metric": {"data": {"type": "metric", "attributes": {"name": "Placed Order"}}},
                        "profile": {"data": {"type": "profile", "attributes": {"email": person}}},
                    },
                }
            },
        )

    def profile(self, email: str, **properties: Any) -> str:
        attributes = {"email": email, "properties": properties}
        response = self.client.send(
            "create_or_update_profile", body={"data": {"type": "profile", "attributes": attributes}}
        )
        return str(response.json()["data"]["id"])

    def new_list(self, name: str) -> str:
        response = self.client.send("create_list", body={"data": {"type": "list", "attributes": {"name": name}}})
        return str(response.json()["data"]["id"])

    def members(self, change: str, list_id: str, profiles: Sequence[str]) -> None:
        body = {"data": [{"type": "profile", "id": id} for id in profiles]}
        self.client.send(f"{change}_list", path={"id": list_id}, body=body)

    def pull(self, streams: str = EVERYTHING, *, key: str = KEY, full: bool = False) -> PullReport:
        definition = load_pull(f"pull: w\ninto: w.duckdb\nstreams: {streams}\n", "pulls/w.yaml")

        async def run() -> PullReport:
            async with AsyncKlaviyo(key, base_url=self.base_url) as client:
                return await Pull(definition, client=client, root=self.folder, now=lambda: self.now, full=full).run()

        return asyncio.run(run())

    def sql(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.folder / "w.duckdb"), read_only=True) as db:
            return db.execute(query).fetchall()

    def names(self) -> list[str]:
        """The pulled events by their own name."""
        return sorted(name for (name,) in self.sql("select unique_id from klaviyo.events"))


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    clock = VirtualClock(int(START.timestamp() * 1_000_000))
    with running(limits="off", clock=clock, job_delay=0) as sandbox:
        account = Account(sandbox.base_url, clock, tmp_path)
        yield account
        account.client.close()


def counts(report: PullReport, stream: str) -> tuple[int, int, int, int]:
    assert report.exit_code == 0, list(report.lines())
    c = report.streams[stream].counts
    assert c.read == c.new + c.changed + c.unchanged
    return c.new, c.changed, c.unchanged, c.removed


def test_everything_arrives_once_and_the_second_pull_writes_nothing(account: Account) -> None:
    newsletter = account.new_list("Newsletter")
    people = [account.profile(f"p{i}@shop.test", Tier="gold", n=i) for i in range(250)]
    account.members("add_profiles_to", newsletter, people[:130])
    for i in range(40):
        account.event(f"e{i}", ago=i * DAY, value=0.1 * i, person=f"p{i}@shop.test")
    account.clock.advance(60)
    first = account.pull()
    assert [counts(first, s)[0] for s in first.streams] == [250, 40, 1, 1, 130]
    assert account.sql("select count(*), sum((properties->>'$.n')::int) from klaviyo.profiles") == [(250, 31125)]
    assert account.sql("select sum(value)::decimal(9,2)::varchar from klaviyo.events") == [("78.00",)]
    assert account.sql(
        "select count(*) from klaviyo.list_members m join klaviyo.profiles p on p.id = m.profile_id"
    ) == [(130,)]
    unmatched = "select count(*) from klaviyo.events anti join klaviyo.profiles p on p.id = profile_id"
    assert account.sql(unmatched) == [(0,)]
    second = account.pull()
    for stream in second.streams:
        assert counts(second, stream)[:2] == (0, 0)
    assert second.streams["events"].counts.read < 5  # the repair windows, not the year


def test_what_has_changed_is_rewritten_and_nothing_else(account: Account) -> None:
    newsletter = account.new_list("Newsletter")
    people = [account.profile(f"p{i}@shop.test", Tier="gold") for i in range(20)]
    account.members("add_profiles_to", newsletter, people)
    account.clock.advance(HOUR)
    account.pull()
    account.profile("p3@shop.test", Tier="silver")
    account.members("remove_profiles_from", newsletter, people[:2])
    account.clock.advance(60)
    report = account.pull()
    assert counts(report, "profiles")[:2] == (0, 1)
    assert counts(report, "members") == (0, 0, 18, 2)
    assert account.sql("select email from klaviyo.profiles where properties->>'$.Tier' = 'silver'") == [
        ("p3@shop.test",)
    ]


def test_a_second_event_in_the_very_second_of_the_cursor_is_found(account: Account) -> None:
    account.event("first", ago=HOUR * 100)
    account.pull("{events: {lookback: {1h: always}}}")
    account.event("tie", ago=HOUR * 100)
    assert counts(account.pull("{events: {lookback: {1h: always}}}"), "events")[0] == 1
    assert account.names() == ["first", "tie"]


def test_a_future_date_is_kept_and_does_not_move_the_cursor(account: Account) -> None:
    account.event("past", ago=HOUR)
    account.event("future", ago=-18 * HOUR)
    account.pull("{events: {lookback: {1s: always}}}")
    assert account.names() == ["future", "past"]
    account.clock.advance(2 * HOUR)
    account.event("after", ago=HOUR)
    account.pull("{events: {lookback: {1s: always}}}")
    assert account.names() == ["after", "future", "past"]


def test_a_late_event_is_found_by_the_repair_window_it_falls_in(account: Account) -> None:
    account.event("known", ago=60)
    account.clock.advance(120)
    account.pull("{events: {}}")
    account.event("2h late", ago=2 * HOUR)
    account.pull("{events: {}}")
    assert account.names() == ["2h late", "known"]
    account.event("6d late", ago=6 * DAY)
    account.pull("{events: {}}")
    assert "6d late" not in account.names()  # the 7-day window is read once a day
    account.clock.advance(DAY)
    account.pull("{events: {}}")
    assert account.names() == ["2h late", "6d late", "known"]


def test_full_reads_everything_again(account: Account) -> None:
    account.event("known", ago=60)
    account.clock.advance(120)
    account.pull("{events: {}}")
    account.event("a year late", ago=365 * DAY)
    account.pull("{events: {}}")
    assert account.names() == ["known"]
    assert counts(account.pull("{events: {}}", full=True), "events") == (1, 0, 1, 0)
    assert account.names() == ["a year late", "known"]


def test_a_profile_updated_at_the_instant_of_the_cursor_is_found(account: Account) -> None:
    account.profile("one@shop.test")
    account.clock.advance(HOUR)
    account.profile("two@shop.test")
    account.clock.advance(HOUR)
    account.pull("{profiles: {}}")
    account.clock.advance(-HOUR)
    account.profile("one@shop.test", Tier="gold")  # the same `updated` as two's, visible only now
    account.clock.advance(HOUR)
    assert counts(account.pull("{profiles: {}}"), "profiles")[:2] == (0, 1)


def test_since_is_kept_and_moving_it_back_reads_what_was_left_out(account: Account) -> None:
    account.event("old", ago=50 * DAY)
    account.event("new", ago=DAY)
    account.pull("{events: {since: 2026-05-15}}")
    assert account.names() == ["new"]
    account.pull("{events: {since: 2026-01-01}}")
    assert account.names() == ["new", "old"]


def test_a_list_that_is_gone_loses_its_members(account: Account) -> None:
    lists = [account.new_list("a"), account.new_list("b")]
    person = account.profile("p@shop.test")
    for list_id in lists:
        account.members("add_profiles_to", list_id, [person])
    account.pull("{members: {}}")
    account.client.send("delete_list", path={"id": lists[0]})
    assert counts(account.pull("{members: {}}"), "members") == (0, 0, 1, 1)
    assert account.sql("select list_id from klaviyo.list_members") == [(lists[1],)]


def test_a_refused_key_is_never_an_empty_success(account: Account) -> None:
    report = account.pull(key="not-a-private-key")
    assert report.exit_code == 6
    assert "Check the API key" in report.halt
    assert report.status == "failed"
    assert not (account.folder / "w.duckdb").exists()


def test_a_missing_scope_fails_its_stream_only(tmp_path: Path) -> None:
    keys = {KEY: ["events:read", "metrics:read", "profiles:read", "accounts:read"]}
    clock = VirtualClock(int(START.timestamp() * 1_000_000))
    with running(limits="off", clock=clock, keys=keys) as sandbox:
        account = Account(sandbox.base_url, clock, tmp_path)
        report = account.pull("{metrics: {}, lists: {}, members: {}}")
        account.client.close()
    assert report.exit_code == 6
    assert report.streams["metrics"].error == ""
    assert "get_lists: 403" in report.streams["lists"].error
    assert report.streams["members"].error == "not read, because lists failed"


def test_two_accounts_do_not_mix_in_one_schema(account: Account) -> None:
    account.pull("{metrics: {}}")
    with pytest.raises(SinkError, match="holds account"):
        account.pull("{metrics: {}}", key="pk_" + "q" * 34)


def test_the_run_stands_in_the_destination(account: Account) -> None:
    report = account.pull("{metrics: {}}")
    runs = account.sql("select run, pull, state, requests, report->>'$.streams.metrics.table' from klaviyo._runs")
    assert runs == [(report.run, "w", "finished", report.requests, "metrics")]
