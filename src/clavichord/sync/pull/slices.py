"""Time slices that are read in parallel and shared out while they are read.

A slice is a range of a time axis, walked page by page in ascending order. A reader that has nothing to do takes over
the upper half of what another still has before it, where the most rows are expected; so all are busy to the end,
however unevenly the rows lie, and the latency of one answer stops mattering. No I/O here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from clavichord.sync.pull.stream import GRAIN

Range = tuple[str, int | None, int | None]
"""parent, from (inclusive), to (exclusive), in unix seconds; None = open"""


class Unsorted(Exception):
    """The rows of a walk do not ascend: positions in it mean nothing."""


@dataclass(slots=True, eq=False)
class Slice:
    """One range and how far it is read. Positions are the second of the last row."""

    parent: str
    lo: int | None
    hi: int | None
    fetched: int | None = None
    loaded: int | None = None
    density: float = 0.0
    """rows per second of the axis on its latest page; 0 = not known"""
    complete: bool = False
    cut: bool = False
    """its end has moved since its walk began: the walk would go on beyond it"""

    @property
    def start(self) -> int | None:
        """Where a walk (re)starts: rows of that second come again, and are recognised by their key."""
        return self.fetched if self.fetched is not None else self.lo

    @property
    def expected(self) -> float:
        """Rows that are still to come, guessed from the latest page."""
        if self.fetched is None or self.hi is None:
            return 0.0
        return self.density * max(0, self.hi - self.fetched)


class Slices:
    """All slices of one reading. `page` is the rows of a full page: less than two of them are not worth a split."""

    def __init__(self, ranges: Iterable[Range], page: int) -> None:
        self.page = page
        self._waiting = [Slice(*r) for r in ranges]
        self._running: list[Slice] = []
        self._ended: list[Slice] = []

    def take(self) -> Slice | None:
        """Something to read: a slice nobody has begun, or half of the one with the most left. None: nothing for now."""
        if self._waiting:
            taken = self._waiting.pop(0)
        else:
            split = max(self._running, key=lambda s: s.expected, default=None)
            if split is None or split.hi is None or split.fetched is None or split.expected < 2 * self.page:
                return None
            middle = split.fetched + (split.hi - split.fetched) // 2
            if not split.fetched < middle < split.hi:
                return None
            taken = Slice(split.parent, middle, split.hi)
            split.hi, split.cut = middle, True
        self._running.append(taken)
        return taken

    @property
    def busy(self) -> bool:
        """Someone is reading, so that there may be something to take later."""
        return bool(self._running or self._waiting)

    @property
    def expected(self) -> float:
        """Rows that are still to come as far as one can tell."""
        return sum(s.expected for s in self._running)

    def bound(self, slice: Slice, last: int) -> None:
        """An open slice turns out to reach to `last`: it ends there; what may come later becomes a slice."""
        if slice.hi is None and (slice.fetched is None or last >= slice.fetched):
            slice.hi = last + 1
            self._waiting.append(Slice(slice.parent, slice.hi, None))

    def arrived(self, slice: Slice, first: int | None, last: int | None, rows: int) -> bool:
        """A page of `rows` rows from `first` to `last` has come. True: what follows on its next page is wanted."""
        if first is not None and last is not None:
            before = slice.fetched if slice.fetched is not None else first
            if last < first or first < before - GRAIN:
                raise Unsorted
            slice.density = rows / max(1, last - first)
            slice.fetched = max(last, before)
        return slice.hi is None or slice.fetched is None or slice.fetched < slice.hi

    def ended(self, slice: Slice) -> None:
        """Its last wanted page has come."""
        self._running.remove(slice)
        self._ended.append(slice)

    def landed(self, slice: Slice, upto: int | None, final: bool) -> None:
        """A page of it is in the destination, up to the second `upto`; `final`: there is none after it."""
        if upto is not None:
            slice.loaded = upto
        slice.complete = slice.complete or final
        if slice.complete and slice in self._ended:
            self._ended.remove(slice)

    def remaining(self) -> list[Range]:
        """What is not yet in the destination: reading exactly this again loses nothing."""
        open_ = (s for group in (self._ended, self._running, self._waiting) for s in group if not s.complete)
        return [(s.parent, s.loaded if s.loaded is not None else s.lo, s.hi) for s in open_]
