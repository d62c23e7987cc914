"""Conversations of profiles, and messages sent into them (FACTS §9.18).

In Klaviyo a conversation begins when a person writes. Here it begins with a telephone number: whoever has one has one
SMS conversation (inferred), so that the operations can be called at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud, generic
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.crud import Kind
from clavichord.sandbox.errors import invalid
from clavichord.sandbox.resources import profiles

CONVERSATION = crud.declare(
    Kind(type="conversation", attributes={"channel": "sms"}, created="", updated="", new_id=crud.ulid)
)


def conversations_of(call: Call, profile_id: str) -> list[str]:
    """The ids of a profile's conversations, the first one made when it is looked for."""
    found = crud.targets(call, "profile", profile_id, "conversations")
    if not found and profiles.required(call, profile_id).phone_number is not None:
        found = [crud.ulid(call)]
        store = call.engine.store
        with store.write():
            generic.insert(store, call.account, "conversation", found[0], {"channel": "sms"}, call.now)
            generic.link(store, call.account, "conversation", found[0], "profile", [profile_id], call.now)
    return found


def get_conversations_for_profile(call: Call) -> Answer:
    generic.exists(call)
    ids = conversations_of(call, call.id)
    many = call.operation.relationship == "conversations"
    return generic.answer_related(call, "conversation", ids, many=many)


def create_conversation_message(call: Call) -> Answer:
    """The message is kept with its conversation; nobody answers."""
    given: dict[str, Any] = call.data["attributes"]
    for one in crud.named(call.data["relationships"]["conversation"].get("data")):
        crud.require_all(call, "conversation", [one])
        if not given["body"].strip():
            raise invalid("'body' must not be empty.", pointer="/data/attributes/body")
        messages = crud.state(call, "conversation", one).get("messages", [])
        with call.engine.store.write():
            crud.keep(call, "conversation", one, {"messages": [*messages, {"at": call.now, **given}]})
        return Answer(call.operation.status)
    raise invalid("'conversation' is a required relationship.", pointer="/data/relationships/conversation/data")


BEHAVIOURS: Mapping[str, Behaviour] = {
    "create_conversation_message": create_conversation_message,
    "get_conversation_for_profile": get_conversations_for_profile,
    "get_conversation_id_for_profile": get_conversations_for_profile,
    "get_conversations_for_profile": get_conversations_for_profile,
    "get_conversation_ids_for_profile": get_conversations_for_profile,
}
