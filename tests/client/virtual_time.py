"""A server with fixed windows and clients of the real core, in virtual time: an hour takes a second."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from clavichord.client.auth import ApiKey
from clavichord.client.core import Core
from clavichord.client.errors import KlaviyoError
from clavichord.client.pacing import Pacing
from clavichord.client.routes import Unlisted
from clavichord.client.types import Reply, Send, Sleep
from clavichord.spec import Limit


@dataclass
class FixedWindows:
    """Klaviyo's limits (FACTS §5): windows begin at `phase`, or with the first request after the last one ended."""

    limit: Limit
    phase: float = 0.0
    windows: str = "clock"
    """ "clock" or "first-request" """
    headers: str = "burst"
    """which window the first number of RateLimit-Limit and Remaining speak of; "none" sends none"""
    count: Counter[tuple[float, float]] = field(default_factory=Counter)
    begun: dict[float, float] = field(default_factory=dict)
    accepted: list[float] = field(default_factory=list)
    refused: int = 0

    def _windows(self) -> list[tuple[float, int]]:
        sizes = [(1.0, self.limit.burst), (60.0, self.limit.steady), (86400.0, self.limit.daily)]
        return [(seconds, quota) for seconds, quota in sizes if quota]

    def _start(self, at: float, seconds: float) -> float:
        """When the window that `at` falls into began."""
        if self.windows == "clock":
            return math.floor((at - self.phase) / seconds) * seconds + self.phase
        if at - self.begun.get(seconds, -math.inf) >= seconds:
            self.begun[seconds] = at
        return self.begun[seconds]

    def take(self, at: float, *, ours: bool = True) -> Reply:
        for seconds, quota in self._windows():
            start = self._start(at, seconds)
            if self.count[seconds, start] >= quota:
                self.refused += ours
                return Reply(429, {"retry-after": str(math.ceil(start + seconds - at))}, b"")
        for seconds, _ in self._windows():
            self.count[seconds, self._start(at, seconds)] += 1
        if ours:
            self.accepted.append(at)
        return Reply(200, self._headers(at), b'{"data":[]}')

    def _headers(self, at: float) -> dict[str, str]:
        if self.headers == "none":
            return {}
        windows = self._windows()
        seconds, quota = windows[0] if self.headers == "burst" else windows[1]
        start = self._start(at, seconds)
        left = quota - self.count[seconds, start]
        reset = start + seconds - at
        return {
            "ratelimit-limit": f"{quota}, " + ", ".join(f"{q};w={int(s)}" for s, q in windows),
            "ratelimit-remaining": str(left),
            "ratelimit-reset": str(math.floor(reset) if self.headers == "burst" else math.ceil(reset)),
        }


class Simulation:
    """Events in virtual time. `now` is the clock of every core made by `core`."""

    def __init__(self, server: FixedWindows, seed: int = 0, start: float = 1000.0) -> None:
        self.server = server
        self.now = start
        self.random = random.Random(seed)
        self.sent: list[float] = []
        self.order: list[Any] = []
        self.errors: list[KlaviyoError] = []
        self._events: list[tuple[float, int, Any, Any]] = []
        self._ticket = itertools.count()
        self.up, self.jitter, self.down = 0.05, 0.1, 0.1
        self.late = 0.0
        """the most by which a sleeper wakes too late (a busy machine)"""

    def core(self, pacing: Pacing, *, retries: int = 5, max_wait: float | None = None) -> Core:
        return Core(
            ApiKey("pk_simulated"),
            base_url="http://klaviyo.example",
            revision="2026-07-15",
            retries=retries,
            max_wait=max_wait,
            pacing=pacing,
            clock=lambda: self.now,
        )

    def route(self, limit: Limit | None = None) -> Unlisted:
        return Unlisted("get_things", "GET", "/api/things", limit or self.server.limit)

    def at(self, when: float, steps: Generator[Any, Any, Any], value: Any = None) -> None:
        heapq.heappush(self._events, (when, next(self._ticket), steps, value))

    def busy(self, core: Core, workers: int, limit: Limit | None = None) -> None:
        """`workers` that call again as soon as they have an answer."""

        def work() -> Generator[Any, Any, None]:
            while True:
                try:
                    yield from core.call(self.route(limit))
                except KlaviyoError as error:
                    self.errors.append(error)
                    return

        for _ in range(workers):
            self.at(self.now, work())

    def once(self, core: Core, name: Any) -> None:
        def work() -> Generator[Any, Any, None]:
            try:
                yield from core.call(self.route())
                self.order.append(name)
            except KlaviyoError as error:
                self.errors.append(error)

        self.at(self.now, work())

    def others(self, per_second: float, until: float = math.inf) -> None:
        """Somebody else who uses the account, steadily."""

        def work() -> Generator[Any, Any, None]:
            while self.now < until:
                yield Sleep(self.random.expovariate(per_second))
                self.server.take(self.now, ours=False)

        self.at(self.now, work())

    def run(self, until: float, *, sends: int = 10**9) -> None:
        while self._events and len(self.sent) < sends:
            if self._events[0][0] > until:
                return
            when, _, steps, value = heapq.heappop(self._events)
            self.now = max(self.now, when)
            if isinstance(value, Send):  # the request arrives
                reply = self.server.take(self.now)
                self.at(self.now + self.down, steps, reply)
                continue
            try:
                step = steps.send(value)
            except StopIteration:
                continue
            if isinstance(step, Sleep):
                self.at(self.now + step.seconds + self.random.uniform(0, self.late), steps)
            else:
                self.sent.append(self.now)
                self.at(self.now + self.up + self.random.uniform(0, self.jitter), steps, step)


def most_in(times: list[float], seconds: float) -> int:
    """The most events that any half-open span of that length holds."""
    times = sorted(times)
    most = first = 0
    for last, when in enumerate(times):
        while when - times[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most
