"""The asynchronous transport over aiohttp."""

from __future__ import annotations

import asyncio

import aiohttp
from yarl import URL

from clavichord.client.errors import Timeout, TransportError
from clavichord.client.transports import KEEP_ALIVE
from clavichord.client.types import Reply, Request, Timeouts


class AiohttpTransport:
    """One session, opened by the first request on the loop that makes it. `connections` bounds the open sockets."""

    def __init__(self, timeouts: Timeouts, *, connections: int = 512) -> None:
        self._timeouts = timeouts
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def _open(self) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=KEEP_ALIVE),
            timeout=aiohttp.ClientTimeout(
                total=self._timeouts.total, connect=None, sock_connect=self._timeouts.connect
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=True,
        )
        # aiohttp repeats a GET by itself when a kept connection turns out to be closed: that would be one request more
        # than the caller's retries, unseen by the pacing. There is no public switch.
        session._retry_connection = False
        return session

    def _on_this_loop(self) -> aiohttp.ClientSession:
        """The session of the running loop; one of a loop that has ended is dropped, its sockets went with it."""
        loop = asyncio.get_running_loop()
        if self._session is None or self._session.closed or self._loop is not loop:
            self._session, self._loop = self._open(), loop
        return self._session

    async def send(self, request: Request) -> Reply:
        try:
            async with self._on_this_loop().request(
                request.method,
                URL(request.url, encoded=True),
                data=request.body,
                headers=request.headers,
                allow_redirects=False,
            ) as answer:
                body = await answer.read()
                return Reply(answer.status, {n.lower(): v for n, v in answer.headers.items()}, body)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            kind = Timeout if isinstance(error, TimeoutError) else TransportError
            raise kind(f"cannot connect to {request.origin} ({_reason(error)})", maybe_sent=False) from None
        except TimeoutError:
            raise Timeout(f"no answer from {request.origin} within {self._timeouts.total:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise TransportError(f"the connection to {request.origin} broke off ({_reason(error)})") from None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": ")
