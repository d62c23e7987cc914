"""Templates, campaigns, flows and reports through the official Python SDK, unchanged: every operation, typed."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clavichord.sandbox.serve import running
from clavichord.spec import load

_HERE = Path(__file__).resolve()
_PYTHON = _HERE.parents[2] / ".venvs" / "klaviyo-api-24" / "bin" / "python"


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    assert _PYTHON.exists(), "the environment of klaviyo-api 24.0.0 is missing; `make test` builds it"
    with running(job_delay=0, limits="off") as served:
        script = _HERE.with_name("messages_24.py")
        done = subprocess.run(
            [str(_PYTHON), str(script), served.base_url], capture_output=True, timeout=120, check=False
        )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    found: dict[str, Any] = msgspec.json.decode(done.stdout)
    return found


def test_every_operation_gives_its_typed_object(seen: dict[str, Any]) -> None:
    operations = load().operations.values()
    groups = ("Templates", "Campaigns", "Flows", "Reporting")
    wanted = {one.id: one.response for one in operations if one.tag in groups and one.path.startswith("/api/")}
    assert set(seen["types"]) == set(wanted)
    for operation, response in wanted.items():
        if not response:
            assert seen["types"][operation] == "NoneType", operation
        else:
            assert seen["types"][operation] == response, operation


def test_the_chain(seen: dict[str, Any]) -> None:
    assert seen["found"] == {
        "html": "<html><head></head><body><p>{{ first_name }}</p></body></html>",
        "listed": True,
        "rendered": "<html><head></head><body><p>Ann</p></body></html>",
        "campaigns": True,
        "tags": True,
        "estimated": 1,
        "scheduled": "Scheduled",
        "sent": "Sent",
        "received": ["Other"],
        "image": True,
        "flow": "live",
        "report": [True, {"recipients": 1, "open_rate": 0.0}],
    }
