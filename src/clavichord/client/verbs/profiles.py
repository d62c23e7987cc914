"""Everyday verbs of profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import UNSET, UnsetType

from clavichord.client.errors import ConfigurationError
from clavichord.client.models import Profile
from clavichord.client.operation import verb


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
