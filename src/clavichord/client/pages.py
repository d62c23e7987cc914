"""Collections: pages one after the other, or their records as one stream.

A next link is followed by its query only: where the request goes is never taken from an answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload
from urllib.parse import quote

import msgspec

from clavichord.client.arguments import Arguments
from clavichord.client.core import Steps
from clavichord.client.errors import InvalidResponse
from clavichord.client.lenient_json import REFUSED
from clavichord.client.resource import Document, Resource
from clavichord.client.types import Query, Response, Route

if TYPE_CHECKING:
    from datetime import datetime

    from clavichord.client.slices import AsyncBetween, Between

T = TypeVar("T")


class _Linked(msgspec.Struct):
    links: Any = None


_QUERY = "%=&+-._~!$'()*,;:@/?[]"
"""what stays as it is in a query that is encoded already"""
_links = msgspec.json.Decoder(_Linked)


def next_query(response: Response) -> str | None:
    """The query of the next page, still encoded; None on the last page. InvalidResponse if the body is not JSON."""
    try:
        links = _links.decode(response.body).links
    except REFUSED:
        document = response.json()
        links = document.get("links") if isinstance(document, dict) else None
    link = links.get("next") if isinstance(links, dict) else None
    if not isinstance(link, str):
        return None
    query = link.partition("#")[0].partition("?")[2]
    return quote(query, safe=_QUERY) or None


def walk(query: Query | None) -> Generator[Query | None, Response, None]:
    """The queries of a collection's pages: yields one, takes its response, yields the next."""
    seen: set[str] = set()
    while True:
        response = yield query
        following = next_query(response)
        if following is None:
            return
        if following in seen:
            raise InvalidResponse(
                response.operation,
                response.status,
                note=f"its next link leads back to a page already read: {following}",
            )
        seen.add(following)
        query = following


class Page(Sequence[T]):
    """One page: a sequence of its records."""

    def __init__(self, records: list[T], response: Response) -> None:
        self.records = records
        self.response = response

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[T]: ...
    def __getitem__(self, place: int | slice) -> T | Sequence[T]:
        return self.records[place]

    def __iter__(self) -> Iterator[T]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    @property
    def has_next(self) -> bool:
        return next_query(self.response) is not None

    @cached_property
    def included(self) -> list[Resource]:
        """The resources that `include=` brought along."""
        return Document(self.response).included()

    def __repr__(self) -> str:
        return f"Page({len(self.records)} records, has_next={self.has_next})"


class _Pages(Generic[T]):
    """What both pagers share: which calls to make, and what to make of the answers."""

    def __init__(self, client: Any, operation: Route, decode: Callable[[Response], list[T]], given: Arguments) -> None:
        self._client = client
        self._operation = operation
        self._decode = decode
        self._given = given

    def _steps(self, query: Query | None) -> Steps[Page[T]]:
        given = self._given
        response = yield from self._client._core.call(
            self._operation, path=given.path, query=query, body=given.body, content_type=given.content_type
        )
        return Page(self._decode(response), response)

    def _walk(self) -> Generator[Query | None, Response, None]:
        return walk(self._given.query)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._operation.id})"


class Pager(_Pages[T]):
    """A collection: iterate over its records, or over `pages()`. Nothing is asked before that; each time, anew."""

    def first(self) -> Page[T]:
        """The first page only."""
        page: Page[T] = self._client._run(self._steps(self._given.query))
        return page

    def pages(self) -> Iterator[Page[T]]:
        queries = self._walk()
        query = next(queries)
        while True:
            page: Page[T] = self._client._run(self._steps(query))
            yield page
            try:
                query = queries.send(page.response)
            except StopIteration:
                return

    def __iter__(self) -> Iterator[T]:
        for page in self.pages():
            yield from page.records

    def between(
        self, since: datetime, until: datetime | None = None, *, field: str = "", parallel: int = 8
    ) -> Between[T]:
        """The records with `field` from `since` on and before `until` (now), oldest first, read by several at once.

        `field` is a time that the operation can filter and sort by; its first one by default. Along `updated`, records
        that change meanwhile may be missed in favour of their later time; `created` and `datetime` stand still.
        """
        from clavichord.client.slices import Between

        return Between(self, since, until, field, parallel)


class AsyncPager(_Pages[T]):
    """A collection: `async for` over its records or over `pages()`; `await` it for the first page only."""

    async def first(self) -> Page[T]:
        """The first page only."""
        page: Page[T] = await self._client._run(self._steps(self._given.query))
        return page

    def __await__(self) -> Generator[Any, None, Page[T]]:
        return self.first().__await__()

    async def pages(self) -> AsyncIterator[Page[T]]:
        queries = self._walk()
        query = next(queries)
        while True:
            page: Page[T] = await self._client._run(self._steps(query))
            yield page
            try:
                query = queries.send(page.response)
            except StopIteration:
                return

    async def __aiter__(self) -> AsyncIterator[T]:
        async for page in self.pages():
            for record in page.records:
                yield record

    def between(
        self, since: datetime, until: datetime | None = None, *, field: str = "", parallel: int = 8
    ) -> AsyncBetween[T]:
        """As `Pager.between`, for `async for`."""
        from clavichord.client.slices import AsyncBetween

        return AsyncBetween(self, since, until, field, parallel)
