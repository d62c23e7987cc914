"""Our client, one call after another, driven like the others: see klaviyo_api_25.py."""

import sys
import time

from clavichord import Klaviyo

BASE_URL, KEY = sys.argv[1:]
k = Klaviyo(KEY, base_url=BASE_URL)


def page(n: int) -> None:
    for _ in range(n):
        assert len(k.profiles.get_profiles(page_size=100).first()) == 100


def event(n: int) -> None:
    for i in range(n):
        k.events.track(
            "Placed Order",
            profile={"email": "bench@cdnow.example"},
            properties={"OrderId": f"sync-{time.time_ns()}-{i}", "CDs": 2, "Shop": "bench"},
            unique_id=f"sync-{time.time_ns()}-{i}",
            value=9.99,
        )


for line in sys.stdin:
    name, count = line.split()
    start = time.process_time()
    {"page": page, "event": event}[name](int(count))
    print(time.process_time() - start, flush=True)
