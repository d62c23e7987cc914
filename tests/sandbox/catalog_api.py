"""Bodies of catalogs, coupons and custom objects, for tests over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from tests.sandbox.sandbox_api import Api, Reply

PREFIX = "$custom:::$default:::"


def at(kind: str, name: str, tail: str = "") -> str:
    """The path of something in the catalog, its compound id encoded."""
    return f"/api/catalog-{kind}/{quote(PREFIX + name, safe='')}{tail}"


def links(kind: str, *names: str) -> list[dict[str, str]]:
    """Identifiers of things in the catalog."""
    return [{"type": f"catalog-{kind}", "id": PREFIX + name} for name in names]


def item(name: str, *categories: str, **attributes: Any) -> dict[str, Any]:
    given = {"external_id": name, "title": f"Item {name}", "description": "…", "url": "https://shop.test", **attributes}
    found: dict[str, Any] = {"type": "catalog-item", "attributes": given}
    if categories:
        found["relationships"] = {"categories": {"data": links("category", *categories)}}
    return found


def variant(name: str, of: str, **attributes: Any) -> dict[str, Any]:
    given = {
        "external_id": name,
        "title": f"Variant {name}",
        "description": "…",
        "sku": f"SKU-{name}",
        "inventory_quantity": 5,
        "price": 10,
        "url": "https://shop.test",
        **attributes,
    }
    linked = {"item": {"data": links("item", of)[0]}}
    return {"type": "catalog-variant", "attributes": given, "relationships": linked}


def category(name: str, *items: str) -> dict[str, Any]:
    given = {"external_id": name, "name": f"Category {name}"}
    found: dict[str, Any] = {"type": "catalog-category", "attributes": given}
    if items:
        found["relationships"] = {"items": {"data": links("item", *items)}}
    return found


def make(api: Api, *entries: Mapping[str, Any]) -> None:
    """Creates each by its single operation."""
    for entry in entries:
        collection = {"catalog-category": "catalog-categories"}.get(entry["type"], entry["type"] + "s")
        reply = api("POST", f"/api/{collection}", {"data": entry})
        assert reply.status in (200, 201), reply.body


def change(api: Api, kind: str, name: str, /, **attributes: Any) -> Reply:
    type_name = {"items": "catalog-item", "variants": "catalog-variant", "categories": "catalog-category"}[kind]
    data = {"type": type_name, "id": PREFIX + name, "attributes": attributes}
    return api("PATCH", at(kind, name), {"data": data})


def bulk(api: Api, kind: str, verb: str, *entries: Mapping[str, Any]) -> Reply:
    """`kind`: item, variant or category"""
    name = "categories" if kind == "category" else kind + "s"
    job = f"catalog-{kind}-bulk-{verb}-job"
    data = {"type": job, "attributes": {name: {"data": list(entries)}}}
    return api("POST", f"/api/{job}s", {"data": data})


def coupon(name: str, **attributes: Any) -> dict[str, Any]:
    return {"type": "coupon", "attributes": {"external_id": name, **attributes}}


def code(unique_code: str, of: str, **attributes: Any) -> dict[str, Any]:
    return {
        "type": "coupon-code",
        "attributes": {"unique_code": unique_code, **attributes},
        "relationships": {"coupon": {"data": {"type": "coupon", "id": of}}},
    }


def codes_job(api: Api, *entries: Mapping[str, Any]) -> Reply:
    data = {"type": "coupon-code-bulk-create-job", "attributes": {"coupon-codes": {"data": list(entries)}}}
    return api("POST", "/api/coupon-code-bulk-create-jobs", {"data": data})


def data_source(api: Api, title: str, **attributes: Any) -> Reply:
    data = {"type": "data-source", "attributes": {"title": title, **attributes}}
    return api("POST", "/api/data-sources", {"data": data})


def records(api: Api, source_id: str, *found: Mapping[str, Any]) -> Reply:
    entries = [{"type": "data-source-record", "attributes": {"record": one}} for one in found]
    data = {
        "type": "data-source-record-bulk-create-job",
        "attributes": {"data-source-records": {"data": entries}},
        "relationships": {"data-source": {"data": {"type": "data-source", "id": source_id}}},
    }
    return api("POST", "/api/data-source-record-bulk-create-jobs", {"data": data})
