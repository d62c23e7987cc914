"""The upload itself, without I/O: rows are read as there is room, sent several requests at a time, jobs followed.

A refusal that points at rows takes those out and sends the rest; one that points nowhere is searched by halving. What
is not repeat-safe is never sent twice after a lost answer (`retries.repeat_safe`): its rows are `unknown`.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from msgspec import Struct

from clavichord.client.core import Steps
from clavichord.client.errors import (
    APIError,
    ConfigurationError,
    Conflict,
    InvalidRequest,
    InvalidResponse,
    KlaviyoError,
    NotFound,
    PayloadTooLarge,
    RateLimited,
    ServerError,
    TransportError,
)
from clavichord.client.types import Response
from clavichord.client.uploads.blame import by_pointer, key
from clavichord.client.uploads.following import LONGEST_PAUSE, Following, soon
from clavichord.client.uploads.report import OnResult, RowResult, Status, UploadReport, UploadStopped
from clavichord.client.uploads.route import Route
from clavichord.client.uploads.rows import Entry, Prepare, Refused
from clavichord.client.work import Work, one, plain, rest, settled

IN_FLIGHT = 8
"""requests at once: enough to hide the latency of the busiest job route, 10 a second"""
LOOKS = 2
"""requests about jobs beside those that send rows"""
MAX_SPLITS = 200
"""halvings that an upload may spend on refusals that name no row"""
WAIT = 900.0
"""seconds after the last request in which jobs may end"""
TAKEN_BACK = 6
"""times that a request waits for room among the jobs at work"""


class Chunk(Struct):
    """Rows of one request."""

    route: Route
    entries: list[Entry]
    waits: int = 0
    """times that it had to wait for room among the jobs at work"""


Screen: TypeAlias = Callable[[list[Entry], Callable[[Entry, Status, Refused], None]], Work[list[Chunk]]]
"""Asks Klaviyo about rows before they are sent: drops some with a reason, chooses the route of the others"""


class Upload:
    """One upload. `face` is the group that the verb belongs to."""

    def __init__(
        self,
        face: Any,
        verb: str,
        route: Route,
        prepare: Prepare,
        *,
        screen: Screen | None = None,
        wait: bool = True,
        timeout: float = WAIT,
        on_result: OnResult | None = None,
    ) -> None:
        self.face = face
        self.route = route
        self.prepare = prepare
        self.screen = screen
        self.wait = wait
        self.timeout = timeout
        self.report = UploadReport(verb, on_result)
        self.clock: Callable[[], float] = face._client._core.clock
        self._gathered: list[Entry] = []
        """rows read for the next chunk"""
        self._queue: deque[Chunk] = deque()
        self._following = Following(face, self.report, self.clock)
        self._splits = 0
        self._fatal: KlaviyoError | None = None
        self._took_effect = False

    def work(self, rows: Iterable[Any]) -> Work[UploadReport]:
        """Raises what ends it before anything took effect, UploadStopped after that."""
        if isinstance(rows, (str, bytes, Mapping)) or not isinstance(rows, Iterable):
            raise ConfigurationError(f"{self.report.verb}: rows is any iterable of rows, not {type(rows).__name__}")
        chunks = self._chunks(rows)
        end: float | None = None
        while self._fatal is None:
            more = True
            while more and self._fatal is None and len(self._queue) < IN_FLIGHT:
                more = yield from self._fetch(chunks)
            if self._fatal is not None:
                break
            sending = self._admitted()
            if not sending and not self._queue:
                end = end if end is not None else self.clock() + (self.timeout if self.wait else 0)
                if not self._following or not self.wait or self.clock() >= end:
                    break
            looking = self._following.looks(LOOKS if sending else IN_FLIGHT)
            if not sending and not looking:
                left = self._following.seconds()
                yield from one(rest(left if end is None else min(left, max(0.0, end - self.clock()))))
                continue
            calls: list[Steps[Any]] = [self._send(chunk) for chunk in sending]
            outcomes = yield from settled(calls + [self._following.call(look) for look in looking])
            for chunk, outcome in zip(sending, outcomes, strict=False):
                yield from self._sent(chunk, outcome)
            for look, outcome in zip(looking, outcomes[len(sending) :], strict=True):
                error = self._following.arrived(look, outcome)
                if error is not None:
                    self._stop(error)
        return self._finish()

    def _chunks(self, rows: Iterable[Any]) -> Iterator[list[Entry]]:
        """Rows in the order of the input, as many together as one request takes."""
        items, room, single = self.route.items, self.route.room, self.route.item_bytes
        size = 0
        for index, row in enumerate(rows):
            self.report.rows += 1
            try:
                entry = self.prepare(index, row)
                if len(entry.payload) > single:
                    reason = f"is {len(entry.payload):,} bytes as JSON, Klaviyo takes {single:,}"
                    raise Refused(reason, code="too_large")
            except Refused as refused:
                self._refuse(index, row, refused)
                continue
            if self._gathered and size + len(entry.payload) + 1 > room:
                full, self._gathered, size = self._gathered, [entry], 0
                yield full
            else:
                self._gathered.append(entry)
            size += len(entry.payload) + 1
            if len(self._gathered) == items:
                full, self._gathered, size = self._gathered, [], 0
                yield full
        if self._gathered:
            full, self._gathered = self._gathered, []
            yield full

    def _fetch(self, chunks: Iterator[list[Entry]]) -> Work[bool]:
        """The next rows of the input into the queue; False at its end."""
        entries = next(chunks, None)
        if entries is None:
            return False
        if self.screen is None:
            self._queue.append(Chunk(self.route, entries))
            return True
        try:
            self._queue.extend((yield from self.screen(entries, self._drop)))
        except KlaviyoError as error:
            self._stop(error)
            self._queue.append(Chunk(self.route, entries))
        return True

    def _admitted(self) -> list[Chunk]:
        """The next chunks to send: as many as there is room for among the jobs at work."""
        chosen: list[Chunk] = []
        for _ in range(min(IN_FLIGHT, len(self._queue))):
            most = self._queue[0].route.queued_jobs
            if most and len(self._following) + len(chosen) >= most:
                break
            chosen.append(self._queue.popleft())
        return chosen

    def _send(self, chunk: Chunk) -> Steps[Response]:
        body = chunk.route.body([entry.payload for entry in chunk.entries])
        return plain(self.face, chunk.route.operation, id=chunk.route.path_id, body=body)

    # What came of a request

    def _sent(self, chunk: Chunk, outcome: Response | KlaviyoError) -> Work[None]:
        match outcome:
            case Response():
                self._accepted(chunk, outcome)
            case InvalidResponse():  # a success that cannot be read: taken, but without a job to ask about
                self._took_effect = True
                self.report.notes.append(str(outcome))
                self._taken(chunk, "accepted")
            case InvalidRequest() | Conflict() | NotFound() | PayloadTooLarge():
                yield from self._refused(chunk, outcome)
            case ServerError():
                self._lost(chunk, outcome)
            case TransportError() if outcome.maybe_sent:
                self._lost(chunk, outcome)
            case RateLimited() if (seconds := soon(outcome)) is not None:
                # `max_wait` bounds one call; an upload is many, and its rows are not refused for want of patience.
                self._queue.appendleft(chunk)
                yield from one(rest(seconds))
            case _:
                self._stop(outcome)
                self._queue.append(chunk)

    def _accepted(self, chunk: Chunk, response: Response) -> None:
        self._took_effect = True
        if chunk.route.immediate:
            self._taken(chunk, "confirmed")
            return
        data = response.json() if response.body and chunk.route.job else None
        found = data.get("data") if isinstance(data, dict) else None
        job_id = found.get("id") if isinstance(found, dict) else None
        if not isinstance(job_id, str):
            self._taken(chunk, "accepted")
            return
        indexes = array("q", (entry.index for entry in chunk.entries))
        keys = array("q", (key(entry.kind, entry.name) for entry in chunk.entries))
        self._following.add(job_id, chunk.route, indexes, keys)

    def _refused(self, chunk: Chunk, error: APIError) -> Work[None]:
        """Takes out who is to blame and queues the rest again, at the front."""
        blamed, outside = by_pointer(chunk.route, len(chunk.entries), error)
        if blamed:
            for place, found in blamed.items():
                argument = chunk.route.argument(found.pointer)
                self._reject(chunk.entries[place], found.code, found.detail or found.title, argument)
            good = [entry for place, entry in enumerate(chunk.entries) if place not in blamed]
            if good:
                self._queue.appendleft(Chunk(chunk.route, good))
        elif outside or (isinstance(error, NotFound) and chunk.route.path_id in str(error)):
            self._stop(error)
            self._queue.append(chunk)
        elif chunk.route.queued_jobs and "job" in str(error) and not isinstance(error, PayloadTooLarge):
            # Others' jobs fill the queue as well. The wording is not recorded, hence `in`.
            chunk.waits += 1
            if chunk.waits > TAKEN_BACK:
                self._stop(error)
            self._queue.append(chunk)
            yield from one(rest(min(LONGEST_PAUSE, 2.0**chunk.waits)))
        elif len(chunk.entries) == 1 or self._splits >= MAX_SPLITS:
            code = "too_large" if isinstance(error, PayloadTooLarge) else error.code or "invalid"
            for entry in chunk.entries:
                self._reject(entry, code, "; ".join(map(str, error.errors)) or str(error), "")
        else:
            self._splits += 1
            middle = len(chunk.entries) // 2
            self._queue.appendleft(Chunk(chunk.route, chunk.entries[middle:]))
            self._queue.appendleft(Chunk(chunk.route, chunk.entries[:middle]))

    def _lost(self, chunk: Chunk, error: KlaviyoError) -> None:
        """No answer, or a failure after the request was there: it may have taken effect."""
        self._stop(error)
        self._took_effect = True
        for entry in chunk.entries:
            self.report.problem(RowResult(entry.index, "unknown", entry.row, "answer_lost", str(error)))

    # The report

    def _taken(self, chunk: Chunk, status: Status) -> None:
        self.report.taken((entry.index for entry in chunk.entries), status)

    def _refuse(self, index: int, row: Any, refused: Refused) -> None:
        self.report.problem(RowResult(index, "rejected", row, refused.code, refused.reason, refused.argument))

    def _drop(self, entry: Entry, status: Status, why: Refused) -> None:
        self.report.problem(RowResult(entry.index, status, entry.row, why.code, why.reason, why.argument))

    def _reject(self, entry: Entry, code: str, reason: str, argument: str) -> None:
        self.report.problem(RowResult(entry.index, "rejected", entry.row, code, reason, argument))

    def _stop(self, error: KlaviyoError) -> None:
        self._fatal = self._fatal or error

    def _finish(self) -> UploadReport:
        self._following.leave()
        if self._fatal is not None:
            if not self._took_effect:
                raise self._fatal
            for entry in [entry for chunk in self._queue for entry in chunk.entries] + self._gathered:
                self.report.problem(RowResult(entry.index, "unsent", entry.row, "stopped", str(self._fatal)))
            raise UploadStopped(self.report, self._fatal) from self._fatal
        return self.report
