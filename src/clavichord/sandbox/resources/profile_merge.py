"""Merging one profile into another (FACTS §6.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from clavichord.sandbox import crud, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import SECOND
from clavichord.sandbox.documents import Resource
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.errors import invalid
from clavichord.sandbox.jobs import Task
from clavichord.sandbox.resources import events, identity
from clavichord.sandbox.resources.consent import Consent
from clavichord.sandbox.resources.identity import Profile

_KIND = "profile-merge"
_SOURCE = "/data/relationships/profiles/data"


def merge_profiles(call: Call) -> Answer:
    """Accepted at once; until the work is done both ids are there."""
    destination = call.data["id"]
    sources = crud.named(call.data["relationships"]["profiles"].get("data"))
    if len(sources) != 1:
        raise invalid("Exactly one source profile must be given.", pointer=_SOURCE)
    if sources[0] == destination:
        raise invalid("A profile cannot be merged with itself.", pointer=_SOURCE)
    crud.require_all(call, "profile", [destination, *sources])
    call.engine.jobs.submit(call.account, _KIND, {"source": sources[0]}, job=destination)
    # Identifier only: the answer has neither attributes of the person nor relationships (LIVE #20).
    one = Resource("profile", destination, b"{}", relationships=())
    return call.engine.documents.one(call, one)


def _merge(engine: Engine, task: Task) -> None:
    account, store = task.account, engine.store
    destination = identity.load(store, account, task.job)
    source = identity.load(store, account, task.payload["source"])
    if destination is None or source is None:
        return
    _move(engine, account, source.id, destination.id)
    store.execute("UPDATE secondary_email SET profile = ? WHERE profile = ?", (destination.id, source.id))
    identity.forget(store, account, source.id)
    head = _filled(msgspec.json.decode(destination.head), msgspec.json.decode(source.head))
    own, other = msgspec.json.decode(destination.tail), msgspec.json.decode(source.tail)
    tail = {
        "location": _filled(own["location"], other["location"]),
        "properties": {**other["properties"], **own["properties"]},
    }
    last = max((one for one in (destination.last_event, source.last_event) if one is not None), default=None)
    store.execute(
        "UPDATE profile SET email = ?, phone_number = ?, external_id = ?, anonymous_id = ?, updated = ?,"
        " last_event = ?, head = ?, tail = ? WHERE account = ? AND id = ?",
        (
            *(head[name] for name in ("email", "phone_number", "external_id", "anonymous_id")),
            engine.clock.now() // SECOND,
            last,
            msgspec.json.encode(head),
            msgspec.json.encode(tail),
            account,
            destination.id,
        ),
    )
    _join_consent(engine, account, destination, source)
    metric = {"data": {"attributes": {"name": inferred.MERGED_METRIC, "service": "klaviyo"}}}
    properties = {"source_profile_id": source.id, "destination_profile_id": destination.id}
    attributes = {"metric": metric, "properties": properties}
    events.record(engine, account, destination.id, attributes, False, engine.clock.now())


def _filled(own: dict[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Whatever the destination has stays (inferred)."""
    return {name: other.get(name) if value is None else value for name, value in own.items()}


def _move(engine: Engine, account: str, source: str, destination: str) -> None:
    """Events, memberships and whatever else points at the source; what both have is there once."""
    store = engine.store
    store.execute(
        "UPDATE OR IGNORE event SET profile = ? WHERE profile = ? AND account = ?", (destination, source, account)
    )
    store.execute("DELETE FROM event WHERE profile = ? AND account = ?", (source, account))
    store.execute("DELETE FROM edge WHERE account = ? AND target = ? AND type = 'segment'", (account, source))
    store.execute(
        "UPDATE OR IGNORE edge SET target = ? WHERE account = ? AND target = ?", (destination, account, source)
    )
    store.execute("DELETE FROM edge WHERE account = ? AND target = ?", (account, source))


def _join_consent(engine: Engine, account: str, destination: Profile, source: Profile) -> None:
    if source.subscriptions is not None:
        consent = Consent(destination)
        consent.join(source)
        consent.save(engine, account)


def declare(engine: Engine) -> None:
    engine.jobs.kind(_KIND, _merge)


BEHAVIOURS: Mapping[str, Behaviour] = {"merge_profiles": merge_profiles}
