"""Pull files: what they may hold, and what is said when they hold something else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from clavichord.sync.mistakes import InvalidDefinition
from clavichord.sync.pull import load_pull

MINIMAL = "pull: w\ninto: w.duckdb\nstreams:\n  profiles:\n"


def mistakes(text: str) -> list[str]:
    with pytest.raises(InvalidDefinition) as found:
        load_pull(text, "pulls/w.yaml")
    return [str(m) for m in found.value.mistakes]


def test_the_shortest_file() -> None:
    definition = load_pull(MINIMAL, "pulls/w.yaml")
    assert (definition.account, definition.into.duckdb, definition.into.db_schema) == ("main", "w.duckdb", "klaviyo")
    assert list(definition.streams.chosen) == ["profiles"]


def test_members_bring_the_lists_along_and_come_after_them() -> None:
    chosen = load_pull("pull: w\ninto: w.duckdb\nstreams: {members: {}}\n", "w.yaml").streams.chosen
    assert list(chosen) == ["lists", "members"]


def test_since_is_a_day_or_an_instant() -> None:
    text = (
        "pull: w\ninto: w.duckdb\n"
        "streams: {events: {since: 2024-01-01}, profiles: {since: 2024-01-01T02:00:00+02:00}}\n"
    )
    streams = load_pull(text, "w.yaml").streams
    assert streams.events is not None
    assert streams.profiles is not None
    assert streams.events.since == streams.profiles.since == datetime(2024, 1, 1, tzinfo=UTC)


def test_lookback_is_set_by_the_file() -> None:
    text = "pull: w\ninto: w.duckdb\nstreams: {events: {lookback: {2h: always, 90d: weekly}}}\n"
    events = load_pull(text, "w.yaml").streams.events
    assert events is not None
    assert events.lookback == {timedelta(hours=2): "always", timedelta(days=90): "weekly"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "pull: w\ninto: w.duckdb\nstreams:\n  profile: {}\n  events: {}\n",
            'pulls/w.yaml:4:3: streams.profile: unknown key "profile" → did you mean "profiles"?',
        ),
        (
            "pull: w\ninto: {duckdb: w.duckdb, schem: x}\nstreams: {events: {}}\n",
            'pulls/w.yaml:2:26: into.schem: unknown key "schem" → did you mean "schema"?',
        ),
        ("pull: w\ninto: w.duckdb\nstreams: {}\n", "no stream is chosen"),
        ("pull: w\nstreams: {events: {}}\n", '"into" is missing'),
        ("pull: w\ninto: w.duckdb\nstreams: {events: {since: never}}\n", "streams.events.since"),
        ("pull: w\ninto: w.duckdb\nstreams: {events: {since: 1970-01-01}}\n", "before 1990"),
        ("pull: w\ninto: w.duckdb\nstreams: {events: {lookback: {3: always}}}\n", "a duration is a number with"),
        ("pull: w\ninto: w.duckdb\nstreams: {members: {of: [segments]}}\n", '"segments" is not one of lists'),
        ("pull: w\ninto: w.duckdb\nstreams: {members: {of: [}}\n", "not valid YAML"),
    ],
)
def test_mistakes_are_named_with_their_place(text: str, expected: str) -> None:
    assert expected in "\n".join(mistakes(text))
