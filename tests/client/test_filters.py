"""Filters: what is written is what arrives, or is refused with the fix."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clavichord.client.errors import ConfigurationError
from clavichord.client.filters import F, Filter, has
from clavichord.spec import load

RULES = {op.id: op.filters for op in load().operations.values()}
ZONES = st.builds(lambda minutes: timezone(timedelta(minutes=minutes)), st.integers(-720, 840))
EARLIEST, LATEST = datetime(1900, 1, 3), datetime(2200, 1, 1)  # noqa: DTZ001  # hypothesis wants bounds without a zone
SINCE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def checked(operation: str, filter: Filter) -> str:
    return str(filter.checked(operation, RULES[operation]))


@pytest.mark.parametrize(
    ("operation", "filter", "text"),
    [
        ("get_profiles", F.updated > SINCE, "greater-than(updated,2026-01-02T03:04:05Z)"),
        ("get_profiles", F.email == "a@b.example", 'equals(email,"a@b.example")'),
        ("get_profiles", F.email.any(["a", "b c"]), 'any(email,["a","b c"])'),
        (
            "get_profiles",
            (F.updated > SINCE) & (F.email == "x"),
            'greater-than(updated,2026-01-02T03:04:05Z),equals(email,"x")',
        ),
        ("get_campaigns", F.name.contains("Mary Ann"), 'contains(name,"Mary Ann")'),
        ("get_campaigns", F.messages.channel == "email", 'equals(messages.channel,"email")'),
        ("get_campaigns", F["messages.channel"] == "sms", 'equals(messages.channel,"sms")'),
        ("get_campaigns", F.archived == False, "equals(archived,false)"),  # noqa: E712  # a filter, not a comparison
        ("get_events", has(F.metric), "has(metric)"),
        ("get_events", F.datetime >= date(2026, 1, 2), "greater-or-equal(datetime,2026-01-02)"),
        ("get_events", F.timestamp < SINCE, "less-than(timestamp,1767323045)"),
        ("get_events", F.timestamp < 5, "less-than(timestamp,5)"),
        ("get_events", F.datetime > "2026-01-02T03:04:05+02:00", "greater-than(datetime,2026-01-02T01:04:05Z)"),
    ],
)
def test_the_text_of_a_filter(operation: str, filter: Filter, text: str) -> None:
    assert checked(operation, filter) == text


@pytest.mark.parametrize(
    ("operation", "filter", "says"),
    [
        ("get_profiles", F.nope == "x", "cannot filter on 'nope'; fields: .*email"),
        ("get_campaigns", F.name == "x", r"does not take equals with one value on name; it takes contains\(value\)"),
        ("get_profiles", F.email == ("a", "b"), None),
        ("get_profiles", F.external_id == 5, "external_id is text"),
        ("get_profiles", F.updated > "yesterday", "an aware datetime"),
        ("get_profiles", F.updated > "2026-01-01T00:00:00", "no time zone"),
        ("get_profiles", F.updated >= SINCE, "it takes greater-than"),
        ("get_campaigns", F.archived == "false", "True or False"),
        ("get_events", F.timestamp < "soon", "a number"),
        ("get_accounts", F.x == "y", "takes no filter"),
    ],
)
def test_what_an_operation_does_not_take(operation: str, filter: Filter, says: str | None) -> None:
    if says is None:
        checked(operation, filter)
        return
    with pytest.raises(ConfigurationError, match=says):
        checked(operation, filter)


def test_a_naive_datetime_is_refused_with_the_fix() -> None:
    with pytest.raises(ConfigurationError, match=r"for updated has no time zone .*replace\(tzinfo"):
        F.updated > datetime(2026, 1, 1)  # noqa: B015, DTZ001  # building it is what fails


@pytest.mark.parametrize("value", [None, object(), float("nan"), float("inf"), b"x", []])
def test_values_without_a_text_are_refused(value: Any) -> None:
    with pytest.raises(ConfigurationError):
        F.email == value  # noqa: B015  # building it is what fails


def test_python_logic_that_would_lose_conditions_is_refused() -> None:
    a, b = F.a > 1, F.b > 2
    for trap in (lambda: a and b, lambda: 1 < F.c < 5, lambda: a | b, lambda: ~a, lambda: not a, lambda: F.a != 1):
        with pytest.raises(ConfigurationError):
            trap()


@given(st.text())
def test_any_text_survives(text: str) -> None:
    literal = str(F.email == text).removeprefix("equals(email,").removesuffix(")")
    assert literal.startswith('"')
    assert json.loads(literal) == text


@given(st.lists(st.one_of(st.text(), st.integers(), st.booleans()), min_size=1))
def test_any_list_survives(values: list[Any]) -> None:
    literal = str(F.id.any(values)).removeprefix("any(id,").removesuffix(")")
    found = json.loads(literal)
    assert (found, [type(v) for v in found]) == (values, [type(v) for v in values])


@given(st.datetimes(EARLIEST, LATEST, timezones=ZONES))
def test_any_aware_datetime_is_the_same_moment(when: datetime) -> None:
    literal = str(F.updated > when).removeprefix("greater-than(updated,").removesuffix(")")
    assert literal.endswith("Z")
    assert datetime.fromisoformat(literal) == when


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9))
def test_decimals_are_bare_numbers(value: Decimal) -> None:
    literal = str(F.x > value).removeprefix("greater-than(x,").removesuffix(")")
    assert Decimal(literal) == value
    assert "E" not in literal
