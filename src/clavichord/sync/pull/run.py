"""One pull: every chosen stream from where it stands to now."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from clavichord.client.client import AsyncKlaviyo
from clavichord.client.errors import AuthenticationFailed, KlaviyoError, PermissionDenied, RateLimited
from clavichord.client.types import Response
from clavichord.spec import load
from clavichord.sync.definition import Block
from clavichord.sync.mistakes import SyncError
from clavichord.sync.pull.definition import HOW_OFTEN, Events, Profiles, PullDefinition
from clavichord.sync.pull.duckdb_sink import DuckDBSink
from clavichord.sync.pull.loader import Loader
from clavichord.sync.pull.reader import Reader
from clavichord.sync.pull.report import PullReport, StreamReport
from clavichord.sync.pull.sink import Counts, Cursor, Reading, Sink
from clavichord.sync.pull.slices import Slices
from clavichord.sync.pull.stream import GRAIN, Stream
from clavichord.sync.pull.streams import STREAMS
from clavichord.sync.state import StateFolder

SAFETY = 30
"""seconds before now that the high-water mark keeps away from: rows of that time may not be visible yet (SYNC §5.1)"""


class PullProgress(Struct):
    """Where a pull stands."""

    rows: Mapping[str, int]
    """stream → rows read"""
    requests: int
    waited: float
    """seconds spent waiting for the rate limits, all workers together"""
    budget_used: float
    """0..1 of the minute's budget of the busiest operation"""
    eta: float | None
    """seconds left as far as one can tell, None = cannot be told yet"""


def exit_code(error: KlaviyoError | SyncError) -> int:
    """The process's exit code for what ended a stream (docs/architecture.md)."""
    if isinstance(error, SyncError):
        return error.exit_code
    if isinstance(error, AuthenticationFailed | PermissionDenied):
        return 6
    return 7 if isinstance(error, RateLimited) else 1


class Pull:
    """Reads `definition`'s streams through `client` into its destination, whose path is relative to `root`.

    `now` gives the current time. `full` reads everything again, as if it were the first time. With a `state` folder the
    run is registered there, for `clavichord status`.
    """

    def __init__(
        self,
        definition: PullDefinition,
        *,
        client: AsyncKlaviyo,
        root: Path,
        state: StateFolder | None = None,
        progress: Callable[[PullProgress], None] | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        full: bool = False,
        sink: Sink | None = None,
    ) -> None:
        self.definition = definition
        self._client = client
        self._state = state
        self._progress = progress
        self._now = now
        self._full = full
        self._path = root / definition.into.duckdb
        self._sink: Sink = sink or DuckDBSink(self._path, definition.into.db_schema)
        self._waited = 0.0
        self._began = 0.0
        self._readings: dict[str, Slices] = {}
        self._ids: dict[str, asyncio.Event] = {}

    async def run(self) -> PullReport:
        """Runs once. Failures of the API and of the destination are in the report, with their exit code.

        SinkError if the destination cannot be opened. Cancelling is safe: what was written stays, the next run goes on.
        """
        definition, started = self.definition, self._now()
        run = (
            self._state.runs.start("pull", definition.pull, definition.account, {"into": definition.into.duckdb})
            if self._state
            else f"{started:%Y%m%dT%H%M%S%f}"
        )
        report = PullReport(
            run,
            definition.pull,
            definition.account,
            definition.into.duckdb,
            started.isoformat(timespec="seconds"),
            status="running",
        )
        self._began = time.monotonic()
        outcome = "failed"
        try:
            await self._pull(report)
            outcome = "failed" if report.exit_code else "finished"
        except asyncio.CancelledError:
            outcome, report.exit_code, report.halt = "stopped", 130, "stopped; the next run goes on from here"
            raise
        except SyncError as error:
            report.exit_code, report.halt = exit_code(error), str(error)
            raise
        finally:
            report.status = outcome
            report.finished = self._now().isoformat(timespec="seconds")
            report.seconds = round(time.monotonic() - self._began, 2)
            if outcome == "failed" and not report.exit_code:
                report.exit_code = 1
            if self._state:
                self._state.runs.finish(run, outcome, report.to_dict())
            self._close(report)
        return report

    def _close(self, report: PullReport) -> None:
        try:
            self._sink.record_run(report.run, report.to_dict())
        except SyncError:
            pass  # it never opened, or it is what failed: said already
        finally:
            self._sink.close()

    async def _pull(self, report: PullReport) -> None:
        try:
            account = await self._account(report)
        except KlaviyoError as error:
            report.exit_code, report.halt = exit_code(error), str(error)
            return
        await asyncio.to_thread(self._sink.open, account)
        chosen = self.definition.streams.chosen
        for name in chosen:
            report.streams[name] = StreamReport(STREAMS[name].table)
            self._ids[name] = asyncio.Event()
        await asyncio.gather(*(self._stream(STREAMS[name], options, report) for name, options in chosen.items()))

    async def _account(self, report: PullReport) -> str:
        """The account behind the key; "" if the key may not ask (scope accounts:read). Fails early for a wrong key."""
        try:
            response = await self._client.send("get_accounts")
        except PermissionDenied:
            return ""
        finally:
            report.requests += 1
        data = response.json()["data"]
        return str(data[0]["id"]) if data else ""

    async def _stream(self, stream: Stream, options: Block, report: PullReport) -> None:
        mine = report.streams[stream.name]
        began = time.monotonic()
        try:
            if stream.parents:
                await self._ids[stream.parents].wait()
                if report.streams[stream.parents].error:
                    mine.error = f"not read, because {stream.parents} failed"
                    return
            await self._read(stream, options, report, mine)
        except (KlaviyoError, SyncError) as error:
            mine.error = str(error)
            report.exit_code = max(report.exit_code, exit_code(error))
        finally:
            mine.seconds = round(time.monotonic() - began, 2)
            self._readings.pop(stream.name, None)
            self._ids[stream.name].set()

    async def _read(self, stream: Stream, options: Block, report: PullReport, mine: StreamReport) -> None:
        cursor = await asyncio.to_thread(self._sink.prepare, stream)
        if cursor.reading is not None and stream.live is not None and not self._full:
            mine.resumed = True
            await self._pass(stream, cursor, report, mine)
        parents = list(stream.filters) or [""]
        if stream.parents:
            parents = await asyncio.to_thread(self._sink.keys, STREAMS[stream.parents])
        if self._full:
            cursor.high_water = None
        cursor.reading = next_reading(stream, cursor, options, parents, int(self._now().timestamp()))
        cursor.since = since(options)
        await self._pass(stream, cursor, report, mine)

    async def _pass(self, stream: Stream, cursor: Cursor, report: PullReport, mine: StreamReport) -> None:
        """One reading to its end, and the cursor moved."""
        reading = cursor.reading
        assert reading is not None
        window = next((w for w in (stream.full, stream.live) if w is not None and w.field == reading.axis), None)
        slices = self._readings[stream.name] = Slices(reading.ranges, int(stream.query.get("page[size]", "100")))

        def told(response: Response) -> None:
            mine.requests += response.attempts
            report.requests += response.attempts
            self._waited += response.waited
            self._tell(report)

        def wrote(counts: Counts) -> None:
            mine.counts.add(counts)
            self._tell(report)

        loader = Loader(self._sink, stream, slices, cursor, wrote)
        reader = Reader(stream, window, self._client, slices, loader.put, told)
        loading = asyncio.create_task(loader.run())
        reading_task = asyncio.create_task(reader.run())
        try:
            # The loader ends only by failing before the reader does: then nobody empties the queue.
            await asyncio.wait({loading, reading_task}, return_when=asyncio.FIRST_COMPLETED)
            if reading_task.done():
                await loader.end()
                await loading
            else:
                reading_task.cancel()
                await asyncio.wait({reading_task})
                loading.result()
            reading_task.result()
        finally:
            for task in (reading_task, loading):
                task.cancel()
            await asyncio.gather(reading_task, loading, return_exceptions=True)
        if stream.live is not None:
            newest = await asyncio.to_thread(self._sink.newest, stream, stream.live.field, reading.began - SAFETY)
            if newest is not None:
                cursor.high_water = max(newest, cursor.high_water or newest)
        cursor.repaired |= {str(horizon): reading.began for horizon in reading.horizons}
        cursor.reading = None
        mine.counts.removed += await asyncio.to_thread(self._sink.complete, stream, cursor)

    def _tell(self, report: PullReport) -> None:
        if self._progress is None:
            return
        rows = {name: stream.counts.read for name, stream in report.streams.items()}
        budgets = [self._client.budget(STREAMS[name].operation) for name in self._readings]
        used = max((b.used_in_minute / b.limit.steady for b in budgets if b.limit.steady), default=0.0)
        self._progress(PullProgress(rows, report.requests, self._waited, min(1.0, used), self._eta(rows)))

    def _eta(self, rows: Mapping[str, int]) -> float | None:
        """The slowest stream's rest, at the pace its budget allows; None while a stream has not shown its size."""
        left = []
        for name, slices in self._readings.items():
            limit = load().operations[STREAMS[name].operation].limit.steady / 60
            left.append(slices.expected / slices.page / limit)
        return max(left) if any(rows.values()) and left else None


def since(options: Block) -> int | None:
    start = options.since if isinstance(options, Profiles | Events) else None
    return int(start.timestamp()) if start is not None else None


def next_reading(stream: Stream, cursor: Cursor, options: Block, parents: list[str], now: int) -> Reading:
    """What is to be read now: everything at first, or after `since` was moved back; then from the high-water mark on,
    further back where a repair window is due. Always open at its end: rows dated in the future come along, and the
    high-water mark stays behind `now` all the same."""
    start = since(options)
    lookback = options.lookback if isinstance(options, Events) else {}
    horizons = {int(back.total_seconds()): HOW_OFTEN[often] for back, often in lookback.items()}
    earlier = cursor.since is not None and (start is None or start < cursor.since)
    if cursor.high_water is None or earlier or stream.live is None:
        axis = stream.full if start is None else stream.live or stream.full
        return Reading(axis.field if axis else "", now, [(parent, start, None) for parent in parents], list(horizons))
    due = [back for back, often in horizons.items() if now - cursor.repaired.get(str(back), 0) >= often]
    low = min([cursor.high_water - GRAIN, *(now - back for back in due)])
    return Reading(stream.live.field, now, [("", max(low, start or low), None)], due)
