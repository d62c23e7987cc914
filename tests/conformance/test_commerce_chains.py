"""Catalogs, coupons and custom objects through each official SDK."""

from __future__ import annotations

from typing import Any

import pytest
from tests.conformance.every_operation import CUSTOM
from tests.conformance.official_sdk import Account, body, ref, refs
from tests.conformance.test_people_chains import some

_GOODS = {"description": "d", "url": "https://shop.test"}


def item(name: str) -> dict[str, Any]:
    return body("catalog-item", external_id=name, title=name, **_GOODS)


def variant(name: str, of: str = "shirt") -> dict[str, Any]:
    stock = {"sku": name, "inventory_quantity": 3, "price": 9.5}
    owner = {"item": ref("catalog-item", CUSTOM + of)}
    return body("catalog-variant", external_id=name, title=name, **_GOODS, **stock, relationships=owner)


def category(name: str) -> dict[str, Any]:
    return body("catalog-category", external_id=name, name=name)


def test_items_in_categories_with_variants(account: Account) -> None:
    for name in ("shirt", "shoe"):
        assert account.create_catalog_item(item(name))["data"]["id"] == CUSTOM + name
    tops = account.create_catalog_category(category("tops"))["data"]["id"]
    for name in ("small", "large"):
        account.create_catalog_variant(variant(name))
    shirt = {"data": refs("catalog-item", CUSTOM + "shirt")}
    account.add_items_to_catalog_category(tops, shirt)
    refused = account.refused("add_items_to_catalog_category", tops, shirt)
    assert (refused.status, refused.code) == (409, "conflict")
    assert [row["id"] for row in account.get_categories_for_catalog_item(CUSTOM + "shirt")["data"]] == [tops]
    found = account.get_catalog_items(filter=f'equals(category.id,"{tops}")', include=["variants"])
    assert [row["id"] for row in found["data"]] == [CUSTOM + "shirt"]
    assert {row["id"] for row in found["included"]} == {CUSTOM + "small", CUSTOM + "large"}
    assert [row["id"] for row in account.get_catalog_variants(filter='equals(sku,"large")')["data"]] == [
        CUSTOM + "large"
    ]
    pages = list(account.pages("get_variants_for_catalog_item", CUSTOM + "shirt", page_size=1))
    assert [len(page) for page in pages] == [1, 1]
    account.update_items_for_catalog_category(tops, {"data": refs("catalog-item", CUSTOM + "shoe")})
    assert [row["id"] for row in account.get_item_ids_for_catalog_category(tops)["data"]] == [CUSTOM + "shoe"]
    account.remove_items_from_catalog_category(tops, {"data": refs("catalog-item", CUSTOM + "shoe")})
    assert account.get_items_for_catalog_category(tops)["data"] == []
    account.delete_catalog_item(CUSTOM + "shirt")
    assert account.refused("get_catalog_variant", CUSTOM + "small").status == 404


@pytest.mark.parametrize(
    ("singular", "plural", "jobs", "make"),
    [
        ("item", "items", "catalog_items", item),
        ("variant", "variants", "variants", variant),
        ("category", "categories", "categories", category),
    ],
    ids=["item", "variant", "category"],
)
def test_bulk_jobs(account: Account, singular: str, plural: str, jobs: str, make: Any) -> None:
    account.create_catalog_item(item("shirt"))
    kind, names = f"catalog-{singular}", ("one", "two")
    text = "name" if singular == "category" else "title"
    entries = {
        "create": [make(name)["data"] for name in names],
        "update": [body(kind, CUSTOM + name, **{text: "New"})["data"] for name in names],
        "delete": refs(kind, *(CUSTOM + name for name in names)),
    }
    made = {}
    for verb, rows in entries.items():
        job = body(f"{kind}-bulk-{verb}-job", **{plural: {"data": rows}})
        made[verb] = account.call(f"bulk_{verb}_catalog_{plural}", job).value["data"]["id"]
        read = account.call(f"get_bulk_{verb}_{jobs}_job", made[verb]).value["data"]["attributes"]
        assert [read[one] for one in ("status", "completed_count", "failed_count")] == ["complete", 2, 0]
        rows = account.call(f"get_bulk_{verb}_{jobs}_jobs", filter='equals(status,"complete")').value["data"]
        assert [row["id"] for row in rows] == [made[verb]]
        if verb == "update":
            assert account.call(f"get_catalog_{singular}", CUSTOM + "two").value["data"]["attributes"][text] == "New"
    assert account.refused(f"get_catalog_{singular}", CUSTOM + "one").status == 404


def test_back_in_stock(account: Account) -> None:
    account.create_catalog_item(item("shirt"))
    account.create_catalog_variant(variant("small"))
    ann = {"data": {"type": "profile", "attributes": {"email": "ann@shop.test"}}}

    def wanted(name: str) -> dict[str, Any]:
        relation = {"variant": ref("catalog-variant", CUSTOM + name)}
        return body("back-in-stock-subscription", channels=["EMAIL"], profile=ann, relationships=relation)

    account.create_back_in_stock_subscription(wanted("small"))
    (event,) = account.get_events(include=["metric"])["data"]
    metric = account.get_metric_for_event(event["id"])["data"]
    assert metric["attributes"]["name"] == "Subscribed to Back in Stock"
    assert account.get_profile_for_event(event["id"])["data"]["attributes"]["email"] == "ann@shop.test"
    assert account.refused("create_back_in_stock_subscription", wanted("gone")).status in (400, 404)


def test_coupons_and_their_codes(account: Account) -> None:
    account.create_coupon(body("coupon", external_id="SALE", monitor_configuration={"low_balance_threshold": 200}))
    sale = {"coupon": ref("coupon", "SALE")}
    code = account.create_coupon_code(body("coupon-code", unique_code="X", relationships=sale))["data"]["id"]
    assert code == "SALE-X"
    rows = [body("coupon-code", unique_code=name, relationships=sale)["data"] for name in ("X", "Y", "Z")]
    job = account.bulk_create_coupon_codes(body("coupon-code-bulk-create-job", **{"coupon-codes": {"data": rows}}))
    read = account.get_bulk_create_coupon_codes_job(job["data"]["id"], include=["coupon-codes"])
    assert [error["code"] for error in read["data"]["attributes"]["errors"]] == ["conflict"]
    assert [read["data"]["attributes"][one] for one in ("completed_count", "failed_count")] == [2, 1]
    assert len(account.get_coupon_codes_for_coupon("SALE")["data"]) == 3
    account.update_coupon_code(code, body("coupon-code", code, status="USED"))
    used = account.get_coupon_codes(filter='equals(coupon.id,"SALE"),equals(status,"USED")', include=["coupon"])
    assert [row["id"] for row in used["data"]] == [code]
    assert [row["id"] for row in used["included"]] == ["SALE"]
    assert account.get_coupon_for_coupon_code(code)["data"]["id"] == "SALE"
    account.delete_coupon("SALE")
    assert account.refused("get_coupon", "SALE").status == 404
    assert account.refused("get_coupon_code", code).status == 404


def test_custom_objects_from_raw_records(account: Account) -> None:
    source = account.create_data_source(body("data-source", title="Shop"))["data"]["id"]
    pet = account.create_object_type(body("object-type", title="Pet"))["data"]["id"]
    about = {"object-type": ref("object-type", pet)}
    properties = [{"id": 1, "name": "name", "type": "string"}]
    draft = body("object-schema", title="Pet", properties=properties, relationships=about)
    schema = account.create_object_schema(draft)["data"]["id"]
    assert account.get_draft_schema_for_object_type(pet)["data"]["id"] == schema
    mapping = account.get_source_mapping_for_object_schema(schema)["data"]["id"]
    path = {"source_id": source, "id_path": "$['id']", "data_path": "$['name']"}
    mapped = [{"id": 1, "type": "simple", "source": path}]
    account.update_source_mapping(mapping, body("source-mapping", mapping, property_mappings=mapped))
    account.create_profile_schema_relationship(
        schema, {"data": [ref("profile-object-schema", "profile") | {"meta": {"name": "owner"}}]}
    )
    assert [row["id"] for row in account.get_profile_schema_relationships(schema)["data"]] == ["profile"]
    account.update_object_schema(schema, body("object-schema", schema, status="active"))
    assert account.get_current_schema_for_object_type(pet)["data"]["id"] == schema
    assert account.refused("update_object_schema", schema, body("object-schema", schema, title="Dog")).status == 400

    feed = {"data-source": ref("data-source", source)}
    records = some(
        "data-source-record", *({"record": {"id": one, "name": one}} for one in ("rex", "tom")), {"record": {}}
    )
    job = {"data-source-records": records}
    account.bulk_create_data_source_records(body("data-source-record-bulk-create-job", **job, relationships=feed))
    pages = list(account.pages("get_records_for_object_type", pet, page_size=1))
    assert [page[0]["id"] for page in pages] == [f"{pet}:::rex", f"{pet}:::tom"]
    assert len(account.get_ingestion_logs_for_object_type(pet)["data"]) == 1
    gone = body(
        "object-record-bulk-delete-job", relationships={"object-records": refs("object-record", f"{pet}:::rex")}
    )
    gone["data"].pop("attributes")
    account.bulk_delete_object_records(gone)
    assert account.refused("get_object_record", f"{pet}:::rex").status == 404
    account.delete_object_type(pet)
    assert account.refused("get_object_type", pet).status == 404
    account.delete_data_source(source)
    assert account.refused("get_data_source", source).status == 404
