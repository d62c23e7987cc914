"""Profiles in the store: which one is meant, and how incoming attributes change it (FACTS §6)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from clavichord.sandbox import inferred
from clavichord.sandbox.clock import SECOND, micros, seconds
from clavichord.sandbox.errors import ErrorObject, problem, service
from clavichord.sandbox.store import Store

if TYPE_CHECKING:
    from clavichord.sandbox.engine import Engine

COLUMNS = (
    "p.id, p.email, p.phone_number, p.external_id, p.anonymous_id, p.created, p.updated, p.last_event, p.head, p.tail, "
    "p.subscriptions"
)
SCALARS = (
    "email",
    "phone_number",
    "external_id",
    "anonymous_id",
    "whatsapp_bsuid",
    "first_name",
    "last_name",
    "organization",
    "locale",
    "title",
    "image",
)
_LOCATION = ("address1", "address2", "city", "country", "latitude", "longitude", "region", "zip", "timezone", "ip")
_MAX_EMAIL = 100
_LABEL = r"[^\W_](?:[\w-]*[^\W_])?"
_EMAIL = re.compile(
    rf"[\w!#$%&'*+/=?^`{{|}}~-]+(?:\.[\w!#$%&'*+/=?^`{{|}}~-]+)*@(?:{_LABEL}\.)+(?:[^\W\d_]{{2,}}|xn--[\w-]+)"
)
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
BAD_EMAIL = "Invalid email address"
BAD_PHONE = "Invalid phone number format (Example of a valid format: +12345678901)"

_decode = msgspec.json.decode
_encode = msgspec.json.encode


class Profile(NamedTuple):
    """A row of the profile table."""

    id: str
    email: str | None
    phone_number: str | None
    external_id: str | None
    anonymous_id: str | None
    created: int
    updated: int
    last_event: int | None
    head: bytes
    tail: bytes
    subscriptions: str | None

    def attributes(self, *, created: int | None = None, updated: int | None = None) -> bytes:
        """The default projection; instants in microseconds for what this request wrote, else read back in seconds."""
        return b'%b,"created":"%b","updated":"%b","last_event_date":%b,%b' % (
            self.head[:-1],
            _second(self.created) if created is None else micros(created).encode(),
            _second(self.updated) if updated is None else micros(updated).encode(),
            b"null" if self.last_event is None else b'"%b"' % _second(self.last_event),
            self.tail[1:],
        )


@lru_cache(maxsize=65536)
def _second(second: int) -> bytes:
    return seconds(second).encode()


class Taken(Exception):
    """An identifier belongs to another profile."""

    def __init__(self, identifier: str, owner: str) -> None:
        super().__init__(f"{identifier} belongs to profile {owner}")
        self.identifier = identifier
        self.owner = owner


def faults(
    attributes: dict[str, Any], at: str, *, profile_id: str | None = None, required: bool = True
) -> list[ErrorObject]:
    """What is wrong with a profile's values; puts the good ones into their stored form (e-mail in lower case).

    `at` is the pointer of the attributes. Texts are recorded (FACTS §1.5).
    """
    found: list[ErrorObject] = []
    email = attributes.get("email")
    if email is not None:
        if len(email) > _MAX_EMAIL or _EMAIL.fullmatch(email) is None:
            found.append(problem(BAD_EMAIL, pointer=f"{at}/email"))
        attributes["email"] = email.lower()
    phone = attributes.get("phone_number")
    if phone is not None and _E164.fullmatch(phone) is None:
        found.append(problem(BAD_PHONE, pointer=f"{at}/phone_number"))
    location = attributes.get("location")
    if location:
        for axis in ("latitude", "longitude"):
            if isinstance(location.get(axis), str):
                try:
                    location[axis] = float(location[axis])
                except ValueError:
                    text = inferred.WRONG_TYPE.format(name=axis, expected="a number")
                    found.append(problem(text, pointer=f"{at}/location/{axis}"))
    known = profile_id or attributes.get("_kx") or any(attributes.get(name) for name in inferred.IDENTITY_ORDER)
    if required and not known:
        found.append(problem(inferred.IDENTIFIER, pointer=at))
    return found


def refuse_unsupported(meta: Mapping[str, Any] | None) -> None:
    """Secondary addresses are not kept yet: 501 is better than a yes that does nothing."""
    if (meta or {}).get("patch_identifiers"):
        text = "The sandbox does not implement meta.patch_identifiers yet."
        raise service(501, "not_implemented", "Not implemented.", text)


def load(store: Store, account: str, profile_id: str) -> Profile | None:
    row = store.one(f"SELECT {COLUMNS} FROM profile p WHERE p.id = ? AND p.account = ?", profile_id, account)
    return None if row is None else Profile(*row)


def find(store: Store, account: str, profile_id: str | None, attributes: Mapping[str, Any]) -> Profile | None:
    """The profile meant: by id, else by the first identifier in order that somebody has (inferred order)."""
    if profile_id:
        return load(store, account, profile_id)
    for name in inferred.IDENTITY_ORDER:
        value = attributes.get(name)
        if value:
            row = store.one(f"SELECT {COLUMNS} FROM profile p WHERE p.account = ? AND p.{name} = ?", account, value)
            if row is not None:
                return Profile(*row)
    return None


def _owner(store: Store, account: str, name: str, value: str) -> str | None:
    row = store.one(f"SELECT id FROM profile WHERE account = ? AND {name} = ?", account, value)
    return None if row is None else str(row[0])


def create(
    engine: Engine, account: str, attributes: Mapping[str, Any], meta: Mapping[str, Any] | None, now: int
) -> Profile:
    """A new profile; the caller has made sure that its identifiers are free."""
    head = {name: attributes.get(name) or None for name in SCALARS}
    location = attributes.get("location") or {}
    properties = dict(attributes.get("properties") or {})
    _patch(properties, meta)
    tail = {"location": {name: location.get(name) for name in _LOCATION}, "properties": properties}
    second = now // SECOND
    row = Profile(
        engine.ids.ulid(),
        head["email"],
        head["phone_number"],
        head["external_id"],
        head["anonymous_id"],
        second,
        second,
        None,
        _encode(head),
        _encode(tail),
        None,
    )
    engine.store.execute(
        "INSERT INTO profile (account, id, email, phone_number, external_id, anonymous_id, created, updated,"
        " last_event, head, tail, subscriptions) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (account, *row),
    )
    return row


def change(
    engine: Engine,
    account: str,
    row: Profile,
    attributes: Mapping[str, Any],
    meta: Mapping[str, Any] | None,
    now: int,
    *,
    nulls: bool = True,
    touch: bool = True,
) -> Profile:
    """Merges attributes into a profile. Missing leaves untouched, null clears unless `nulls` is off (FACTS §6.3, §7.1).

    `touch`: `updated` moves although nothing changed. Raises Taken if an identifier is another profile's.
    """
    head = _decode(row.head)
    tail = _decode(row.tail)
    for name in SCALARS:
        if name in attributes and (nulls or attributes[name] is not None):
            value = attributes[name] or None
            if value is not None and value != head[name] and name in inferred.IDENTITY_ORDER:
                owner = _owner(engine.store, account, name, value)
                if owner is not None and owner != row.id:
                    raise Taken(name, owner)
            head[name] = value
    if attributes.get("location"):
        given = attributes["location"]
        tail["location"].update({name: given[name] for name in _LOCATION if name in given})
    elif "location" in attributes and nulls:
        tail["location"] = dict.fromkeys(_LOCATION)
    if attributes.get("properties"):
        tail["properties"].update(attributes["properties"])
    elif "properties" in attributes and attributes["properties"] is None and nulls:
        tail["properties"] = {}
    _patch(tail["properties"], meta)
    changed = row._replace(
        email=head["email"],
        phone_number=head["phone_number"],
        external_id=head["external_id"],
        anonymous_id=head["anonymous_id"],
        head=_encode(head),
        tail=_encode(tail),
    )
    if changed != row or touch:
        changed = changed._replace(updated=now // SECOND)
        engine.store.execute(
            "UPDATE profile SET email = ?, phone_number = ?, external_id = ?, anonymous_id = ?, updated = ?, head = ?,"
            " tail = ? WHERE id = ?",
            (*changed[1:5], changed.updated, changed.head, changed.tail, row.id),
        )
    return changed


def _patch(properties: dict[str, Any], meta: Mapping[str, Any] | None) -> None:
    """`meta.patch_properties`: append, unappend, unset (FACTS §6.4)."""
    patch = (meta or {}).get("patch_properties") or {}
    for name, given in (patch.get("append") or {}).items():
        kept = properties.get(name)
        values = list(kept) if isinstance(kept, list) else [] if kept is None else [kept]
        properties[name] = values + [value for value in _listed(given) if value not in values]
    for name, given in (patch.get("unappend") or {}).items():
        if isinstance(properties.get(name), list):
            gone = _listed(given)
            properties[name] = [value for value in properties[name] if value not in gone]
    for name in _listed(patch.get("unset") or []):
        properties.pop(name, None)


def _listed(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]
