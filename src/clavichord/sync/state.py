"""The state folder: one SQLite database for runs, ledger and leases, Parquet files for plans and snapshots."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from clavichord.sync import consents, dead_letters
from clavichord.sync.consents import ConsentLedger
from clavichord.sync.dead_letters import DeadLetters
from clavichord.sync.mistakes import LeaseHeld, StateError

VERSION = 2
LEASE_SECONDS = 120
"""a lease of another machine that was not renewed for so long is stale"""

_SCHEMA = """
create table if not exists accounts(name text primary key, account_id text not null);
create table if not exists leases(account text primary key, holder text not null, host text not null,
    pid integer not null, born text not null, renewed real not null);
create table if not exists runs(id text primary key, kind text not null, sync text not null, account text not null,
    state text not null, started text not null, finished text, header text not null, report text);
create index if not exists runs_by_sync on runs(sync, id);
create table if not exists batches(run text not null, lo integer not null, hi integer not null, route text not null,
    grp text not null, state text not null, job_id text, request_id text, attempts integer not null default 0,
    note text, primary key(run, lo)) without rowid;
create table if not exists exceptions(run text not null, row integer not null, n integer, key text, hash text,
    class text not null, code text not null, field text not null, value text not null, message text not null,
    pointer text not null);
create index if not exists exceptions_by_run on exceptions(run, n);
"""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class StateFolder:
    """`.clavichord/`: created when missing. Raises StateError for a folder that a newer version wrote."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            ignore = path / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n")
            # 0600: it holds addresses.
            file = path / "state.db"
            file.touch(mode=0o600, exist_ok=True)
            self.db = sqlite3.connect(file, isolation_level=None, timeout=30, check_same_thread=False)
            self.db.row_factory = sqlite3.Row
            self.db.execute("pragma journal_mode=wal")
            self.db.execute("pragma synchronous=full")
            version = self.db.execute("pragma user_version").fetchone()[0]
        except (OSError, sqlite3.Error) as error:
            raise StateError(
                f"the state folder {path} cannot be used: {error}", "check that it is a folder you may write to"
            ) from None
        if version > VERSION:
            self.db.close()
            raise StateError(f"{path} was written by a newer clavichord (format {version})", "update clavichord")
        if 0 < version < VERSION:
            self.db.close()
            raise StateError(
                f"{path} was written before version 0.1 (format {version})",
                "remove the folder: the next run compares with nothing and sends everything once more",
            )
        self.db.executescript(
            f"begin; {_SCHEMA} {consents.SCHEMA} {dead_letters.SCHEMA} pragma user_version={VERSION}; commit;"
        )
        self.runs = Runs(self.db)
        self.consents = ConsentLedger(self.db)
        self.dead_letters = DeadLetters(self.db)

    def close(self) -> None:
        self.db.close()

    def __enter__(self) -> StateFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def folder(self, *parts: str) -> Path:
        """A folder below the state folder, created."""
        path = self.path.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def bind_account(self, name: str, account_id: str) -> None:
        """Ties a project's account name to the Klaviyo account it answers as. StateError when it answers as another:
        snapshots of one account say nothing about another."""
        row = self.db.execute("select account_id from accounts where name = ?", [name]).fetchone()
        if row is None:
            self.db.execute("insert into accounts values (?, ?)", [name, account_id])
        elif row["account_id"] != account_id:
            raise StateError(
                f'account "{name}" answers as {account_id}, but {self.path.name} is the state of {row["account_id"]}',
                "use another account name or another state folder for the other account",
            )

    @contextmanager
    def lease(self, account: str) -> Iterator[None]:
        """One live worker an account. LeaseHeld if another works on it; the lease of a dead one is taken over."""
        holder = uuid.uuid4().hex
        host, pid, born = socket.gethostname(), os.getpid(), _born(os.getpid())
        self.db.execute("begin immediate")
        try:
            row = self.db.execute("select * from leases where account = ?", [account]).fetchone()
            if row is not None and _alive(row, host):
                raise LeaseHeld(
                    f'process {row["pid"]} on {row["host"]} is working on account "{account}"',
                    "wait for it, or stop it",
                )
            self.db.execute(
                "insert or replace into leases values (?, ?, ?, ?, ?, ?)",
                [account, holder, host, pid, born, datetime.now(UTC).timestamp()],
            )
        finally:
            self.db.execute("commit")
        try:
            yield
        finally:
            self.db.execute("delete from leases where account = ? and holder = ?", [account, holder])

    def renew(self, account: str) -> None:
        """Says that this process still works on `account`."""
        self.db.execute(
            "update leases set renewed = ? where account = ? and pid = ?",
            [datetime.now(UTC).timestamp(), account, os.getpid()],
        )


def _born(pid: int) -> str:
    """When the process began, so that a recycled pid is not taken for it; "" where /proc does not say."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _alive(row: sqlite3.Row, host: str) -> bool:
    if row["host"] != host:
        return datetime.now(UTC).timestamp() - float(row["renewed"]) < LEASE_SECONDS
    try:
        os.kill(row["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return _born(row["pid"]) == str(row["born"])


class Runs:
    """The register of runs, of push and pull alike. States: `planned running stopped finished failed`."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db

    def start(self, kind: str, sync: str, account: str, header: Mapping[str, Any]) -> str:
        """Registers a run and returns its id, which sorts by time."""
        run = f"{datetime.now(UTC):%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:6]}"
        self.db.execute(
            "insert into runs values (?, ?, ?, ?, 'running', ?, null, ?, null)",
            [run, kind, sync, account, _now(), json.dumps(header)],
        )
        return run

    def finish(self, run: str, state: str, report: Mapping[str, Any] | None) -> None:
        """Closes a run."""
        text = json.dumps(report) if report is not None else None
        self.db.execute("update runs set state = ?, finished = ?, report = ? where id = ?", [state, _now(), text, run])

    def last(self, sync: str, state: str | None = None) -> sqlite3.Row | None:
        """The newest run of `sync`, of any state or of `state`."""
        row: sqlite3.Row | None = self.db.execute(
            "select * from runs where sync = ? and (? is null or state = ?) order by id desc limit 1",
            [sync, state, state],
        ).fetchone()
        return row

    def open(self, sync: str) -> list[sqlite3.Row]:
        """Runs that began to send and have not finished, oldest first."""
        return self.db.execute(
            "select * from runs where sync = ? and kind = 'push' and state in ('running', 'stopped', 'waiting') "
            "order by id",
            [sync],
        ).fetchall()

    def prune(self, sync: str, keep: int) -> None:
        """Forgets batches and exceptions (they hold personal data) of all but the newest `keep` runs of `sync`, and of
        those that are not finished; the reports stay."""
        old = (
            "select id from runs where sync = ?1 and state in ('finished', 'failed') "
            "and id not in (select id from runs where sync = ?1 order by id desc limit ?2)"
        )
        for table in ("batches", "exceptions"):
            self.db.execute(f"delete from {table} where run in ({old})", [sync, keep])

    def list(self, limit: int = 20) -> list[sqlite3.Row]:
        """The newest runs first."""
        return self.db.execute("select * from runs order by id desc limit ?", [limit]).fetchall()
