"""The one clock under ids, timestamps, limits and jobs, and the two forms in which Klaviyo writes a date-time."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal, Protocol

SECOND = 1_000_000
"""Instants are whole microseconds since 1970, UTC."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = (datetime(1, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_LAST = (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
"""what can be written in UTC: an offset may lead out of it"""
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PART = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|s|m|h|d|w)")
EARLIEST, LATEST = 0, 7_258_118_400 * SECOND
"""What the clock can be set to: 1970 to 2200; every date that is counted from it still has four digits of a year."""

_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:[Zz]|[+-]\d\d:?\d\d)?)?")


class Clock(Protocol):
    """Anything that tells the time in microseconds since 1970."""

    def now(self) -> int: ...


class VirtualClock:
    """The machine's clock, until it is set, moved or stopped. `frozen_at` makes one that stands still."""

    def __init__(self, frozen_at: int | None = None) -> None:
        self._frozen = frozen_at
        self._offset = 0

    def now(self) -> int:
        return time.time_ns() // 1000 + self._offset if self._frozen is None else self._frozen

    @property
    def frozen(self) -> bool:
        return self._frozen is not None

    def freeze(self) -> None:
        self._frozen = self.now()

    def resume(self) -> None:
        """Goes on from where it stands, at the machine's pace."""
        now, self._frozen = self.now(), None
        self.set(now)

    def set(self, instant: int) -> None:
        if self._frozen is None:
            self._offset = instant - time.time_ns() // 1000
        else:
            self._frozen = instant

    def advance(self, seconds: float) -> None:
        self.set(self.now() + round(seconds * SECOND))

    def state(self) -> tuple[int | None, int]:
        """What `restore` needs to make it run as it does now."""
        return self._frozen, self._offset

    def restore(self, state: tuple[int | None, int]) -> None:
        self._frozen, self._offset = state


def micros(instant: int) -> str:
    """`2026-09-04T13:40:25.420136+00:00`: values written in this very request (LIVE #11)."""
    return (_EPOCH + timedelta(microseconds=instant)).isoformat(timespec="microseconds")


@lru_cache(maxsize=65536)
def seconds(second: int) -> str:
    """`2026-09-04T13:40:25+00:00`: stored values read back (LIVE #11). Takes seconds since 1970."""
    return (_EPOCH + timedelta(seconds=second)).isoformat(timespec="seconds")


Precision = Literal["sec", "msec", "usec"]
"""how fine a stored date-time is read back; it differs by resource (LIVE #11)"""


def written(instant: int, precision: Precision) -> str:
    """A stored date-time, in the form in which it is read back."""
    if precision == "usec":
        return micros(instant)
    if precision == "sec":
        return seconds(instant // SECOND)
    return (_EPOCH + timedelta(microseconds=instant)).isoformat(timespec="milliseconds")


def parse(text: str) -> int | None:
    """The instant that an ISO 8601 text names (date only and missing offset are UTC), None if it names none."""
    if _ISO.fullmatch(text) is None:
        return None
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    instant = (moment - _EPOCH) // timedelta(microseconds=1)
    return instant if _FIRST <= instant <= _LAST else None


def duration(text: str) -> float | None:
    """Seconds in `3d`, `1h30m`, `250ms`, or in a plain number; None if it is no duration."""
    parts = _PART.findall(text)
    if parts and "".join(map("".join, parts)) == text:
        return sum(float(number) * _UNITS[unit] for number, unit in parts)
    return float(text) if re.fullmatch(r"\d{1,12}(\.\d{1,9})?", text) else None
