"""Catalog items, and the categories they are in (FACTS §9.9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud
from clavichord.sandbox.call import Behaviour, Call
from clavichord.sandbox.filters import Column
from clavichord.sandbox.resources import catalogs

KIND = crud.declare(
    crud.Kind(
        type="catalog-item",
        attributes={
            "external_id": None,
            "title": "",
            "description": "",
            "price": None,
            "url": "",
            **catalogs.SHOWN,
        },
        new_id=catalogs.compound_id,
        precision="usec",
        inverse={"variants": "item"},
        filters={
            "ids": Column("r.id"),
            "category.id": Column(
                "EXISTS (SELECT 1 FROM edge f WHERE f.account = r.account AND f.type = 'catalog-item' AND f.id = r.id"
                " AND f.relationship = 'categories' AND f.target {})"
            ),
        },
    )
)


def _erase_variants(call: Call, item_id: str, attributes: dict[str, Any]) -> None:
    """Variants go with their item (inferred)."""
    for variant_id in crud.targets(call, "catalog-item", item_id, "variants"):
        crud.erase(call, "catalog-variant", variant_id)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_catalog_items": crud.collection,
    "create_catalog_item": catalogs.create(KIND, "item"),
    "get_catalog_item": crud.item,
    "update_catalog_item": catalogs.update(KIND),
    "delete_catalog_item": crud.delete(KIND, after=_erase_variants),
    "get_variants_for_catalog_item": crud.related,
    "get_variant_ids_for_catalog_item": crud.related,
    "get_categories_for_catalog_item": crud.related,
    "get_category_ids_for_catalog_item": crud.related,
    "add_categories_to_catalog_item": crud.add(catalogs.related_already("category")),
    "update_categories_for_catalog_item": crud.replace(),
    "remove_categories_from_catalog_item": crud.remove(),
}
