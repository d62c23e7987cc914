"""The account's limit of one operation, as the send times of its requests.

Slots are numbered in the order of asking. With N requests allowed in W seconds, slot i may go `W + margin` after slot
i-N went: N lanes with one request per window each, so no span of W seconds holds more than N sends, wherever the
server's fixed windows begin (FACTS §5). The margin covers what the network adds to one request and not to another.
Three gates, all of which must be open: the lanes of the burst window, the lanes of the steady (and daily) window, and
the server's own `RateLimit-Remaining` minus what was sent since. Others who use the account are seen by `company`.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

from clavichord.client import company
from clavichord.client.ring import HEAD, HEADER, Doubles, Ring
from clavichord.spec.types import Limit

SECOND, MINUTE, DAY = 1.0, 60.0, 86400.0
WINDOWS = (SECOND, MINUTE, DAY)
BLOCKED = 3
"""header place: a 429 closed the limit until then"""
_QUOTA = 4
"""first of three header places: the windows' quotas where the server's differ from the catalogue's, 0 = they do not"""
_SEEN = 7
"""first of nine header places, what the server said of each window: slot that brought it, remaining, until when"""

FEW = 3
"""requests a second at which one goes first, and its answer is waited for"""
PROBE = 0.5
"""seconds that this waiting takes at most"""
_ABANDONED = 10.0
"""seconds after its time that a reserved slot counts as used: its process died or was stopped"""


@dataclass(frozen=True, slots=True)
class Budget:
    """What is left of an operation's limit, for displays; a moment later it may differ."""

    limit: Limit
    used_in_minute: int
    """sent or reserved in the last 60 s, by every process that shares the ring"""
    free_now: int
    """requests that could go this moment"""


class Ledger:
    """The slots of one limit: one (account, operation) or one parameter's lower limit. Times are monotonic seconds."""

    def __init__(self, limit: Limit, ring: Ring, margin: float, *, adopt_higher: bool = True) -> None:
        self.limit = limit
        self.margin = margin
        self._ring = ring
        self._capacity = ring.capacity
        self._adopt_higher = adopt_higher
        self._spec = (limit.burst, limit.steady, limit.daily)
        self._windows = tuple(w for w, quota in enumerate(self._spec) if quota)
        self._left: deque[tuple[int, float]] = deque()

    def _quota(self, doubles: Doubles, window: int) -> int:
        return int(doubles[_QUOTA + window]) or self._spec[window]

    def _entry(self, slot: int) -> int:
        return HEADER + slot % self._capacity

    def _gates(self, doubles: Doubles, slot: int, now: float) -> tuple[float, float]:
        """When slot may go: (closed until, and at the earliest). The first is a block or the daily cap."""
        closed = doubles[BLOCKED]
        earliest = 0.0
        oldest = int(doubles[HEAD]) - self._capacity
        shared = now < doubles[company.UNTIL]
        for window in self._windows:
            span = WINDOWS[window] + self.margin
            quota = int(doubles[_QUOTA + window]) or self._spec[window]
            if shared:
                quota, part = company.lanes(doubles, window, quota, self._quota(doubles, 1), now)
                span *= part
            opens = 0.0
            before = slot - quota
            if before >= 0 and before >= oldest:
                went = doubles[HEADER + before % self._capacity]
                if went < 0:  # reserved: cannot go before now, unless its process is gone
                    went = max(-went, now) if now + went < _ABANDONED else -went
                elif went > now:  # sent in the future: left over from before a boot
                    went = 0.0
                if went:
                    opens = went + span
            place = _SEEN + 3 * window
            until = doubles[place + 2]
            if until > now and until > opens and slot - doubles[place] > doubles[place + 1]:
                opens = until
            if window == 0 and quota <= FEW and slot and (doubles[place] < slot - 1 or not until):
                went = doubles[HEADER + (slot - 1) % self._capacity]
                # it has not been answered: that will say how much of this second others have taken
                if now - went < PROBE if went > 0 else now + went < PROBE:
                    opens = max(opens, now + PROBE / 10)
            if window == 2:
                closed = max(closed, opens)
            elif opens > earliest:
                earliest = opens
        return closed, earliest

    def forecast(self, now: float, slot: int | None = None) -> tuple[float, float]:
        """`(closed until, earliest)` for a slot, or for the one that asking now would give."""
        doubles = self._ring.acquire()
        try:
            self._clear(doubles)
            return self._gates(doubles, int(doubles[HEAD]) if slot is None else slot, now)
        finally:
            self._ring.release()

    def enter(self, now: float, go: bool) -> tuple[int, float]:
        """Takes the next slot: it, and the seconds until it may go. If that is 0 and `go`, it has gone.

        The caller must `go` with it, or `leave` it.
        """
        doubles = self._ring.acquire()
        try:
            if self._left:
                self._clear(doubles)
            slot = int(doubles[HEAD])
            if not slot:
                doubles[company.BORN] = now
            due = max(self._gates(doubles, slot, now))
            doubles[HEAD] = slot + 1
            wait = due - now
            entry = HEADER + slot % self._capacity
            if wait > 0:
                doubles[entry] = -due
                return slot, wait
            doubles[entry] = now if go else -now
            return slot, 0.0
        finally:
            self._ring.release()

    def wait(self, slot: int, now: float, go: bool) -> float:
        """Seconds until the slot may go, 0 if it may now (if `go`, it has), -1 if it was given away: slept too long."""
        doubles = self._ring.acquire()
        try:
            if self._left:
                self._clear(doubles)
            entry = HEADER + slot % self._capacity
            if doubles[HEAD] - slot > self._capacity or now + doubles[entry] > _ABANDONED:
                return -1.0
            due = max(self._gates(doubles, slot, now))
            if due <= now:
                doubles[entry] = now if go else -now
                return 0.0
            doubles[entry] = -due
            return due - now
        finally:
            self._ring.release()

    def go(self, slot: int, now: float) -> None:
        """The slot's request leaves now."""
        doubles = self._ring.acquire()
        doubles[HEADER + slot % self._capacity] = now
        self._ring.release()

    def leave(self, slot: int, now: float) -> None:
        """The slot will not be used. The newest one is returned; an older one counts as used (the safe side).

        Never waits for the lock: the garbage collector may close an abandoned call while this very thread holds it.
        """
        self._left.append((slot, now))
        with suppress(OSError):
            doubles = self._ring.acquire(wait=False)
            try:
                self._clear(doubles)
            finally:
                self._ring.release()

    def _clear(self, doubles: Doubles) -> None:
        """Takes back what was left, newest first."""
        left = [self._left.popleft() for _ in range(len(self._left))]
        for slot, when in sorted(left, reverse=True):
            head = int(doubles[HEAD])
            if head == slot + 1:
                doubles[HEAD] = slot
                doubles[self._entry(slot)] = 0.0
            elif head - slot <= self._capacity:
                doubles[self._entry(slot)] = when

    def seen(self, slot: int, sent: float, headers: Mapping[str, str], now: float) -> None:
        """Takes in an answer's RateLimit headers (FACTS §5, LIVE)."""
        text = headers.get("ratelimit-limit")
        if text is None:
            return
        first, windows = _parse_limit(text)
        told = next((w for w, seconds in enumerate(WINDOWS) if windows.get(seconds) == first), None)
        remaining, reset = headers.get("ratelimit-remaining", ""), headers.get("ratelimit-reset", "")
        doubles = self._ring.acquire()
        try:
            for window, seconds in enumerate(WINDOWS):
                said = windows.get(seconds, 0)
                if said and (said < self._spec[window] or self._adopt_higher):
                    doubles[_QUOTA + window] = min(said, self._capacity // 2)
            if told is not None and remaining.isdecimal() and reset.isdecimal():
                self._told(doubles, told, slot, sent, int(remaining), int(reset), now)
                if told == 0:
                    company.look(doubles, self._capacity, slot, first - int(remaining), sent, self.margin, now)
        finally:
            self._ring.release()

    def _told(
        self, doubles: Doubles, window: int, slot: int, sent: float, remaining: int, reset: int, now: float
    ) -> None:
        place = _SEEN + 3 * window
        until = now + reset + self.margin
        if window == 0:  # the second in which it was counted is over one second after sending
            latest = sent + SECOND + self.margin
            until = latest if now < doubles[company.UNTIL] else min(until, latest)
        held = doubles[place + 2]
        if until - held > WINDOWS[window] / 2:  # a new window
            doubles[place], doubles[place + 1], doubles[place + 2] = slot, remaining, until
        else:
            if slot >= doubles[place]:  # the newest by sending, not by arrival, knows most
                doubles[place], doubles[place + 1] = slot, remaining
            doubles[place + 2] = min(held, until)  # Reset is in whole seconds: the least of many is the nearest

    def refused(self, sent: float, retry_after: float, now: float) -> None:
        """A 429 to a request of `sent`: nobody sends before `retry_after` seconds have passed."""
        doubles = self._ring.acquire()
        try:
            until = now + retry_after
            if retry_after <= MINUTE + 1 and until > doubles[BLOCKED] + 1:
                used = self._sent_between(doubles, until - MINUTE - 1, sent)
                second = self._sent_between(doubles, sent - SECOND - self.margin, sent)
                burst, steady = self._quota(doubles, 0), self._quota(doubles, 1)
                # one that ends at once may be of either window; the second's is likely if it was full of ours
                if retry_after <= 2 and (2 * second >= burst or 3 * used < steady):
                    company.burst_refused(doubles, now)
                else:
                    company.steady_refused(doubles, steady - used, until, now)
            doubles[BLOCKED] = max(doubles[BLOCKED], until)
        finally:
            self._ring.release()

    def _sent_between(self, doubles: Doubles, since: float, until: float) -> int:
        head = int(doubles[HEAD])
        newest = range(head - 1, max(-1, head - 1 - self._capacity), -1)
        return sum(since < doubles[self._entry(slot)] < until for slot in newest)

    def budget(self, now: float) -> Budget:
        doubles = self._ring.acquire()
        try:
            head = int(doubles[HEAD])
            quotas = [self._quota(doubles, w) for w in range(3)]
            newest = range(head - 1, max(-1, head - 1 - max(quotas)), -1)
            times = [abs(doubles[self._entry(slot)]) for slot in newest]
            closed, earliest = self._gates(doubles, head, now)
        finally:
            self._ring.release()
        used = [sum(t > now - seconds - self.margin for t in times) for seconds in WINDOWS]
        free = min(quota - spent for quota, spent in zip(quotas, used, strict=True) if quota)
        minute = sum(t > now - MINUTE for t in times)
        return Budget(Limit(*quotas), minute, max(0, free) if max(closed, earliest) <= now else 0)


@lru_cache(256)
def _parse_limit(text: str) -> tuple[int, Mapping[float, int]]:
    """`75, 75;w=1, 750;w=60` → (75, {1: 75, 60: 750}); (0, {}) if it is not of that form."""
    first = re.match(r"\s*(\d{1,9})", text)
    windows = {float(w): int(n) for n, w in re.findall(r"(\d{1,9})\s*;\s*w=(\d{1,6})", text)}
    return (int(first.group(1)), windows) if first else (0, {})
