"""JSON:API errors in Klaviyo's two flavours, with the order of keys that was recorded (FACTS §1.5, LIVE #10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

JSON_API = b"application/vnd.api+json"
_THROTTLED_LINKS = {"type": "https://developers.klaviyo.com/en/docs/rate_limits_and_error_handling#rate-limits"}


class ErrorObject(msgspec.Struct, frozen=True):
    """One member of `errors`, without its id: that is fresh in every answer."""

    status: int
    code: str
    title: str
    detail: str
    source: Mapping[str, str]
    service: bool = False
    """the flavour without `links` and `meta`"""
    links: Mapping[str, str] = msgspec.field(default_factory=dict)
    meta: Mapping[str, Any] = msgspec.field(default_factory=dict)

    def members(self, error_id: str) -> dict[str, Any]:
        if self.code == "throttled":
            order: tuple[str, ...] = ("status", "detail", "meta", "source", "code", "id", "links", "title")
        elif self.code in ("authentication_failed", "not_authenticated"):
            order = ("id", "code", "title", "detail", "source", "status")
        elif self.service:
            order = ("id", "status", "code", "title", "detail", "source")
        else:
            order = ("id", "status", "code", "title", "detail", "source", "links", "meta")
        return {name: error_id if name == "id" else getattr(self, name) for name in order}


class Refusal(Exception):
    """Ends a request with one or more error objects; the status is the first one's."""

    def __init__(self, *errors: ErrorObject, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(errors[0].detail)
        self.errors = errors
        self.status = errors[0].status
        self.headers = list(headers)
        if errors[0].code != "throttled":  # the recorded 429 has no content-type (LIVE #10)
            self.headers.append((b"content-type", JSON_API))


def problem(
    detail: str, *, pointer: str = "", parameter: str = "", meta: Mapping[str, Any] | None = None
) -> ErrorObject:
    """The 400 of a member of the body (`pointer`) or of a query parameter (`parameter`)."""
    source = {"parameter": parameter} if parameter else {"pointer": pointer or "/data"}
    return ErrorObject(400, "invalid", "Invalid input.", detail, source, meta=meta or {})


def invalid(detail: str, *, pointer: str = "", parameter: str = "") -> Refusal:
    return Refusal(problem(detail, pointer=pointer, parameter=parameter))


def service(status: int, code: str, title: str, detail: str, *headers: tuple[bytes, bytes]) -> Refusal:
    """The flavour without links and meta; its pointer is always `/data/`."""
    return Refusal(ErrorObject(status, code, title, detail, {"pointer": "/data/"}, service=True), headers=headers)


def not_found(detail: str) -> Refusal:
    return service(404, "not_found", "Not found.", detail)


def conflict(code: str, detail: str, pointer: str, **meta: Any) -> Refusal:
    return Refusal(ErrorObject(409, code, "Conflict.", detail, {"pointer": pointer}, meta=meta))


def throttled(wait: int) -> Refusal:
    """429; `wait` in whole seconds, because the official SDKs read an integer (SANDBOX §3)."""
    unit = "second" if wait == 1 else "seconds"
    detail = f"Request was throttled. Expected available in {wait} {unit}."
    error = ErrorObject(
        429, "throttled", "Request was throttled.", detail, {"pointer": "/data"}, links=_THROTTLED_LINKS
    )
    return Refusal(error, headers=[(b"retry-after", str(wait).encode())])
