"""An operation: one typed declaration that is a method of the blocking client and of the asynchronous one.

A declaration is a function without a body whose signature is the operation's; the decorator makes a descriptor of it
that answers with the right face for the group it is read from.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator, Mapping, Sequence
from functools import cached_property, update_wrapper
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from msgspec import UNSET

from clavichord.client.body import Body, document, multipart
from clavichord.client.core import Core, Steps
from clavichord.client.errors import ConfigurationError
from clavichord.client.filters import Filter
from clavichord.client.pages import next_query, walk
from clavichord.client.resource import (
    Document,
    Identifier,
    Resource,
    decode_identifier,
    decode_identifiers,
    decode_many,
    decode_one,
    unreadable,
)
from clavichord.client.routes import NO_LIMITS
from clavichord.client.types import Query, Response
from clavichord.spec.types import Limit

if TYPE_CHECKING:
    from datetime import datetime

    from clavichord.client.client import AsyncKlaviyo, Klaviyo
    from clavichord.client.slices import AsyncBetween, Between

P = ParamSpec("P")
T = TypeVar("T")


class _Group:
    """Operations of one of Klaviyo's groups, on a client."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Klaviyo's other names of an operation; anything else is an AttributeError that names near ones."""
            if not name.startswith("_"):
                from clavichord.client.routes import named

                try:
                    operation = named(name).id
                except ConfigurationError as error:
                    raise AttributeError(str(error)) from None
                if operation != name and hasattr(type(self), operation):
                    return getattr(self, operation)
            raise AttributeError(f"{type(self).__name__} has no {name!r}")


class SyncGroup(_Group):
    def __init__(self, client: Klaviyo) -> None:
        self._client = client


class AsyncGroup(_Group):
    def __init__(self, client: AsyncKlaviyo) -> None:
        self._client = client


class Arguments:
    """What a call was given, by place."""

    __slots__ = ("body", "content_type", "path", "query")

    def __init__(self, path: Mapping[str, str], query: Query, body: Any, content_type: str) -> None:
        self.path, self.query, self.body, self.content_type = path, query, body, content_type


class Declared(Generic[P]):
    """What all declarations share. It is a `Route`."""

    def __init__(
        self,
        declaration: Callable[Concatenate[Any, P], Any],
        method: str,
        path: str,
        limit: Limit,
        body: Body | None,
        query: tuple[str, ...],
        limits_with: Mapping[str, Limit],
        content_type: str,
    ) -> None:
        self.id = declaration.__name__
        self.__doc__ = declaration.__doc__
        self.declaration = declaration
        self.method = method
        self.path = path
        self.limit = limit
        self.body = body
        self.query = query
        self.limits_with = limits_with
        self.content_type = content_type

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        """Sorts a call's arguments. TypeError as of any function; ConfigurationError for values that cannot be sent."""
        self.declaration(None, *args, **kwargs)  # Python's own check of the signature; it does nothing else
        given = {name: value for name, value in kwargs.items() if value is not UNSET}
        path: dict[str, str] = {}
        if "{" in self.path:
            name = self.path[self.path.index("{") + 1 : self.path.index("}")]
            path[name] = args[0] if args else given.pop(name)
        query: dict[str, Any] = {}
        taken = self.body is not None or bool(self.content_type)
        for name in [n for n in given if not taken or n in self.query or _SPARSE.match(n)]:
            # beside a body, a listed name is the wire's own (three reports spell page_cursor so)
            wire = name if name in self.query else wire_name(name)
            query[wire] = self._parameter(name, given.pop(name))
        if not taken:
            return Arguments(path, query, None, "")
        if "body" in given:
            if len(given) > 1:
                others = ", ".join(n for n in given if n != "body")
                raise ConfigurationError(f"{self.id}: body= is the whole document, so {others} cannot be given with it")
            return Arguments(path, query, given["body"], "")
        if self.body is None:
            return Arguments(path, query, *multipart(self.id, given))
        return Arguments(path, query, document(self.id, self.body, path.get("id"), given), "")

    def _parameter(self, name: str, value: Any) -> Any:
        if name == "filter" and isinstance(value, Filter):
            from clavichord.client.routes import named

            return str(value.checked(self.id, named(self.id).filters))
        if name == "page_cursor" and isinstance(value, str) and "page" in value:
            # a whole next link, or its query, is taken for the cursor in it
            found = re.search(r"page(?:\[|%5B)cursor(?:\]|%5D)=([^&]+)", value)
            if found is not None:
                from urllib.parse import unquote_plus

                return unquote_plus(found.group(1))
        return value

    def _bound(self, face: Any, run: Callable[..., Any]) -> Any:
        """`run` as a method of `face`, with the declaration's name, signature and documentation; made once."""
        method = update_wrapper(run, self.declaration.__get__(face))
        face.__dict__[self.id] = method
        return method


_SPARSE = re.compile(r"(?:additional_)?fields_(?!$)")


def wire_name(name: str) -> str:
    """`page_size` → `page[size]`, `additional_fields_catalog_item` → `additional-fields[catalog-item]`."""
    if name in ("page_size", "page_cursor"):
        return f"page[{name[5:]}]"
    found = _SPARSE.match(name)
    if found is None:
        return name
    return f"{found.group()[:-1].replace('_', '-')}[{name[found.end() :].replace('_', '-')}]"


class One(Declared[P], Generic[P, T]):
    """An operation that returns one thing, or nothing."""

    decode: Callable[[Response], T]

    @overload
    def __get__(self, face: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(self, face: SyncGroup, owner: Any = None) -> Callable[P, T]: ...
    @overload
    def __get__(self, face: AsyncGroup, owner: Any = None) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, face: Any, owner: Any = None) -> Any:
        if face is None:
            return self
        run, core = face._client._run, face._client._core
        return self._bound(face, lambda *args, **kwargs: run(self.steps(core, args, kwargs)))

    def steps(self, core: Core, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Steps[T]:
        given = self.arguments(args, kwargs)
        response = yield from core.call(
            self, path=given.path, query=given.query, body=given.body, content_type=given.content_type
        )
        return self.decode(response)


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

    def __init__(self, client: Any, operation: Paged[Any, T], given: Arguments) -> None:
        self._client = client
        self._operation = operation
        self._given = given

    def _steps(self, query: Query | None) -> Steps[Page[T]]:
        given = self._given
        response = yield from self._client._core.call(
            self._operation, path=given.path, query=query, body=given.body, content_type=given.content_type
        )
        return Page(self._operation.decode(response), response)

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


class Paged(Declared[P], Generic[P, T]):
    """An operation that returns a collection."""

    decode: Callable[[Response], list[T]]

    @overload
    def __get__(self, face: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(self, face: SyncGroup, owner: Any = None) -> Callable[P, Pager[T]]: ...
    @overload
    def __get__(self, face: AsyncGroup, owner: Any = None) -> Callable[P, AsyncPager[T]]: ...
    def __get__(self, face: Any, owner: Any = None) -> Any:
        if face is None:
            return self
        client = face._client
        pager: Any = AsyncPager if isinstance(face, AsyncGroup) else Pager
        return self._bound(face, lambda *args, **kwargs: pager(client, self, self.arguments(args, kwargs)))


def one(
    method: str,
    path: str,
    limit: Limit,
    model: type[Resource] | type[Identifier] | None,
    *,
    nullable: bool = False,
    body: Body | None = None,
    query: tuple[str, ...] = (),
    limits_with: Mapping[str, Limit] = NO_LIMITS,
    content_type: str = "",
) -> Callable[[Callable[Concatenate[Any, P], T]], One[P, T]]:
    """Declares an operation that answers with one resource (None too, if `nullable`), or with nothing."""

    def decode(response: Response) -> Any:
        if model is None:
            return None
        found = decode_one(response, model) if issubclass(model, Resource) else decode_identifier(response)
        if found is None and not nullable:
            raise unreadable(response, "its data is null")
        return found

    def declare(declaration: Callable[Concatenate[Any, P], T]) -> One[P, T]:
        made: One[P, T] = One(declaration, method, path, limit, body, query, limits_with, content_type)
        made.decode = decode
        return made

    return declare


def paged(
    path: str,
    limit: Limit,
    model: type[Resource] | type[Identifier],
    *,
    limits_with: Mapping[str, Limit] = NO_LIMITS,
) -> Callable[[Callable[Concatenate[Any, P], T]], Paged[P, T]]:
    """Declares an operation that answers with a collection of what the declaration returns."""

    def decode(response: Response) -> Any:
        return decode_many(response, model) if issubclass(model, Resource) else decode_identifiers(response)

    def declare(declaration: Callable[Concatenate[Any, P], T]) -> Paged[P, T]:
        made: Paged[P, T] = Paged(declaration, "GET", path, limit, None, (), limits_with, "")
        made.decode = decode
        return made

    return declare


class Verb(Generic[P, T]):
    """A short way to call an operation of the same group: the declaration returns that operation's arguments."""

    def __init__(self, operation: str, declaration: Callable[Concatenate[Any, P], Mapping[str, Any]]) -> None:
        self.operation = operation
        self.declaration = declaration
        self.__doc__ = declaration.__doc__

    @overload
    def __get__(self, face: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(self, face: SyncGroup, owner: Any = None) -> Callable[P, T]: ...
    @overload
    def __get__(self, face: AsyncGroup, owner: Any = None) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, face: Any, owner: Any = None) -> Any:
        if face is None:
            return self
        target, declaration = getattr(face, self.operation), self.declaration
        method = update_wrapper(lambda *a, **k: target(**declaration(face, *a, **k)), declaration.__get__(face))
        face.__dict__[declaration.__name__] = method
        return method


def verb(operation: str, returns: type[T]) -> Callable[[Callable[Concatenate[Any, P], Mapping[str, Any]]], Verb[P, T]]:
    """Declares a short way to call `operation`, which returns a `returns`."""

    def declare(declaration: Callable[Concatenate[Any, P], Mapping[str, Any]]) -> Verb[P, T]:
        return Verb(operation, declaration)

    return declare
