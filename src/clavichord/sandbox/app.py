"""The ASGI application: reads a request, lets it through the gates in Klaviyo's order, answers, keeps the journal."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any
from urllib.parse import parse_qs

import msgspec

from clavichord.sandbox import auth, control, inferred, query, revision
from clavichord.sandbox.call import Answer, Call
from clavichord.sandbox.clock import SECOND, Clock, RealClock
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.errors import JSON_API, Refusal, invalid, service
from clavichord.sandbox.journal import Journal
from clavichord.sandbox.limits import Headers, Limits, Mode, Phase
from clavichord.sandbox.resources import BEHAVIOURS, declare_jobs
from clavichord.sandbox.store import Store
from clavichord.spec import Operation, load

LINK_BASE = "https://a.klaviyo.com"
MAX_BODY = 5_000_000
"""bytes after decompression (FACTS §3)"""
_PAGE = 100
"""rows of a collection that has no page[size] (FACTS §4.6)"""
_PAGES = {"get_metrics": 200}
_DRAIN = 16 * MAX_BODY

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


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
        headers: dict[bytes, bytes] = dict(scope["headers"])
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
            reply = self._answer(scope["method"], path, scope["path"], scope["query_string"], headers, body)
            ms = (time.perf_counter() - began) * 1000
            at = self.clock.now() / SECOND
            self.journal.record(at, scope["method"], scope["path"], reply.operation, reply.status, ms, reply.account)
        if reply.body or reply.status not in (202, 204):
            reply.headers.append((b"content-length", b"%d" % len(reply.body)))
        elif reply.status == 202:
            reply.headers.append((b"content-length", b"0"))
        await send({"type": "http.response.start", "status": reply.status, "headers": reply.headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else reply.body})

    def _answer(
        self, method: str, raw_path: str, path: str, raw_query: bytes, headers: Mapping[bytes, bytes], body: bytes
    ) -> _Reply:
        reply = _Reply()
        try:
            answer = self._pass(reply, method, raw_path, path, raw_query, headers, body)
            reply.status, reply.body = answer
            if answer.body:
                reply.headers.append((b"content-type", JSON_API))
        except Refusal as refusal:
            reply.status = refusal.status
            reply.headers = refusal.headers if refusal.status == 429 else reply.headers + refusal.headers
            members = [error.members(self.engine.ids.uuid()) for error in refusal.errors]
            reply.body = msgspec.json.encode({"errors": members})
        return reply

    def _pass(
        self,
        reply: _Reply,
        method: str,
        raw_path: str,
        path: str,
        raw_query: bytes,
        headers: Mapping[bytes, bytes],
        body: bytes,
    ) -> Answer:
        """The gates, in order: path, key, method, revision, limit, scope, implementation, query, body."""
        allowed = self.catalogue.methods(raw_path)
        if not allowed:
            raise service(404, "not_found", "Not found.", "Not found.")
        client = raw_path.startswith("/client/")
        scopes = None
        if not client:
            reply.account, scopes = self._keyring.identify(headers.get(b"authorization", b"").decode("latin-1"))
        found = self.catalogue.match("GET" if method == "HEAD" else method, raw_path)
        if found is None:
            title = f'Method "{method}" not allowed.'
            raise service(405, "method_not_allowed", title, title, (b"allow", ", ".join(allowed).encode()))
        operation, parameters = found
        reply.operation = operation.id
        given = headers.get(b"revision", b"").decode("latin-1")
        revision.check(given, self.clock, self.catalogue.revision)
        if client:
            company = parse_qs(raw_query.decode("latin-1")).get("company_id", [""])[0]
            if not company:
                raise invalid(inferred.REQUIRED.format(name="company_id"), parameter="company_id")
            reply.account = company
        account = reply.account or ""
        reply.headers += self.limits.admit(account, operation, raw_query)
        auth.permit(operation, scopes)
        behaviour = BEHAVIOURS.get(operation.id)
        if behaviour is None:
            text = f"The sandbox does not implement {operation.id} yet."
            raise service(501, "not_implemented", "Not implemented.", text)
        self._open(account)
        asked = query.read(raw_query, operation, _PAGES.get(operation.id, _PAGE))
        data = self._body(operation, headers, body) if operation.body else None
        call = Call(
            engine=self.engine,
            operation=operation,
            account=account,
            now=self.clock.now(),
            path=path,
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

    def _body(self, operation: Operation, headers: Mapping[bytes, bytes], body: bytes) -> Any:
        """The `data` member of a JSON body that fits the operation's schema. Refusal (400, 413, 415)."""
        content_type = headers.get(b"content-type", JSON_API).partition(b";")[0].strip().lower()
        if content_type not in (JSON_API, b"application/json"):
            shown = content_type.decode("latin-1")
            text = f'Unsupported media type "{shown}" in request.'
            raise service(415, "unsupported_media_type", text, text)
        cap = (operation.caps.bytes if operation.caps else 0) or MAX_BODY
        body = _decompressed(headers.get(b"content-encoding", b"").lower(), body, cap)
        if len(body) > cap:
            raise _too_large(len(body), cap)
        try:
            document = msgspec.json.decode(body)
        except RecursionError:
            raise invalid(inferred.NO_JSON.format(problem="it is nested too deeply"), pointer="/data") from None
        except ValueError as error:  # DecodeError and UnicodeDecodeError are both
            raise invalid(inferred.NO_JSON.format(problem=error), pointer="/data") from None
        faults = self.engine.bodies.faults(operation.body, document)
        if faults:
            raise Refusal(*faults)
        data = document["data"]
        entries = _entries(data)
        if operation.caps and operation.caps.items and len(entries) > operation.caps.items:
            text = inferred.TOO_MANY.format(given=len(entries), max=operation.caps.items)
            raise invalid(text, pointer="/data" if entries is data else "/data/attributes")
        return data


def _entries(data: Any) -> list[Any]:
    """The bulk list of a body: `data` itself, or the first `attributes.X.data`; [] if there is none."""
    if isinstance(data, list):
        return data
    for attribute in (data.get("attributes") or {}).values():
        if isinstance(attribute, dict) and isinstance(attribute.get("data"), list):
            entries: list[Any] = attribute["data"]
            return entries
    return []


def _decompressed(encoding: bytes, body: bytes, cap: int) -> bytes:
    if encoding in (b"", b"identity"):
        return body
    if encoding != b"gzip":
        text = f'Unsupported content encoding "{encoding.decode("latin-1")}" in request.'
        raise service(415, "unsupported_media_type", text, text)
    reader = zlib.decompressobj(wbits=31)
    try:
        plain = reader.decompress(body, cap + 1)
        complete = reader.eof or len(plain) > cap
    except zlib.error:
        complete = False
    if not complete:
        raise invalid("The body is not valid gzip.", pointer="/data")
    return plain


def _too_large(size: int, cap: int) -> Refusal:
    text = inferred.TOO_LARGE.format(size=size, max=cap)
    return service(413, "payload_too_large", "Payload too large.", text)


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
        if chunk and size <= 2 * MAX_BODY:
            chunks.append(chunk)
        if not message.get("more_body") or size > _DRAIN:
            return b"".join(chunks)
