"""Transports over httpx2, for those who standardise on it: its pools, HTTP/2, proxies and mock transport.

    Klaviyo(key, transport=HTTPX2Transport(httpx2.Client(...)))

The client that is passed in stays its owner's: `close` leaves it open.
"""

from __future__ import annotations

import httpx2

from clavichord.client.errors import Timeout, TransportError
from clavichord.client.transports import KEEP_ALIVE
from clavichord.client.types import Reply, Request, Timeouts


class HTTPX2Transport:
    """The blocking transport over an `httpx2.Client`."""

    def __init__(self, client: httpx2.Client | None = None, timeouts: Timeouts | None = None) -> None:
        self._owned = client is None
        self._client = client or httpx2.Client(limits=httpx2.Limits(keepalive_expiry=KEEP_ALIVE))
        self._timeout = _timeout(timeouts)

    def send(self, request: Request) -> Reply:
        try:
            answer = self._client.request(
                request.method,
                request.url,
                content=request.body,
                headers=dict(request.headers),
                follow_redirects=False,
                timeout=self._timeout,
            )
        except (httpx2.HTTPError, OSError) as error:
            raise _failure(request, error) from None
        return Reply(answer.status_code, {n.lower(): v for n, v in answer.headers.items()}, answer.content)

    def close(self) -> None:
        if self._owned:
            self._client.close()


class AsyncHTTPX2Transport:
    """The asynchronous transport over an `httpx2.AsyncClient`; runs wherever that does."""

    def __init__(self, client: httpx2.AsyncClient | None = None, timeouts: Timeouts | None = None) -> None:
        self._owned = client is None
        self._client = client or httpx2.AsyncClient(limits=httpx2.Limits(keepalive_expiry=KEEP_ALIVE))
        self._timeout = _timeout(timeouts)

    async def send(self, request: Request) -> Reply:
        try:
            answer = await self._client.request(
                request.method,
                request.url,
                content=request.body,
                headers=dict(request.headers),
                follow_redirects=False,
                timeout=self._timeout,
            )
        except (httpx2.HTTPError, OSError) as error:
            raise _failure(request, error) from None
        return Reply(answer.status_code, {n.lower(): v for n, v in answer.headers.items()}, answer.content)

    async def close(self) -> None:
        if self._owned:
            await self._client.aclose()


def _timeout(timeouts: Timeouts | None) -> httpx2.Timeout:
    timeouts = timeouts or Timeouts()
    return httpx2.Timeout(timeouts.total, connect=timeouts.connect)


def _failure(request: Request, error: Exception) -> TransportError:
    reason = f"{type(error).__name__}: {error}".rstrip(": ")
    unsent = isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout))
    if isinstance(error, httpx2.TimeoutException):
        return Timeout(f"no answer from {request.origin} in time ({reason})", maybe_sent=not unsent)
    what = "cannot connect to" if unsent else "the connection broke off:"
    return TransportError(f"{what} {request.origin} ({reason})", maybe_sent=not unsent)
