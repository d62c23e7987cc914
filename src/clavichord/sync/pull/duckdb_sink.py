"""A DuckDB file as destination: rows, cursor and run log in one file, each write one transaction.

Rows go in as JSON text and are taken apart by DuckDB; there is no primary key, which would make a repeated load five
times slower (notes: DEPENDENCIES §3). A row is rewritten only when its content's hash differs.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import duckdb
import msgspec

from clavichord.sync.pull.sink import Counts, Cursor, Rows, SinkError
from clavichord.sync.pull.stream import Column, Stream

MEMORY = "1GB"
"""what DuckDB may hold before it spills to disk"""

P = ParamSpec("P")
T = TypeVar("T")


def quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _guarded(method: Callable[Concatenate[DuckDBSink, P], T]) -> Callable[Concatenate[DuckDBSink, P], T]:
    """One caller at a time (a cancelled task leaves its thread behind), and errors that say what to do."""

    @wraps(method)
    def guarded(self: DuckDBSink, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with self._lock:
            try:
                return method(self, *args, **kwargs)
            except duckdb.Error as error:
                raise self._explain(error) from None

    return guarded


class DuckDBSink:
    """`path` is made if there is no such file; `schema` holds every table."""

    def __init__(self, path: Path, schema: str = "klaviyo") -> None:
        self.path = path
        self.schema = schema
        self._lock = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None

    def _explain(self, error: duckdb.Error) -> SinkError:
        what = str(error).partition("\n")[0]
        if "lock" in what.lower():
            return SinkError(
                f"{self.path} is in use by another process", "close it there (a notebook, another pull), then run again"
            )
        if "not a valid DuckDB database" in what or "version number" in what:
            return SinkError(f"{self.path} is not a DuckDB file of this version: {what}", "name another file in `into`")
        return SinkError(
            f"{self.path} cannot be written: {what}", "check the path in `into`, its folder and the disk's free space"
        )

    @property
    def _db(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            raise SinkError(f"{self.path} is not open")
        return self._connection

    def _table(self, name: str) -> str:
        return f"{quote(self.schema)}.{quote(name)}"

    @contextmanager
    def _transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        db = self._db
        db.execute("begin")
        try:
            yield db
        except BaseException:
            db.execute("rollback")
            raise
        db.execute("commit")

    @_guarded
    def open(self, account: str) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SinkError(f"the folder of {self.path} cannot be made: {error.strerror}", "check `into`") from None
        self._connection = duckdb.connect(
            str(self.path), config={"memory_limit": MEMORY, "preserve_insertion_order": False}
        )
        with self._transaction() as db:
            db.execute("set timezone = 'UTC'")
            db.execute(f"create schema if not exists {quote(self.schema)}")
            db.execute(f"create table if not exists {self._table('_account')}(id varchar)")
            db.execute(f"create table if not exists {self._table('_cursors')}(stream varchar, state json)")
            db.execute(
                f"""create table if not exists {self._table("_runs")}(run varchar, pull varchar, state varchar,
                    started timestamptz, finished timestamptz, requests bigint, report json)"""
            )
            held = db.execute(f"select id from {self._table('_account')}").fetchone()
            if account and held is None:
                db.execute(f"insert into {self._table('_account')} values (?)", [account])
            elif account and held is not None and held[0] != account:
                raise SinkError(
                    f'schema "{self.schema}" of {self.path} holds account {held[0]}, this key belongs to {account}',
                    "name another file or another schema in `into` for the other account",
                )

    @_guarded
    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @_guarded
    def prepare(self, stream: Stream) -> Cursor:
        columns = [(c.name, c.type) for c in stream.columns]
        columns += [("raw", "JSON")] if stream.raw else []
        columns += [("_removed", "TIMESTAMPTZ")] if stream.marks else []
        columns += [("_hash", "UUID"), ("_loaded", "TIMESTAMPTZ")]
        with self._transaction() as db:
            table = self._table(stream.table)
            db.execute(
                f"create table if not exists {table}({', '.join(f'{quote(name)} {type}' for name, type in columns)})"
            )
            for name, type in columns:
                db.execute(f"alter table {table} add column if not exists {quote(name)} {type}")
            if stream.sweep:
                # Lives as long as the connection: a sweep that was cut short proves nothing about what it did not meet.
                db.execute(
                    f"create or replace temp table {_met(stream)} as select {_names(stream.key)} from {table} limit 0"
                )
            row = db.execute(f"select state from {self._table('_cursors')} where stream = ?", [stream.name]).fetchone()
        return msgspec.json.decode(row[0], type=Cursor) if row else Cursor()

    def _save(self, stream: Stream, cursor: Cursor) -> None:
        self._db.execute(f"delete from {self._table('_cursors')} where stream = ?", [stream.name])
        self._db.execute(
            f"insert into {self._table('_cursors')} values (?, ?)", [stream.name, msgspec.json.encode(cursor).decode()]
        )

    @_guarded
    def write(self, stream: Stream, pages: Sequence[Rows], cursor: Cursor) -> Counts:
        with self._transaction() as db:
            counts = Counts()
            if any(page.rows for page in pages):
                try:
                    self._stage(stream, pages)
                except duckdb.InvalidInputException:
                    # JSON that Klaviyo may send and DuckDB does not read (a lone surrogate) must not stop the rest.
                    db.execute("rollback")
                    db.execute("begin")
                    self._stage(stream, [Rows(page.parent, [readable(row) for row in page.rows]) for page in pages])
                counts = self._merge(stream, sum(len(page.rows) for page in pages))
            self._save(stream, cursor)
        return counts

    def _stage(self, stream: Stream, pages: Sequence[Rows]) -> None:
        """The rows, taken apart, each key once: the newest version, or the one that came last."""
        rows = b"[" + b",".join(row for page in pages for row in page.rows) + b"]"
        parents = [page.parent for page in pages for _ in page.rows] if stream.parents else []
        parent = ", unnest($parents::varchar[]) as parent" if stream.parents else ""
        parameters: dict[str, Any] = {
            "rows": rows.decode("utf-8", "replace"),
            "count": sum(len(page.rows) for page in pages),
        }
        if stream.parents:
            parameters["parents"] = parents
        columns = ", ".join(f"{_value(c)} as {quote(c.name)}" for c in stream.columns)
        content = "j::varchar" if stream.raw else f"concat_ws(chr(31), {_names(tuple(c.name for c in stream.columns))})"
        newest = f"{quote(stream.version)} desc nulls last, " if stream.version else ""
        self._db.execute(
            f"""create or replace temp table stage as
                select * exclude (j, n){", j as raw" if stream.raw else ""},
                       {"null::timestamptz as _removed," if stream.marks else ""}
                       md5({content})::uuid as _hash, now() as _loaded
                from (select {columns}, j, n from (select from_json(j, {literal(_structure(stream.columns))}) as r, *
                      from (select unnest(from_json($rows, '["JSON"]')) as j, unnest(range($count)) as n{parent})))
                where {" and ".join(f"{quote(k)} is not null" for k in stream.key)}
                qualify row_number() over (partition by {_names(stream.key)} order by {newest}n desc) = 1""",
            parameters,
        )

    def _merge(self, stream: Stream, read: int) -> Counts:
        names = [c.name for c in stream.columns] + (["raw"] if stream.raw else [])
        names += (["_removed"] if stream.marks else []) + ["_hash", "_loaded"]
        newer, again = "", " or t._removed is not null" if stream.marks else ""
        if stream.version:
            version = quote(stream.version)
            newer = f" and (s.{version} >= t.{version} or s.{version} is null or t.{version} is null)"
        actions = self._db.execute(
            f"""merge into {self._table(stream.table)} t using stage s
                on ({" and ".join(f"t.{quote(k)} = s.{quote(k)}" for k in stream.key)})
                when matched and (t._hash is distinct from s._hash{again}){newer}
                    then update set {", ".join(f"{quote(n)} = s.{quote(n)}" for n in names)}
                when not matched
                    then insert ({_names(names)}) values ({", ".join(f"s.{quote(n)}" for n in names)})
                returning merge_action"""
        ).fetchall()
        if stream.sweep:
            self._db.execute(f"insert into {_met(stream)} select {_names(stream.key)} from stage")
        tally = Counter(action for (action,) in actions)
        new, changed = tally["INSERT"], tally["UPDATE"]
        return Counts(read=read, new=new, changed=changed, unchanged=read - new - changed)

    @_guarded
    def complete(self, stream: Stream, cursor: Cursor) -> int:
        removed = 0
        with self._transaction() as db:
            if stream.sweep:
                table, met, key = self._table(stream.table), _met(stream), _names(stream.key)
                gone = f"({key}) not in (select ({key}) from {met})"
                if stream.marks:
                    remove = f"update {table} set _removed = now() where _removed is null and {gone}"
                else:
                    remove = f"delete from {table} where {gone}"
                row = db.execute(remove).fetchone()
                removed = row[0] if row else 0
                db.execute(f"delete from {met}")
            self._save(stream, cursor)
        return removed

    @_guarded
    def newest(self, stream: Stream, column: str, until: int) -> int | None:
        row = self._db.execute(
            f"""select epoch(max({quote(column)}))::bigint from {self._table(stream.table)}
                where {quote(column)} <= to_timestamp(?)""",
            [until],
        ).fetchone()
        return row[0] if row else None

    @_guarded
    def keys(self, stream: Stream) -> list[str]:
        return [
            key
            for (key,) in self._db.execute(
                f"select {_names(stream.key)} from {self._table(stream.table)}"
                f"{' where _removed is null' if stream.marks else ''} order by 1"
            ).fetchall()
        ]

    @_guarded
    def record_run(self, run: str, report: Mapping[str, Any]) -> None:
        with self._transaction() as db:
            db.execute(f"delete from {self._table('_runs')} where run = ?", [run])
            db.execute(
                f"insert into {self._table('_runs')} values (?, ?, ?, ?::timestamptz, ?::timestamptz, ?, ?)",
                [run, *(report[k] for k in ("pull", "status", "started", "finished", "requests")), json.dumps(report)],
            )


def readable(row: bytes) -> bytes:
    """The same row with what no UTF-8 text can hold replaced by question marks."""
    return json.dumps(json.loads(row), ensure_ascii=False).encode("utf-8", "replace")


def _met(stream: Stream) -> str:
    """The keys that the sweep under way has met."""
    return quote(f"met_{stream.table}")


def _names(names: Sequence[str]) -> str:
    return ", ".join(quote(name) for name in names)


def _structure(columns: Sequence[Column]) -> str:
    """What `from_json` is to take out of a resource. Scalars as text: a surprise becomes text, not an error."""
    tree: dict[str, Any] = {}
    for column in columns:
        node = tree
        for part in column.path[:-1]:
            node = node.setdefault(part, {})
        if column.path:
            node[column.path[-1]] = "JSON" if column.type == "JSON" or column.pointer else "VARCHAR"
    return json.dumps(tree)


def _value(column: Column) -> str:
    """SQL of the column over `r`, the resource taken apart, and `parent`."""
    if not column.path:
        return "parent"
    value = "r" + "".join(f"[{literal(part)}]" for part in column.path)
    if column.pointer:
        value = f"({value}->>{literal(column.pointer)})"
    return value if column.type in ("JSON", "VARCHAR") else f"try_cast({value} as {column.type})"
