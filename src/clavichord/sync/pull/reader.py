"""Reads one stream's slices with several workers at once."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import msgspec

from clavichord.client.client import AsyncKlaviyo
from clavichord.client.errors import InvalidRequest, InvalidResponse, NotFound
from clavichord.client.types import Response
from clavichord.spec import load
from clavichord.sync.pull.loader import Page
from clavichord.sync.pull.sink import Rows
from clavichord.sync.pull.slices import Slice, Slices, Unsorted
from clavichord.sync.pull.stream import Stream, Window

ROUND_TRIP = 1.0
"""seconds that a page may take and the budget is still used up: decides how many workers there are"""
MAX_WORKERS = 32


class _Document(msgspec.Struct):
    data: list[msgspec.Raw]
    links: Any = None


class _Resource(msgspec.Struct):
    attributes: dict[str, msgspec.Raw] | None = None


_documents = msgspec.json.Decoder(_Document)
_resources = msgspec.json.Decoder(_Resource)


def moment(row: bytes, field: str) -> int | None:
    """The second of a row on the axis `field`, None if it has none that can be read."""
    try:
        found = (_resources.decode(row).attributes or {}).get(field)
        value = msgspec.json.decode(found) if found is not None else None
        # floor, so that a position never lies after its row
        return math.floor(datetime.fromisoformat(value).timestamp()) if isinstance(value, str) else None
    except (msgspec.DecodeError, ValueError, OverflowError):
        return None


class Reader:
    """`put` takes each page and may keep the caller waiting; `told` hears of every answer."""

    def __init__(
        self,
        stream: Stream,
        window: Window | None,
        client: AsyncKlaviyo,
        slices: Slices,
        put: Callable[[Page], Awaitable[None]],
        told: Callable[[Response], None],
    ) -> None:
        self._stream = stream
        self._window = window
        self._client = client
        self._slices = slices
        self._put = put
        self._told = told
        self._changed = asyncio.Condition()

    async def run(self) -> None:
        """Until nothing is left to read. Raises the first error of a worker; what was put before it stays valid."""
        steady = load().operations[self._stream.operation].limit.steady
        workers = min(MAX_WORKERS, max(2, math.ceil(steady / 60 * ROUND_TRIP)))
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(self._work())
        except ExceptionGroup as group_error:
            raise group_error.exceptions[0] from None

    async def _work(self) -> None:
        while True:
            async with self._changed:
                while (taken := self._slices.take()) is None:
                    if not self._slices.busy:
                        return
                    await self._changed.wait()
            await self._read(taken)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def _read(self, slice: Slice) -> None:
        """The slice to its end. A page link that is refused is answered by a new walk from the position reached."""
        while True:
            reached = slice.fetched
            try:
                if await self._walk(slice):
                    return
            except InvalidRequest:
                if slice.fetched == reached:
                    raise
            except NotFound:
                # A list that was deleted since the lists were read has no members, a campaign no messages.
                if not slice.parent or slice.fetched is not None:
                    raise
                await self._deliver(slice, [], None, True)
                return

    async def _walk(self, slice: Slice) -> bool:
        """Page after page from where the slice stands; False if a new walk is to take over, as the slice was cut."""
        slice.cut = False
        query = dict(self._stream.query) | ({"filter": slice.parent} if self._stream.filters else {})
        if self._window is not None:
            query |= self._window.query(slice.start, slice.hi)
        path = {"id": slice.parent} if self._stream.parents else {}
        async for response in self._client.pages(self._stream.operation, path=path, query=query):
            self._told(response)
            first = slice.fetched
            if not await self._page(slice, response):
                break
            # Not within one second: its rows would come again with every walk.
            if slice.cut and slice.fetched != first:
                return False
        return True

    async def _page(self, slice: Slice, response: Response) -> bool:
        """Takes in one page; whether the walk goes on."""
        try:
            document = _documents.decode(response.body)
        except msgspec.DecodeError as error:
            raise InvalidResponse.of(
                response.operation, response.status, response.headers, response.body, str(error)
            ) from None
        rows = [bytes(row) for row in document.data]
        more = isinstance(document.links, dict) and document.links.get("next") is not None
        first = last = None
        if self._window is not None and rows:
            first, last = moment(rows[0], self._window.field), moment(rows[-1], self._window.field)
        begun = slice.fetched is not None
        try:
            more = self._slices.arrived(slice, first, last, len(rows)) and more
        except Unsorted:
            field = self._window.field if self._window is not None else ""
            note = f"the rows are not in the order of {field} that was asked for"
            raise InvalidResponse(response.operation, response.status, note=note) from None
        if more and not begun and slice.hi is None and slice.fetched is not None:
            newest = await self._newest(slice)
            if newest is not None:
                self._slices.bound(slice, newest)
        await self._deliver(slice, rows, slice.fetched, not more)
        return more

    async def _deliver(self, slice: Slice, rows: list[bytes], upto: int | None, final: bool) -> None:
        if final:
            self._slices.ended(slice)
        await self._put(Page(Rows(slice.parent, rows), slice, upto, final))
        await self._notify()

    async def _newest(self, slice: Slice) -> int | None:
        """Where the rows end at this moment, so that the range can be shared out."""
        assert self._window is not None
        query = (
            dict(self._stream.query)
            | self._window.query(slice.start, None)
            | {"sort": "-" + self._window.field, "page[size]": "1"}
        )
        path = {"id": slice.parent} if self._stream.parents else {}
        response = await self._client.send(self._stream.operation, path=path, query=query)
        self._told(response)
        rows = _documents.decode(response.body).data
        return moment(bytes(rows[0]), self._window.field) if rows else None
