"""Pacing: requests leave only when the account's limits have room for them, so that 429s do not happen.

A `Ledger` is one limit of one account; a `Slot` is one request's place in every ledger that counts it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import blake2s
from pathlib import Path
from urllib.parse import urlsplit

from clavichord.client.errors import RateLimited
from clavichord.client.ledger import Budget, Ledger
from clavichord.client.ring import HAS_FLOCK, default_folder, open_ring
from clavichord.spec.types import Limit

__all__ = ["PATIENCE", "Budget", "Ledger", "Pacing", "Slot"]

PATIENCE = 120.0
"""seconds: a closed account (429 with a long Retry-After, daily cap) is reported instead of waited for beyond this"""


class Slot:
    """One attempt's place in every ledger that counts it. `enter`, `wait` until 0: then it has gone; or `leave`."""

    __slots__ = ("_places", "gone", "ledgers", "sent")

    def __init__(self, ledgers: Sequence[Ledger]) -> None:
        self.ledgers = ledgers
        self._places: list[int] = []
        self.gone = False
        self.sent = 0.0

    def enter(self, now: float) -> float:
        """Takes the places; seconds until the request may be sent. 0: it is logged as sent now."""
        alone = len(self.ledgers) == 1
        longest = 0.0
        for ledger in self.ledgers:
            place, wait = ledger.enter(now, alone)
            self._places.append(place)
            longest = max(longest, wait)
        return self._settle(longest, now, alone)

    def wait(self, now: float) -> float:
        """Seconds until the request may be sent. 0: it is logged as sent now."""
        alone = len(self.ledgers) == 1
        longest = 0.0
        for i, ledger in enumerate(self.ledgers):
            wait = ledger.wait(self._places[i], now, alone)
            if wait < 0:
                self._places[i], wait = ledger.enter(now, alone)
            longest = max(longest, wait)
        return self._settle(longest, now, alone)

    def _settle(self, wait: float, now: float, logged: bool) -> float:
        if wait <= 0:
            if logged:
                self.gone, self.sent = True, now
            else:
                self.go(now)
        return wait

    def check(self, operation: str, now: float, max_wait: float | None = None) -> None:
        """RateLimited if the wait would be longer than is sensible (`PATIENCE`) or allowed (`max_wait`, seconds)."""
        for ledger, place in zip(self.ledgers, self._places, strict=True):
            closed, earliest = ledger.forecast(now, place)
            if closed - now > PATIENCE:
                note, daily = "not sent, the limit is used up", ledger.limit.daily > 0
                raise RateLimited(operation, note=note, retry_after=closed - now, daily=daily, sent=False)
            wait = max(closed, earliest) - now
            if max_wait is not None and wait > max_wait:
                note = f"not sent, it would wait {wait:.1f} s for the rate limit, longer than max_wait allows"
                raise RateLimited(operation, note=note, retry_after=wait, sent=False)

    def go(self, now: float) -> None:
        """Logs the request as sent at this moment."""
        self.gone, self.sent = True, now
        for ledger, place in zip(self.ledgers, self._places, strict=True):
            ledger.go(place, now)

    def leave(self, now: float) -> None:
        """Gives the places back if the request was not sent (cancelled, refused)."""
        if not self.gone:
            self.gone = True
            for ledger, place in zip(self.ledgers, self._places, strict=False):
                ledger.leave(place, now)

    def seen(self, headers: Mapping[str, str], now: float) -> None:
        """Takes in an answer's headers; they speak of the lowest limit that counted it, which is the last ledger's."""
        if self.ledgers:
            self.ledgers[-1].seen(self._places[-1], self.sent, headers, now)

    def refused(self, retry_after: float, now: float) -> None:
        for ledger in self.ledgers:
            ledger.refused(self.sent, retry_after, now)


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
            found = self._ledgers.setdefault(key, self._make(origin, key, limit))
        return found

    def _make(self, origin: str, key: tuple[str, str, str], limit: Limit) -> Ledger:
        who = blake2s(key[0].encode(), digest_size=10).hexdigest()
        what = re.sub(r"\W+", "-", f"{key[1]} {key[2]}").strip("-")
        capacity = 2 * max(limit.burst, limit.steady, limit.daily) + 1024
        ring = open_ring(self._where(origin), f"{who}.{what}.{limit.burst}-{limit.steady}-{limit.daily}.ring", capacity)
        return Ledger(limit, ring, self._margin, adopt_higher=not key[2])
