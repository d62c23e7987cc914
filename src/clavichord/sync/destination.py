"""What a `to:` of a sync file means: the vocabulary that planning shares with every destination.

A row has **parts**: what of it can be delivered by itself (the profile, its e-mail consent, its place in a list). Each
part has a digest; the snapshot holds the digest of what was last confirmed, and a part is due when the two differ. An
**entry** delivers one part of one row by one route.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, Literal, NamedTuple, Protocol, TypeVar

import msgspec

from clavichord.sync.definition import Share, SyncDefinition
from clavichord.sync.expression import Parsed, literal
from clavichord.sync.mistakes import Mistake, Path, dotted

Row = tuple[Any, ...]
Kind = Literal["plain", "text", "condition", "number", "instant", "currency"]
"""what a value is made: as JSON says it, text, true or false, a double, microseconds since 1970, three letters"""
HANDFUL = 20
D = TypeVar("D", bound=SyncDefinition)


class Field(NamedTuple):
    """An expression of a sync file."""

    role: str
    """what its value is for; the destination's own word, but for `key`"""
    name: str
    """which one of that role: `email`, `Loyalty Tier`"""
    path: Path
    sql: str
    kind: Kind = "plain"
    normalised: bool = False
    """email(…) and phone(…) may stand here"""


class Slot(NamedTuple):
    """A field that was compiled."""

    role: str
    name: str
    path: Path
    kind: Kind
    parsed: Parsed
    types: tuple[str, ...]
    first: int
    """its first column in the row: `s{first}`"""

    @property
    def field(self) -> str:
        return dotted(self.path)

    @property
    def columns(self) -> list[str]:
        return [f"s{self.first + i}" for i in range(len(self.parsed.arguments))]


class Slots(tuple[Slot, ...]):
    """The slots of a file, in its order."""

    def of(self, *roles: str) -> list[Slot]:
        return [slot for slot in self if slot.role in roles]

    def one(self, role: str, name: str = "") -> Slot | None:
        return next((s for s in self if s.role == role and (not name or s.name == name)), None)


class Part(NamedTuple):
    """A part of a row. `digest` is SQL over the slots' columns."""

    name: str
    """`profile`, `consent.email`, `list.VIP`: the word before the dot says what it is"""
    digest: str
    absent: bool = False
    """Null means: it must not be there, and is removed if it was put there. Otherwise null means: nothing to do."""


class Entry(NamedTuple):
    """One part of one row, ready to be sent."""

    part: str
    route: str
    """a name of clavichord.sync.routes"""
    payload: str
    identity: str
    """whose: `email:ann@shop.example`, `external_id:7`, `item:SKU-1`"""
    group: Mapping[str, Any] = {}
    """what all entries of a request must share"""
    moment: int = 0
    """seconds since 1970, where the entry has a time"""
    unique_id: str | None = None
    digest: str | None = ""
    """what the snapshot holds once this is confirmed: "" = the due digest, None = the part is gone"""
    also: tuple[str, ...] = ()
    """other due parts that are delivered with it"""


class Held(msgspec.Struct, frozen=True):
    """A part of the row that a guard keeps back."""

    part: str
    code: str
    field: str
    value: str
    detail: str


class BadRow(Exception):
    """The row cannot be sent: `code`, the `field` of the sync file, the `value` as it was read, what is wrong."""

    def __init__(self, code: str, field: str, value: object, detail: str) -> None:
        super().__init__(detail)
        self.code = code
        self.field = field
        self.value = "" if value is None else str(value)[:200]
        self.detail = detail


class Due(NamedTuple):
    """A row of which something is due."""

    row: int
    key: str
    old: bool
    """something of it was delivered before"""
    digests: Mapping[str, str | None]
    """the due parts"""
    content: str | None
    values: Row


class Gone(NamedTuple):
    """What was delivered and is no longer in the source."""

    key: str
    identity: str
    parts: tuple[str, ...]


class Builder(Protocol):
    """Turns rows into entries."""

    def entries(self, due: Due) -> Iterable[Entry | Held]:
        """What the due parts of a row become. Raises BadRow, never anything else, whatever the row holds."""
        ...


class RemovalBound(NamedTuple):
    """How many of what was put somewhere may be taken away at once; above that, all removals of the part are held."""

    part: str
    bound: Share | None
    """None: a fifth, if that is more than a handful"""
    path: Path

    def exceeded(self, count: int, total: int) -> bool:
        if self.bound is None:
            return count > HANDFUL and count > total / 5
        return self.bound.exceeded(count, total)

    def __str__(self) -> str:
        return str(self.bound) if self.bound is not None else "20 %"


class ListName(NamedTuple):
    """A list that a file names. `create`: make it if there is none."""

    name: str
    path: Path
    create: bool


class Destination(Generic[D]):
    """One `to:`. What is here is what a destination without wishes of its own does."""

    to: str
    model: type[D]
    decisive: frozenset[str]
    """keys of the file that decide the payloads: a change of one makes every row a changed row"""

    brings_back: bool = True
    """an entry about a person who was erased would bring them back"""

    def fields(self, definition: D) -> Iterator[Field]:
        """Every expression of the file but its key."""
        raise NotImplementedError

    def mistakes(self, definition: D) -> Iterator[Mistake]:
        """What is wrong with the file in itself, beyond its shape."""
        yield from ()

    def parts(self, definition: D, slots: Slots, salt: str) -> Sequence[Part]:
        """The parts of a row, in the order in which they are sent. `salt` stands for the decisive keys."""
        raise NotImplementedError

    def content(self, definition: D, slots: Slots) -> str:
        """SQL: a digest of what is not sent again when it changes, to tell that the source has moved on."""
        return "null::uuid"

    def unique(self, definition: D, slots: Slots) -> Iterator[tuple[Slot, str]]:
        """(slot, SQL) of values that only one row may hold: two rows would write to the same thing."""
        yield from ()

    def builder(self, definition: D, slots: Slots, now: datetime) -> Builder:
        raise NotImplementedError

    def removes(self, definition: D) -> bool:
        """Does anything happen to rows that left the source?"""
        return False

    def gone(self, definition: D, gone: Gone) -> Iterator[Entry]:
        """What is to be done about a row that left the source; nothing, unless the file says so."""
        yield from ()

    def removal_bounds(self, definition: D) -> Iterator[RemovalBound]:
        """Parts whose removals have a bound of their own."""
        yield from ()

    def lists(self, definition: D) -> Iterator[ListName]:
        """The lists that the file names."""
        yield from ()

    def outcome(self, payload: Mapping[str, Any]) -> dict[str, Any]:
        """An entry's payload by dotted names, as the examples of a file say it."""
        return flat(payload.get("attributes", {}), ("properties",))


def digest(slots: Iterable[Slot], salt: str) -> str:
    """SQL: what the values of `slots` are, as a uuid."""
    parts = [f"cast(to_json({column}) as varchar)" for slot in slots for column in slot.columns]
    return f"md5(concat_ws(chr(31), {literal(salt)}, {', '.join(f'coalesce({p}, chr(30))' for p in parts)}))::uuid"


def flat(node: Mapping[str, Any], free: tuple[str, ...], prefix: str = "") -> dict[str, Any]:
    """Nested names joined by dots; inside `free` names only one level, as a property's value is the user's own."""
    found: dict[str, Any] = {}
    for name, value in node.items():
        found[prefix + name] = value
        if isinstance(value, dict) and (not prefix or prefix.rstrip(".") not in free):
            found |= flat(value, free, f"{prefix}{name}.")
    return found
