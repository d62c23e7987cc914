"""A project of its own, with or without a sandbox behind it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cli.command import KEY, Cli, SandboxProcess


@pytest.fixture
def start_sandbox() -> Iterator[Callable[..., SandboxProcess]]:
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> SandboxProcess:
        command = [sys.executable, "-m", "clavichord", "sandbox", "--port", "0", "--job-delay", "0", *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        return SandboxProcess(process.stdout.readline().strip())

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def empty(tmp_path: Path) -> Cli:
    """No project, no key."""
    return Cli(tmp_path)


@pytest.fixture
def project(empty: Cli) -> Cli:
    """What `clavichord init` writes; no key."""
    assert empty("init").returncode == 0
    return empty


@pytest.fixture
def connected(project: Cli, start_sandbox: Callable[..., SandboxProcess]) -> Cli:
    """The same with a key and a sandbox."""
    project.environment = {"KLAVIYO_API_KEY": KEY, "KLAVIYO_BASE_URL": start_sandbox("--limits", "headers").base_url}
    return project
