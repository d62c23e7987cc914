"""The short ways to do the everyday things, on top of Klaviyo's operations."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import NoneType
from typing import Any

from msgspec import UNSET, UnsetType

from clavichord.client.errors import ConfigurationError
from clavichord.client.models import Profile
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


class ProfileVerbs:
    @verb("create_or_update_profile", Profile)
    def upsert(
        self,
        *,
        email: str | UnsetType | None = UNSET,
        phone_number: str | UnsetType | None = UNSET,
        external_id: str | UnsetType | None = UNSET,
        id: str | UnsetType = UNSET,
        first_name: str | UnsetType | None = UNSET,
        last_name: str | UnsetType | None = UNSET,
        organization: str | UnsetType | None = UNSET,
        title: str | UnsetType | None = UNSET,
        locale: str | UnsetType | None = UNSET,
        location: Mapping[str, Any] | UnsetType | None = UNSET,
        properties: Mapping[str, Any] | UnsetType = UNSET,
        append: Mapping[str, Any] | UnsetType = UNSET,
        unappend: Mapping[str, Any] | UnsetType = UNSET,
        unset: str | Sequence[str] | UnsetType = UNSET,
    ) -> Mapping[str, Any]:
        """Creates the profile, or updates the one with the same identifier; returns it.

        `properties` are merged key by key. `append` and `unappend` add to and take from array properties, `unset`
        removes properties by name (FACTS §6.4). None clears a field; what is left out stays.
        """
        identified = {"email": email, "phone_number": phone_number, "external_id": external_id, "id": id}
        if all(value is UNSET or not value for value in identified.values()):
            raise ConfigurationError("profiles.upsert: needs one of email=, phone_number=, external_id=, id=")
        patch = {"append": append, "unappend": unappend, "unset": unset}
        patch = {name: value for name, value in patch.items() if value is not UNSET}
        return {
            **identified,
            "first_name": first_name,
            "last_name": last_name,
            "organization": organization,
            "title": title,
            "locale": locale,
            "location": location,
            "properties": properties,
            "patch_properties": patch or UNSET,
        }
