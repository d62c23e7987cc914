"""`clavichord` and its sandbox as processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3

KEY = "pk_" + "k" * 34


def _with_ctrl_c() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass
class Cli:
    """`clavichord` in a folder."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith("KLAVIYO_")}
        return subprocess.Popen(
            [sys.executable, "-m", "clavichord", *arguments],
            cwd=self.folder,
            env=clean | self.environment,
            text=True,
            stdin=options.get("stdin"),
            stdout=options.get("stdout", subprocess.PIPE),
            stderr=options.get("stderr", subprocess.PIPE),
            # A suite that runs in the background of a shell ignores Ctrl-C, and children inherit that.
            preexec_fn=_with_ctrl_c,
        )

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=120)
        assert "Traceback" not in out + err, err
        assert KEY not in out + err
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def write(self, name: str, text: str) -> None:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


@dataclass
class SandboxProcess:
    base_url: str

    def count(self, operation: str) -> int:
        counts = urllib3.request("GET", self.base_url + "/_sandbox/requests/count").json()["by_operation"]
        return sum(counts.get(operation, {}).values())
