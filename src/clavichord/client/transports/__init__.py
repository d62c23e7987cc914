"""How bytes travel. A transport has two methods; urllib3, aiohttp and httpx2 are imported when one is first made.

A transport never follows a redirect, always has a timeout, and turns every failure of its library into a
TransportError that says whether the request may have reached the server.
"""

from __future__ import annotations

from typing import Protocol

from clavichord.client.encoding import LARGEST
from clavichord.client.errors import ConfigurationError
from clavichord.client.types import Reply, Request

__all__ = ["KEEP_ALIVE", "LARGEST", "AsyncTransport", "Transport", "head", "reason"]

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


def head(request: Request) -> bytes:
    """The head of an HTTP/1.1 request. ConfigurationError for a header that would be more than one."""
    headers = "".join([f"{name}: {value}\r\n" for name, value in request.headers.items()])
    if headers.count("\n") != len(request.headers) or headers.count("\r") != len(request.headers):
        raise ConfigurationError("a header of the request holds a line break")
    if request.body is not None or request.method not in ("GET", "DELETE"):
        headers += f"content-length: {len(request.body or b'')}\r\n"
    host = request.origin.partition("://")[2]
    return f"{request.method} {request.target} HTTP/1.1\r\nhost: {host}\r\n{headers}\r\n".encode("latin-1")


def reason(error: BaseException) -> str:
    """The cause of a failure in a few words: libraries wrap it, and put object addresses before it."""
    cause = error.__cause__ or (error.args[-1] if error.args and isinstance(error.args[-1], Exception) else None)
    text = str(cause or error).rpartition(">: ")[2]
    return f"{type(cause or error).__name__}: {text}".rstrip(": ")
