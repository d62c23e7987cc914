"""The filters inside a condition: one value of a profile or an event against `{type, operator, …}` (FACTS §9.4)."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from clavichord.sandbox import inferred
from clavichord.sandbox.clock import SECOND, parse

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS = {"hour": 3600 * SECOND, "day": 86_400 * SECOND, "week": 7 * 86_400 * SECOND}
_FAR = 2**62
"""microseconds; beyond what SQLite and a date can hold"""

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "equals": operator.eq,
    "not-equals": operator.ne,
    "greater-than": operator.gt,
    "greater-than-or-equal": operator.ge,
    "less-than": operator.lt,
    "less-than-or-equal": operator.le,
}
_TEXT: Mapping[str, Callable[[str, str], bool]] = {
    "equals": operator.eq,
    "contains": lambda value, part: part in value,
    "starts-with": str.startswith,
    "ends-with": str.endswith,
    "regex": lambda value, pattern: re.search(pattern, value) is not None,
}
_LIST: Mapping[str, Callable[[list[str], Any], bool]] = {
    "contains": lambda values, one: str(one) in values,
    "contains-all": lambda values, wanted: all(one in values for one in wanted),
    "contains-any": lambda values, wanted: any(one in values for one in wanted),
    "contains-substring": lambda values, part: any(part in one for one in values),
    "contains-starts-with": lambda values, part: any(one.startswith(str(part)) for one in values),
    "contains-ends-with": lambda values, part: any(one.endswith(str(part)) for one in values),
}


def holds(given: Mapping[str, Any], value: Any, now: int) -> bool:
    """Whether a value (None: it is not there) fits a filter; `now` in microseconds.

    What is not there fits the negative operators and `not-set`, nothing else.
    """
    kind: str = given["type"]
    return _KINDS[kind](given, value, now)


def _existence(given: Mapping[str, Any], value: Any, now: int) -> bool:
    return (value is not None) is (given["operator"] == "is-set")


def _string(given: Mapping[str, Any], value: Any, now: int) -> bool:
    name: str = given["operator"]
    if name.startswith("phone-country-code-"):
        inside = value is not None and _region(_texts(value)[0]) in given["value"]
        return inside is (name == "phone-country-code-in")
    if name in ("in", "not-in"):
        return (value is not None and _texts(value)[0] in given["value"]) is (name == "in")
    positive = "regex" if name == "nregex" else name.removeprefix("not-")
    if value is None or isinstance(value, list | dict):
        return positive != name
    return _TEXT[positive](_texts(value)[0], given["value"]) is (positive == name)


def _region(phone_number: str) -> str | None:
    """`US` for `+12025550123`; None for what is no phone number."""
    import phonenumbers  # heavy, and hardly any segment asks

    try:
        number = phonenumbers.parse(phone_number)
    except phonenumbers.NumberParseException:
        return None
    main = phonenumbers.region_code_for_country_code(number.country_code or 0)
    return phonenumbers.region_code_for_number(number) or main  # an area that nobody has is still of the country


def _numeric(given: Mapping[str, Any], value: Any, now: int) -> bool:
    number = _number(value)
    if number is None:
        return bool(given["operator"] == "not-equals")
    if given["operator"] == "between":
        return bool(given["start"] <= number <= given["end"])
    return _COMPARE[given["operator"]](number, given["value"])


def _boolean(given: Mapping[str, Any], value: Any, now: int) -> bool:
    return _texts(value) == _texts(given["value"]) if isinstance(value, bool | str) else False


def _list(given: Mapping[str, Any], value: Any, now: int) -> bool:
    """A single value counts as a list of one (inferred)."""
    name: str = given["operator"]
    values = [] if value is None else _texts(value)
    if name.startswith("length-"):
        return _COMPARE[name.removeprefix("length-")](len(values), given["value"])
    positive = name.removeprefix("not-")
    return _LIST[positive](values, given["value"]) is (positive == name)


def _date(given: Mapping[str, Any], value: Any, now: int) -> bool:
    instant = parse(value) if isinstance(value, str) else None
    return instant is not None and within(given, instant, now)


_KINDS: Mapping[str, Callable[[Mapping[str, Any], Any, int], bool]] = {
    "existence": _existence,
    "string": _string,
    "numeric": _numeric,
    "boolean": _boolean,
    "list": _list,
    "date": _date,
}


def _texts(value: Any) -> list[str]:
    """Values as the text they are compared by: true is `true`, 1.0 is `1`."""
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, float) and value.is_integer():
        return [str(int(value))]
    return [str(value)]


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def span(given: Mapping[str, Any], now: int) -> tuple[int, int] | None:
    """First and last instant that a date filter lets in, None if it looks at the calendar and not at a span.

    `at-least 3 day`: three days ago or earlier. A range counts back from now: `between 1 and 3 day` (spec's text).
    """
    name = given["operator"]
    if name == "alltime":
        return -_FAR, _FAR
    if name in ("before", "after"):
        instant = parse(given["date"]) or 0
        return (-_FAR, instant - 1) if name == "before" else (instant + 1, _FAR)
    if name == "between-static":
        return parse(given["start"]) or 0, parse(given["end"]) or 0
    if name == "between":
        ago = [_ago(now, given[end], given["unit"]) for end in ("start", "end")]
        return min(ago), max(ago)
    if name == "at-least":
        return -_FAR, _ago(now, given["quantity"], given["unit"])
    if name == "in-the-last":
        return _ago(now, given["quantity"], given["unit"]), now
    if name == "in-the-next":
        return now, _ago(now, -given["quantity"], given["unit"])
    return None


def _ago(now: int, quantity: int, unit: str) -> int:
    return max(-_FAR, min(_FAR, now - quantity * _UNITS[unit]))


def within(given: Mapping[str, Any], instant: int, now: int) -> bool:
    """Whether an instant fits a date filter; days and months are UTC's."""
    bounds = span(given, now)
    if bounds is not None:
        return bounds[0] <= instant <= bounds[1]
    name, day, today = given["operator"], _day(instant), _day(now)
    if name == "calendar-month":
        return bool(day.month == given["value"])
    if name == "anniversary-month":
        return day.month == today.month
    if name == "anniversary":
        return today in _anniversaries(day, today)
    days = min(given["quantity"] * _UNITS[given["unit"]] // _UNITS["day"], 366)
    first, last = (today - timedelta(days), today) if name == "anniversary-last" else (today, today + timedelta(days))
    return any(first <= one <= last for one in _anniversaries(day, today))


def _day(instant: int) -> datetime:
    moment = _EPOCH + timedelta(microseconds=max(0, min(instant, 250_000_000_000 * SECOND)))
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _anniversaries(day: datetime, today: datetime) -> Iterator[datetime]:
    """Of last year, this and next; the 29th of February comes on the 28th where there is none (inferred)."""
    for year in (today.year - 1, today.year, today.year + 1):
        try:
            yield day.replace(year=year)
        except ValueError:
            yield day.replace(year=year, day=28)


def fault(given: Mapping[str, Any]) -> str:
    """What is wrong with a filter that has the right shape, "" if nothing is."""
    if "value" in given and given["value"] is None:
        return "'value' must not be null."
    if given["operator"] in ("regex", "nregex"):
        try:
            re.compile(given["value"])
        except (re.error, OverflowError, RecursionError) as error:
            return inferred.BAD_PATTERN.format(problem=error)
    if given.get("quantity", 0) < 0:
        return "'quantity' must not be negative."
    if given["operator"] == "calendar-month" and not 1 <= given["value"] <= 12:
        return "'value' must be a month from 1 to 12."
    return ""
