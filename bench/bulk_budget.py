"""How much of the published bulk-import budget an always-busy client reaches, and how many 429s it gets."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass

import urllib3

from clavichord import AsyncKlaviyo
from clavichord.spec import load
from sandbox_process import KEY, sandbox

OPERATION = "bulk_import_profiles"
IN_FLIGHT = 12
PROFILES = 100
"""a request; the budget counts requests, so a small one measures the pacing and not the sandbox"""


@dataclass(frozen=True)
class Budget:
    share: float
    """of the steady limit, in the full minute windows"""
    windows: int
    requests: int
    throttled: int


def body(worker: int, turn: int) -> bytes:
    profiles = [
        {"type": "profile", "attributes": {"email": f"p{worker}-{turn}-{i}@cdnow.example", "properties": {"Orders": i}}}
        for i in range(PROFILES)
    ]
    return json.dumps(
        {"data": {"type": "profile-bulk-import-job", "attributes": {"profiles": {"data": profiles}}}}
    ).encode()


async def push_until(base_url: str, deadline: float) -> list[float]:
    """Sends without pause until `deadline`; gives the wall times of the accepted requests."""
    accepted: list[float] = []

    async def worker(number: int, k: AsyncKlaviyo) -> None:
        turn = 0
        while time.time() < deadline:
            await k.send(OPERATION, body=body(number, turn))
            accepted.append(time.time())
            turn += 1

    async with AsyncKlaviyo(KEY, base_url=base_url) as k:
        await asyncio.gather(*(worker(n, k) for n in range(IN_FLIGHT)))
    return accepted


def measure(seconds: float = 130) -> Budget:
    """Counts whole clock minutes only, as the sandbox's fixed windows are (the first partial minute is the warm-up)."""
    limit = load().operations[OPERATION].limit
    with sandbox(limits="enforce") as base_url:
        start = time.time()
        first = (start // 60 + 1) * 60
        windows = max(1, round((seconds - 60) / 60))
        end = first + 60 * windows
        accepted = asyncio.run(push_until(base_url, end))
        throttled = throttled_requests(base_url)
    inside = sum(first <= at < end for at in accepted)
    return Budget(inside / (limit.steady * windows), windows, len(accepted), throttled)


def throttled_requests(base_url: str) -> int:
    """The 429s that the sandbox has answered."""
    counts: dict[str, int] = urllib3.request("GET", f"{base_url}/_sandbox/requests/count").json()["by_status"]
    return counts.get("429", 0)
