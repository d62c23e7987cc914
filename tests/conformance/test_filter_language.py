"""Generated filters against an evaluator that reads the answers, not the store; broken ones are refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.sandbox.sandbox_api import Api

from clavichord.sandbox.serve import running
from clavichord.sandbox.testing import SandboxHandle
from clavichord.spec import FilterRule, load

_NAMES = [
    "Ann",
    "ann",
    "Anna O'Hara",
    'the "best"',
    "a,b",
    "(x)",
    "[y]",
    "back\\slash",
    "é",
    "😀",
    "and",
    "5%",
    "a_b",
    "axb",
    "null",
]
_COLLECTIONS = {
    "profiles": "get_profiles",
    "events": "get_events",
    "lists": "get_lists",
    "tags": "get_tags",
    "templates": "get_templates",
}
_SETTINGS = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


class Condition(NamedTuple):
    operator: str
    field: str
    value: Any
    """a text, a number, a list of texts, or None for `has`"""


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    """An account in which several things share a second, and some share a value."""
    with running(limits="off", job_delay=0) as served:
        sandbox, api = SandboxHandle(served.base_url, "pk_filters"), Api(served.base_url, "pk_filters")
        sandbox.freeze("2026-03-01T09:00:00Z")
        for number, name in enumerate(_NAMES):
            sandbox.advance(0.4)
            more = {"phone_number": f"+120255501{number:02}"} if number % 3 else {}
            person = api.profile(email=f"p{number:02}@shop.test", external_id=name, **more)
            api.list(name)
            api("POST", "/api/tags", {"data": {"type": "tag", "attributes": {"name": name}}})
            template = {"name": name, "editor_type": "CODE", "html": "<p></p>"}
            api("POST", "/api/templates", {"data": {"type": "template", "attributes": template}})
            for hour in (1, 2):
                time = f"2026-02-{1 + number % 5:02}T0{hour}:00:00Z"
                api.event(
                    ("Order", "View")[number % 2], email=f"p{number:02}@shop.test", time=time, unique_id=str(hour)
                )
            if number % 2:
                change = {"type": "profile", "id": person, "attributes": {"first_name": name}}
                api("PATCH", f"/api/profiles/{person}", {"data": change})
        yield api


@pytest.fixture(scope="module")
def rows(api: Api) -> Callable[[str], list[Any]]:
    """Everything in a collection, in its default order."""
    return cache(lambda collection: [row for page in api.pages(f"/api/{collection}") for row in page.data])


# -- the second reading of the language


def member(row: Mapping[str, Any], field: str) -> Any:
    if field == "id":
        return row["id"]
    if field in ("metric_id", "profile_id", "metric", "profile"):
        return row["relationships"][field.removesuffix("_id")]["data"]["id"]
    return row["attributes"].get(field)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def holds(condition: Condition, row: Mapping[str, Any], kind: str) -> bool:
    found, wanted = member(row, condition.field), condition.value
    if condition.operator == "has":
        return found is not None
    if found is None:
        return False
    if isinstance(wanted, list):
        return found in ([one.lower() for one in wanted] if condition.field == "email" else wanted)
    if kind == "date-time":
        found, wanted = instant(found), instant(wanted)
    if condition.field == "email":
        wanted = wanted.lower()
    compare: Mapping[str, Callable[[], bool]] = {
        "equals": lambda: found == wanted,
        "greater-than": lambda: found > wanted,
        "greater-or-equal": lambda: found >= wanted,
        "less-than": lambda: found < wanted,
        "less-or-equal": lambda: found <= wanted,
        "contains": lambda: wanted.lower() in found.lower(),
        "starts-with": lambda: found.lower().startswith(wanted.lower()),
        "ends-with": lambda: found.lower().endswith(wanted.lower()),
    }
    return compare[condition.operator]()


# -- filters, and the many ways to write one


def rules(collection: str) -> list[FilterRule]:
    """Those whose field stands in the answer."""
    return [
        rule
        for rule in load().operations[_COLLECTIONS[collection]].filters
        if rule.field != "_kx" and not rule.field.startswith("subscriptions.")
    ]


def values(rule: FilterRule, there: list[Any]) -> st.SearchStrategy[Any]:
    """Mostly something that is there, or close to it."""
    known = st.sampled_from(sorted({one for one in there if one is not None}))
    if rule.type == "number":
        return st.builds(lambda one, more: one + more, known, st.integers(-1, 1))
    if rule.type == "date-time":
        near = st.sampled_from([timedelta(0), timedelta(seconds=1), timedelta(seconds=-1), timedelta(days=1)])
        return st.builds(lambda one, more: (instant(one) + more).isoformat(), known, near)
    part = st.builds(lambda one, start, end: one[start:end] or one, known, st.integers(0, 2), st.integers(3, 9))
    return known | part | known.map(str.upper)


@st.composite
def conditions(draw: st.DrawFn, collection: str, there: list[Any]) -> Condition:
    rule = draw(st.sampled_from(rules(collection)))
    operator = draw(st.sampled_from([*rule.single, *rule.list, *rule.none]))
    if operator in rule.none:
        return Condition(operator, rule.field, None)
    value = values(rule, [member(row, rule.field) for row in there])
    if operator in rule.list and (operator not in rule.single or draw(st.booleans())):
        return Condition(operator, rule.field, draw(st.lists(value, min_size=1, max_size=4)))
    return Condition(operator, rule.field, draw(value))


@st.composite
def written(draw: st.DrawFn, condition: Condition) -> str:
    """Spaces, quotes and escapes as clients write them."""
    space = st.sampled_from(["", " "])

    def literal(value: Any) -> str:
        if not isinstance(value, str):
            return str(value)
        if condition.field in ("datetime", "created", "updated") and draw(st.booleans()):
            return value
        if draw(st.booleans()):
            return json.dumps(value, ensure_ascii=draw(st.booleans()))
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"

    text = f"{condition.operator}({draw(space)}{condition.field}{draw(space)}"
    if isinstance(condition.value, list):
        text += f",{draw(space)}[{','.join(literal(one) for one in condition.value)}]"
    elif condition.value is not None:
        text += f",{draw(space)}{literal(condition.value)}"
    return text + draw(space) + ")"


@st.composite
def filters(draw: st.DrawFn, collection: str, there: list[Any]) -> tuple[list[Condition], str]:
    """One to three conditions, side by side or in `and(…)`."""
    chosen = draw(st.lists(conditions(collection, there), min_size=1, max_size=3))
    text = ",".join(draw(written(one)) for one in chosen)
    return chosen, f"and({text})" if draw(st.booleans()) else text


@pytest.mark.parametrize("collection", _COLLECTIONS)
def test_a_filter_finds_what_it_says(api: Api, rows: Callable[[str], list[Any]], collection: str) -> None:
    there, types = rows(collection), {rule.field: rule.type for rule in rules(collection)}
    assert len(there) >= len(_NAMES)
    sizes = set()

    @_SETTINGS
    @given(filters(collection, there))
    def check(made: tuple[list[Condition], str]) -> None:
        chosen, text = made
        wanted = [row["id"] for row in there if all(holds(one, row, types[one.field]) for one in chosen)]
        found = [one for page in api.pages(f"/api/{collection}", filter=text) for one in page.ids]
        assert found == wanted, text
        sizes.add(bool(wanted))

    check()
    assert sizes == {True, False}


_BREAK: Mapping[str, Callable[[Condition, str], str]] = {
    "no end": lambda condition, text: text.rstrip()[:-1],
    "two ends": lambda condition, text: text + ")",
    "no beginning": lambda condition, text: text.replace("(", "", 1),
    "a comma too many": lambda condition, text: text + ",",
    "a word behind": lambda condition, text: text + " and",
    "an unknown operator": lambda condition, text: "equalz" + text[len(condition.operator) :],
    "an operator of no field": lambda condition, text: "contains-all" + text[len(condition.operator) :],
    "an unknown field": lambda condition, text: text.replace(condition.field, "emial", 1),
    "or": lambda condition, text: f"or({text},{text})",
    "not": lambda condition, text: f"not({text})",
    "a null": lambda condition, text: f"{condition.operator}({condition.field},null)",
    "a list in a list": lambda condition, text: f"{condition.operator}({condition.field},[[1]])",
    "a quote that does not end": lambda condition, text: f'{condition.operator}({condition.field},"x)',
    "half a character": lambda condition, text: f'{condition.operator}({condition.field},"\\ud800")',
}


@pytest.mark.parametrize("collection", _COLLECTIONS)
def test_a_broken_filter_is_refused(api: Api, rows: Callable[[str], list[Any]], collection: str) -> None:
    there = rows(collection)

    @_SETTINGS
    @given(st.data(), st.sampled_from(sorted(_BREAK)))
    def check(data: st.DataObject, how: str) -> None:
        condition = data.draw(conditions(collection, there))
        text = _BREAK[how](condition, data.draw(written(condition)))
        reply = api.get(f"/api/{collection}", filter=text)
        assert reply.status == 400, (how, text)
        assert [error["source"] for error in reply.errors] == [{"parameter": "filter"}]

    check()


@pytest.mark.parametrize("collection", _COLLECTIONS)
def test_a_filter_with_a_slip_is_read_or_refused(api: Api, rows: Callable[[str], list[Any]], collection: str) -> None:
    there = rows(collection)
    mark = st.sampled_from([*"()[]\"',\\ \x00é😀0aZ-:", ""])

    @_SETTINGS
    @given(st.data(), st.integers(0, 200), mark, st.booleans())
    def check(data: st.DataObject, at: int, put: str, instead: bool) -> None:
        _, text = data.draw(filters(collection, there))
        at %= len(text)
        slipped = text[:at] + put + text[at + instead :]
        reply = api.get(f"/api/{collection}", filter=slipped)
        assert reply.status in (200, 400), slipped
        if reply.status == 400:
            assert [error["source"] for error in reply.errors] == [{"parameter": "filter"}]

    check()
