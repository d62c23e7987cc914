"""The SQLite store: one connection, written by one thread; a transaction is over before its answer is sent."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

from clavichord.sandbox import cursors, inferred
from clavichord.sandbox.filters import Column, compile_sql, has_part
from clavichord.sandbox.query import Query
from clavichord.spec import Operation

_VERSION = 3
"""of the tables; a file of another version is refused"""

_TABLES = """
CREATE TABLE account (id TEXT PRIMARY KEY, created INTEGER NOT NULL) WITHOUT ROWID;

-- Everything without a table of its own. attributes: the default projection as JSON text, date-times in their read-back
-- form; state: what behaviours keep to themselves. created and updated are seconds.
CREATE TABLE resource (account TEXT NOT NULL, type TEXT NOT NULL, id TEXT NOT NULL, created INTEGER NOT NULL,
  updated INTEGER NOT NULL, attributes TEXT NOT NULL, state TEXT NOT NULL DEFAULT '{}',
  PRIMARY KEY (account, type, id)) WITHOUT ROWID;
CREATE INDEX resource_created ON resource (account, type, created, id);

-- A relationship of one resource to another; at: seconds (joined_group_at of a list's profiles).
CREATE TABLE edge (account TEXT NOT NULL, type TEXT NOT NULL, id TEXT NOT NULL, relationship TEXT NOT NULL,
  target TEXT NOT NULL, at INTEGER NOT NULL,
  PRIMARY KEY (account, type, id, relationship, target)) WITHOUT ROWID;
CREATE INDEX edge_at ON edge (account, type, id, relationship, at, target);
CREATE INDEX edge_target ON edge (account, target, type, relationship);

-- head and tail: the attributes before and after created, updated, last_event_date, as JSON objects, so that an event
-- moves two integers and parses nothing. subscriptions: NULL as long as nobody touched them. suppressed and
-- list_suppressed: when the latest suppression began (microseconds), 0 without one.
CREATE TABLE profile (id TEXT NOT NULL, account TEXT NOT NULL, email TEXT, phone_number TEXT, external_id TEXT,
  anonymous_id TEXT, created INTEGER NOT NULL, updated INTEGER NOT NULL, last_event INTEGER, head BLOB NOT NULL,
  tail BLOB NOT NULL, subscriptions TEXT, suppressed INTEGER NOT NULL DEFAULT 0,
  list_suppressed INTEGER NOT NULL DEFAULT 0);
CREATE UNIQUE INDEX profile_id ON profile (account, id);
CREATE UNIQUE INDEX profile_email ON profile (account, email) WHERE email IS NOT NULL;
CREATE UNIQUE INDEX profile_phone ON profile (account, phone_number) WHERE phone_number IS NOT NULL;
CREATE UNIQUE INDEX profile_external ON profile (account, external_id) WHERE external_id IS NOT NULL;
CREATE UNIQUE INDEX profile_anonymous ON profile (account, anonymous_id) WHERE anonymous_id IS NOT NULL;
CREATE INDEX profile_by_email ON profile (account, ifnull(email, ''), id);
CREATE INDEX profile_created ON profile (account, created, id);
CREATE INDEX profile_updated ON profile (account, updated, id);
CREATE INDEX profile_suppressed ON profile (account, suppressed, id);
CREATE INDEX profile_list_suppressed ON profile (account, list_suppressed, id);

-- Further addresses of a profile (FACTS §6.4).
CREATE TABLE secondary_email (account TEXT NOT NULL, email TEXT NOT NULL, profile TEXT NOT NULL,
  PRIMARY KEY (account, email)) WITHOUT ROWID;
CREATE INDEX secondary_email_profile ON secondary_email (profile);

-- list: '' = the whole channel. at: microseconds. Kept beside `subscriptions` for filters and sorts.
CREATE TABLE suppression (account TEXT NOT NULL, profile TEXT NOT NULL, list TEXT NOT NULL, reason TEXT NOT NULL,
  at INTEGER NOT NULL, PRIMARY KEY (profile, list, reason)) WITHOUT ROWID;

CREATE TABLE event (id TEXT PRIMARY KEY, account TEXT NOT NULL, metric TEXT NOT NULL, profile TEXT NOT NULL,
  at INTEGER NOT NULL, unique_id TEXT NOT NULL, backfill INTEGER NOT NULL, attributes BLOB NOT NULL);
CREATE UNIQUE INDEX event_unique ON event (profile, metric, unique_id);
CREATE INDEX event_at ON event (account, at, id);
CREATE INDEX event_metric ON event (account, metric, at, id);
CREATE INDEX event_profile ON event (account, profile, at, id);

-- Work that was accepted and is not done. due: microseconds; position: how far it got.
CREATE TABLE task (id INTEGER PRIMARY KEY, due INTEGER NOT NULL, account TEXT NOT NULL, kind TEXT NOT NULL,
  job TEXT NOT NULL, position INTEGER NOT NULL DEFAULT 0, payload BLOB NOT NULL);
CREATE INDEX task_due ON task (due, id);

CREATE TABLE import_error (id TEXT PRIMARY KEY, account TEXT NOT NULL, job TEXT NOT NULL, row INTEGER NOT NULL,
  attributes TEXT NOT NULL);
CREATE INDEX import_error_job ON import_error (job, row, id);

-- People who were asked to confirm and have not: double opt-in (FACTS §7.2). at: microseconds.
CREATE TABLE pending (account TEXT NOT NULL, list TEXT NOT NULL, channel TEXT NOT NULL, address TEXT NOT NULL,
  at INTEGER NOT NULL, subscription TEXT NOT NULL, PRIMARY KEY (account, list, channel, address)) WITHOUT ROWID;

-- Messages as they went out, or will at `at` (microseconds). status: queued, sent or skipped (then reason says why);
-- variation: '' as long as the one that wins a test is not known.
CREATE TABLE outbox (id INTEGER PRIMARY KEY, account TEXT NOT NULL, campaign TEXT NOT NULL, message TEXT NOT NULL,
  profile TEXT NOT NULL, channel TEXT NOT NULL, at INTEGER NOT NULL, status TEXT NOT NULL DEFAULT 'queued',
  reason TEXT NOT NULL DEFAULT '', recipient TEXT NOT NULL DEFAULT '', subject TEXT NOT NULL DEFAULT '',
  html TEXT NOT NULL DEFAULT '', text TEXT NOT NULL DEFAULT '', variation TEXT NOT NULL DEFAULT '');
CREATE INDEX outbox_message ON outbox (account, message, status, at, id);
CREATE INDEX outbox_profile ON outbox (profile, channel, at);
"""
# The planner cannot know that an account is nearly the whole table, and would walk it in the order that is asked for
# instead of looking an address up. Rows, then rows with equal first column, first two columns, ….
_STATISTICS = """
ANALYZE;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
  ('profile', 'profile_email', '1000000 1000000 1'), ('profile', 'profile_phone', '1000000 1000000 1'),
  ('profile', 'profile_external', '1000000 1000000 1'), ('profile', 'profile_anonymous', '1000000 1000000 1'),
  ('profile', 'profile_id', '1000000 1000000 1'), ('profile', 'profile_by_email', '1000000 1000000 2 1'),
  ('profile', 'profile_created', '1000000 1000000 10 1'), ('profile', 'profile_updated', '1000000 1000000 10 1'),
  ('profile', 'profile_suppressed', '1000000 1000000 10 1'),
  ('profile', 'profile_list_suppressed', '1000000 1000000 10 1'), ('event', 'event_at', '1000000 1000000 5 1'),
  ('event', 'event_metric', '1000000 1000000 50000 2 1'), ('event', 'event_profile', '1000000 1000000 10 1 1'),
  ('event', 'event_unique', '1000000 10 3 1');
ANALYZE sqlite_master;
"""
_NAMES = ("account", "resource", "edge", "profile", "suppression", "event", "task", "import_error", "pending", "outbox")


class Source(NamedTuple):
    """A collection as SQL: what is selected, from where, and how its fields are filtered and sorted."""

    columns: str
    """the select list; the row's id is its first column"""
    table: str
    where: str
    parameters: Sequence[Any]
    id: str
    """the column that breaks ties, also the first of the select list"""
    sort: str = ""
    """the default order: a column, "" = by id; a leading `-` turns it round"""
    sorts: Mapping[str, str] = {}
    """sort parameter → column"""
    filters: Mapping[str, Column] = {}
    along: Mapping[str, str] = {}
    """filter field → the sort where none is asked for, so that one index serves both"""


class Page(NamedTuple):
    """The rows of a page and the cursors beside it."""

    rows: list[tuple[Any, ...]]
    next: str | None
    prev: str | None


class _Write:
    """One transaction of a file: from BEGIN to COMMIT, or to ROLLBACK when an exception passes. In memory nothing is
    committed, because the last COMMIT is what a restore goes back to: there it is a savepoint."""

    def __init__(self, store: Store, begin: str, keep: str, undo: Sequence[str]) -> None:
        self._store, self._begin, self._keep, self._undo = store, begin, keep, undo
        self.active = False

    def __enter__(self) -> None:
        self._store.execute(self._begin)
        self.active = True

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> None:
        self.active = False
        kept = False
        try:
            if kind is None:
                self._store.execute(self._keep)
                kept = True
        finally:  # also where a full disk refuses the COMMIT
            if not kept:
                for statement in self._undo:
                    self._store.execute(statement)
                self._store.rolled_back()


_JOINED = nullcontext()


class Store:
    """Opens `file` (`:memory:` is not kept) and makes the tables. ValueError for a file that is not a sandbox's."""

    def __init__(self, file: str = ":memory:") -> None:
        # The thread that serves is not the one that opens; only the event loop writes.
        try:
            self._db = sqlite3.connect(
                file, timeout=0.5, isolation_level=None, check_same_thread=False, cached_statements=512
            )
        except sqlite3.DatabaseError as error:
            raise ValueError(f"{file}: cannot be opened: {error}") from error
        self._db.create_function("has_part", 3, has_part, deterministic=True)
        self.execute = self._db.execute
        self.executemany = self._db.executemany
        self._in_memory = file == ":memory:"
        if self._in_memory:
            self._write = _Write(self, "SAVEPOINT write", "RELEASE write", ("ROLLBACK TO write", "RELEASE write"))
        else:
            self._write = _Write(self, "BEGIN IMMEDIATE", "COMMIT", ("ROLLBACK",))
        self._base: sqlite3.Connection | None = None
        """the copy that holds what was committed last, in memory"""
        self.rolled_back: Callable[[], None] = lambda: None
        """called after a transaction was undone: caches beside the store may hold what is no longer there"""
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise ValueError(f"{file}: cannot be opened as a sandbox database: {error}") from error

    def _open(self) -> None:
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")  # two sandboxes on one file would not see each other's ids
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")  # in WAL mode this outlives kill -9
        self._db.execute("PRAGMA temp_store = MEMORY")
        self._db.execute("PRAGMA secure_delete = OFF")  # Debian's default overwrites what is deleted with zeros
        found = self._db.execute("PRAGMA user_version").fetchone()[0]
        if found == _VERSION:
            return
        if found or self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise sqlite3.DatabaseError(
                f"its tables have version {found}, this sandbox has {_VERSION} and cannot translate them; give another"
                " file, or open it with the version of clavichord that wrote it"
            )
        self._db.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {_VERSION}; COMMIT; {_STATISTICS}")
        if self._in_memory:
            self.execute("BEGIN IMMEDIATE")

    def write(self, *, sure: bool = False) -> AbstractContextManager[None]:
        """What is written together, or not at all; nested calls belong to the outer one. `sure`: nothing in it can
        fail, so in memory there is no need to be able to undo it."""
        return _JOINED if self._write.active or (sure and self._in_memory) else self._write

    def one(self, sql: str, *parameters: Any) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._db.execute(sql, parameters).fetchone()
        return row

    @property
    def changes(self) -> int:
        """Rows written since the store was opened: as long as it stays, nothing can be found that was not there."""
        return self._db.total_changes

    def counts(self) -> dict[str, int]:
        """Rows by table."""
        return {name: self._db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in _NAMES}

    def clear(self) -> None:
        """Deletes every row."""
        with self.write():
            for name in _NAMES:
                self._db.execute(f"DELETE FROM {name}")

    def save(self) -> sqlite3.Connection:
        """A copy of everything, in memory, for `restore`; the caller closes it."""
        copy = sqlite3.connect(":memory:", check_same_thread=False)
        if self._in_memory:
            self.execute("COMMIT")
        self._db.backup(copy)
        if self._in_memory:
            self.execute("BEGIN IMMEDIATE")
            self._base = copy
        return copy

    def restore(self, saved: sqlite3.Connection) -> None:
        """Puts a copy in the place of everything. In memory, and if it is the one that was saved or restored last, it
        takes as long as what happened since is big; otherwise as long as the copy is big."""
        if self._in_memory:
            self.execute("ROLLBACK")
        if saved is not self._base:
            saved.backup(self._db)
        if self._in_memory:
            self.execute("BEGIN IMMEDIATE")
            self._base = saved

    def close(self) -> None:
        self._db.close()

    def page(self, source: Source, operation: Operation, query: Query) -> Page:
        """One page by keyset: the rows after (or before) a position in the order (sort column, id)."""
        along = next((source.along[one.field] for one in query.conditions if one.field in source.along), "")
        sort = source.sorts[query.sort or along] if query.sort or along else source.sort.removeprefix("-")
        descending = query.descending if query.sort else source.sort.startswith("-")
        key = sort or source.id
        clauses, parameters = compile_sql(query.conditions, operation.filters, source.filters)
        position, mark = query.cursor, query.mark(operation)
        if position is not None and position.mark != mark:
            raise cursors.bad_cursor(inferred.CURSOR_ELSEWHERE)
        forward = position is None or position.forward
        ascending = forward is not descending
        if position is not None:
            beyond = ">" if ascending else "<"
            if key == source.id:
                clauses.append(f"{key} {beyond} ?")
                parameters.append(position.id)
            else:
                clauses.append(f"({key}, {source.id}) {beyond} (?, ?)")
                parameters += [position.value, position.id]
        where = " AND ".join([source.where, *clauses])
        order = ", ".join(f"{column} {'ASC' if ascending else 'DESC'}" for column in dict.fromkeys((key, source.id)))
        sql = f"SELECT {source.columns}, {key} FROM {source.table} WHERE {where} ORDER BY {order} LIMIT ?"
        rows = self._db.execute(sql, (*source.parameters, *parameters, query.size + 1)).fetchall()
        more = len(rows) > query.size
        del rows[query.size :]
        if not forward:
            rows.reverse()
        if not rows:
            return Page(rows, None, None)
        after = _cursor(rows[-1], True, mark) if more or not forward else None
        before = _cursor(rows[0], False, mark) if (position is not None if forward else more) else None
        return Page(rows, after, before)


def _cursor(row: tuple[Any, ...], forward: bool, mark: int) -> str:
    return cursors.encode(cursors.Position(row[-1], row[0], forward, mark))
