"""`make bench`: every paired measurement, one table."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

import bulk_budget
import cold_start
import cpu_per_call
import pacing

GOALS = {"page, sync": 14.0, "page, async": 14.0, "event, sync": 2.0, "event, async": 3.5}


def main() -> None:
    table = Table(title="clavichord against klaviyo-api 25.0.0, same machine, same run")
    for column in ("what", "ours", "theirs", "ratio (min-max)", "goal"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for cost in cpu_per_call.compare():
        table.add_row(
            f"CPU per {cost.what}",
            f"{cost.ours:,.0f} µs",
            f"{cost.theirs:,.0f} µs",
            f"{cost.ratio:.1f}x ({cost.spread[0]:.1f}-{cost.spread[1]:.1f})",
            f">= {GOALS[cost.what]}x",
        )
    ours, theirs = cold_start.compare()
    for what, mine, peers, goal in (
        ("CPU of the import", ours.import_ms, theirs.import_ms, "<= 60 ms"),
        ("CPU of a first call from cold", ours.first_call_ms, theirs.first_call_ms, "<= 200 ms"),
    ):
        table.add_row(what, f"{mine:.0f} ms", f"{peers:.0f} ms", f"{peers / mine:.1f}x", goal)
    table.add_row(
        "memory of a first call", f"{ours.mb:.0f} MB", f"{theirs.mb:.0f} MB", f"{theirs.mb / ours.mb:.1f}x", ""
    )
    for row in pacing.matrix([75], minutes=2):
        table.add_row(
            f"75/s, {row.windows} windows, {row.scenario}: share, 429s",
            f"{row.share:.1%}",
            "",
            f"{row.refused} of {row.calls}",
            "<= 0.5 % 429" if "foreign" in row.scenario else ">= 99 %, 0",
        )
    budget = bulk_budget.measure()
    table.add_row(
        "bulk import: share of the steady budget", f"{budget.share:.1%}", "", f"{budget.windows} full min", ">= 99 %"
    )
    table.add_row("bulk import: answers 429", f"{budget.throttled} of {budget.requests}", "", "", "0")
    Console().print(table)


if __name__ == "__main__":
    main()
