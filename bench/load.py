"""A load generator that costs little itself: keep-alive connections in one thread, each with one request on its way."""

from __future__ import annotations

import selectors
import socket
import time
from collections import Counter
from collections.abc import Callable

CONNECTIONS = 16
_TIMEOUT = 60.0


class Unexpected(Exception):
    """An answer with another status, or a connection that was closed."""


class _Connection:
    __slots__ = ("missing", "socket")

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=_TIMEOUT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.missing = 0
        """bytes of the answer that are still to come, 0 = its head is"""

    def received(self, status: bytes) -> bool:
        """Reads what is there; True when an answer is complete. The head comes in one piece: it is small."""
        data = self.socket.recv(262_144)
        if not self.missing:
            end = data.find(b"\r\n\r\n")
            head = data[:end].lower()
            if end < 0 or head[9:12] != status:
                raise Unexpected(data[:300].decode("latin-1") or "the connection was closed")
            at = head.find(b"content-length: ")
            self.missing = end + 4 + (int(head[at + 16 :].partition(b"\r")[0]) if at >= 0 else 0)
        self.missing -= len(data)
        return self.missing <= 0


def requests_per_second(
    address: tuple[str, int], request: Callable[[int], bytes], status: int, seconds: float, first: int = 0
) -> tuple[float, int]:
    """Sends `request(first)`, `request(first + 1)`, … for so long, and gives the answers per second and their number.

    Raises Unexpected for an answer with another status.
    """
    wanted, poll = str(status).encode(), selectors.DefaultSelector()
    connections = [_Connection(address) for _ in range(CONNECTIONS)]
    for one in connections:
        poll.register(one.socket, selectors.EVENT_READ, one)
    sent, counts = first, Counter[str]()
    began = time.perf_counter()
    for one in connections:
        one.socket.sendall(request(sent))
        sent += 1
    while time.perf_counter() < began + seconds:
        for key, _ in poll.select(_TIMEOUT):
            if key.data.received(wanted):
                counts["answers"] += 1
                key.data.socket.sendall(request(sent))
                sent += 1
    took = time.perf_counter() - began
    for one in connections:
        one.socket.close()
    return counts["answers"] / took, counts["answers"]
