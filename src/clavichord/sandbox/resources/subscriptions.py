"""Subscribing and unsubscribing people in bulk (FACTS §7.2, §7.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from clavichord.sandbox import generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import parse
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.errors import ErrorObject, Refusal, problem
from clavichord.sandbox.jobs import Task
from clavichord.sandbox.resources import identity
from clavichord.sandbox.resources.consent import Consent

_SUBSCRIBE, _UNSUBSCRIBE = "profile-subscription-bulk-create-job", "profile-subscription-bulk-delete-job"
_SLICE = 100
_AT = "/data/attributes/profiles/data"
_ADDRESS = {"email": "email", "sms": "phone_number", "whatsapp": "phone_number"}
"""the identifier that a channel needs; push needs none"""


def _permissions(subscriptions: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """(channel, purpose, what is said about it); push also carries tokens, which are not consent."""
    for channel, purposes in subscriptions.items():
        for purpose, entry in (purposes or {}).items():
            if isinstance(entry, dict) and "consent" in entry:
                yield channel, purpose, entry


def _check(call: Call, *, historical: bool) -> None:
    """One bad profile refuses the request; pointers carry its index. Refusal (400)."""
    found: list[ErrorObject] = []
    for index, entry in enumerate(call.data["attributes"]["profiles"]["data"]):
        at, attributes = f"{_AT}/{index}/attributes", entry["attributes"]
        found += identity.faults(attributes, at, profile_id=entry.get("id"))
        subscriptions = attributes["subscriptions"]
        for channel in subscriptions:
            address = _ADDRESS.get(channel)
            if subscriptions[channel] and address and not attributes.get(address):
                text = f"'{address}' must not be empty when the {channel} channel is included in 'subscriptions'."
                found.append(problem(text, pointer=f"{at}/{address}"))
        for channel, purpose, said in _permissions(subscriptions):
            pointer = f"{at}/subscriptions/{channel}/{purpose}/consented_at"
            consented_at = said.get("consented_at")
            if consented_at is not None and not historical:
                found.append(problem(inferred.CONSENTED_AT_ALONE, pointer=pointer))
            elif historical and purpose not in ("open_tracking", "click_tracking"):
                instant = parse(consented_at) if consented_at else None
                if instant is None or instant >= call.now:
                    found.append(problem(inferred.CONSENTED_AT, pointer=pointer))
    if found:
        raise Refusal(*found[:100])


def bulk_subscribe_profiles(call: Call) -> Answer:
    given = call.data["attributes"]
    list_id = next(iter(generic.named_lists(call, "list")), None)
    historical = bool(given.get("historical_import"))
    _check(call, historical=historical)
    payload = {
        "profiles": given["profiles"]["data"],
        "list": list_id,
        "historical": historical,
        "source": given.get("custom_source"),
    }
    call.engine.jobs.submit(call.account, _SUBSCRIBE, payload)
    return Answer(call.operation.status)


def bulk_unsubscribe_profiles(call: Call) -> Answer:
    list_id = next(iter(generic.named_lists(call, "list")), None)
    _check(call, historical=False)
    payload = {"profiles": call.data["attributes"]["profiles"]["data"], "list": list_id}
    call.engine.jobs.submit(call.account, _UNSUBSCRIBE, payload)
    return Answer(call.operation.status)


def _opt_in(engine: Engine, account: str, list_id: str | None) -> str:
    found = None if list_id is None else generic.load(engine.store, account, "list", list_id)
    return inferred.ACCOUNT_OPT_IN if found is None else str(found["opt_in_process"])


def _subscribe_slice(engine: Engine, task: Task) -> int | None:
    payload = task.payload
    entries, list_id = payload["profiles"], payload["list"]
    double = _opt_in(engine, task.account, list_id) == "double_opt_in" and not payload["historical"]
    end = min(task.position + _SLICE, len(entries))
    for entry in entries[task.position : end]:
        if double:
            _ask(engine, task, entry)
        else:
            _subscribe(engine, task.account, entry, payload["list"], payload["source"], double=False)
    return None if end == len(entries) else end


def _ask(engine: Engine, task: Task, entry: Mapping[str, Any]) -> None:
    """A confirmation is asked for: neither profile nor membership comes of it until it is given (FACTS §7.2)."""
    now = engine.clock.now()
    asked = msgspec.json.encode({**entry, "source": task.payload["source"]}).decode()
    for channel, _, _ in _permissions(entry["attributes"]["subscriptions"]):
        address = entry["attributes"].get(_ADDRESS.get(channel, "")) or entry.get("id") or ""
        engine.store.execute(
            "INSERT OR REPLACE INTO pending (account, list, channel, address, at, subscription)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (task.account, task.payload["list"] or "", channel, address, now, asked),
        )


def _subscribe(
    engine: Engine, account: str, entry: Mapping[str, Any], list_id: str | None, source: str | None, *, double: bool
) -> None:
    now = engine.clock.now()
    profile = _profile(engine, account, entry, now)
    if profile is None:
        return
    consent = Consent(profile)
    for channel, purpose, said in _permissions(entry["attributes"]["subscriptions"]):
        at = parse(said["consented_at"]) if said.get("consented_at") else None
        consent.subscribe(channel, purpose, at=at or now, now=now, source=source, list_id=list_id, double=double)
    consent.save(engine, account)
    if list_id is not None and generic.load(engine.store, account, "list", list_id) is not None:
        generic.link(engine.store, account, "list", list_id, "profiles", [profile.id], now)


class Pending(NamedTuple):
    """Somebody who was asked to confirm. `list`: "" for a subscription without one; `at`: microseconds."""

    account: str
    list: str
    channel: str
    address: str
    at: int


def pending(engine: Engine, account: str, limit: int = -1, offset: int = 0) -> list[Pending]:
    """Newest first."""
    rows = engine.store.execute(
        "SELECT account, list, channel, address, at FROM pending WHERE account = ? ORDER BY at DESC, address, channel"
        " LIMIT ? OFFSET ?",
        (account, limit, offset),
    )
    return [Pending._make(row) for row in rows]


def confirm(engine: Engine, waiting: Iterable[Pending]) -> None:
    """What the link in the message of a double opt-in does: consent, and membership of the list, from now on."""
    with engine.store.write():
        for one in waiting:
            where = "account = ? AND list = ? AND channel = ? AND address = ?"
            row = engine.store.one(f"SELECT subscription FROM pending WHERE {where}", *one[:4])
            if row is None:
                continue
            entry = msgspec.json.decode(row[0])
            asked = entry["attributes"]["subscriptions"]
            entry["attributes"]["subscriptions"] = {one.channel: asked[one.channel]}
            _subscribe(engine, one.account, entry, one.list or None, entry.get("source"), double=True)
            engine.store.execute(f"DELETE FROM pending WHERE {where}", one[:4])


def _unsubscribe_slice(engine: Engine, task: Task) -> int | None:
    entries, list_id, now = task.payload["profiles"], task.payload["list"], engine.clock.now()
    end = min(task.position + _SLICE, len(entries))
    for entry in entries[task.position : end]:
        profile = _profile(engine, task.account, entry, now)
        if profile is None:
            continue
        # Somebody who is not in the list is unsubscribed from everything (FACTS §7.3).
        member = list_id is not None and _is_member(engine, task.account, list_id, profile.id)
        consent = Consent(profile)
        for channel, purpose, _ in _permissions(entry["attributes"]["subscriptions"]):
            consent.unsubscribe(channel, purpose, now, list_id if member else None)
        consent.save(engine, task.account)
        if member:
            generic.unlink(engine.store, task.account, "list", list_id, "profiles", [profile.id])
    return None if end == len(entries) else end


def _is_member(engine: Engine, account: str, list_id: str, profile_id: str) -> bool:
    row = engine.store.one(
        "SELECT 1 FROM edge WHERE account = ? AND type = 'list' AND id = ? AND relationship = 'profiles'"
        " AND target = ?",
        account,
        list_id,
        profile_id,
    )
    return row is not None


def _profile(engine: Engine, account: str, entry: Mapping[str, Any], now: int) -> identity.Profile | None:
    """The person, made if unknown (inferred for unsubscribing); an unknown id is nobody."""
    identifiers = {name: entry["attributes"].get(name) for name in ("email", "phone_number")}
    found = identity.find(engine.store, account, entry.get("id"), identifiers)
    if found is None:
        return None if entry.get("id") else identity.create(engine, account, identifiers, None, now)
    try:
        return identity.change(engine, account, found, identifiers, None, now, nulls=False, touch=False)
    except identity.Taken:
        return found


def declare(engine: Engine) -> None:
    engine.jobs.kind(_SUBSCRIBE, _subscribe_slice)
    engine.jobs.kind(_UNSUBSCRIBE, _unsubscribe_slice)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "bulk_subscribe_profiles": bulk_subscribe_profiles,
    "bulk_unsubscribe_profiles": bulk_unsubscribe_profiles,
}
