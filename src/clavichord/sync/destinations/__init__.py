"""What rows can become: every `to:` of a sync file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sync.definition import SyncDefinition
from clavichord.sync.destination import Destination
from clavichord.sync.destinations.back_in_stock import BackInStock
from clavichord.sync.destinations.catalog import CATALOG
from clavichord.sync.destinations.coupons import CouponCodes, Coupons
from clavichord.sync.destinations.deletions import Deletions
from clavichord.sync.destinations.events import Events
from clavichord.sync.destinations.lists import Lists
from clavichord.sync.destinations.profiles import Profiles
from clavichord.sync.destinations.suppressions import Suppressions

DESTINATIONS: Mapping[str, Destination[Any]] = {
    destination.to: destination
    for destination in (
        Profiles(),
        Events(),
        Lists(),
        Suppressions(),
        *CATALOG,
        Coupons(),
        CouponCodes(),
        BackInStock(),
        Deletions(),
    )
}


def destination_of(definition: SyncDefinition) -> Destination[Any]:
    return DESTINATIONS[definition.to]
