"""The queue of events and the thread that sends it."""

from __future__ import annotations

import atexit
import encodings.idna  # noqa: F401  (the first look-up of a host imports it: not while somebody forks)
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from clavichord.client.client import Klaviyo, _Client
from clavichord.client.core import Steps, drive
from clavichord.client.errors import ConfigurationError, KlaviyoError
from clavichord.client.log import log
from clavichord.client.queue.backlog import Backlog, MemoryBacklog, Waiting
from clavichord.client.queue.delivery import Row, deliver
from clavichord.client.queue.spool import SpoolBacklog, SpoolError
from clavichord.client.transports import Transport
from clavichord.client.types import Reply, Request

T = TypeVar("T")
_decode = msgspec.json.Decoder(dict[str, Any]).decode

BATCH, BATCH_BYTES = 1_000, 4_500_000
"""what one bulk job takes (FACTS §7.5), with room for what surrounds the events"""
POLL = 5.0
"""seconds between looks into a spool that other processes fill, too"""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""seconds between tries while Klaviyo, the network or the key refuses"""


class QueueFull(KlaviyoError):
    """The event was not taken: so many wait already. Nothing is wrong with it."""

    def __init__(self, size: int) -> None:
        super().__init__(
            f"the queue holds {size:,} events that could not be sent yet, and this one was not taken: "
            "on_error= tells why sending fails; size= and full= say what a full queue does"
        )


@dataclass(frozen=True)
class Undelivered:
    """What `on_error` is told, in the thread that sends."""

    events: Sequence[Row] = field(repr=False)
    """arguments of `events.track`"""
    error: KlaviyoError | None
    """None where the reason is about single events of a batch"""
    reason: str
    kept: bool
    """True: they stay in the queue and are tried again. False: they are given up, Klaviyo will never take them"""


class _Gate:
    """Lets a fork happen only while the sending thread waits or sends, and so holds no lock and imports nothing."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0

    def enter(self) -> None:
        with self._changed:
            self._inside += 1

    def leave(self) -> None:
        with self._changed:
            self._inside -= 1
            self._changed.notify_all()

    def close(self) -> None:
        self._changed.acquire()
        self._changed.wait_for(lambda: self._inside == 0)

    def open(self) -> None:
        self._changed.release()

    @contextmanager
    def inside(self) -> Iterator[None]:
        self.enter()
        try:
            yield
        finally:
            self.leave()

    @contextmanager
    def outside(self) -> Iterator[None]:
        self.leave()
        try:
            yield
        finally:
            self.enter()


class _Background(Klaviyo):
    """The client of the sending thread: another one's core (key, pacing, hooks) with connections of its own."""

    def __init__(self, client: _Client, transport: Transport | None, gate: _Gate) -> None:
        self._core, self._timeouts, self._given, self._gate = client._core, client._timeouts, transport, gate
        self._queue_in_use = None

    def _run(self, steps: Steps[T]) -> T:
        transport = self._transport

        def send(request: Request) -> Reply:
            with self._gate.outside():
                return transport.send(request)

        def sleep(seconds: float) -> None:
            with self._gate.outside():
                time.sleep(seconds)

        return drive(steps, send, sleep)


class EventQueue:
    """Events on their way. One belongs to one client: `Klaviyo(key, event_queue=EventQueue(size=50_000))`.

    `size` bounds the events that wait. `full` says what happens beyond: "raise" QueueFull; "block" for at most
    `patience` seconds, then QueueFull; "drop" it and count it in `dropped`. `interval` is how many seconds an event
    may wait for company. `spool` is a file to keep them in instead of memory: kill -9 loses none, and all processes
    that name it share it. `deadline` is how many seconds the end of the program waits for what is left.
    `on_error` is called in the sending thread with what Klaviyo refused, and with each try that failed.
    """

    def __init__(
        self,
        *,
        size: int = 10_000,
        full: Literal["raise", "block", "drop"] = "raise",
        patience: float = 5.0,
        interval: float = 1.0,
        deadline: float = 5.0,
        spool: Path | str | None = None,
        on_error: Callable[[Undelivered], None] | None = None,
    ) -> None:
        if size < 1 or interval < 0 or patience < 0 or deadline < 0:
            raise ConfigurationError("EventQueue: size is 1 or more; interval, patience and deadline are 0 s or more")
        if full not in ("raise", "block", "drop"):
            raise ConfigurationError(f'EventQueue: full is "raise", "block" or "drop", not {full!r}')
        self.size, self.full, self.patience = size, full, patience
        self.interval, self.deadline, self.on_error = interval, deadline, on_error
        self._spooled = spool is not None
        self._backlog: Backlog = MemoryBacklog(size) if spool is None else SpoolBacklog(spool, size)
        self._client: _Client | None = None
        self._transport: Transport | None = None
        self._begin()

    def _begin(self) -> None:
        """The parts that no fork survives."""
        self.sent = self.dropped = self.refused = 0
        """events that Klaviyo took, that a full queue did not, that Klaviyo refused; since this process began"""
        self.lock = threading.Condition()
        self.gate = _Gate()
        self._thread: threading.Thread | None = None
        self._background: _Background | None = None
        self._fresh = 0
        """events since the last look into the backlog"""
        self._look = self._spooled
        """the backlog may hold more than those"""
        self._hurry = 0
        """how many wait for everything to be sent"""
        self._flushes = 0
        """how many ever did"""
        self._stopping = False

    def bind(self, client: _Client, transport: Transport | None) -> None:
        """Ties the queue to the client whose key it uses. ConfigurationError if that is another one already."""
        if self._client is not None and self._client is not client:
            raise ConfigurationError("this EventQueue belongs to another client: make one for each")
        self._client, self._transport = client, transport
        _live.add(self)

    @property
    def pending(self) -> int:
        """Events that wait or are on their way; with a spool, of all its processes."""
        with self.lock:
            return len(self._backlog)

    @property
    def idle(self) -> bool:
        """It was closed, or never used."""
        return self._thread is None

    @property
    def instant(self) -> bool:
        """Enqueueing takes no time that an event loop would miss."""
        return not self._spooled and (self.full != "block" or len(self._backlog) < self.size)

    def put(self, row: bytes) -> bool:
        """Takes an event; False if it was dropped. QueueFull, SpoolError."""
        with self.lock:
            if not self._backlog.add(row) and not self._room_made(row):
                self.dropped += 1
                if self.dropped.bit_count() == 1:  # the 1st, 2nd, 4th, 8th …: noticed, and no flood
                    log.warning("event queue full (%d): %d events dropped so far", self.size, self.dropped)
                return False
            self._fresh += 1
            if self._fresh == 1 or self._fresh >= BATCH:
                self.lock.notify_all()
            self._start()
        return True

    def _room_made(self, row: bytes) -> bool:
        if self.full == "drop":
            return False
        end = time.monotonic() + self.patience
        while self.full == "block" and (left := end - time.monotonic()) > 0:
            self._start()
            # Nobody tells when another process makes room in a spool.
            self.lock.wait(min(left, 0.25) if self._spooled else left)
            if self._backlog.add(row):
                return True
        raise QueueFull(self.size)

    def flush(self, timeout: float) -> int:
        """Sends what waits, without waiting for company. Returns how many events are left after `timeout` seconds."""
        with self.lock:
            if self._backlog.ours():
                self.hasten()
                try:
                    self.lock.wait_for(lambda: not self._backlog.ours(), timeout)
                finally:
                    self._hurry -= 1
            return self._backlog.ours()

    def hasten(self) -> None:
        with self.lock:
            self._hurry += 1
            self._flushes += 1
            self._look = True
            self._start()
            self.lock.notify_all()

    def close(self, timeout: float | None = None) -> int:
        """Sends what waits and ends the thread. Returns how many events are left; a spool keeps them."""
        end = time.monotonic() + (self.deadline if timeout is None else timeout)
        try:
            left = self.flush(end - time.monotonic())
        except SpoolError as error:  # closing is no place to fail; whoever enqueued has been told
            log.warning("%s", error)
            left = 0
        with self.lock:
            thread, self._stopping = self._thread, True
            self.lock.notify_all()
        if thread is not None and thread is not threading.current_thread():
            thread.join(max(0.0, end - time.monotonic()))
        with self.lock:
            if self._thread is None:
                self._backlog.close()
                if self._background is not None:
                    self._background.close()
        if left:
            fate = "they stay in the spool" if self._spooled else "they are lost if the program ends now"
            log.warning("event queue closed with %d events not sent: %s", left, fate)
        return left

    # The thread

    def _start(self) -> None:
        self._stopping = False
        if self._thread is None:
            thread = threading.Thread(target=self._work, name="clavichord-events", daemon=True)
            with suppress(RuntimeError):  # the interpreter is ending and starts no more threads
                thread.start()
                self._thread = thread

    def _work(self) -> None:
        failures = 0
        try:
            while True:
                try:
                    batch = self._next()
                    if batch is None:
                        return
                    failures = self._send(batch, failures) if batch else failures
                except SpoolError as error:
                    failures = self._failed([], error, failures)
        finally:
            with self.lock:
                self._thread = None
                if not self._stopping:  # on_error raised, which threading.excepthook tells: no reason to stop sending
                    self._look = True
                    self._start()

    def _next(self) -> Sequence[Waiting] | None:
        """The next events to send, when it is time; None at the end."""
        with self.lock:
            while not (self._fresh or self._look or self._stopping):
                if not self.lock.wait(POLL if self._spooled else None):
                    break
            end = time.monotonic() + self.interval
            while self._fresh < BATCH and not (self._look or self._stopping):
                if not self.lock.wait(max(0.0, end - time.monotonic())):
                    break
            if self._stopping:
                return None
            self._fresh = 0
            batch = self._backlog.take(BATCH, BATCH_BYTES)
            self._look = bool(batch) and (len(batch) == BATCH or self._hurry > 0)
            if not batch:  # others have taken the rest
                self.lock.notify_all()
            return batch

    def _send(self, batch: Sequence[Waiting], failures: int) -> int:
        """Delivers a batch; returns how many tries in a row have failed now."""
        if self._background is None:
            assert self._client is not None
            self._background = _Background(self._client, self._transport, self.gate)
        rows: list[Row] = [_decode(one.row) for one in batch]
        with self.gate.inside():
            outcome = deliver(self._background, rows)
        kept = set(outcome.kept)
        with self.lock:
            self._backlog.done(one.number for place, one in enumerate(batch) if place not in kept)
            self._backlog.back(batch[place].number for place in outcome.kept)
            self.sent += len(batch) - len(outcome.refused) - len(kept)
            self.refused += len(outcome.refused)
            self.lock.notify_all()
        for place, reason in outcome.refused.items():
            log.warning("event refused: %s", reason)
            if self.on_error is not None:
                self.on_error(Undelivered([rows[place]], None, reason, kept=False))
        if outcome.error is None:
            return 0
        return self._failed([rows[place] for place in outcome.kept], outcome.error, failures)

    def _failed(self, rows: Sequence[Row], error: KlaviyoError, failures: int) -> int:
        """Tells of a try that failed, and waits: less long if somebody begins to wait for everything to be sent."""
        log.warning("%d events wait: %s", len(rows), error)
        with self.lock:
            flushes = self._flushes
        if self.on_error is not None:
            self.on_error(Undelivered(rows, error, str(error), kept=True))
        with self.lock:
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**failures)
            self.lock.wait_for(lambda: self._stopping or self._flushes != flushes, pause)
            self._look = True
        return failures + 1

    def forked(self) -> None:
        """In the child of a fork: its own locks, its own connections, and none of the parent's events."""
        self._begin()
        self._backlog.forked()

    def __repr__(self) -> str:
        return f"EventQueue(size={self.size}, full={self.full!r})"


_live: weakref.WeakSet[EventQueue] = weakref.WeakSet()
_forking: list[EventQueue] = []


def _before_fork() -> None:
    _forking[:] = _live
    for queue in _forking:
        queue.gate.close()
    for queue in _forking:
        queue.lock.acquire()


def _after_fork_in_parent() -> None:
    while _forking:
        queue = _forking.pop()
        queue.lock.release()
        queue.gate.open()


def _after_fork_in_child() -> None:
    while _forking:
        _forking.pop().forked()


@atexit.register
def _at_exit() -> None:
    queues = list(_live)
    end = time.monotonic() + max((queue.deadline for queue in queues), default=0.0)
    for queue in queues:
        if not queue.idle:
            queue.hasten()
    for queue in queues:
        if not queue.idle:
            queue.close(max(0.0, end - time.monotonic()))


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
