"""Makes a small shop out of the CDNOW purchase history: `orders.csv` and `customers.csv`, as a shop would export them.

Real: every order, its customer, its day, its CDs and its dollars (69,659 orders of 23,570 customers, 1997-98).
Made up, because the history has none: the addresses (on the reserved domain cdnow.example), the loyalty tier (by money
spent) and the newsletter opt-in (on the day of the second order, at the checkout).
"""

from __future__ import annotations

import csv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

HISTORY = "lifetimes/datasets/CDNOW_master.txt"
DOMAIN = "cdnow.example"
TIERS = ((Decimal(1000), "gold"), (Decimal(200), "silver"), (Decimal(0), "bronze"))


@dataclass(frozen=True)
class Order:
    number: int
    customer: str
    day: str
    cds: int
    total: Decimal


def read_history(wheel: Path) -> Iterator[Order]:
    """Every order of the history, in its own order, numbered from 1."""
    with zipfile.ZipFile(wheel) as archive:
        lines = archive.read(HISTORY).decode("ascii").splitlines()[1:]
    for number, line in enumerate(lines, 1):
        customer, day, cds, total = line.split()
        yield Order(number, customer, f"{day[:4]}-{day[4:6]}-{day[6:]}", int(cds), Decimal(total))


def write_shop(wheel: Path, folder: Path) -> None:
    """Writes `orders.csv` and `customers.csv` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    spent: dict[str, Decimal] = {}
    days: dict[str, list[str]] = {}
    with (folder / "orders.csv").open("w", newline="") as target:
        orders = csv.writer(target)
        orders.writerow(["order_id", "customer_id", "ordered_at", "cds", "total"])
        for order in read_history(wheel):
            orders.writerow([f"o{order.number:06}", order.customer, f"{order.day}T00:00:00Z", order.cds, order.total])
            spent[order.customer] = spent.get(order.customer, Decimal(0)) + order.total
            days.setdefault(order.customer, []).append(order.day)
    with (folder / "customers.csv").open("w", newline="") as target:
        customers = csv.writer(target)
        customers.writerow(["customer_id", "email", "tier", "newsletter_at", "newsletter_source"])
        for customer, total in spent.items():
            tier = next(name for least, name in TIERS if total >= least)
            second = sorted(days[customer])[1:2]
            opted_in = [f"{second[0]}T00:00:00Z", "checkout"] if second else ["", ""]
            customers.writerow([customer, f"customer-{customer}@{DOMAIN}", tier, *opted_in])


def promote(folder: Path, count: int) -> list[str]:
    """Moves the first `count` bronze customers to silver, in place; gives their ids."""
    with (folder / "customers.csv").open(newline="") as source:
        header, *rows = csv.reader(source)
    tier = header.index("tier")
    promoted = [row for row in rows if row[tier] == "bronze"][:count]
    for row in promoted:
        row[tier] = "silver"
    with (folder / "customers.csv").open("w", newline="") as target:
        csv.writer(target).writerows([header, *rows])
    return [row[0] for row in promoted]
