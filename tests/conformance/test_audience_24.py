"""Every operation of the groups below through the official SDK: each gives its typed object."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec

from clavichord.sandbox.serve import running
from clavichord.spec import load

_HERE = Path(__file__).resolve()
_PYTHON = _HERE.parents[2] / ".venvs" / "klaviyo-api-24" / "bin" / "python"
_GROUPS = {
    "Tags": 26,
    "Lists": 13,
    "Segments": 11,
    "Metrics": 24,
    "Conversations": 1,
    "Forms": 9,
    "Reviews": 3,
    "Web Feeds": 5,
    "Tracking Settings": 3,
    "Images": 5,
    "Webhooks": 7,
}
_ON_PROFILES = 19
"""operations of Profiles that the script calls: push tokens, merging, relationships, reading with include"""


def test_every_operation_gives_its_typed_object() -> None:
    assert _PYTHON.exists(), "the environment of klaviyo-api 24.0.0 is missing; `make test` builds it"
    with running(job_delay=0, limits="off") as served:
        script = _HERE.with_name("audience_24.py")
        done = subprocess.run(
            [str(_PYTHON), str(script), served.base_url], capture_output=True, timeout=120, check=False
        )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    seen = msgspec.json.decode(done.stdout, type=dict[str, str])
    operations = load().operations
    assert seen == {name: operations[name].response or "NoneType" for name in seen}
    called = [operations[name].tag for name in seen]
    assert {group: called.count(group) for group in _GROUPS} == _GROUPS
    assert called.count("Profiles") == _ON_PROFILES
