"""Named snapshots: the whole state of a sandbox, put away in memory and brought back in milliseconds."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any, NamedTuple

from clavichord.sandbox.auth import Caller, Keyring
from clavichord.sandbox.clock import VirtualClock
from clavichord.sandbox.engine import Engine


class Snapshot(NamedTuple):
    """Everything that a request can change, and the clock."""

    saved: sqlite3.Connection
    ids: tuple[Any, ...] | None
    clock: tuple[int | None, int]
    keys: Mapping[str, Caller]
    at: int
    """microseconds since 1970, on the sandbox's clock"""
    rows: int


class Snapshots:
    """Takes and restores; the one called "" is what a reset goes back to."""

    def __init__(self, engine: Engine, clock: VirtualClock, keyring: Keyring) -> None:
        self._engine, self._clock, self._keyring = engine, clock, keyring
        self._kept: dict[str, Snapshot] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._kept

    def save(self, name: str) -> None:
        self.delete(name)
        self._kept[name] = Snapshot(
            saved=self._engine.store.save(),
            ids=self._engine.ids.state(),
            clock=self._clock.state(),
            keys=self._keyring.state(),
            at=self._clock.now(),
            rows=sum(self._engine.store.counts().values()),
        )

    def restore(self, name: str) -> None:
        """KeyError for a name that was not saved."""
        kept = self._kept[name]
        self._clock.restore(kept.clock)
        self._keyring.restore(kept.keys)
        self._engine.ids.restore(kept.ids)
        self._engine.restore(kept.saved)

    def delete(self, name: str) -> None:
        kept = self._kept.pop(name, None)
        if kept is not None:
            kept.saved.close()

    def file(self, name: str) -> bytes:
        """A snapshot as a database for `--db`. KeyError for a name that was not saved."""
        return bytes(self._kept[name].saved.serialize())

    def list(self) -> list[dict[str, Any]]:
        return [
            {"name": name, "at": kept.at / 1_000_000, "rows": kept.rows} for name, kept in self._kept.items() if name
        ]

    def close(self) -> None:
        for name in list(self._kept):
            self.delete(name)
