"""How much of a published limit an always-busy client reaches on the sandbox, and how many 429s it gets; in real time.

`python bench/pacing.py 350 75 --minutes 3`: tiers by their requests a second, whole windows that count. For each tier
and both kinds of windows: one process alone, four processes of this host, and one beside others who use 30 % of the
account. All of it runs side by side, each with a sandbox of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from clavichord.spec import Limit
from sandbox_process import KEY, sandbox

BUSY = Path(__file__).parent / "peers" / "busy.py"
OPERATIONS = {350: "get_events", 75: "get_profiles", 10: "get_metrics", 3: "get_tags"}
LIMITS = {350: Limit(350, 3500), 75: Limit(75, 750), 10: Limit(10, 150), 3: Limit(3, 60)}
SCENARIOS = ("alone", "4 processes", "30 % foreign")
WINDOWS = ("clock", "first-request")


@dataclass(frozen=True)
class Reached:
    tier: int
    windows: str
    scenario: str
    share: float
    """of the steady limit, in the whole windows"""
    counted: int
    """whole windows"""
    calls: int
    refused: int


def measure(tier: int, windows: str, scenario: str, minutes: int) -> Reached:
    with sandbox("--windows", windows, limits="enforce") as base_url, tempfile.TemporaryDirectory() as folder:
        # what is before the first whole minute is the start; a window more, because one may be cut at the end
        until = (time.time() // 60 + 1) * 60 + 60 * minutes + (61 if windows == "first-request" else 0)
        own = 4 if scenario == "4 processes" else 1
        workers = max(2, min(64, tier // 4) // own)
        users = [start(base_url, tier, folder, workers, until) for _ in range(own)]
        foreign = 0.3 * LIMITS[tier].steady / 60
        others = [start(base_url, tier, folder, 1, until, foreign)] if "foreign" in scenario else []
        heard = [json.loads(user.communicate()[0]) for user in users]
        for other in others:
            other.communicate()
    accepted = sorted(at for one in heard for at in one["accepted"])
    refused = sum(one["refused"] for one in heard)
    whole = clock_minutes(until, minutes) if windows == "clock" else from_first(accepted, until)
    inside = sum(start <= at < start + 60 for at in accepted for start in whole)
    share = inside / (LIMITS[tier].steady * len(whole))
    return Reached(tier, windows, scenario, share, len(whole), len(accepted) + refused, refused)


def start(
    base_url: str, tier: int, folder: str, workers: int, until: float, foreign: float = 0.0
) -> subprocess.Popen[str]:
    arguments = [
        base_url,
        KEY,
        OPERATIONS[tier],
        folder,
        str(workers),
        str(until),
        *([str(foreign)] if foreign else []),
    ]
    return subprocess.Popen([sys.executable, BUSY, *arguments], stdout=subprocess.PIPE, text=True)


def clock_minutes(until: float, minutes: int) -> Sequence[float]:
    return [until - 60 * (n + 1) for n in range(minutes)]


def from_first(accepted: Sequence[float], until: float) -> Sequence[float]:
    """The windows that begin with the first request after the one before; the first one left out, as a start."""
    found: list[float] = []
    for at in accepted:
        if not found or at >= found[-1] + 60:
            found.append(at)
    return [start for start in found[1:] if start + 60 <= until]


def matrix(tiers: Sequence[int], minutes: int) -> list[Reached]:
    rows = [(tier, windows, scenario) for tier in tiers for windows in WINDOWS for scenario in SCENARIOS]
    with ThreadPoolExecutor(len(rows)) as pool:
        return list(pool.map(lambda row: measure(row[0], row[1], row[2], minutes), rows))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tiers", type=int, nargs="+", choices=sorted(LIMITS))
    parser.add_argument("--minutes", type=int, default=2)
    arguments = parser.parse_args()
    for row in matrix(arguments.tiers, arguments.minutes):
        print(
            f"{row.tier:3}/s {row.windows:13} {row.scenario:12} {row.share:7.2%} of {row.counted} windows, "
            f"{row.refused} of {row.calls} calls 429 ({row.refused / max(1, row.calls):.2%})"
        )


if __name__ == "__main__":
    main()
