"""Catalog categories, and the items in them (FACTS §9.9)."""

from __future__ import annotations

from collections.abc import Mapping

from clavichord.sandbox import crud
from clavichord.sandbox.call import Behaviour
from clavichord.sandbox.filters import Column
from clavichord.sandbox.resources import catalogs

KIND = crud.declare(
    crud.Kind(
        type="catalog-category",
        attributes={"external_id": None, "name": "", "updated": None},
        new_id=catalogs.compound_id,
        created="",
        precision="usec",
        inverse={"items": "categories"},
        filters={
            "ids": Column("r.id"),
            "item.id": Column(
                "EXISTS (SELECT 1 FROM edge f WHERE f.account = r.account AND f.type = 'catalog-item'"
                " AND f.target = r.id AND f.relationship = 'categories' AND f.id {})"
            ),
        },
    )
)

BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_catalog_categories": crud.collection,
    "create_catalog_category": catalogs.create(KIND, "category"),
    "get_catalog_category": crud.item,
    "update_catalog_category": catalogs.update(KIND),
    "delete_catalog_category": crud.delete(KIND),
    "get_items_for_catalog_category": crud.related,
    "get_item_ids_for_catalog_category": crud.related,
    "add_items_to_catalog_category": crud.add(catalogs.related_already("item")),
    "update_items_for_catalog_category": crud.replace(),
    "remove_items_from_catalog_category": crud.remove(),
}
