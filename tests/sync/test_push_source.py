"""Files as people really have them: every row is read, or named."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clavichord.sync.definition import Connection, Source
from clavichord.sync.expression import literal
from clavichord.sync.mistakes import SourceError
from clavichord.sync.source import connect, stage

Read = tuple[list[tuple[Any, ...]], list[tuple[int, str]]]


def read(root: Path, **source: Any) -> Read:
    """(rows with their numbers, rejects) of a source below `root`."""
    target = root / "staged"
    con = connect(target, None)
    staged = stage(con, Source(key="id", **source), root, {"shop": Connection(files="data")}, target)
    rows = con.execute(f"select * from read_parquet({literal(str(staged.path))}) order by 1").fetchall()
    con.close()
    assert len(rows) == staged.rows
    return rows, [(r.row, r.code) for r in staged.rejects]


def write(root: Path, name: str, data: str | bytes) -> None:
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_bytes(data.encode() if isinstance(data, str) else data)


def test_text_stays_text(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "id,zip,tel,flag,empty\n007,01234,+33 6,true,\n")
    assert read(tmp_path, file="a.csv") == ([(2, "007", "01234", "+33 6", "true", None)], [])


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_are_found(tmp_path: Path, delimiter: str) -> None:
    write(tmp_path, "a.csv", f'id{delimiter}x\n1{delimiter}"a{delimiter}b"\n')
    assert read(tmp_path, file="a.csv")[0] == [(2, "1", f"a{delimiter}b")]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_row_numbers_are_those_of_a_spreadsheet(tmp_path: Path, end: str) -> None:
    lines = ["id,text", "1,a", "", '2,"two', 'lines"', "3", "4,d"]
    write(tmp_path, "a.csv", end.join(lines) + end)
    rows, rejects = read(tmp_path, file="a.csv")
    assert [(r[0], r[1]) for r in rows] == [(2, "1"), (4, "2"), (6, "4")]
    assert rejects == [(5, "row.columns")]


def test_an_open_quote_costs_its_own_line_only(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", 'id,x\n1,a\n2,"b\n3,c\n4,"d"\n5,e\n6,"f\n7,g\n')
    rows, rejects = read(tmp_path, file="a.csv")
    assert [r[1] for r in rows] == ["1", "3", "4", "5", "7"]
    assert rejects == [(3, "row.quotes"), (7, "row.quotes")]


def test_encodings(tmp_path: Path) -> None:
    write(tmp_path, "a.csv", "id,name\n1,Renée\n2,Bo\n".encode("cp1252"))
    assert read(tmp_path, file="a.csv") == ([(3, "2", "Bo")], [(2, "row.encoding")])
    assert read(tmp_path, file="a.csv", encoding="cp1252")[0] == [(2, "1", "Renée"), (3, "2", "Bo")]
    write(tmp_path, "b.csv", "id,name\n1,Renée\n".encode("utf-8-sig"))
    assert read(tmp_path, file="b.csv")[0] == [(2, "1", "Renée")]
    write(tmp_path, "c.csv", "id,name\n1,Renée\n".encode("utf-16"))
    assert read(tmp_path, file="c.csv", encoding="utf-16")[0] == [(2, "1", "Renée")]


@pytest.mark.parametrize(
    ("name", "data", "options", "said"),
    [
        ("a.csv", "", {}, "the file is empty"),
        ("a.csv", "id,x,X\n1,2,3\n", {}, 'columns 2 and 3 are both called "X"'),
        ("a.csv", "id,,x\n", {}, "column 2 has no name"),
        ("a.csv", "id,x\n1,2\n".encode("utf-16"), {}, "add `encoding: utf-16`"),
        ("a.csv", b"id,n\xe9\n", {}, "add `encoding: latin-1`"),
        ("a.csv", b"id,x\n1,\xff\n", {"encoding": "ascii"}, "line 2: not ascii"),
        ("a.csv", b"id,x\n", {"encoding": "klingon"}, "is not an encoding"),
        ("a.csv", b"PK\x03\x04\x00\x00", {}, "not a text file"),
        ("a.xlsx", b"PK\x03\x04", {}, "save the sheet as CSV"),
        ("a.parquet", b"PAR?", {}, "a.parquet"),
        ("a.jsonl", "[1]\n", {}, "no line holds a JSON object"),
    ],
)
def test_what_is_said_of_a_file_that_cannot_be_read(
    tmp_path: Path, name: str, data: str | bytes, options: dict[str, str], said: str
) -> None:
    write(tmp_path, name, data)
    with pytest.raises(SourceError) as caught:
        read(tmp_path, file=name, **options)
    assert said in str(caught.value)


def test_json_lines(tmp_path: Path) -> None:
    write(tmp_path, "a.jsonl", '{"id":1,"a":{"b":[1,2]}}\nnope\n\n{"id":2,"c":"x"}\n[1]\n')
    rows, rejects = read(tmp_path, file="a.jsonl")
    assert rows == [(1, 1, {"b": [1, 2]}, None), (4, 2, None, "x")]
    assert rejects == [(2, "row.json"), (5, "row.json")]


def test_sql_over_a_folder_of_files(tmp_path: Path) -> None:
    write(tmp_path, "data/people.csv", "id,name\n1,Ana\n2\n3,Cy\n")
    write(tmp_path, "data/orders.jsonl", '{"person":"1","total":3}\n{"person":"1","total":4}\n')
    write(
        tmp_path,
        "models/m.sql",
        "select p.id, sum(o.total)::int as total\nfrom people p join orders o on o.person = p.id group by 1;\n",
    )
    rows, rejects = read(tmp_path, connection="shop", sql="models/m.sql")
    assert rows == [(1, "1", 7)]
    assert rejects == [(3, "row.columns")]
    assert read(tmp_path, connection="shop", table="people")[0] == [(1, "1", "Ana"), (2, "3", "Cy")]
    for source, said in [
        ({"connection": "shop", "sql": "select * from peple"}, 'did you mean "people"?'),
        ({"connection": "shp", "table": "people"}, 'did you mean "shop"?'),
        ({"sql": "drop table people"}, "one SELECT"),
        ({"sql": "select *\nfrom (select 1"}, "from.sql:2:"),
        ({"connection": "shop", "sql": "select nme from people"}, "nme"),
    ]:
        with pytest.raises(SourceError) as caught:
            read(tmp_path, **source)
        assert said in str(caught.value)


_cell = st.text(alphabet='ab",;\n\r \t|é\x00\U0001f600', max_size=6)


@given(
    st.lists(
        st.tuples(st.integers(0, 99).map(str), _cell.filter(lambda c: "\x00" not in c and "\r" not in c)),
        min_size=1,
        max_size=12,
    )
)
@settings(max_examples=120, deadline=None)
def test_a_proper_csv_is_read_whole(tmp_path_factory: Any, table: list[tuple[str, str]]) -> None:
    root = tmp_path_factory.mktemp("proper")
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([("id", "x"), *table])
    write(root, "a.csv", out.getvalue())
    rows, rejects = read(root, file="a.csv", delimiter=",")
    assert rejects == []
    assert [(r[0], r[1], r[2] or "") for r in rows] == [(n, *cells) for n, cells in enumerate(table, 2)]


@given(st.binary(max_size=200) | st.text(alphabet='a1,"\n;é\r', max_size=120).map(lambda t: ("id,x\n" + t).encode()))
@settings(max_examples=200, deadline=None)
def test_no_bytes_make_a_traceback_and_no_row_is_lost(tmp_path_factory: Any, data: bytes) -> None:
    root = tmp_path_factory.mktemp("garbage")
    write(root, "a.csv", data)
    try:
        rows, rejects = read(root, file="a.csv")
    except SourceError as error:
        assert str(error)
        return
    numbers = [r[0] for r in rows] + [r[0] for r in rejects]
    assert len(numbers) == len(set(numbers))
    if b'"' not in data and b"\r" not in data and data.startswith(b"id,x\n"):
        assert len(numbers) == sum(1 for line in data.split(b"\n")[1:] if line)
