"""What the tags of a message find in an account: links, catalog items, coupon codes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import generic, inferred
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.rendering import Surroundings
from clavichord.sandbox.resources import accounts


class MessageSurroundings(Surroundings):
    """With a profile, a message that is sent: coupon codes are given away. Without, a preview."""

    def __init__(self, engine: Engine, account: str, now: int, profile: str = "", message: str = "") -> None:
        self._engine = engine
        self._account = account
        self._profile = profile
        self._message = message
        self._codes: dict[str, str] = {}
        self.now = now
        known = accounts.attributes(engine.store, account)
        self.zone, self.currency = accounts.zone(known), str(known["preferred_currency"])

    def link(self, kind: str) -> str:
        form = inferred.MESSAGE_LINKS[kind]
        return form.format(account=self._account, profile=self._profile, message=self._message)

    def catalog_item(self, item_id: str) -> Mapping[str, Any] | None:
        """The sandbox's catalogs are all `$custom` (FACTS §9.9)."""
        return generic.load(self._engine.store, self._account, "catalog-item", f"$custom:::$default:::{item_id}")

    def coupon(self, name: str) -> str:
        """The next unassigned code, the same one through a message; "" when the coupon has none left (inferred)."""
        if not self._profile:
            return super().coupon(name)
        if name not in self._codes:
            self._codes[name] = self._assign(name)
        return self._codes[name]

    def _assign(self, name: str) -> str:
        store = self._engine.store
        row = store.one(
            "SELECT id, json_extract(attributes, '$.unique_code') FROM resource WHERE account = ?"
            " AND type = 'coupon-code' AND json_extract(attributes, '$.status') = 'UNASSIGNED'"
            " AND substr(id, 1, ?) = ? ORDER BY created, id LIMIT 1",
            self._account,
            len(name) + 1,
            name + "-",
        )
        if row is None:
            return ""
        store.execute(
            "UPDATE resource SET attributes = json_set(attributes, '$.status', 'ASSIGNED_TO_PROFILE'), updated = ?"
            " WHERE account = ? AND type = 'coupon-code' AND id = ?",
            (self.now, self._account, row[0]),
        )
        generic.link(store, self._account, "coupon-code", row[0], "profile", [self._profile], self.now)
        return str(row[1])
