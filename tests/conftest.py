"""For all tests: whatever a sandbox of this process answers must be as specified."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests import answers

from clavichord.sandbox.journal import Entry, Journal

_wrong: list[str] = []


def pytest_configure() -> None:
    record = Journal.record

    def checked(self: Journal, entry: Entry, sent: bytes, answered: bytes) -> None:
        asked = f"{entry.method} {entry.path}?{entry.query} {entry.status} ({entry.operation}, {entry.revision})"
        _wrong.extend(f"{asked}: {fault}" for fault in answers.faults(entry, answered))
        record(self, entry, sent, answered)

    Journal.record = checked  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def _answers_are_as_specified() -> Iterator[None]:
    yield
    wrong, _wrong[:] = list(_wrong), []
    assert not wrong, "\n".join(wrong[:20])
