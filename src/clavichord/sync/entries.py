"""The entries of a plan together: what only all of them show, their sending order, and the requests that they make."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb

from clavichord.spec import load
from clavichord.sync.definition import SyncDefinition
from clavichord.sync.destination import Entry
from clavichord.sync.destinations import destination_of
from clavichord.sync.diff import PREFIX
from clavichord.sync.expression import literal, quoted
from clavichord.sync.ledger import Batch, Finding
from clavichord.sync.mistakes import dotted
from clavichord.sync.routes import ROUTES

SMALL = 10
"""a group of so few entries takes the route for few, where there is one: the answer is synchronous"""
ROW_GROUP = 20_480
_COLUMNS = {
    "row": "BIGINT", "key": "VARCHAR", "part": "VARCHAR", "digest": "VARCHAR", "content": "VARCHAR",
    "stage": "INTEGER", "route": "VARCHAR", "grp": "VARCHAR", "payload": "VARCHAR", "identity": "VARCHAR",
    "moment": "BIGINT", "unique_id": "VARCHAR", "also": "MAP(VARCHAR, VARCHAR)",
}  # fmt: skip


def line(row: int, key: str, digests: Mapping[str, str | None], content: str | None, entry: Entry) -> dict[str, Any]:
    """An entry as it is collected while the plan is made."""
    return {
        "row": row,
        "key": key,
        "part": entry.part,
        "digest": digests[entry.part] if entry.digest == "" else entry.digest,
        "content": content,
        "stage": ROUTES[entry.route].stage,
        "route": entry.route,
        "grp": json.dumps(entry.group),
        "payload": entry.payload,
        "identity": entry.identity,
        "moment": entry.moment,
        "unique_id": entry.unique_id,
        "also": {part: digests[part] for part in entry.also},
    }


def write(con: duckdb.DuckDBPyConnection, definition: SyncDefinition, lines: Path, folder: Path) -> list[Finding]:
    """Sorts the collected entries into sending order and writes plan.parquet. Returns those that are left out."""
    columns = ", ".join(f"{name}: '{kind}'" for name, kind in _COLUMNS.items())
    con.execute(
        f"create or replace view entries as select * from read_json({literal(str(lines))}, "
        f"format='newline_delimited', columns={{{columns}}}, maximum_object_size=40000000)"
    )
    con.execute("create or replace table left_out(row bigint, part varchar)")
    findings = [*_one_event_twice(con), *_too_many_removals(con, definition)]
    con.execute(
        f"copy (select row_number() over () - 1 as n, * from (select * from entries "
        "where (row, part) not in (select (row, part) from left_out) "
        f"order by stage, route, grp, moment, row)) to {literal(str(folder / 'plan.parquet'))} "
        f"(format parquet, compression zstd, row_group_size {ROW_GROUP})"
    )
    return findings


def _one_event_twice(con: duckdb.DuckDBPyConnection) -> Iterator[Finding]:
    """Entries that share what makes Klaviyo take them for one (FACTS §8.1)."""
    taken = con.execute(
        "select row, part, key, digest, unique_id from entries where unique_id is not null "
        "qualify count(*) over (partition by grp, identity, unique_id) > 1 order by row"
    ).fetchall()
    message = "another row has the same unique_id"
    for row, part, key, digest, unique_id in taken:
        con.execute("insert into left_out values (?, ?)", [row, part])
        yield Finding(row, None, key, digest, "quarantined", "event.unique_id_taken", "unique_id", unique_id, message)


def _too_many_removals(con: duckdb.DuckDBPyConnection, definition: SyncDefinition) -> Iterator[Finding]:
    """Removals beyond their bound: none of them is sent, everything else is."""
    for bound in destination_of(definition).removal_bounds(definition):
        column = quoted(PREFIX + bound.part)
        total = con.execute(f"select count({column}) from snapshot").fetchone()
        chosen = f"part = {literal(bound.part)} and digest is null"
        count = con.execute(f"select count(*) from entries where {chosen}").fetchone()
        assert total is not None
        assert count is not None
        if not bound.exceeded(count[0], total[0]):
            continue
        con.execute(f"insert into left_out select row, part from entries where {chosen}")
        message = f"{count[0]:,} of {total[0]:,} would be removed, allowed are {bound}"
        rows = con.execute(f"select row, key, identity from entries where {chosen} order by row desc").fetchall()
        for row, key, identity in rows:
            value = identity.partition(":")[2]
            yield Finding(row, None, key, None, "held", "limit.removals", dotted(bound.path), value, message)


def cut(con: duckdb.DuckDBPyConnection, folder: Path, most: int | None) -> Iterator[Batch]:
    """Cuts the plan into requests: by what its entries share, by count (`most` at the most) and by bytes."""
    path = literal(str(folder / "plan.parquet"))
    counts = {
        (route, grp): count
        for route, grp, count in con.execute(
            f"select route, grp, count(*) from read_parquet({path}) group by 1, 2"
        ).fetchall()
    }
    cursor = con.execute(f"select n, route, grp, strlen(payload) from read_parquet({path}) order by n")
    lo = at = size = 0
    route, current = ROUTES["profiles.import"], ("", "")
    while rows := cursor.fetchmany(20_000):
        for n, name, grp, length in rows:
            if (
                (name, grp) != current
                or n - lo >= min(route.items, most or route.items)
                or size + length + 1 > route.room
            ):
                if n > lo:
                    yield Batch(lo, n, route.name, current[1])
                if (name, grp) != current:
                    current = (name, grp)
                    route = ROUTES[name]
                    if counts[current] <= SMALL and (few := route.few(json.loads(grp))):
                        route = ROUTES[few]
                lo, size = n, 0
            size += length + 1
            at = n + 1
    if at > lo:
        yield Batch(lo, at, route.name, current[1])


def cost(batches: Iterable[Batch]) -> tuple[dict[str, int], float]:
    """Requests by operation, and the minutes that they take of the account's budget."""
    sizes: dict[str, list[int]] = {}
    for batch in batches:
        sizes.setdefault(batch.route, []).append(batch.hi - batch.lo)
    requests: dict[str, int] = {}
    for route, entries in sizes.items():
        for operation, count in ROUTES[route].requests(len(entries), sum(entries)).items():
            requests[operation] = requests.get(operation, 0) + count
    operations = load().operations
    minutes = max((count / operations[name].limit.steady for name, count in requests.items()), default=0.0)
    return requests, round(minutes, 3)
