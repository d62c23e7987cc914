"""A process that pushes and kills itself, hard, at a chosen point.

python push_victim.py ROOT URL KEY FILE POINT COUNT    POINT: answer (after the COUNT-th answer, before the ledger hears
of it) · ledger (after the COUNT-th write of the ledger) · snapshot (before the snapshot moves)
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

from clavichord.client.client import AsyncKlaviyo
from clavichord.client.types import Call
from clavichord.sync import push as room
from clavichord.sync.documents import load_sync
from clavichord.sync.ledger import Ledger
from clavichord.sync.push import Push
from clavichord.sync.state import StateFolder


class Doom:
    def __init__(self, count: int) -> None:
        self.left = count

    def nearer(self) -> None:
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


async def main(root: Path, url: str, key: str, file: str, point: str, count: int) -> None:
    doom = Doom(count)

    def heard(call: Call) -> None:
        if point == "answer" and call.method == "POST":
            doom.nearer()

    if point == "ledger":
        settle = Ledger.settle

        def settled(self: Ledger, *args: Any) -> None:
            settle(self, *args)
            doom.nearer()

        patch.object(Ledger, "settle", settled).start()
    if point == "snapshot":
        patch.object(room, "advance", lambda *_: doom.nearer()).start()
    async with AsyncKlaviyo(key, base_url=url, on_response=heard) as client:
        with StateFolder(root / ".clavichord") as state:
            definition = load_sync((root / file).read_text("utf-8"), file)
            await Push(definition, state=state, root=root, client=client).run()


if __name__ == "__main__":
    root, url, key, file, point, count = sys.argv[1:]
    asyncio.run(main(Path(root), url, key, file, point, int(count)))
