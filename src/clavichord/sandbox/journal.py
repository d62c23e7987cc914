"""What was asked of the sandbox: the last requests, and exact totals."""

from __future__ import annotations

from collections import Counter, deque
from itertools import islice
from typing import Any

import msgspec


class Entry(msgspec.Struct, frozen=True):
    """One answered request; it holds no header and no body, hence no key."""

    number: int
    at: float
    """seconds since 1970"""
    method: str
    path: str
    operation: str | None
    status: int
    ms: float
    account: str | None


class Journal:
    """A ring of the last `size` requests beside counters that forget nothing."""

    def __init__(self, size: int = 10_000) -> None:
        self._ring: deque[Entry] = deque(maxlen=size)
        self._totals: Counter[tuple[str | None, int]] = Counter()
        self._number = 0

    def record(
        self, at: float, method: str, path: str, operation: str | None, status: int, ms: float, account: str | None
    ) -> None:
        self._number += 1
        self._totals[operation, status] += 1
        self._ring.append(Entry(self._number, at, method, path, operation, status, round(ms, 3), account))

    def entries(self, *, operation: str | None, status: int | None, since: int, limit: int) -> list[Entry]:
        """The newest `limit` entries that fit, oldest first; `since` is an entry's number, exclusive."""
        fitting = (
            entry
            for entry in reversed(self._ring)
            if entry.number > since
            and (operation is None or entry.operation == operation)
            and (status is None or entry.status == status)
        )
        return list(islice(fitting, limit))[::-1]

    def counts(self) -> dict[str, Any]:
        """Totals by operation and status since the start or the last reset; `-` is everything outside the catalogue."""
        by_operation: dict[str, dict[str, int]] = {}
        by_status: Counter[str] = Counter()
        for (operation, status), count in sorted(
            self._totals.items(), key=lambda item: (item[0][0] or "-", item[0][1])
        ):
            by_operation.setdefault(operation or "-", {})[str(status)] = count
            by_status[str(status)] += count
        return {
            "total": sum(by_status.values()),
            "by_operation": by_operation,
            "by_status": dict(sorted(by_status.items())),
        }

    def clear(self) -> None:
        self._ring.clear()
        self._totals.clear()
        self._number = 0
