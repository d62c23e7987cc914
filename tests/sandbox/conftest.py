"""A sandbox served over HTTP, and fresh accounts of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from tests.sandbox.sandbox_api import Api

from clavichord.sandbox.serve import Running, running

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[Running]:
    """Accepted work is done before its answer is sent."""
    with running(limits="off", job_delay=0) as served:
        yield served


@pytest.fixture
def api(server: Running) -> Api:
    """A fresh account."""
    return Api(server.base_url, f"pk_{next(_numbers)}")
