"""Profiles in the store: which one is meant, and how incoming attributes change it (FACTS §6)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from clavichord.sandbox import inferred
from clavichord.sandbox.clock import SECOND, micros, seconds
from clavichord.sandbox.errors import ErrorObject, problem
from clavichord.sandbox.ids import exchanged
from clavichord.sandbox.store import Store

if TYPE_CHECKING:
    from clavichord.sandbox.engine import Engine

COLUMNS = (
    "p.id, p.email, p.phone_number, p.external_id, p.anonymous_id, p.created, p.updated, p.last_event, p.head, p.tail, "
    "p.subscriptions"
)
SHOWN = "p.id, p.created, p.updated, p.last_event, p.head, p.tail, p.subscriptions"
"""What an answer needs of a profile: `attributes` takes those between the first and the last."""

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
        return attributes(self.created, self.updated, self.last_event, self.head, self.tail, created, updated)


def attributes(
    created: int,
    updated: int,
    last_event: int | None,
    head: bytes,
    tail: bytes,
    created_now: int | None = None,
    updated_now: int | None = None,
) -> bytes:
    return b'%b,"created":"%b","updated":"%b","last_event_date":%b,%b' % (
        head[:-1],
        _second(created) if created_now is None else micros(created_now).encode(),
        _second(updated) if updated_now is None else micros(updated_now).encode(),
        b"null" if last_event is None else b'"%b"' % _second(last_event),
        tail[1:],
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
        if not _is_email(email):
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


def meta_faults(meta: Mapping[str, Any] | None, at: str) -> list[ErrorObject]:
    """What is wrong with `meta.patch_identifiers`; makes lists of lower case of the addresses. `at` is its pointer."""
    found: list[ErrorObject] = []
    for verb, given in ((meta or {}).get("patch_identifiers") or {}).items():
        for name in given or ():
            pointer = f"{at}/patch_identifiers/{verb}/{name}"
            if name != "email":  # the one that the spec allows
                found.append(problem(inferred.FIELD.format(given=name, type="PatchIdentifiers"), pointer=pointer))
                continue
            emails = _listed(given[name])
            if any(not isinstance(one, str) or not _is_email(one) for one in emails):
                found.append(problem(BAD_EMAIL, pointer=pointer))
            else:
                given[name] = [one.lower() for one in emails]
    return found


def _is_email(text: str) -> bool:
    return len(text) <= _MAX_EMAIL and _EMAIL.fullmatch(text) is not None


def nameless(attributes: Mapping[str, Any]) -> bool:
    """Whether nothing in the attributes says who a new profile would be: a `_kx` alone makes nobody."""
    return not any(attributes.get(name) for name in inferred.IDENTITY_ORDER)


def load(store: Store, account: str, profile_id: str) -> Profile | None:
    row = store.one(f"SELECT {COLUMNS} FROM profile p WHERE p.id = ? AND p.account = ?", profile_id, account)
    return None if row is None else Profile(*row)


def find(store: Store, account: str, profile_id: str | None, attributes: Mapping[str, Any]) -> Profile | None:
    """The profile meant: by id, by exchange id, else by the first identifier in order that somebody has (inferred
    order); an e-mail address may be a secondary one."""
    if profile_id:
        return load(store, account, profile_id)
    if attributes.get("_kx"):
        found = load(store, account, exchanged(account, attributes["_kx"]) or "")
        if found is not None:
            return found
    for name in inferred.IDENTITY_ORDER:
        value = attributes.get(name)
        if value:
            row = store.one(f"SELECT {COLUMNS} FROM profile p WHERE p.account = ? AND p.{name} = ?", account, value)
            if row is not None:
                return Profile(*row)
            if name == "email" and (owner := _secondary(store, account, value)) is not None:
                return load(store, account, owner)
    return None


def _owner(store: Store, account: str, name: str, value: str) -> str | None:
    row = store.one(f"SELECT id FROM profile WHERE account = ? AND {name} = ?", account, value)
    if row is None:
        return _secondary(store, account, value) if name == "email" else None
    return str(row[0])


def _secondary(store: Store, account: str, email: str) -> str | None:
    """Whose secondary address it is."""
    row = store.one("SELECT profile FROM secondary_email WHERE account = ? AND email = ?", account, email)
    return None if row is None else str(row[0])


def create(
    engine: Engine,
    account: str,
    attributes: Mapping[str, Any],
    meta: Mapping[str, Any] | None,
    now: int,
    *,
    polite: bool = False,
) -> Profile:
    """A new profile; the caller has made sure that its identifiers are free. `polite`: as with `change`."""
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
    _patch_emails(engine, account, row, meta, polite=polite)
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
    polite: bool = False,
) -> Profile:
    """Merges attributes into a profile. Missing leaves untouched, null clears unless `nulls` is off (FACTS §6.3, §7.1).

    `touch`: `updated` moves although nothing changed. An identifier that is another profile's raises Taken, or is left
    out with `polite`. A secondary address of its own leaves the first one as it is (inferred).
    """
    head = _decode(row.head)
    tail = _decode(row.tail)
    for name in SCALARS:
        if name in attributes and (nulls or attributes[name] is not None):
            value = attributes[name] or None
            if value is not None and value != head[name] and name in inferred.IDENTITY_ORDER:
                owner = _owner(engine.store, account, name, value)
                if owner is not None and owner != row.id and not polite:
                    raise Taken(name, owner)
                if owner is not None:
                    continue
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
    _patch_emails(engine, account, row, meta, polite=polite)
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
            " tail = ? WHERE account = ? AND id = ?",
            (*changed[1:5], changed.updated, changed.head, changed.tail, account, row.id),
        )
    return changed


def _patch(properties: dict[str, Any], meta: Mapping[str, Any] | None) -> None:
    """`meta.patch_properties`: append, unappend, unset (FACTS §6.4)."""
    patch = (meta or {}).get("patch_properties") or {}
    for name, given in (patch.get("append") or {}).items():
        kept = properties.get(name)
        values = list(kept) if isinstance(kept, list) else [] if kept is None else [kept]
        properties[name] = [value for value in _listed(given) if value not in values] + values  # new first, as recorded
    for name, given in (patch.get("unappend") or {}).items():
        if isinstance(properties.get(name), list):
            gone = _listed(given)
            properties[name] = [value for value in properties[name] if value not in gone]
    for name in _listed(patch.get("unset") or []):
        properties.pop(name, None)


def _patch_emails(engine: Engine, account: str, row: Profile, meta: Mapping[str, Any] | None, *, polite: bool) -> None:
    """`meta.patch_identifiers`: adds and removes secondary addresses (FACTS §6.4)."""
    patch = (meta or {}).get("patch_identifiers") or {}
    store = engine.store
    for email in (patch.get("append") or {}).get("email") or ():
        owner = _owner(store, account, "email", email)
        if owner is None:
            store.execute("INSERT INTO secondary_email VALUES (?, ?, ?)", (account, email, row.id))
        elif owner != row.id and not polite:
            raise Taken("email", owner)
    for email in (patch.get("unappend") or {}).get("email") or ():
        store.execute(
            "DELETE FROM secondary_email WHERE account = ? AND email = ? AND profile = ?", (account, email, row.id)
        )


def forget(store: Store, account: str, profile_id: str) -> None:
    """Deletes the row of a profile, its addresses and suppressions."""
    for table in ("secondary_email", "suppression"):
        store.execute(f"DELETE FROM {table} WHERE profile = ?", (profile_id,))
    store.execute("DELETE FROM profile WHERE id = ? AND account = ?", (profile_id, account))


def _listed(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]
