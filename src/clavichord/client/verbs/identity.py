"""Two profiles claim the identifiers of one person: what is wrong, and the three answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

from clavichord.client.errors import Conflict, KlaviyoError
from clavichord.client.models import Profile
from clavichord.client.uploads.rows import IDENTIFIERS
from clavichord.client.work import Work, call, every, one, page, rest

OnConflict: TypeAlias = Literal["raise", "email", "phone_number", "external_id", "merge", "skip"]
ANSWERS: tuple[OnConflict, ...] = ("raise", "email", "phone_number", "external_id", "merge", "skip")
MERGE_PAUSES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0)
"""seconds between attempts while Klaviyo works on a merge, which it does on its own time (FACTS §6.6)"""


class IdentityConflict(KlaviyoError):
    """The identifiers of one call belong to different profiles. `owners` tells which to which."""

    def __init__(self, verb: str, given: Mapping[str, str], owners: Mapping[str, str]) -> None:
        super().__init__(verb, given, owners)
        self.verb = verb
        self.given = dict(given)
        """identifier → its value, as it was given"""
        self.owners = dict(owners)
        """identifier → the id of the profile that has it"""

    def __str__(self) -> str:
        claims = [f"{name}={self.given[name]!r} belongs to profile {owner}" for name, owner in self.owners.items()]
        first = next(iter(self.owners))
        return (
            f"{self.verb}: two profiles claim this person: {', '.join(claims)}. Answer with on_conflict=: "
            f"{first!r} (or another of the identifiers) changes the profile that has it and leaves the others theirs; "
            "'merge' merges the others into the profile of the first identifier, for good; 'skip' changes nothing"
        )


class SharedIdentifier(KlaviyoError):
    """Several profiles have the same identifier. `profile_ids` names them."""

    def __init__(self, verb: str, name: str, value: str, profile_ids: Sequence[str]) -> None:
        super().__init__(verb, name, value, profile_ids)
        self.verb, self.name, self.value, self.profile_ids = verb, name, value, list(profile_ids)

    def __str__(self) -> str:
        return (
            f"{self.verb}: several profiles have {self.name}={self.value!r}: {', '.join(self.profile_ids)}. "
            "Merge them with profiles.merge, or ask by id"
        )


def lookup(face: Any, given: Mapping[str, str], **options: Any) -> Work[dict[str, list[Profile]]]:
    """identifier → the profiles that have it, two at most."""
    from clavichord.client.filters import F
    from clavichord.client.ops.profiles import Profiles

    calls = [
        page(face, Profiles.get_profiles, filter=F[name] == value, page_size=2, **options)
        for name, value in given.items()
    ]
    found = yield from every(calls)
    return dict(zip(given, found, strict=True))


def create_or_patch(face: Any, verb: str, attributes: Mapping[str, Any], on_conflict: OnConflict) -> Work[Profile]:
    """Creates; on a 409 changes the profile that exists; on a second one answers as `on_conflict` says."""
    from clavichord.client.ops.profiles import Profiles

    try:
        return (yield from one(call(face, Profiles.create_profile, **attributes)))
    except Conflict as conflict:
        existing = conflict.duplicate_profile_id
        if existing is None:
            raise
    given = {name: attributes[name] for name in IDENTIFIERS if attributes.get(name)}
    owners = yield from _owners(face, given, existing)
    if len(set(owners.values())) > 1:
        return (yield from _answered(face, verb, attributes, given, owners, on_conflict))
    return (yield from one(call(face, Profiles.update_profile, existing, **attributes)))


def _owners(face: Any, given: Mapping[str, str], existing: str) -> Work[dict[str, str]]:
    if len(given) == 1:
        return dict.fromkeys(given, existing)
    found = yield from lookup(face, given, fields_profile=["email"])
    return {name: profiles[0].id for name, profiles in found.items() if profiles}


def _answered(
    face: Any,
    verb: str,
    attributes: Mapping[str, Any],
    given: Mapping[str, str],
    owners: Mapping[str, str],
    answer: OnConflict,
) -> Work[Profile]:
    from clavichord.client.ops.profiles import Profiles

    first = next(iter(owners.values()))
    if answer == "skip":
        return (yield from one(call(face, Profiles.get_profile, first)))
    if answer == "merge":
        for source in dict.fromkeys(owner for owner in owners.values() if owner != first):
            yield from one(call(face, Profiles.merge_profiles, id=first, profiles=[source]))
        return (yield from _patient(face, first, attributes))
    if answer not in owners:  # raise, or an identifier that nobody has
        raise IdentityConflict(verb, given, owners)
    chosen = owners[answer]
    own = {name: value for name, value in attributes.items() if owners.get(name, chosen) == chosen}
    return (yield from one(call(face, Profiles.update_profile, chosen, **own)))


def _patient(face: Any, id: str, change: Mapping[str, Any]) -> Work[Profile]:
    """A change of the merged profile, once the merge has freed its identifiers. Raises the last Conflict."""
    from clavichord.client.ops.profiles import Profiles

    for pause in MERGE_PAUSES:
        try:
            return (yield from one(call(face, Profiles.update_profile, id, **change)))
        except Conflict:
            yield from one(rest(pause))
    return (yield from one(call(face, Profiles.update_profile, id, **change)))
