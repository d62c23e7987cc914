"""Coupon codes: one by one, in bulk, and the one that a message gives to a profile (FACTS §9.10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import SECOND, parse, seconds
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.errors import conflict, invalid
from clavichord.sandbox.filters import Column
from clavichord.sandbox.resources import bulk_jobs
from clavichord.sandbox.resources.bulk_jobs import BulkJob

_LIFE = inferred.COUPON_CODE_DAYS * 86_400
_EDGE = (
    "EXISTS (SELECT 1 FROM edge f WHERE f.account = r.account AND f.type = 'coupon-code' AND f.id = r.id"
    " AND f.relationship = '{}' AND f.target {{}})"
)


def _new_id(call: Call) -> str:
    return f"{_coupon_id(call)}-{call.data['attributes']['unique_code']}"


KIND = crud.declare(
    crud.Kind(
        type="coupon-code",
        attributes={"unique_code": None, "expires_at": None, "status": "UNASSIGNED"},
        new_id=_new_id,
        created="",
        updated="",
        resolved=("coupon",),
        filters={"coupon.id": Column(_EDGE.format("coupon")), "profile.id": Column(_EDGE.format("profile"))},
    )
)


def _coupon_id(call: Call) -> str:
    """The coupon of the body. Refusal (400) if it names none."""
    linkage = call.data["relationships"]["coupon"].get("data")
    if not linkage:
        raise invalid(inferred.REQUIRED.format(name="data"), pointer="/data/relationships/coupon/data")
    return str(linkage["id"])


def _expiry(call: Call, given: str | None) -> str:
    """As it is read back; what is not given is set to a year, of which 364 days were recorded (LIVE #12)."""
    return seconds(call.now // SECOND + _LIFE if given is None else (parse(given) or 0) // SECOND)


def create_coupon_code(call: Call) -> Answer:
    """Answers 200, and the expiry with a `Z`, unlike every later read (LIVE #12)."""
    given = call.data["attributes"]
    coupon_id = _coupon_id(call)
    if not given["unique_code"]:
        raise invalid("'unique_code' must not be empty.", pointer="/data/attributes/unique_code")
    generic.required(call, "coupon", coupon_id)
    code_id = _new_id(call)
    if crud.known(call, "coupon-code", code_id):
        raise conflict("conflict", inferred.COUPON_CODE_TAKEN.format(id=code_id), "/data")
    attributes = {
        "unique_code": given["unique_code"],
        "expires_at": _expiry(call, given.get("expires_at")),
        "status": "UNASSIGNED",
    }
    with call.engine.store.write():
        generic.insert(call.engine.store, call.account, "coupon-code", code_id, attributes, call.now)
        crud.link(call, "coupon-code", code_id, "coupon", [coupon_id])
    attributes["expires_at"] = attributes["expires_at"].replace("+00:00", "Z")
    return crud.show(call, "coupon-code", code_id, attributes)


def _prepare(call: Call, attributes: dict[str, Any]) -> None:
    given = call.data["attributes"]
    if "expires_at" in given:
        attributes["expires_at"] = _expiry(call, given["expires_at"])


def _freed(call: Call, code_id: str, attributes: dict[str, Any]) -> None:
    """A code that is unassigned again is nobody's."""
    if attributes["status"] == "UNASSIGNED":
        crud.relink(call, "coupon-code", code_id, "profile", [])


def _refuse_assigned(call: Call, attributes: dict[str, Any]) -> None:
    """A code that a profile has cannot be deleted (documented; status and wording inferred)."""
    if attributes["status"] == "ASSIGNED_TO_PROFILE":
        raise invalid(inferred.COUPON_CODE_ASSIGNED.format(id=call.id), pointer="/data/id")


def get_coupon_codes(call: Call) -> Answer:
    """Without a coupon or a profile there is no list (FACTS §4.1)."""
    if not any(condition.field in ("coupon.id", "profile.id") for condition in call.query.conditions):
        raise invalid(inferred.COUPON_CODE_FILTER, parameter="filter")
    return crud.collection(call)


def assign(engine: Engine, account: str, coupon_id: str, profile_id: str, now: int) -> str | None:
    """The code of a coupon for a profile: the one it has, or the oldest free one, which then is its own.

    None if no code is left. For messages: the API itself assigns nothing. Inside a transaction.
    """
    row = engine.store.one(
        "SELECT r.id, r.attributes FROM edge c JOIN resource r"
        " ON r.account = c.account AND r.type = c.type AND r.id = c.id"
        " LEFT JOIN edge p ON p.account = c.account AND p.type = c.type AND p.id = c.id AND p.relationship = 'profile'"
        " WHERE c.account = ? AND c.type = 'coupon-code' AND c.relationship = 'coupon' AND c.target = ?"
        " AND json_extract(r.attributes, '$.expires_at') > ?"
        " AND (p.target = ? OR json_extract(r.attributes, '$.status') = 'UNASSIGNED')"
        " ORDER BY p.target IS NULL, r.created, r.id LIMIT 1",
        account,
        coupon_id,
        seconds(now // SECOND),
        profile_id,
    )
    if row is None:
        return None
    attributes = generic.load(engine.store, account, "coupon-code", row[0]) or {}
    attributes["status"] = "ASSIGNED_TO_PROFILE"
    generic.update(engine.store, account, "coupon-code", row[0], attributes, now)
    generic.link(engine.store, account, "coupon-code", row[0], "profile", [profile_id], now)
    return str(attributes["unique_code"])


_JOB = BulkJob(
    type="coupon-code-bulk-create-job",
    entries="coupon-codes",
    operation="create_coupon_code",
    single=create_coupon_code,
    kind=KIND,
)
crud.declare(bulk_jobs.kind(_JOB.type, _JOB.entries))


def declare(engine: Engine) -> None:
    bulk_jobs.declare(engine, _JOB)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_coupon_codes": get_coupon_codes,
    "create_coupon_code": create_coupon_code,
    "get_coupon_code": crud.item,
    "update_coupon_code": crud.update(KIND, prepare=_prepare, after=_freed),
    "delete_coupon_code": crud.delete(KIND, prepare=_refuse_assigned),
    "get_coupon_for_coupon_code": crud.related,
    "get_coupon_id_for_coupon_code": crud.related,
    "get_coupon_codes_for_coupon": crud.related,
    "get_coupon_code_ids_for_coupon": crud.related,
    **bulk_jobs.behaviours(
        _JOB, "bulk_create_coupon_codes", "get_bulk_create_coupon_code_jobs", "get_bulk_create_coupon_codes_job"
    ),
}
