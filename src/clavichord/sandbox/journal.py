"""What was asked of the sandbox: the last requests, exact totals, and the latest bodies up to a bound."""

from __future__ import annotations

from collections import Counter, deque
from itertools import islice
from typing import Any

import msgspec

_BODIES = 16_000_000
"""bytes of request and answer bodies that are kept"""
_LARGEST = 1_000_000
"""a longer body is not kept"""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One answered request; it holds no header, hence no key."""

    number: int
    at: float
    """seconds since 1970, on the sandbox's clock"""
    method: str
    path: str
    query: str
    operation: str | None
    revision: str
    status: int
    ms: float
    account: str | None
    fault: str | None = None
    """what was injected; such an answer says nothing about the sandbox"""
    unread: tuple[str, ...] = ()
    """pointers to what the body held and no behaviour looked at; only while that is watched"""
    test: str | None = None
    """the test that was running in this process"""


class Journal:
    """A ring of the last `size` requests beside counters that forget nothing."""

    def __init__(self, size: int = 10_000) -> None:
        self._ring: deque[Entry] = deque(maxlen=size)
        self._totals: Counter[tuple[str | None, int]] = Counter()
        self._bodies: deque[tuple[int, bytes, bytes]] = deque()
        self._kept = 0
        self.watching = False
        """whether fields that nobody reads are looked for; it costs time"""
        self.number = 0

    def record(self, entry: Entry, sent: bytes, answered: bytes) -> None:
        self.number = entry.number
        self._totals[entry.operation, entry.status] += 1
        self._ring.append(entry)
        size = len(sent) + len(answered)
        if 0 < size <= _LARGEST:
            self._bodies.append((entry.number, sent, answered))
            self._kept += size
            while self._kept > _BODIES:
                _, old_sent, old_answered = self._bodies.popleft()
                self._kept -= len(old_sent) + len(old_answered)

    def entries(
        self,
        *,
        operation: str | None = None,
        status: int | None = None,
        method: str | None = None,
        account: str | None = None,
        path: str = "",
        test: str = "",
        unread: bool = False,
        since: int = 0,
        limit: int = 100,
    ) -> list[Entry]:
        """The newest `limit` entries that fit, oldest first; `since` is an entry's number, exclusive; `path` and
        `test` are parts of theirs."""
        fitting = (
            entry
            for entry in reversed(self._ring)
            if entry.number > since
            and (operation is None or entry.operation == operation)
            and (status is None or entry.status == status)
            and (method is None or entry.method == method)
            and (account is None or entry.account == account)
            and path in entry.path
            and (not test or test in (entry.test or ""))
            and (entry.unread or not unread)
        )
        return list(islice(fitting, limit))[::-1]

    def entry(self, number: int) -> tuple[Entry, bytes | None, bytes | None] | None:
        """An entry with both bodies, None for those that are no longer kept."""
        found = next((entry for entry in self._ring if entry.number == number), None)
        if found is None:
            return None
        for kept, sent, answered in self._bodies:
            if kept == number:
                return found, sent, answered
        return found, None, None

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
        self._bodies.clear()
        self._kept = 0
        self.number = 0
        self.watching = False
