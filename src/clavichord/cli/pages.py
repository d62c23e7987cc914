"""Self-contained pages: no script, nothing loaded from elsewhere, readable by a screen reader and on paper."""

from __future__ import annotations

import math
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined

from clavichord.cli.revenue import Month, Revenue

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 960, 360, 84, 44, 16


class Bar(NamedTuple):
    x: float
    y: float
    width: float
    height: float
    label: str
    """under the bar, "" where there is no room"""
    month: Month


class Tick(NamedTuple):
    y: float
    label: str


class Chart(NamedTuple):
    width: int
    height: int
    left: int
    baseline: int
    bars: list[Bar]
    ticks: list[Tick]


def chart(months: list[Month]) -> Chart:
    """Bars of the months' revenue, the axis at round figures."""
    top = max((float(m.revenue) for m in months), default=0.0)
    low = min((float(m.revenue) for m in months), default=0.0)
    step = nice(max(top, -low) / 4)
    ceiling, floor = math.ceil(max(top, step) / step) * step, math.floor(min(low, 0) / step) * step
    plot = HEIGHT - BOTTOM - TOP

    def at(value: float) -> float:
        return TOP + plot * (ceiling - value) / (ceiling - floor)

    room = (WIDTH - LEFT) / max(1, len(months))
    every = max(1, math.ceil(64 / room))
    bars = [
        Bar(
            round(LEFT + i * room + room * 0.12, 1),
            round(at(max(0.0, float(m.revenue))), 1),
            round(room * 0.76, 1),
            round(abs(at(float(m.revenue)) - at(0)), 1),
            m.month if i % every == 0 else "",
            m,
        )
        for i, m in enumerate(months)
    ]
    count = round((ceiling - floor) / step)
    ticks = [
        Tick(round(at(floor + i * step), 1), f"{floor + i * step:,.0f}" if step >= 1 else f"{floor + i * step:,.2f}")
        for i in range(count + 1)
    ]
    return Chart(WIDTH, HEIGHT, LEFT, HEIGHT - BOTTOM, bars, ticks)


def nice(step: float) -> float:
    """The next of 1, 2, 5, 10, 20, … that is not below `step`."""
    if step <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(step))
    return next(float(power * factor) for factor in (1, 2, 5, 10) if power * factor >= step * 0.999)


def _money(value: Decimal) -> str:
    return f"{value:,.2f}"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("clavichord.cli"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["money"] = _money
    environment.filters["count"] = lambda value: f"{value:,}"
    return environment


def revenue_page(revenue: Revenue) -> str:
    charts = {currency: chart(revenue.of(currency)) for currency in revenue.currencies}
    return _environment().get_template("revenue.html").render(revenue=revenue, charts=charts)


def run_page(kind: str, report: dict[str, Any], lines: Iterable[str]) -> str:
    return _environment().get_template("run.html").render(kind=kind, report=report, lines=list(lines))
