"""Reports of campaigns, flows, forms and segments, values and series, from the events that are there (FACTS §9.14)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from typing import Any, NamedTuple

from clavichord.sandbox import cursors, filters, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import seconds
from clavichord.sandbox.errors import Refusal, invalid
from clavichord.sandbox.filters import Condition
from clavichord.sandbox.resources import report_observations as observations
from clavichord.sandbox.resources import report_timeframes as timeframes
from clavichord.sandbox.resources import segments
from clavichord.sandbox.resources.report_observations import Dimensions, Observation
from clavichord.sandbox.resources.report_statistics import FORM_STATISTICS, MESSAGE_STATISTICS, Statistic, Tally
from clavichord.sandbox.resources.report_timeframes import Buckets, Timeframe
from clavichord.spec import FilterRule

_AT = "/data/attributes"
_MAX_ITEMS = 100
_SEND_CHANNELS = ("email", "sms", "push-notification", "whatsapp")
_SCALAR, _LIST = ("contains-any",), ("contains-any", "contains-all")
_SEGMENTS_SINCE = 1_685_577_600
"""2023-06-01: there are no data before (FACTS §9.14)"""


class Subject(NamedTuple):
    """What a report is about."""

    groups: tuple[str, ...]
    """grouped by these where nothing is asked for"""
    required: tuple[str, ...]
    """must be among what is asked for"""
    rules: tuple[FilterRule, ...]
    statistics: Mapping[str, Statistic]
    observe: Callable[[Call, int], Iterable[Observation]]
    """from a second on"""
    related: Mapping[str, str] = {}
    """relationship → the dimension with its ids"""


def _message_rules(*scalars: str) -> tuple[FilterRule, ...]:
    shared = ("send_channel", "text_message_format", "variation", "variation_name")
    return (
        *(FilterRule(name, single=("equals",), list=_SCALAR) for name in (*scalars, *shared)),
        *(FilterRule(name, list=_LIST) for name in ("tag_id", "tag_name")),
    )


def _of_messages(find: Callable[..., Mapping[str, Dimensions]], call: Call, start: int) -> Iterator[Observation]:
    metric = call.data["attributes"]["conversion_metric_id"]
    messages = find(call.engine, call.account)
    return observations.of_messages(call.engine, call.account, start, metric, messages)


def _of_forms(call: Call, start: int) -> Iterator[Observation]:
    return observations.of_forms(call.engine, call.account, start)


CAMPAIGNS = Subject(
    groups=("campaign_id", "campaign_message_id", "send_channel"),
    required=("campaign_id", "campaign_message_id"),
    rules=_message_rules("campaign_id", "campaign_message_id", "campaign_message_name"),
    statistics=MESSAGE_STATISTICS,
    observe=partial(_of_messages, observations.campaign_messages),
    related={"campaigns": "campaign_id"},
)
FLOWS = Subject(
    groups=("flow_id", "flow_message_id", "send_channel"),
    required=("flow_id", "flow_message_id"),
    rules=_message_rules("flow_id", "flow_name", "flow_message_id", "flow_message_name"),
    statistics=MESSAGE_STATISTICS,
    observe=partial(_of_messages, observations.flow_messages),
    related={"flows": "flow_id", "flow-messages": "flow_message_id"},
)
FORMS = Subject(
    groups=("form_id",),
    required=("form_id",),
    rules=tuple(FilterRule(name, single=("equals",), list=("any",)) for name in ("form_id", "form_version_id")),
    statistics=FORM_STATISTICS,
    observe=_of_forms,
)
_SEGMENT_RULES = (FilterRule("segment_id", single=("equals",), list=("any",)),)


def _conditions(call: Call, rules: Sequence[FilterRule]) -> list[Condition]:
    """The body's filter. Refusal (400), at the body's member."""
    text = call.data["attributes"].get("filter")
    if text is None:
        return []
    try:
        conditions = filters.read(text)
        filters.check(conditions, rules)
    except Refusal as refusal:
        raise invalid(refusal.errors[0].detail, pointer=f"{_AT}/filter") from None
    fields = [one.field for one in conditions]
    if len(set(fields)) < len(fields):
        raise invalid("Only one filter can be used per attribute.", pointer=f"{_AT}/filter")
    for one in conditions:
        wanted = _wanted(one)
        if len(wanted) > _MAX_ITEMS:
            raise invalid(f"A list filter has at most {_MAX_ITEMS} items.", pointer=f"{_AT}/filter")
        for value in wanted if one.field == "send_channel" else ():
            if value not in _SEND_CHANNELS:
                raise invalid(inferred.CHOICE.format(given=value, name="send_channel"), pointer=f"{_AT}/filter")
    return conditions


def _wanted(condition: Condition) -> list[str]:
    value = condition.value
    literals = value if isinstance(value, list) else [value] if value is not None else []
    return [one.text for one in literals]


def _fits(dimensions: Dimensions, conditions: Iterable[Condition]) -> bool:
    for condition in conditions:
        held = dimensions[condition.field]
        have, wanted = held if isinstance(held, list) else [held], _wanted(condition)
        if condition.operator == "contains-all":
            if not all(one in have for one in wanted):
                return False
        elif not any(one in have for one in wanted):
            return False
    return True


def _groups(call: Call, subject: Subject) -> tuple[str, ...]:
    given = call.data["attributes"].get("group_by")
    if given is None:
        return subject.groups
    missing = [name for name in subject.required if name not in given]
    if missing:
        raise invalid(inferred.GROUP_BY_MISSING.format(names=", ".join(missing)), pointer=f"{_AT}/group_by")
    return tuple(dict.fromkeys(given))


def _keys(dimensions: Dimensions, groups: Sequence[str]) -> Iterable[tuple[Any, ...]]:
    """The lines an observation belongs to: of tags and audiences it may have several, or none."""
    held = (dimensions[name] for name in groups)
    return product(*(one if isinstance(one, list) else [one] for one in held))


def _tallies(
    call: Call, subject: Subject, timeframe: Timeframe, bucket: Callable[[int], int]
) -> dict[tuple[Any, ...], dict[int, Tally]]:
    """line → bucket → what was counted"""
    conditions, groups = _conditions(call, subject.rules), _groups(call, subject)
    found: dict[tuple[Any, ...], dict[int, Tally]] = {}
    for one in subject.observe(call, timeframe.start):
        if timeframe.start <= one.at < timeframe.end and _fits(one.dimensions, conditions):
            for key in _keys(one.dimensions, groups):
                line = found.setdefault(key, {})
                line.setdefault(bucket(one.at), Tally()).add(one.role, one.profile, one.value)
    return found


def values(subject: Subject, call: Call) -> Answer:
    attributes = call.data["attributes"]
    timeframe = timeframes.read(attributes["timeframe"], call.now)
    lines = _tallies(call, subject, timeframe, lambda at: 0)
    wanted = list(dict.fromkeys(attributes["statistics"]))
    results = [
        _result(call, subject, key, {name: subject.statistics[name](lines[key][0]) for name in wanted})
        for key in _ordered(lines)
    ]
    return _answer(call, subject, results, {})


def series(subject: Subject, call: Call) -> Answer:
    attributes = call.data["attributes"]
    timeframe = timeframes.read(attributes["timeframe"], call.now)
    buckets = Buckets(timeframe, attributes["interval"])
    lines = _tallies(call, subject, timeframe, buckets.start_of)
    empty = Tally()
    results = []
    for key in _ordered(lines):
        tallies = [lines[key].get(start, empty) for start in buckets.starts]
        wanted = dict.fromkeys(attributes["statistics"])
        counted = {name: [subject.statistics[name](one) for one in tallies] for name in wanted}
        results.append(_result(call, subject, key, counted))
    return _answer(call, subject, results, {"date_times": list(map(seconds, buckets.starts))})


def _ordered(lines: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return sorted(lines, key=lambda key: [str(one) for one in key])


def _result(call: Call, subject: Subject, key: tuple[Any, ...], statistics: Mapping[str, Any]) -> dict[str, Any]:
    return {"groupings": dict(zip(_groups(call, subject), key, strict=True)), "statistics": statistics}


def _answer(call: Call, subject: Subject, results: list[dict[str, Any]], more: Mapping[str, Any]) -> Answer:
    """One page of results, all of them where there are no pages (LIVE #3); relationships name what they are about."""
    first = 0
    if call.query.cursor is not None:
        if not isinstance(call.query.cursor.value, int) or call.query.cursor.value < 0:
            raise cursors.bad_cursor()
        first = call.query.cursor.value
    size = inferred.REPORT_PAGE if call.operation.paged else len(results)
    page = results[first : first + size]
    after = _cursor(first + size) if first + size < len(results) else None
    before = _cursor(max(0, first - size)) if first else None
    linked = {
        name: list(dict.fromkeys(one["groupings"][dimension] for one in page))
        for name, dimension in subject.related.items()
        if page
    }
    report = generic.resource(call.operation.resource, call.engine.ids.uuid(), {"results": page, **more}, linked)
    report = report._replace(relationships=tuple(linked))
    documents = call.engine.documents
    return documents.report(call, report, after, before) if call.operation.paged else documents.one(call, report)


def _cursor(offset: int) -> str:
    return cursors.encode(cursors.Position(offset, "", True))


def segment_report(call: Call) -> Answer:
    """Membership as the sandbox knows it: since when today's members fit; who left is forgotten."""
    attributes = call.data["attributes"]
    timeframe = timeframes.read(attributes["timeframe"], call.now)
    if timeframe.start < _SEGMENTS_SINCE:
        raise invalid(inferred.SEGMENTS_SINCE, pointer=f"{_AT}/timeframe")
    conditions = _conditions(call, _SEGMENT_RULES)
    buckets = Buckets(timeframe, attributes["interval"]) if "interval" in attributes else None
    rows = call.engine.store.execute(
        "SELECT id FROM resource WHERE account = ? AND type = 'segment' ORDER BY id", (call.account,)
    ).fetchall()
    results = []
    for (segment_id,) in rows:
        if not _fits({"segment_id": segment_id}, conditions):
            continue
        joined = _joined(call, segment_id)
        spans = zip(buckets.starts, buckets.ends, strict=True) if buckets else [timeframe]
        counted = [_membership(joined, start, end) for start, end in spans]
        wanted = dict.fromkeys(attributes["statistics"])
        statistics = {name: [one[name] for one in counted] if buckets else counted[0][name] for name in wanted}
        results.append({"groupings": {"segment_id": segment_id}, "statistics": statistics})
    more = {"date_times": list(map(seconds, buckets.starts))} if buckets else {}
    report = generic.resource(call.operation.resource, call.engine.ids.uuid(), {"results": results, **more}, {})
    return call.engine.documents.one(call, report)


def _joined(call: Call, segment_id: str) -> list[int]:
    """When each of a segment's members was first seen in it, in seconds."""
    segments.refresh(call.engine, call.account, segment_id)
    rows = call.engine.store.execute(
        "SELECT at FROM edge WHERE account = ? AND type = 'segment' AND id = ? AND relationship = 'profiles'",
        (call.account, segment_id),
    )
    return [row[0] for row in rows]


def _membership(joined: Sequence[int], start: int, end: int) -> dict[str, int]:
    added = sum(start <= at < end for at in joined)
    return {
        "members_added": added,
        "members_removed": 0,
        "net_members_changed": added,
        "total_members": sum(at < end for at in joined),
    }


BEHAVIOURS: Mapping[str, Behaviour] = {
    "query_campaign_values": partial(values, CAMPAIGNS),
    "query_flow_values": partial(values, FLOWS),
    "query_flow_series": partial(series, FLOWS),
    "query_form_values": partial(values, FORMS),
    "query_form_series": partial(series, FORMS),
    "query_segment_values": segment_report,
    "query_segment_series": segment_report,
}
