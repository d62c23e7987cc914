"""A project folder to push from, and the sandbox seen from outside."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from clavichord.client.client import AsyncKlaviyo, Klaviyo
from clavichord.sync.documents import load_sync
from clavichord.sync.plan import Plan
from clavichord.sync.push import Progress, Push, Traffic
from clavichord.sync.report import RunReport
from clavichord.sync.state import StateFolder

KEY = "pk_test_of_the_push_room"

CUSTOMERS = """\
sync: customers
zone: UTC
from: {file: customers.csv, key: customer_id, types: {points: integer}}
to: profiles
map:
  external_id: customer_id
  email: email(address)
  phone_number: phone(tel, country)
  first_name: first
  properties: {Points: points, Tier: tier}
"""

ORDERS = """\
sync: orders
zone: UTC
from: {file: orders.csv, key: order_id}
to: events
metric: Placed Order
profile: {external_id: customer_id}
time: ordered_at
value: total
value_currency: EUR
properties: {OrderId: order_id}
backfill: true
"""

HEADER = "customer_id,address,tel,country,first,points,tier,newsletter,opt_in_at,opt_in_source"


def customer(i: int, **changed: str) -> str:
    """A line of customers.csv."""
    row = {
        "customer_id": f"c{i:05}",
        "address": f" Person{i}@Shop.Example",
        "tel": f"06 12 34 {i // 100 % 100:02} {i % 100:02}",
        "country": "FR",
        "first": f"Renée {i}",
        "points": str(i),
        "tier": "gold" if i % 3 == 0 else "tin",
        "newsletter": "yes" if i % 2 else "no",
        "opt_in_at": "2024-05-06 07:08:09",
        "opt_in_source": "checkout",
    } | changed
    return ",".join(row.values())


def order(i: int, **changed: str) -> str:
    row = {
        "order_id": f"o{i:05}",
        "customer_id": f"c{i % 50:05}",
        "ordered_at": f"2023-{1 + i % 12:02}-{1 + i % 28:02} {i % 24:02}:{i % 60:02}:00",
        "total": f"{i}.25",
    } | changed
    return ",".join(row.values())


class Project:
    """A folder with sync files and data, pushed into the Klaviyo at `url`."""

    def __init__(self, root: Path, url: str = "", key: str = KEY) -> None:
        self.root = root
        self.url = url
        self.key = key

    def write(self, name: str, text: str | Iterable[str], encoding: str = "utf-8") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((text if isinstance(text, str) else "\n".join(text) + "\n").encode(encoding))
        return path

    def customers(self, lines: Iterable[str]) -> None:
        self.write("customers.csv", [HEADER, *lines])

    def orders(self, lines: Iterable[str]) -> None:
        self.write("orders.csv", ["order_id,customer_id,ordered_at,total", *lines])

    def plan(self, text: str) -> Plan:
        with StateFolder(self.root / ".clavichord") as state:
            return Push(load_sync(text, "sync.yaml"), state=state, root=self.root).plan()

    def check(self, text: str) -> list[str]:
        with StateFolder(self.root / ".clavichord") as state:
            return [str(m) for m in Push(load_sync(text, "sync.yaml"), state=state, root=self.root).check()]

    def run(self, text: str, progress: Callable[[Push, Progress], None] | None = None, **options: Any) -> RunReport:
        async def go() -> RunReport:
            traffic = Traffic()
            async with AsyncKlaviyo(self.key, base_url=self.url, on_response=traffic.record) as client:
                with StateFolder(self.root / ".clavichord") as state:
                    definition = load_sync(text, "sync.yaml")
                    push = Push(definition, state=state, root=self.root, client=client, traffic=traffic, **options)
                    if progress is not None:
                        push.meter.callback = lambda p: progress(push, p)
                    return await push.run()

        return asyncio.run(go())

    # What Klaviyo holds

    def klaviyo(self) -> Klaviyo:
        return Klaviyo(self.key, base_url=self.url)

    def all(self, operation: str, **query: str) -> list[dict[str, Any]]:
        with self.klaviyo() as k:
            return [row for page in k.pages(operation, query=query) for row in page.json()["data"]]

    def profiles(self) -> dict[str, dict[str, Any]]:
        query = {"page[size]": "100", "additional-fields[profile]": "subscriptions"}
        return {p["attributes"]["external_id"]: p["attributes"] for p in self.all("get_profiles", **query)}

    def members(self, name: str) -> set[str]:
        """external_ids of a list's members."""
        with self.klaviyo() as k:
            (found,) = [one["id"] for one in self.all("get_lists") if one["attributes"]["name"] == name]
            pages = k.pages("get_profiles_for_list", path={"id": found}, query={"page[size]": "100"})
            return {p["attributes"]["external_id"] for page in pages for p in page.json()["data"]}

    def subscribed(self) -> set[str]:
        return {
            key
            for key, p in self.profiles().items()
            if p["subscriptions"]["email"]["marketing"]["consent"] == "SUBSCRIBED"
        }

    def events(self) -> list[tuple[Any, ...]]:
        """(order, value, time) of every event, sorted."""
        rows = [e["attributes"] for e in self.all("get_events", **{"page[size]": "1000"})]
        return sorted((r["event_properties"]["OrderId"], r["event_properties"]["$value"], r["datetime"]) for r in rows)

    def writes(self) -> int:
        """POST, PATCH and DELETE requests that the sandbox has seen."""
        with urllib.request.urlopen(f"{self.url}/_sandbox/requests/count") as answer:
            counts = json.load(answer)
        reads = ("get_", "query_")
        return sum(n for operation, n in _flat(counts) if not operation.startswith(reads))


def _flat(counts: dict[str, Any]) -> list[tuple[str, int]]:
    operations = counts["by_operation"]
    return [(name, sum(statuses.values())) for name, statuses in operations.items()]
