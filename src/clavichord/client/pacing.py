"""Pacing: requests leave only when the account's limits have room for them, so that 429s do not happen.

Slots are numbered in the order of asking. With N requests allowed in W seconds, slot i may go `W + margin` after slot
i-N went: N lanes with one request per window each, so no span of W seconds holds more than N sends, wherever the
server's fixed windows begin (FACTS §5). The margin covers what the network adds to one request and not to another.
Three gates, all of which must be open: the lanes of the burst window, the lanes of the steady (and daily) window, and
the server's own `RateLimit-Remaining` minus what was sent since, which also sees other users of the account.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2s
from pathlib import Path
from urllib.parse import urlsplit

from clavichord.client.errors import RateLimited
from clavichord.client.ring import BLOCKED, HAS_FLOCK, HEAD, HEADER, Doubles, Ring, default_folder, open_ring
from clavichord.spec.types import Limit

SECOND, MINUTE, DAY = 1.0, 60.0, 86400.0
_WINDOWS = (SECOND, MINUTE, DAY)
_SEEN = (2, 5, 8)
"""header places of what the server said of each window: slot that brought it, remaining, until when it holds"""
_QUOTA = (11, 12, 13)
"""header places of the windows' quotas where the server's differ from the catalogue's, 0 = as the catalogue says"""

_REGAIN = 0.004
"""share of the burst window that is tried again, per second"""
PATIENCE = 120.0
"""seconds: a closed account (429 with a long Retry-After, daily cap) is reported instead of waited for beyond this"""
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
    """The slots of one limit: one (account, operation) or one parameter's lower limit."""

    def __init__(self, limit: Limit, ring: Ring, margin: float, *, adopt_higher: bool = True) -> None:
        self.limit = limit
        self.margin = margin
        self._ring = ring
        self._adopt_higher = adopt_higher
        self._spec = (limit.burst, limit.steady, limit.daily)
        self._left: deque[tuple[int, float]] = deque()
        self._share, self._share_at = 1.0, 0.0

    def _quota(self, doubles: Doubles, window: int) -> int:
        return int(doubles[_QUOTA[window]]) or self._spec[window]

    def _usable(self, doubles: Doubles, window: int, now: float) -> int:
        """The quota, of the burst window only the share that refusals have left to us (it grows back)."""
        quota = self._quota(doubles, window)
        share = self._share + (now - self._share_at) * _REGAIN
        return quota if window or share >= 1 else max(1, int(quota * share))

    def _entry(self, slot: int) -> int:
        return HEADER + slot % self._ring.capacity

    def _gates(self, doubles: Doubles, slot: int, now: float) -> tuple[float, float]:
        """When slot may go: (closed until, and at the earliest). The first is a block or the daily cap."""
        closed = doubles[BLOCKED]
        earliest = 0.0
        head = int(doubles[HEAD])
        for window, seconds in enumerate(_WINDOWS):
            quota = self._usable(doubles, window, now)
            if not quota:
                continue
            opens = 0.0
            before = slot - quota
            if before >= 0 and before >= head - self._ring.capacity:
                went = doubles[self._entry(before)]
                if went < 0:  # reserved: cannot go before now, unless its process is gone
                    went = max(-went, now) if now + went < _ABANDONED else -went
                elif went > now:  # sent in the future: left over from before a boot
                    went = 0.0
                if went:
                    opens = went + seconds + self.margin
            place = _SEEN[window]
            by, remaining, until = doubles[place], doubles[place + 1], doubles[place + 2]
            if until > now and slot - by > remaining:
                opens = max(opens, until)
            if seconds == DAY:
                closed = max(closed, opens)
            else:
                earliest = max(earliest, opens)
        return closed, earliest

    def forecast(self, now: float, slot: int | None = None) -> tuple[float, float]:
        """`(closed until, earliest)` for a slot, or for the one that asking now would give."""
        with self._ring.locked() as doubles:
            self._clear(doubles)
            return self._gates(doubles, int(doubles[HEAD]) if slot is None else slot, now)

    def enter(self, now: float) -> int:
        """Takes the next slot. The caller must `go` with it or `leave` it."""
        with self._ring.locked() as doubles:
            self._clear(doubles)
            slot = int(doubles[HEAD])
            doubles[HEAD] = slot + 1
            doubles[self._entry(slot)] = -max(now, *self._gates(doubles, slot, now))
            return slot

    def wait(self, slot: int, now: float) -> float:
        """Seconds until the slot may go, 0 if it may now, -1 if it was given away (the caller slept too long)."""
        with self._ring.locked() as doubles:
            self._clear(doubles)
            entry = self._entry(slot)
            if int(doubles[HEAD]) - slot > self._ring.capacity or now + doubles[entry] > _ABANDONED:
                return -1.0
            due = max(self._gates(doubles, slot, now))
            if due <= now:
                return 0.0
            doubles[entry] = -due
            return due - now

    def go(self, slot: int, now: float) -> None:
        """The slot's request leaves now."""
        with self._ring.locked() as doubles:
            doubles[self._entry(slot)] = now

    def leave(self, slot: int, now: float) -> None:
        """The slot will not be used. The newest one is returned; an older one counts as used (the safe side).

        Never waits for the lock: the garbage collector may close an abandoned call while this very thread holds it.
        """
        self._left.append((slot, now))
        with suppress(OSError), self._ring.locked(wait=False) as doubles:
            self._clear(doubles)

    def _clear(self, doubles: Doubles) -> None:
        """Takes back what was left, newest first."""
        if not self._left:
            return
        left = [self._left.popleft() for _ in range(len(self._left))]
        for slot, when in sorted(left, reverse=True):
            head = int(doubles[HEAD])
            if head == slot + 1:
                doubles[HEAD] = slot
                doubles[self._entry(slot)] = 0.0
            elif head - slot <= self._ring.capacity:
                doubles[self._entry(slot)] = when

    def seen(self, slot: int, sent: float, headers: Mapping[str, str], now: float) -> None:
        """Takes in an answer's RateLimit headers (FACTS §5, LIVE)."""
        quota, windows = _parse_limit(headers.get("ratelimit-limit", ""))
        if not windows:
            return
        with self._ring.locked() as doubles:
            for window, seconds in enumerate(_WINDOWS):
                said = windows.get(seconds, 0)
                if said and (said < self._spec[window] or self._adopt_higher):
                    doubles[_QUOTA[window]] = min(said, self._ring.capacity // 2)
            told = next((w for w, seconds in enumerate(_WINDOWS) if windows.get(seconds) == quota), None)
            remaining, reset = headers.get("ratelimit-remaining", ""), headers.get("ratelimit-reset", "")
            if told is None or not (remaining.isdigit() and reset.isdigit()):
                return
            place = _SEEN[told]
            until = now + int(reset) + self.margin
            if _WINDOWS[told] == SECOND:  # the second in which it was counted is over one second after sending
                until = min(until, sent + SECOND + self.margin)
            held = doubles[place + 2]
            if until - held > _WINDOWS[told] / 2:  # a new window
                doubles[place], doubles[place + 1], doubles[place + 2] = slot, int(remaining), until
            else:
                if slot >= doubles[place]:  # the newest by sending, not by arrival, knows most
                    doubles[place], doubles[place + 1] = slot, int(remaining)
                doubles[place + 2] = min(held, until)  # Reset is in whole seconds: the least of many is the nearest

    def refused(self, retry_after: float, now: float) -> None:
        """A 429: nobody sends before `retry_after` seconds have passed.

        A refusal that ends within a second or two is the burst window's, which no header shows in time: others send
        too, so this process takes less of it for a while.
        """
        if retry_after <= 2 and now - self._share_at >= 1:
            self._share = max(0.1, 0.8 * min(1.0, self._share + (now - self._share_at) * _REGAIN))
            self._share_at = now
        with self._ring.locked() as doubles:
            doubles[BLOCKED] = max(doubles[BLOCKED], now + retry_after)

    def budget(self, now: float) -> Budget:
        with self._ring.locked() as doubles:
            head = int(doubles[HEAD])
            quotas = [self._quota(doubles, w) for w in range(3)]
            newest = range(head - 1, max(-1, head - 1 - max(quotas)), -1)
            times = [abs(doubles[self._entry(slot)]) for slot in newest]
            used = [sum(t > now - seconds - self.margin for t in times) for seconds in _WINDOWS]
            free = min(quota - spent for quota, spent in zip(quotas, used, strict=True) if quota)
            closed, earliest = self._gates(doubles, head, now)
            minute = sum(t > now - MINUTE for t in times)
        return Budget(Limit(*quotas), minute, max(0, free) if max(closed, earliest) <= now else 0)


def _parse_limit(text: str) -> tuple[int, Mapping[float, int]]:
    """`75, 75;w=1, 750;w=60` → (75, {1: 75, 60: 750}); (0, {}) if it is not of that form."""
    first = re.match(r"\s*(\d+)", text)
    windows = {float(w): int(n) for n, w in re.findall(r"(\d+)\s*;\s*w=(\d+)", text)}
    return (int(first.group(1)), windows) if first else (0, {})


class Slot:
    """One attempt's place in every ledger that counts it. `enter`, `wait` until 0, then `go`; or `leave`."""

    __slots__ = ("_gone", "_places", "ledgers", "sent")

    def __init__(self, ledgers: Sequence[Ledger]) -> None:
        self.ledgers = ledgers
        self._places: list[int] = []
        self._gone = False
        self.sent = 0.0

    def enter(self, now: float) -> None:
        self._places = [ledger.enter(now) for ledger in self.ledgers]

    def check(self, operation: str, now: float, max_wait: float | None = None) -> None:
        """RateLimited if the wait would be longer than is sensible (`PATIENCE`) or allowed (`max_wait`, seconds)."""
        places: Sequence[int | None] = self._places or [None] * len(self.ledgers)
        for ledger, place in zip(self.ledgers, places, strict=True):
            closed, earliest = ledger.forecast(now, place)
            if closed - now > PATIENCE:
                note, daily = "not sent, the limit is used up", ledger.limit.daily > 0
                raise RateLimited(operation, note=note, retry_after=closed - now, daily=daily, sent=False)
            wait = max(closed, earliest) - now
            if max_wait is not None and wait > max_wait:
                note = f"not sent, it would wait {wait:.1f} s for the rate limit, longer than max_wait allows"
                raise RateLimited(operation, note=note, retry_after=wait, sent=False)

    def wait(self, now: float) -> float:
        """Seconds until the request may be sent."""
        longest = 0.0
        for i, ledger in enumerate(self.ledgers):
            wait = ledger.wait(self._places[i], now)
            if wait < 0:
                self._places[i] = ledger.enter(now)
                wait = ledger.wait(self._places[i], now)
            longest = max(longest, wait)
        return longest

    def go(self, now: float) -> None:
        """Logs the request as sent at this moment."""
        self._gone, self.sent = True, now
        for ledger, place in zip(self.ledgers, self._places, strict=True):
            ledger.go(place, now)

    def leave(self, now: float) -> None:
        """Gives the places back if the request was not sent (cancelled, refused)."""
        if not self._gone:
            self._gone = True
            for ledger, place in zip(self.ledgers, self._places, strict=False):
                ledger.leave(place, now)

    def seen(self, headers: Mapping[str, str], now: float) -> None:
        """Takes in an answer's headers; they speak of the lowest limit that counted it, which is the last ledger's."""
        if self.ledgers:
            self.ledgers[-1].seen(self._places[-1], self.sent, headers, now)

    def refused(self, retry_after: float, now: float) -> None:
        for ledger in self.ledgers:
            ledger.refused(retry_after, now)


class Pacing:
    """How a client paces itself.

    `folder` holds the rings that the processes of this host share; "auto" is a folder of the user, or none (this
    process only) when base_url is a loopback address, whose limits begin afresh with each test server. `account` names
    the account when several of its private keys are in use on this host: they share one quota (FACTS §1.1).
    `margin` is in seconds. `enabled=False` sends at once and leaves it to Retry-After.
    """

    def __init__(
        self,
        *,
        folder: Path | str | None = "auto",
        account: str = "",
        margin: float = 0.25,
        enabled: bool = True,
    ) -> None:
        self.enabled = enabled
        self._folder = folder
        self._account = account
        self._margin = margin
        self._ledgers: dict[tuple[str, str, str], Ledger] = {}
        self._lock = threading.Lock()

    def _where(self, origin: str) -> Path | None:
        if self._folder != "auto":
            return Path(self._folder) if self._folder is not None else None
        if not HAS_FLOCK or urlsplit(origin).hostname in ("localhost", "127.0.0.1", "::1"):
            return None
        return default_folder()

    def ledger(self, origin: str, identity: str, operation: str, limit: Limit, *, parameter: str = "") -> Ledger:
        """The ledger of an operation, or of one of its parameters' lower limits."""
        key = (origin + " " + (self._account or identity), operation, parameter)
        found = self._ledgers.get(key)
        if found is None:
            with self._lock:
                found = self._ledgers.get(key)
                if found is None:
                    found = self._ledgers[key] = self._make(origin, key, limit)
        return found

    def _make(self, origin: str, key: tuple[str, str, str], limit: Limit) -> Ledger:
        who = blake2s(key[0].encode(), digest_size=10).hexdigest()
        what = re.sub(r"\W+", "-", f"{key[1]} {key[2]}").strip("-")
        capacity = 2 * max(limit.burst, limit.steady, limit.daily) + 1024
        ring = open_ring(self._where(origin), f"{who}.{what}.{limit.burst}-{limit.steady}-{limit.daily}.ring", capacity)
        return Ledger(limit, ring, self._margin, adopt_higher=not key[2])
