"""What a stream is: an operation of the catalogue, its time axes, key and columns, as data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from msgspec import Struct, field

GRAIN = 1
"""seconds: the step of every time axis. Klaviyo compares and shows whole seconds (FACTS §8.1, LIVE 11)."""


class Window(Struct, frozen=True):
    """A time axis that a stream can be filtered by and sorted on, ascending."""

    field: str
    strict: bool = False
    """only greater-than and less-than exist (profiles, FACTS §4.1): one grain of overlap makes up for it"""

    def query(self, lo: int | None, hi: int | None) -> dict[str, str]:
        """The parameters that select [lo, hi), unix seconds; None = open. `strict`: rows just below lo come too."""
        bounds = []
        if lo is not None:
            first = (
                f"greater-than({self.field},{iso(lo - GRAIN)})"
                if self.strict
                else f"greater-or-equal({self.field},{iso(lo)})"
            )
            bounds.append(first)
        if hi is not None:
            bounds.append(f"less-than({self.field},{iso(hi)})")
        return {"sort": self.field} | ({"filter": ",".join(bounds)} if bounds else {})


class Column(Struct, frozen=True):
    """A typed column, filled from the resource; what does not fit its type becomes null, the raw row keeps it."""

    name: str
    type: str
    path: tuple[str, ...]
    pointer: str = ""
    """JSON pointer inside the value at `path`"""


class Stream(Struct, frozen=True):
    """One collection and the table it fills."""

    name: str
    table: str
    operation: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    query: Mapping[str, str] = field(default_factory=dict)
    full: Window | None = None
    """axis of a first read: a row does not move on it while we read"""
    live: Window | None = None
    """axis of the following reads"""
    version: str = ""
    """column that says which of two readings of a row is the newer one"""
    parents: str = ""
    """stream whose ids fill the operation's path parameter"""
    raw: bool = True
    filters: tuple[str, ...] = ()
    """the collection is read once with each of them: Klaviyo wants one, or leaves rows out without it"""
    sweep: bool = False
    """every read is a full one, and what it does not meet is removed"""
    marks: bool = False
    """a removed row stays and gets the time in `_removed`"""


def iso(seconds: int) -> str:
    """Unix seconds as Klaviyo takes them in a filter."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def attributes(type: str, *names: str) -> tuple[Column, ...]:
    return tuple(Column(name, type, ("attributes", name)) for name in names)


ID = Column("id", "VARCHAR", ("id",))
