"""`page[cursor]`: where a page ended, by value, so that rows written meanwhile neither shift nor repeat a row."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import NamedTuple
from urllib.parse import parse_qs

import msgspec

from clavichord.sandbox import inferred
from clavichord.sandbox.errors import Refusal, invalid

_ALPHABET = re.compile(r"[A-Za-z0-9_-]{1,4000}")


FILTERS = "<Filters: "
"""how a cursor begins that stands for no position (recorded for lists, FACTS §4.6)"""


class Position(NamedTuple):
    """The last row of a page in reading order, `[value it was sorted by, id, forward, mark]` on the wire: the form that
    was recorded for events (FACTS §4.6), and the mark."""

    value: str | int | float
    id: str
    forward: bool
    mark: int = 0
    """of what was asked for: a cursor leads nowhere else"""


def encode(position: Position) -> str:
    return urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def decode(given: str, parameter: str = "page[cursor]") -> Position | None:
    """Reads a cursor; a whole link and a leading `=` are what the official SDKs send (SANDBOX §3). None: from the
    beginning. Refusal (400)."""
    if "://" in given:
        given = parse_qs(given.partition("?")[2]).get(parameter, [""])[0]
    given = given.lstrip("=")
    if given.startswith(FILTERS):
        return None
    if _ALPHABET.fullmatch(given) is None:
        raise bad_cursor()
    try:
        position = msgspec.json.decode(urlsafe_b64decode(given + "=" * (-len(given) % 4)), type=Position)
    except (ValueError, RecursionError):  # base64 and msgspec both raise kinds of ValueError
        raise bad_cursor() from None
    if not isinstance(position.value, str) and abs(position.value) > 2**62:
        raise bad_cursor()
    return position


def bad_cursor(text: str = inferred.CURSOR) -> Refusal:
    return invalid(text, parameter="page_cursor")
