"""Serves a sandbox: from a thread for tests (`running`), in the foreground for the command line (`serve`)."""

from __future__ import annotations

import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Unpack, cast

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from clavichord.sandbox import wire
from clavichord.sandbox.app import Options, Sandbox

if TYPE_CHECKING:
    from uvicorn._types import ASGI3Application

LOOPBACK = "127.0.0.1"
_START = 10.0
"""seconds that a start may take"""


class Running(NamedTuple):
    """A sandbox that is being served."""

    base_url: str
    sandbox: Sandbox


class _Protocol(HttpToolsProtocol):
    """Hands its connection on, so that a fault can break it; and answers at once, without a task, what arrived whole
    and needs no waiting."""

    _whole: RequestResponseCycle | None = None
    """what may have arrived whole"""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast(wire.Scope, self.scope)[wire.TRANSPORT] = self.transport

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if cycle is self.cycle and cycle.more_body and cycle.keep_alive and isinstance(app, Sandbox):
            self._whole = cycle
        else:
            super()._start_asgi_task(cycle, app)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        cycle, self._whole = self._whole, None
        if cycle is not None and (cycle is not self.cycle or cycle.more_body or not self._answered(cycle)):
            super()._start_asgi_task(cycle, self.app)

    def _answered(self, cycle: RequestResponseCycle) -> bool:
        if self.flow.write_paused or self.transport.is_closing():
            return False
        reply: wire.Reply | None = wire.Reply(500)
        try:
            reply = cast(Sandbox, self.app).respond(wire.request(cast(wire.Scope, cycle.scope), bytes(cycle.body)))
        finally:  # a defect of the sandbox is logged by the event loop, and the client gets its 500
            if reply is not None:
                self._send(cycle, reply)
        return reply is not None

    def _send(self, cycle: RequestResponseCycle, reply: wire.Reply) -> None:
        wire.finish(reply)
        parts = [STATUS_LINE[reply.status]]
        for name, value in (*self.server_state.default_headers, *reply.headers):
            parts += (name, b": ", value, b"\r\n")
        parts.append(b"\r\n")
        if cycle.scope["method"] != "HEAD":
            parts.append(reply.body)
        cycle.response_started = cycle.response_complete = True
        self.transport.write(b"".join(parts))
        self.on_response_complete()


class _Server(uvicorn.Server):
    """Calls back when it listens."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def _server(sandbox: Sandbox, ready: Callable[[], None]) -> _Server:
    config = uvicorn.Config(
        sandbox,
        http=_Protocol,
        loop="auto" if sys.platform == "win32" else "uvloop",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
    )
    return _Server(config, ready)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. OSError if the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(1024)
    except OSError:
        bound.close()
        raise
    return bound


def base_url(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(sandbox: Sandbox, bound: socket.socket, ready: Callable[[], None]) -> None:
    """Serves until SIGINT or SIGTERM, then ends in order: requests answered, store closed."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn raises the signal again when it is done; by then there is nothing left to do.
        signal.signal(number, lambda *_: None)
    _server(sandbox, ready).run(sockets=[bound])


@contextmanager
def running(*, port: int = 0, **options: Unpack[Options]) -> Iterator[Running]:
    """A sandbox on loopback, served from a thread of its own until the block ends. Options as for `Sandbox`.

    Raises OSError if the port is taken, ValueError for a database that is not a sandbox's or a seed that is wrong.
    """
    bound = bind(LOOPBACK, port)
    try:
        sandbox = Sandbox(**options)
    except ValueError:
        bound.close()
        raise
    started = threading.Event()
    server = _server(sandbox, started.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="sandbox", daemon=True)
    thread.start()
    deadline = time.monotonic() + _START
    while not started.wait(0.05):
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the sandbox did not start; the server's log says why")
    try:
        yield Running(base_url(bound), sandbox)
    finally:
        server.should_exit = True
        thread.join(_START)
