"""How bytes travel. A transport has two methods; urllib3, aiohttp and httpx2 are imported when one is first made.

A transport never follows a redirect, always has a timeout, and turns every failure of its library into a
TransportError that says whether the request may have reached the server.
"""

from __future__ import annotations

from typing import Protocol

from clavichord.client.types import Reply, Request

KEEP_ALIVE = 60.0
"""seconds that an idle connection is kept, so that pauses between paced bursts cost no new handshake"""


class Transport(Protocol):
    """Blocking. Used by many threads at once."""

    def send(self, request: Request) -> Reply:
        """One exchange. TransportError (Timeout) if no complete answer came."""
        ...

    def close(self) -> None: ...


class AsyncTransport(Protocol):
    """On an event loop. Used by many tasks at once."""

    async def send(self, request: Request) -> Reply:
        """One exchange. TransportError (Timeout) if no complete answer came."""
        ...

    async def close(self) -> None: ...
