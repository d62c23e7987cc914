"""What a browser or an app says about the person who uses it: profiles, subscriptions, push tokens (FACTS §11.1).

Nobody has proved who they are, so identifiers that a profile has are never changed: what differs is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.errors import Refusal, invalid, problem
from clavichord.sandbox.resources import events, identity, push_tokens

_SUBSCRIBE = "profile-subscription-bulk-create-job"
_ADDRESSES = {"email": "email", "phone_number": "sms"}


def check(profile: Mapping[str, Any], at: str, *, required: bool = True) -> None:
    """Refusal (400) for identifiers that cannot be any; pointers are those that mobile SDKs look for."""
    pointer = f"{at}/attributes"
    found = identity.faults(profile["attributes"], pointer, profile_id=profile.get("id"), required=required)
    found += identity.meta_faults(events.meta_of(profile), f"{at}/meta")
    if found:
        raise Refusal(*found)


def remember(call: Call, profile: Mapping[str, Any]) -> str:
    """The id of the person, made or changed, "" for an id that nobody has. Belongs into a transaction."""
    store = call.engine.store
    attributes: Mapping[str, Any] = {
        name: value for name, value in profile["attributes"].items() if name not in ("meta", "subscriptions")
    }
    meta = events.meta_of(profile)
    row = identity.find(store, call.account, profile.get("id"), attributes)
    if row is None:
        if profile.get("id") or identity.nameless(attributes):
            return ""
        return identity.create(call.engine, call.account, attributes, meta, call.now, polite=True).id
    known = {name: getattr(row, name) for name in inferred.IDENTITY_ORDER}
    attributes = {name: value for name, value in attributes.items() if not known.get(name)}
    return identity.change(call.engine, call.account, row, attributes, meta, call.now, nulls=False, polite=True).id


def create_client_profile(call: Call) -> Answer:
    check(call.data, "/data")
    with call.engine.store.write():
        remember(call, call.data)
    return Answer(call.operation.status)


def create_client_subscription(call: Call) -> Answer:
    """Goes the way of every subscription: with double opt-in the person is asked first, and not made before that."""
    given, at = call.data["attributes"], "/data/attributes/profile/data"
    profile = given["profile"]["data"]
    check(profile, at)
    attributes = profile["attributes"]
    list_id = next(iter(generic.named_lists(call, "list")), None)
    if list_id is None:
        raise invalid(inferred.REQUIRED.format(name="data"), pointer="/data/relationships/list/data")
    addresses = {name: attributes[name] for name in _ADDRESSES if attributes.get(name)}
    if not addresses and not profile.get("id"):
        raise invalid(inferred.ADDRESS_MISSING, pointer=f"{at}/attributes")
    said = attributes.get("subscriptions")
    if said is None:
        said = {_ADDRESSES[name]: {"marketing": {"consent": "SUBSCRIBED"}} for name in addresses}
    missing = [
        problem(inferred.REQUIRED.format(name=name), pointer=f"{at}/attributes/{name}")
        for name, channel in _ADDRESSES.items()
        if said.get(channel) and name not in addresses and not profile.get("id")
    ]
    if missing:
        raise Refusal(*missing)
    entry = {"type": "profile", "attributes": {**addresses, "subscriptions": said}}
    if profile.get("id"):
        entry["id"] = profile["id"]
    payload = {"profiles": [entry], "list": list_id, "historical": False, "source": given.get("custom_source")}
    store = call.engine.store
    with store.write():
        asked = generic.required(call, "list", list_id)["opt_in_process"] == "double_opt_in"
        if not asked or identity.find(store, call.account, profile.get("id"), attributes) is not None:
            profile_id = remember(call, profile)
            for token in (said.get("push") or {}).get("tokens") or () if profile_id else ():
                push_tokens.register(call.engine, call.account, profile_id, token, call.now)
    call.engine.jobs.submit(call.account, _SUBSCRIBE, payload)
    return Answer(call.operation.status)


def _token(call: Call) -> Mapping[str, Any]:
    given: Mapping[str, Any] = call.data["attributes"]
    if not given["token"].strip():
        raise invalid("'token' must not be empty.", pointer="/data/attributes/token")
    return given


def create_client_push_token(call: Call) -> Answer:
    given = _token(call)
    profile = given["profile"]["data"]
    check(profile, "/data/attributes/profile/data")
    with call.engine.store.write():
        profile_id = remember(call, profile)
        if profile_id:
            push_tokens.register(call.engine, call.account, profile_id, given, call.now)
    return Answer(call.operation.status)


def unregister_client_push_token(call: Call) -> Answer:
    """Without a vendor it is the platform's own one."""
    given = _token(call)
    check(given["profile"]["data"], "/data/attributes/profile/data")
    vendor = given.get("vendor") or inferred.PUSH_VENDORS[given["platform"]]
    with call.engine.store.write():
        push_tokens.unregister(call.engine, call.account, {**given, "vendor": vendor})
    return Answer(call.operation.status)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "create_client_profile": create_client_profile,
    "create_client_subscription": create_client_subscription,
    "create_client_push_token": create_client_push_token,
    "unregister_client_push_token": unregister_client_push_token,
}
