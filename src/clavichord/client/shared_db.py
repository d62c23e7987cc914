"""A SQLite file that processes of a host share, in WAL mode: one writes while others read."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

PATIENCE = 30.0
"""seconds to wait for other processes"""


def opened(path: Path, schema: Sequence[str]) -> sqlite3.Connection:
    """A connection in autocommit mode that threads may share under a lock; the file is made with mode 0600.

    What is committed survives the end of the process; a power cut may take the last moments (`synchronous=normal`).
    sqlite3.Error, OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=True)
    db = sqlite3.connect(path, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
    try:
        _begin_wal(db)
        db.execute("pragma synchronous=normal")
        db.execute("begin immediate")
        for statement in schema:
            db.execute(statement)
        db.execute("commit")
    except sqlite3.Error:
        db.close()
        raise
    return db


def _begin_wal(db: sqlite3.Connection) -> None:
    """SQLite does not wait by itself when several processes open a new file at once."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            db.execute("pragma journal_mode=wal")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.005)
        else:
            return
