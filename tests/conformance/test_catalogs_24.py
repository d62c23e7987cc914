"""Every operation of Catalogs, Coupons and Custom Objects through the official SDK: each gives its typed object."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec

from clavichord.sandbox.serve import running
from clavichord.spec import load

_HERE = Path(__file__).resolve()
_PYTHON = _HERE.parents[2] / ".venvs" / "klaviyo-api-24" / "bin" / "python"
_GROUPS = ("Catalogs", "Coupons", "Custom Objects")


def test_every_operation_gives_its_typed_object() -> None:
    assert _PYTHON.exists(), "the environment of klaviyo-api 24.0.0 is missing; `make test` builds it"
    with running(job_delay=0, limits="off") as served:
        script = _HERE.with_name("catalogs_24.py")
        done = subprocess.run(
            [str(_PYTHON), str(script), served.base_url], capture_output=True, timeout=120, check=False
        )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    seen = msgspec.json.decode(done.stdout, type=dict[str, str])
    operations = [one for one in load().operations.values() if one.tag in _GROUPS]
    assert seen == {one.id: one.response or "NoneType" for one in operations}
    assert len(operations) == 111
