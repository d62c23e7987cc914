"""The ASGI application: reads a request, lets it through the gates in Klaviyo's order, answers, keeps the journal."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from pathlib import Path
from typing import Literal, TypedDict, Unpack

import msgspec

from clavichord.sandbox import (
    auth,
    control,
    coverage,
    faults,
    late,
    payload,
    revision,
    seeds,
    ui,
    wire,
)
from clavichord.sandbox.clock import SECOND, VirtualClock
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.errors import JSON_API, Refusal
from clavichord.sandbox.faults import Fault, Faults
from clavichord.sandbox.gates import Gates
from clavichord.sandbox.journal import Entry, Journal
from clavichord.sandbox.limits import Limits, Mode, Phase
from clavichord.sandbox.oauth import OAuth
from clavichord.sandbox.resources import BEHAVIOURS, RESHAPED, declare_jobs
from clavichord.sandbox.snapshots import Snapshots
from clavichord.sandbox.store import Store
from clavichord.sandbox.wire import Receive, Reply, Request, Scope, Send
from clavichord.spec import REVISION

LINK_BASE = "https://a.klaviyo.com"
Quirks = Literal["spec", "live"]
_KEEP, _DRAIN = 2 * payload.MAX_BODY, 16 * payload.MAX_BODY
_HORIZON = 400 * 86_400 * SECOND
_log = logging.getLogger(__name__)


class Options(TypedDict, total=False):
    """What a sandbox can be made with."""

    db: str
    """SQLite file; `:memory:`, the default, is not kept"""
    limits: Mode
    """off, headers (count and tell, the default), enforce (429)"""
    windows: Phase
    """where the windows of limits start"""
    limit_scale: float
    """factor on every limit"""
    keys: auth.Keys
    """declared keys with their scopes (None: all); one that is declared keeps all others out"""
    link_base: str
    """start of every link"""
    job_delay: float
    """seconds until accepted work is done, 0 = before the answer; 0.2"""
    latency: float
    """milliseconds added to every answer"""
    clock: VirtualClock
    gzip: bool
    """answers are compressed for clients that take it; True"""
    seed: str | Path
    """a seed file, or `demo`: an empty sandbox begins with it, a reset goes back to it"""
    quirks: Quirks
    """`spec` (the default) answers with the specified success statuses, `live` with the recorded ones"""
    random_seed: int
    """makes ids repeatable"""


class Sandbox:
    """A stateful Klaviyo. Raises ValueError for a file that is not a sandbox's, SeedError for a seed that is wrong."""

    def __init__(self, **options: Unpack[Options]) -> None:
        quirks = options.get("quirks", "spec")
        self.clock = options.get("clock") or VirtualClock()
        catalogue = revision.catalogue_of(REVISION, live=quirks == "live")
        self.engine = Engine(
            Store(options.get("db", ":memory:")),
            self.clock,
            catalogue,
            options.get("link_base", LINK_BASE),
            options.get("job_delay", 0.2),
            options.get("random_seed"),
        )
        declare_jobs(self.engine)
        late.declare(self.engine, BEHAVIOURS)
        self.releases = revision.Releases(self.engine, BEHAVIOURS, RESHAPED, live=quirks == "live")
        self.limits = Limits(
            self.clock,
            options.get("limits", "headers"),
            options.get("windows", "clock"),
            options.get("limit_scale", 1),
        )
        self._first_limits = (self.limits.mode, self.limits.phase, self.limits.scale)
        self.journal = Journal()
        self.faults = Faults()
        self.oauth = OAuth(self.engine, self.limits, ui.authorize_page)
        self.keyring = auth.Keyring(options.get("keys"), self.oauth.caller)
        self._gates = Gates(self.clock, self.releases, self.keyring, self.limits, self.journal, self.open)
        self.snapshots = Snapshots(self.engine, self.clock, self.keyring)
        self.latency = options.get("latency", 0)
        self._gzip = options.get("gzip", True)
        self.quirks = quirks
        self._seen: set[str] = set()
        self._in_tests = "PYTEST_VERSION" in os.environ
        self._runner: asyncio.Task[None] | None = None
        self._seed: seeds.Seed | None = None
        try:
            if "seed" in options:
                self._seed = seeds.read(options["seed"])
            if any(self.engine.store.counts().values()):  # a file that was kept stays as it is until a reset
                seeds.declare_keys(self, self._seed)
            else:
                self._begin()
        except ValueError:
            self.close()
            raise

    def _begin(self) -> None:
        """The state that every reset goes back to."""
        if self._seed is not None:
            seeds.plant(self, self._seed)
        self.snapshots.save("")

    @property
    def implemented(self) -> list[str]:
        """The operations that are not answered with 501."""
        return sorted(BEHAVIOURS)

    # For the serving thread, all of these: the control plane calls them between requests.

    def reset(self) -> None:
        """As new: the seed's data, the first clock, keys and limits, no faults, nothing counted, an empty journal."""
        if "" in self.snapshots:
            self.restore("")
        else:
            self.engine.clear()
            self._seen.clear()
            self.limits.reset()
            self._begin()
        self.limits.configure(*self._first_limits)
        self.faults.clear()
        self.journal.clear()

    def restore(self, name: str) -> None:
        """Goes back to a snapshot. KeyError for a name that was not saved."""
        self.snapshots.restore(name)
        self.limits.reset()
        self._seen.clear()

    def travel(self, target: int | None) -> int:
        """Moves the clock to `target`, doing what falls due on the way at its own time; None: until nothing is left to
        do (for 400 days at most). Gives the number of times it stopped."""
        jobs, stops = self.engine.jobs, 0
        last = target if target is not None else self.clock.now() + _HORIZON
        while (due := jobs.next_due()) is not None and due <= last:
            self.clock.set(max(due, self.clock.now()))
            jobs.run_due()
            stops += 1
        if target is not None:
            self.clock.set(max(target, self.clock.now()))
        jobs.wake()
        return stops

    def open(self, account: str) -> None:
        """An account begins with its first request."""
        if account not in self._seen:
            with self.engine.store.write():
                self.engine.store.execute(
                    "INSERT OR IGNORE INTO account (id, created) VALUES (?, ?)", (account, self.clock.now() // SECOND)
                )
            self._seen.add(account)

    def close(self) -> None:
        self.snapshots.close()
        self.engine.store.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
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

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = await wire.read(scope, receive, _KEEP, _DRAIN)
        if request is None:
            return
        reply = self.respond(request) or self._beside(request)
        if reply is None:
            await self._disturbed(request, scope, receive, send)
        else:
            await wire.answer(scope, send, reply)

    def respond(self, request: Request) -> Reply | None:
        """The API's answer; None for requests that are no API's, or that latency or faults are to disturb."""
        if not request.raw_path.startswith(("/api/", "/client/")):
            return None
        if self.latency or self.faults or faults.HEADER in request.headers:
            return None
        began = time.perf_counter()
        reply = self._answer(request)
        self._record(request, reply, began)
        if self._gzip:
            wire.pack(reply, request.headers)
        return reply

    async def _disturbed(self, request: Request, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.perf_counter()
        if self.latency:
            await asyncio.sleep(self.latency / 1000)
        fault, reply = None, None
        if self.faults or faults.HEADER in request.headers:
            fault, reply = self._choose(request)
        if fault is not None and fault.latency:
            await asyncio.sleep(fault.latency / 1000)
        if fault is not None and fault.connection == "reset":
            reply = self._injected(request, fault, Reply(0))
        reply = reply or self._answer(request, fault)
        self._record(request, reply, began)
        if self._gzip:
            wire.pack(reply, request.headers)
        if fault is not None and fault.connection in ("reset", "lost"):
            await wire.reset(scope, receive)
        elif fault is not None and fault.connection == "torn":
            await wire.tear(scope, receive, send, reply)
        else:
            await wire.answer(scope, send, reply)

    def _beside(self, request: Request) -> Reply | None:
        """Everything that is no API: control plane, pages, OAuth; None for the API."""
        path = request.raw_path
        if path.startswith(("/api/", "/client/")):
            return None
        if path.startswith("/_sandbox"):
            return control.answer(self, request)
        if path.startswith("/oauth/"):
            if request.method == "POST" and path.startswith("/oauth/authorize") and not control.own_origin(request):
                return Reply(403)
            given = self.oauth.answer(request.method, path, request.query, request.headers, request.body)
            return Reply(given.status, given.body, [*given.headers, (b"content-type", given.type)])
        return ui.answer(request)

    def _record(self, request: Request, reply: Reply, began: float) -> None:
        test = os.environ.get("PYTEST_CURRENT_TEST", "").partition(" (")[0] or None if self._in_tests else None
        entry = Entry(
            self.journal.number + 1,
            self.clock.now() / SECOND,
            request.method,
            request.path,
            request.query.decode("latin-1"),
            reply.operation,
            request.headers.get(b"revision", b"").decode("latin-1"),
            reply.status,
            round((time.perf_counter() - began) * 1000, 3),
            reply.account,
            reply.fault,
            reply.unread,
            test,
        )
        self.journal.record(entry, request.body, reply.body)
        if test is not None and reply.operation is not None and reply.fault is None and reply.status < 500:
            coverage.drove(test, reply.operation)

    def _choose(self, request: Request) -> tuple[Fault | None, Reply | None]:
        """The fault for a request; or the answer to one that asks for a fault that there is not."""
        operation, account = self._gates.meant(request)
        text = request.headers.get(faults.HEADER, b"").decode("latin-1")
        if not text:
            return self.faults.choose(operation or "*", account or ""), None
        try:
            return faults.from_header(text, operation or "*", self.releases.operations), None
        except Refusal as refusal:
            return None, self._refused(refusal, Reply())

    def _injected(self, request: Request, fault: Fault, reply: Reply) -> Reply:
        reply.operation, reply.account = self._gates.meant(request)
        reply.fault = ", ".join(fault.effects())
        return reply

    def _answer(self, request: Request, fault: Fault | None = None) -> Reply:
        reply = Reply()
        try:
            refusal = fault.refusal() if fault is not None else None
            if fault is not None:
                self._injected(request, fault, reply)
            if refusal is not None:
                raise refusal
            answer = self._gates.let_through(request, reply, fault)
            reply.status, reply.body = answer
            if answer.body:
                reply.headers.append((b"content-type", JSON_API))
        except Refusal as refusal:
            self._refused(refusal, reply)
        return reply

    def _refused(self, refusal: Refusal, reply: Reply) -> Reply:
        reply.status = refusal.status
        reply.headers = refusal.headers if refusal.status == 429 else reply.headers + refusal.headers
        members = [error.members(self.engine.ids.uuid()) for error in refusal.errors]
        reply.body = msgspec.json.encode({"errors": members})
        return reply


def _stopped(runner: asyncio.Task[None]) -> None:
    """Jobs end with the server; before that it is a fault of the sandbox that nobody would hear of."""
    if not runner.cancelled():
        _log.error("the sandbox no longer works on jobs", exc_info=runner.exception())
