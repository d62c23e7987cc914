"""The official SDKs, one process each, and fresh accounts seen through them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import pytest
from tests.conformance.official_sdk import NAMES, Account, Name, OfficialSDK

from clavichord.sandbox.serve import Running, running

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[Running]:
    """Accepted work is done before its answer is sent."""
    with running(limits="off", job_delay=0) as served:
        yield served


@pytest.fixture(scope="session")
def start_sdk() -> Iterator[Callable[[Name], OfficialSDK]]:
    """Starts an SDK when it is first asked for."""
    started: dict[Name, OfficialSDK] = {}

    def start(name: Name) -> OfficialSDK:
        if name not in started:
            started[name] = OfficialSDK(name)
        return started[name]

    yield start
    for sdk in started.values():
        sdk.close()


@pytest.fixture(params=NAMES)
def sdk(request: pytest.FixtureRequest, start_sdk: Callable[[Name], OfficialSDK]) -> OfficialSDK:
    """Each of them in turn."""
    return start_sdk(request.param)


@pytest.fixture
def account(sdk: OfficialSDK, server: Running) -> Account:
    """A fresh account, seen through each SDK in turn."""
    return Account(sdk, server.base_url, f"pk_{sdk.name}_{next(_numbers)}")
