"""Verbs that take several calls: each is written once, as a generator, and both clients run it.

A `Work` yields lists of calls that may run side by side, and is sent their outcomes in the same order: what a call
returned, or the KlaviyoError that ended it. No thread, socket or `await` in a verb.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Sequence
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Self, TypeAlias, TypeVar, overload

from clavichord.client.core import Steps
from clavichord.client.errors import KlaviyoError
from clavichord.client.operation import AsyncGroup, One, Paged, SyncGroup
from clavichord.client.types import Query, Response, Sleep

if TYPE_CHECKING:
    from clavichord.client.client import AsyncKlaviyo, Klaviyo

P = ParamSpec("P")
T = TypeVar("T")

Work: TypeAlias = Generator[Sequence[Steps[Any]], Sequence[Any], T]
SIDE_BY_SIDE = 16
"""threads that the blocking client uses at most for one verb"""


def settled(calls: Sequence[Steps[T]]) -> Work[list[T | KlaviyoError]]:
    """Runs the calls side by side; a failed one does not stop the others."""
    return list((yield calls)) if calls else []


def every(calls: Sequence[Steps[T]]) -> Work[list[T]]:
    """Runs the calls side by side. Raises the first failure, when all have ended."""
    results: list[T] = []
    for outcome in (yield from settled(calls)):
        if isinstance(outcome, KlaviyoError):
            raise outcome
        results.append(outcome)
    return results


def one(call: Steps[T]) -> Work[T]:
    """Runs one call."""
    (result,) = yield from every([call])
    return result


def rest(seconds: float) -> Steps[None]:
    """A call that only waits."""
    yield Sleep(seconds)


def call(face: Any, operation: One[P, T], *args: P.args, **kwargs: P.kwargs) -> Steps[T]:
    """A declared operation of any group, on the client of `face`."""
    return operation.steps(face._client._core, args, kwargs)


def page(face: Any, operation: Paged[P, T], *args: P.args, **kwargs: P.kwargs) -> Steps[list[T]]:
    """The first page of a declared collection."""
    core = face._client._core
    given = operation.plan(core.packaged).sort(args, kwargs)
    response = yield from core.call(operation, path=given.path, query=given.query)
    return operation.decode(response)


def plain(face: Any, operation: str, *, id: str = "", query: Query | None = None, body: Any = None) -> Steps[Response]:
    """An operation by its name, undecoded. `id` is its path parameter, whatever that is called."""
    from clavichord.client.routes import named

    core = face._client._core
    route = named(operation, core.packaged)
    path = {route.path_params[0]: id} if route.path_params else {}
    response: Response = yield from core.call(route, path=path, query=query, body=body)
    return response


class Threads:
    """Runs calls side by side with the blocking client; a single one in the caller's thread."""

    def __init__(self, client: Klaviyo) -> None:
        self._client = client
        self._pool: Any = None

    def __call__(self, calls: Sequence[Steps[Any]]) -> list[Any]:
        """What each call returned, or the KlaviyoError that ended it."""
        if len(calls) == 1:
            return [self._attempt(calls[0])]
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(SIDE_BY_SIDE, "clavichord")
        return list(self._pool.map(self._attempt, calls))

    def _attempt(self, call: Steps[Any]) -> Any:
        try:
            return self._client._run(call)
        except KlaviyoError as error:
            return error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


async def gathered(client: AsyncKlaviyo, calls: Sequence[Steps[Any]]) -> list[Any]:
    """The same on an event loop."""
    from asyncio import gather

    async def attempt(call: Steps[Any]) -> Any:
        try:
            return await client._run(call)
        except KlaviyoError as error:
            return error

    return await gather(*map(attempt, calls))


def run(client: Klaviyo, work: Work[T]) -> T:
    """Runs a verb with the blocking client."""
    try:
        with Threads(client) as together:
            calls = next(work)
            while True:
                calls = work.send(together(calls))
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # the generator's own return type, which typeshed drops
    finally:
        work.close()


async def arun(client: AsyncKlaviyo, work: Work[T]) -> T:
    """Runs a verb on an event loop."""
    try:
        calls = next(work)
        while True:
            calls = work.send(await gathered(client, calls))
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # as above
    finally:
        work.close()


class Compound(Generic[P, T]):
    """A verb of several calls: the declaration is the work."""

    def __init__(self, declaration: Callable[Concatenate[Any, P], Work[T]]) -> None:
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
        declaration, client = self.declaration, face._client
        runner: Any = arun if isinstance(face, AsyncGroup) else run
        bound = update_wrapper(lambda *a, **k: runner(client, declaration(face, *a, **k)), declaration.__get__(face))
        face.__dict__[declaration.__name__] = bound
        return bound


def compound(declaration: Callable[Concatenate[Any, P], Work[T]]) -> Compound[P, T]:
    """Declares a verb of several calls."""
    return Compound(declaration)
