"""Spans and metrics, as an OpenTelemetry SDK receives them."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from tests.client.conftest import Caller
from tests.client.scripted_server import KEY, Answer, Scripted

from clavichord.client.client import AsyncKlaviyo
from clavichord.client.errors import ConfigurationError, KlaviyoError
from clavichord.client.otel import OpenTelemetry
from clavichord.client.pacing import Pacing


class Collected:
    def __init__(self) -> None:
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        meters = MeterProvider([self.reader])
        self.hook = OpenTelemetry(tracer_provider=self.provider, meter_provider=meters)
        self.tracer = self.provider.get_tracer("the program")

    @property
    def spans(self) -> list[Any]:
        return [span for span in self.exporter.get_finished_spans() if span.kind is SpanKind.CLIENT]

    @property
    def points(self) -> list[Any]:
        data = self.reader.get_metrics_data()
        assert data is not None
        (metric,) = data.resource_metrics[0].scope_metrics[0].metrics
        assert (metric.name, metric.unit) == ("http.client.request.duration", "s")
        return list(metric.data.data_points)


@pytest.fixture
def collected() -> Collected:
    return Collected()


def test_every_attempt_is_a_span_of_the_callers_trace(send: Caller, server: Scripted, collected: Collected) -> None:
    server.answers = [Answer(503), Answer(200, {"data": {}}, {"RateLimit-Remaining": "9", "CF-Ray": "ray"})]
    with pytest.MonkeyPatch.context() as patch, collected.tracer.start_as_current_span("request") as parent:
        patch.setattr("clavichord.client.core.backoff", lambda attempt: 0.0)
        send("get_list", path={"id": "AbC"}, query={"filter": "private"}, retries=1, on_response=collected.hook)
    failed, answered = collected.spans
    assert {span.name for span in collected.spans} == {"GET /api/lists/{id}"}
    assert {span.parent.span_id for span in collected.spans} == {parent.get_span_context().span_id}
    assert (failed.status.status_code, answered.status.status_code) == (StatusCode.ERROR, StatusCode.UNSET)
    assert failed.attributes["error.type"] == "503"
    port = int(server.base_url.rpartition(":")[2])
    assert dict(answered.attributes) == {
        "http.request.method": "GET",
        "http.request.resend_count": 1,
        "http.response.status_code": 200,
        "url.full": f"{server.base_url}/api/lists/AbC",
        "url.template": "/api/lists/{id}",
        "url.scheme": "http",
        "server.address": "127.0.0.1",
        "server.port": port,
        "klaviyo.operation": "get_list",
        "klaviyo.revision": "2026-07-15",
        "klaviyo.waited": pytest.approx(0, abs=5),
        "klaviyo.limit.remaining": 9,
        "klaviyo.request_id": "ray",
    }
    assert 0 < answered.end_time - answered.start_time < 60e9


def test_tasks_keep_their_own_traces(server: Scripted, collected: Collected) -> None:
    async def main() -> dict[int, str]:
        options: dict[str, Any] = {"base_url": server.base_url, "pacing": Pacing(enabled=False)}
        async with AsyncKlaviyo(KEY, on_response=[collected.hook], **options) as klaviyo:

            async def work(operation: str) -> tuple[int, str]:
                with collected.tracer.start_as_current_span(operation) as span:
                    await klaviyo.send(operation)
                    return span.get_span_context().span_id, operation

            return dict(await asyncio.gather(*map(work, ("get_lists", "get_tags", "get_segments"))))

    parents = asyncio.run(main())
    assert len(collected.spans) == 3
    for span in collected.spans:
        assert parents[span.parent.span_id] == span.attributes["klaviyo.operation"]


def test_durations_are_metrics(send: Caller, server: Scripted, collected: Collected) -> None:
    send("get_lists", on_response=collected.hook)
    server.answers = [Answer(reset=True)]
    with pytest.raises(KlaviyoError):
        send("get_lists", on_response=collected.hook)
    failed, answered = sorted(collected.points, key=lambda point: "http.response.status_code" in point.attributes)
    assert (failed.count, answered.count) == (1, 1)
    assert failed.attributes["error.type"] == "TransportError"
    assert answered.attributes["http.response.status_code"] == 200
    assert "url.full" not in answered.attributes
    assert [span.status.status_code for span in collected.spans] == [StatusCode.UNSET, StatusCode.ERROR]


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ConfigurationError, match=r"clavichord\[otel\]"):
        OpenTelemetry()
