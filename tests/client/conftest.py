"""Fixtures: scripted servers, and one way to call through each transport."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.client.scripted_server import KEY, Scripted

from clavichord.client.client import AsyncKlaviyo, Klaviyo
from clavichord.client.pacing import Pacing
from clavichord.client.types import Response, Timeouts


@pytest.fixture
def server() -> Iterator[Scripted]:
    made = Scripted()
    yield made
    made.close()


@pytest.fixture
def other_server() -> Iterator[Scripted]:
    made = Scripted()
    yield made
    made.close()


@pytest.fixture
def no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Repetitions follow at once; what the server asks for by Retry-After is still waited for."""
    monkeypatch.setattr("clavichord.client.core.backoff", lambda attempt: 0.0)


Caller = Callable[..., Response]


@pytest.fixture(params=["urllib3", "aiohttp", "httpx2", "httpx2-async"])
def send(request: pytest.FixtureRequest, server: Scripted) -> Caller:
    """`send(operation, retries=…, path=…, query=…, body=…)` over each transport in turn, without pacing."""

    def call(operation: str, *, retries: int = 0, total: float = 5.0, base_url: str = "", **given: Any) -> Response:
        timeouts = Timeouts(connect=2.0, total=total)
        options: dict[str, Any] = {
            "base_url": base_url or server.base_url,
            "retries": retries,
            "timeout": timeouts,
            "pacing": Pacing(enabled=False),
        }
        options.update({n: given.pop(n) for n in ("on_response", "max_wait", "pacing") if n in given})
        if request.param in ("urllib3", "httpx2"):
            if request.param == "httpx2":
                from clavichord.client.transports.httpx2 import HTTPX2Transport

                options["transport"] = HTTPX2Transport(timeouts=timeouts)
            with Klaviyo(KEY, **options) as klaviyo:
                response = klaviyo.send(operation, **given)
            return response

        async def run() -> Response:
            if request.param == "httpx2-async":
                from clavichord.client.transports.httpx2 import AsyncHTTPX2Transport

                options["transport"] = AsyncHTTPX2Transport(timeouts=timeouts)
            async with AsyncKlaviyo(KEY, **options) as klaviyo:
                return await klaviyo.send(operation, **given)

        return asyncio.run(run())

    return call


@pytest.fixture
def klaviyo(server: Scripted) -> Iterator[Klaviyo]:
    with Klaviyo(KEY, base_url=server.base_url, retries=0, pacing=Pacing(enabled=False)) as made:
        yield made
