"""A small HTTP server that answers as it is told, byte for byte, and remembers what it was asked."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

KEY = "pk_1234567890abcdef1234567890abcdef12"


@dataclass
class Asked:
    """One request as it came over the socket."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: int

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query))

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None


@dataclass
class Answer:
    """What to send back. `cut` sends that many bytes of the body and closes; `reset` answers nothing, with a RST.

    `raw` is the whole answer, after which the connection is closed. `drip` is the pause between its single bytes, in
    seconds. `early` answers before the body of the request is read, and closes.
    """

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    reset: bool = False
    silent: bool = False
    zipped: bool = False
    raw: bytes | None = None
    drip: float = 0.0
    early: bool = False

    def bytes(self) -> bytes:
        if self.raw is not None:
            return self.raw
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        headers = dict(self.headers)
        if self.zipped:
            body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
        headers["Content-Length"] = str(len(body))
        head = f"HTTP/1.1 {self.status} Scripted\r\n" + "".join(f"{n}: {v}\r\n" for n, v in headers.items()) + "\r\n"
        return head.encode("latin-1") + (body if self.cut is None else body[: self.cut])


class Scripted:
    """`answers` are used up in order; then `otherwise` answers (an Answer, or a function of the request)."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.otherwise: Answer | Callable[[Asked], Answer] = Answer(200, {"data": []})
        self.asked: list[Asked] = []
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.base_url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._lock = threading.Lock()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the thread in accept
        self._socket.close()
        for connection in self._open:
            connection.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._open.append(connection)
                number = len(self._open)
                self._threads.append(threading.Thread(target=self._serve, args=(connection, number), daemon=True))
                self._threads[-1].start()

    def all_closed(self, seconds: float = 2.0) -> bool:
        """Whether the other side closes every connection that it has opened."""
        for thread in self._threads:
            thread.join(seconds)
        return not any(thread.is_alive() for thread in self._threads)

    def _serve(self, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError, ValueError), connection, connection.makefile("rb") as stream:
            while line := stream.readline():
                method, target, _ = line.decode("latin-1").split(" ", 2)
                headers: dict[str, str] = {}
                while (header := stream.readline().strip()) != b"":
                    name, _, value = header.decode("latin-1").partition(":")
                    headers[name.lower()] = value.strip()
                early = isinstance(self.otherwise, Answer) and self.otherwise.early
                body = b"" if early else stream.read(int(headers.get("content-length", 0)))
                asked = Asked(method, target, headers, body, number)
                with self._lock:
                    self.asked.append(asked)
                    answer = self.answers.pop(0) if self.answers else self.otherwise
                if callable(answer):
                    answer = answer(asked)
                if answer.silent:
                    stream.read(1)
                    return
                if answer.reset:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                if answer.drip:
                    for byte in answer.bytes():
                        connection.sendall(bytes([byte]))
                        time.sleep(answer.drip)
                else:
                    connection.sendall(answer.bytes())
                if answer.cut is not None or answer.raw is not None:
                    return
                if early:  # what is still under way would turn the close into a reset
                    connection.shutdown(socket.SHUT_WR)
                    while stream.read(65536):
                        pass
                    return
