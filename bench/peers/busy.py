"""Users of one operation, told by arguments: always busy and paced, or now and then and unpaced (`foreign`).

BASE_URL KEY OPERATION FOLDER WORKERS UNTIL [FOREIGN_PER_SECOND]; prints the times of the accepted calls and the number
of 429s as JSON. `UNTIL` is a wall-clock time.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time

from clavichord import AsyncKlaviyo, Call, Pacing, RateLimited

BASE_URL, KEY, OPERATION, FOLDER = sys.argv[1:5]
WORKERS, UNTIL = int(sys.argv[5]), float(sys.argv[6])
FOREIGN = float(sys.argv[7]) if len(sys.argv) > 7 else 0.0

accepted: list[float] = []
refused = 0


def hear(call: Call) -> None:
    global refused
    if call.status == 200:
        accepted.append(time.time())
    refused += call.status == 429


async def busy(k: AsyncKlaviyo) -> None:
    while time.time() < UNTIL:
        await k.send(OPERATION)


async def now_and_then(k: AsyncKlaviyo) -> None:
    waiting: set[asyncio.Task[None]] = set()

    async def one() -> None:
        try:
            await k.send(OPERATION)
        except RateLimited:
            return

    while time.time() < UNTIL:
        await asyncio.sleep(random.expovariate(FOREIGN))
        task = asyncio.create_task(one())
        waiting.add(task)
        task.add_done_callback(waiting.discard)


async def main() -> None:
    pacing = Pacing(enabled=False) if FOREIGN else Pacing(folder=FOLDER)
    retries = 0 if FOREIGN else 50
    async with AsyncKlaviyo(KEY, base_url=BASE_URL, pacing=pacing, retries=retries, on_response=hear) as k:
        tasks = [asyncio.create_task(now_and_then(k) if FOREIGN else busy(k)) for _ in range(1 if FOREIGN else WORKERS)]
        await asyncio.wait(tasks, timeout=UNTIL - time.time())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


asyncio.run(main())
print(json.dumps({"accepted": accepted, "refused": refused}))
