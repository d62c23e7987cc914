"""Klaviyo integrations you can trust with your customers. Unaffiliated with Klaviyo.

    from clavichord import F, Klaviyo

Every name below is imported when it is first used, so that `import clavichord` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clavichord.client import errors, models
    from clavichord.client.auth import ApiKey, Auth
    from clavichord.client.client import AsyncKlaviyo, Klaviyo
    from clavichord.client.errors import (
        APIError,
        AuthenticationFailed,
        AuthorizationRefused,
        ConfigurationError,
        Conflict,
        InvalidRequest,
        InvalidResponse,
        KlaviyoError,
        NotFound,
        PayloadTooLarge,
        PermissionDenied,
        RateLimited,
        ReconnectRequired,
        ServerError,
        Timeout,
        TransportError,
        UnsupportedMediaType,
    )
    from clavichord.client.filters import F, Filter, has
    from clavichord.client.install import Install
    from clavichord.client.jobs import JobUnfinished
    from clavichord.client.journal import Journal, JournalEntry, ResponseTimes
    from clavichord.client.oauth import AsyncOAuth, OAuth
    from clavichord.client.operation import AsyncPager, Page, Pager
    from clavichord.client.otel import OpenTelemetry
    from clavichord.client.pacing import Budget, Pacing
    from clavichord.client.queue.sender import EventQueue, QueueFull, Undelivered
    from clavichord.client.tokens import MemoryTokens, SQLiteTokens, Tokens, TokenStore
    from clavichord.client.types import UNSET, Call, Response, Timeouts
    from clavichord.client.uploads.report import RowResult, RowsRefused, UploadReport, UploadStopped
    from clavichord.client.verbs.identity import IdentityConflict, SharedIdentifier

__version__ = "0.1.0"

__all__ = [
    "UNSET",
    "APIError",
    "ApiKey",
    "AsyncKlaviyo",
    "AsyncOAuth",
    "AsyncPager",
    "Auth",
    "AuthenticationFailed",
    "AuthorizationRefused",
    "Budget",
    "Call",
    "ConfigurationError",
    "Conflict",
    "EventQueue",
    "F",
    "Filter",
    "IdentityConflict",
    "Install",
    "InvalidRequest",
    "InvalidResponse",
    "JobUnfinished",
    "Journal",
    "JournalEntry",
    "Klaviyo",
    "KlaviyoError",
    "MemoryTokens",
    "NotFound",
    "OAuth",
    "OpenTelemetry",
    "Pacing",
    "Page",
    "Pager",
    "PayloadTooLarge",
    "PermissionDenied",
    "QueueFull",
    "RateLimited",
    "ReconnectRequired",
    "Response",
    "ResponseTimes",
    "RowResult",
    "RowsRefused",
    "SQLiteTokens",
    "ServerError",
    "SharedIdentifier",
    "Timeout",
    "Timeouts",
    "TokenStore",
    "Tokens",
    "TransportError",
    "Undelivered",
    "UnsupportedMediaType",
    "UploadReport",
    "UploadStopped",
    "__version__",
    "errors",
    "has",
    "models",
]

_HOMES = {
    "otel": ("OpenTelemetry",),
    "journal": (
        "Journal",
        "JournalEntry",
        "ResponseTimes",
    ),
    "queue.sender": (
        "EventQueue",
        "QueueFull",
        "Undelivered",
    ),
    "auth": ("ApiKey", "Auth"),
    "client": ("AsyncKlaviyo", "Klaviyo"),
    "filters": ("F", "Filter", "has"),
    "jobs": ("JobUnfinished",),
    "install": ("Install",),
    "oauth": ("AsyncOAuth", "OAuth"),
    "operation": ("AsyncPager", "Page", "Pager"),
    "pacing": ("Budget", "Pacing"),
    "tokens": ("MemoryTokens", "SQLiteTokens", "TokenStore", "Tokens"),
    "types": ("UNSET", "Call", "Response", "Timeouts"),
    "uploads.report": ("RowResult", "RowsRefused", "UploadReport", "UploadStopped"),
    "verbs.identity": ("IdentityConflict", "SharedIdentifier"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'clavichord' has no attribute {name!r}")
    if name in ("errors", "models"):
        return import_module(f"clavichord.client.{name}")
    found = getattr(import_module(f"clavichord.client.{_HOME.get(name, 'errors')}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
