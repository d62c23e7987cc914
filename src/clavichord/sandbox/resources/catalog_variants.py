"""Variants of catalog items (FACTS §9.9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud, inferred
from clavichord.sandbox.call import Behaviour, Call
from clavichord.sandbox.errors import invalid
from clavichord.sandbox.filters import Column
from clavichord.sandbox.resources import catalogs

KIND = crud.declare(
    crud.Kind(
        type="catalog-variant",
        attributes={
            "external_id": None,
            "title": "",
            "description": "",
            "sku": "",
            "inventory_policy": 0,
            "inventory_quantity": 0,
            "price": 0.0,
            "url": "",
            **catalogs.SHOWN,
        },
        new_id=catalogs.compound_id,
        precision="usec",
        filters={
            "ids": Column("r.id"),
            "item.id": Column(
                "EXISTS (SELECT 1 FROM edge f WHERE f.account = r.account AND f.type = 'catalog-variant'"
                " AND f.id = r.id AND f.relationship = 'item' AND f.target {})"
            ),
        },
    )
)


def _has_item(call: Call, attributes: dict[str, Any]) -> None:
    """Optional in the schema, yet no variant is without an item. That the item exists is checked where it is linked."""
    if not call.data["relationships"]["item"].get("data"):
        raise invalid(inferred.REQUIRED.format(name="data"), pointer="/data/relationships/item/data")


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_catalog_variants": crud.collection,
    "create_catalog_variant": catalogs.create(KIND, "variant", _has_item),
    "get_catalog_variant": crud.item,
    "update_catalog_variant": catalogs.update(KIND),
    "delete_catalog_variant": crud.delete(KIND),
}
