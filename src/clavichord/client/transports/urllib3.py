"""The blocking transport: urllib3's connections (addresses, TLS, certificates), the standard library's HTTP/1.1.

urllib3's pool, requests and responses are left out: they cost twice what an exchange itself does, send head and body
in two packets, and have no limit to the time of a whole exchange.
"""

from __future__ import annotations

import io
import os
import ssl
import time
from collections import deque
from functools import cached_property
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError

from clavichord.client.errors import Timeout, TransportError
from clavichord.client.transports import KEEP_ALIVE, LARGEST, head, reason
from clavichord.client.types import Reply, Request, Timeouts

_BUFFER = 65536
_MOST_FIELDS = 256


class _Until(io.RawIOBase):
    """What a socket brings before a deadline. The socket's own timeout is enough for the first piece."""

    def __init__(self, sock: Any, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline
        self._raw: io.RawIOBase = sock.makefile("rb", buffering=0)
        self._first = True

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self, _BUFFER)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self._first:
            self._first = False
        else:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        if not self.closed:
            self._raw.close()
            super().close()


class _Answer(HTTPResponse):
    """The standard library's answer; its headers as a plain dict, not as an e-mail: half of what an exchange costs."""

    def begin(self) -> None:
        status = 100
        while 100 <= status < 200:  # 103 Early Hints, too
            version, status, _ = self._read_status()  # type: ignore[attr-defined]  # urllib3 calls it as well
            fields = self._fields()
        self.status = status
        self.fields = fields
        self.chunked = fields.get("transfer-encoding", "").lower() == "chunked"
        self.chunk_left = None
        length = fields.get("content-length", "")
        if length and not length.isdecimal():
            raise HTTPException(f"content-length {length[:40]!r}")
        self.length = None if self.chunked or not length else int(length)
        if status in (204, 304) or self._method == "HEAD":  # type: ignore[attr-defined]  # as its own begin does
            self.length, self.chunked = 0, False
        wish = fields.get("connection", "").lower()
        stays = "close" not in wish and (version != "HTTP/1.0" or "keep-alive" in wish)
        self.will_close = not stays or (self.length is None and not self.chunked)

    def _fields(self) -> dict[str, str]:
        fields: dict[str, str] = {}
        name = ""
        for _ in range(_MOST_FIELDS):
            line = self.fp.readline(_BUFFER)
            if not line.endswith(b"\n"):
                raise HTTPException("a head that ends in the middle, or a field that does not end")
            text = line.decode("latin-1").rstrip("\r\n")
            if not text:
                return fields
            if text[0] in " \t" and name:
                fields[name] += " " + text.strip()
                continue
            name, colon, value = text.partition(":")
            name = name.strip().lower()
            if not colon or not name:
                raise HTTPException(f"a head with the line {text[:40]!r}")
            value = value.strip()
            fields[name] = f"{fields[name]}, {value}" if name in fields else value
        raise HTTPException(f"a head of more than {_MOST_FIELDS} fields")


class Urllib3Transport:
    """Keeps up to `connections` idle ones, for `KEEP_ALIVE` seconds. Parent and child of a fork may both go on."""

    def __init__(self, timeouts: Timeouts, *, connections: int = 64) -> None:
        self._timeouts = timeouts
        self._connections = connections
        self._idle: deque[tuple[str, HTTPConnection, float]] = deque()
        self._process = os.getpid()

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    def _kept(self, origin: str, now: float) -> HTTPConnection | None:
        """The connection that was used last, if the other side has not closed it."""
        if self._process != os.getpid():  # a forked child must not speak on its parent's connections
            self._process = os.getpid()
            self.close()
        while self._idle:
            try:
                home, connection, since = self._idle.pop()
            except IndexError:  # another thread was faster
                return None
            if home == origin and now - since < KEEP_ALIVE and connection.is_connected:
                return connection
            connection.close()
        return None

    def _opened(self, origin: str) -> HTTPConnection:
        parts = urlsplit(origin)
        host, limit = parts.hostname or "", self._timeouts.connect
        connection = (
            HTTPSConnection(host, parts.port or 443, timeout=limit, ssl_context=self._tls)
            if parts.scheme == "https"
            else HTTPConnection(host, parts.port or 80, timeout=limit)
        )
        try:
            connection.connect()
        except (ConnectTimeoutError, TimeoutError):
            raise Timeout(f"cannot connect to {origin} within {limit:g} s", maybe_sent=False) from None
        except ssl.SSLCertVerificationError as error:
            what = f"the certificate of {origin} is not to be trusted ({error.verify_message})"
            raise TransportError(what, maybe_sent=False, lasting=True) from None
        except (HTTPError, OSError, UnicodeError) as error:  # also a name that does not resolve, or is none
            raise TransportError(f"cannot connect to {origin} ({reason(error)})", maybe_sent=False) from None
        return connection

    def send(self, request: Request) -> Reply:
        start = time.monotonic()
        connection = self._kept(request.origin, start) or self._opened(request.origin)
        whole = False
        try:
            connection.sock.settimeout(self._timeouts.total)
            reply, whole = self._exchange(connection, request, start + self._timeouts.total)
            return reply
        except TimeoutError:
            raise Timeout(f"no answer from {request.origin} within {self._timeouts.total:g} s") from None
        except (HTTPException, OSError, ValueError) as error:
            raise TransportError(f"the connection to {request.origin} broke off ({reason(error)})") from None
        finally:
            if not whole:
                connection.close()
            elif len(self._idle) < self._connections:
                self._idle.append((request.origin, connection, time.monotonic()))
            else:
                connection.close()

    def _exchange(self, connection: HTTPConnection, request: Request, deadline: float) -> tuple[Reply, bool]:
        """The reply, and whether the connection can be used again."""
        broken: OSError | None = None
        try:
            connection.sock.sendall(head(request) + (request.body or b""))
        except (BrokenPipeError, ConnectionResetError) as error:  # refused halfway: the answer may say why (413)
            broken = error
        answer = _Answer(_Until(connection.sock, deadline), method=request.method)  # type: ignore[arg-type]
        with answer:
            try:
                answer.begin()
            except (HTTPException, OSError):
                if broken is not None:
                    raise broken from None
                raise
            body = answer.read(None if 0 <= (answer.length or -1) <= LARGEST else LARGEST + 1)
            if len(body) > LARGEST:
                what = f"the answer of {request.origin} is larger than {LARGEST:,} bytes"
                raise TransportError(what, lasting=True)
            return Reply(answer.status, answer.fields, body), not answer.will_close and broken is None

    def close(self) -> None:
        """Closes idle connections; a call in flight finishes first."""
        idle, self._idle = self._idle, deque()
        for _, connection, _ in idle:
            connection.close()
