"""The one clock under ids, timestamps, limits and jobs, and the two forms in which Klaviyo writes a date-time."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol

SECOND = 1_000_000
"""Instants are whole microseconds since 1970, UTC."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[Tt]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:[Zz]|[+-]\d\d:?\d\d)?)?")


class Clock(Protocol):
    """Anything that tells the time in microseconds since 1970."""

    def now(self) -> int: ...


class RealClock:
    """The machine's clock."""

    def now(self) -> int:
        return time.time_ns() // 1000


class ManualClock:
    """Stands still until told otherwise."""

    def __init__(self, now: int) -> None:
        self._now = now

    def now(self) -> int:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += round(seconds * SECOND)


def micros(instant: int) -> str:
    """`2026-09-04T13:40:25.420136+00:00`: values written in this very request (LIVE #11)."""
    return (_EPOCH + timedelta(microseconds=instant)).isoformat(timespec="microseconds")


@lru_cache(maxsize=65536)
def seconds(second: int) -> str:
    """`2026-09-04T13:40:25+00:00`: stored values read back (LIVE #11). Takes seconds since 1970."""
    return (_EPOCH + timedelta(seconds=second)).isoformat(timespec="seconds")


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
    return (moment - _EPOCH) // timedelta(microseconds=1)
