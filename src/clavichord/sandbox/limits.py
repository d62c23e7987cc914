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
        self.start = now - now % self.length if phase == "clock" else now
        self.count = 0


class _Bucket:
    """The windows of one limit, and its RateLimit-Limit header."""

    __slots__ = ("header", "windows")

    def __init__(self, limit: Limit, scale: float) -> None:
        given = [(limit.burst, 1), (limit.steady, 60)] + ([(limit.daily, 86_400)] if limit.daily else [])
        pairs = [(max(1, round(count * scale)), length) for count, length in given]
        self.windows = [_Window(*pair) for pair in pairs]
        text = ", ".join([str(pairs[0][0]), *(f"{count};w={length}" for count, length in pairs)])
        self.header = (b"ratelimit-limit", text.encode())


class Limits:
    """Counts requests and, when enforcing, refuses those beyond a window.

    `scale` multiplies every limit (at least 1 remains): a test meets 429 sooner, or later.
    """

    def __init__(self, clock: Clock, mode: Mode = "headers", phase: Phase = "clock", scale: float = 1) -> None:
        self._clock = clock
        self.mode = mode
        self.phase = phase
        self.scale = scale
        self._buckets: dict[tuple[str, str, str], _Bucket] = {}

    def configure(self, mode: Mode, phase: Phase, scale: float) -> None:
        """Counting starts anew where the limits are others."""
        if (phase, scale) != (self.phase, self.scale):
            self.reset()
        self.mode, self.phase, self.scale = mode, phase, scale

    def reset(self) -> None:
        self._buckets.clear()

    def admit(self, owner: str, operation: Operation, query: bytes) -> Headers:
        """Counts one request and gives its headers. Refusal (429) if a window is used up; that one does not count.

        `owner`: whose windows these are, an account or an app's install (FACTS §5).
        """
        if self.mode == "off":
            return []
        buckets = [self._bucket(owner, operation.id, "", operation.limit)]
        if operation.limits_with and query:
            buckets += self._lower(owner, operation, query)
        return self._count(buckets)

    def admit_to(self, owner: str, name: str, limit: Limit) -> None:
        """Counts a request that is no operation: the token endpoint's (FACTS §1.6). Refusal (429)."""
        if self.mode != "off":
            self._count([self._bucket(owner, name, "", limit)])

    def _count(self, buckets: list[_Bucket]) -> Headers:
        now = self._clock.now()
        wait = 0
        for bucket in buckets:
            for window in bucket.windows:
                if not 0 <= now - window.start < window.length:  # the clock can be set back, too
                    window.roll(now, self.phase)
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

    def _bucket(self, owner: str, operation: str, parameter: str, limit: Limit) -> _Bucket:
        key = (owner, operation, parameter)
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(limit, self.scale)
        return bucket

    def _lower(self, owner: str, operation: Operation, query: bytes) -> list[_Bucket]:
        """The buckets that parameters bring: `additional-fields[list]=profile_count` (FACTS §5)."""
        found: list[_Bucket] = []
        values = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
        for trigger, limit in operation.limits_with.items():
            name, _, value = trigger.partition("=")
            if value in values.get(name, "").split(","):
                found.append(self._bucket(owner, operation.id, trigger, limit))
        return found
