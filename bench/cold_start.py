"""CPU and memory of a first call in a fresh process, and of the import alone; ours against klaviyo-api 25.0.0."""

from __future__ import annotations

import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from canned_server import canned_server
from cpu_per_call import SDK_PYTHON
from sandbox_process import KEY

RUNS = 7
MEASURED = """
import sys, time
def resident():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1])
begin, bare = time.process_time(), resident()
{import_}
imported = time.process_time()
{call}
done = time.process_time()
print(imported - begin, done - begin, resident() - bare)
"""
OURS = {
    "import_": "import clavichord",
    "call": "k = clavichord.Klaviyo(sys.argv[2], base_url=sys.argv[1])\n"
    "assert len(k.profiles.get_profiles(page_size=100).first()) == 100",
}
THEIRS = {
    "import_": "import klaviyo_api",
    "call": "k = klaviyo_api.KlaviyoAPI(sys.argv[2], test_host=sys.argv[1])\n"
    "assert len(k.Profiles.get_profiles(page_size=100).data) == 100",
}


@dataclass(frozen=True)
class ColdStart:
    import_ms: float
    first_call_ms: float
    """from the interpreter's start to the answer, import included"""
    mb: float
    """over the bare interpreter"""


def fresh(python: Path | str, code: dict[str, str], base_url: str) -> tuple[float, float, float]:
    command = [python, "-c", MEASURED.format(**code), base_url, KEY]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    imported, done, kilobytes = map(float, run.stdout.split())
    return imported * 1000, done * 1000, kilobytes / 1024


def compare() -> tuple[ColdStart, ColdStart]:
    """Ours, theirs: medians of interleaved runs, after one that writes the byte code."""
    with canned_server() as base_url:
        pairs = [(fresh(sys.executable, OURS, base_url), fresh(SDK_PYTHON, THEIRS, base_url)) for _ in range(RUNS + 1)]
    ours, theirs = zip(*pairs[1:], strict=True)
    return (
        ColdStart(*(statistics.median(column) for column in zip(*ours, strict=True))),
        ColdStart(*(statistics.median(column) for column in zip(*theirs, strict=True))),
    )
