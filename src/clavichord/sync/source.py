"""Reads a source once into a staged Parquet file: rows with their numbers, and the rows that could not be read.

Everything in a CSV stays text unless `types` says otherwise: telephone numbers and postcodes keep their zeros. A row's
number is the one a spreadsheet shows (the header is row 1), also where a cell spans lines. Only `execute`, `fetch*` and
COPY of duckdb are used: the code runs on 1.5 and 2.x.
"""

from __future__ import annotations

import codecs
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import msgspec

from clavichord.sync.csv_rows import REJECTS, ROW, Reject, csv_relation, has_blank_lines, read_header, records
from clavichord.sync.definition import Connection, Source
from clavichord.sync.expression import first_line, literal, quoted
from clavichord.sync.mistakes import SourceError, nearest

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
}


class Staged(NamedTuple):
    """A source as it was read. `path` holds `__row` and the columns."""

    path: Path
    columns: list[str]
    rows: int
    """rows in `path`"""
    rejects: list[Reject]
    fingerprint: str


def connect(temp: Path, zone: str | None) -> duckdb.DuckDBPyConnection:
    """An in-memory DuckDB that spills to `temp` and never installs extensions (that would be a download)."""
    con = duckdb.connect()
    con.execute("set autoinstall_known_extensions=false")
    con.execute(f"set temp_directory={literal(str(temp))}")
    con.execute(f"set TimeZone={literal(zone or 'UTC')}")
    con.execute("set memory_limit='1GB'")
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
        """DuckDB reads a clean file at once; one with bad or blank lines is read record by record."""
        header = read_header(path, name, self.source.delimiter)
        if not has_blank_lines(path):
            self.con.execute("drop table if exists reject_errors")
            self.con.execute("drop table if exists reject_scans")
            staged = self._copy(f"select row_number() over () + 1 as {ROW}, * from {csv_relation(path, header)}", name)
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
        rows = (
            f"read_json({literal(str(lines))}, format='newline_delimited', records=false, "
            "columns={value: 'VARCHAR[]'}, maximum_object_size=40000000)"
        )
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
            f"read_json({literal(str(good))}, format='newline_delimited', sample_size=-1, maximum_depth=-1, "
            "map_inference_threshold=-1, field_appearance_threshold=0, maximum_object_size=40000000)"
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
                relation = csv_relation(path, read_header(path, path.name, self.source.delimiter))
            case "parquet":
                relation = f"read_parquet({where})"
            case _:
                relation = f"read_json({where})"
        self.con.execute(f"create or replace view {quoted(table)} as select * from {relation}")

    def _view_rejects(self) -> list[Reject]:
        """Rows of the tables' CSV files that could not be read: the query's answer lacks them, so they are told."""
        present = self.con.execute("select count(*) from duckdb_tables() where table_name = 'reject_errors'").fetchone()
        if present is None or not present[0]:
            return []
        rows = self.con.execute(
            "select e.line, parse_filename(s.file_path), arg_min(e.error_type::varchar, coalesce(e.column_idx, 0)), "
            "coalesce(any_value(e.csv_line), '') "
            "from reject_errors e join reject_scans s using (scan_id, file_id) group by all order by 2, 1"
        ).fetchall()
        rejects = []
        for line, file, kind, text in rows:
            code, detail = REJECTS.get(kind, ("row.unreadable", kind.lower()))
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
