"""What hangs on a profile: lists, segments, push tokens, conversations; and the profiles that include them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from clavichord.sandbox import crud, generic
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.crud import Kind
from clavichord.sandbox.documents import Linkage
from clavichord.sandbox.resources import conversations, profiles, segments

# Profiles have a table of their own: the kind only tells where their relationships are kept.
PROFILE = crud.declare(
    Kind(
        type="profile",
        attributes={},
        inverse={
            "lists": "profiles",
            "segments": "profiles",
            "push-tokens": "profile",
            "conversations": "profile",
            "conversation": "profile",
        },
    )
)


def _stored(relationship: str) -> Callable[[Call, str], list[str]]:
    return lambda call, profile_id: crud.targets(call, "profile", profile_id, relationship)


_TARGETS: Mapping[str, Callable[[Call, str], list[str]]] = {
    "lists": profiles.lists_of,
    "segments": segments.segments_of,
    "push-tokens": _stored("push-tokens"),
    "conversations": conversations.conversations_of,
}


def _linked(call: Call, profile_id: str) -> Mapping[str, Linkage]:
    return {name: _TARGETS[name](call, profile_id) for name in call.query.include}


def get_profile(call: Call) -> Answer:
    one = profiles.resource(call, profiles.required(call, call.id), linked=_linked(call, call.id))
    return call.engine.documents.one(call, one, crud.included(call, [one]))


def get_profiles(call: Call) -> Answer:
    page = call.engine.store.page(profiles.source(call), call.operation, call.query)
    if not call.query.include:
        return call.engine.documents.many(
            call, [profiles.listed(call, row) for row in page.rows], (), page.next, page.prev
        )
    rows = [profiles.listed(call, row, linked=_linked(call, row[0])) for row in page.rows]
    return call.engine.documents.many(call, rows, crud.included(call, rows), page.next, page.prev)


def get_push_tokens_for_profile(call: Call) -> Answer:
    generic.exists(call)
    return generic.answer_related(call, "push-token", _TARGETS["push-tokens"](call, call.id))


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_profile": get_profile,
    "get_profiles": get_profiles,
    "get_push_tokens_for_profile": get_push_tokens_for_profile,
    "get_push_token_ids_for_profile": get_push_tokens_for_profile,
}
