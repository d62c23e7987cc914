"""Revenue by month, from pulled events."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from clavichord.sync.mistakes import SyncError, nearest
from clavichord.sync.pull.duckdb_sink import quote


class Month(NamedTuple):
    month: str
    """`1997-01`"""
    currency: str
    orders: int
    buyers: int
    revenue: Decimal


class Revenue(NamedTuple):
    metric: str
    zone: str
    months: list[Month]
    """by currency, then time; months without orders between others are there, with zeros"""

    @property
    def currencies(self) -> list[str]:
        return list(dict.fromkeys(m.currency for m in self.months))

    def of(self, currency: str) -> list[Month]:
        return [m for m in self.months if m.currency == currency]

    def total(self, currency: str) -> Decimal:
        return sum((m.revenue for m in self.of(currency)), Decimal(0))

    def orders(self, currency: str) -> int:
        return sum(m.orders for m in self.of(currency))

    def to_dict(self) -> dict[str, Any]:
        """Money as text: no fraction of a cent is lost on the way."""
        months = [m._asdict() | {"revenue": str(m.revenue)} for m in self.months]
        return {"metric": self.metric, "zone": self.zone, "months": months}

    def lines(self) -> Iterator[str]:
        for currency in self.currencies:
            months = self.of(currency)
            top = max((m.revenue for m in months), default=Decimal(0)) or Decimal(1)
            yield f"{self.metric}, {currency or 'no currency given'}, months of {self.zone}"
            yield f"  {'month':<8} {'orders':>8} {'buyers':>8} {'revenue':>16}"
            for m in months:
                bar = "█" * round(float(m.revenue / top) * 30)
                yield f"  {m.month:<8} {m.orders:>8,} {m.buyers:>8,} {m.revenue:>16,.2f}  {bar}"
            yield f"  {'total':<8} {self.orders(currency):>8,} {'':>8} {self.total(currency):>16,.2f}"


def revenue(warehouse: Path, schema: str, metric: str, zone: str) -> Revenue:
    """Reads a warehouse. SyncError if it holds no such thing."""
    if not warehouse.is_file():
        raise SyncError(f"{warehouse}: no such file", "`clavichord pull` makes it; `into` in the pull file names it")
    try:
        with duckdb.connect(str(warehouse), read_only=True) as db:
            return _read(db, schema, metric, zone)
    except duckdb.CatalogException:
        raise SyncError(
            f'{warehouse} has no pulled events and metrics in schema "{schema}"',
            "pull the streams events and metrics, or name the schema with --schema",
        ) from None
    except duckdb.Error as error:
        raise SyncError(f"{warehouse} cannot be read: {str(error).partition(chr(10))[0]}") from None


def _read(db: duckdb.DuckDBPyConnection, schema: str, metric: str, zone: str) -> Revenue:
    s = quote(schema)
    names = [name for (name,) in db.execute(f"select distinct name from {s}.metrics order by 1").fetchall()]
    if metric not in names:
        raise SyncError(f'there is no metric "{metric}" in the warehouse', nearest(metric, names))
    if not db.execute("select 1 from pg_timezone_names() where name = ?", [zone]).fetchone():
        raise SyncError(f'"{zone}" is no time zone', "Europe/Paris, America/New_York, UTC")
    rows = db.execute(
        f"""with sold as (
                select date_trunc('month', e.datetime at time zone $zone) as month,
                       coalesce(e.value_currency, '') as currency,
                       count(*) as orders, count(distinct e.profile_id) as buyers,
                       coalesce(sum(e.value::decimal(18, 2)), 0) as revenue
                from {s}.events e join {s}.metrics m on m.id = e.metric_id and m.name = $metric group by all),
            spans as (select currency, unnest(generate_series(min(month), max(month), interval 1 month)) as month
                      from sold group by 1)
            select strftime(month, '%Y-%m'), currency, coalesce(orders, 0), coalesce(buyers, 0), coalesce(revenue, 0)
            from spans left join sold using (currency, month) order by currency, month""",
        {"zone": zone, "metric": metric},
    ).fetchall()
    return Revenue(metric, zone, [Month(*row) for row in rows])
