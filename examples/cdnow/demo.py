"""`make demo`: a real shop's orders, source → Klaviyo → warehouse, and a check of it to the row and the cent.

Klaviyo is the sandbox, on this machine, its published rate limits enforced. Everything happens in `.demo/`; `--keep`
leaves the sandbox's database there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import prepare
import urllib3
from rich.console import Console

HERE = Path(__file__).resolve().parent
FETCHED = HERE.parent.parent / ".demo"
KEY = "pk_" + "c" * 34  # any key: the sandbox makes an account for it
PROJECT_FILES = ("clavichord.yaml", "models", "syncs", "pulls")
PROMOTED = 100
console = Console(highlight=False, soft_wrap=True)


class Failure(Exception):
    """The demo did not end as it must: what was expected and what came."""


def expect(what: str, got: object, wanted: object) -> None:
    if got != wanted:
        raise Failure(f"{what}: {got!r}, but {wanted!r} was expected")
    console.print(f"  [green]✓[/] {what}: {got:,}" if isinstance(got, int) else f"  [green]✓[/] {what}: {got}")


def title(text: str) -> None:
    console.print()
    console.rule(f"[bold]{text}", align="left")


def find_wheel() -> Path:
    """The wheel with the purchase history, which `make` has fetched."""
    wheel = next((FETCHED / "wheel").glob("*.whl"), None)
    if wheel is None:
        raise Failure("the CDNOW data is not there; `make demo` fetches it")
    return wheel


def make_project(project: Path) -> None:
    """A fresh copy of the example project, with the shop's files in `data/`."""
    shutil.rmtree(project, ignore_errors=True)
    project.mkdir(parents=True)
    for name in PROJECT_FILES:
        source = HERE / name
        if source.is_dir():
            shutil.copytree(source, project / name)
        else:
            shutil.copy(source, project / name)
    prepare.write_shop(find_wheel(), project / "data")


@contextmanager
def sandbox(*options: str) -> Iterator[str]:
    """The sandbox in a process of its own; gives its base URL."""
    command = [sys.executable, "-m", "clavichord", "sandbox", "--port", "0", "--limits", "enforce", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


class Shop:
    """The example project and the account it talks to."""

    def __init__(self, project: Path, base_url: str) -> None:
        self.project = project
        self.base_url = base_url
        self._environment = os.environ | {"KLAVIYO_API_KEY": KEY, "KLAVIYO_BASE_URL": base_url}

    def clavichord(self, *arguments: str) -> None:
        """Runs one command of ours, its output shown as it comes."""
        console.print(f"[dim]$ clavichord {' '.join(arguments)}[/]")
        command = [sys.executable, "-m", "clavichord", "--project", str(self.project), *arguments]
        code = subprocess.run(command, env=self._environment, check=False).returncode
        if code:
            raise Failure(f"`clavichord {' '.join(arguments)}` ended with exit code {code}")

    def report(self) -> dict[str, int]:
        """How many rows of the latest run are in which class."""
        command = [sys.executable, "-m", "clavichord", "--project", str(self.project), "report", "latest", "--json"]
        answer = subprocess.run(command, env=self._environment, check=True, capture_output=True, text=True).stdout
        classes: dict[str, int] = json.loads(answer)["classes"]
        return {name: rows for name, rows in classes.items() if rows}

    def requests(self, *, writes: bool = False, status: int | None = None) -> int:
        """Requests that the sandbox has answered so far."""
        counts = urllib3.request("GET", f"{self.base_url}/_sandbox/requests/count").json()["by_operation"]
        return sum(
            count
            for operation, by_status in counts.items()
            for code, count in by_status.items()
            if (status is None or int(code) == status) and not (writes and operation.startswith("get_"))
        )


MEMBERS = """
select count(*) from w.klaviyo.list_members m join w.klaviyo.lists l on l.id = m.list_id where l.name = 'Newsletter'"""
SOLD = "select order_id, customer_id, total::decimal(12, 2), ordered_at::timestamptz from orders"
PULLED = """
select e.properties->>'$.OrderId', p.external_id, e.value::decimal(12, 2), e.datetime
from w.klaviyo.events e join w.klaviyo.profiles p on p.id = e.profile_id"""


def check_warehouse(project: Path) -> None:
    """The warehouse against the source, to the row and the cent."""
    with duckdb.connect() as db:
        db.execute(f"attach '{project / 'warehouse.duckdb'}' as w (read_only)")
        for table in ("orders", "customers"):
            db.execute(f"create view {table} as from read_csv('{project / 'data' / table}.csv', all_varchar = true)")

        def one(sql: str) -> object:
            row = db.execute(sql).fetchone()
            assert row is not None
            return row[0]

        expect("profiles", one("select count(*) from w.klaviyo.profiles"), one("select count(*) from customers"))
        expect("events", one("select count(*) from w.klaviyo.events"), one("select count(*) from orders"))
        expect("members", one(MEMBERS), one("select count(*) from customers where newsletter_at is not null"))
        expect(
            "revenue, cents",
            one("select sum(value::decimal(12, 2) * 100)::bigint from w.klaviyo.events"),
            one("select sum(total::decimal(12, 2) * 100)::bigint from orders"),
        )
        lost = one(f"select count(*) from ({SOLD} except {PULLED})")
        invented = one(f"select count(*) from ({PULLED} except {SOLD})")
        expect("orders that are missing or differ in customer, day or cents", lost, 0)
        expect("events that are no order of the shop", invented, 0)


def run(work: Path, options: list[str]) -> None:
    started = time.monotonic()
    project = work / "shop"
    title("1  The shop: CDNOW's purchase history, 1997-98")
    make_project(project)
    console.print(
        "  Real: orders, customers, days, dollars. Made up, as the history has none:\n"
        f"  addresses (on the reserved domain {prepare.DOMAIN}, which Klaviyo does not\n"
        "  discard), loyalty tiers and newsletter opt-ins."
    )
    with sandbox(*options) as base_url:
        shop = Shop(project, base_url)
        title("2  Into Klaviyo: customers, consents, orders")
        console.print(f"  The sandbox is on {base_url}, its published limits enforced.")
        shop.clavichord("check")
        shop.clavichord("run", "customers")
        shop.clavichord("run", "orders")
        expect("answers 429", shop.requests(status=429), 0)

        title("3  Back out again, into DuckDB")
        shop.clavichord("pull", "warehouse")
        check_warehouse(project)

        title("4  Revenue by month, from what Klaviyo gave back")
        shop.clavichord(
            "report", "revenue", "--from", str(project / "warehouse.duckdb"), "--html", str(work / "revenue.html")
        )

        title("5  Once more: nothing changed, nothing is sent")
        before = shop.requests(writes=True)
        shop.clavichord("run", "customers")
        shop.clavichord("run", "orders")
        expect("requests that write", shop.requests(writes=True) - before, 0)

        title(f"6  {PROMOTED} customers change their tier: exactly those are sent")
        promoted = prepare.promote(project / "data", PROMOTED)
        shop.clavichord("run", "customers")
        report = shop.report()
        expect("confirmed", report.get("confirmed"), len(promoted))
        shop.clavichord("pull", "warehouse")
        with duckdb.connect(str(project / "warehouse.duckdb"), read_only=True) as db:
            rows = db.execute(
                "select external_id from klaviyo.profiles where properties->>'$.Tier' = 'silver' and external_id in $1",
                [promoted],
            ).fetchall()
        expect("of them now silver in the warehouse", len(rows), len(promoted))
        expect("answers 429", shop.requests(status=429), 0)
    console.print(f"\nAll as it must be, in {time.monotonic() - started:.0f} s. The report: {work / 'revenue.html'}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=FETCHED, help="where everything happens")
    parser.add_argument("--keep", action="store_true", help="keep the sandbox's database there, in sandbox.db")
    arguments = parser.parse_args()
    database = arguments.work / "sandbox.db"
    database.unlink(missing_ok=True)
    try:
        run(arguments.work, ["--db", str(database)] if arguments.keep else [])
    except Failure as failure:
        console.print(f"[red]✗[/] {failure}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
