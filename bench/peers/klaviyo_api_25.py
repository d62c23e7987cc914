"""The official SDK, driven over stdin: `page N` or `event N` makes N calls, the answer is the CPU seconds they took."""

# mypy: disable-error-code="import-not-found, no-untyped-def, no-untyped-call"
# (it runs in the environment of the SDK, which knows nothing of ours)

import sys
import time

from klaviyo_api import KlaviyoAPI

BASE_URL, KEY = sys.argv[1:]
api = KlaviyoAPI(KEY, max_retries=1, test_host=BASE_URL)


def page(n):
    for _ in range(n):
        assert len(api.Profiles.get_profiles(page_size=100).data) == 100


def event(n):
    for i in range(n):
        api.Events.create_event(
            {
                "data": {
                    "type": "event",
                    "attributes": {
                        "properties": {"OrderId": f"sdk-{time.time_ns()}-{i}", "CDs": 2, "Shop": "bench"},
                        "unique_id": f"sdk-{time.time_ns()}-{i}",
                        "value": 9.99,
                        "metric": {"data": {"type": "metric", "attributes": {"name": "Placed Order"}}},
                        "profile": {"data": {"type": "profile", "attributes": {"email": "bench@cdnow.example"}}},
                    },
                }
            }
        )


for line in sys.stdin:
    name, count = line.split()
    start = time.process_time()
    {"page": page, "event": event}[name](int(count))
    print(time.process_time() - start, flush=True)
