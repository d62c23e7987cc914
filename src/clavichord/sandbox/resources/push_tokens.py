"""Push tokens: a device's address, which belongs to one profile at a time (FACTS §9.17)."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import SECOND, seconds
from clavichord.sandbox.crud import Kind
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.errors import Refusal, invalid
from clavichord.sandbox.filters import Column
from clavichord.sandbox.resources import events, identity
from clavichord.sandbox.resources.consent import Consent

_METADATA = (
    "device_id",
    "klaviyo_sdk",
    "sdk_version",
    "device_model",
    "os_name",
    "os_version",
    "manufacturer",
    "app_name",
    "app_version",
    "app_build",
    "app_id",
    "environment",
)
_PROFILE = (
    "EXISTS (SELECT 1 FROM edge e WHERE e.account = r.account AND e.type = 'push-token' AND e.id = r.id"
    " AND e.relationship = 'profile' AND e.target {})"
)

PUSH_TOKEN = crud.declare(
    Kind(
        type="push-token",
        attributes=dict.fromkeys(
            (
                "created",
                "token",
                "enablement_status",
                "platform",
                "vendor",
                "background",
                "recorded_date",
                "metadata",
            )
        ),
        updated="",
    )
)


def create_push_token(call: Call) -> Answer:
    """Makes or changes the token and its profile; an account that has no push is not imitated."""
    given = call.data["attributes"]
    profile = given["profile"]["data"]
    at = "/data/attributes/profile/data/attributes"
    found = identity.faults(profile["attributes"], at, profile_id=profile.get("id"))
    found += identity.meta_faults(events.meta_of(profile), f"{at}/meta")
    if found:
        raise Refusal(*found)
    if not given["token"].strip():
        raise invalid("'token' must not be empty.", pointer="/data/attributes/token")
    with call.engine.store.write():
        profile_id = events.required_profile(call, profile, at)
        register(call.engine, call.account, profile_id, given, call.now)
    return Answer(call.operation.status)


def register(engine: Engine, account: str, profile_id: str, given: Mapping[str, Any], now: int) -> None:
    """Gives a token to a profile, whoever had it. An authorized one is a push subscription (inferred)."""
    token_id = _id(given)
    known = generic.load(engine.store, account, "push-token", token_id)
    metadata = given.get("device_metadata") or (known or {}).get("metadata") or {}
    status = given.get("enablement_status") or "AUTHORIZED"
    attributes = {
        "created": known["created"] if known else seconds(now // SECOND),
        "token": given["token"],
        "enablement_status": status,
        "platform": given["platform"],
        "vendor": given["vendor"],
        "background": given.get("background") or "AVAILABLE",
        "recorded_date": seconds(now // SECOND),
        "metadata": {name: metadata.get(name) for name in _METADATA},
    }
    if known is None:
        generic.insert(engine.store, account, "push-token", token_id, attributes, now)
    else:
        generic.update(engine.store, account, "push-token", token_id, attributes, now)
    owners = generic.targets(engine.store, account, "push-token", token_id, "profile")
    generic.unlink(engine.store, account, "push-token", token_id, "profile", owners)
    generic.link(engine.store, account, "push-token", token_id, "profile", [profile_id], now)
    person = identity.load(engine.store, account, profile_id)
    if person is not None and status in inferred.PUSH_ALLOWED:
        consent = Consent(person)
        consent.subscribe("push", "marketing", at=now, now=now, source=None, list_id=None, double=False)
        consent.save(engine, account)


def unregister(engine: Engine, account: str, given: Mapping[str, Any]) -> None:
    """Forgets a token; one that is not known is forgotten already."""
    _delete(engine, account, _id(given))


def _id(given: Mapping[str, Any]) -> str:
    """One string of token, platform and vendor: the same device gets the same id again (opaque, FACTS §9.17)."""
    plain = f"{given['platform']}\0{given['vendor']}\0{given['token']}"
    digest = hashlib.blake2b(plain.encode("utf-8", "surrogatepass"), digest_size=24).digest()
    return urlsafe_b64encode(digest).decode()


def _delete(engine: Engine, account: str, token_id: str) -> None:
    engine.store.execute(
        "DELETE FROM resource WHERE account = ? AND type = 'push-token' AND id = ?", (account, token_id)
    )
    engine.store.execute("DELETE FROM edge WHERE account = ? AND type = 'push-token' AND id = ?", (account, token_id))


def get_push_tokens(call: Call) -> Answer:
    rows = crud.source(call, "push-token")
    return crud.pages(call, rows._replace(filters={**rows.filters, "profile.id": Column(_PROFILE)}))


BEHAVIOURS: Mapping[str, Behaviour] = {
    "create_push_token": create_push_token,
    "get_push_tokens": get_push_tokens,
    "get_push_token": crud.item,
    "delete_push_token": crud.delete(PUSH_TOKEN),
    "get_profile_for_push_token": crud.related,
    "get_profile_id_for_push_token": crud.related,
}
