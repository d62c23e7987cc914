"""ASGI, as far as the sandbox uses it: whole requests, whole answers, and connections that break."""

from __future__ import annotations

import gzip
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from functools import lru_cache
from typing import Any, NamedTuple

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

_WORTH_PACKING = 1000
"""bytes"""

TRANSPORT = "clavichord.transport"
"""scope key: the server's side of the connection, where a server lets it be broken (`serve` does)"""


class Request(NamedTuple):
    """A request that was read."""

    method: str
    raw_path: str
    """as it came, without query: an id may hold an encoded slash"""
    path: str
    query: bytes
    headers: Mapping[bytes, bytes]
    body: bytes


class Reply:
    """What goes back, and what the journal says about it."""

    __slots__ = ("account", "body", "fault", "headers", "operation", "status", "unread")

    def __init__(self, status: int = 500, body: bytes = b"", headers: Headers | None = None) -> None:
        self.status = status
        self.headers: Headers = [] if headers is None else headers
        self.body = body
        self.operation: str | None = None
        self.account: str | None = None
        self.fault: str | None = None
        self.unread: tuple[str, ...] = ()


async def read(scope: Scope, receive: Receive, keep: int, drain: int) -> Request | None:
    """The whole request, None if the client went away. Of a body beyond `keep` bytes the rest is read and dropped, so
    that the client gets its 413; beyond `drain` it is left alone."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        size += len(chunk)
        if chunk and size <= keep:
            chunks.append(chunk)
        if not message.get("more_body") or size > drain:
            break
    return request(scope, b"".join(chunks))


def request(scope: Scope, body: bytes) -> Request:
    raw_path = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0].decode("latin-1")
    return Request(scope["method"], raw_path, scope["path"], scope["query_string"], dict(scope["headers"]), body)


def pack(reply: Reply, headers: Mapping[bytes, bytes]) -> None:
    """Compresses an answer that is worth it for a client that takes gzip."""
    if len(reply.body) >= _WORTH_PACKING and _takes_gzip(headers.get(b"accept-encoding", b"")):
        reply.body = gzip.compress(reply.body, 1)
        reply.headers += ((b"content-encoding", b"gzip"), (b"vary", b"accept-encoding"))


@lru_cache(maxsize=256)
def _takes_gzip(accepted: bytes) -> bool:
    codings = (one.partition(b";") for one in accepted.lower().split(b","))
    weights = {name.strip(): rest.replace(b" ", b"") for name, _, rest in codings}
    weight = weights.get(b"gzip", weights.get(b"*"))
    return weight is not None and re.fullmatch(rb"q=0(\.0*)?", weight) is None


def finish(reply: Reply) -> None:
    """Adds the length, which is all that a server has to know besides."""
    if reply.body or reply.status != 204:
        reply.headers.append((b"content-length", b"%d" % len(reply.body)))


async def answer(scope: Scope, send: Send, reply: Reply) -> None:
    finish(reply)
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else reply.body})


async def tear(scope: Scope, receive: Receive, send: Send, reply: Reply) -> None:
    """Half of the answer, then the end of the connection."""
    headers = [*reply.headers, (b"content-length", b"%d" % len(reply.body))]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body[: len(reply.body) // 2], "more_body": True})
    _transport(scope).close()
    await _gone(receive)


async def reset(scope: Scope, receive: Receive) -> None:
    """No answer at all: the client sees a connection reset."""
    transport = _transport(scope)
    own = transport.get_extra_info("socket")
    # Without lingering, closing sends RST instead of FIN.
    own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    await _gone(receive)


def _transport(scope: Scope) -> Any:
    transport = scope.get(TRANSPORT)
    if transport is None:
        raise ConnectionAbortedError("this server cannot break a connection; serve it with clavichord.sandbox.serve")
    return transport


async def _gone(receive: Receive) -> None:
    """Until the server has noticed: it would complain about an answer that was not finished."""
    while (await receive())["type"] != "http.disconnect":
        pass
