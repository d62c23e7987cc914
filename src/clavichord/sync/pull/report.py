"""What a pull did, for people and for machines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from clavichord.sync.pull.sink import Counts


class StreamReport(Struct):
    """One stream. Without an error, everything that was there when it began is in the destination."""

    table: str
    counts: Counts = msgspec.field(default_factory=Counts)
    requests: int = 0
    seconds: float = 0.0
    resumed: bool = False
    """an interrupted reading was finished first"""
    error: str = ""


class PullReport(Struct):
    run: str
    pull: str
    account: str
    into: str
    started: str
    """ISO 8601, UTC"""
    finished: str = ""
    status: str = "running"
    """running · finished · failed · stopped"""
    exit_code: int = 0
    seconds: float = 0.0
    requests: int = 0
    halt: str = ""
    """why it ended early"""
    streams: dict[str, StreamReport] = {}

    def to_dict(self) -> dict[str, Any]:
        """Stable names, for `--json`."""
        result: dict[str, Any] = msgspec.to_builtins(self)
        return result

    def lines(self) -> Iterator[str]:
        """Plain text."""
        outcome = "finished" if not self.exit_code else f"{self.status}, exit code {self.exit_code}"
        yield f"{self.pull}: {self.account} → {self.into}   run {self.run} {outcome}   {clock(self.seconds)}"
        for name, stream in self.streams.items():
            c = stream.counts
            text = f"  {name:<10} read {c.read:,} = new {c.new:,} + changed {c.changed:,} + unchanged {c.unchanged:,}"
            text += f"   removed {c.removed:,}" if c.removed else ""
            yield (
                text
                + f"   {stream.requests:,} requests, {stream.seconds:.1f} s"
                + ("   (finished an interrupted reading first)" if stream.resumed else "")
            )
            if stream.error:
                yield f"  ✗ {name}: {stream.error}"
        yield f"  {'requests':<10} {self.requests:,}"
        if self.halt:
            yield f"  ✗ {self.halt}"


def clock(seconds: float) -> str:
    """`2m14s`, `8.1s`."""
    return f"{int(seconds) // 60}m{int(seconds) % 60:02}s" if seconds >= 60 else f"{seconds:.1f}s"
