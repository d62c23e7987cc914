"""The control plane under `/_sandbox/`: health, reset, the requests that were made."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec

if TYPE_CHECKING:
    from clavichord.sandbox.app import Sandbox

_Handler = Callable[["Sandbox", dict[str, str]], Any]
_MAX_ENTRIES = 10_000


class _Misused(Exception):
    """A control request that cannot be done; the text says why."""


def _version() -> str:
    try:
        return version("clavichord")
    except PackageNotFoundError:
        return "unknown"


def _health(sandbox: Sandbox, query: dict[str, str]) -> Any:
    return {
        "status": "ok",
        "version": _version(),
        "revision": sandbox.catalogue.revision,
        "limits": sandbox.limits.mode,
        "counts": sandbox.engine.store.counts(),
        "implemented": sandbox.implemented,
        "operations": len(sandbox.catalogue.operations),
    }


def _reset(sandbox: Sandbox, query: dict[str, str]) -> Any:
    sandbox.reset()
    return {"status": "reset"}


def _requests(sandbox: Sandbox, query: dict[str, str]) -> Any:
    operation = query.get("operation")
    if operation is not None and operation not in sandbox.catalogue.operations:
        raise _Misused(f"operation={operation}: there is no such operation")
    entries = sandbox.journal.entries(
        operation=operation,
        status=_number(query, "status"),
        since=_number(query, "since") or 0,
        limit=min(_number(query, "limit") or 100, _MAX_ENTRIES),
    )
    return {"requests": entries}


def _counts(sandbox: Sandbox, query: dict[str, str]) -> Any:
    return sandbox.journal.counts()


def _number(query: dict[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise _Misused(f"{name}={text}: a whole number is expected")
    return int(text)


_ROUTES: dict[str, dict[str, _Handler]] = {
    "/_sandbox/health": {"GET": _health},
    "/_sandbox/reset": {"POST": _reset},
    "/_sandbox/requests": {"GET": _requests},
    "/_sandbox/requests/count": {"GET": _counts},
}


def answer(sandbox: Sandbox, method: str, path: str, raw_query: bytes, body: bytes) -> tuple[int, bytes]:
    """Status and JSON body; plain JSON, so that nobody takes it for Klaviyo's."""
    methods = _ROUTES.get(path.rstrip("/"))
    if methods is None:
        return 404, _error(f"{path}: there is no such control; there are {', '.join(_ROUTES)}")
    handler = methods.get("GET" if method == "HEAD" else method)
    if handler is None:
        return 405, _error(f"{path} takes {', '.join(methods)}")
    try:
        return 200, msgspec.json.encode(handler(sandbox, dict(parse_qsl(raw_query.decode("latin-1")))))
    except _Misused as misuse:
        return 400, _error(str(misuse))


def _error(text: str) -> bytes:
    return msgspec.json.encode({"error": text})
