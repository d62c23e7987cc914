"""The DuckDB destination: odd rows, repeated rows, old rows, and a file that somebody else has."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clavichord.sync.pull.duckdb_sink import DuckDBSink
from clavichord.sync.pull.sink import Counts, Cursor, Reading, Rows, SinkError
from clavichord.sync.pull.streams import EVENTS, MEMBERS, PROFILES


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[DuckDBSink]:
    sink = DuckDBSink(tmp_path / "folder" / "w.duckdb")
    sink.open("AbCdEf")
    for stream in (PROFILES, EVENTS, MEMBERS):
        sink.prepare(stream)
    yield sink
    sink.close()


def rows(*resources: Any, parent: str = "") -> list[Rows]:
    return [Rows(parent, [json.dumps(r).encode() for r in resources])]


def profile(id: Any, updated: str = "2026-01-01T00:00:00+00:00", **attributes: Any) -> dict[str, Any]:
    return {"type": "profile", "id": id, "attributes": {"updated": updated} | attributes}


def table(sink: DuckDBSink, sql: str) -> list[tuple[Any, ...]]:
    return sink._db.execute(sql).fetchall()


def test_a_surprising_type_is_null_in_its_column_and_whole_in_raw(sink: DuckDBSink) -> None:
    odd = [
        profile("1", "not a time", email={"a": 1}, location=7, properties="text", created=12),
        profile(2, email=["x"], location={"latitude": "north", "city": 5}, subscriptions=[]),
        {"id": "3", "attributes": None},
        {"id": "4"},
        {"attributes": {}},
    ]
    assert sink.write(PROFILES, rows(*odd), Cursor()) == Counts(read=5, new=4, unchanged=1)
    got = table(sink, "select id, email, city, latitude, updated is null, properties from klaviyo.profiles order by id")
    assert got == [
        ("1", '{"a":1}', None, None, True, '"text"'),
        ("2", '["x"]', "5", None, False, None),
        ("3", None, None, None, True, None),
        ("4", None, None, None, True, None),
    ]
    raw = table(sink, "select raw from klaviyo.profiles where id = '2'")[0][0]
    assert json.loads(raw) == odd[1]


def test_text_that_is_not_quite_unicode_does_not_stop_the_rest(sink: DuckDBSink) -> None:
    page = [Rows("", [b'{"id":"a","attributes":{"email":"\\ud800x"}}', b'{"id":"b","attributes":{"email":"b"}}'])]
    assert sink.write(PROFILES, page, Cursor()).new == 2
    assert table(sink, "select id, email from klaviyo.profiles order by id") == [("a", "?x"), ("b", "b")]


def test_quotes_and_controls_pass_unchanged(sink: DuckDBSink) -> None:
    text = 'O\'Brien "x" \\ \n \u2028 \u0000 😀 ׀'
    sink.write(PROFILES, rows(profile("1", first_name=text, properties={text: text})), Cursor())
    assert table(sink, "select first_name, properties from klaviyo.profiles")[0][0] == text
    assert json.loads(table(sink, "select properties from klaviyo.profiles")[0][0]) == {text: text}


def test_an_older_reading_does_not_overwrite_a_newer_one(sink: DuckDBSink) -> None:
    new = profile("1", "2026-01-02T00:00:00+00:00", email="new@shop.test")
    old = profile("1", "2026-01-01T00:00:00+00:00", email="old@shop.test")
    sink.write(PROFILES, rows(new), Cursor())
    assert sink.write(PROFILES, rows(old), Cursor()) == Counts(read=1, unchanged=1)
    assert table(sink, "select email from klaviyo.profiles") == [("new@shop.test",)]


def test_the_newest_of_one_batch_wins(sink: DuckDBSink) -> None:
    new = profile("1", "2026-01-02T00:00:00+00:00", email="new@shop.test")
    old = profile("1", "2026-01-01T00:00:00+00:00", email="old@shop.test")
    assert sink.write(PROFILES, rows(new, old), Cursor()) == Counts(read=2, new=1, unchanged=1)
    assert table(sink, "select email from klaviyo.profiles") == [("new@shop.test",)]


def test_an_attribution_that_comes_later_rewrites_the_event(sink: DuckDBSink) -> None:
    event = {"id": "e", "attributes": {"datetime": "2026-01-01T00:00:00+00:00", "event_properties": {"$value": 1.5}}}
    sink.write(EVENTS, rows(event), Cursor())
    event["relationships"] = {"attributions": {"data": [{"type": "attribution", "id": "x"}]}}
    assert sink.write(EVENTS, rows(event), Cursor()) == Counts(read=1, changed=1)
    assert table(sink, "select value, raw->>'$.relationships.attributions.data[0].id' from klaviyo.events") == [
        (1.5, "x")
    ]


def test_rows_and_cursor_go_together(sink: DuckDBSink, tmp_path: Path) -> None:
    cursor = Cursor(high_water=5, reading=Reading("created", 7, [("", 1, None)]))
    sink.write(PROFILES, rows(profile("1")), cursor)
    sink.close()
    again = DuckDBSink(tmp_path / "folder" / "w.duckdb")
    again.open("AbCdEf")
    assert again.prepare(PROFILES) == cursor
    again.close()


def test_a_sweep_removes_what_it_did_not_meet(sink: DuckDBSink) -> None:
    member = {"type": "profile", "attributes": {"joined_group_at": "2026-01-01T00:00:00+00:00"}}
    sink.write(MEMBERS, rows({"id": "a"} | member, {"id": "b"} | member, parent="L"), Cursor())
    assert sink.complete(MEMBERS, Cursor()) == 0
    sink.write(MEMBERS, rows({"id": "b"} | member, parent="L"), Cursor())
    assert sink.complete(MEMBERS, Cursor()) == 1
    assert table(sink, "select list_id, profile_id from klaviyo.list_members") == [("L", "b")]


def test_a_file_that_is_open_elsewhere_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    program = f"import duckdb, sys; c = duckdb.connect({str(path)!r}); print('open', flush=True); sys.stdin.read()"
    other = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(SinkError, match="in use by another process"):
            DuckDBSink(path).open("AbCdEf")
    finally:
        other.communicate("")


def test_a_file_that_is_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    path.write_text("id,email\n" * 1000)
    with pytest.raises(SinkError, match="not a DuckDB file"):
        DuckDBSink(path).open("AbCdEf")
    assert path.read_text().startswith("id,email")
