"""What holds for all operations alike, asked of each: parameters, their bounds and refusals, limits, bodies, ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest
from tests.sandbox.live_world import World
from tests.sandbox.sandbox_api import Api, Reply

from clavichord.sandbox.serve import running
from clavichord.spec import FilterRule, Limit, Operation, load

OPERATIONS = load("2026-07-15").operations
READS = [one for one in OPERATIONS.values() if one.method == "GET"]
WRITES = [one for one in OPERATIONS.values() if one.body]
PAGED = [one for one in READS if one.page_size]

NEEDED: Mapping[str, Mapping[str, str]] = {
    "get_campaigns": {"filter": 'equals(messages.channel,"email")'},
    "get_coupon_codes": {"filter": 'equals(coupon.id,"SALE")'},
    "get_client_review_values_reports": {
        "statistics": "average_rating",
        "group_by": "company_id",
        "timeframe": "all_time",
    },
}
"""Parameters without which there is no answer."""

ABSENT = "01K61DKJ7EKJ0ES9VE456XF5JG"
IMPOSSIBLE: Mapping[str, str] = {
    "/api/events/{id}": "Invalid Event ID: 'not-one'",
    "/api/flow-actions/{id}": "Invalid Flow Action ID: 'not-one'",
    "/api/coupons/{id}": "'id' must match regex '^[0-9_A-z]+$' ('not-one' doesn't)",
    "/api/mapped-metrics/{id}": "'not-one' is not a valid choice for 'id'.",
}
"""Ids that no such thing can have are a 400; all others are a 404 (recorded, the first and last with their wording)."""

Query = dict[str, str]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with running(job_delay=0, limits="headers") as served:
        yield World(Api(served.base_url, "pk_every"), Api(served.base_url, "pk_every"))


def path_of(world: World, operation: Operation) -> str:
    """Its path, with the ids of things that are there where the world makes such things."""
    base = operation.path.split("/")[2]
    known = world.ids().get(base)
    one = known() if known and "{id}" in operation.path else ABSENT
    return operation.path.replace("{id}", one).replace("{job_id}", ABSENT)


def ask(world: World, operation: Operation, body: Any = None, **query: str) -> Reply:
    asked = {**NEEDED.get(operation.id, {}), **query}
    if operation.path.startswith("/client/"):
        asked["company_id"] = world.account
    return world.api(operation.method, path_of(world, operation), body, query=asked)


def header(limit: Limit) -> str:
    daily = f", {limit.daily};w=86400" if limit.daily else ""
    return f"{limit.burst}, {limit.burst};w=1, {limit.steady};w=60{daily}"


def refused(reply: Reply, parameter: str) -> str:
    """The detail of a refused parameter; those of pages are named with an underscore (FACTS §1.5)."""
    parameter = {"page[size]": "page_size", "page[cursor]": "page_cursor"}.get(parameter, parameter)
    assert reply.status == 400, reply.body
    error = reply.errors[0]
    assert (error["code"], error["title"], error["source"]) == ("invalid", "Invalid input.", {"parameter": parameter})
    return str(error["detail"])


def named(operation: Operation) -> str:
    return operation.id


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=named)
def test_limits_are_told(world: World, operation: Operation) -> None:
    if operation.method == "DELETE":  # what the other tests ask for shall stay
        operation = msgspec.structs.replace(operation, path=operation.path.replace("{id}", ABSENT))
    reply = ask(world, operation, {} if operation.body else None)
    assert reply.headers["ratelimit-limit"] == header(operation.limit)
    for parameter, limit in operation.limits_with.items():
        name, _, value = parameter.partition("=")
        lowered = ask(world, operation, {} if operation.body else None, **{name: value})
        assert lowered.headers["ratelimit-limit"] == header(limit)


@pytest.mark.parametrize("operation", READS, ids=named)
def test_parameters_that_an_operation_takes(world: World, operation: Operation) -> None:
    plain = ask(world, operation)
    queries: list[Query] = [{"sort": one} for one in operation.sorts]
    queries += [{f"fields[{kind}]": one} for kind, names in operation.fields.items() for one in names]
    queries += [
        {f"additional-fields[{kind}]": one} for kind, all_ in operation.additional_fields.items() for one in all_
    ]
    for query in queries:
        reply = ask(world, operation, **query)
        assert reply.status == plain.status, (query, reply.body)
    for one in operation.includes:
        reply = ask(world, operation, include=one)
        assert reply.status == plain.status, (one, reply.body)
        assert reply.status != 200 or "included" in reply.json


@pytest.mark.parametrize("operation", READS, ids=named)
def test_parameters_that_it_does_not_take(world: World, operation: Operation) -> None:
    detail = refused(ask(world, operation, include="nope"), "include")
    assert detail == "'nope' is not an allowed include parameter for this resource."
    refused(ask(world, operation, sort="nope"), "sort")
    refused(ask(world, operation, **{"fields[nope]": "id"}), "fields[nope]")
    for kind in operation.fields:
        refused(ask(world, operation, **{f"fields[{kind}]": "nope"}), f"fields[{kind}]")
    if not operation.filters:
        refused(ask(world, operation, filter='equals(id,"1")'), "filter")
    if not operation.paged:
        refused(ask(world, operation, **{"page[cursor]": "bmV4dDo6aWQ6Ojk"}), "page[cursor]")
    if not operation.page_size:
        refused(ask(world, operation, **{"page[size]": "5"}), "page[size]")


@pytest.mark.parametrize("operation", PAGED, ids=named)
def test_pages_have_bounds(world: World, operation: Operation) -> None:
    size = operation.page_size
    assert size is not None
    plain = ask(world, operation).status
    for given in (size.min, size.max):
        assert ask(world, operation, **{"page[size]": str(given)}).status == plain
    for wrong in (str(size.max + 1), str(size.min - 1), "x", ""):
        refused(ask(world, operation, **{"page[size]": wrong}), "page[size]")
    refused(ask(world, operation, **{operation.cursor_param: "!!"}), operation.cursor_param)


@pytest.mark.parametrize("operation", [one for one in READS if one.fields], ids=named)
def test_sparse_fields_choose_attributes_in_their_order(world: World, operation: Operation) -> None:
    names = [one for one in operation.fields.get(operation.resource, ()) if "." not in one]
    reply = ask(world, operation, **{f"fields[{operation.resource}]": ",".join(reversed(names))})
    if not names or reply.status != 200 or not reply.data:
        return
    one = reply.data[0] if operation.many else reply.data
    assert list(one.get("attributes", {})) == [name for name in reversed(names) if name in one["attributes"]]
    alone = ask(world, operation, **{f"fields[{operation.resource}]": names[0]}).data
    assert list((alone[0] if operation.many else alone)["attributes"]) in ([names[0]], [])


OPERATORS = {
    *("equals", "any", "contains", "contains-any", "contains-all", "starts-with", "ends-with", "has"),
    *("greater-than", "greater-or-equal", "less-than", "less-or-equal"),
}
RULES = [(operation, rule) for operation in READS for rule in operation.filters]


def literal(rule: FilterRule) -> str:
    if rule.values and "channel" not in rule.field:
        return f'"{rule.values[0]}"'
    sample = {"boolean": "true", "number": "1", "integer": "1", "date-time": "2026-01-01T00:00:00Z"}
    return sample.get(rule.type, '"email"' if "channel" in rule.field else '"a"')


@pytest.mark.parametrize(
    ("operation", "rule"), RULES, ids=lambda one: one.id if isinstance(one, Operation) else one.field
)
def test_filters_take_their_operators_only(world: World, operation: Operation, rule: FilterRule) -> None:
    rest = NEEDED.get(operation.id, {}).get("filter", "")
    rest = "" if rule.field in rest or not rest else f"{rest},"
    value = literal(rule)
    asked = [f"{one}({rule.field},{value})" for one in rule.single]
    asked += [f"{one}({rule.field},[{value}])" for one in rule.list]
    asked += [f"{one}({rule.field})" for one in rule.none]
    for condition in asked:
        reply = ask(world, operation, filter=rest + condition)
        assert reply.status != 400, (condition, reply.body)
    allowed = list(dict.fromkeys((*rule.single, *rule.list, *rule.none)))
    for other in OPERATORS - set(allowed):
        detail = refused(ask(world, operation, filter=f"{rest}{other}({rule.field},{value})"), "filter")
        wording = f"'{other}' is not an allowed filter operator for {rule.field}.  Allowed operators are "
        assert detail == wording + ", ".join(allowed)


@pytest.mark.parametrize("operation", [one for one in READS if one.filters], ids=named)
def test_filters_take_known_fields_only(world: World, operation: Operation) -> None:
    for wrong in ('equals(nope,"1")', "equals(", ""):
        refused(ask(world, operation, filter=wrong), "filter")


@pytest.mark.parametrize("operation", WRITES, ids=named)
def test_bodies_are_looked_at(world: World, operation: Operation) -> None:
    if operation.content_type.startswith("multipart"):
        return
    for body, pointer in (({}, "/data"), ({"data": 1}, "/data"), (b"{", "/data")):
        reply = ask(world, operation, body)
        assert (reply.status, reply.faults[0][0]) == (400, pointer), reply.body
    if operation.body_type and not operation.body_many:
        other = ask(world, operation, {"data": {"type": "nope", "attributes": {}}})
        assert other.status == 400
        assert any(pointer == "/data/type" for pointer, _ in other.faults), other.faults
    query = {"company_id": world.account} if operation.path.startswith("/client/") else {}
    wrong = world.api(
        operation.method, path_of(world, operation), b"a=1", query=query, headers={"Content-Type": "text/plain"}
    )
    assert wrong.status == 415, wrong.body


@pytest.mark.parametrize(
    "operation", [one for one in READS if one.path.startswith("/api/") and one.path_params], ids=named
)
def test_ids_of_nothing(world: World, operation: Operation) -> None:
    path = operation.path.replace("{id}", "not-one").replace("{job_id}", "not-one")
    reply = world.api.get(path, **NEEDED.get(operation.id, {}))
    impossible = IMPOSSIBLE.get(operation.path)
    if impossible is None and operation.base in ("event", "mapped-metric"):
        impossible = IMPOSSIBLE["/".join(operation.path.split("/")[:4])]
    if impossible:
        assert (reply.status, reply.errors[0]["detail"]) == (400, impossible)
        assert reply.errors[0]["source"]["pointer"] in ("/data/id", "/data/attributes/id")
    elif reply.status != 200:  # the relationships of an unknown object type are an empty list (recorded)
        assert reply.status == 404, reply.body
        error = reply.errors[0]
        assert list(error) == ["id", "status", "code", "title", "detail", "source"]
        assert (error["code"], error["source"]) == ("not_found", {"pointer": "/data/"})
