"""Profiles: list, read, create, update, import (FACTS §6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clavichord.sandbox import generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import SECOND, seconds
from clavichord.sandbox.documents import Linkage, Resource
from clavichord.sandbox.errors import Refusal, conflict, invalid
from clavichord.sandbox.filters import Column, Literal
from clavichord.sandbox.ids import exchanged
from clavichord.sandbox.resources import consent, identity
from clavichord.sandbox.resources.identity import Profile
from clavichord.sandbox.store import Source

_PREDICTIVE = (
    b'{"historic_number_of_orders":null,"predicted_number_of_orders":null,"average_days_between_orders":null,'
    b'"average_order_value":null,"historic_clv":null,"predicted_clv":null,"total_clv":null,"churn_probability":null,'
    b'"expected_date_of_next_order":null,"ranked_channel_affinity":null}'
)
"""All null until an account has enough orders (FACTS §6.8)."""

_SUPPRESSED = (
    "p.{column} > 0 AND"
    " EXISTS (SELECT 1 FROM suppression s WHERE s.profile = p.id AND s.list {lists} AND s.{what} {{}})"
)
_IDENTIFIERS = {
    "id": Column("p.id"),
    "profile_id": Column("p.id"),
    "email": Column("p.email", fold=True),
    "phone_number": Column("p.phone_number"),
    "external_id": Column("p.external_id"),
    "_kx": Column("p.id"),
    "push_token": Column(
        "EXISTS (SELECT 1 FROM edge d JOIN resource t ON t.account = d.account AND t.type = d.type AND t.id = d.id"
        " WHERE d.account = p.account AND d.target = p.id AND d.type = 'push-token' AND d.relationship = 'profile'"
        " AND json_extract(t.attributes, '$.token') {})"
    ),
}
_WHOLE, _LISTED = "subscriptions.email.marketing.suppression", "subscriptions.email.marketing.list_suppressions"


def _suppressed(what: str, *, whole: bool) -> str:
    column, lists = ("suppressed", "= ''") if whole else ("list_suppressed", "<> ''")
    return _SUPPRESSED.format(column=column, lists=lists, what=what)


_FILTERS = _IDENTIFIERS | {
    "created": Column("p.created", SECOND),
    "updated": Column("p.updated", SECOND),
    f"{_WHOLE}.reason": Column(_suppressed("reason", whole=True)),
    f"{_WHOLE}.timestamp": Column(_suppressed("at", whole=True), 1),
    f"{_LISTED}.reason": Column(_suppressed("reason", whole=False)),
    f"{_LISTED}.timestamp": Column(_suppressed("at", whole=False), 1),
    f"{_LISTED}.list_id": Column(_suppressed("list", whole=False)),
}
_SORTS = {
    "id": "p.id",
    "created": "p.created",
    "updated": "p.updated",
    "email": "ifnull(p.email, '')",
    f"{_WHOLE}.timestamp": "p.suppressed",
    f"{_LISTED}.timestamp": "p.list_suppressed",
}


def resource(
    call: Call,
    profile: Profile,
    *,
    created: int | None = None,
    updated: int | None = None,
    joined: int | None = None,
    linked: Mapping[str, Linkage] | None = None,
) -> Resource:
    """A profile with the additional fields that the query asks for; `joined` in seconds since 1970."""
    attributes = profile.attributes(created=created, updated=updated)
    attributes = _completed(call, attributes, profile.subscriptions, joined)
    return Resource("profile", profile.id, attributes, linked or {})


def _completed(call: Call, attributes: bytes, subscriptions: str | None, joined: int | None) -> bytes:
    query = call.query
    if joined is not None:
        attributes = b'%b,"joined_group_at":"%b"}' % (attributes[:-1], seconds(joined).encode())
    if query.additional or query.fields:
        if query.wants("profile", "subscriptions"):
            attributes = b'%b,"subscriptions":%b}' % (attributes[:-1], consent.rendered(subscriptions))
        if query.wants("profile", "predictive_analytics"):
            attributes = b'%b,"predictive_analytics":%b}' % (attributes[:-1], _PREDICTIVE)
    return attributes


def listed(call: Call, row: Sequence[Any], joined: int | None = None, linked: Mapping[str, Linkage] = {}) -> Resource:
    """A profile from a row that begins with `identity.SHOWN`: pages have many, so it is the short way."""
    attributes = _completed(call, identity.attributes(*row[1:6]), row[6], joined)
    return Resource("profile", row[0], attributes, linked)


def required(call: Call, profile_id: str) -> Profile:
    profile = identity.load(call.engine.store, call.account, profile_id)
    if profile is None:
        raise generic.missing("profile", profile_id)
    return profile


def duplicate(owner: str) -> Refusal:
    text = "A profile already exists with one of these identifiers."
    return conflict("duplicate_profile", text, "/data/attributes", duplicate_profile_id=owner)


def source(call: Call) -> Source:
    """The profiles of the account."""
    _exchange(call)
    return Source(
        columns=identity.SHOWN,
        table="profile p",
        where="p.account = ?",
        parameters=(call.account,),
        id="p.id",
        sorts=_SORTS,
        filters=_FILTERS,
        along=inferred.ALONG,
    )


def create_profile(call: Call) -> Answer:
    attributes = call.data["attributes"]
    _check(call, None)
    store = call.engine.store
    with store.write():
        existing = identity.find(store, call.account, None, attributes)
        if existing is not None:
            raise duplicate(existing.id)
        profile = _create(call)
    return call.engine.documents.one(call, resource(call, profile, created=call.now, updated=call.now))


def update_profile(call: Call) -> Answer:
    attributes = call.data["attributes"]
    if call.data["id"] != call.id:
        raise invalid("'id' must be the id of the path.", pointer="/data/id")
    profile = required(call, call.id)
    _check(call, call.id)
    with call.engine.store.write():
        profile = _change(call, profile, attributes)
    return call.engine.documents.one(call, resource(call, profile, updated=call.now))


def create_or_update_profile(call: Call) -> Answer:
    """201 for a new profile, 200 for a known one (FACTS §6.4)."""
    attributes, profile_id = call.data["attributes"], call.data.get("id")
    _check(call, profile_id)
    store = call.engine.store
    with store.write():
        profile = identity.find(store, call.account, profile_id, attributes)
        if profile is not None:
            profile = _change(call, profile, attributes)
            return call.engine.documents.one(call, resource(call, profile, updated=call.now), status=200)
        if profile_id:
            raise generic.missing("profile", profile_id)
        profile = _create(call)
    created = resource(call, profile, created=call.now, updated=call.now)
    return call.engine.documents.one(call, created, status=201)


def _check(call: Call, profile_id: str | None) -> None:
    found = identity.faults(call.data["attributes"], "/data/attributes", profile_id=profile_id)
    found += identity.meta_faults(call.data.get("meta"), "/data/meta")
    if found:
        raise Refusal(*found)


def _create(call: Call) -> Profile:
    attributes = call.data["attributes"]
    if identity.nameless(attributes):
        raise invalid(inferred.IDENTIFIER, pointer="/data/attributes")
    try:
        return identity.create(call.engine, call.account, attributes, call.data.get("meta"), call.now)
    except identity.Taken as taken:
        raise duplicate(taken.owner) from None


def _change(call: Call, profile: Profile, attributes: Mapping[str, Any]) -> Profile:
    try:
        return identity.change(call.engine, call.account, profile, attributes, call.data.get("meta"), call.now)
    except identity.Taken as taken:
        raise duplicate(taken.owner) from None


def members(call: Call) -> Answer:
    """The profiles of a list or an import job, or their identifiers."""
    generic.required(call)
    _exchange(call)
    source = Source(
        columns=identity.SHOWN + ", e.at",
        table="edge e JOIN profile p ON p.id = e.target AND p.account = e.account",
        where="e.account = ? AND e.type = ? AND e.id = ? AND e.relationship = 'profiles'",
        parameters=(call.account, call.operation.base, call.id),
        id="e.target",
        sorts={"joined_group_at": "e.at"},
        filters=_IDENTIFIERS | {"joined_group_at": Column("e.at", SECOND)},
        along={"joined_group_at": "joined_group_at"},
    )
    page = call.engine.store.page(source, call.operation, call.query)
    documents = call.engine.documents
    before = None if call.operation.base == "profile-bulk-import-job" else page.prev  # LIVE #22
    if call.operation.identifiers_only:
        return documents.identifiers(call, "profile", [row[0] for row in page.rows], page.next, before)
    joins = call.operation.base in ("list", "segment")
    rows = [listed(call, row, row[7] if joins else None) for row in page.rows]
    return documents.many(call, rows, after=page.next, before=before)


def _exchange(call: Call) -> None:
    """Makes profile ids of the exchange ids in a filter; what is none is nobody's."""

    def profile_id(given: Literal) -> Literal:
        return given._replace(text=exchanged(call.account, given.text) or "")

    for number, condition in enumerate(call.query.conditions):
        if condition.field == "_kx" and condition.value is not None:
            value = condition.value
            ids = profile_id(value) if isinstance(value, Literal) else [profile_id(one) for one in value]
            call.query.conditions[number] = condition._replace(value=ids)


def lists_of(call: Call, profile_id: str) -> list[str]:
    """The lists a profile is in: the other side of list.profiles."""
    rows = call.engine.store.execute(
        "SELECT id FROM edge WHERE account = ? AND target = ? AND type = 'list' AND relationship = 'profiles'"
        " ORDER BY id",
        (call.account, profile_id),
    )
    return [row[0] for row in rows]


def get_lists_for_profile(call: Call) -> Answer:
    generic.exists(call)
    return generic.answer_related(call, "list", lists_of(call, call.id))


BEHAVIOURS: Mapping[str, Behaviour] = {
    "create_profile": create_profile,
    "update_profile": update_profile,
    "create_or_update_profile": create_or_update_profile,
    "get_lists_for_profile": get_lists_for_profile,
    "get_list_ids_for_profile": get_lists_for_profile,
}
