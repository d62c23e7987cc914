"""Runs in the environment of klaviyo-api 24.0.0: every operation of Catalogs, Coupons and Custom Objects, once, through
the official SDK on the sandbox whose URL is the argument. Prints {operation: the type that the SDK gave back}.
"""

# mypy: disable-error-code="import-not-found,no-untyped-def,no-untyped-call,type-arg"
# (that environment is not the one this repository is checked in)

import json
import sys

from klaviyo_api import KlaviyoAPI

PREFIX = "$custom:::$default:::"
seen: dict = {}


def keep(api, operation, *args, **kwargs):
    found = getattr(api, operation)(*args, **kwargs)
    seen[operation] = type(found).__name__
    return found


def body(kind, resource_id=None, relationships=None, **attributes):
    data = {"type": kind, "attributes": attributes}
    if resource_id is not None:
        data["id"] = resource_id
    if relationships is not None:
        data["relationships"] = {name: {"data": linkage} for name, linkage in relationships.items()}
    return {"data": data}


def one(kind, name):
    return {"type": kind, "id": name}


def item(name):
    return body("catalog-item", external_id=name, title=name, description="d", url="https://shop.test")


def variant(name):
    stock = {"sku": name, "inventory_quantity": 3, "price": 9.5}
    of = {"item": one("catalog-item", PREFIX + "i")}
    return body(
        "catalog-variant", None, of, external_id=name, title=name, description="d", url="https://shop.test", **stock
    )


def category(name):
    return body("catalog-category", external_id=name, name=name)


def bulk(api, family, plural, singular, make, changed):
    """The three jobs of a family, each listed and read."""
    kind = f"catalog-{singular}"
    named = "catalog_items" if plural == "items" else plural
    target = PREFIX + "bulk"
    entries = {
        "create": make("bulk")["data"],
        "update": body(kind, target, **changed)["data"],
        "delete": one(kind, target),
    }
    for verb, entry in entries.items():
        job = body(f"{kind}-bulk-{verb}-job", **{plural: {"data": [entry]}})
        made = keep(api, f"bulk_{verb}_catalog_{family}", job)
        included = {} if verb == "delete" else {"include": [plural]}
        read = keep(api, f"get_bulk_{verb}_{named}_job", made.data.id, **included)
        assert (read.data.attributes.status, read.data.attributes.errors) == ("complete", []), read
        keep(api, f"get_bulk_{verb}_{named}_jobs", filter='equals(status,"complete")')


def catalogs(k):
    api = k.Catalogs
    made = keep(api, "create_catalog_item", item("i"))
    assert made.data.id == PREFIX + "i"
    keep(api, "create_catalog_category", category("c"))
    keep(api, "create_catalog_variant", variant("v"))
    keep(api, "get_catalog_items", include=["variants"], sort="-created")
    keep(api, "get_catalog_variants", filter='equals(sku,"v")')
    keep(api, "get_catalog_categories", page_size=1)
    for singular in ("item", "variant", "category"):
        name = PREFIX + singular[0]
        keep(api, f"get_catalog_{singular}", name)
        changed = {"name": "New"} if singular == "category" else {"title": "New"}
        keep(api, f"update_catalog_{singular}", name, body(f"catalog-{singular}", name, **changed))
    for near, far, owner, other in (("items", "category", "c", "i"), ("categories", "item", "i", "c")):
        linkage = {"data": [one("catalog-item" if near == "items" else "catalog-category", PREFIX + other)]}
        id_name = {"items": "item", "categories": "category"}[near]
        keep(api, f"add_{near}_to_catalog_{far}", PREFIX + owner, linkage)
        keep(api, f"get_{near}_for_catalog_{far}", PREFIX + owner)
        keep(api, f"get_{id_name}_ids_for_catalog_{far}", PREFIX + owner)
        keep(api, f"update_{near}_for_catalog_{far}", PREFIX + owner, linkage)
        keep(api, f"remove_{near}_from_catalog_{far}", PREFIX + owner, linkage)
    keep(api, "get_variants_for_catalog_item", PREFIX + "i")
    keep(api, "get_variant_ids_for_catalog_item", PREFIX + "i")
    bulk(api, "items", "items", "item", item, {"title": "Newer"})
    bulk(api, "variants", "variants", "variant", variant, {"title": "Newer"})
    bulk(api, "categories", "categories", "category", category, {"name": "Newer"})
    profile = {"data": {"type": "profile", "attributes": {"email": "ann@shop.test"}}}
    wanted = {"variant": one("catalog-variant", PREFIX + "v")}
    stock = body("back-in-stock-subscription", None, wanted, channels=["EMAIL"], profile=profile)
    keep(api, "create_back_in_stock_subscription", stock)
    assert len(k.Events.get_events().data) == 1
    keep(api, "delete_catalog_variant", PREFIX + "v")
    keep(api, "delete_catalog_category", PREFIX + "c")
    keep(api, "delete_catalog_item", PREFIX + "i")


def coupons(k):
    api = k.Coupons
    made = body("coupon", external_id="SALE", monitor_configuration={"low_balance_threshold": 200})
    keep(api, "create_coupon", made)
    keep(api, "get_coupon", "SALE")
    keep(api, "get_coupons")
    keep(api, "update_coupon", "SALE", body("coupon", "SALE", description="New"))
    of = {"coupon": one("coupon", "SALE")}
    code = keep(api, "create_coupon_code", body("coupon-code", None, of, unique_code="X"))
    assert code.data.id == "SALE-X"
    keep(api, "get_coupon_code", "SALE-X", include=["coupon"])
    keep(api, "update_coupon_code", "SALE-X", body("coupon-code", "SALE-X", status="USED"))
    keep(api, "get_coupon_codes", filter='equals(coupon.id,"SALE")', include=["coupon"])
    keep(api, "get_coupon_for_coupon_code", "SALE-X")
    keep(api, "get_coupon_id_for_coupon_code", "SALE-X")
    keep(api, "get_coupon_codes_for_coupon", "SALE")
    keep(api, "get_coupon_code_ids_for_coupon", "SALE")
    entries = {"data": [body("coupon-code", None, of, unique_code=name)["data"] for name in ("X", "Y")]}
    job = keep(api, "bulk_create_coupon_codes", body("coupon-code-bulk-create-job", **{"coupon-codes": entries}))
    read = keep(api, "get_bulk_create_coupon_codes_job", job.data.id, include=["coupon-codes"])
    assert [error.code for error in read.data.attributes.errors] == ["conflict"]
    keep(api, "get_bulk_create_coupon_code_jobs")
    keep(api, "delete_coupon_code", "SALE-X")
    keep(api, "delete_coupon", "SALE")


def record(kind, source, **attributes):
    return body(kind, None, {"data-source": one("data-source", source)}, **attributes)


def custom_objects(k):
    api = k.Custom_Objects
    source = keep(api, "create_data_source", body("data-source", title="Shop")).data.id
    keep(api, "get_data_source", source)
    keep(api, "get_data_sources")
    pet = keep(api, "create_object_type", body("object-type", title="Pet")).data.id
    properties = [{"id": 1, "name": "name", "type": "string"}]
    about = {"object-type": one("object-type", pet)}
    schema = keep(
        api, "create_object_schema", body("object-schema", None, about, title="Pet", properties=properties)
    ).data.id
    assert keep(api, "get_draft_schema_for_object_type", pet).data.id == schema
    keep(api, "get_draft_schema_id_for_object_type", pet)
    mapping = keep(api, "get_source_mapping_for_object_schema", schema).data.id
    keep(api, "get_source_mapping_id_for_object_schema", schema)
    path = {"source_id": source, "id_path": "$['id']", "data_path": "$['name']"}
    mapped = [{"id": 1, "type": "simple", "source": path}]
    keep(api, "update_source_mapping", mapping, body("source-mapping", mapping, property_mappings=mapped))
    keep(api, "get_source_mapping", mapping)
    for name, target in (
        ("object", one("object-schema", schema)),
        ("profile", one("profile-object-schema", "profile")),
    ):
        relation = f"{name}_schema_relationship"
        keep(api, f"create_{relation}", schema, {"data": [{**target, "meta": {"name": name}}]})
        keep(api, f"get_{relation}s", schema)
    included = ["object-schemas", "profile-object-schemas", "source-mapping"]
    read = keep(api, "get_object_schema", schema, include=included)
    metas = {one["type"]: one["attributes"].get("meta") for one in read.to_dict()["included"]}
    # A schema is related to itself here; the SDK's union of included types takes it for the plain schema otherwise.
    for name, target in (
        ("object", one("object-schema", schema)),
        ("profile", one("profile-object-schema", "profile")),
    ):
        relation = f"{name}_schema_relationship"
        known = {"relationship_id": metas[target["type"]]["relationship_id"]}
        keep(api, f"update_{relation}", schema, {"data": {**target, "meta": {**known, "name": "new"}}})
        keep(api, f"delete_{relation}", schema, {"data": [{**target, "meta": known}]})
    keep(api, "get_object_type_relationships", pet)
    keep(api, "get_profile_type_relationships", pet)
    keep(api, "update_object_schema", schema, body("object-schema", schema, status="active"))
    keep(api, "get_current_schema_for_object_type", pet)
    keep(api, "get_current_schema_id_for_object_type", pet)
    keep(api, "get_schema_versions_for_object_type", pet)
    keep(api, "get_schema_version_ids_for_object_type", pet)
    raw = [{"type": "data-source-record", "attributes": {"record": {"id": n, "name": n}}} for n in ("a", 2)]
    keep(
        api,
        "bulk_create_data_source_records",
        record("data-source-record-bulk-create-job", source, **{"data-source-records": {"data": raw}}),
    )
    single = {"data": {"type": "data-source-record", "attributes": {"record": {"id": "c", "name": "C"}}}}
    keep(
        api,
        "create_data_source_record",
        record("data-source-record-create-job", source, **{"data-source-record": single}),
    )
    assert [one.id for one in keep(api, "get_records_for_object_type", pet).data] == [f"{pet}:::a", f"{pet}:::c"]
    keep(api, "get_record_ids_for_object_type", pet)
    keep(api, "get_object_record", f"{pet}:::a")
    logs = keep(api, "get_ingestion_logs_for_object_type", pet, include=["object-type", "object-record"])
    assert [one.attributes.summary for one in logs.data] == ["1 validation error for 2"]
    keep(api, "get_ingestion_log_ids_for_object_type", pet)
    gone = {"object-records": [one("object-record", f"{pet}:::a")]}
    keep(api, "bulk_delete_object_records", body("object-record-bulk-delete-job", None, gone))
    keep(api, "get_object_type", pet, include=["current-schema", "draft-schema", "schema-versions"])
    keep(api, "get_object_types", include=["current-schema", "draft-schema"])
    keep(api, "delete_object_type", pet)
    keep(api, "delete_data_source", source)


def main(base_url):
    k = KlaviyoAPI("pk_catalogs", max_retries=0, test_host=base_url)
    catalogs(k)
    coupons(k)
    custom_objects(k)
    json.dump(seen, sys.stdout)


main(sys.argv[1])
