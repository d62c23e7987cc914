"""Everyday verbs of events."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from types import NoneType
from typing import Any

from msgspec import UNSET, UnsetType

from clavichord.client.errors import ConfigurationError
from clavichord.client.operation import verb


class EventVerbs:
    @verb("create_event", NoneType)
    def track(
        self,
        metric: str,
        *,
        profile: Mapping[str, Any] | str,
        properties: Mapping[str, Any] | UnsetType = UNSET,
        value: float | UnsetType = UNSET,
        value_currency: str | UnsetType = UNSET,
        time: datetime | str | UnsetType = UNSET,
        unique_id: str | UnsetType = UNSET,
        backfill: bool | UnsetType = UNSET,
    ) -> Mapping[str, Any]:
        """Records an event of a profile: `{"email": …}`, any of its attributes, or its id.

        `unique_id` names the occurrence (an order number): a second event of the same profile, metric and unique_id is
        dropped by Klaviyo, so that sending it again is safe. Without one, a fresh one is made, because Klaviyo's own
        default keeps one event per profile, metric and second (FACTS §8.1). `value` is an amount in `value_currency`
        (ISO 4217); `backfill` records history without triggering flows.
        """
        if not metric:
            raise ConfigurationError("events.track: metric is the event's name, it cannot be empty")
        if isinstance(time, datetime) and time.tzinfo is None:
            raise ConfigurationError(f"events.track: time has no time zone ({time.isoformat()}): give it one")
        return {
            "metric": metric,
            "profile": profile,
            "properties": {} if properties is UNSET else properties,
            "value": value,
            "value_currency": value_currency,
            "time": time,
            "unique_id": str(uuid.uuid4()) if unique_id is UNSET else unique_id,
            "backfill": backfill,
        }
