"""From pages to the destination: a bounded queue, and one writer that makes transactions of a sensible size."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from clavichord.sync.pull.sink import Counts, Cursor, Rows, Sink
from clavichord.sync.pull.slices import Slice, Slices
from clavichord.sync.pull.stream import Stream

BATCH_BYTES = 16_000_000
WAITING_PAGES = 64
"""pages in memory at most, besides those that are being read or written"""
PATIENCE = 0.25
"""seconds to wait for more pages before a small batch is written"""
AT_LEAST_EVERY = 2.0
"""seconds after which a batch is written however small it is: what a crash can cost, and how often progress shows"""


@dataclass(frozen=True, slots=True)
class Page:
    """One page on its way, and what it means for the slice it belongs to."""

    rows: Rows
    slice: Slice
    upto: int | None
    """second of its last row"""
    final: bool
    """the last page of its slice"""

    @property
    def bytes(self) -> int:
        return sum(map(len, self.rows.rows))


class Loader:
    """Writes one stream's pages in the order in which they are put, with the cursor that holds after each batch."""

    def __init__(
        self, sink: Sink, stream: Stream, slices: Slices, cursor: Cursor, wrote: Callable[[Counts], None]
    ) -> None:
        self._sink = sink
        self._stream = stream
        self._slices = slices
        self._cursor = cursor
        self._wrote = wrote
        self._queue: asyncio.Queue[Page | None] = asyncio.Queue(WAITING_PAGES)

    async def put(self, page: Page) -> None:
        """Waits while the destination is behind."""
        await self._queue.put(page)

    async def end(self) -> None:
        """No page comes any more."""
        await self._queue.put(None)

    async def run(self) -> None:
        """Until `end`. Raises what the destination raises."""
        over = False
        while not over:
            page = await self._queue.get()
            batch, size, due = [], 0, time.monotonic() + AT_LEAST_EVERY
            while page is not None:
                batch.append(page)
                size += page.bytes
                if size >= BATCH_BYTES or time.monotonic() >= due:
                    break
                try:
                    page = await asyncio.wait_for(self._queue.get(), PATIENCE)
                except TimeoutError:
                    break
            over = page is None
            if batch:
                await self._write(batch)

    async def _write(self, batch: list[Page]) -> None:
        for page in batch:
            self._slices.landed(page.slice, page.upto, page.final)
        reading = self._cursor.reading
        if reading is not None:
            reading.ranges = self._slices.remaining()
        self._wrote(
            await asyncio.to_thread(self._sink.write, self._stream, [page.rows for page in batch], self._cursor)
        )
