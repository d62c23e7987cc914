"""What a command prints: results on stdout, progress on stderr, JSON when asked for."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

if TYPE_CHECKING:
    from clavichord.sync.progress import Progress
    from clavichord.sync.pull.run import PullProgress

PLAIN_EVERY = 10.0
"""seconds between progress lines where there is no terminal"""


def results(lines: Iterable[str]) -> None:
    """Plain lines, a failure's line in red where there is a terminal."""
    for line in lines:
        mark = line.lstrip()[:1]
        click.secho(line, fg={"✗": "red", "✓": "green"}.get(mark))


def as_json(data: Mapping[str, Any]) -> None:
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))


def columns(rows: list[dict[str, str]], widest: int = 40) -> Iterator[str]:
    """Rows under their headings; columns that are empty throughout are left out, long values are cut."""
    names = dict.fromkeys(name for row in rows for name, value in row.items() if value)
    widths = {name: min(widest, max(len(name), *(len(row.get(name, "")) for row in rows))) for name in names}

    def line(values: Mapping[str, str]) -> str:
        cut = {n: v if len(v) <= widest else v[: widest - 1] + "…" for n, v in values.items()}
        return "  ".join(f"{cut.get(name, ''):<{width}}" for name, width in widths.items()).rstrip()

    if names:
        yield line({name: name for name in names})
        for row in rows:
            yield line({name: row.get(name, "").replace("\n", " ") for name in names})


def duration(seconds: float) -> str:
    """`8s`, `2m14s`, `1h05m`."""
    whole = int(seconds)
    if whole >= 3600:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 60}m{whole % 60:02}s" if whole >= 60 else f"{whole}s"


class Display:
    """One line that follows a run: redrawn on a terminal, else printed at each phase and every ten seconds."""

    def __init__(self, name: str) -> None:
        from rich.console import Console
        from rich.live import Live

        self.name = name
        self._console = Console(stderr=True, highlight=False)
        self._live = Live(console=self._console, refresh_per_second=8, transient=True)
        self._phase = ""
        self._printed = 0.0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def push(self, at: Progress) -> None:
        rows = f"{at.rows:,} of {at.rows_total:,} rows" if at.rows_total else f"{at.rows:,} rows"
        confirmed = f"{at.confirmed:,} confirmed" if at.confirmed else ""
        self._show(at.phase, [rows, confirmed, *_traffic(at.requests, at.waited, at.budget_used, at.eta)])

    def pull(self, at: PullProgress) -> None:
        rows = " ".join(f"{name} {count:,}" for name, count in at.rows.items() if count)
        self._show("reading", [rows, *_traffic(at.requests, at.waited, at.budget_used, at.eta)])

    def _show(self, phase: str, parts: list[str]) -> None:
        text = f"{self.name}: {phase:<10} " + " · ".join(part for part in parts if part)
        if self._console.is_terminal:
            from rich.text import Text

            self._live.update(Text(text, overflow="ellipsis", no_wrap=True))
            return
        now = time.monotonic()
        if phase != self._phase or now - self._printed >= PLAIN_EVERY:
            self._phase, self._printed = phase, now
            sys.stderr.write(text + "\n")
            sys.stderr.flush()


def _traffic(requests: int, waited: float, budget_used: float, eta: float | None) -> list[str]:
    if not requests:
        return []
    return [
        f"{requests:,} requests",
        f"{budget_used:.0%} of the minute's budget",
        f"{duration(waited)} waited for limits" if waited >= 1 else "",
        f"{duration(eta)} left" if eta is not None and eta >= 1 else "",
    ]
