"""Properties that are changed and not replaced, and an event for each line of an order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sync.push_project import CUSTOMERS, Project, customer

from clavichord.sandbox.serve import Running, running
from clavichord.sync.mistakes import InvalidDefinition

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(limits="off", job_delay=0.02) as served:
        yield served


@pytest.fixture
def project(tmp_path: Path, server: Running) -> Project:
    return Project(tmp_path, server.base_url, f"pk_lines_{next(_numbers)}")


def test_append_unappend_and_unset(project: Project) -> None:
    rows = [customer(i) for i in range(12)]
    project.customers(rows)
    project.run(CUSTOMERS.replace("Tier: tier", "Tags: \"[tier, 'old']\", Score: points"))
    patch = "Tags: {append: \"['new']\"}, Score: {unset: points > 5}"
    project.customers(rows)
    report = project.run(CUSTOMERS.replace("Tier: tier", patch))
    assert (report.exit_code, report.classes["confirmed"]) == (0, 12)
    people = project.profiles()
    assert sorted(people["c00003"]["properties"]["Tags"]) == ["gold", "new", "old"]
    assert people["c00003"]["properties"]["Score"] == 3
    assert "Score" not in people["c00007"]["properties"]
    project.run(CUSTOMERS.replace("Tier: tier", "Tags: {unappend: \"'old'\"}"))
    assert sorted(project.profiles()["c00003"]["properties"]["Tags"]) == ["gold", "new"]
    assert project.run(CUSTOMERS.replace("Tier: tier", "Tags: {unappend: \"'old'\"}")).classes["unchanged"] == 12


def test_a_patch_says_one_thing_about_a_profile_s_property(project: Project) -> None:
    project.customers([customer(1)])
    with pytest.raises(InvalidDefinition, match="exactly one of append, unappend and unset"):
        project.check(CUSTOMERS.replace("Tier: tier", "Tier: {append: tier, unset: true}"))


ORDERS = """\
sync: orders
from: {file: orders.jsonl, key: id}
to: events
metric: Placed Order
profile: {external_id: customer}
time: at
unique_id: id
value: total
value_currency: EUR
properties: {OrderId: id}
backfill: true
each:
  metric: Ordered Product
  from: lines
  unique_id: id || ':' || (item->>'sku')
  value: (item->>'price')::double
  properties: {SKU: item->>'sku', Quantity: (item->'quantity')::integer}
"""


def order(number: int, *lines: tuple[str, float, int]) -> str:
    items = ", ".join(f'{{"sku": "{sku}", "price": {price}, "quantity": {n}}}' for sku, price, n in lines)
    total = sum(price * n for _, price, n in lines)
    at = f"2026-01-0{number}T10:00:00Z"
    return f'{{"id": "o{number}", "customer": "c1", "at": "{at}", "total": {total}, "lines": [{items}]}}'


def products(project: Project) -> list[tuple[str, str, int, float, str]]:
    found = [one["attributes"]["event_properties"] for one in project.all("get_events", **{"page[size]": "1000"})]
    return sorted(
        (p["$event_id"], p["SKU"], p["Quantity"], p["$value"], p["$value_currency"]) for p in found if "SKU" in p
    )


def test_an_event_for_the_order_and_one_for_each_line(project: Project) -> None:
    project.write("orders.jsonl", [order(1, ("tee", 10, 2), ("cap", 5.5, 1)), order(2, ("tee", 10, 1)), order(3)])
    report = project.run(ORDERS)
    assert (report.exit_code, report.classes["confirmed"]) == (0, 3)
    assert products(project) == [
        ("o1:cap", "cap", 1, 5.5, "EUR"),
        ("o1:tee", "tee", 2, 10.0, "EUR"),
        ("o2:tee", "tee", 1, 10.0, "EUR"),
    ]
    assert len(project.all("get_events")) == 6
    before = project.writes()
    assert project.run(ORDERS).classes["unchanged"] == 3
    assert project.writes() == before


def test_lines_can_be_added_to_orders_that_were_sent_before(project: Project) -> None:
    project.write("orders.jsonl", [order(1, ("tee", 10, 2))])
    project.run(ORDERS[: ORDERS.index("each:")])
    assert products(project) == []
    project.run(ORDERS.replace("  unique_id: id || ':' || (item->>'sku')\n", ""))
    assert [p[:2] for p in products(project)] == [("o1:1", "tee")]
    assert len(project.all("get_events")) == 2


def test_a_mistake_in_a_line_s_expression_is_found_at_its_place(project: Project) -> None:
    project.write("orders.jsonl", [order(1, ("tee", 10, 2))])
    (found,) = project.check(ORDERS.replace("SKU: item->>'sku'", "SKU: itm->>'sku'"))
    assert found.startswith("sync.yaml:17:16: each.properties.SKU")
