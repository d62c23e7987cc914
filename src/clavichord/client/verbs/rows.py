"""Reports and aggregates as flat rows: what a table, a spreadsheet or a data frame takes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from urllib.parse import parse_qs

from clavichord.client.errors import ConfigurationError
from clavichord.client.filters import Filter
from clavichord.client.pages import next_query
from clavichord.client.resource import Resource
from clavichord.client.types import Query
from clavichord.client.verbs.arguments import aware, one_of, resource_id
from clavichord.client.work import Work, one, plain
from clavichord.spec import Catalogue, load

Row: TypeAlias = dict[str, Any]
Timeframe: TypeAlias = str | tuple[datetime, datetime]
YEAR = timedelta(days=366)
_ID_OR_WORD = re.compile(r"[A-Za-z0-9]{6}")
_ID = re.compile(r"(?=.*([0-9]|[a-z][A-Z]))[A-Za-z0-9]{6}")
"""surely an id; `Viewed` may be a metric's name"""
LONGEST = {"hourly": timedelta(days=7), "daily": timedelta(days=60)}
"""of a timeframe, by interval (FACTS §9.14)"""


def choices(catalogue: Catalogue, operation: str, attribute: str) -> list[str]:
    """The values that an attribute of a request body takes, [] if they are not enumerated."""
    schemas = catalogue.schemas

    def follow(schema: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in schema:
            schema = schemas[schema["$ref"].removeprefix("#/")]
        return schema

    found = follow({"$ref": f"#/{catalogue.operations[operation].body}"})
    for name in ("data", "attributes", attribute):
        found = follow(found["properties"][name])
    if attribute == "timeframe":
        found = follow(follow(next(iter(found.get("oneOf") or found["anyOf"])))["properties"]["key"])
    return list(follow(found.get("items", found)).get("enum", ()))


def several(verb: str, name: str, given: Any, allowed: Sequence[str]) -> list[str]:
    """A non-empty list of known words."""
    if isinstance(given, str) or not isinstance(given, Sequence) or not given:
        raise ConfigurationError(f"{verb}: {name} is a non-empty list, not {given!r}; it may hold {', '.join(allowed)}")
    return [one_of(verb, name, value, allowed) for value in given]


def timeframe(verb: str, allowed: Sequence[str], given: Any, interval: str | None) -> Mapping[str, Any]:
    """`last_30_days`, …, or (start, end)."""
    if isinstance(given, str):
        return {"key": one_of(verb, "timeframe", given, allowed)}
    if not isinstance(given, Sequence) or len(given) != 2:
        raise ConfigurationError(f"{verb}: timeframe is (start, end) or one of {', '.join(allowed)}, not {given!r}")
    start, end = (aware(verb, "timeframe", moment) for moment in given)
    longest = LONGEST.get(interval or "", YEAR)
    if not timedelta(0) < end - start <= longest:
        what = f"with interval={interval!r} " if interval in LONGEST else ""
        raise ConfigurationError(f"{verb}: a timeframe {what}ends after its start, {longest.days} days at most")
    return {"start": start.isoformat(), "end": end.isoformat()}


def report(
    face: Any,
    operation: str,
    statistics: Sequence[str],
    frame: Timeframe,
    *,
    interval: str | None = None,
    conversion_metric: str | Resource | None = None,
    group_by: Sequence[str] | None = None,
    filter: Filter | str | None = None,
) -> Work[list[Row]]:
    """All pages of a report, a row for each group, and for each date of a series."""
    verb = f"reporting.{operation.removeprefix('query_')}"
    catalogue = load(face._client._core.packaged)
    attributes: dict[str, Any] = {
        "statistics": several(verb, "statistics", statistics, choices(catalogue, operation, "statistics"))
    }
    if interval is not None:
        attributes["interval"] = one_of(verb, "interval", interval, choices(catalogue, operation, "interval"))
    attributes["timeframe"] = timeframe(verb, choices(catalogue, operation, "timeframe"), frame, interval)
    if group_by is not None:
        attributes["group_by"] = several(verb, "group_by", group_by, choices(catalogue, operation, "group_by"))
    if filter is not None:
        attributes["filter"] = str(filter)
    if conversion_metric is not None:
        attributes["conversion_metric_id"] = yield from metric_id(face, verb, "conversion_metric", conversion_metric)
    body = {"data": {"type": catalogue.operations[operation].body_type, "attributes": attributes}}
    rows: list[Row] = []
    query: Query | None = {}
    while query is not None:
        response = yield from one(plain(face, operation, query=query, body=body))
        rows += _flattened(response.json()["data"]["attributes"])
        query = next_query(response)
    return rows


def _flattened(found: Mapping[str, Any]) -> Iterator[Row]:
    dates = found.get("date_times")
    for result in found.get("results") or ():
        groups, statistics = result.get("groupings") or {}, result.get("statistics") or {}
        if dates is None:
            yield {**groups, **statistics}
            continue
        for place, date in enumerate(dates):
            values = {name: series[place] for name, series in statistics.items() if place < len(series)}
            yield {**groups, "date_time": instant(date), **values}


def instant(text: Any) -> Any:
    """A datetime, or the text itself if it is none."""
    try:
        return datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return text


def metric_id(face: Any, verb: str, argument: str, given: Any) -> Work[str]:
    """The id of a metric that is given by its id, its name, or as a Metric. ConfigurationError if a name is not one."""
    found = resource_id(verb, argument, given)
    if not isinstance(given, str) or _ID.fullmatch(found):
        return found
    named: dict[str, str] = {}
    query: Query | None = {"fields[metric]": "name,integration"}
    while query is not None:
        page = yield from one(plain(face, "get_metrics", query=query))
        for metric in page.json()["data"]:
            if metric["attributes"].get("name") == found:
                integration = metric["attributes"].get("integration") or {}
                named[metric["id"]] = str(integration.get("name") or "?")
        query = next_query(page)
    if not named and _ID_OR_WORD.fullmatch(found):
        return found
    if len(named) != 1:
        which = ", ".join(f"{id} ({integration})" for id, integration in named.items())
        raise ConfigurationError(
            f"{verb}: several metrics are called {found!r}: {which}; give one's id as {argument}="
            if named
            else f"{verb}: no metric is called {found!r}; {argument} takes a metric's id or its exact name"
        )
    return next(iter(named))


def aggregates(
    face: Any,
    verb: str,
    metric: Any,
    *,
    measurements: Sequence[str],
    since: datetime,
    until: datetime,
    by: Sequence[str],
    interval: str,
    timezone: str,
    filter: Sequence[Filter | str],
) -> Work[list[Row]]:
    """All pages of metric aggregates, a row for each combination of dimensions and each date."""
    operation, catalogue = "query_metric_aggregates", load(face._client._core.packaged)
    low, high = aware(verb, "since", since), aware(verb, "until", until)
    if not timedelta(0) < high - low <= YEAR:
        raise ConfigurationError(f"{verb}: until is after since, a year at most (FACTS §9.15)")
    attributes: dict[str, Any] = {
        "measurements": several(verb, "measurements", measurements, choices(catalogue, operation, "measurements")),
        "interval": one_of(verb, "interval", interval, choices(catalogue, operation, "interval")),
        "timezone": timezone,
        "filter": [
            f"greater-or-equal(datetime,{low.isoformat()})",
            f"less-than(datetime,{high.isoformat()})",
            *map(str, filter),
        ],
    }
    if by:
        attributes["by"] = several(verb, "by", by, choices(catalogue, operation, "by"))
    attributes["metric_id"] = yield from metric_id(face, verb, "metric", metric)
    rows: list[Row] = []
    while True:
        body = {"data": {"type": "metric-aggregate", "attributes": attributes}}
        response = yield from one(plain(face, operation, body=body))
        found = response.json()["data"]["attributes"]
        for result in found.get("data") or ():
            groups = dict(zip(by, result.get("dimensions") or (), strict=False))
            for place, date in enumerate(found.get("dates") or ()):
                values = {name: series[place] for name, series in result["measurements"].items() if place < len(series)}
                rows.append({**groups, "date": instant(date), **values})
        following = parse_qs(next_query(response) or "")
        cursor = following.get("page[cursor]") or following.get("page_cursor")
        if not cursor or attributes.get("page_cursor") == cursor[0]:
            return rows
        attributes["page_cursor"] = cursor[0]
