"""Fixtures for pytest: `klaviyo_sandbox` is a sandbox with an account that no other test has.

    def test_signup(klaviyo_sandbox):
        signup("ann@shop.example", klaviyo_url=klaviyo_sandbox.base_url, klaviyo_key=klaviyo_sandbox.key)
        assert klaviyo_sandbox.count("create_profile") == 1

One server serves a whole session, so a test costs no start. A mark gives a test a server of its own, made with these
options (see `clavichord.sandbox.app.Options`): `@pytest.mark.klaviyo_sandbox(seed="demo", limits="enforce")`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

# Nothing of the sandbox is imported until a test asks for it: pytest loads every plugin that is installed.
if TYPE_CHECKING:
    from clavichord.sandbox.serve import Running
    from clavichord.sandbox.testing import SandboxHandle

_MARK = "klaviyo_sandbox"
_DRIVEN = "clavichord_driven"
_accounts = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("clavichord", "Klaviyo sandbox")
    group.addoption(
        "--sandbox-coverage",
        type=Path,
        metavar="FILE",
        help="write which test got an answer of which Klaviyo operation, as JSON",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{_MARK}(**options): a sandbox of the test's own, made with these options")


def pytest_sessionfinish(session: pytest.Session) -> None:
    file: Path | None = session.config.getoption("--sandbox-coverage")
    if file is None:
        return
    import msgspec

    from clavichord.sandbox import coverage

    driven = {operation: sorted(tests) for operation, tests in sorted(coverage.driven().items())}
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:  # a worker of pytest-xdist: its controller writes
        output[_DRIVEN] = driven
        return
    file.write_bytes(msgspec.json.format(msgspec.json.encode(driven), indent=1) + b"\n")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """What a worker of pytest-xdist has to tell at its end."""
    driven: dict[str, list[str]] = getattr(node, "workeroutput", {}).get(_DRIVEN, {})
    if driven:
        from clavichord.sandbox import coverage

        for operation, tests in driven.items():
            for test in tests:
                coverage.drove(test, operation)


@pytest.fixture(scope="session")
def klaviyo_sandbox_server() -> Iterator[Running]:
    """The session's server: no limits, accepted work is done before its answer."""
    from clavichord.sandbox.serve import running

    with running(limits="off", job_delay=0) as served:
        yield served


@pytest.fixture
def klaviyo_sandbox(request: pytest.FixtureRequest) -> Iterator[SandboxHandle]:
    """A sandbox with an account of the test's own: `base_url`, `key`, `account`, and everything the test needs to move
    its clock, break it and see what was asked. Whatever the test did to clock, limits and faults is undone."""
    from clavichord.sandbox.serve import running
    from clavichord.sandbox.testing import SandboxHandle

    mark = request.node.get_closest_marker(_MARK)
    if mark is not None and mark.kwargs:
        with running(**{"limits": "off", "job_delay": 0, **mark.kwargs}) as own:
            key = "pk_demo" if mark.kwargs.get("seed") == "demo" else "pk_test"
            yield SandboxHandle(own.base_url, next(iter(mark.kwargs.get("keys", ())), key))
        return
    served: Running = request.getfixturevalue("klaviyo_sandbox_server")
    handle = SandboxHandle(served.base_url, f"pk_test_{next(_accounts)}")
    yield handle
    handle.reset()
