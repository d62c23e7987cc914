"""The verbs of the queue: blocking on `Klaviyo`, awaited on `AsyncKlaviyo`, whose loop they never hold up."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Coroutine, Mapping
from datetime import UTC, datetime
from functools import update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

from msgspec import UNSET

from clavichord.client.errors import ConfigurationError
from clavichord.client.operation import AsyncGroup, SyncGroup

P = ParamSpec("P")
T = TypeVar("T")


class Queued(Generic[P, T]):
    def __init__(self, declaration: Callable[Concatenate[Any, P], T], *, waits: bool) -> None:
        self.declaration = declaration
        self.waits = waits
        self.__doc__ = declaration.__doc__

    @overload
    def __get__(self, face: None, owner: Any = None) -> Self: ...
    @overload
    def __get__(self, face: SyncGroup, owner: Any = None) -> Callable[P, T]: ...
    @overload
    def __get__(self, face: AsyncGroup, owner: Any = None) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, face: Any, owner: Any = None) -> Any:
        if face is None:
            return self
        declaration = self.declaration

        async def awaited(*args: P.args, **kwargs: P.kwargs) -> T:
            if not self.waits and face._client.event_queue.instant:
                return declaration(face, *args, **kwargs)
            from asyncio import to_thread

            return await to_thread(declaration, face, *args, **kwargs)

        run: Any = awaited if isinstance(face, AsyncGroup) else lambda *a, **k: declaration(face, *a, **k)
        bound = update_wrapper(run, declaration.__get__(face))
        face.__dict__[declaration.__name__] = bound
        return bound


def queued(*, waits: bool) -> Callable[[Callable[Concatenate[Any, P], T]], Queued[P, T]]:
    """Declares a verb of the queue. `waits`: it may take long whatever the queue's options are."""

    def declare(declaration: Callable[Concatenate[Any, P], T]) -> Queued[P, T]:
        return Queued(declaration, waits=waits)

    return declare


def enqueue(client: Any, given: Mapping[str, Any]) -> str | None:
    """Checks an event, completes it with time and unique_id, and puts it into the client's queue."""
    # Not before somebody enqueues: programs that do not should not pay for the imports.
    from clavichord.client.queue.sender import BATCH_BYTES
    from clavichord.client.uploads.events import event, person
    from clavichord.client.uploads.rows import Refused, encoded

    row = {name: value for name, value in given.items() if value is not UNSET and value is not None}
    row.setdefault("time", datetime.now(UTC))  # when it happened, not when it is sent
    row.setdefault("unique_id", str(uuid.uuid4()))
    try:
        row["profile"] = person(row.get("profile"))
        size = len(event(0, row).payload)
        payload = encoded(row)
    except Refused as refused:
        raise ConfigurationError(f"events.enqueue: {refused.reason}") from None
    if size > BATCH_BYTES:
        raise ConfigurationError(f"events.enqueue: the event is {size:,} bytes as JSON, Klaviyo takes 5 MB (FACTS §3)")
    return row["unique_id"] if client.event_queue.put(payload) else None
