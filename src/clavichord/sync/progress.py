"""What a run tells while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

import msgspec

from clavichord.client.client import AsyncKlaviyo
from clavichord.client.types import Call

Phase = Literal["reading", "planning", "sending", "confirming", "done"]


class Progress(msgspec.Struct, frozen=True):
    """A moment of a run, for a live display."""

    phase: Phase
    rows: int = 0
    """read or planned so far; sent so far once sending has begun"""
    rows_total: int = 0
    """entries of the plan, 0 while it is being made"""
    confirmed: int = 0
    requests: int = 0
    throttled: int = 0
    """429s"""
    waited: float = 0.0
    """seconds spent waiting for the account's limits, added up over parallel requests"""
    budget_used: float = 0.0
    """0..1 of the last minute's budget, busiest operation"""
    eta: float | None = None
    """seconds, None while nothing can be said"""


class Traffic:
    """Counts what goes over the wire. Hand `record` to the client: `AsyncKlaviyo(key, on_response=traffic.record)`."""

    def __init__(self) -> None:
        self.requests: dict[str, int] = {}
        self.throttled = 0
        self.waited = 0.0

    def record(self, call: Call) -> None:
        self.requests[call.operation] = self.requests.get(call.operation, 0) + 1
        if call.status == 429:
            self.throttled += 1
        if call.retry_in is None:
            self.waited += call.waited

    @property
    def total(self) -> int:
        return sum(self.requests.values())


class Meter:
    """Keeps the figures of a run and passes them on, at most ten times a second."""

    def __init__(
        self, callback: Callable[[Progress], None] | None, traffic: Traffic, client: AsyncKlaviyo | None
    ) -> None:
        self.callback = callback
        self.traffic = traffic
        self.client = client
        self.phase: Phase = "reading"
        self.rows = self.total = self.confirmed = 0
        self._began = time.monotonic()
        self._told = 0.0

    def enter(self, phase: Phase, rows: int = 0) -> None:
        """A new phase, or how far this one is."""
        if phase != self.phase:
            self.phase, self._told = phase, 0.0
            if phase == "sending":
                self._began = time.monotonic()
        self.rows = rows
        self.tell()

    def sent(self, rows: int) -> None:
        self.rows += rows
        self.tell()

    def confirm(self, rows: int) -> None:
        self.confirmed += rows
        self.tell()

    def budget_used(self) -> float:
        """Share of the last minute's budget, of the operation that used most of its own."""
        if self.client is None:
            return 0.0
        budgets = [self.client.budget(name) for name in self.traffic.requests if name != "get_accounts"]
        return max((min(1.0, b.used_in_minute / b.limit.steady) for b in budgets if b.limit.steady), default=0.0)

    def tell(self) -> None:
        now = time.monotonic()
        if self.callback is None or (now - self._told < 0.1 and self.phase != "done"):
            return
        self._told = now
        spent = now - self._began
        eta = spent / self.rows * (self.total - self.rows) if self.phase == "sending" and self.rows else None
        self.callback(
            Progress(
                self.phase,
                self.rows,
                self.total,
                self.confirmed,
                self.traffic.total,
                self.traffic.throttled,
                self.traffic.waited,
                self.budget_used(),
                eta,
            )
        )
