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
        self._working = False

    def kind(self, name: str, work: Work, start: Start | None = None) -> None:
        """Declares how tasks called `name` are done; `start` runs halfway to the due time (status `processing`)."""
        self._kinds[name] = (work, start)

    def submit(self, account: str, kind: str, payload: Any, *, job: str = "", delay: float | None = None) -> None:
        """Accepts work, due after `delay` seconds (None: the delay of all jobs); after 0 it is done on return."""
        now = self._engine.clock.now()
        halfway = self._kinds[kind][1] is not None
        delay = self.delay if delay is None else delay
        due = now + round(delay * SECOND * (0.5 if halfway else 1))
        with self._engine.store.write():
            self._engine.store.execute(
                "INSERT INTO task (due, account, kind, job, position, payload) VALUES (?, ?, ?, ?, ?, ?)",
                (due, account, kind, job, -1 if halfway else 0, msgspec.json.encode(payload)),
            )
        self.wake()  # what was next until now may be due much later
        if delay == 0:
            self.run_due()

    def wake(self) -> None:
        self._current = None
        if self._wake is not None:
            self._wake.set()

    def next_due(self) -> int | None:
        """When the next slice falls due, in microseconds; None if there is nothing to do."""
        task = self._next()
        return None if task is None else task.due

    def run_due(self) -> None:
        """Does everything that is due now; work that asks for it while it is done itself is followed up by the loop."""
        while not self._working and self._slice():
            pass

    def _slice(self) -> bool:
        """One slice of the first due task; False if none is due."""
        task = self._next()
        if task is None or task.due > self._engine.clock.now():
            return False
        self._working = True
        try:
            self._do(task)
        finally:
            self._working = False
        return True

    def _do(self, task: Task) -> None:
        work, start = self._kinds[task.kind]
        store = self._engine.store
        with store.write():
            if task.position < 0 and start is not None:
                start(self._engine, task)
                due = task.due + round(self.delay * SECOND / 2)
                store.execute("UPDATE task SET position = 0, due = ? WHERE id = ?", (due, task.id))
                self._current = None
                return
            position = work(self._engine, task)
            if position is None:
                store.execute("DELETE FROM task WHERE id = ?", (task.id,))
                self._current = None
            else:
                store.execute("UPDATE task SET position = ? WHERE id = ?", (position, task.id))
                self._current = task._replace(position=position)

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
