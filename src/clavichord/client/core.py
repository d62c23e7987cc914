"""The life-cycle of a call, without I/O: prepare, pace, sign, send, judge, repeat. Written once, driven twice.

The generator yields `Sleep` and `Send`; a driver sleeps, or sends and passes the Reply in (or throws the
TransportError in), until the generator returns.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import msgspec

from clavichord.client.auth import Auth, check_company_id
from clavichord.client.encoding import unpacked
from clavichord.client.errors import (
    ConfigurationError,
    InvalidResponse,
    KlaviyoError,
    RateLimited,
    TransportError,
    api_error,
    request_id,
)
from clavichord.client.filters import Filter
from clavichord.client.pacing import PATIENCE, Budget, Ledger, Pacing, Slot
from clavichord.client.retries import backoff, may_repeat, repeat_safe, retry_after
from clavichord.client.routes import packaged
from clavichord.client.types import UNSET, Call, Hook, Query, Reply, Request, Response, Route, Send, Sleep

T = TypeVar("T")
Steps = Generator[Send | Sleep, Reply | None, T]

JSON_API = "application/vnd.api+json"
NOTHING: Mapping[str, str] = {}
LATE = 0.01
"""seconds between the logging of a request and its sending after which it is logged again: a token was fetched"""


def _as_json(value: Any) -> Any:
    if isinstance(value, Filter):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


_encode = msgspec.json.Encoder(enc_hook=_as_json).encode


class Core:
    """What the two clients share. `clock` gives monotonic seconds."""

    def __init__(
        self,
        auth: Auth,
        *,
        base_url: str,
        revision: str,
        retries: int,
        max_wait: float | None,
        pacing: Pacing,
        hooks: Sequence[Hook] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise ConfigurationError(
                f"base_url must look like https://a.klaviyo.com, not {_without_secrets(base_url)!r}"
            )
        if retries < 0:
            raise ConfigurationError(f"retries is the number of repetitions, 0 or more, not {retries}")
        self.auth = auth
        self.origin = f"{parts.scheme}://{parts.netloc}"
        self.prefix = parts.path.rstrip("/")
        self.revision = revision
        self.packaged = packaged(revision)
        self.retries = retries
        self.max_wait = max_wait
        self.pacing = pacing
        self.hooks = tuple(hooks)
        self.clock = clock
        self._ledgers: dict[str, tuple[Ledger, ...]] = {}
        self._headers = {
            "accept": JSON_API,
            "accept-encoding": "gzip",
            "revision": revision,
            "user-agent": "clavichord/0.1",
        }

    def target(self, route: Route, path: Mapping[str, str], query: Query | None) -> str:
        """Path and query of a request. ConfigurationError for a missing or impossible path parameter."""
        filled = route.path
        if "{" in filled:
            for name, value in path.items():
                if not isinstance(value, str) or value in ("", ".", ".."):
                    raise ConfigurationError(f"{route.id}: {name} must be a non-empty id, not {value!r}")
                filled = filled.replace("{" + name + "}", quote(value, safe=":$~"))
            if "{" in filled:
                raise ConfigurationError(f"{route.id}: needs {filled[filled.index('{') + 1 : filled.index('}')]}=")
        if not query:
            return self.prefix + filled
        encoded = query if isinstance(query, str) else encode_query(query)
        if not encoded.isascii() or not encoded.isprintable() or " " in encoded or "#" in encoded:
            raise ConfigurationError(
                f"{route.id}: a query given as text must be percent-encoded already; pass a dict to have it encoded"
            )
        return f"{self.prefix}{filled}?{encoded}" if encoded else self.prefix + filled

    def ledgers(self, route: Route, target: str) -> Sequence[Ledger]:
        """The limits that count this request: the operation's, and those that its parameters bring (FACTS §5)."""
        found = self._ledgers.get(route.id)
        if found is None:
            found = (self.pacing.ledger(self.origin, self.auth.identity, route.id, route.limit),)
            self._ledgers[route.id] = found
        if not route.limits_with or "?" not in target:
            return found
        given = parse_qs(target.partition("?")[2])
        for parameter, limit in route.limits_with.items():
            name, _, value = parameter.partition("=")
            if any(value in values.split(",") for values in given.get(name, ())):
                lower = self.pacing.ledger(self.origin, self.auth.identity, route.id, limit, parameter=parameter)
                found = (*found, lower)
        return found

    def budget(self, route: Route) -> Budget:
        return self.ledgers(route, "")[0].budget(self.clock())

    def call(
        self,
        route: Route,
        *,
        path: Mapping[str, str] = {},
        query: Query | None = None,
        body: Any = None,
        content_type: str = "",
    ) -> Steps[Response]:
        """The life-cycle of one call. Raises the errors of `clavichord.client.errors`."""
        target = self.target(route, path, query)
        # /client operations carry a public company_id; the private key must not go there (FACTS §1.2)
        public = route.path.startswith("/client/")
        if public:
            check_company_id(route.id, target.partition("?")[2])
        payload = encode_body(route.id, body)
        headers = self._headers
        if payload is not None:
            headers = {**headers, "content-type": content_type or route.content_type or JSON_API}
        ledgers = self.ledgers(route, target) if self.pacing.enabled else ()
        clock = self.clock
        waited, attempt, renewed = 0.0, 0, False
        while True:
            attempt += 1
            slot = Slot(ledgers)
            start = clock()
            try:
                if slot.enter(start) > 0:
                    yield from self._pace(route.id, slot, waited)
                    waited += slot.sent - start
                signed = NOTHING if public else (yield from self.auth.headers())
                request = Request(route.method, self.origin, target, {**headers, **signed}, payload)
                sent = clock()
                if sent - slot.sent > LATE:
                    slot.go(sent)
                outcome: Reply | TransportError
                try:
                    reply = yield Send(request)
                    assert reply is not None
                    outcome = unpacked(reply) if "content-encoding" in reply.headers else reply
                except TransportError as error:
                    outcome = error
            finally:
                slot.leave(clock())
            now = clock()
            if isinstance(outcome, Reply):
                slot.seen(outcome.headers, now)
                if 200 <= outcome.status < 300:
                    self._tell(route, target, attempt, outcome, now - sent, waited, None)
                    if outcome.unreadable:
                        raise InvalidResponse.of(
                            route.id, outcome.status, outcome.headers, outcome.body, outcome.unreadable
                        )
                    return Response(route.id, outcome.status, outcome.headers, outcome.body, attempt, waited)
            pause = self._pause(route, payload, outcome, slot, attempt, waited)
            if isinstance(outcome, Reply) and outcome.status == 401 and signed and not renewed:
                renewed = True
                try:
                    if (yield from self.auth.renew(outcome, signed)):
                        pause = 0.0
                except KlaviyoError:
                    self._tell(route, target, attempt, outcome, now - sent, waited, None)
                    raise
            self._tell(route, target, attempt, outcome, now - sent, waited, pause)
            if pause is None:
                raise self._error(route, outcome)
            if pause:
                yield Sleep(pause)
                waited += pause

    def _tell(
        self,
        route: Route,
        target: str,
        attempt: int,
        outcome: Reply | TransportError,
        seconds: float,
        waited: float,
        pause: float | None,
    ) -> None:
        if not self.hooks:
            return
        reply = outcome if isinstance(outcome, Reply) else None
        headers = reply.headers if reply is not None else {}
        left = headers.get("ratelimit-remaining", "")
        call = Call(
            route.id,
            route.method,
            target.partition("?")[0],
            attempt,
            reply.status if reply is not None else None,
            seconds,
            waited,
            pause,
            template=route.path,
            origin=self.origin,
            revision=self.revision,
            remaining=int(left) if left.isdecimal() else None,
            request_id=request_id(headers),
            error="" if reply is not None else type(outcome).__name__,
        )
        for hook in self.hooks:
            hook(call)

    def _pace(self, operation: str, slot: Slot, waited: float) -> Steps[None]:
        """Waits until the slot has gone. RateLimited instead of a wait that is too long."""
        slot.check(operation, self.clock(), None if self.max_wait is None else self.max_wait - waited)
        while (wait := slot.wait(self.clock())) > 0:
            if wait > PATIENCE:
                slot.check(operation, self.clock())
            yield Sleep(wait)

    def _pause(
        self,
        route: Route,
        payload: bytes | None,
        outcome: Reply | TransportError,
        slot: Slot,
        attempt: int,
        waited: float,
    ) -> float | None:
        """Seconds until the next attempt, None if there is to be none. A 429 closes the limit for everyone."""
        asked = None
        if isinstance(outcome, Reply):
            asked = retry_after(outcome)
            if outcome.status == 429:
                slot.refused(asked if asked is not None else backoff(attempt), self.clock())
        may = may_repeat(outcome)
        if may is None:
            may = repeat_safe(route.id, route.method, payload)
        if attempt > self.retries or not may:
            return None
        pause = asked if asked is not None else backoff(attempt)
        return None if self.max_wait is not None and pause and waited + pause > self.max_wait else pause

    def _error(self, route: Route, failure: Reply | TransportError) -> KlaviyoError:
        if isinstance(failure, TransportError):
            failure.operation = route.id
            return failure
        error = api_error(route.id, failure.status, failure.headers, failure.body)
        if isinstance(error, RateLimited):
            error.retry_after = retry_after(failure)
            error.daily = route.limit.daily > 0 and (error.retry_after or 0) > 120
        return error


def encode_query(query: Mapping[str, Any]) -> str:
    """Percent-encoded query; lists are joined by commas, booleans are words, UNSET and None are left out."""
    pairs = [(name, _parameter(value)) for name, value in query.items() if value is not UNSET and value is not None]
    return urlencode(pairs, quote_via=quote, safe="")


def _parameter(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple, set, frozenset)):
        return ",".join(_parameter(v) for v in value)
    return str(value)


def encode_body(operation: str, body: Any) -> bytes | None:
    """The bytes to send: bytes as they are, anything else as JSON. ConfigurationError names what JSON cannot hold."""
    if body is None or isinstance(body, bytes):
        return body
    try:
        return _encode(body)
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise ConfigurationError(f"{operation}: the body cannot be written as JSON: {error}") from None


def _without_secrets(url: str) -> str:
    """A URL that is fit for an error message."""
    parts = urlsplit(url)
    return f"{parts.scheme}://…@{parts.hostname}{parts.path}" if parts.username else url.partition("?")[0]


def drive(steps: Steps[T], send: Callable[[Request], Reply], sleep: Callable[[float], None] = time.sleep) -> T:
    """Runs a life-cycle with a blocking transport."""
    try:
        step = next(steps)
        while True:
            if isinstance(step, Sleep):
                sleep(step.seconds)
                step = steps.send(None)
            else:
                try:
                    reply = send(step.request)
                except TransportError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(reply)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # the generator's own return type, which typeshed drops
    finally:
        steps.close()


async def adrive(
    steps: Steps[T],
    send: Callable[[Request], Awaitable[Reply]],
    sleep: Callable[[float], Awaitable[None]],
) -> T:
    """Runs a life-cycle on an event loop."""
    try:
        step = next(steps)
        while True:
            if isinstance(step, Sleep):
                await sleep(step.seconds)
                step = steps.send(None)
            else:
                try:
                    reply = await send(step.request)
                except TransportError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(reply)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]  # as above
    finally:
        steps.close()
