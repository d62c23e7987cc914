"""The ways into Klaviyo, by name."""

from __future__ import annotations

from collections.abc import Mapping

from clavichord.sync.routes.back_in_stock import Subscribe as BackInStock
from clavichord.sync.routes.catalog import CATALOG
from clavichord.sync.routes.consent import Look, Subscribe, Unsubscribe
from clavichord.sync.routes.coupons import AddCodes, PutCoupon
from clavichord.sync.routes.deletions import RequestDeletion
from clavichord.sync.routes.events import BulkEvents
from clavichord.sync.routes.lists import Leave
from clavichord.sync.routes.profiles import Import, Upsert
from clavichord.sync.routes.route import Route
from clavichord.sync.routes.suppressions import Lift, Suppress

ROUTES: Mapping[str, Route] = {
    route.name: route
    for route in (
        Import(),
        Upsert(),
        BulkEvents(),
        Leave(),
        Subscribe(),
        Look(),
        Unsubscribe(),
        Suppress(),
        Lift(),
        *CATALOG,
        PutCoupon(),
        AddCodes(),
        BackInStock(),
        RequestDeletion(),
    )
}
