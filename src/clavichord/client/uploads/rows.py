"""A row as the bytes that are sent, or why it cannot be sent. Known before anything leaves."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeAlias

from msgspec import UNSET, Struct

from clavichord.client.core import encode_body
from clavichord.client.errors import ConfigurationError
from clavichord.client.resource import Resource

IDENTIFIERS = ("email", "phone_number", "external_id")
EMAIL_LENGTH = 100
"""characters (FACTS §6.1)"""


class Refused(Exception):
    """This row cannot be sent."""

    def __init__(self, reason: str, argument: str = "", code: str = "invalid") -> None:
        super().__init__(reason)
        self.reason, self.argument, self.code = reason, argument, code


class Entry(Struct):
    """A row on its way."""

    index: int
    row: Any
    payload: bytes
    """its JSON as it goes into the request"""
    kind: str = ""
    """what names the thing that it is about: email, phone_number, external_id, id"""
    name: str = ""


Prepare: TypeAlias = Callable[[int, Any], Entry]
"""(index, row) → entry; raises Refused"""


def mapping(row: Any) -> Mapping[str, Any]:
    """The row as a mapping with names for keys, without what is UNSET. Raises Refused."""
    if isinstance(row, Resource):
        raw = row.to_dict()
        return {"id": row.id, **raw.get("attributes", {})} if row.id else dict(raw.get("attributes", {}))
    if not isinstance(row, Mapping):
        raise Refused(f"a row is a dict of attributes, not {type(row).__name__}", code="not_a_row")
    for name in row:
        if not isinstance(name, str):
            raise Refused(f"the names in a row are text, not {name!r}", code="not_a_row")
    return {name: value for name, value in row.items() if value is not UNSET}


def encoded(value: Any) -> bytes:
    """JSON. Raises Refused for what JSON cannot hold."""
    try:
        found = encode_body("row", value)
    except ConfigurationError as error:
        raise Refused(str(error).removeprefix("row: the body "), code="not_json") from None
    except RecursionError:
        raise Refused("cannot be written as JSON: it is nested too deeply", code="not_json") from None
    assert found is not None
    return found


def text(row: Mapping[str, Any], name: str) -> str:
    """The text under `name`, "" if there is none. Raises Refused for anything else."""
    value = row.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Refused(f"{name} is text, not {value!r}", name)
    return value


def address(email: str) -> None:
    """Refuses only what can be no address at all: Klaviyo's own rule decides about the rest."""
    if not re.fullmatch(r"[^@\s]+@[^@\s]+|\"[^\"]+\"@[^@\s]+", email):
        raise Refused(f"Invalid email address: {email!r}", "email")
    if len(email) > EMAIL_LENGTH:
        raise Refused(f"the address is longer than {EMAIL_LENGTH} characters", "email")


def identify(row: Mapping[str, Any], among: tuple[str, ...] = ("id", *IDENTIFIERS)) -> tuple[str, str]:
    """What names the person: (kind, value), the first that is given. Raises Refused."""
    found = ("", "")
    for kind in among:
        value = text(row, kind)
        if value and kind == "email":
            address(value)
        if value and not found[0]:
            found = (kind, value)
    if not found[0]:
        raise Refused(f"needs one of {', '.join(among)}", code="no_identifier")
    return found


_WRITABLE = (
    *IDENTIFIERS,
    "first_name",
    "last_name",
    "organization",
    "locale",
    "title",
    "image",
    "location",
    "properties",
)


def profile(index: int, row: Any) -> Entry:
    """A profile of a bulk import: attributes as they are called in Klaviyo, `id` and `meta` beside them.

    Of a Profile that was read, what can be written is taken.
    """
    given = mapping(row)
    if isinstance(row, Resource):
        given = {name: given[name] for name in _WRITABLE if given.get(name) is not None}
    inner = given.get("attributes")
    kind, name = identify({**inner, "id": given.get("id")} if isinstance(inner, Mapping) else given)
    return Entry(index, row, encoded(resource("profile", given)), kind, name)


def resource(kind: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON:API object of flat attributes; one that is a JSON:API object already stays as it is."""
    if isinstance(given.get("attributes"), Mapping):
        return {**given, "type": kind}
    beside = {name: given[name] for name in ("id", "meta") if given.get(name)}
    attributes = {name: value for name, value in given.items() if name not in ("id", "meta", "type")}
    return {"type": kind, **beside, "attributes": attributes}


def moment(row: Mapping[str, Any], name: str) -> None:
    """Refuses a time without a zone."""
    value = row.get(name)
    if isinstance(value, datetime) and value.tzinfo is None:
        raise Refused(f"{name} has no time zone ({value.isoformat()}): give it one", name)
    if value is not None and not isinstance(value, (datetime, str)):
        raise Refused(f"{name} is a datetime or ISO text, not {value!r}", name)
