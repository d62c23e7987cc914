"""Our async client with 16 calls in flight, driven like the others: see klaviyo_api_25.py."""

import asyncio
import sys
import time

from clavichord import AsyncKlaviyo

BASE_URL, KEY = sys.argv[1:]
IN_FLIGHT = 16


async def page(k: AsyncKlaviyo, n: int) -> None:
    async def one_after_another(count: int) -> None:
        for _ in range(count):
            assert len(await k.profiles.get_profiles(page_size=100)) == 100

    await asyncio.gather(*(one_after_another(n // IN_FLIGHT) for _ in range(IN_FLIGHT)))


async def event(k: AsyncKlaviyo, n: int) -> None:
    async def one_after_another(worker: int, count: int) -> None:
        for i in range(count):
            await k.events.track(
                "Placed Order",
                profile={"email": "bench@cdnow.example"},
                properties={"OrderId": f"async-{worker}-{time.time_ns()}-{i}", "CDs": 2, "Shop": "bench"},
                unique_id=f"async-{worker}-{time.time_ns()}-{i}",
                value=9.99,
            )

    await asyncio.gather(*(one_after_another(w, n // IN_FLIGHT) for w in range(IN_FLIGHT)))


async def main() -> None:
    loop = asyncio.get_running_loop()
    async with AsyncKlaviyo(KEY, base_url=BASE_URL) as k:
        while line := await loop.run_in_executor(None, sys.stdin.readline):
            name, count = line.split()
            start = time.process_time()
            await {"page": page, "event": event}[name](k, int(count))
            print(time.process_time() - start, flush=True)


asyncio.run(main())
