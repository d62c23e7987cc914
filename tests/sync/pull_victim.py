"""A pull that is killed at a point of its own choosing, for test_pull_killed.

python pull_victim.py ROOT URL KEY COUNT POINT     POINT: before, inside or after the COUNT-th transaction
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

from clavichord.client.client import AsyncKlaviyo
from clavichord.sync.pull import Pull, load_pull, loader
from clavichord.sync.pull.duckdb_sink import DuckDBSink

root, url, key, count, point = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]), sys.argv[5]
loader.BATCH_BYTES = 1  # each page is a transaction


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Victim(DuckDBSink):
    writes = 0

    def write(self, *arguments: Any) -> Any:
        Victim.writes += 1
        if Victim.writes >= count and point == "before":
            die()
        counts = super().write(*arguments)
        if Victim.writes >= count and point == "after":
            die()
        return counts

    def _save(self, *arguments: Any) -> None:
        super()._save(*arguments)
        if Victim.writes >= count and point == "inside":
            die()


async def main() -> None:
    definition = load_pull((root / "w.yaml").read_text(), "w.yaml")
    async with AsyncKlaviyo(key, base_url=url) as client:
        await Pull(definition, client=client, root=root, sink=Victim(root / definition.into.duckdb)).run()


asyncio.run(main())
