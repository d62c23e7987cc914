"""A sandbox in a process of its own, for measurements that must not see its CPU."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from clavichord import Klaviyo

KEY = "pk_" + "b" * 34


@contextmanager
def sandbox(*options: str, limits: str) -> Iterator[str]:
    """Starts `clavichord sandbox`; gives its base URL."""
    command = [sys.executable, "-m", "clavichord", "sandbox", "--port", "0", "--limits", limits, *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


def seed_profiles(base_url: str, count: int) -> None:
    """Profiles with every attribute filled in, as a shop's are."""
    with Klaviyo(KEY, base_url=base_url) as k:
        for i in range(count):
            k.profiles.create_profile(
                email=f"person-{i:05}@cdnow.example",
                external_id=f"{i:05}",
                first_name="Ada",
                last_name="Example",
                organization="CDNOW",
                title="Customer",
                locale="en-US",
                location={"address1": "1 Main Street", "city": "Boston", "country": "United States", "zip": "02110"},
                properties={
                    "Tier": "gold",
                    "Orders": i,
                    "Total Spent": i * 9.99,
                    "Interests": ["jazz", "folk", "opera"],
                },
            )
