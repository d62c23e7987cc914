"""Accepted work: queued → processing → complete on the clock, in slices, so that requests are answered meanwhile.

A task lives in the store until its last slice is committed: a killed sandbox goes on where it stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from clavichord.sandbox.clock import SECOND

if TYPE_CHECKING:
    from clavichord.sandbox.engine import Engine

_POLL = 0.02
"""seconds between looks at a clock that is not the machine's"""


class Task(NamedTuple):
    """A piece of accepted work."""

    id: int
    due: int
    account: str
    kind: str
    job: str
    position: int
    payload: Any


Work = Callable[["Engine", Task], int | None]
"""Does the next slice inside a transaction; gives the position it got to, or None when all is done."""

Start = Callable[["Engine", Task], None]


class Jobs:
    """Runs tasks in the order in which they fall due."""

    def __init__(self, engine: Engine, delay: float) -> None:
        self._engine = engine
        self.delay = delay
        self._kinds: dict[str, tuple[Work, Start | None]] = {}
        self._current: Task | None = None
        self._wake: asyncio.Event | None = None

    def kind(self, name: str, work: Work, start: Start | None = None) -> None:
        """Declares how tasks called `name` are done; `start` runs halfway to the due time (status `processing`)."""
        self._kinds[name] = (work, start)

    def submit(self, account: str, kind: str, payload: Any, *, job: str = "") -> None:
        """Accepts work; with a delay of 0 it is done when this returns."""
        now = self._engine.clock.now()
        halfway = self._kinds[kind][1] is not None
        due = now + round(self.delay * SECOND * (0.5 if halfway else 1))
        with self._engine.store.write():
            self._engine.store.execute(
                "INSERT INTO task (due, account, kind, job, position, payload) VALUES (?, ?, ?, ?, ?, ?)",
                (due, account, kind, job, -1 if halfway else 0, msgspec.json.encode(payload)),
            )
        if self.delay == 0:
            self.run_due()
        self.wake()

    def wake(self) -> None:
        self._current = None
        if self._wake is not None:
            self._wake.set()

    def run_due(self) -> None:
        """Does everything that is due now."""
        while self._slice():
            pass

    def _slice(self) -> bool:
        """One slice of the first due task; False if none is due."""
        task = self._next()
        if task is None or task.due > self._engine.clock.now():
            return False
        work, start = self._kinds[task.kind]
        store = self._engine.store
        with store.write():
            if task.position < 0 and start is not None:
                start(self._engine, task)
                due = task.due + round(self.delay * SECOND / 2)
                store.execute("UPDATE task SET position = 0, due = ? WHERE id = ?", (due, task.id))
                self._current = None
                return True
            position = work(self._engine, task)
            if position is None:
                store.execute("DELETE FROM task WHERE id = ?", (task.id,))
                self._current = None
            else:
                store.execute("UPDATE task SET position = ? WHERE id = ?", (position, task.id))
                self._current = task._replace(position=position)
        return True

    def _next(self) -> Task | None:
        if self._current is None:
            row = self._engine.store.one(
                "SELECT id, due, account, kind, job, position, payload FROM task ORDER BY due, id LIMIT 1"
            )
            self._current = None if row is None else Task._make((*row[:6], msgspec.json.decode(row[6])))
        return self._current

    async def run(self) -> None:
        """Works for ever, a slice at a time."""
        self._wake = asyncio.Event()
        while True:
            self._wake.clear()
            if self._slice():
                await asyncio.sleep(0)
                continue
            task = self._next()
            wait = None if task is None else (task.due - self._engine.clock.now()) / SECOND
            try:
                await asyncio.wait_for(self._wake.wait(), None if wait is None else min(max(wait, 0.001), _POLL))
            except TimeoutError:
                continue
