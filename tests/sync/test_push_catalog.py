"""The catalog: created, updated with prices and stock, and what becomes of products that are gone."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.sync.push_project import Project

from clavichord.sandbox.serve import Running, running

CATEGORIES = """\
sync: categories
from: {file: categories.csv, key: id}
to: catalog.categories
map: {external_id: id, name: name}
"""
ITEMS = """\
sync: items
from: {file: items.csv, key: sku}
to: catalog.items
map:
  external_id: sku
  title: title
  description: title
  url: "'https://shop.test/' || sku"
  price: price
  published: "true"
  custom_metadata: {Colour: colour}
categories: string_split(categories, ' ')
"""
VARIANTS = """\
sync: variants
from: {file: variants.csv, key: sku}
to: catalog.variants
map:
  external_id: sku
  sku: sku
  title: sku
  description: sku
  url: "'https://shop.test'"
  price: price
  inventory_quantity: stock
item: item
"""
PREFIX = "$custom:::$default:::"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(limits="off", job_delay=0.02) as served:
        yield served


@pytest.fixture
def project(tmp_path: Path, server: Running) -> Project:
    project = Project(tmp_path, server.base_url, f"pk_catalog_{next(_numbers)}")
    project.write("categories.csv", "id,name\ntops,Tops\nsale,Sale\n")
    return project


def items(project: Project, numbers: range, **changed: str) -> None:
    lines = ["sku,title,price,colour,categories"]
    lines += [f"s{i},Tee {i},{changed.get(f's{i}', f'{i}.5')},red,tops{' sale' if i % 2 else ''}" for i in numbers]
    project.write("items.csv", lines)


def there(project: Project, kind: str) -> dict[str, dict[str, Any]]:
    return {one["id"].removeprefix(PREFIX): one["attributes"] for one in project.all(f"get_catalog_{kind}")}


def test_items_with_their_categories_and_a_price_that_changes(project: Project) -> None:
    items(project, range(230))
    assert project.run(CATEGORIES).exit_code == 0
    report = project.run(ITEMS)
    assert (report.exit_code, report.classes["confirmed"]) == (0, 230)
    assert report.requests["bulk_create_catalog_items"] == 3
    found = there(project, "items")
    assert len(found) == 230
    assert (found["s7"]["title"], found["s7"]["price"], found["s7"]["custom_metadata"]) == (
        "Tee 7",
        7.5,
        {"Colour": "red"},
    )
    with project.klaviyo() as k:
        pages = k.pages("get_items_for_catalog_category", path={"id": f"{PREFIX}sale"}, query={"page[size]": "100"})
        assert sum(len(page.json()["data"]) for page in pages) == 115
    before = project.writes()
    assert project.run(ITEMS).classes["unchanged"] == 230
    assert project.writes() == before

    items(project, range(230), s7="99", s8="98")
    report = project.run(ITEMS)
    assert (report.changed, report.classes["confirmed"]) == (2, 2)
    assert report.requests["bulk_update_catalog_items"] == 1
    assert "bulk_create_catalog_items" not in report.requests
    assert (there(project, "items")["s7"]["price"], there(project, "items")["s9"]["price"]) == (99, 9.5)


def test_what_klaviyo_already_has_is_updated_and_not_refused(project: Project) -> None:
    items(project, range(3))
    project.run(CATEGORIES)
    project.run(ITEMS)
    for file in (project.root / ".clavichord").rglob("*"):
        if file.is_file():
            file.unlink()
    items(project, range(5), s1="77")
    report = project.run(ITEMS)
    assert (report.exit_code, report.classes["confirmed"]) == (0, 5)
    assert there(project, "items")["s1"]["price"] == 77


def test_variants_follow_their_items_with_the_stock(project: Project) -> None:
    items(project, range(2))
    project.run(CATEGORIES)
    project.run(ITEMS)
    project.write("variants.csv", "sku,item,price,stock\ns0-m,s0,1,5\ns0-l,s0,1,0\ns1-m,s1,2,3\n")
    assert project.run(VARIANTS).exit_code == 0
    project.write("variants.csv", "sku,item,price,stock\ns0-m,s0,1,4\ns0-l,s0,1,0\ns1-m,s1,2,3\n")
    assert project.run(VARIANTS).changed == 1
    assert {sku: one["inventory_quantity"] for sku, one in there(project, "variants").items()} == {
        "s0-m": 4, "s0-l": 0, "s1-m": 3,
    }  # fmt: skip


def test_products_that_are_gone_are_kept_unpublished_or_deleted(project: Project) -> None:
    items(project, range(30))
    project.run(CATEGORIES)
    project.run(ITEMS)
    items(project, range(1, 30))
    assert project.run(ITEMS).removed == {}
    report = project.run(ITEMS + "gone: unpublish\n")
    assert report.removed == {"confirmed": 1}
    assert {sku for sku, one in there(project, "items").items() if not one["published"]} == {"s0"}
    assert project.run(ITEMS + "gone: unpublish\n").removed == {}
    items(project, range(2, 30))
    assert project.run(ITEMS + "gone: delete\n").removed == {"confirmed": 1}
    assert "s1" not in there(project, "items")
    items(project, range(1, 30))  # back again
    project.run(ITEMS + "gone: delete\n")
    assert "s1" in there(project, "items")
    items(project, range(2))  # an export that broke off
    report = project.run(ITEMS + "gone: delete\n")
    assert report.removed == {"held": 28}
    assert len(there(project, "items")) == 30


def test_bad_products_are_put_aside_and_named(project: Project) -> None:
    project.run(CATEGORIES)
    project.write("items.csv", _BAD)
    report = project.run(ITEMS)
    assert {(g.code, g.samples[0].key, g.row_class) for g in report.groups if g.row_class == "quarantined"} == {
        ("catalog.incomplete", "no title", "quarantined"),
        ("expression.failed", "price", "quarantined"),
    }
    (refused,) = [g for g in report.groups if g.row_class == "rejected"]
    assert [s.key for s in refused.samples] == ["lost"]
    assert set(there(project, "items")) == {"ok"}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("price: price", "prise: price", 'an item has no field "prise" → did you mean "price"?'),
        ("  title: title\n", "", "a creation needs title"),
        ("custom_metadata: {Colour: colour}", "custom_metadata: colour", "custom_metadata is a mapping"),
        ("to: catalog.items", "to: catalog.item", 'did you mean "catalog.items"?'),
    ],
)
def test_what_is_said(project: Project, old: str, new: str, said: str) -> None:
    from clavichord.sync.mistakes import InvalidDefinition

    items(project, range(1))
    try:
        found = "\n".join(project.check(ITEMS.replace(old, new)))
    except InvalidDefinition as error:
        found = str(error)
    assert said in found


_BAD = """\
sku,title,price,colour,categories
ok,Tee,1,red,tops
no title,,1,red,tops
price,Tee,dear,red,tops
lost,Tee,1,red,nowhere
"""
