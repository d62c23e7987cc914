"""An operation: one typed declaration that is a method of the blocking client and of the asynchronous one.

A declaration is a function without a body whose signature is the operation's; the decorator makes a descriptor of it
that answers with the right face for the group it is read from.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from functools import update_wrapper
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from clavichord.client.arguments import Only, Plan
from clavichord.client.body import Body
from clavichord.client.core import Core, Steps
from clavichord.client.errors import APIError, ConfigurationError
from clavichord.client.pages import AsyncPager, Page, Pager
from clavichord.client.resource import (
    Identifier,
    Resource,
    decode_identifier,
    decode_identifiers,
    decode_many,
    decode_one,
    unreadable,
)
from clavichord.client.routes import NO_LIMITS, absent
from clavichord.client.types import Response
from clavichord.spec.catalogue import REVISIONS
from clavichord.spec.types import Limit

if TYPE_CHECKING:
    from clavichord.client.client import AsyncKlaviyo, Klaviyo

__all__ = ["AsyncGroup", "AsyncPager", "One", "Only", "Page", "Paged", "Pager", "SyncGroup", "one", "paged", "verb"]

EVERYWHERE: Mapping[str, Only] = MappingProxyType({})
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
                    operation = named(name, self._client._core.packaged).id
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


class Declared(Generic[P]):
    """What all declarations share. It is a `Route`."""

    def __init__(
        self,
        declaration: Callable[Concatenate[Any, P], Any],
        method: str,
        path: str,
        limit: Limit,
        body: Body | None = None,
        query: tuple[str, ...] = (),
        limits_with: Mapping[str, Limit] = NO_LIMITS,
        content_type: str = "",
        since: str = "",
        until: str = "",
        revisions: Mapping[str, Only] = EVERYWHERE,
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
        self.since, self.until = since, until
        self.revisions = revisions
        self._plans: dict[str, Plan] = {}

    def plan(self, revision: str) -> Plan:
        """Where the arguments go in a packaged revision; of an operation that it lacks, one that refuses every call."""
        found = self._plans.get(revision)
        if found is None:
            homes = [r for r in REVISIONS if self.since <= r and (not self.until or r <= self.until)]
            found = self._plans[revision] = Plan(
                self.id,
                self.declaration,
                self.path,
                self.body,
                self.query,
                bool(self.content_type),
                revision,
                self.revisions,
                "" if revision in homes else absent(self.id, revision, homes),
            )
        return found

    def _bound(self, face: Any, run: Callable[..., Any]) -> Any:
        """`run` as a method of `face`, with the declaration's name, signature and documentation; made once."""
        method = update_wrapper(run, self.declaration.__get__(face))
        face.__dict__[self.id] = method
        return method


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

    def steps(self, core: Core, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Steps[T]:
        """The call as a life-cycle, for a driver. Its arguments are checked when it is first run."""
        plan = self.plan(core.packaged)
        given = plan.sort(args, kwargs)
        try:
            response = yield from core.call(
                self, path=given.path, query=given.query, body=given.body, content_type=given.content_type
            )
        except APIError as error:
            if given.flat:
                error.call_arguments(plan.keyword)
            raise
        return self.decode(response)


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
        plan = self.plan(client._core.packaged)
        pager: Any = AsyncPager if isinstance(face, AsyncGroup) else Pager
        return self._bound(face, lambda *args, **kwargs: pager(client, self, self.decode, plan.sort(args, kwargs)))


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
    since: str = "",
    until: str = "",
    revisions: Mapping[str, Only] = EVERYWHERE,
) -> Callable[[Callable[Concatenate[Any, P], T]], One[P, T]]:
    """Declares an operation that answers with one resource (None too, if `nullable`), or with nothing.

    It exists in the revisions from `since` to `until`; `revisions` says what is particular to one of them.
    """

    def decode(response: Response) -> Any:
        if model is None:
            return None
        found = decode_one(response, model) if issubclass(model, Resource) else decode_identifier(response)
        if found is None and not nullable:
            raise unreadable(response, "its data is null")
        return found

    def declare(declaration: Callable[Concatenate[Any, P], T]) -> One[P, T]:
        made: One[P, T] = One(
            declaration, method, path, limit, body, query, limits_with, content_type, since, until, revisions
        )
        made.decode = decode
        return made

    return declare


def paged(
    path: str,
    limit: Limit,
    model: type[Resource] | type[Identifier],
    *,
    limits_with: Mapping[str, Limit] = NO_LIMITS,
    since: str = "",
    until: str = "",
    revisions: Mapping[str, Only] = EVERYWHERE,
) -> Callable[[Callable[Concatenate[Any, P], T]], Paged[P, T]]:
    """Declares an operation that answers with a collection of what the declaration returns. Options as for `one`."""

    def decode(response: Response) -> Any:
        return decode_many(response, model) if issubclass(model, Resource) else decode_identifiers(response)

    def declare(declaration: Callable[Concatenate[Any, P], T]) -> Paged[P, T]:
        made: Paged[P, T] = Paged(
            declaration, "GET", path, limit, limits_with=limits_with, since=since, until=until, revisions=revisions
        )
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
