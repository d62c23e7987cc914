"""Metric aggregates: counts, sums and people by time and by dimension, from the events that are there (FACTS §9.15)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from clavichord.sandbox import cursors, filters, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import SECOND, parse, seconds
from clavichord.sandbox.cursors import Position
from clavichord.sandbox.documents import Resource
from clavichord.sandbox.errors import invalid
from clavichord.sandbox.filters import Condition, Literal
from clavichord.spec import FilterRule, load

_AT = "/data/attributes"
_YEAR = 366 * 86_400
_MAX_ROWS = 500
_TIME = FilterRule("datetime", single=("greater-or-equal", "less-than"), type="date-time")


class _Asked(NamedTuple):
    """A query whose members were read."""

    metric_id: str
    measurements: list[str]
    by: list[str]
    zone: ZoneInfo
    interval: str
    start: int
    """seconds; the first that counts"""
    end: int
    """seconds; the first that no longer counts"""
    conditions: list[Condition]


def query_metric_aggregates(call: Call) -> Answer:
    asked = _read(call)
    dates = list(_buckets(asked))
    rows = _rows(call, asked, dates)
    sort = call.data["attributes"].get("sort")
    if sort:
        _sort(rows, sort, asked)
    given = call.data["attributes"]
    size = min(max(given.get("page_size") or _MAX_ROWS, 1), _MAX_ROWS)
    first = _first(given.get("page_cursor"))
    attributes = {
        "dates": [seconds(at) for at in dates],
        "data": rows[first : first + size],
    }
    fields = given.get("return_fields")
    if fields:
        attributes = {name: value for name, value in attributes.items() if name in fields}
    one = Resource("metric-aggregate", call.engine.ids.number(10), msgspec.json.encode(attributes))
    after = cursors.encode(Position(first + size, "", True)) if first + size < len(rows) else None
    before = cursors.encode(Position(max(first - size, 0), "", True)) if first else None
    return call.engine.documents.report(call, one, after, before)


def _first(cursor: str | None) -> int:
    """The row that a page begins with; a cursor may be a whole link."""
    position = cursors.decode(cursor) if cursor else None
    value = position.value if position else 0
    if not isinstance(value, int) or value < 0:
        raise cursors.bad_cursor()
    return value


def _read(call: Call) -> _Asked:
    given = call.data["attributes"]
    zone = _zone(given.get("timezone") or "UTC")
    generic.required(call, "metric", given["metric_id"])
    if not given["measurements"]:
        raise invalid("At least one measurement is required.", pointer=f"{_AT}/measurements")
    conditions = _conditions(given["filter"])
    bounds: dict[str, int] = {}
    for condition in [one for one in conditions if one.field == "datetime"]:
        bounds[condition.operator] = _instant(condition, zone)
    if len(bounds) < 2:
        raise invalid(inferred.AGGREGATE_RANGE, pointer=f"{_AT}/filter")
    start, end = bounds["greater-or-equal"], bounds["less-than"]
    if not 0 < end - start <= _YEAR:
        raise invalid(inferred.AGGREGATE_SPAN, pointer=f"{_AT}/filter")
    return _Asked(
        metric_id=given["metric_id"],
        measurements=list(dict.fromkeys(given["measurements"])),
        by=list(dict.fromkeys(given.get("by") or ())),
        zone=zone,
        interval=given.get("interval") or "day",
        start=start,
        end=end,
        conditions=[one for one in conditions if one.field != "datetime"],
    )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # unknown, malformed, or a directory of the database
        raise invalid(inferred.CHOICE.format(given=name, name="timezone"), pointer=f"{_AT}/timezone") from None


def _conditions(texts: list[str]) -> list[Condition]:
    """The list of filters, all of which must hold; dimensions have names like `$message` and `Campaign Name`, the same
    in every revision."""
    schema = load().schema("MetricAggregateQueryResourceObject")
    dimensions = schema["properties"]["attributes"]["properties"]["by"]["items"]["enum"]
    rules = [_TIME, *(FilterRule(name, single=("equals", "contains"), list=("any",)) for name in dimensions)]
    names = sorted((rule.field for rule in rules), key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, names)))
    found = [condition for text in texts for condition in filters.read(text, pattern)]
    filters.check(found, rules)
    return found


def _instant(condition: Condition, zone: ZoneInfo) -> int:
    """In seconds; a time without an offset is one of the query's zone (inferred)."""
    text = condition.value.text.strip().replace(" ", "T", 1) if isinstance(condition.value, Literal) else ""
    instant = parse(text)
    if instant is None:
        raise invalid(
            inferred.FILTER_VALUE.format(given=f"'{text[:100]}'", field="datetime", expected="an ISO 8601 date-time"),
            parameter="filter",
        )
    second = instant // SECOND
    if re.search(r"(?:[Zz]|[+-]\d\d:?\d\d)$", text[10:]):
        return second
    local = datetime.fromtimestamp(second, UTC).replace(tzinfo=zone)
    return int(local.timestamp())


def _buckets(asked: _Asked) -> Iterator[int]:
    """The starts of the intervals, in seconds: the first one may begin before the range does."""
    local = datetime.fromtimestamp(asked.start, asked.zone).replace(minute=0, second=0, microsecond=0)
    if asked.interval == "hour":
        yield from range(int(local.timestamp()), asked.end, 3600)
        return
    local = local.replace(hour=0, fold=0)
    if asked.interval == "week":
        local -= timedelta(days=local.weekday())
    elif asked.interval == "month":
        local = local.replace(day=1)
    while local.timestamp() < asked.end:
        yield int(local.timestamp())
        if asked.interval == "month":
            local = (local + timedelta(days=32)).replace(day=1)
        else:
            local += timedelta(days=7 if asked.interval == "week" else 1)


def _rows(call: Call, asked: _Asked, dates: list[int]) -> list[dict[str, Any]]:
    """A row for each combination of dimensions, in their order; without any event one row of zeros."""
    groups: dict[tuple[str, ...], list[_Bucket]] = {}
    if not asked.by:
        groups[()] = [_Bucket() for _ in dates]
    at_bucket = 0
    for at, profile_id, attributes in call.engine.store.execute(
        "SELECT at, profile, attributes FROM event WHERE account = ? AND metric = ? AND at >= ? AND at < ? ORDER BY at",
        (call.account, asked.metric_id, asked.start, asked.end),
    ):
        while at_bucket + 1 < len(dates) and dates[at_bucket + 1] <= at:
            at_bucket += 1
        properties = msgspec.json.decode(attributes)["event_properties"]
        if all(_holds(condition, properties) for condition in asked.conditions):
            key = tuple(_text(properties.get(name)) for name in asked.by)
            if key not in groups:
                groups[key] = [_Bucket() for _ in dates]
            groups[key][at_bucket].add(profile_id, properties.get("$value"))
    if not groups:
        groups[("",) * len(asked.by)] = [_Bucket() for _ in dates]
    return [
        {
            "dimensions": list(key),
            "measurements": {name: [_MEASURES[name](one) for one in buckets] for name in asked.measurements},
        }
        for key, buckets in sorted(groups.items())
    ]


class _Bucket:
    """What happened in one interval to one combination of dimensions."""

    __slots__ = ("count", "people", "total")

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.people: set[str] = set()

    def add(self, profile_id: str, value: Any) -> None:
        self.count += 1
        self.people.add(profile_id)
        if isinstance(value, int | float) and not isinstance(value, bool):
            self.total += value


_MEASURES: Mapping[str, Callable[[_Bucket], float]] = {
    "count": lambda bucket: float(bucket.count),
    "sum_value": lambda bucket: bucket.total,
    "unique": lambda bucket: float(len(bucket.people)),
}


def _text(value: Any) -> str:
    """A dimension's value; an event without it counts as `""`."""
    if value is None:
        return ""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _holds(condition: Condition, properties: Mapping[str, Any]) -> bool:
    value, own = condition.value, _text(properties.get(condition.field))
    if isinstance(value, list):
        return own in [one.text for one in value]
    text = "" if value is None else value.text
    return text in own if condition.operator == "contains" else own == text


def _sort(rows: list[dict[str, Any]], sort: str, asked: _Asked) -> None:
    """By a dimension that is grouped by, or by the total of a measurement that is asked for."""
    name = sort.removeprefix("-")
    if name in asked.by:
        place = asked.by.index(name)
        rows.sort(key=lambda row: str(row["dimensions"][place]), reverse=sort.startswith("-"))
    elif name in asked.measurements:
        rows.sort(key=lambda row: float(sum(row["measurements"][name])), reverse=sort.startswith("-"))
    else:
        raise invalid(inferred.AGGREGATE_SORT.format(name), pointer=f"{_AT}/sort")


BEHAVIOURS: Mapping[str, Behaviour] = {"query_metric_aggregates": query_metric_aggregates}
