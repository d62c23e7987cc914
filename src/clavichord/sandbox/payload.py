"""The body of a request: media type, encoding, size, JSON, schema, number of entries; in this order."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import msgspec

from clavichord.sandbox import inferred, multipart
from clavichord.sandbox.errors import JSON_API, Refusal, invalid, service
from clavichord.sandbox.validation import Bodies
from clavichord.spec import Operation

MAX_BODY = 5_000_000
"""bytes after decompression (FACTS §3)"""
_JSON = (JSON_API, b"application/json")
_FORM_ROOM = 100_000
"""bytes around the file of a form"""


def read(bodies: Bodies, operation: Operation, headers: Mapping[bytes, bytes], body: bytes) -> Any:
    """The `data` member of a JSON body that fits the operation's schema. Refusal (400, 413, 415)."""
    if operation.content_type == "multipart/form-data":
        return _form(operation, headers, body)
    content_type = headers.get(b"content-type", JSON_API)
    if content_type not in _JSON:
        content_type = content_type.partition(b";")[0].strip().lower()
        if content_type not in _JSON:
            raise _unsupported("media type", content_type)
    cap = (operation.caps.bytes if operation.caps else 0) or MAX_BODY
    if b"content-encoding" in headers:
        body = _decompressed(headers[b"content-encoding"].lower(), body, cap)
    if len(body) > cap:
        text = inferred.TOO_LARGE.format(size=len(body), max=cap)
        raise service(413, "payload_too_large", "Payload too large.", text)
    try:
        document = msgspec.json.decode(body)
    except RecursionError:
        raise invalid(inferred.NO_JSON.format(problem="it is nested too deeply"), pointer="/data") from None
    except ValueError as error:  # DecodeError and UnicodeDecodeError are both
        raise invalid(inferred.NO_JSON.format(problem=error), pointer="/data") from None
    faults = bodies.faults(operation.body, document)
    if faults:
        raise Refusal(*faults)
    data = document["data"]
    if operation.caps and operation.caps.items:
        entries = _entries(data)
        if len(entries) > operation.caps.items:
            text = inferred.TOO_MANY.format(given=len(entries), max=operation.caps.items)
            raise invalid(text, pointer="/data" if entries is data else "/data/attributes")
    return data


def _form(operation: Operation, headers: Mapping[bytes, bytes], body: bytes) -> dict[str, multipart.Part]:
    """The fields of a form; the cap is the file's. Refusal (400, 413, 415)."""
    given = headers.get(b"content-type", b"")
    if given.partition(b";")[0].strip().lower() != b"multipart/form-data":
        raise _unsupported("media type", given)
    cap = (operation.caps.bytes if operation.caps else 0) or MAX_BODY
    body = _decompressed(headers.get(b"content-encoding", b"").lower(), body, cap + _FORM_ROOM)
    try:
        parts = multipart.read(given, body) if len(body) <= cap + _FORM_ROOM else {}
    except ValueError as error:
        raise invalid(inferred.BAD_FORM_DATA.format(problem=error), pointer="/data") from None
    if not parts or any(len(part.content) > cap for part in parts.values()):
        raise service(
            413, "payload_too_large", "Payload too large.", inferred.TOO_LARGE.format(size=len(body), max=cap)
        )
    return parts


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
        raise _unsupported("content encoding", encoding)
    reader = zlib.decompressobj(wbits=31)
    try:
        plain = reader.decompress(body, cap + 1)
        complete = reader.eof or len(plain) > cap
    except zlib.error:
        complete = False
    if not complete:
        raise invalid("The body is not valid gzip.", pointer="/data")
    return plain


def _unsupported(what: str, given: bytes) -> Refusal:
    text = f'Unsupported {what} "{given.decode("latin-1")}" in request.'
    return service(415, "unsupported_media_type", text, text)
