"""The vocabulary of the client: what a call asks, what a transport carries, what the caller gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from msgspec import UNSET, Struct, UnsetType

from clavichord.client.errors import InvalidResponse
from clavichord.client.lenient_json import loads
from clavichord.spec.types import Limit

__all__ = [
    "BASE_URL",
    "UNSET",
    "Call",
    "Document",
    "Hook",
    "Query",
    "Reply",
    "Request",
    "Response",
    "Route",
    "Send",
    "Sleep",
    "Timeouts",
    "UnsetType",
]

BASE_URL = "https://a.klaviyo.com"

Query: TypeAlias = Mapping[str, Any] | str
"""Query parameters by wire name, or a query string that is already encoded."""

Document: TypeAlias = Mapping[str, Any] | bytes
"""A whole JSON:API document, as a dict or as the bytes to send."""


class Hook(Protocol):
    """Something that is told of every attempt, in the thread that made it. What it raises, the call raises."""

    def __call__(self, call: Call, /) -> None: ...


class Route(Protocol):
    """What the life-cycle needs to know of an operation; `spec.Operation` and a declared operation both are one."""

    @property
    def id(self) -> str: ...
    @property
    def method(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def limit(self) -> Limit: ...
    @property
    def limits_with(self) -> Mapping[str, Limit]: ...
    @property
    def content_type(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: `connect` to open a connection, `total` for the whole exchange of one attempt."""

    connect: float = 5.0
    total: float = 60.0


class Request(Struct, frozen=True):
    """One HTTP request. `origin` comes from the client's configuration only, never from an answer."""

    method: str
    origin: str
    target: str
    headers: Mapping[str, str]
    body: bytes | None = None

    @property
    def url(self) -> str:
        return self.origin + self.target

    def __repr__(self) -> str:
        return f"Request({self.method} {self.origin}{self.target.partition('?')[0]})"


class Reply(Struct, frozen=True):
    """What a transport brings back: header names in lower case, the body as it came, compressed if it was."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    unreadable: str = ""
    """why the body could not be decompressed; it is left out then"""

    def __repr__(self) -> str:
        return f"Reply({self.status}, {len(self.body)} bytes)"


class Send(Struct, frozen=True):
    """A step of the life-cycle: the driver sends the request and passes the Reply (or throws the TransportError) in."""

    request: Request


class Sleep(Struct, frozen=True):
    """A step of the life-cycle: the driver waits that many seconds."""

    seconds: float


class Response(Struct, frozen=True):
    """A successful answer, undecoded."""

    operation: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    attempts: int = 1
    """requests sent for it"""
    waited: float = 0.0
    """seconds spent in pacing before and between the attempts"""

    def __repr__(self) -> str:
        return f"Response({self.operation} {self.status}, {len(self.body)} bytes)"

    def json(self) -> Any:
        """The decoded body, None if it is empty. InvalidResponse if it is not JSON."""
        if not self.body:
            return None
        try:
            return loads(self.body)
        except ValueError as error:
            raise InvalidResponse.of(self.operation, self.status, self.headers, self.body, str(error)) from None


class Call(Struct, frozen=True):
    """One attempt, for the `on_response` hooks. Holds no header, query, body or key."""

    operation: str
    method: str
    path: str
    attempt: int
    status: int | None
    """None: the transport failed"""
    seconds: float
    """from sending to the answer"""
    waited: float
    """seconds in pacing so far, all attempts of the call"""
    retry_in: float | None = None
    """seconds until the next attempt, None if this one is final"""
    template: str = ""
    """the path with its parameters' names: `/api/lists/{id}`"""
    origin: str = ""
    revision: str = ""
    remaining: int | None = None
    """`RateLimit-Remaining`, None if the answer did not say"""
    request_id: str = ""
    error: str = ""
    """why no answer came: `Timeout`, `TransportError`; "" if one did"""
