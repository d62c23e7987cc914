"""Everyday verbs of profiles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, UnsetType

from clavichord.client.errors import ConfigurationError, NotFound
from clavichord.client.models import Profile
from clavichord.client.operation import verb
from clavichord.client.resource import Resource
from clavichord.client.verbs.arguments import exactly_one, one_of, resource_id, resource_ids, seconds
from clavichord.client.verbs.consent import ConsentVerbs
from clavichord.client.work import Work, call, compound, one

if TYPE_CHECKING:
    from typing import Literal

    from clavichord.client.uploads.report import OnResult, UploadReport
    from clavichord.client.verbs.identity import OnConflict


class ProfileVerbs(ConsentVerbs):
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

    @compound
    def find(
        self: Any,
        *,
        email: str | UnsetType = UNSET,
        phone_number: str | UnsetType = UNSET,
        external_id: str | UnsetType = UNSET,
        id: str | UnsetType = UNSET,
        additional_fields: Sequence[Literal["subscriptions", "predictive_analytics"]] | UnsetType = UNSET,
    ) -> Work[Profile | None]:
        """The profile with that identifier, None if there is none. Exactly one identifier.

        Several profiles can share an external_id (FACTS §6.5): SharedIdentifier names them.
        """
        given = {"email": email, "phone_number": phone_number, "external_id": external_id, "id": id}
        name, value = exactly_one("profiles.find", given)
        if name == "id":
            from clavichord.client.ops.profiles import Profiles

            try:
                return (
                    yield from one(call(self, Profiles.get_profile, value, additional_fields_profile=additional_fields))
                )
            except NotFound:
                return None
        from clavichord.client.verbs.identity import SharedIdentifier, lookup

        found = (yield from lookup(self, {name: value}, additional_fields_profile=additional_fields))[name]
        if len(found) > 1:
            raise SharedIdentifier("profiles.find", name, value, [profile.id for profile in found])
        return found[0] if found else None

    @compound
    def create_or_patch(
        self: Any,
        *,
        email: str | UnsetType | None = UNSET,
        phone_number: str | UnsetType | None = UNSET,
        external_id: str | UnsetType | None = UNSET,
        first_name: str | UnsetType | None = UNSET,
        last_name: str | UnsetType | None = UNSET,
        organization: str | UnsetType | None = UNSET,
        title: str | UnsetType | None = UNSET,
        locale: str | UnsetType | None = UNSET,
        image: str | UnsetType | None = UNSET,
        location: Mapping[str, Any] | UnsetType | None = UNSET,
        properties: Mapping[str, Any] | UnsetType = UNSET,
        on_conflict: OnConflict = "raise",
    ) -> Work[Profile]:
        """Creates the profile; if it exists, changes the existing one (POST, on 409 PATCH).

        Unlike `upsert` it says so when the identifiers belong to different profiles, instead of letting Klaviyo choose
        (FACTS §6.5): IdentityConflict tells which identifier belongs to which profile. `on_conflict` answers it
        beforehand: an identifier's name chooses the profile that has it, "merge" merges the others into the profile
        of the first identifier (for good), "skip" changes nothing and returns that profile.
        """
        from clavichord.client.verbs.identity import ANSWERS, create_or_patch

        one_of("profiles.create_or_patch", "on_conflict", on_conflict, ANSWERS)
        identified = {"email": email, "phone_number": phone_number, "external_id": external_id}
        if all(value is UNSET or not value for value in identified.values()):
            raise ConfigurationError("profiles.create_or_patch: needs one of email=, phone_number=, external_id=")
        attributes = {
            **identified,
            "first_name": first_name,
            "last_name": last_name,
            "organization": organization,
            "title": title,
            "locale": locale,
            "image": image,
            "location": location,
            "properties": properties,
        }
        given = {name: value for name, value in attributes.items() if value is not UNSET}
        return (yield from create_or_patch(self, "profiles.create_or_patch", given, on_conflict))

    @compound
    def merge(self: Any, *sources: str | Profile, into: str | Profile) -> Work[None]:
        """Merges `sources` into the profile `into`, for good: they are gone then, though their ids answer for a while.

        What both have stays as it is in `into` (FACTS §6.6). Klaviyo works on it on its own time.
        """
        from clavichord.client.ops.profiles import Profiles

        kept = resource_id("profiles.merge", "into", into)
        ids = [resource_id("profiles.merge", "sources", source) for source in sources]
        if not ids or kept in ids:
            raise ConfigurationError("profiles.merge: needs at least one profile to merge, other than into=")
        for source in dict.fromkeys(ids):
            yield from one(call(self, Profiles.merge_profiles, id=kept, profiles=[source]))

    @compound
    def delete(
        self: Any,
        *,
        email: str | UnsetType = UNSET,
        phone_number: str | UnsetType = UNSET,
        id: str | UnsetType = UNSET,
    ) -> Work[None]:
        """Asks for the deletion of a person's data, for good (data privacy; FACTS §6.9). Exactly one identifier.

        Every profile that has it is deleted, on Klaviyo's own time. NotFound if there is none.
        """
        from clavichord.client.ops.data_privacy import DataPrivacy

        name, value = exactly_one("profiles.delete", {"email": email, "phone_number": phone_number, "id": id})
        person = {"id": value, "attributes": {}} if name == "id" else {name: value}
        yield from one(call(self, DataPrivacy.request_profile_deletion, profile=person))

    @compound
    def upload(
        self: Any,
        rows: Iterable[Mapping[str, Any] | Profile],
        *,
        lists: Sequence[str | Resource] = (),
        wait: bool = True,
        timeout: float = 900.0,
        on_result: OnResult | None = None,
    ) -> Work[UploadReport]:
        """Creates or updates any number of profiles, and adds them to `lists`; returns what became of every row.

        A row is a dict of attributes (`email`, `phone_number`, `external_id`, `first_name`, …, `properties`), with `id`
        and `meta` beside them. None in it does not clear a field, consent is never touched (FACTS §7.1). They go out
        as bulk import jobs of at most 10,000 rows and 5 MB. With `wait` the jobs are followed for up to `timeout`
        seconds after the last one was sent; rows of jobs that are not done by then are `accepted`. `on_result` is
        called with every row's result, and the report then keeps counts only. Raises UploadStopped if the account, the
        network or the request itself ends it half-way. Of several rows for one person Klaviyo does not say which wins.
        """
        from clavichord.client.uploads import rows as prepared
        from clavichord.client.uploads.engine import Upload
        from clavichord.client.uploads.route import bulk

        ids = resource_ids("profiles.upload", "lists", lists)
        route = bulk(
            "bulk_import_profiles",
            "profiles",
            job="get_bulk_import_profiles_job",
            errors="get_errors_for_bulk_import_profiles_job",
            listing="get_bulk_import_profiles_jobs",
            relationships={"lists": {"data": [{"type": "list", "id": id} for id in ids]}} if ids else None,
        )
        seconds("profiles.upload", "timeout", timeout)
        upload = Upload(
            self, "profiles.upload", route, prepared.profile, wait=wait, timeout=timeout, on_result=on_result
        )
        return (yield from upload.work(rows))
