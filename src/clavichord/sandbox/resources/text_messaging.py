"""Senders of text messages, their registrations and the account's configuration (2026-10-15).

A registration is reviewed when the clock says so: approved, rejected, or sent back for what is missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import SECOND, micros, seconds
from clavichord.sandbox.crud import Kind
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.errors import Refusal, conflict, invalid, problem
from clavichord.sandbox.jobs import Task
from clavichord.sandbox.resources import identity

_SENDER, _REGISTRATION = "text-messaging-sender", "text-messaging-sender-registration"
_REVIEW = "text-messaging-review"
_AT = "/data/attributes"
_STAMPS = ("created_at", "updated_at", "submitted_at")
_COUNTRY = re.compile("[A-Z]{2}")

CONFIGURATION = crud.declare(
    Kind(
        type="text-messaging-configuration",
        attributes={
            "org_prefix": "",
            "opt_out_language": inferred.OPT_OUT_LANGUAGE,
            "status": "active",
            "created_at": "",
            "updated_at": "",
        },
        new_id=lambda call: call.account,
        created="created_at",
        updated="updated_at",
    )
)
SENDER = crud.declare(
    Kind(
        type=_SENDER,
        attributes={
            "sender_type": "",
            "sender_details": {},
            "status": "registering",
            "created_at": "",
            "forwarding_number": None,
            "sender_identifier": None,
        },
        new_id=crud.ulid,
        created="created_at",
        updated="",
        resolved=(_REGISTRATION,),
        order="r.created",
    )
)
REGISTRATION = crud.declare(
    Kind(
        type=_REGISTRATION,
        attributes={
            "status": "in_review",
            "failures": [],
            "created_at": "",
            "updated_at": "",
            "submitted_at": None,
            "decided_at": None,
        },
        new_id=crud.ulid,
        created="created_at",
        updated="updated_at",
        resolved=(_SENDER,),
    )
)


def _check_configuration(call: Call, attributes: dict[str, Any]) -> None:
    if crud.known(call, CONFIGURATION.type, call.account):
        raise conflict("conflict", inferred.CONFIGURED_TWICE, "/data")
    if not 1 <= len(attributes["org_prefix"].strip()) <= inferred.MAX_ORG_PREFIX:
        raise invalid(inferred.ORG_PREFIX.format(max=inferred.MAX_ORG_PREFIX), pointer=f"{_AT}/org_prefix")


def _check_business(given: Mapping[str, Any], at: str) -> None:
    """Refusal (400): an address or number that is none, a country that is no code."""
    found = identity.faults({"email": given["email"], "phone_number": given["phone_number"]}, at)
    if _COUNTRY.fullmatch(given["address"]["country"]) is None:
        found.append(problem(inferred.COUNTRY_CODE, pointer=f"{at}/address/country"))
    if found:
        raise Refusal(*found)


def create_sender(call: Call) -> Answer:
    """One for each region of toll-free numbers, with the same number; the answer is that of the region asked for."""
    given = call.data["attributes"]
    if given["sender_type"] != "toll_free":
        raise invalid(inferred.TOLL_FREE_ONLY, pointer=f"{_AT}/sender_type")
    business = given[_REGISTRATION]["data"]["attributes"]
    _check_business(business, f"{_AT}/{_REGISTRATION}/data/attributes")
    forwarding = given.get("forwarding_number")
    if forwarding is not None and identity.faults({"phone_number": forwarding}, _AT):
        raise invalid(identity.BAD_PHONE, pointer=f"{_AT}/forwarding_number")
    asked = given["sender_details"]["country"]
    number = f"+1833{call.engine.ids.number(7)}"
    made = dict(SENDER.attributes) | {
        "sender_type": "toll_free",
        "created_at": seconds(call.now // SECOND),
        "forwarding_number": forwarding,
    }
    ids: dict[str, str] = {}
    with call.engine.store.write():
        for country in sorted(inferred.TOLL_FREE_REGIONS, key=lambda one: one != asked):
            ids[country] = SENDER.new_id(call)
            attributes = made | {"sender_details": {"country": country}}
            generic.insert(call.engine.store, call.account, _SENDER, ids[country], attributes, call.now)
            crud.keep(call, _SENDER, ids[country], {"number": number})
            _register(call, ids[country], business)
        call.engine.jobs.submit(call.account, _REVIEW, {"senders": list(ids.values())})
    made |= {"sender_details": {"country": asked}, "created_at": micros(call.now)}
    return crud.show(call, _SENDER, ids[asked], made)


def _register(call: Call, sender_id: str, business: Mapping[str, Any]) -> str:
    """A new registration, from now on the sender's; inside a transaction."""
    registration_id = REGISTRATION.new_id(call)
    attributes = dict(REGISTRATION.attributes) | dict.fromkeys(_STAMPS, seconds(call.now // SECOND))
    generic.insert(call.engine.store, call.account, _REGISTRATION, registration_id, attributes, call.now)
    crud.keep(call, _REGISTRATION, registration_id, {"business": business})
    crud.link(call, _REGISTRATION, registration_id, _SENDER, [sender_id])
    crud.relink(call, _SENDER, sender_id, _REGISTRATION, [registration_id])
    return registration_id


def resubmit(call: Call) -> Answer:
    """A sender that is in use stays so; another is registering again."""
    business = call.data["attributes"]
    _check_business(business, _AT)
    sender = (call.data["relationships"][_SENDER].get("data") or {}).get("id", "")
    attributes = generic.required(call, _SENDER, sender) if sender else None
    if attributes is None:
        raise invalid(inferred.REQUIRED.format(name=_SENDER), pointer=f"/data/relationships/{_SENDER}/data")
    with call.engine.store.write():
        registration_id = _register(call, sender, business)
        if attributes["status"] != "active":
            attributes["status"] = "registering"
            generic.update(call.engine.store, call.account, _SENDER, sender, attributes, call.now)
        call.engine.jobs.submit(call.account, _REVIEW, {"senders": [sender]})
    made = dict(REGISTRATION.attributes) | dict.fromkeys(_STAMPS, micros(call.now))
    return crud.show(call, _REGISTRATION, registration_id, made)


def _review(engine: Engine, task: Task) -> None:
    """Decides on the newest registration of each sender, if nobody has."""
    store, account, now = engine.store, task.account, engine.clock.now()
    for sender_id in task.payload["senders"]:
        sender = generic.load(store, account, _SENDER, sender_id)
        registrations = generic.targets(store, account, _SENDER, sender_id, _REGISTRATION)
        registration = generic.load(store, account, _REGISTRATION, registrations[0]) if registrations else None
        if sender is None or registration is None or registration["status"] != "in_review":
            continue
        status, failures = _decision(generic.state(store, account, _REGISTRATION, registrations[0])["business"])
        at = seconds(now // SECOND)
        registration |= {"status": status, "failures": failures, "updated_at": at}
        if status != "action_required":
            registration["decided_at"] = at
        if status == "approved":
            number = generic.state(store, account, _SENDER, sender_id)["number"]
            sender |= {"status": "active", "sender_identifier": number}
        elif sender["status"] != "active":
            sender["status"] = "registration_failed" if status == "rejected" else "pending_registration"
        generic.update(store, account, _REGISTRATION, registrations[0], registration, now)
        generic.update(store, account, _SENDER, sender_id, sender, now)


def _decision(business: Mapping[str, Any]) -> tuple[str, list[dict[str, str]]]:
    """Status of a registration after its review, and why."""
    host = business["business_website"].rpartition("//")[2].partition("/")[0].partition(":")[0]
    if host.lower() == inferred.REJECTED_WEBSITE:
        return "rejected", [{"detail": inferred.REJECTION}]
    names = ["business_registration_country", "business_registration_authority", "business_registration_number"]
    if business["business_type"] == "SOLE_PROPRIETOR" and business.get(names[0]) == "US":
        return "approved", []
    missing = [name for name in names if not business.get(name)]
    failures = [{"detail": inferred.BUSINESS_REGISTRATION.format(name=name)} for name in missing]
    return ("action_required" if failures else "approved"), failures


def declare(engine: Engine) -> None:
    engine.jobs.kind(_REVIEW, _review)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "create_text_messaging_configuration": crud.create(CONFIGURATION, prepare=_check_configuration),
    "get_text_messaging_configuration": crud.item,
    "create_text_messaging_sender": create_sender,
    "get_text_messaging_senders": crud.collection,
    "get_text_messaging_sender": crud.item,
    "get_messaging_sender_registration_for_text_messaging_sender": crud.related,
    "get_messaging_sender_registration_id_for_text_messaging_sender": crud.related,
    "create_text_messaging_sender_registration": resubmit,
    "get_text_messaging_sender_registration": crud.item,
}
