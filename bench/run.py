"""`make bench`: every paired measurement, one table."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

import bulk_budget
import cpu_per_call

GOALS = {"page, sync": 14.0, "page, async": 14.0, "event, sync": 2.0, "event, async": 3.5}


def main() -> None:
    table = Table(title="clavichord against klaviyo-api 25.0.0, same machine, same run")
    for column in ("what", "ours", "theirs", "ratio (min-max)", "goal"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for row in cpu_per_call.compare():
        table.add_row(
            f"CPU per {row.what}",
            f"{row.ours:,.0f} µs",
            f"{row.theirs:,.0f} µs",
            f"{row.ratio:.1f}x ({row.spread[0]:.1f}-{row.spread[1]:.1f})",
            f">= {GOALS[row.what]}x",
        )
    budget = bulk_budget.measure()
    table.add_row(
        "bulk import: share of the steady budget", f"{budget.share:.1%}", "", f"{budget.windows} full min", ">= 99 %"
    )
    table.add_row("bulk import: answers 429", f"{budget.throttled} of {budget.requests}", "", "", "0")
    Console().print(table)


if __name__ == "__main__":
    main()
