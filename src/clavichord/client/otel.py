"""OpenTelemetry: a client span and a duration for every attempt, in the HTTP semantic conventions. A hook:

    k = Klaviyo(key, on_response=OpenTelemetry())

A span's parent is whatever span the caller is in. It holds no header, query, body or key; its URL is the path alone.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from clavichord import __version__
from clavichord.client.errors import ConfigurationError
from clavichord.client.types import Call

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider


class OpenTelemetry:
    """Providers are the process's own unless given. ConfigurationError without the extra `otel`."""

    def __init__(
        self, *, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        try:
            from opentelemetry import metrics, trace
        except ModuleNotFoundError:
            raise ConfigurationError("OpenTelemetry needs its API: pip install 'clavichord[otel]'") from None
        self._trace = trace
        self._tracer = trace.get_tracer("clavichord", __version__, tracer_provider)
        meter = metrics.get_meter("clavichord", __version__, meter_provider)
        self._duration = meter.create_histogram(
            "http.client.request.duration", unit="s", description="Duration of HTTP client requests."
        )

    def __call__(self, call: Call) -> None:
        end = time.time_ns()
        shared = _shared(call)
        span = self._tracer.start_span(
            f"{call.method} {call.template}",
            kind=self._trace.SpanKind.CLIENT,
            start_time=end - int(call.seconds * 1e9),
            attributes={**shared, **_more(call)},
        )
        if call.status is None or call.status >= 400:
            span.set_status(self._trace.StatusCode.ERROR)
        span.end(end)
        self._duration.record(call.seconds, shared)


def _shared(call: Call) -> dict[str, str | int]:
    """What spans and metrics have in common: few different values."""
    server = urlsplit(call.origin)
    attributes: dict[str, str | int] = {
        "http.request.method": call.method,
        "url.template": call.template,
        "url.scheme": server.scheme,
        "server.address": server.hostname or "",
        "server.port": server.port or (443 if server.scheme == "https" else 80),
    }
    if call.status is not None:
        attributes["http.response.status_code"] = call.status
    if call.status is None or call.status >= 400:
        attributes["error.type"] = call.error or str(call.status)
    return attributes


def _more(call: Call) -> dict[str, str | int | float]:
    attributes: dict[str, str | int | float] = {
        "url.full": call.origin + call.path,
        "klaviyo.operation": call.operation,
        "klaviyo.revision": call.revision,
        "klaviyo.waited": call.waited,
    }
    if call.attempt > 1:
        attributes["http.request.resend_count"] = call.attempt - 1
    if call.remaining is not None:
        attributes["klaviyo.limit.remaining"] = call.remaining
    if call.request_id:
        attributes["klaviyo.request_id"] = call.request_id
    return attributes
