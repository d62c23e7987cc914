"""Retrieve's JSON (`klaviyo.api_key`, `list_id`, `mapped_fields`, `chunk_size`, `chunk_waiting_time`) → a sync file.

The same text is run and is written by `clavichord import`, so that both send the same bytes.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import msgspec

from clavichord.sync.destinations.people import IDENTIFIERS, known
from clavichord.sync.expression import quoted
from clavichord.sync.mistakes import SyncError, nearest

ACTIONS = {
    "": "add", "add": "add", "add_members": "add", "remove": "remove", "remove_members": "remove", "sync": "sync",
    "sync_members": "sync", "track_event": "track_event", "track event": "track_event", "track": "track_event",
}  # fmt: skip
CONVERSIONS = {
    "": "{0}", "none": "{0}", "email": "email({0})", "phone": "phone({0})", "lower": "lower({0})",
    "lowercase": "lower({0})", "upper": "upper({0})", "uppercase": "upper({0})", "trim": "trim({0})",
    "strip": "trim({0})", "int": "try_cast({0} as bigint)", "integer": "try_cast({0} as bigint)",
    "float": "try_cast({0} as double)", "number": "try_cast({0} as double)", "decimal": "try_cast({0} as double)",
    "bool": "try_cast({0} as boolean)", "boolean": "try_cast({0} as boolean)", "string": "{0}::varchar",
    "str": "{0}::varchar", "date": "try_cast({0} as date)", "datetime": "try_cast({0} as timestamp)",
    "json": "{0}::json",
}  # fmt: skip
"""convert_function → SQL over the column"""


class _Klaviyo(msgspec.Struct):
    api_key: str
    list_id: str = ""


class _Field(msgspec.Struct):
    origin_field: str
    destination_field: str
    convert_function: str | None = ""


class _File(msgspec.Struct):
    klaviyo: _Klaviyo
    mapped_fields: list[_Field]
    chunk_size: int | None = None
    chunk_waiting_time: float | None = None
    """milliseconds"""
    action: str = ""
    event_name: str = ""


class Retrieved(NamedTuple):
    """What a file of Retrieve's says."""

    api_key: str
    sync: str
    """the sync's name"""
    text: str
    """a sync file"""
    source: str
    """file name of the rows, as the text has it"""
    notes: list[str]
    """what a person should know about the conversion"""


def read(text: str, name: str, source: str, key: str | None) -> Retrieved:
    """The file `name`, its rows in `source`, told apart by the column `key` (the address's by default). SyncError."""
    try:
        given = msgspec.json.decode(text, type=_File)
    except msgspec.MsgspecError as error:
        raise SyncError(
            f"{name}: {error}", "needed are klaviyo: {api_key, list_id} and mapped_fields: [{origin_field, …}]"
        ) from None
    action = ACTIONS.get(given.action.strip().lower())
    if action is None:
        raise SyncError(f'{name}: "{given.action}" is not an action', nearest(given.action, [a for a in ACTIONS if a]))
    if not given.klaviyo.api_key.startswith("pk_"):
        raise SyncError(f"{name}: klaviyo.api_key is not a private key", "a private key begins with pk_")
    fields = _fields(given, name)
    return Retrieved(
        given.klaviyo.api_key,
        _name(given, action),
        _text(given, action, fields, source, key or _key(given, name), name),
        source,
        list(_notes(given)),
    )


def _name(given: _File, action: str) -> str:
    what = given.klaviyo.list_id or "".join(c if c.isalnum() else "_" for c in given.event_name) or "rows"
    return f"retrieve_{action}_{what}"


def _fields(given: _File, name: str) -> dict[str, str]:
    """destination → SQL"""
    found: dict[str, str] = {}
    unknown = {f.convert_function for f in given.mapped_fields if (f.convert_function or "").lower() not in CONVERSIONS}
    if unknown:
        names = ", ".join(f'"{one}"' for one in sorted(map(str, unknown)))
        raise SyncError(
            f"{name}: unknown convert_function {names}", f"known: {', '.join(one for one in CONVERSIONS if one)}"
        )
    for field in given.mapped_fields:
        function = (field.convert_function or "").lower()
        if not function and field.destination_field in ("email", "phone_number"):
            function = {"email": "email", "phone_number": "phone"}[field.destination_field]
        if field.destination_field in found:
            raise SyncError(f"{name}: two fields go to {field.destination_field}", "keep one of them")
        found[field.destination_field] = CONVERSIONS[function].format(quoted(field.origin_field))
    if not any(one in found for one in IDENTIFIERS):
        raise SyncError(
            f"{name}: no field goes to {', '.join(IDENTIFIERS)}", 'map one: {"destination_field": "email", …}'
        )
    return found


def _key(given: _File, name: str) -> str:
    for wanted in ("external_id", "email", "phone_number"):
        for field in given.mapped_fields:
            if field.destination_field == wanted:
                return field.origin_field
    raise SyncError(f"{name}: which column tells rows apart?", "--key COLUMN")


def _text(given: _File, action: str, fields: dict[str, str], source: str, key: str, name: str) -> str:
    attributes, _ = known()
    target = f"id:{given.klaviyo.list_id}"
    if action in ("add", "remove", "sync") and not given.klaviyo.list_id:
        raise SyncError(f"{name}: klaviyo.list_id is missing", "it stands in the list's settings in Klaviyo")
    identifiers = {one: sql for one, sql in fields.items() if one in IDENTIFIERS}
    profile = {one: sql for one, sql in fields.items() if one in attributes and one not in ("properties", "location")}
    others = {one: sql for one, sql in fields.items() if one not in profile}
    if action in ("add", "sync"):
        body: dict[str, Any] = {
            "to": "profiles",
            "map": profile | ({"properties": others} if others else {}),
            "lists": [{"list": target, "mode": "mirror" if action == "sync" else "add"}],
        }
    elif action == "remove":
        body = {"to": "lists", "list": target, "member": identifiers, "mode": "remove"}
    else:
        if not given.event_name:
            raise SyncError(f"{name}: event_name is missing", "the metric's name in Klaviyo")
        special = {one: others.pop(one) for one in ("time", "value", "value_currency", "unique_id") if one in others}
        body = {"to": "events", "metric": given.event_name, "profile": profile, "time": "now()"} | special
        body |= {"properties": others} if others else {}
    head = {"sync": _name(given, action), "zone": "UTC", "from": {"file": source, "key": quoted(key)}}
    pace = _pace(given)
    return "".join(f"{name}: {json.dumps(one, ensure_ascii=False)}\n" for name, one in (head | body | pace).items())


def _pace(given: _File) -> dict[str, Any]:
    pace: dict[str, Any] = {}
    if given.chunk_size:
        pace["max_batch"] = given.chunk_size
    if given.chunk_waiting_time:
        pace["min_gap"] = f"{given.chunk_waiting_time / 1000:g}s"
    return {"pace": pace} if pace else {}


def _notes(given: _File) -> list[str]:
    notes = []
    if _pace(given):
        notes.append("chunk_size and chunk_waiting_time are kept as `pace`; without it the account's own limits decide")
    if given.klaviyo.list_id:
        notes.append("joining a list is not consent: nobody is subscribed by this file")
    return notes
