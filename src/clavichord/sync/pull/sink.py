"""What a destination must be able to do, and the words in which a reading and its destination talk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct, field

from clavichord.sync.mistakes import SyncError
from clavichord.sync.pull.slices import Range
from clavichord.sync.pull.stream import Stream


class SinkError(SyncError):
    """The destination cannot be used: not writable, in use by another process, of another account, damaged."""


class Rows(Struct, frozen=True):
    """The resources of one page, each as its JSON text."""

    parent: str
    rows: Sequence[bytes]


class Counts(Struct):
    """Rows by what they did to the table: read = new + changed + unchanged."""

    read: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    removed: int = 0
    """left the table: no longer there in Klaviyo"""

    def add(self, other: Counts) -> None:
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Reading(Struct):
    """A reading that is under way; it survives the process in the destination."""

    axis: str
    """field of the window, "" = a plain walk"""
    began: int
    """unix seconds"""
    ranges: list[Range]
    """what is still to be read"""
    horizons: list[int] = []
    """repair windows that it covers, seconds"""


class Cursor(Struct):
    """What a destination remembers of a stream."""

    high_water: int | None = None
    """everything up to this second has been read once; None = the stream was never read to its end"""
    since: int | None = None
    """the stream was read from here on; None = from its beginning"""
    repaired: dict[str, int] = field(default_factory=dict)
    """repair window (seconds, as text) → when it was last read"""
    reading: Reading | None = None


class Sink(Protocol):
    """A destination. Every method is one transaction: after a crash it has happened, or it has not."""

    def open(self, account: str) -> None:
        """Opens it, or makes it, for this account's rows. SinkError if it holds another account's."""

    def close(self) -> None: ...

    def prepare(self, stream: Stream) -> Cursor:
        """Makes the stream's table if needed and says how far it was read."""

    def write(self, stream: Stream, pages: Sequence[Rows], cursor: Cursor) -> Counts:
        """The pages' rows and the cursor that holds after them, together."""

    def complete(self, stream: Stream, cursor: Cursor) -> int:
        """The reading is over: the new cursor, and for a sweep the removal of what it did not meet (how many)."""

    def newest(self, stream: Stream, column: str, until: int) -> int | None:
        """The newest second in `column` that is not after `until`."""

    def keys(self, stream: Stream) -> list[str]:
        """All keys of the stream's table that are still there in Klaviyo."""

    def record_run(self, run: str, report: Mapping[str, Any]) -> None:
        """A line in the destination's own table of runs; replaces the run's earlier line."""
