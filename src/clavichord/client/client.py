"""The two clients. They differ in the driver and the transport, in nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypedDict, TypeVar, Unpack

from clavichord.client.auth import ApiKey, Auth
from clavichord.client.core import Core, Steps, adrive, drive
from clavichord.client.errors import ConfigurationError
from clavichord.client.log import log_call
from clavichord.client.ops import AsyncGroups, SyncGroups
from clavichord.client.pacing import Budget, Pacing
from clavichord.client.pages import walk
from clavichord.client.routes import ad_hoc, named
from clavichord.client.times import ResponseTimes, Stopwatch
from clavichord.client.transports import AsyncTransport, Transport
from clavichord.client.types import BASE_URL, Hook, Query, Response, Timeouts
from clavichord.spec import REVISION

if TYPE_CHECKING:
    from clavichord.client.queue.sender import EventQueue

T = TypeVar("T")


class Options(TypedDict, total=False):
    """What both clients take besides the key and the transport."""

    base_url: str
    revision: str
    retries: int
    timeout: Timeouts | float | None
    max_wait: float | None
    pacing: Pacing | None
    on_response: Hook | Sequence[Hook] | None
    event_queue: EventQueue | None


def hooks(given: Hook | Sequence[Hook] | None) -> Sequence[Hook]:
    """What `on_response` was given, as a sequence."""
    if given is None:
        return ()
    return given if isinstance(given, Sequence) else (given,)


_first_use = Lock()


class _Client:
    """Construction and what needs no I/O."""

    def __init__(
        self,
        api_key: str | Auth,
        *,
        base_url: str = BASE_URL,
        revision: str = REVISION,
        retries: int = 5,
        timeout: Timeouts | float | None = None,
        max_wait: float | None = None,
        pacing: Pacing | None = None,
        on_response: Hook | Sequence[Hook] | None = None,
        event_queue: EventQueue | None = None,
    ) -> None:
        timeout = Timeouts() if timeout is None else timeout
        self._timeouts = timeout if isinstance(timeout, Timeouts) else Timeouts(total=timeout)
        if self._timeouts.connect <= 0 or self._timeouts.total <= 0:
            raise ConfigurationError(f"timeouts must be more than 0 s, not {self._timeouts}")
        self._times = Stopwatch()
        self._core = Core(
            ApiKey(api_key) if isinstance(api_key, str) else api_key,
            base_url=base_url,
            revision=revision,
            retries=retries,
            max_wait=max_wait,
            pacing=pacing or Pacing(),
            hooks=(log_call, self._times, *hooks(on_response)),
        )
        self._queue = event_queue
        self._queue_in_use: EventQueue | None = None

    def budget(self, operation: str) -> Budget:
        """What is left of an operation's rate limit at this moment. ConfigurationError for an unknown operation."""
        return self._core.budget(named(operation, self._core.packaged))

    @property
    def event_queue(self) -> EventQueue:
        """The queue of `events.enqueue`: the one that was passed in, or one with the default options."""
        if self._queue_in_use is None:
            from clavichord.client.queue.sender import EventQueue

            with _first_use:
                if self._queue_in_use is None:
                    queue = self._queue or EventQueue()
                    queue.bind(self, self._given if isinstance(self, Klaviyo) else None)
                    self._queue_in_use = queue
        return self._queue_in_use

    def response_times(self) -> ResponseTimes:
        """How long the answers to this client's calls took, by operation; `print` it for a table."""
        return self._times.table()

    def __repr__(self) -> str:
        core = self._core
        return f"{type(self).__name__}(base_url={core.origin + core.prefix!r}, revision={core.revision!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client holds connections and a key and is not pickled: make it anew in the other process")


class Klaviyo(_Client, SyncGroups):
    """The blocking client, for threads too. Close it, or use it in a `with`.

    `api_key` is a private key, or any `Auth`. `retries` is the number of repetitions after a first attempt. `max_wait`
    bounds the seconds that one call may spend waiting for rate limits (RateLimited beyond it); None waits.
    `on_response` (a hook, or several) is called after every attempt, in the thread that made it. `event_queue` holds
    the options of `events.enqueue`.
    """

    def __init__(self, api_key: str | Auth, *, transport: Transport | None = None, **options: Unpack[Options]) -> None:
        super().__init__(api_key, **options)
        self._given = transport

    @cached_property
    def _transport(self) -> Transport:
        if self._given is not None:
            return self._given
        from clavichord.client.transports.urllib3 import Urllib3Transport

        return Urllib3Transport(self._timeouts)

    def _run(self, steps: Steps[T]) -> T:
        return drive(steps, self._transport.send)

    def send(
        self, operation: str, *, path: Mapping[str, str] = {}, query: Query | None = None, body: Any = None
    ) -> Response:
        """One call of an operation by its name. `body` is a JSON:API document (dict, or ready bytes)."""
        route = named(operation, self._core.packaged)
        return self._run(self._core.call(route, path=path, query=query, body=body))

    def pages(
        self, operation: str, *, path: Mapping[str, str] = {}, query: Query | None = None, body: Any = None
    ) -> Iterator[Response]:
        """The undecoded pages of a collection, following its next links."""
        route, steps = named(operation, self._core.packaged), walk(query)
        query = next(steps)
        while True:
            response = self._run(self._core.call(route, path=path, query=query, body=body))
            yield response
            try:
                query = steps.send(response)
            except StopIteration:
                return

    def request(
        self, method: str, path: str, *, query: Query | None = None, body: Any = None, content_type: str = ""
    ) -> Response:
        """One call of any path: for what the catalogue does not have."""
        route, values = ad_hoc(method, path, self._core.packaged)
        return self._run(self._core.call(route, path=values, query=query, body=body, content_type=content_type))

    def close(self) -> None:
        """Sends what was enqueued and closes the connections. A transport that was passed in stays open."""
        if self._queue_in_use is not None:
            self._queue_in_use.close()
        if self._given is None and "_transport" in self.__dict__:
            self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class AsyncKlaviyo(_Client, AsyncGroups):
    """The asynchronous client, for one event loop. Close it, or use it in an `async with`. Options as for `Klaviyo`."""

    def __init__(
        self, api_key: str | Auth, *, transport: AsyncTransport | None = None, **options: Unpack[Options]
    ) -> None:
        super().__init__(api_key, **options)
        self._given = transport

    @cached_property
    def _transport(self) -> AsyncTransport:
        if self._given is not None:
            return self._given
        from clavichord.client.transports.aiohttp import AiohttpTransport

        return AiohttpTransport(self._timeouts)

    async def _run(self, steps: Steps[T]) -> T:
        from asyncio import sleep  # blocking programs never need it: 40 ms of imports

        return await adrive(steps, self._transport.send, sleep)

    async def send(
        self, operation: str, *, path: Mapping[str, str] = {}, query: Query | None = None, body: Any = None
    ) -> Response:
        """One call of an operation by its name. `body` is a JSON:API document (dict, or ready bytes)."""
        route = named(operation, self._core.packaged)
        return await self._run(self._core.call(route, path=path, query=query, body=body))

    async def pages(
        self, operation: str, *, path: Mapping[str, str] = {}, query: Query | None = None, body: Any = None
    ) -> AsyncIterator[Response]:
        """The undecoded pages of a collection, following its next links."""
        route, steps = named(operation, self._core.packaged), walk(query)
        query = next(steps)
        while True:
            response = await self._run(self._core.call(route, path=path, query=query, body=body))
            yield response
            try:
                query = steps.send(response)
            except StopIteration:
                return

    async def request(
        self, method: str, path: str, *, query: Query | None = None, body: Any = None, content_type: str = ""
    ) -> Response:
        """One call of any path: for what the catalogue does not have."""
        route, values = ad_hoc(method, path, self._core.packaged)
        return await self._run(self._core.call(route, path=values, query=query, body=body, content_type=content_type))

    async def close(self) -> None:
        """Sends what was enqueued and closes the connections. A transport that was passed in stays open."""
        if self._queue_in_use is not None:
            from asyncio import to_thread

            await to_thread(self._queue_in_use.close)
        if self._given is None and "_transport" in self.__dict__:
            await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()
