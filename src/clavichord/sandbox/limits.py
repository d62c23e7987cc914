"""Klaviyo's rate limits: fixed windows per account and operation (FACTS §5), on the sandbox's clock."""

from __future__ import annotations

from typing import Literal
from urllib.parse import parse_qsl

from clavichord.sandbox.clock import SECOND, Clock
from clavichord.sandbox.errors import throttled
from clavichord.spec import Limit, Operation

Mode = Literal["off", "headers", "enforce"]
Phase = Literal["clock", "first-request"]
"""Where a window starts: at full seconds, minutes and days, or with the first request after the last one ended."""

Headers = list[tuple[bytes, bytes]]


class _Window:
    """A counter that starts anew with every window."""

    __slots__ = ("count", "length", "limit", "start")

    def __init__(self, limit: int, length: int) -> None:
        self.limit = limit
        self.length = length * SECOND
        self.start = -self.length
        self.count = 0

    def roll(self, now: int, phase: Phase) -> None:
        if now - self.start >= self.length:
            self.start = now - now % self.length if phase == "clock" else now
            self.count = 0


class _Bucket:
    """The windows of one limit, and its RateLimit-Limit header."""

    __slots__ = ("header", "windows")

    def __init__(self, limit: Limit) -> None:
        pairs = [(limit.burst, 1), (limit.steady, 60)] + ([(limit.daily, 86_400)] if limit.daily else [])
        self.windows = [_Window(*pair) for pair in pairs]
        text = ", ".join([str(limit.burst), *(f"{count};w={length}" for count, length in pairs)])
        self.header = (b"ratelimit-limit", text.encode())


class Limits:
    """Counts requests and, when enforcing, refuses those beyond a window."""

    def __init__(self, clock: Clock, mode: Mode = "headers", phase: Phase = "clock") -> None:
        self._clock = clock
        self.mode = mode
        self._phase = phase
        self._buckets: dict[tuple[str, str, str], _Bucket] = {}

    def reset(self) -> None:
        self._buckets.clear()

    def admit(self, account: str, operation: Operation, query: bytes) -> Headers:
        """Counts one request and gives its headers. Refusal (429) if a window is used up; that one does not count."""
        if self.mode == "off":
            return []
        buckets = [self._bucket(account, operation.id, "", operation.limit)]
        if operation.limits_with and query:
            buckets += self._lower(account, operation, query)
        now = self._clock.now()
        wait = 0
        for bucket in buckets:
            for window in bucket.windows:
                window.roll(now, self._phase)
                if window.count >= window.limit:
                    wait = max(wait, window.start + window.length - now)
        if wait and self.mode == "enforce":
            raise throttled(-(-wait // SECOND))
        for bucket in buckets:
            for window in bucket.windows:
                window.count += 1
        # Recordings always show the one-second window, of the lower limit where a parameter brings one (FACTS §5).
        shown = buckets[-1]
        burst = shown.windows[0]
        return [
            shown.header,
            (b"ratelimit-remaining", b"%d" % max(0, burst.limit - burst.count)),
            (b"ratelimit-reset", b"%d" % ((burst.start + burst.length - now - 1) // SECOND)),
        ]

    def _bucket(self, account: str, operation: str, parameter: str, limit: Limit) -> _Bucket:
        key = (account, operation, parameter)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(limit)
        return bucket

    def _lower(self, account: str, operation: Operation, query: bytes) -> list[_Bucket]:
        """The buckets that parameters bring: `additional-fields[list]=profile_count` (FACTS §5)."""
        found: list[_Bucket] = []
        values = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
        for trigger, limit in operation.limits_with.items():
            name, _, value = trigger.partition("=")
            if value in values.get(name, "").split(","):
                found.append(self._bucket(account, operation.id, trigger, limit))
        return found
