"""Sandboxes that end with their test."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from tests.end_to_end.processes import SandboxProcess, StartSandbox


@pytest.fixture
def start_sandbox() -> Iterator[StartSandbox]:
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> SandboxProcess:
        command = [sys.executable, "-m", "clavichord", "sandbox", "--port", "0", *options]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        return SandboxProcess(process.stdout.readline().strip(), process)

    yield start
    for process in started:
        process.kill()
        process.communicate()
