"""The asynchronous transport: aiohttp's connector (addresses, TLS, kept connections) and its HTTP parser.

aiohttp's session, request and response objects are left out: they cost half of what an exchange does.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import Any

import aiohttp
from aiohttp.http import HttpProcessingError
from yarl import URL

from clavichord.client.errors import Timeout, TransportError
from clavichord.client.transports import KEEP_ALIVE, LARGEST, head, reason
from clavichord.client.types import Reply, Request, Timeouts

_BUFFER = 2**18
_inherited: list[aiohttp.BaseConnector] = []
"""A parent process's connectors: to close them here would take their sockets out of the parent's event loop."""


class AiohttpTransport:
    """One connector, opened by the first request on the loop that makes it. `connections` bounds the open sockets."""

    def __init__(self, timeouts: Timeouts, *, connections: int = 512) -> None:
        self._timeouts = timeouts
        self._connect = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=timeouts.connect)
        self._connections = connections
        self._connector: aiohttp.TCPConnector | None = None
        self._targets: dict[str, aiohttp.ClientRequest] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._process = os.getpid()

    def _on_this_loop(self) -> aiohttp.TCPConnector:
        """The connector of the running loop. One of a loop that has ended, or of a parent process, is left behind."""
        loop = asyncio.get_running_loop()
        found = self._connector
        if found is None or found.closed or self._loop is not loop or self._process != os.getpid():
            self._leave_behind()
            found = aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=KEEP_ALIVE)
            self._connector, self._loop, self._process = found, loop, os.getpid()
            self._targets = {}
        return found

    def _leave_behind(self) -> None:
        found, self._connector = self._connector, None
        if found is None or found.closed:
            return
        if self._process != os.getpid():
            _inherited.append(found)
            return
        with suppress(RuntimeError, StopIteration):  # as far as it goes without the loop that it belonged to
            next(found.close().__await__())

    def _target(self, origin: str) -> aiohttp.ClientRequest:
        """What the connector wants to know of an origin."""
        found = self._targets.get(origin)
        if found is None:
            found = self._targets[origin] = aiohttp.ClientRequest("GET", URL(origin), loop=self._loop)
        return found

    async def send(self, request: Request) -> Reply:
        connector = self._on_this_loop()
        target = self._target(request.origin)
        connection = None
        try:
            async with asyncio.timeout(self._timeouts.total):
                connection = await connector.connect(target, [], self._connect)
                return await _exchange(connection, request)
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
            what = f"the certificate of {request.origin} is not to be trusted ({reason(error)})"
            raise TransportError(what, maybe_sent=False, lasting=True) from None
        except TimeoutError:
            if connection is None:
                within = f"within {self._timeouts.connect:g} s"
                raise Timeout(f"cannot connect to {request.origin} {within}", maybe_sent=False) from None
            raise Timeout(f"no answer from {request.origin} within {self._timeouts.total:g} s") from None
        except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as error:
            what = "cannot connect to" if connection is None else "the connection broke off:"
            raise TransportError(
                f"{what} {request.origin} ({reason(error)})", maybe_sent=connection is not None
            ) from None
        finally:
            if connection is not None:
                connection.close()  # of one that was released this is nothing

    async def close(self) -> None:
        if self._connector is not None:
            found, self._connector = self._connector, None
            await found.close()


async def _exchange(connection: Any, request: Request) -> Reply:
    protocol = connection.protocol
    protocol.set_response_params(read_until_eof=True, auto_decompress=False, read_bufsize=_BUFFER)
    connection.transport.write(head(request) + (request.body or b""))
    message, payload = await protocol.read()
    while 100 <= message.code < 200:
        message, payload = await protocol.read()
    headers = {name.lower(): value for name, value in message.headers.items()}
    if len(headers.get("content-length", "a big number")) < len(str(LARGEST)):
        body = await payload.read()
    else:
        pieces = bytearray()
        while piece := await payload.readany():
            pieces += piece
            if len(pieces) > LARGEST:
                what = f"the answer of {request.origin} is larger than {LARGEST:,} bytes"
                raise TransportError(what, lasting=True)
        body = bytes(pieces)
    connection.release()
    return Reply(message.code, headers, body)
