"""Back-in-stock subscriptions, one by one. That a repetition does no harm is `inferred`."""

from __future__ import annotations

from clavichord.sync.routes.single import Single


class Subscribe(Single):
    name = "back-in-stock.add"
    operation = "create_back_in_stock_subscription"
