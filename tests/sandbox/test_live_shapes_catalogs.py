"""Catalogs, coupons and data sources against what the real API answered on 2026-09-04 (see test_live_shapes.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.sandbox.catalog_api import (
    at,
    bulk,
    category,
    change,
    code,
    codes_job,
    coupon,
    data_source,
    item,
    links,
    make,
    variant,
)
from tests.sandbox.sandbox_api import Api, Reply
from tests.sandbox.test_live_shapes import hold

from clavichord.sandbox.serve import running

_FILE = Path(__file__).with_name("live_shapes_catalogs.jsonl")
RECORDS = [msgspec.json.decode(line) for line in _FILE.read_bytes().splitlines()]
IMAGES: dict[str, Any] = {"image_full_url": "i", "image_thumbnail_url": "i", "images": ["i"]}


@pytest.fixture
def accounts() -> Iterator[tuple[Api, Api]]:
    """One whose jobs are done at once, one whose jobs stay accepted."""
    with running(job_delay=0) as quick, running(job_delay=3600) as slow:
        yield Api(quick.base_url, "pk_live"), Api(slow.base_url, "pk_live")


def send(record: dict[str, Any], api: Api, slow: Api) -> Reply:
    make(api, category("c"), item("i", "c", price=1.5, **IMAGES), variant("v", "i"), variant("w", "i"))
    for account in (api, slow):
        make(account, coupon("SALE", description="Ten off"))
    make(api, coupon("OTHER"), code("X1", "SALE"))
    sources = [data_source(api, title, description="d").data["id"] for title in ("One", "Two")]
    path, query, operation = record["path"], record["query"], record["operation"]

    def linked(method: str) -> Reply:
        name = "j" if method == "POST" else "i"
        make(api, item("j"))
        return api(method, at("categories", "c", "/relationships/items"), {"data": links("item", name)})

    def new_variant() -> Reply:
        data = variant("n", "i", price=1.5, custom_metadata={"a": 1}, **IMAGES)
        return api("POST", path, {"data": data}, query=query)

    def codes_of_job() -> Reply:
        job_id = codes_job(slow, code("Y", "SALE")).data["id"]
        return slow.get(path.replace("{job_id}", job_id), **query)

    def second_page() -> Reply:
        first = api.get(path, **{"page[size]": "1"})
        return api("GET", path, query=first.json["links"]["next"].partition("?")[2])

    special: dict[tuple[str, int], Callable[[], Reply]] = {
        ("create_catalog_variant", 201): new_variant,
        ("create_catalog_category", 201): lambda: api("POST", path, {"data": category("n")}),
        ("update_catalog_item", 200): lambda: change(api, "items", "i", title="New"),
        ("bulk_create_catalog_items", 202): lambda: bulk(slow, "item", "create", item("n")),
        ("create_coupon", 201): lambda: api(
            "POST",
            path,
            {"data": coupon("N", description="d", monitor_configuration={"low_balance_threshold": 100})},
        ),
        ("get_coupon_code", 200): lambda: api.get("/api/coupon-codes/SALE-X1", **query),
        ("get_coupon_code", 404): lambda: api.get("/api/coupon-codes/SALE-NONE"),
        ("bulk_create_coupon_codes", 202): lambda: codes_job(slow, code("Y", "SALE")),
        ("get_bulk_create_coupon_codes_job", 200): codes_of_job,
        ("add_items_to_catalog_category", 204): lambda: linked("POST"),
        ("update_items_for_catalog_category", 204): lambda: linked("PATCH"),
        ("remove_items_from_catalog_category", 204): lambda: linked("DELETE"),
        ("delete_catalog_category", 204): lambda: api("DELETE", at("categories", "c")),
        ("delete_catalog_item", 204): lambda: api("DELETE", at("items", "i")),
        ("delete_catalog_item", 404): lambda: api("DELETE", at("items", "none")),
        ("delete_coupon", 204): lambda: api("DELETE", "/api/coupons/SALE"),
        ("delete_data_source", 204): lambda: api("DELETE", f"/api/data-sources/{sources[0]}"),
        ("create_data_source", 201): lambda: data_source(api, "Three", description="d"),
        ("get_data_sources", 200): second_page,
        ("get_catalog_variant", 404): lambda: api.get(at("variants", "none")),
        ("get_object_type", 404): lambda: api.get("/api/object-types/NONE"),
        ("get_variant_ids_for_catalog_item", 200): lambda: api.get(
            at("items", "i", "/relationships/variants"), **{**query, "filter": 'contains(title,"variant")'}
        ),
        ("get_coupons", 200): lambda: api.get(path, **query),
    }
    return special[operation, record["status"]]()


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: f"{record['operation']}.{record['status']}")
def test_answers_have_the_recorded_shape(record: dict[str, Any], accounts: tuple[Api, Api]) -> None:
    hold(record, send(record, *accounts))


def test_restated_records_are_all_driven() -> None:
    assert len(RECORDS) == 23
