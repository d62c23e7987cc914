"""Transports over httpx2, for those who standardise on it: its pools, HTTP/2, proxies and mock transport.

    Klaviyo(key, transport=HTTPX2Transport(httpx2.Client(...)))

The client that is passed in stays its owner's: `close` leaves it open.
"""

from __future__ import annotations

import time

import httpx2

from clavichord.client.errors import Timeout, TransportError
from clavichord.client.transports import KEEP_ALIVE, LARGEST, reason
from clavichord.client.types import Reply, Request, Timeouts


class HTTPX2Transport:
    """The blocking transport over an `httpx2.Client`."""

    def __init__(self, client: httpx2.Client | None = None, timeouts: Timeouts | None = None) -> None:
        self._owned = client is None
        self._client = client or httpx2.Client(limits=httpx2.Limits(keepalive_expiry=KEEP_ALIVE))
        self._timeouts = timeouts or Timeouts()

    def send(self, request: Request) -> Reply:
        received = _Received(request, self._timeouts)
        try:
            with self._client.stream(
                request.method,
                request.url,
                content=request.body,
                headers=dict(request.headers),
                follow_redirects=False,
                timeout=received.limit,
            ) as answer:
                if answer.is_stream_consumed:
                    return _ready(answer)
                for piece in answer.iter_raw():
                    received.add(piece)
                return received.reply(answer)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            raise _failure(request, self._timeouts, error) from None

    def close(self) -> None:
        if self._owned:
            self._client.close()


class AsyncHTTPX2Transport:
    """The asynchronous transport over an `httpx2.AsyncClient`; runs wherever that does."""

    def __init__(self, client: httpx2.AsyncClient | None = None, timeouts: Timeouts | None = None) -> None:
        self._owned = client is None
        self._client = client or httpx2.AsyncClient(limits=httpx2.Limits(keepalive_expiry=KEEP_ALIVE))
        self._timeouts = timeouts or Timeouts()

    async def send(self, request: Request) -> Reply:
        received = _Received(request, self._timeouts)
        try:
            async with self._client.stream(
                request.method,
                request.url,
                content=request.body,
                headers=dict(request.headers),
                follow_redirects=False,
                timeout=received.limit,
            ) as answer:
                if answer.is_stream_consumed:
                    return _ready(answer)
                async for piece in answer.aiter_raw():
                    received.add(piece)
                return received.reply(answer)
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            raise _failure(request, self._timeouts, error) from None

    async def close(self) -> None:
        if self._owned:
            await self._client.aclose()


class _Received:
    """An answer piece by piece: httpx2 has no limit to the time of a whole exchange, nor to its size."""

    def __init__(self, request: Request, timeouts: Timeouts) -> None:
        self._request = request
        self._timeouts = timeouts
        self._end = time.monotonic() + timeouts.total
        self._body = bytearray()
        self.limit = httpx2.Timeout(timeouts.total, connect=timeouts.connect)

    def add(self, piece: bytes) -> None:
        self._body += piece
        if len(self._body) > LARGEST:
            what = f"the answer of {self._request.origin} is larger than {LARGEST:,} bytes"
            raise TransportError(what, lasting=True)
        if time.monotonic() > self._end:
            raise Timeout(f"no answer from {self._request.origin} within {self._timeouts.total:g} s")

    def reply(self, answer: httpx2.Response) -> Reply:
        return Reply(answer.status_code, _headers(answer), bytes(self._body))


def _headers(answer: httpx2.Response) -> dict[str, str]:
    return {name.lower(): value for name, value in answer.headers.items()}


def _ready(answer: httpx2.Response) -> Reply:
    """The reply of a mock transport: it is read and unpacked already."""
    headers = _headers(answer)
    headers.pop("content-encoding", None)
    return Reply(answer.status_code, headers, answer.content)


def _failure(request: Request, timeouts: Timeouts, error: Exception) -> TransportError:
    unsent = isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.InvalidURL))
    if isinstance(error, httpx2.TimeoutException):
        if unsent:
            return Timeout(f"cannot connect to {request.origin} within {timeouts.connect:g} s", maybe_sent=False)
        return Timeout(f"no answer from {request.origin} within {timeouts.total:g} s")
    what = "cannot connect to" if unsent else "the connection broke off:"
    return TransportError(f"{what} {request.origin} ({reason(error)})", maybe_sent=not unsent)
