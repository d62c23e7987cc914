"""What a person can get wrong, said with place and remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

import msgspec

Path = tuple[str | int, ...]
"""keys and indices from the top of a file"""


def dotted(path: Path) -> str:
    """`('lists', 0, 'list')` → `lists[0].list`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


class Mistake(msgspec.Struct, frozen=True):
    """One mistake in a file of the project. `line` and `column` count from 1; 0 = the place is not known."""

    file: str
    line: int
    column: int
    path: str
    """the key, dotted: `map.properties.Loyalty Tier`"""
    what: str
    fix: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        where = f" {self.path}:" if self.path else ""
        return f"{place}:{where} {self.what}" + (f" → {self.fix}" if self.fix else "")


class SyncError(Exception):
    """Base of every refusal of the sync room. `exit_code` is the process's (docs/architecture.md)."""

    exit_code = 1

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(f"{what} → {fix}" if fix else what)
        self.what = what
        self.fix = fix


class InvalidDefinition(SyncError):
    """A file of the project is wrong; `mistakes` holds everything that is, in the order of the file."""

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = sorted(mistakes, key=lambda m: (m.file, m.line, m.column))
        super().__init__("\n".join(str(m) for m in self.mistakes))


class SourceError(SyncError):
    """The source cannot be read at all (single bad rows are quarantined instead)."""


class StateError(SyncError):
    """The state folder does not fit: another account, a newer format, a damaged file."""


class LeaseHeld(SyncError):
    """Another live process works on the account."""


def nearest(name: str, known: Iterable[str]) -> str:
    """`did you mean "x"?` for the closest known name, else the list of known names (at most 20)."""
    names = list(known)
    folded = {n.casefold(): n for n in reversed(names)}
    close = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.6)
    if close:
        return f'did you mean "{folded[close[0]]}"?'
    if not names:
        return ""
    return "known: " + ", ".join(names[:20]) + (" …" if len(names) > 20 else "")
