"""The vocabulary of the client: what a call asks, what a transport carries, what the caller gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from clavichord.client.errors import InvalidResponse
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


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. `origin` comes from the client's configuration only, never from an answer."""

    method: str
    origin: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return self.origin + self.target


@dataclass(frozen=True, slots=True)
class Reply:
    """What a transport brings back. Header names are lower case; the body is decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Send:
    """A step of the life-cycle: the driver sends the request and passes the Reply (or throws the TransportError) in."""

    request: Request


@dataclass(frozen=True, slots=True)
class Sleep:
    """A step of the life-cycle: the driver waits that many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Response:
    """A successful answer, undecoded."""

    operation: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    attempts: int = 1
    """requests sent for it"""
    waited: float = 0.0
    """seconds spent in pacing before and between the attempts"""

    def json(self) -> Any:
        """The decoded body, None if it is empty. InvalidResponse if it is not JSON."""
        if not self.body:
            return None
        try:
            return msgspec.json.decode(self.body)
        except msgspec.DecodeError as error:
            raise InvalidResponse.of(self.operation, self.status, self.headers, self.body, str(error)) from None


@dataclass(frozen=True, slots=True)
class Call:
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
