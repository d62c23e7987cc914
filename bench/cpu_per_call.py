"""CPU of one page of 100 profiles and of one event, ours against klaviyo-api 25.0.0.

Interleaved rounds, medians of the rounds' ratios. Only the client's process is measured; `canned_server` answers from
another one, at once. A round stays within the burst limits and the next begins after them, so that pacing does its
work and nobody waits: what waiting is like, `pacing` measures.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from canned_server import canned_server
from sandbox_process import KEY

PEERS = Path(__file__).parent / "peers"
SDK_PYTHON = Path(__file__).parent.parent / ".venvs/klaviyo-api-25/bin/python"
ROUNDS = 9
CALLS = {"page": 64, "event": 320}
BETWEEN = 1.3
"""seconds between rounds"""


class Driver:
    """One client in a process of its own, told what to call over its stdin."""

    def __init__(self, python: Path | str, script: str, base_url: str) -> None:
        self._process = subprocess.Popen(
            [python, PEERS / script, base_url, KEY],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ,
        )

    def cpu_us_per_call(self, what: str, calls: int) -> float:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{what} {calls}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline()) / calls * 1e6

    def close(self) -> None:
        self._process.communicate()


@dataclass(frozen=True)
class Comparison:
    what: str
    ours: float
    """microseconds a call, median"""
    theirs: float
    ratio: float
    """median of the rounds' theirs / ours"""
    spread: tuple[float, float]


def compare() -> list[Comparison]:
    with canned_server() as base_url:
        sdk = Driver(SDK_PYTHON, "klaviyo_api_25.py", base_url)
        faces = {
            "sync": Driver(sys.executable, "clavichord_sync.py", base_url),
            "async": Driver(sys.executable, "clavichord_async.py", base_url),
        }
        results = []
        for what, calls in CALLS.items():
            for driver in (sdk, *faces.values()):
                driver.cpu_us_per_call(what, 16)  # imports, connections, caches
            theirs: list[float] = []
            ours: dict[str, list[float]] = {face: [] for face in faces}
            for _ in range(ROUNDS):
                time.sleep(BETWEEN)
                theirs.append(sdk.cpu_us_per_call(what, calls))
                for face, driver in faces.items():
                    ours[face].append(driver.cpu_us_per_call(what, calls))
            for face, figures in ours.items():
                ratios = [t / o for t, o in zip(theirs, figures, strict=True)]
                results.append(
                    Comparison(
                        f"{what}, {face}",
                        statistics.median(figures),
                        statistics.median(theirs),
                        statistics.median(ratios),
                        (min(ratios), max(ratios)),
                    )
                )
        for driver in (sdk, *faces.values()):
            driver.close()
    return results
