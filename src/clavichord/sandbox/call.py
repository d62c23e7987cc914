"""One request on its way through a behaviour, and its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from clavichord.sandbox.query import Query
from clavichord.spec import Operation

if TYPE_CHECKING:
    from clavichord.sandbox.engine import Engine


class Answer(NamedTuple):
    """Status and body; an empty body has no content-type (FACTS §3)."""

    status: int
    body: bytes = b""


@dataclass(slots=True)
class Call:
    """A request that was let in: authenticated, counted, its query and body checked against the catalogue."""

    engine: Engine
    operation: Operation
    account: str
    now: int
    """microseconds since 1970: one instant for everything that this request writes"""
    path: str
    """decoded"""
    id: str
    """the path parameter, "" if there is none"""
    query: Query
    data: Any
    """the `data` member of the body; None if the operation takes no body"""


Behaviour = Callable[[Call], Answer]
