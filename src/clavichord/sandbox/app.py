"""The ASGI application: reads a request, lets it through the gates in Klaviyo's order, answers, keeps the journal."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs

import msgspec

from clavichord.sandbox import auth, control, inferred, payload, query, revision
from clavichord.sandbox.call import Answer, Call
from clavichord.sandbox.clock import SECOND, Clock, RealClock
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.errors import JSON_API, Refusal, invalid, service
from clavichord.sandbox.journal import Journal
from clavichord.sandbox.limits import Headers, Limits, Mode, Phase
from clavichord.sandbox.resources import BEHAVIOURS, declare_jobs
from clavichord.sandbox.store import Store
from clavichord.spec import load

LINK_BASE = "https://a.klaviyo.com"
_PAGE = 100
"""rows of a collection that has no page[size] (FACTS §4.6)"""
_PAGES = {"get_metrics": 200}
_log = logging.getLogger(__name__)
_DRAIN = 16 * payload.MAX_BODY

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class _Request(NamedTuple):
    """A request that was read."""

    method: str
    raw_path: str
    """as it came, without query: an id may hold an encoded slash"""
    path: str
    query: bytes
    headers: Mapping[bytes, bytes]
    body: bytes


class _Reply:
    """What goes back, and what the journal says about it."""

    __slots__ = ("account", "body", "headers", "operation", "status")

    def __init__(self) -> None:
        self.status = 500
        self.headers: Headers = []
        self.body = b""
        self.operation: str | None = None
        self.account: str | None = None


class Sandbox:
    """A stateful Klaviyo.

    `db`: SQLite file, `:memory:` is not kept · `limits`: off, headers (count and tell), enforce (429) · `windows`:
    where limit windows start · `keys`: declared keys with their scopes (None: all); declaring one refuses all others ·
    `link_base`: start of every link · `job_delay`: seconds until accepted work is done, 0 = before the answer ·
    `latency`: milliseconds added to every answer · `seed`: makes ids repeatable.
    Raises ValueError for a file that is not a sandbox's.
    """

    def __init__(
        self,
        *,
        db: str = ":memory:",
        limits: Mode = "headers",
        windows: Phase = "clock",
        keys: auth.Keys | None = None,
        link_base: str = LINK_BASE,
        job_delay: float = 0.2,
        latency: float = 0,
        clock: Clock | None = None,
        seed: int | None = None,
    ) -> None:
        self.clock = clock or RealClock()
        self.catalogue = load()
        self.engine = Engine(Store(db), self.clock, self.catalogue, link_base, job_delay, seed)
        declare_jobs(self.engine)
        self.limits = Limits(self.clock, limits, windows)
        self.journal = Journal()
        self.latency = latency
        self._keyring = auth.Keyring(keys)
        self._seen: set[str] = set()
        self._runner: asyncio.Task[None] | None = None

    @property
    def implemented(self) -> list[str]:
        """The operations that are not answered with 501."""
        return sorted(BEHAVIOURS)

    def reset(self) -> None:
        """As new: no data, no counted request, an empty journal. For the serving thread (`POST /_sandbox/reset`)."""
        self.engine.reset()
        self.limits.reset()
        self.journal.clear()
        self._seen.clear()

    def close(self) -> None:
        self.engine.store.close()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            self._work()
            await self._http(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    def _work(self) -> None:
        """Jobs run beside the requests, also where the server announces no start."""
        if self._runner is None or self._runner.get_loop() is not asyncio.get_running_loop():
            self._runner = asyncio.get_running_loop().create_task(self.engine.jobs.run())
            self._runner.add_done_callback(_stopped)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._work()
                await send({"type": "lifespan.startup.complete"})
            else:
                if self._runner is not None:
                    self._runner.cancel()
                self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _http(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        body = await _read(receive)
        if body is None:  # the client went away
            return
        path = (scope.get("raw_path") or scope["path"].encode()).partition(b"?")[0].decode("latin-1")
        if path.startswith("/_sandbox"):
            reply = _Reply()
            reply.status, reply.body = control.answer(self, scope["method"], path, scope["query_string"], body)
            reply.headers.append((b"content-type", b"application/json"))
        else:
            if self.latency:
                await asyncio.sleep(self.latency / 1000)
            request = _Request(
                scope["method"], path, scope["path"], scope["query_string"], dict(scope["headers"]), body
            )
            reply = self._answer(request)
            ms = (time.perf_counter() - began) * 1000
            at = self.clock.now() / SECOND
            self.journal.record(at, scope["method"], scope["path"], reply.operation, reply.status, ms, reply.account)
        if reply.body or reply.status not in (202, 204):
            reply.headers.append((b"content-length", b"%d" % len(reply.body)))
        elif reply.status == 202:
            reply.headers.append((b"content-length", b"0"))
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else reply.body})

    def _answer(self, request: _Request) -> _Reply:
        reply = _Reply()
        try:
            answer = self._pass(request, reply)
            reply.status, reply.body = answer
            if answer.body:
                reply.headers.append((b"content-type", JSON_API))
        except Refusal as refusal:
            reply.status = refusal.status
            reply.headers = refusal.headers if refusal.status == 429 else reply.headers + refusal.headers
            members = [error.members(self.engine.ids.uuid()) for error in refusal.errors]
            reply.body = msgspec.json.encode({"errors": members})
        return reply

    def _pass(self, request: _Request, reply: _Reply) -> Answer:
        """The gates, in order: path, key, method, revision, limit, scope, implementation, query, body."""
        allowed = self.catalogue.methods(request.raw_path)
        if not allowed:
            raise service(404, "not_found", "Not found.", "Not found.")
        client = request.raw_path.startswith("/client/")
        scopes = None
        if not client:
            reply.account, scopes = self._keyring.identify(request.headers.get(b"authorization", b"").decode("latin-1"))
        found = self.catalogue.match("GET" if request.method == "HEAD" else request.method, request.raw_path)
        if found is None:
            title = f'Method "{request.method}" not allowed.'
            raise service(405, "method_not_allowed", title, title, (b"allow", ", ".join(allowed).encode()))
        operation, parameters = found
        reply.operation = operation.id
        given = request.headers.get(b"revision", b"").decode("latin-1")
        revision.check(given, self.clock, self.catalogue.revision)
        if client:
            company = parse_qs(request.query.decode("latin-1")).get("company_id", [""])[0]
            if not company:
                raise invalid(inferred.REQUIRED.format(name="company_id"), parameter="company_id")
            reply.account = company
        account = reply.account or ""
        reply.headers += self.limits.admit(account, operation, request.query)
        auth.permit(operation, scopes)
        behaviour = BEHAVIOURS.get(operation.id)
        if behaviour is None:
            text = f"The sandbox does not implement {operation.id} yet."
            raise service(501, "not_implemented", "Not implemented.", text)
        self._open(account)
        asked = query.read(request.query, operation, _PAGES.get(operation.id, _PAGE))
        data = payload.read(self.engine.bodies, operation, request.headers, request.body) if operation.body else None
        call = Call(
            engine=self.engine,
            operation=operation,
            account=account,
            now=self.clock.now(),
            path=request.path,
            id=next(iter(parameters.values()), ""),
            query=asked,
            data=data,
        )
        return behaviour(call)

    def _open(self, account: str) -> None:
        """An account begins with its first request."""
        if account not in self._seen:
            with self.engine.store.write():
                self.engine.store.execute(
                    "INSERT OR IGNORE INTO account (id, created) VALUES (?, ?)", (account, self.clock.now() // SECOND)
                )
            self._seen.add(account)


def _stopped(runner: asyncio.Task[None]) -> None:
    """Jobs end with the server; before that it is a fault of the sandbox that nobody would hear of."""
    if not runner.cancelled():
        _log.error("the sandbox no longer works on jobs", exc_info=runner.exception())


async def _read(receive: Receive) -> bytes | None:
    """The whole body; what is far beyond the ceiling is read and dropped, so that the client gets its 413."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        size += len(chunk)
        if chunk and size <= 2 * payload.MAX_BODY:
            chunks.append(chunk)
        if not message.get("more_body") or size > _DRAIN:
            return b"".join(chunks)
