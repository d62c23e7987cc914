"""A collection read along a time field by several readers at once, in order, every record once.

The range is cut into slices on whole seconds, read page by page side by side. A reader without work takes the upper
half of what the fullest slice still has before it, so that all are busy however unevenly the records lie. A record
belongs to the slice that its own time falls into: what a filter brings twice at an edge is dropped. No I/O here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec
from msgspec import Struct

from clavichord.client.core import Steps
from clavichord.client.errors import ConfigurationError, InvalidResponse, KlaviyoError
from clavichord.client.filters import F
from clavichord.client.pages import next_query
from clavichord.client.resource import Resource
from clavichord.client.routes import named
from clavichord.client.types import Query, Response
from clavichord.client.work import SIDE_BY_SIDE, Threads, gathered

if TYPE_CHECKING:
    from clavichord.client.pages import _Pages

T = TypeVar("T")
AHEAD = 4
"""pages that a slice may hold while those before it are read"""


class Slice(Struct, eq=False):
    """`[lo, hi)` in unix seconds, and how far it is read."""

    lo: int
    hi: int
    query: Query | None = None
    """of its next page; None before the first"""
    at: int = 0
    """second of its last record, `lo` before"""
    density: float = 0.0
    """records per second on its last page; 0 = not known"""
    pages: deque[list[Any]] = msgspec.field(default_factory=deque)
    ended: bool = False

    @property
    def expected(self) -> float:
        """Records that are still to come, guessed from the last page."""
        return 0.0 if self.ended else self.density * (self.hi - self.at)


class Reading(Generic[T]):
    """One reading of `pages` from `since` on and before `until`. ConfigurationError for what cannot be read so."""

    def __init__(self, pages: _Pages[T], since: datetime, until: datetime | None, field: str, parallel: int) -> None:
        self._pages = pages
        route = named(pages._operation.id, pages._client._core.packaged)
        verb = f"{route.id}(…).between"
        able = [] if route.identifiers_only else [s for s in route.sorts if _bounds(route, s)]
        self.field = field = field or next(iter(able), "")
        if field not in able:
            raise ConfigurationError(
                f"{verb}: field is one of {', '.join(able)}, not {field!r}"
                if able
                else f"{verb}: this collection cannot be filtered and sorted by a time; iterate over it as it is"
            )
        if not isinstance(parallel, int) or not 1 <= parallel <= SIDE_BY_SIDE:
            raise ConfigurationError(f"{verb}: parallel is 1 to {SIDE_BY_SIDE}, not {parallel!r}")
        lo, hi = _second(verb, "since", since), _second(verb, "until", until or datetime.now(UTC), up=True)
        if lo >= hi:
            raise ConfigurationError(f"{verb}: until must be after since")
        given = dict(pages._given.query) if not isinstance(pages._given.query, str) else {}
        if given.get("sort", field) != field or "page[cursor]" in given:
            raise ConfigurationError(
                f"{verb}: reads in ascending order of {field} from the start: leave sort= and page_cursor= out"
            )
        if f"({field}," in str(given.get("filter", "")):
            raise ConfigurationError(f"{verb}: since and until bound {field} already: leave it out of filter=")
        kept = given.get(f"fields[{route.resource}]")
        if kept is not None and field not in kept:
            raise ConfigurationError(
                f"{verb}: fields_{route.resource.replace('-', '_')} must hold {field!r}, which tells them apart"
            )
        self._query = {**given, "sort": field}
        if route.page_size is not None:
            self._query.setdefault("page[size]", route.page_size.max)
        self._page = int(self._query.get("page[size]", 100))
        self._low, self._high = _bounds(route, field) or ("", "")
        self.parallel = parallel
        cuts = sorted({lo + (hi - lo) * n // parallel for n in range(parallel + 1)})
        self._slices = deque(_slice(a, b) for a, b in pairwise(cuts))

    def turn(self) -> list[Slice]:
        """The slices whose next page is wanted now, [] when all is read."""
        chosen = [s for s in self._slices if not s.ended and len(s.pages) < AHEAD][: self.parallel]
        while len(chosen) < self.parallel:
            split = max(self._slices, key=lambda s: s.expected, default=None)
            middle = (split.at + split.hi + 1) // 2 if split is not None else 0
            if split is None or split.expected < 2 * self._page or not split.at < middle < split.hi:
                break
            upper = _slice(middle, split.hi)
            upper.density = split.density
            split.hi = middle
            self._slices.insert(self._slices.index(split) + 1, upper)
            chosen.append(upper)
        return chosen

    def call(self, wanted: Slice) -> Steps[Any]:
        query = wanted.query if wanted.query is not None else self._first(wanted)
        return self._pages._steps(query)

    def _first(self, wanted: Slice) -> Query:
        field = F[self.field]
        low, high = (datetime.fromtimestamp(second, UTC) for second in (wanted.lo, wanted.hi))
        # Where only greater-than is there, one second more is read: its records belong to the slice before.
        since = field >= low if self._low == "greater-or-equal" else field > low - timedelta(seconds=1)
        until = field < high if self._high == "less-than" else field <= high
        given = self._query.get("filter")
        return {**self._query, "filter": ",".join([*([str(given)] if given else []), str(since & until)])}

    def take(self, wanted: Slice, page: Any) -> None:
        """A page of the slice has come. Raises what came instead of one."""
        if isinstance(page, KlaviyoError):
            raise page
        response: Response = page.response
        seconds = [self._of(record, response) for record in page.records]
        kept = [r for r, second in zip(page.records, seconds, strict=True) if wanted.lo <= second < wanted.hi]
        if kept:
            wanted.pages.append(kept)
        wanted.query = next_query(response)
        wanted.ended = wanted.query is None or any(second >= wanted.hi for second in seconds)
        if seconds:
            wanted.at = max(wanted.at, min(seconds[-1], wanted.hi))
            wanted.density = len(seconds) / max(1, seconds[-1] - seconds[0])

    def _of(self, record: Any, response: Response) -> int:
        moment = getattr(record, self.field, None) if isinstance(record, Resource) else None
        if not isinstance(moment, datetime):
            raise InvalidResponse(
                response.operation,
                response.status,
                note=f"a record has no {self.field}: it cannot be told where it belongs",
            )
        return int(moment.timestamp() // 1)

    def ready(self) -> Iterator[T]:
        """Records that come next in order."""
        while self._slices:
            first = self._slices[0]
            while first.pages:
                yield from first.pages.popleft()
            if not first.ended:
                return
            self._slices.popleft()


class Between(Generic[T]):
    """Iterate over it: the records from `since` on and before `until`, oldest first."""

    def __init__(self, pages: _Pages[T], *bounds: Any) -> None:
        self._pages, self._bounds = pages, bounds
        Reading(pages, *bounds)  # its checks, now

    def __iter__(self) -> Iterator[T]:
        reading = Reading(self._pages, *self._bounds)
        with Threads(self._pages._client) as together:
            while turn := reading.turn():
                for wanted, page in zip(turn, together([reading.call(wanted) for wanted in turn]), strict=True):
                    reading.take(wanted, page)
                yield from reading.ready()
        yield from reading.ready()


class AsyncBetween(Generic[T]):
    """`async for` over it: the records from `since` on and before `until`, oldest first."""

    def __init__(self, pages: _Pages[T], *bounds: Any) -> None:
        self._pages, self._bounds = pages, bounds
        Reading(pages, *bounds)

    async def __aiter__(self) -> AsyncIterator[T]:
        reading = Reading(self._pages, *self._bounds)
        while turn := reading.turn():
            pages = await gathered(self._pages._client, [reading.call(wanted) for wanted in turn])
            for wanted, page in zip(turn, pages, strict=True):
                reading.take(wanted, page)
            for record in reading.ready():
                yield record


def _slice(lo: int, hi: int) -> Slice:
    return Slice(lo, hi, at=lo)


def _bounds(route: Any, field: str) -> tuple[str, str] | None:
    """The operators that bound a time field from below and from above, None if there are not both."""
    for rule in route.filters:
        if rule.field == field and rule.type == "date-time":
            low = next((o for o in ("greater-or-equal", "greater-than") if o in rule.single), None)
            high = next((o for o in ("less-than", "less-or-equal") if o in rule.single), None)
            return (low, high) if low and high else None
    return None


def _second(verb: str, name: str, moment: Any, *, up: bool = False) -> int:
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise ConfigurationError(f"{verb}: {name} is a datetime with a time zone, not {moment!r}")
    return int(-(-moment.timestamp() // 1)) if up else int(moment.timestamp() // 1)
