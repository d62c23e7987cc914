"""Runs a script of this folder in the environment of an official Python SDK, on a sandbox that is served."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import msgspec

from clavichord.sandbox.serve import Running

_HERE = Path(__file__).resolve()


def run(script: str, served: Running, *, sdk: str) -> dict[str, Any]:
    """What the script printed; `sdk`: the major version of klaviyo-api."""
    python = _HERE.parents[2] / ".venvs" / f"klaviyo-api-{sdk}" / "bin" / "python"
    assert python.exists(), f"the environment of klaviyo-api {sdk} is missing; `make test` builds it"
    command = [str(python), str(_HERE.with_name(script)), served.base_url]
    done = subprocess.run(command, capture_output=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    found: dict[str, Any] = msgspec.json.decode(done.stdout)
    return found
