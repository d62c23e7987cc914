"""How long Klaviyo takes to answer, operation by operation: the hook behind `k.response_times()`."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import overload

from msgspec import Struct

from clavichord.client.types import Call

KEPT = 1000
"""attempts of an operation that are remembered, the newest"""


class ResponseTime(Struct, frozen=True):
    """One operation. Times are milliseconds from sending to the answer, waiting for limits not included."""

    operation: str
    attempts: int
    """at most `KEPT`, of which all the other figures are"""
    throttled: int
    """answered 429"""
    failed: int
    """answered 5xx, or not at all"""
    p50: float
    p95: float
    p99: float
    longest: float


class ResponseTimes(Sequence[ResponseTime]):
    """The operations, the one that took most time first. As text it is a table."""

    def __init__(self, rows: Sequence[ResponseTime]) -> None:
        self._rows = rows

    @overload
    def __getitem__(self, place: int) -> ResponseTime: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[ResponseTime]: ...
    def __getitem__(self, place: int | slice) -> ResponseTime | Sequence[ResponseTime]:
        return self._rows[place]

    def __len__(self) -> int:
        return len(self._rows)

    def __str__(self) -> str:
        head = ["operation", *ResponseTime.__struct_fields__[1:]]
        cells = [[row.operation, *(f"{value:,.0f}" for value in _figures(row))] for row in self._rows]
        widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
        lines = [
            "  ".join(text.ljust(width) if i == 0 else text.rjust(width) for i, (text, width) in enumerate(zipped))
            for zipped in ([*zip(line, widths, strict=True)] for line in [head, *cells])
        ]
        return "\n".join(lines)


def _figures(row: ResponseTime) -> list[float]:
    return [getattr(row, name) for name in ResponseTime.__struct_fields__[1:]]


class Stopwatch:
    """The hook. A deque takes appends from many threads without a lock."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[tuple[float, int | None]]] = {}

    def __call__(self, call: Call, /) -> None:
        seen = self._seen.get(call.operation)
        if seen is None:
            seen = self._seen.setdefault(call.operation, deque(maxlen=KEPT))
        seen.append((call.seconds, call.status))

    def table(self) -> ResponseTimes:
        rows = []
        for operation, seen in list(self._seen.items()):
            attempts = list(seen)
            times = sorted(seconds * 1000 for seconds, status in attempts if status is not None) or [0.0]
            p50, p95, p99 = (times[min(len(times) - 1, int(len(times) * share))] for share in (0.5, 0.95, 0.99))
            rows.append(
                ResponseTime(
                    operation,
                    len(attempts),
                    sum(status == 429 for _, status in attempts),
                    sum(status is None or status >= 500 for _, status in attempts),
                    p50,
                    p95,
                    p99,
                    times[-1],
                )
            )
        return ResponseTimes(sorted(rows, key=lambda row: -row.attempts * row.p50))
