"""The reader against a server that misbehaves: a page link that is refused, rows out of order, a page that is none."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from clavichord.client.client import AsyncKlaviyo
from clavichord.client.errors import InvalidRequest, InvalidResponse
from clavichord.client.types import Response
from clavichord.sync.pull.loader import Page
from clavichord.sync.pull.reader import Reader, moment
from clavichord.sync.pull.slices import Slices
from clavichord.sync.pull.stream import iso
from clavichord.sync.pull.streams import EVENTS

T0 = 1_700_000_000


def event(second: int) -> dict[str, Any]:
    return {"id": f"e{second}", "attributes": {"datetime": datetime.fromtimestamp(T0 + second, UTC).isoformat()}}


def answer(rows: list[dict[str, Any]], more: bool) -> Response:
    document = {"data": rows, "links": {"next": "https://a.klaviyo.com/api/events?page" if more else None}}
    return Response("get_events", 200, {}, json.dumps(document).encode())


class Server:
    """Events at the given seconds, three a page; the `refused`-th page link it sees is answered with a 400."""

    def __init__(self, seconds: list[int], refused: int = 0) -> None:
        self.seconds = seconds
        self.refused = refused
        self.walks: list[str] = []

    async def pages(
        self, operation: str, *, path: Mapping[str, str], query: Mapping[str, str]
    ) -> AsyncIterator[Response]:
        asked = query.get("filter", "")
        self.walks.append(asked)
        rows = [s for s in self.seconds if not asked or iso(T0 + s) >= asked[26:46]]
        for i in range(0, max(1, len(rows)), 3):
            if i and self.refused:
                self.refused -= 1
                if not self.refused:
                    raise InvalidRequest(operation, 400)
            yield answer([event(s) for s in rows[i : i + 3]], i + 3 < len(rows))

    async def send(self, operation: str, *, path: Mapping[str, str], query: Mapping[str, str]) -> Response:
        return answer([event(max(self.seconds))], False)


def read(server: Any) -> list[str]:
    found: list[str] = []

    async def put(page: Page) -> None:
        found.extend(json.loads(row)["id"] for row in page.rows.rows)

    slices = Slices([("", None, None)], 1000)
    reader = Reader(EVENTS, EVENTS.full, cast(AsyncKlaviyo, server), slices, put, lambda response: None)
    asyncio.run(reader.run())
    return found


def test_a_refused_page_link_is_answered_by_a_new_walk_from_there() -> None:
    server = Server(list(range(12)), refused=2)
    assert set(read(server)) == {f"e{s}" for s in range(12)}
    assert f"greater-or-equal(datetime,{iso(T0 + 5)}),less-than(datetime,{iso(T0 + 12)})" in server.walks


def test_a_refusal_without_progress_is_an_error() -> None:
    class Refusing(Server):
        async def pages(self, operation: str, **_: Any) -> AsyncIterator[Response]:
            raise InvalidRequest(operation, 400)
            yield

    with pytest.raises(InvalidRequest):
        read(Refusing([1]))


def test_rows_out_of_order_are_an_error_not_a_loss() -> None:
    with pytest.raises(InvalidResponse, match="not in the order of datetime"):
        read(Server([1, 2, 9, 5, 6, 7]))


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"data": {}}', b'{"errors": []}'])
def test_a_page_that_is_none_is_an_error(body: bytes) -> None:
    class Broken(Server):
        async def pages(self, operation: str, **_: Any) -> AsyncIterator[Response]:
            yield Response(operation, 200, {}, body)

    with pytest.raises(InvalidResponse):
        read(Broken([1]))


@pytest.mark.parametrize(
    ("value", "second"),
    [
        ("2023-11-14T22:13:20+00:00", T0),
        ("2023-11-14 22:13:20+00:00", T0),
        ("2023-11-14T22:13:20.999999+00:00", T0),
        ("2023-11-14T23:13:20+01:00", T0),
        ("soon", None),
        (7, None),
        (None, None),
    ],
)
def test_the_moment_of_a_row(value: Any, second: int | None) -> None:
    assert moment(json.dumps({"attributes": {"datetime": value}}).encode(), "datetime") == second
