"""Runs a program whose calls to a.klaviyo.com end up in the sandbox, for clients whose base URL cannot be set.

Three ways lead there, because no single one is taken by every client: an HTTPS proxy (most), a `sitecustomize` for
Python clients that ignore proxies (the official SDK), and a `--require` for Node's own fetch and https. Everything else
the program calls goes where it always went.
"""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from clavichord.sandbox import tls

_PYTHON = '''"""Sends this program's connections to Klaviyo to a sandbox (clavichord sandbox --exec)."""
import importlib.machinery
import importlib.util
import os
import socket
import sys

_hosts, _port, _plain = {hosts!r}, {port}, socket.getaddrinfo


def _getaddrinfo(host, port, *more, **named):
    name = host.decode("ascii", "replace") if isinstance(host, bytes) else host
    if name in _hosts and str(port) in ("443", "https"):
        host, port = "127.0.0.1", _port
    return _plain(host, port, *more, **named)


socket.getaddrinfo = _getaddrinfo

# The environment's own sitecustomize, which this one hides.
_here = os.path.dirname(os.path.abspath(__file__))
_found = importlib.machinery.PathFinder.find_spec("sitecustomize", [one for one in sys.path if one != _here])
if _found is not None and _found.loader is not None:
    _found.loader.exec_module(importlib.util.module_from_spec(_found))
'''
_NODE = """// Sends this program's connections to Klaviyo to a sandbox (clavichord sandbox --exec).
const tls = require("tls");
const hosts = new Set({hosts});
const plain = tls.connect;
tls.connect = function (options, ...more) {{
  const name = options && typeof options === "object" && !options.socket && (options.servername || options.host);
  if (name && hosts.has(name)) {{
    options = {{ ...options, host: "127.0.0.1", hostname: "127.0.0.1", port: {port}, servername: name }};
  }}
  return plain.call(this, options, ...more);
}};
"""
_HEADER = 16_384
_CHUNK = 65_536


class _Redirector:
    """Two listeners on loopback: a proxy for CONNECT, and Klaviyo's TLS itself."""

    def __init__(self, sandbox: str, context: ssl.SSLContext, upstream: str) -> None:
        target = urlsplit(sandbox)
        self._sandbox = (target.hostname or "127.0.0.1", target.port or 80)
        self._context = context
        self._upstream = urlsplit(upstream if "://" in upstream else f"http://{upstream}") if upstream else None
        self.proxy_port = self.tls_port = 0

    async def serve(self, started: Callable[[], None]) -> None:
        """Until `stop` is called, from any thread."""
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        proxy = await asyncio.start_server(self._connect, "127.0.0.1", 0, limit=_HEADER)
        direct = await asyncio.start_server(self._direct, "127.0.0.1", 0, ssl=self._context)
        self.proxy_port, self.tls_port = (server.sockets[0].getsockname()[1] for server in (proxy, direct))
        started()
        await self._stopped.wait()
        proxy.close()
        direct.close()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)

    async def _direct(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await _join(reader, writer, *await asyncio.open_connection(*self._sandbox))

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n", 1)[0].decode("latin-1")
            method, authority = head.split(" ")[:2]
            host, _, port = authority.rpartition(":")
            if method != "CONNECT" or not port.isdigit():
                writer.write(b"HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n")
                writer.close()
                return
            if host in tls.HOSTS:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await writer.drain()
                await writer.start_tls(self._context)
                await _join(reader, writer, *await asyncio.open_connection(*self._sandbox))
            else:
                await self._tunnel(reader, writer, host.strip("[]"), int(port))
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.close()

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int) -> None:
        """To where the program wanted, through the proxy that was set before if there was one."""
        try:
            if self._upstream is None:
                far_reader, far_writer = await asyncio.open_connection(host, port)
            else:
                gate = self._upstream
                far_reader, far_writer = await asyncio.open_connection(gate.hostname, gate.port or 80)
                far_writer.write(f"CONNECT {host}:{port} HTTP/1.1\r\nhost: {host}:{port}\r\n\r\n".encode("latin-1"))
                answer = await far_reader.readuntil(b"\r\n\r\n")
                if answer.split(b" ")[1] != b"200":
                    raise ConnectionError
        except (OSError, asyncio.IncompleteReadError, IndexError):
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")
            writer.close()
            return
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await _join(reader, writer, far_reader, far_writer)


async def _join(
    near: asyncio.StreamReader, near_out: asyncio.StreamWriter, far: asyncio.StreamReader, far_out: asyncio.StreamWriter
) -> None:
    await asyncio.gather(_pump(near, far_out), _pump(far, near_out))


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await source.read(_CHUNK):
            sink.write(chunk)
            await sink.drain()
    with suppress(OSError, RuntimeError):
        sink.close()


@contextmanager
def redirected(sandbox: str) -> Iterator[dict[str, str]]:
    """The environment of a program whose Klaviyo is the sandbox at this URL. NoCertificate."""
    upstream = os.environ.get("https_proxy") or os.environ.get("HTTPS_PROXY") or ""
    with TemporaryDirectory(prefix="clavichord-") as name:
        folder = Path(name)
        certificates = tls.make(folder)
        redirector = _Redirector(sandbox, certificates.context(), upstream)
        started = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(redirector.serve(started.set)), daemon=True)
        thread.start()
        started.wait()
        try:
            yield _environment(folder, redirector, certificates.authority)
        finally:
            redirector.stop()
            thread.join(5)


def _environment(folder: Path, redirector: _Redirector, authority: Path) -> dict[str, str]:
    hooks = folder / "hooks"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(_PYTHON.format(hosts=tls.HOSTS, port=redirector.tls_port))
    script = folder / "redirect.cjs"
    script.write_text(_NODE.format(hosts=list(tls.HOSTS), port=redirector.tls_port))
    bundle = str(tls.bundle(folder, authority))
    proxy = f"http://127.0.0.1:{redirector.proxy_port}"
    before: Mapping[str, str] = os.environ
    return {
        **before,
        "HTTPS_PROXY": proxy,
        "https_proxy": proxy,
        "NO_PROXY": ",".join(filter(None, (before.get("NO_PROXY", ""), "127.0.0.1,localhost,::1"))),
        "SSL_CERT_FILE": bundle,
        "REQUESTS_CA_BUNDLE": bundle,
        "CURL_CA_BUNDLE": bundle,
        "NODE_EXTRA_CA_CERTS": str(authority),
        "DENO_CERT": str(authority),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(hooks), before.get("PYTHONPATH", "")))),
        "NODE_OPTIONS": " ".join(filter(None, (before.get("NODE_OPTIONS", ""), f'--require "{script}"'))),
    }


def run(sandbox: str, command: Sequence[str]) -> int:
    """Runs a program until it ends and gives its exit code. NoCertificate; FileNotFoundError for no such program."""
    with redirected(sandbox) as environment:
        process = subprocess.Popen(command, env=environment)
        # A terminal sends ^C to both; what else ends us ends the program first.
        previous = {
            number: signal.signal(number, lambda number, _: process.send_signal(number))
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            return process.wait()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
