"""The page on this machine that a browser comes to when a person has allowed an app, or refused."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from clavichord.client.errors import AuthorizationRefused, KlaviyoError
from clavichord.client.oauth import OAuth
from clavichord.sync.mistakes import SyncError

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>clavichord</title>
<body style="font: 1.2rem/1.5 system-ui, sans-serif; margin: 4rem auto; max-width: 34rem"><h1>{title}</h1><p>{text}</p>
"""
DONE = PAGE.format(title="Connected", text="You can close this page and go back to the terminal.")
FAILED = PAGE.format(title="Not connected", text="The terminal says why.")
STRANGE = PAGE.format(title="Not this login", text="This page waits for another answer. Use the link in the terminal.")


def is_loopback(redirect_uri: str) -> bool:
    target = urlsplit(redirect_uri)
    return target.scheme == "http" and target.hostname in ("localhost", "127.0.0.1")


class Listener:
    """Serves the app's redirect_uri, on loopback only. SyncError if its port is taken."""

    def __init__(self, app: OAuth) -> None:
        self._app = app
        self._ended = threading.Event()
        self._error: KlaviyoError | None = None
        self._one = threading.Lock()
        target = urlsplit(app.redirect_uri)
        listener, path = self, target.path or "/"

        class Handler(BaseHTTPRequestHandler):
            timeout = 30

            def do_GET(self) -> None:
                status, page = listener.take(self.path) if urlsplit(self.path).path == path else (404, STRANGE)
                body = page.encode()
                self.send_response(status)
                self.send_header("content-type", "text/html; charset=utf-8")
                self.send_header("content-length", str(len(body)))
                self.send_header("referrer-policy", "no-referrer")  # the address holds the code
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                """The address holds the code: nothing is logged."""

        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", target.port or 80), Handler)
        except OSError as error:
            raise SyncError(
                f"cannot listen at {app.redirect_uri}: {error.strerror or error}",
                "end what uses the port, give the app another redirect URL, or use --paste",
            ) from None

    def take(self, target: str) -> tuple[int, str]:
        """(status, page) for the browser. An answer to another question is not an answer: waiting goes on."""
        with self._one:
            if self._ended.is_set():
                return 200, DONE if self._error is None else FAILED
            try:
                self._app.exchange(target)
            except AuthorizationRefused as error:
                if error.reason == "unknown state":
                    return 400, STRANGE
                self._error = error
            except KlaviyoError as error:
                self._error = error
            self._ended.set()
            return (200, DONE) if self._error is None else (400, FAILED)

    def wait(self, seconds: float) -> bool:
        """False if nobody came in time. Raises what went wrong."""
        if not self._ended.wait(seconds):
            return False
        if self._error is not None:
            raise self._error
        return True

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
