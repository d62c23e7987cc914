"""Time frames and intervals of reports (FACTS §9.14); weeks begin on Monday, days at midnight UTC (inferred)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from clavichord.sandbox import inferred
from clavichord.sandbox.clock import SECOND, parse
from clavichord.sandbox.errors import invalid

_AT = "/data/attributes/timeframe"
_YEAR = 366 * 86_400
_LONGEST = {"hourly": 7 * 86_400, "daily": 60 * 86_400}
"""seconds; the others fit into the longest time frame"""
_DAYS = {"last_7_days": 7, "last_30_days": 30, "last_90_days": 90, "last_365_days": 365}


class Timeframe(NamedTuple):
    """Seconds since 1970, `end` exclusive."""

    start: int
    end: int


def read(given: Mapping[str, Any], now: int) -> Timeframe:
    """Refusal (400) for one that ends before it starts or is longer than a year. `now`: microseconds."""
    second = now // SECOND
    if "key" in given:
        return _named(given["key"], second)
    start, end = (parse(given[name]) or 0 for name in ("start", "end"))
    if end <= start:
        raise invalid("'end' must be after 'start'.", pointer=f"{_AT}/end")
    if end - start > _YEAR * SECOND:
        raise invalid("The time frame must not be longer than 1 year.", pointer=_AT)
    return Timeframe(start // SECOND, -(-end // SECOND))


def _named(key: str, second: int) -> Timeframe:
    today = datetime.fromtimestamp(second, UTC).date()
    week, month, year = today - timedelta(today.weekday()), today.replace(day=1), today.replace(month=1, day=1)
    open_ended = {
        "today": today,
        "this_week": week,
        "this_month": month,
        "this_year": year,
        "last_3_months": _months_back(month, 3),
        "last_12_months": _months_back(month, 12),
    } | {name: today - timedelta(days - 1) for name, days in _DAYS.items()}
    if key in open_ended:
        return Timeframe(_midnight(open_ended[key]), second + 1)
    start, end = {
        "yesterday": (today - timedelta(1), today),
        "last_week": (week - timedelta(7), week),
        "last_month": (_months_back(month, 1), month),
        "last_year": (year.replace(year=year.year - 1), year),
    }[key]
    return Timeframe(_midnight(start), _midnight(end))


def _months_back(first: date, months: int) -> date:
    index = first.year * 12 + first.month - 1 - months
    return date(index // 12, index % 12 + 1, 1)


def _midnight(day: date) -> int:
    return int(datetime.combine(day, time(), UTC).timestamp())


class Buckets:
    """The intervals that a time frame is cut into."""

    def __init__(self, timeframe: Timeframe, interval: str) -> None:
        longest = _LONGEST.get(interval)
        if longest is not None and timeframe.end - timeframe.start > longest + 1:
            text = inferred.INTERVAL_TOO_SHORT.format(interval=interval, days=longest // 86_400)
            raise invalid(text, pointer="/data/attributes/interval")
        self._interval = interval
        self.starts: list[int] = []
        start = self.start_of(timeframe.start)
        while start < timeframe.end:
            self.starts.append(start)
            start = self._next(start)
        self.ends = [*self.starts[1:], timeframe.end]

    def start_of(self, second: int) -> int:
        """Where the bucket of an instant begins."""
        moment = datetime.fromtimestamp(second, UTC)
        if self._interval == "hourly":
            return second - second % 3600
        if self._interval == "daily":
            return second - second % 86_400
        if self._interval == "weekly":
            return _midnight(moment.date() - timedelta(moment.weekday()))
        return _midnight(moment.date().replace(day=1))

    def _next(self, start: int) -> int:
        if self._interval == "monthly":
            return _midnight(_months_back(datetime.fromtimestamp(start, UTC).date(), -1))
        return start + {"hourly": 3600, "daily": 86_400, "weekly": 7 * 86_400}[self._interval]
