"""CSV: its header, its delimiter, and its records one by one when some of them are broken."""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import NamedTuple

from clavichord.sync.expression import literal
from clavichord.sync.mistakes import SourceError

ROW = "__row"
"""the column that holds a row's number, in everything that is staged"""
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


class Header(NamedTuple):
    columns: list[str]
    delimiter: str


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
    """(row number, values) of a CSV with bad lines in it; those go to `rejects`. A quote that is never closed costs its
    own line only: reading goes on with the next one."""
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
                values, used, problem = [], 1, f"row.quotes: {REJECTS['UNQUOTED VALUE'][1]} ({error})"
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
                problem = f"row.columns: {REJECTS[kind][1]} ({len(values)} instead of {len(header.columns)})"
            if problem:
                code, _, detail = problem.partition(": ")
                shown = _BROKEN_BYTES.sub("?", text.strip())[:80]
                rejects.append(Reject(row, code, f"{detail}: {shown}"))
            elif values is not None:
                yield row, values


def csv_relation(path: Path, header: Header) -> str:
    columns = ", ".join(f"{literal(c)}: 'VARCHAR'" for c in header.columns)
    return (
        f"read_csv({literal(str(path))}, auto_detect=false, header=true, delim={literal(header.delimiter)}, "
        f"quote='\"', escape='\"', columns={{{columns}}}, store_rejects=true, max_line_size=10000000)"
    )


REJECTS = {
    "MISSING COLUMNS": ("row.columns", "fewer values than columns"),
    "TOO MANY COLUMNS": ("row.columns", "more values than columns"),
    "UNQUOTED VALUE": ("row.quotes", "a quote is not closed or stands in the middle of a value"),
    "INVALID ENCODING": ("row.encoding", "bytes that are not UTF-8"),
    "LINE SIZE OVER MAXIMUM": ("row.too_long", "longer than 10 MB"),
}
