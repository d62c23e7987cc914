"""Deletion of a person on request (FACTS §6.9)."""

from __future__ import annotations

from collections.abc import Mapping

from clavichord.sandbox import generic
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.errors import Refusal, invalid, not_found
from clavichord.sandbox.jobs import Task
from clavichord.sandbox.resources import identity

_KIND = "data-privacy-deletion-job"


def request_profile_deletion(call: Call) -> Answer:
    data = call.data["attributes"]["profile"]["data"]
    attributes = data.get("attributes") or {}
    at = "/data/attributes/profile/data/attributes"
    given = [name for name in ("email", "phone_number") if attributes.get(name)] + ["id"] * bool(data.get("id"))
    if len(given) != 1:
        raise invalid("Exactly one of email, phone_number or id must be given.", pointer=at)
    found = identity.faults(attributes, at, required=False)
    if found:
        raise Refusal(*found)
    profile = identity.find(call.engine.store, call.account, data.get("id"), attributes)
    if profile is None and given == ["id"]:
        raise generic.missing("profile", data["id"])
    if profile is None:
        word = given[0].removesuffix("_number")
        value = attributes[given[0]]
        raise not_found(f'No profile with {word} "{value}" found.  The profile may have already been deleted.')
    call.engine.jobs.submit(call.account, _KIND, {}, job=profile.id)
    return Answer(call.operation.status)


def _work(engine: Engine, task: Task) -> None:
    store = engine.store
    store.execute("DELETE FROM event WHERE profile = ? AND account = ?", (task.job, task.account))
    store.execute(
        "DELETE FROM edge WHERE account = ? AND target = ? AND relationship = 'profiles'", (task.account, task.job)
    )
    identity.forget(store, task.account, task.job)


def declare(engine: Engine) -> None:
    engine.jobs.kind(_KIND, _work)


BEHAVIOURS: Mapping[str, Behaviour] = {"request_profile_deletion": request_profile_deletion}
