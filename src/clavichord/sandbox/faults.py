"""Faults on demand: refusals, delays, lost connections and events that come late, dated wrong, or both.

Nothing is injected unless it is asked for, by `PUT /_sandbox/faults` or by one request's header:

    X-Sandbox-Fault: 503
    X-Sandbox-Fault: status=429, retry_after=2
    X-Sandbox-Fault: connection=lost
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from random import Random
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from clavichord.sandbox import inferred
from clavichord.sandbox.clock import LATEST, SECOND, micros, parse
from clavichord.sandbox.errors import ErrorObject, Refusal, invalid, service, throttled
from clavichord.spec import Operation

HEADER = b"x-sandbox-fault"

Connection = Literal["", "reset", "lost", "torn"]
"""reset: cut before anything is done · lost: done, cut before the answer · torn: done, cut in the middle of it"""


class Misused(ValueError):
    """A fault that cannot be injected; the text says why."""


class Fault(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What happens to which requests."""

    operation: str = "*"
    account: str = ""
    """its id; "" = any"""
    times: Annotated[int, Meta(ge=1)] | None = None
    """how many requests are hit, None = all of them until the faults are cleared"""
    after: Annotated[int, Meta(ge=0)] = 0
    """how many are let through before"""
    probability: Annotated[float, Meta(ge=0, le=1)] = 1.0
    seed: int = 0
    """of the dice, so that a run can be repeated"""

    latency: Annotated[float, Meta(ge=0, le=600_000)] = 0.0
    """milliseconds (of the machine) before anything else"""
    status: Annotated[int, Meta(ge=400, le=599)] | None = None
    """the request is refused with this one, and not done"""
    retry_after: Annotated[int, Meta(ge=0)] | None = None
    """whole seconds, in the header of a refusal"""
    detail: str = ""
    connection: Connection = ""
    late: Annotated[float, Meta(ge=0)] = 0.0
    """seconds on the sandbox's clock after which accepted events can be seen"""
    shift: float = 0.0
    """seconds that are added to the time of events: into the future, or < 0 as if they arrived late"""

    def effects(self) -> list[str]:
        """What it does, for the journal: `status=503`."""
        names = ("latency", "status", "connection", "late", "shift")
        return [
            f"{name}={getattr(self, name):g}" if name != "connection" else f"{name}={self.connection}"
            for name in names
            if getattr(self, name)
        ]

    def refusal(self) -> Refusal | None:
        """The answer in place of the sandbox's, in the wording of the recorded one where there is one."""
        if self.status is None:
            return None
        if self.status == 429:
            return throttled(1 if self.retry_after is None else self.retry_after)
        code, title = _ERRORS.get(self.status, ("error", inferred.FAULT))
        headers = [] if self.retry_after is None else [(b"retry-after", b"%d" % self.retry_after)]
        if self.status == 400:
            error = ErrorObject(400, code, title, self.detail or title, {"pointer": "/data"})
            return Refusal(error, headers=headers)
        return service(self.status, code, title, self.detail or title, *headers)


_ERRORS: Mapping[int, tuple[str, str]] = {
    400: ("invalid", "Invalid input."),
    401: ("authentication_failed", "Incorrect authentication credentials."),
    403: ("permission_denied", "You do not have permission to perform this action."),
    404: ("not_found", "Not found."),
    409: ("conflict", "Conflict."),
    410: ("gone", "Gone."),
    413: ("payload_too_large", "Payload too large."),
    500: ("error", "A server error occurred."),
    503: ("service_unavailable", "Service unavailable."),
}


class _Armed:
    """A fault with its count and its dice."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.seen = 0
        self.fired = 0
        self._dice = Random(fault.seed)

    @property
    def spent(self) -> bool:
        return self.fault.times is not None and self.fired >= self.fault.times

    def hits(self, operation: str, account: str) -> bool:
        fault = self.fault
        if self.spent or fault.operation not in ("*", operation) or fault.account not in ("", account):
            return False
        self.seen += 1
        if self.seen <= fault.after or (fault.probability < 1 and self._dice.random() >= fault.probability):
            return False
        self.fired += 1
        return True


class Faults:
    """The faults that are armed; the first that fits a request is injected."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []

    def __bool__(self) -> bool:
        return bool(self._armed)

    def add(self, faults: Iterable[Fault], operations: Mapping[str, Operation]) -> None:
        """Misused for a fault that names no operation, or does nothing, or delays what cannot be delayed."""
        checked = [_checked(fault, operations) for fault in faults]
        self._armed += [_Armed(fault) for fault in checked]

    def clear(self) -> None:
        self._armed.clear()

    def choose(self, operation: str, account: str) -> Fault | None:
        return next((armed.fault for armed in self._armed if armed.hits(operation, account)), None)

    def report(self) -> list[dict[str, Any]]:
        return [
            {**msgspec.to_builtins(armed.fault), "fired": armed.fired, "spent": armed.spent} for armed in self._armed
        ]


def _checked(fault: Fault, operations: Mapping[str, Operation]) -> Fault:
    if fault.operation != "*" and fault.operation not in operations:
        close = get_close_matches(fault.operation, operations, n=1)
        raise Misused(f"operation {fault.operation!r} does not exist" + (f"; {close[0]}?" if close else ""))
    if not fault.effects():
        raise Misused("the fault does nothing: give latency, status, connection, late or shift")
    if (fault.late or fault.shift) and fault.operation not in EVENT_OPERATIONS:
        raise Misused(f"late and shift are for events: operation must be one of {', '.join(EVENT_OPERATIONS)}")
    return fault


EVENT_OPERATIONS = ("create_event", "bulk_create_events", "create_client_event", "bulk_create_client_events")


def from_header(text: str, operation: str, operations: Mapping[str, Operation]) -> Fault:
    """The fault that a request asks for itself. Refusal (400)."""
    members: dict[str, Any] = {"operation": operation}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        members |= {name.strip(): value.strip()} if equals else {"status": part} if part.isdigit() else {"": part}
    try:
        return _checked(msgspec.convert(members, Fault, strict=False), operations)
    except ValueError as error:
        raise invalid(f"X-Sandbox-Fault: {error}", parameter="X-Sandbox-Fault") from None


def events(data: Any) -> Iterator[dict[str, Any]]:
    """The attributes of every event in a body, however deep a bulk job wraps it."""
    if isinstance(data, list):
        for item in data:
            yield from events(item)
    elif isinstance(data, dict):
        if data.get("type") == "event":
            yield data["attributes"]
        else:
            for member in data.values():
                yield from events(member)


def redate(data: Any, now: int, shift: float) -> None:
    """Writes the time of every event out, moved by `shift` seconds; it holds whenever they are stored."""
    for attributes in events(data):
        given = attributes.get("time")
        at = (now if given is None else parse(given) or now) + round(shift * SECOND)
        attributes["time"] = micros(min(max(at, 0), LATEST))
