"""Every error of the client. Each message names the operation, what Klaviyo said, where, and what to do about it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from clavichord.client.lenient_json import loads


class KlaviyoError(Exception):
    """The root of everything this package raises on purpose."""


class ConfigurationError(KlaviyoError, ValueError):
    """Something that can be known to be wrong before anything is sent."""


class TransportError(KlaviyoError):
    """No answer came. `maybe_sent` says whether the request may have reached the server (and taken effect).

    `lasting`: another attempt would fail in the same way.
    """

    def __init__(self, message: str, maybe_sent: bool = True, operation: str = "", lasting: bool = False) -> None:
        super().__init__(message, maybe_sent, operation, lasting)
        self.message = message
        self.maybe_sent = maybe_sent
        self.operation = operation
        self.lasting = lasting

    def __str__(self) -> str:
        where = f"{self.operation}: " if self.operation else ""
        outcome = (
            "the request may have taken effect: check before sending it again"
            if self.maybe_sent
            else "the request was not sent"
            if self.lasting
            else "the request was not sent: it is safe to send it again"
        )
        return f"{where}{self.message}; {outcome}"


class Timeout(TransportError):
    """No answer in time (`Timeouts`)."""


class ErrorObject(Struct, frozen=True):
    """One error of an answer (JSON:API error object, FACTS §1.5)."""

    code: str = ""
    title: str = ""
    detail: str = ""
    pointer: str = ""
    """place in the body: `/data/attributes/email`"""
    parameter: str = ""
    """query parameter: `filter`"""
    meta: Mapping[str, Any] = {}
    id: str = ""
    """Klaviyo's id of this occurrence, for its support"""
    keyword: str = ""
    """the argument, where the call that was made knows it better than the pointer"""

    @property
    def argument(self) -> str:
        """`pointer` or `parameter` as the keyword argument it belongs to: `profiles[3].email`, "" if none."""
        if self.keyword:
            return self.keyword
        if self.parameter:
            return re.sub(r"\W+", "_", self.parameter).strip("_")
        parts = [p for p in self.pointer.split("/") if p not in ("", "data", "attributes", "relationships")]
        name = ""
        for part in parts:
            name += f"[{part}]" if part.isdigit() else f".{part}" if name else part
        return name

    def __str__(self) -> str:
        text = self.detail or self.title or self.code or "no detail given"
        place = self.pointer.rstrip("/") if self.pointer not in ("/data/", "/data") else ""
        if self.argument:
            text += f" (argument {self.argument}" + (f", {place})" if place else ")")
        elif place:
            text += f" ({place})"
        return text


class APIError(KlaviyoError):
    """Klaviyo (or something in front of it) answered with an error."""

    fix = ""
    """what to do, the last sentence of the message"""

    def __init__(
        self,
        operation: str,
        status: int,
        errors: Sequence[ErrorObject] = (),
        request_id: str = "",
        note: str = "",
    ) -> None:
        super().__init__(operation, status, errors, request_id, note)
        self.operation = operation
        self.status = status
        self.errors = list(errors)
        self.request_id = request_id
        self.note = note

    @property
    def code(self) -> str:
        """Klaviyo's code of the first error: `duplicate_profile`, "" if the answer had none."""
        return self.errors[0].code if self.errors else ""

    def call_arguments(self, keyword: Callable[[str], str]) -> None:
        """Names the arguments of the call in the errors: `keyword` knows the one for a pointer, or gives ""."""
        self.errors = [replace(error, keyword=keyword(error.pointer)) for error in self.errors]
        self.args = (*self.args[:2], self.errors, *self.args[3:])

    def advice(self) -> str:
        return self.fix

    def __str__(self) -> str:
        shown = [str(e) for e in self.errors[:5]]
        if len(self.errors) > 5:
            shown.append(f"and {len(self.errors) - 5} more")
        what = "; ".join(shown) or self.note or "no explanation in the answer"
        advice = self.advice()
        text = f"{self.operation}: {self.status} {what}"
        if advice:
            text += f"{'' if what.endswith('.') else '.'} {advice}"
        return text + (f" [request {self.request_id}]" if self.request_id else "")


class InvalidRequest(APIError):
    """400: a parameter or a part of the body is wrong."""

    fix = "Correct the argument named above; nothing of this request took effect."

    def advice(self) -> str:
        missing = self.errors and all("does not exist" in found.detail for found in self.errors)
        return NotFound.fix if missing else self.fix


class AuthenticationFailed(APIError):
    """401: the key is wrong, deleted, or of another kind."""

    fix = (
        "Check the API key: a private key of this account (it begins with pk_), still listed under "
        "Settings > API keys, without spaces or quotes. Of an OAuth login: reconnect."
    )


class ReconnectRequired(AuthenticationFailed):
    """An OAuth install has ended (uninstalled, revoked, 90 days without use), or was never there."""

    fix = "Reconnect: let the account's owner allow the app again (OAuth.authorize, or `clavichord auth login`)."


class AuthorizationRefused(KlaviyoError):
    """A callback of OAuth brought no authorization. `reason` is OAuth's word for it (RFC 6749 §4.1.2.1)."""

    def __init__(self, reason: str, explanation: str) -> None:
        super().__init__(reason, explanation)
        self.reason = reason
        self.explanation = explanation

    def __str__(self) -> str:
        return f"not authorized ({self.reason}): {self.explanation}"


class PermissionDenied(APIError):
    """403: the key lacks a scope, the account a feature, or a firewall refused the call."""

    fix = (
        "The key may lack a scope of this operation (scopes cannot be added to a key: create a new one), "
        "or the account lacks the feature."
    )

    def advice(self) -> str:
        from clavichord.client.routes import named

        if self.note:
            return ""
        try:
            scopes = " ".join(named(self.operation).scopes)
        except ConfigurationError:  # a path that no packaged revision has
            scopes = ""
        return self.fix + (f" {self.operation} needs {scopes}." if scopes else "")


class NotFound(APIError):
    """404: no such resource, or the path does not exist in this revision."""

    fix = (
        "Check the id: capitals matter, it must belong to this key's account, and what it names may have been deleted."
    )


class Conflict(APIError):
    """409: it clashes with something that exists. `duplicate_profile_id` names the profile, if Klaviyo did."""

    fix = "Change the existing resource instead, or use an upsert."

    @property
    def duplicate_profile_id(self) -> str | None:
        for error in self.errors:
            found = error.meta.get("duplicate_profile_id")
            if isinstance(found, str):
                return found
        return None

    def advice(self) -> str:
        found = self.duplicate_profile_id
        return f"The existing profile is {found}: update it, or call profiles.upsert." if found else self.fix


class PayloadTooLarge(APIError):
    """413: more than 5 MB after decompression (FACTS §3), or than the operation's own cap."""

    fix = "Send fewer items in one request; the upload verbs split by themselves."


class UnsupportedMediaType(APIError):
    """415: the body is of a kind that the operation does not take."""

    fix = (
        "Send application/vnd.api+json (or application/json), uncompressed or gzip; this client does so by itself "
        "unless content_type= says otherwise."
    )


class Gone(APIError):
    """410: the old v1 and v2 paths (FACTS §2)."""

    fix = "v1 and v2 have ended: call the operation that took its place."


class RateLimited(APIError):
    """429, or a wait that the client refused beforehand (`sent` is False then)."""

    def __init__(
        self,
        operation: str,
        status: int = 429,
        errors: Sequence[ErrorObject] = (),
        request_id: str = "",
        note: str = "",
        retry_after: float | None = None,
        daily: bool = False,
        sent: bool = True,
    ) -> None:
        super().__init__(operation, status, errors, request_id, note)
        self.args = (operation, status, errors, request_id, note, retry_after, daily, sent)
        self.retry_after = retry_after
        """seconds until a request can succeed, None if unknown"""
        self.daily = daily
        """the daily cap is used up"""
        self.sent = sent
        self._raised = datetime.now(UTC)

    @property
    def free_at(self) -> datetime | None:
        """When a request can succeed, None if unknown."""
        return None if self.retry_after is None else self._raised + timedelta(seconds=self.retry_after)

    def advice(self) -> str:
        when = f"Free again in {self.retry_after:.0f} s" if self.retry_after is not None else "Try again later"
        if self.free_at is not None and (self.retry_after or 0) >= 120:
            when = f"Free again at {self.free_at:%Y-%m-%d %H:%M} UTC"
        if self.daily:
            return f"{when}: the daily cap of this operation is used up; all private keys of the account share it."
        return f"{when}; all private keys of an account share this limit."


class ServerError(APIError):
    """5xx: a failure on Klaviyo's side."""

    fix = "A failure on Klaviyo's side: try again later."


class InvalidResponse(APIError):
    """A successful status with a body that is not what the operation returns (HTML, cut JSON, another document)."""

    fix = "The request itself succeeded; a proxy or a change of the API may have altered the answer."

    @classmethod
    def of(cls, operation: str, status: int, headers: Mapping[str, str], body: bytes, reason: str) -> InvalidResponse:
        return cls(operation, status, (), request_id(headers), f"unreadable body, {describe(headers, body)}: {reason}")


class NotImplementedByServer(APIError):
    """501: the server (the sandbox) does not implement this operation."""

    fix = ""


_CLASSES: Mapping[int, type[APIError]] = {
    400: InvalidRequest,
    401: AuthenticationFailed,
    403: PermissionDenied,
    404: NotFound,
    409: Conflict,
    410: Gone,
    413: PayloadTooLarge,
    415: UnsupportedMediaType,
    501: NotImplementedByServer,
}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def error_objects(body: bytes) -> list[ErrorObject]:
    """The error objects of a body; [] if it has none that can be read."""
    try:
        document = loads(body)
    except ValueError:
        return []
    entries = document.get("errors") if isinstance(document, dict) else None
    found = []
    for entry in entries if isinstance(entries, list) else []:
        if not isinstance(entry, dict):
            continue
        source, meta = entry.get("source"), entry.get("meta")
        source = source if isinstance(source, dict) else {}
        texts = {name: _text(entry.get(name)) for name in ("code", "title", "detail", "id")}
        found.append(
            ErrorObject(
                **texts,
                pointer=_text(source.get("pointer")),
                parameter=_text(source.get("parameter")),
                meta=meta if isinstance(meta, dict) else {},
            )
        )
    return found


def request_id(headers: Mapping[str, str]) -> str:
    """What the provider's support asks for: Cloudflare's ray (`inferred`: Klaviyo documents no request id)."""
    return headers.get("x-request-id") or headers.get("cf-ray") or ""


def describe(headers: Mapping[str, str], body: bytes) -> str:
    """What kind of thing an unreadable body is, without quoting more than its title."""
    if not body:
        return "empty"
    if b"<html" in body[:2000].lower() or b"<!doctype html" in body[:2000].lower():
        title = re.search(rb"<title[^>]*>([^<]{1,120})", body[:4000], re.IGNORECASE)
        named = f" titled {title.group(1).decode('utf-8', 'replace').strip()!r}" if title else ""
        return f"an HTML page{named}"
    return f"{len(body)} bytes of {headers.get('content-type', 'unknown type')}"


def api_error(operation: str, status: int, headers: Mapping[str, str], body: bytes) -> APIError:
    """The typed error for an unsuccessful answer, whatever its body is."""
    errors = error_objects(body)
    note = "" if errors else f"answered by {describe(headers, body)}" if body else "with an empty body"
    if status == 403 and not errors and body:
        note += ": a firewall in front of Klaviyo refused the call, not your key"
        if headers.get("cf-mitigated"):
            note += " (Cloudflare challenge; slow down or ask Klaviyo to allow this address)"
    if 300 <= status < 400:
        note = (
            f"redirect to {headers.get('location', 'nowhere')!r}, not followed: "
            "the key is sent to the configured base_url only; correct base_url"
        )
    if status == 429:
        return RateLimited(operation, status, errors, request_id(headers), note)
    kind = _CLASSES.get(status) or (ServerError if status >= 500 else APIError)
    return kind(operation, status, errors, request_id(headers), note)
