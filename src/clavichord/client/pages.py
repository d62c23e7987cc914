"""Collections: pages one after the other, or their records as one stream.

A next link is followed by its query only: where the request goes is never taken from an answer.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any
from urllib.parse import urlsplit

import msgspec

from clavichord.client.errors import InvalidResponse
from clavichord.client.types import Query, Response


class _Linked(msgspec.Struct):
    links: Any = None


_links = msgspec.json.Decoder(_Linked)


def next_query(response: Response) -> str | None:
    """The query of the next page, still encoded; None on the last page. InvalidResponse if the body is not JSON."""
    try:
        links = _links.decode(response.body).links
    except msgspec.DecodeError as error:
        raise InvalidResponse.of(
            response.operation, response.status, response.headers, response.body, str(error)
        ) from None
    link = links.get("next") if isinstance(links, dict) else None
    return urlsplit(link).query or None if isinstance(link, str) else None


def walk(query: Query | None) -> Generator[Query | None, Response, None]:
    """The queries of a collection's pages: yields one, takes its response, yields the next."""
    seen: set[str] = set()
    while True:
        response = yield query
        following = next_query(response)
        if following is None:
            return
        if following in seen:
            raise InvalidResponse(
                response.operation,
                response.status,
                note=f"its next link leads back to a page already read: {following}",
            )
        seen.add(following)
        query = following
