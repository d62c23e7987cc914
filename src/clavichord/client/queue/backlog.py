"""What waits to be sent. The queue calls it under its own lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import count
from typing import NamedTuple, Protocol


class Waiting(NamedTuple):
    number: int
    row: bytes
    """JSON: the arguments of `events.track`"""


class Backlog(Protocol):
    """Bounded. KlaviyoError if it cannot be read or written."""

    def add(self, row: bytes) -> bool:
        """False if it is full."""
        ...

    def take(self, most: int, most_bytes: int) -> Sequence[Waiting]:
        """The oldest that nobody has taken. They stay until they are `done`, or go `back`."""
        ...

    def done(self, numbers: Iterable[int]) -> None: ...

    def back(self, numbers: Iterable[int]) -> None: ...

    def __len__(self) -> int:
        """All that are not done."""
        ...

    def ours(self) -> int:
        """All that are not done, without what other processes have taken."""
        ...

    def forked(self) -> None:
        """Called in the child of a fork."""
        ...

    def close(self) -> None: ...


class MemoryBacklog:
    """Gone with the process. After a fork the parent has the events, the child begins with none."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._numbers = count()
        self._waiting: deque[Waiting] = deque()
        self._taken: dict[int, Waiting] = {}

    def add(self, row: bytes) -> bool:
        if len(self) >= self.size:
            return False
        self._waiting.append(Waiting(next(self._numbers), row))
        return True

    def take(self, most: int, most_bytes: int) -> Sequence[Waiting]:
        taken: list[Waiting] = []
        room = most_bytes
        while self._waiting and len(taken) < most:
            room -= len(self._waiting[0].row)
            if room < 0 and taken:
                break
            taken.append(self._waiting.popleft())
        self._taken.update((one.number, one) for one in taken)
        return taken

    def done(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            del self._taken[number]

    def back(self, numbers: Iterable[int]) -> None:
        self._waiting.extendleft(self._taken.pop(number) for number in sorted(numbers, reverse=True))

    def __len__(self) -> int:
        return len(self._waiting) + len(self._taken)

    def ours(self) -> int:
        return len(self)

    def forked(self) -> None:
        self._waiting.clear()
        self._taken.clear()

    def close(self) -> None:
        """Keeps what waits: the queue may be used again."""
