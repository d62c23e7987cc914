"""Real processes only: the sandbox, the command line, the demo."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples" / "cdnow"))
KEY = "pk_" + "e" * 34


@dataclass
class SandboxProcess:
    """`clavichord sandbox` as a user starts it."""

    base_url: str
    process: subprocess.Popen[str]

    def get(self, path: str) -> Any:
        return urllib3.request("GET", self.base_url + path, headers={"revision": "2026-07-15"}).json()

    def count(self, operation: str, status: int | None = None) -> int:
        by_status = self.get("/_sandbox/requests/count")["by_operation"].get(operation, {})
        return sum(count for code, count in by_status.items() if status is None or int(code) == status)


StartSandbox = Callable[..., SandboxProcess]


@dataclass
class Project:
    """A project folder and the command line in it."""

    folder: Path
    base_url: str
    key: str = KEY
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, *arguments: str) -> tuple[list[str], dict[str, str]]:
        command = [sys.executable, "-m", "clavichord", "--project", str(self.folder), *arguments]
        return command, os.environ | {"KLAVIYO_API_KEY": self.key, "KLAVIYO_BASE_URL": self.base_url} | self.environment

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command, environment = self.command(*arguments)
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command, environment = self.command(*arguments)
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True
        )
