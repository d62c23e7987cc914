"""Reads a source once into a staged Parquet file: rows with their numbers, and the rows that could not be read.

Everything in a CSV stays text unless `types` says otherwise: telephone numbers and postcodes keep their zeros. A row's number
is the one a spreadsheet shows (the header is row 1), also where a cell spans lines. Only `execute`, `fetch*` and COPY of
duckdb are used: the code runs on 1.5 and 2.x.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import re
from collections import deque
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import msgspec

from clavichord.sync.definition import Connection, Source
from clavichord.sync.expression import first_line, literal, quoted
from clavichord.sync.mistakes import SourceError, nearest

ROW = "__row"
SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
}
MAX_RECORD = 10_000_000
"""characters of one record"""
MAX_RECORD_LINES = 1_000
"""lines that one quoted cell may span in a file with bad lines"""
_BROKEN_BYTES = re.compile("[\udc80-\udcff]")
HEADER_BYTES = 4_000_000


class Reject(NamedTuple):
    """A row of the source that could not be read."""

    row: int
    code: str
    detail: str


class Staged(NamedTuple):
    """A source as it was read. `path` holds `__row` and the columns."""

    path: Path
    columns: list[str]
    rows: int
    """rows in `path`"""
    rejects: list[Reject]
    fingerprint: str


class Header(NamedTuple):
    columns: list[str]
    delimiter: str


def connect(temp: Path, zone: str | None) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB that spills to `temp` and never installs extensions (that would be a download)."""
    con = duckdb.connect()
    con.execute("set autoinstall_known_extensions=false")
    con.execute(f"set temp_directory={literal(str(temp))}")
    con.execute(f"set TimeZone={literal(zone or 'UTC')}")
    con.execute("set enable_progress_bar=false")
    return con


def stage(
    con: duckdb.DuckDBPyConnection, source: Source, root: Path, connections: Mapping[str, Connection], target: Path
) -> Staged:
    """Copies the source's rows to `target` (a folder of its own). Raises SourceError when nothing can be read."""
    reader = _Stager(con, source, root, connections, target)
    if source.file is not None:
        return reader.file(_inside(root, source.file))
    return reader.query()


def _inside(root: Path, name: str) -> Path:
    path = root / name
    if not path.is_file():
        folder = path.parent
        hint = nearest(path.name, sorted(p.name for p in folder.iterdir() if p.is_file())) if folder.is_dir() else ""
        if not folder.is_dir():
            hint = f"there is no folder {folder.name} in the project"
        raise SourceError(f"{name}: no such file", hint or "paths are relative to the project's folder")
    return path


def _kind(path: Path) -> str:
    kind = SUFFIXES.get(path.suffix.casefold())
    if kind is None:
        if path.suffix.casefold() in (".xlsx", ".xls"):
            raise SourceError(f"{path.name}: Excel files are not implemented yet", "save the sheet as CSV (UTF-8)")
        raise SourceError(f"{path.name}: not a known kind of file", "known endings: " + ", ".join(SUFFIXES))
    return kind


def read_header(path: Path, name: str, delimiter: str | None) -> Header:
    """Column names of a UTF-8 CSV and its delimiter. Raises SourceError: empty, binary, nameless or doubled columns."""
    with path.open("rb") as file:
        raw = file.read(HEADER_BYTES)
    if not raw.strip():
        raise SourceError(f"{name}: the file is empty", "it needs a header line with the column names")
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise SourceError(f"{name}: the file is UTF-16", "add `encoding: utf-16` under `from`")
    if b"\x00" in raw[:10_000]:
        raise SourceError(
            f"{name}: this is not a text file", "CSV, JSONL and Parquet are read; export the data as CSV (UTF-8)"
        )
    text = raw.decode("utf-8-sig", errors="replace")
    first = text.lstrip("\r\n").splitlines()[0]
    if "\ufffd" in first:
        raise SourceError(f"{name}: row 1: the header is not UTF-8", "add `encoding: latin-1` (or cp1252) under `from`")
    chosen = delimiter or max(",;\t|", key=lambda d: (first.count(d), d == ","))
    try:
        columns = next(csv.reader(text.splitlines(keepends=True), delimiter=chosen, strict=True))
    except (csv.Error, StopIteration) as error:
        raise SourceError(
            f"{name}: row 1: the header cannot be read: {error}", "close the quotes in the first line"
        ) from None
    seen: dict[str, int] = {}
    for number, column in enumerate(columns, 1):
        if not column.strip():
            raise SourceError(f"{name}: row 1: column {number} has no name", "give every column a name")
        if column.casefold() in seen:
            raise SourceError(
                f'{name}: row 1: columns {seen[column.casefold()]} and {number} are both called "{column}"',
                "rename one",
            )
        seen[column.casefold()] = number
    if ROW in seen:
        raise SourceError(f"{name}: row 1: the name {ROW} is taken by clavichord", "rename the column")
    return Header(columns, chosen)


def has_blank_lines(path: Path) -> bool:
    """DuckDB skips them without counting, so that later row numbers would be wrong."""
    tail = b"\n"
    with path.open("rb") as file:
        while chunk := file.read(1 << 22):
            chunk = tail + chunk
            if b"\n\n" in chunk or b"\n\r\n" in chunk or b"\r\r" in chunk:
                return True
            tail = chunk[-3:]
    return False


def records(path: Path, header: Header, rejects: list[Reject]) -> Iterator[tuple[int, list[str]]]:
    """(row number, values) of a CSV with bad lines in it; those go to `rejects`. A quote that is never closed costs its own
    line only: reading goes on with the next one."""
    csv.field_size_limit(MAX_RECORD)
    pending: deque[str] = deque()
    row = 0
    headed = False
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:

        def following() -> Iterator[str]:
            size = 0
            for i in count():
                if i == len(pending):
                    line = file.readline()
                    if not line:
                        return
                    pending.append(line)
                size += len(pending[i])
                if i >= MAX_RECORD_LINES or size > MAX_RECORD:
                    return
                yield pending[i]

        while True:
            reader = csv.reader(following(), delimiter=header.delimiter, strict=True)
            problem = ""
            try:
                values = next(reader, None)
                used = reader.line_num
            except csv.Error as error:
                values, used, problem = [], 1, f"row.quotes: {_REJECTS['UNQUOTED VALUE'][1]} ({error})"
            if not pending:
                return
            text = "".join(pending.popleft() for _ in range(max(1, used)))
            row += 1
            if not text.strip("\r\n"):
                continue
            if not headed:
                headed = True
                continue
            if not problem and _BROKEN_BYTES.search(text):
                problem = "row.encoding: bytes that are not UTF-8"
            elif not problem and values is not None and len(values) != len(header.columns):
                kind = "MISSING COLUMNS" if len(values) < len(header.columns) else "TOO MANY COLUMNS"
                problem = f"row.columns: {_REJECTS[kind][1]} ({len(values)} instead of {len(header.columns)})"
            if problem:
                code, _, detail = problem.partition(": ")
                shown = _BROKEN_BYTES.sub("?", text.strip())[:80]
                rejects.append(Reject(row, code, f"{detail}: {shown}"))
            elif values is not None:
                yield row, values


def _csv(path: Path, header: Header) -> str:
    columns = ", ".join(f"{literal(c)}: 'VARCHAR'" for c in header.columns)
    return (
        f"read_csv({literal(str(path))}, auto_detect=false, header=true, delim={literal(header.delimiter)}, quote='\"', escape='\"', "
        f"columns={{{columns}}}, store_rejects=true, max_line_size=10000000)"
    )


_REJECTS = {
    "MISSING COLUMNS": ("row.columns", "fewer values than columns"),
    "TOO MANY COLUMNS": ("row.columns", "more values than columns"),
    "UNQUOTED VALUE": ("row.quotes", "a quote is not closed or stands in the middle of a value"),
    "INVALID ENCODING": ("row.encoding", "bytes that are not UTF-8"),
    "LINE SIZE OVER MAXIMUM": ("row.too_long", "longer than 10 MB"),
}


class _Stager:
    def __init__(
        self,
        con: duckdb.DuckDBPyConnection,
        source: Source,
        root: Path,
        connections: Mapping[str, Connection],
        target: Path,
    ) -> None:
        self.con = con
        self.source = source
        self.root = root
        self.connections = connections
        self.target = target
        self.fingerprint = hashlib.blake2b(digest_size=16)
        target.mkdir(parents=True, exist_ok=True)

    def file(self, path: Path) -> Staged:
        name = path.name
        self._note(path)
        match _kind(path):
            case "csv":
                return self._csv_file(self._utf8(path), name)
            case "jsonl":
                return self._jsonl(self._utf8(path), name)
            case "json":
                return self._copy(f"select row_number() over () as {ROW}, * from read_json({literal(str(path))})", name)
            case _:
                return self._copy(
                    f"select row_number() over () as {ROW}, * from read_parquet({literal(str(path))})", name
                )

    def _note(self, path: Path) -> None:
        stat = path.stat()
        self.fingerprint.update(f"{path.name}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode())

    def _utf8(self, path: Path) -> Path:
        """The file itself, or its copy in UTF-8 when `encoding` says it is something else."""
        try:
            codec = codecs.lookup(self.source.encoding)
        except LookupError:
            raise SourceError(
                f'"{self.source.encoding}" is not an encoding', "utf-8, latin-1, cp1252, utf-16 …"
            ) from None
        if codec.name in ("utf-8", "utf-8-sig"):
            return path
        copy = self.target / "utf8.txt"
        decoder = codec.incrementaldecoder()
        done = lines = 0
        with path.open("rb") as source, copy.open("w", encoding="utf-8", newline="") as out:
            while True:
                chunk = source.read(1 << 20)
                try:
                    text = decoder.decode(chunk, final=not chunk)
                except UnicodeDecodeError as error:
                    line = lines + chunk[: error.start].count(b"\n") + 1
                    raise SourceError(
                        f"{path.name}: line {line}: not {self.source.encoding} (byte {done + error.start})",
                        "check `encoding` under `from`",
                    ) from None
                out.write(text)
                if not chunk:
                    return copy
                done += len(chunk)
                lines += text.count("\n")

    def _copy(self, query: str, name: str, rejects: list[Reject] | None = None) -> Staged:
        path = self.target / "source.parquet"
        try:
            self.con.execute(f"copy ({query}) to {literal(str(path))} (format parquet)")
        except duckdb.Error as error:
            raise SourceError(f"{name}: {first_line(error)}", "") from None
        return self._staged(path, rejects or [])

    def _staged(self, path: Path, rejects: list[Reject]) -> Staged:
        described = self.con.execute(f"describe select * from read_parquet({literal(str(path))})").fetchall()
        count = self.con.execute(f"select count(*) from read_parquet({literal(str(path))})").fetchone()
        assert count is not None
        columns = [str(d[0]) for d in described if d[0] != ROW]
        return Staged(path, columns, int(count[0]), rejects, self.fingerprint.hexdigest())

    # CSV

    def _csv_file(self, path: Path, name: str) -> Staged:
        """DuckDB reads a clean file at once; one with bad or blank lines is read record by record, to know which is which."""
        header = read_header(path, name, self.source.delimiter)
        if not has_blank_lines(path):
            self.con.execute("drop table if exists reject_errors")
            self.con.execute("drop table if exists reject_scans")
            staged = self._copy(f"select row_number() over () + 1 as {ROW}, * from {_csv(path, header)}", name)
            bad = self.con.execute("select count(*) from reject_errors").fetchone()
            if bad is not None and bad[0] == 0:
                return staged
        rejects: list[Reject] = []
        lines = self.target / "rows.jsonl"
        encoder = msgspec.json.Encoder()
        with lines.open("wb") as out:
            for row, values in records(path, header, rejects):
                out.write(encoder.encode([row, *(value or None for value in values)]) + b"\n")
        names = ", ".join(f"value[{i}] as {quoted(column)}" for i, column in enumerate(header.columns, 2))
        rows = f"read_json({literal(str(lines))}, format='newline_delimited', records=false, columns={{value: 'VARCHAR[]'}}, maximum_object_size=40000000)"
        return self._copy(f"select value[1]::bigint as {ROW}, {names} from {rows} order by 1", name, rejects)

    # JSON lines

    def _jsonl(self, path: Path, name: str) -> Staged:
        rejects: list[Reject] = []
        good = self.target / "rows.jsonl"
        rows = 0
        with path.open("rb") as source, good.open("wb") as out:
            for number, line in enumerate(source, 1):
                text = line.strip().removeprefix(codecs.BOM_UTF8)
                if not text:
                    continue
                try:
                    msgspec.json.decode(text, type=dict[str, msgspec.Raw])
                    text.decode()
                except (msgspec.DecodeError, UnicodeDecodeError):
                    rejects.append(
                        Reject(number, "row.json", f"not a JSON object: {text.decode(errors='replace')[:80]}")
                    )
                    continue
                out.write(b'{"' + ROW.encode() + b'":%d,"value":' % number + text + b"}\n")
                rows += 1
        if not rows:
            raise SourceError(f"{name}: no line holds a JSON object", 'one JSON object a line: {"id": 1, "email": …}')
        relation = (
            f"read_json({literal(str(good))}, format='newline_delimited', sample_size=-1, maximum_depth=-1, map_inference_threshold=-1, "
            "field_appearance_threshold=0, maximum_object_size=40000000)"
        )
        return self._copy(f"select {ROW}, value.* from {relation}", name, rejects)

    # SQL over a folder of files

    def query(self) -> Staged:
        name, sql = self._statement()
        self.con.execute(f"set file_search_path={literal(str(self.root))}")
        self.con.execute("drop table if exists reject_errors")
        self.con.execute("drop table if exists reject_scans")
        folder = self._folder()
        self.fingerprint.update(sql.encode())
        for table in _tables(self.con, sql, name):
            self._view(table, folder)
        staged = self._copy(f"select row_number() over () as {ROW}, * from (\n{sql}\n)", name)
        return staged._replace(rejects=self._view_rejects())

    def _statement(self) -> tuple[str, str]:
        if self.source.table is not None:
            return f"table {self.source.table}", f"select * from {quoted(self.source.table)}"
        sql = self.source.sql or ""
        if sql.strip().casefold().endswith(".sql"):
            path = _inside(self.root, sql.strip())
            try:
                return sql.strip(), path.read_text("utf-8").strip().rstrip(";")
            except UnicodeDecodeError:
                raise SourceError(f"{sql.strip()}: not UTF-8", "save the query as UTF-8") from None
        return "from.sql", sql.strip().rstrip(";")

    def _folder(self) -> Path | None:
        if self.source.connection is None:
            return None
        connection = self.connections.get(self.source.connection)
        if connection is None:
            raise SourceError(
                f'there is no connection "{self.source.connection}" in clavichord.yaml',
                nearest(self.source.connection, self.connections),
            )
        folder = self.root / connection.files
        if not folder.is_dir():
            raise SourceError(
                f"connection {self.source.connection}: there is no folder {connection.files}",
                "paths are relative to the project's folder",
            )
        return folder

    def _view(self, table: str, folder: Path | None) -> None:
        files = (
            {p.stem.casefold(): p for p in sorted(folder.iterdir()) if p.suffix.casefold() in SUFFIXES}
            if folder
            else {}
        )
        path = files.get(table.casefold())
        if path is None:
            hint = (
                nearest(table, (p.stem for p in files.values()))
                if folder
                else "add `connection:` under `from`, or read_csv('path')"
            )
            raise SourceError(f'there is no table "{table}"', hint)
        self._note(path)
        where = literal(str(path))
        match _kind(path):
            case "csv":
                relation = _csv(path, read_header(path, path.name, self.source.delimiter))
            case "parquet":
                relation = f"read_parquet({where})"
            case _:
                relation = f"read_json({where})"
        self.con.execute(f"create or replace view {quoted(table)} as select * from {relation}")

    def _view_rejects(self) -> list[Reject]:
        """Rows of the tables' CSV files that could not be read: they are missing from the query's answer, so they are told."""
        present = self.con.execute("select count(*) from duckdb_tables() where table_name = 'reject_errors'").fetchone()
        if present is None or not present[0]:
            return []
        rows = self.con.execute(
            "select e.line, parse_filename(s.file_path), arg_min(e.error_type::varchar, coalesce(e.column_idx, 0)), coalesce(any_value(e.csv_line), '') "
            "from reject_errors e join reject_scans s using (scan_id, file_id) group by all order by 2, 1"
        ).fetchall()
        rejects = []
        for line, file, kind, text in rows:
            code, detail = _REJECTS.get(kind, ("row.unreadable", kind.lower()))
            rejects.append(Reject(line, code, f"{file}: {detail}: {text.strip()[:80]}"))
        return rejects


def _tables(con: duckdb.DuckDBPyConnection, sql: str, name: str) -> list[str]:
    """The tables a query reads. SourceError when it is not one SELECT."""
    row = con.execute("select json_serialize_sql(?::varchar)", [sql]).fetchone()
    assert row is not None
    tree: dict[str, Any] = msgspec.json.decode(row[0])
    if tree["error"]:
        at = sql[: int(tree.get("position") or 0)]
        line, column = at.count("\n") + 1, len(at) - (at.rfind("\n") + 1) + 1
        raise SourceError(
            f"{name}:{line}:{column}: {tree.get('error_message', 'not a query')}",
            "one SELECT (with its WITH) is needed",
        )
    if len(tree["statements"]) != 1:
        raise SourceError(f"{name}: {len(tree['statements'])} statements", "one SELECT is needed")
    found: dict[str, None] = {}
    defined: set[str] = set()

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("type") == "BASE_TABLE" and not node.get("schema_name"):
                found[str(node["table_name"])] = None
            for entry in node["cte_map"]["map"] if isinstance(node.get("cte_map"), dict) else ():
                defined.add(str(entry["key"]).casefold())
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    walk(tree)
    return [table for table in found if table.casefold() not in defined]
