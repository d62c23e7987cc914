"""What the sandbox answers, what it knows that from, and who has tried it: operation by operation."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from clavichord.sandbox.app import Sandbox

Evidence = Literal["live", "spec", "inferred"]
"""live: an answer of the real API was recorded · spec: the public specification and documentation · inferred: no
public specification has it, its shape comes from the official SDK's source (FACTS App. H)"""

_driven: dict[str, dict[str, int]] = {}


@cache
def recorded() -> Mapping[str, tuple[int, ...]]:
    """Operation → the statuses of the recorded answers (LIVE)."""
    text = (resources.files("clavichord.sandbox") / "data" / "recorded.txt").read_text(encoding="ascii")
    lines = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {operation: tuple(map(int, statuses)) for operation, *statuses in lines}


def drove(test: str, operation: str) -> None:
    """A test of this process got an answer of an operation that was neither injected nor a failure."""
    tests = _driven.setdefault(operation, {})
    tests[test] = tests.get(test, 0) + 1


def driven() -> Mapping[str, Mapping[str, int]]:
    """Operation → test → how many answers it got, since this process began."""
    return _driven


def report(sandbox: Sandbox) -> dict[str, Any]:
    """Every operation of every packaged revision."""
    rows: dict[str, dict[str, Any]] = {}
    counts = sandbox.journal.counts()["by_operation"]
    for release in (sandbox.releases.stable, sandbox.releases.newest):
        for name, operation in release.catalogue.operations.items():
            row = rows.setdefault(
                name,
                {
                    "method": operation.method,
                    "path": operation.path,
                    "tag": operation.tag,
                    "evidence": _evidence(sandbox, name),
                    "recorded": list(recorded().get(name, ())),
                    "revisions": {},
                    "answered": counts.get(name, {}),
                    "tests": sorted(_driven.get(name, ())),
                },
            )
            row["revisions"][release.catalogue.revision] = (
                "implemented" if name in release.behaviours else "not implemented"
            )
    return {"totals": _totals(rows), "operations": rows}


def _evidence(sandbox: Sandbox, operation: str) -> Evidence:
    if operation in recorded():
        return "live"
    return "spec" if operation in sandbox.releases.stable.catalogue.operations else "inferred"


def _totals(rows: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, int]]:
    totals: dict[str, dict[str, int]] = {}
    for row in rows.values():
        for revision, state in row["revisions"].items():
            total = totals.setdefault(revision, {"operations": 0, "implemented": 0, "live": 0, "driven": 0})
            total["operations"] += 1
            if state == "implemented":
                total["implemented"] += 1
                total["live"] += row["evidence"] == "live"
                total["driven"] += bool(row["tests"])
    return totals
