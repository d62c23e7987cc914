"""Dates in templates: what is taken for one, and Django's format letters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, tzinfo
from typing import Any

from clavichord.sandbox.clock import SECOND

_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_SHORT = ("Jan.", "Feb.", "March", "April", "May", "June", "July", "Aug.", "Sept.", "Oct.", "Nov.", "Dec.")
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_STYLES = ("%Y-%m-%d", "%m/%d/%Y", "%m-%d-%Y", "%Y/%m/%d", "%d.%m.%Y", "%B %d, %Y", "%b %d, %Y")


def instant(now: int, zone: tzinfo = UTC) -> datetime:
    return datetime.fromtimestamp(now // SECOND, zone)


def read(value: Any, zone: tzinfo) -> datetime | None:
    """The moment that a text, a Unix time or a date names; None if it names none. Without an offset the zone's."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=zone)
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        if not isinstance(value, str):
            return datetime.fromtimestamp(value, zone)
        moment = datetime.fromisoformat(value.strip())
    except (ValueError, OverflowError, OSError):
        return _styled(value, zone)
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def _styled(value: Any, zone: tzinfo) -> datetime | None:
    for style in _STYLES if isinstance(value, str) else ():
        try:
            return datetime.strptime(value.strip(), style).replace(tzinfo=zone)
        except ValueError:
            continue
    return None


def _ordinal(day: int) -> str:
    return "th" if 11 <= day % 100 <= 13 else {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")


def _hour12(m: datetime) -> int:
    return m.hour % 12 or 12


def _meridiem(m: datetime) -> str:
    return "a.m." if m.hour < 12 else "p.m."


def _clock12(m: datetime) -> str:
    return f"{_hour12(m)}:{m.minute:02}" if m.minute else str(_hour12(m))


def _spoken(m: datetime) -> str:
    if (m.hour, m.minute) in ((0, 0), (12, 0)):
        return "midnight" if m.hour == 0 else "noon"
    return f"{_clock12(m)} {_meridiem(m)}"


def _days_in_month(m: datetime) -> int:
    following = date(m.year + m.month // 12, m.month % 12 + 1, 1) if m.year < 9999 or m.month < 12 else date.max
    return (following - date(m.year, m.month, 1)).days


def _offset(m: datetime) -> str:
    return m.strftime("%z") or "+0000"


_LETTERS: Mapping[str, Callable[[datetime], str]] = {
    "d": lambda m: f"{m.day:02}",
    "j": lambda m: str(m.day),
    "D": lambda m: _DAYS[m.weekday()][:3],
    "l": lambda m: _DAYS[m.weekday()],
    "S": lambda m: _ordinal(m.day),
    "w": lambda m: str(m.isoweekday() % 7),
    "z": lambda m: str(m.timetuple().tm_yday),
    "W": lambda m: str(m.isocalendar().week),
    "m": lambda m: f"{m.month:02}",
    "n": lambda m: str(m.month),
    "M": lambda m: _MONTHS[m.month - 1][:3],
    "b": lambda m: _MONTHS[m.month - 1][:3].lower(),
    "E": lambda m: _MONTHS[m.month - 1],
    "F": lambda m: _MONTHS[m.month - 1],
    "N": lambda m: _SHORT[m.month - 1],
    "t": lambda m: str(_days_in_month(m)),
    "y": lambda m: f"{m.year % 100:02}",
    "Y": lambda m: f"{m.year:04}",
    "L": lambda m: str(m.year % 4 == 0 and (m.year % 100 != 0 or m.year % 400 == 0)),
    "o": lambda m: str(m.isocalendar().year),
    "g": lambda m: str(_hour12(m)),
    "G": lambda m: str(m.hour),
    "h": lambda m: f"{_hour12(m):02}",
    "H": lambda m: f"{m.hour:02}",
    "i": lambda m: f"{m.minute:02}",
    "s": lambda m: f"{m.second:02}",
    "u": lambda m: f"{m.microsecond:06}",
    "a": _meridiem,
    "A": lambda m: "AM" if m.hour < 12 else "PM",
    "f": _clock12,
    "P": _spoken,
    "e": lambda m: m.tzname() or "UTC",
    "T": lambda m: m.tzname() or "UTC",
    "O": _offset,
    "Z": lambda m: str(int((m.utcoffset() or m - m).total_seconds())),
    "I": lambda m: "0",
    "c": lambda m: m.isoformat(),
    "r": lambda m: f"{_DAYS[m.weekday()][:3]}, {m.day} {_MONTHS[m.month - 1][:3]} {m.year} {m:%H:%M:%S} {_offset(m)}",
    "U": lambda m: str(int(m.timestamp())),
}
_NAMED = {
    "DATE_FORMAT": "N j, Y",
    "DATETIME_FORMAT": "N j, Y, P",
    "SHORT_DATE_FORMAT": "m/d/Y",
    "SHORT_DATETIME_FORMAT": "m/d/Y P",
    "TIME_FORMAT": "P",
}


def written(moment: datetime, letters: str) -> str:
    """`F j, Y` → `November 21, 2026`; a backslash keeps the letter after it."""
    parts: list[str] = []
    plain = False
    for letter in _NAMED.get(letters, letters):
        if plain or letter not in _LETTERS:
            plain = letter == "\\" and not plain
            parts.append("" if plain else letter)
        else:
            parts.append(_LETTERS[letter](moment))
    return "".join(parts)


def days_between(earlier: datetime, later: datetime, zone: tzinfo) -> int:
    """Whole calendar days of a time zone."""
    return (later.astimezone(zone).date() - earlier.astimezone(zone).date()).days
