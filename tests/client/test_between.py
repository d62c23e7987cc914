"""Between two times: several readers, every record once, in order, wherever the slices are cut."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.client.scripted_server import KEY
from tests.client.test_uploads import Locked

from clavichord import AsyncKlaviyo, ConfigurationError, F, Klaviyo, NotFound, Pacing
from clavichord.client.types import Reply, Request
from clavichord.sandbox.serve import running

START = datetime(2026, 5, 1, tzinfo=UTC)
SPAN = 40
"""seconds; short, so that records lie on every edge"""


class Stream:
    """Records on a time axis with microseconds; answers with whole seconds, as Klaviyo does (LIVE #11)."""

    def __init__(self, field: str, micros: list[int], inclusive: bool) -> None:
        self.field, self.inclusive = field, inclusive
        self.micros = sorted(micros)
        self.requests = 0
        self.refuse_after = 10**9

    def send(self, request: Request) -> Reply:
        self.requests += 1
        if self.requests > self.refuse_after:
            return Reply(404, {}, b"")
        query = {name: values[0] for name, values in parse_qs(urlsplit(request.target).query).items()}
        conditions = query["filter"].split("),")
        assert len(conditions) == 2
        bounds = {}
        for condition in conditions:
            operator, _, rest = condition.partition("(")
            field, _, value = rest.rstrip(")").partition(",")
            assert field == self.field
            allowed = ("greater-or-equal", "less-than") if self.inclusive else ("greater-than", "less-than")
            assert operator in allowed
            bounds[operator] = (datetime.fromisoformat(value) - START) // timedelta(microseconds=1)
        found = [
            (n, at)
            for n, at in enumerate(self.micros)
            if (at >= bounds["greater-or-equal"] if self.inclusive else at > bounds["greater-than"])
            and at < bounds["less-than"]
        ]
        size, first = int(query["page[size]"]), int(query.get("page[cursor]", 0))
        rows = [
            {"id": str(n), "attributes": {self.field: (START + timedelta(seconds=at // 1_000_000)).isoformat()}}
            for n, at in found[first : first + size]
        ]
        target = request.target.partition("&page%5Bcursor%5D")[0]
        following = f"https://x.test{target}&page%5Bcursor%5D={first + size}" if first + size < len(found) else None
        return Reply(200, {}, json.dumps({"data": rows, "links": {"next": following}}).encode())

    def close(self) -> None: ...


MICROS = st.lists(
    st.integers(-2_000_000, (SPAN + 2) * 1_000_000)
    | st.integers(-2, SPAN + 2).map(lambda second: second * 1_000_000)  # on the edges
    | st.integers(0, 5_000_000),  # a crowd
    max_size=120,
)


@pytest.mark.parametrize(("field", "inclusive"), [("datetime", True), ("updated", False)])
@settings(max_examples=60, deadline=None)
@given(micros=MICROS, parallel=st.integers(1, 16), page=st.integers(1, 7), cut=st.integers(0, SPAN))
@example(micros=[0, 0, 0, SPAN * 1_000_000 - 1, SPAN * 1_000_000], parallel=3, page=2, cut=0)
def test_every_record_once_and_in_order(
    field: str, inclusive: bool, micros: list[int], parallel: int, page: int, cut: int
) -> None:
    stream = Stream(field, micros, inclusive)
    since, until = START + timedelta(seconds=cut), START + timedelta(seconds=SPAN + 1)
    with Klaviyo(KEY, transport=Locked(stream), pacing=Pacing(enabled=False)) as k:  # type: ignore[arg-type]
        pager: Any = k.events.get_events(page_size=page) if inclusive else k.profiles.get_profiles(page_size=page)
        seen = [record.id for record in pager.between(since, until, field=field, parallel=parallel)]
    wanted = [str(n) for n, at in enumerate(stream.micros) if cut <= at // 1_000_000 < SPAN + 1]
    assert seen == wanted


def test_a_crowd_is_shared_out() -> None:
    """All records in the last tenth of the range: one reader alone would need a turn for every page."""
    micros = [int((3_600 * 0.9 + n * 360 / 4_000) * 1_000_000) for n in range(4_000)]
    turns = 0

    class Counted(Stream):
        async def asend(self, request: Request) -> Reply:
            return self.send(request)

    async def run() -> int:
        nonlocal turns
        stream = Counted("datetime", micros, True)
        at_once = 0

        class Transport:
            async def send(self, request: Request) -> Reply:
                nonlocal turns, at_once
                at_once += 1
                await asyncio.sleep(0)
                turns += at_once == 1
                await asyncio.sleep(0)
                at_once -= 1
                return stream.send(request)

            async def close(self) -> None: ...

        async with AsyncKlaviyo(KEY, transport=Transport(), pacing=Pacing(enabled=False)) as k:
            pager = k.events.get_events(page_size=20)
            found = [e.id async for e in pager.between(START, START + timedelta(seconds=3_600), parallel=8)]
        assert found == [str(n) for n in range(4_000)]
        return stream.requests

    assert asyncio.run(run()) >= 200
    assert turns < 200 / 4


def test_a_failure_ends_it() -> None:
    stream = Stream("datetime", [n * 1_000_000 for n in range(100)], True)
    stream.refuse_after = 5
    with Klaviyo(KEY, transport=Locked(stream), pacing=Pacing(enabled=False)) as k:  # type: ignore[arg-type]
        seen: list[str] = []
        with pytest.raises(NotFound):
            seen.extend(e.id for e in k.events.get_events(page_size=5).between(START, START + timedelta(seconds=99)))


@pytest.fixture(scope="module")
def k() -> Iterator[Klaviyo]:
    with running(job_delay=0, limits="off") as sandbox, Klaviyo(KEY, base_url=sandbox.base_url) as made:
        yield made


def test_on_the_sandbox(k: Klaviyo) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    rows = [
        {"metric": "M", "profile": {"email": f"b{n % 9}@shop.test"}, "time": now - timedelta(seconds=(n * n) % 5_000)}
        for n in range(1_500)
    ]
    assert k.events.upload(rows).accepted == 1_500
    (metric,) = k.metrics.get_metrics()
    since = now - timedelta(seconds=4_000)
    wanted = [e.id for e in k.events.get_events(filter=(F.datetime >= since) & (F.datetime < now), sort="datetime")]
    pager = k.events.get_events(filter=F.metric_id == metric.id, page_size=50, include=["profile"])
    found = list(pager.between(since, now))
    assert [e.id for e in found] == wanted
    assert found[0].related("profile")
    assert len({p.id for p in k.profiles.get_profiles().between(since, field="created")}) == 9


def test_what_cannot_be_read_so_is_told_at_once(k: Klaviyo) -> None:
    now = datetime.now(UTC)
    hour = timedelta(hours=1)
    wrong: list[tuple[Any, dict[str, Any], str]] = [
        (k.events.get_events(), {"since": datetime(2026, 1, 1)}, "since is a datetime with a time zone"),  # noqa: DTZ001
        (k.events.get_events(), {"since": now, "until": now - hour}, "until must be after since"),
        (k.events.get_events(), {"since": now - hour, "field": "timestamp"}, "field is one of datetime"),
        (k.events.get_events(), {"since": now - hour, "parallel": 0}, "parallel is 1 to 16"),
        (k.events.get_events(sort="-datetime"), {"since": now - hour}, "ascending order of datetime"),
        (k.events.get_events(filter=F.datetime > now), {"since": now - hour}, "leave it out of filter="),
        (k.events.get_events(fields_event=["uuid"]), {"since": now - hour}, "must hold 'datetime'"),
        (k.lists.get_lists(), {"since": now - hour}, "cannot be filtered and sorted by a time"),
        (k.lists.get_profile_ids_for_list("x"), {"since": now - hour}, "cannot be"),
    ]
    for pager, given_, message in wrong:
        with pytest.raises(ConfigurationError, match=message):
            pager.between(**given_)
