"""What has changed since the last confirmed delivery: stays in SQL, only the changed rows reach Python.

The snapshot is a Parquet file: a row a key, with a column for each part that was ever delivered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb

from clavichord.sync.csv_rows import ROW
from clavichord.sync.definition import SyncDefinition
from clavichord.sync.destination import Due, Gone, Part
from clavichord.sync.destinations import destination_of
from clavichord.sync.expression import literal, quoted
from clavichord.sync.ledger import Finding
from clavichord.sync.mapping import RowMapping, slot_sql

DETAILED = 100
"""failing rows whose exact message is looked up"""
PREFIX = "part:"
"""of the snapshot's columns that hold a part's digest"""


class Counts(NamedTuple):
    """Rows of the source against the snapshot."""

    new: int
    changed: int
    unchanged: int
    gone: int
    """keys that were delivered once and are no longer in the source"""
    moved_on: int
    """rows that changed in what is never sent again, as events do not change (part of `unchanged`)"""


def open_snapshot(con: duckdb.DuckDBPyConnection, path: Path, parts: Sequence[str]) -> list[str]:
    """Makes the relation `snapshot` (key, identity, content, and a digest for each of `parts`), empty when nothing was
    delivered yet. Returns the names of all parts that it holds."""
    held: list[str] = []
    source = "(select null::varchar as key, null::varchar as identity, null::uuid as content where false)"
    if path.exists():
        source = f"read_parquet({literal(str(path))})"
        columns = [row[0] for row in con.execute(f"describe select * from {source}").fetchall()]
        held = [name.removeprefix(PREFIX) for name in columns if name.startswith(PREFIX)]
    missing = "".join(f", null::uuid as {quoted(PREFIX + part)}" for part in dict.fromkeys(parts) if part not in held)
    con.execute(f"create or replace view snapshot as select *{missing} from {source}")
    return held


def quarantine(
    con: duckdb.DuckDBPyConnection, definition: SyncDefinition, mapping: RowMapping, casts: list[tuple[str, str]]
) -> list[Finding]:
    """Creates `current` (the sound rows: row, key, hashes) and returns why the others are not in it."""
    con.execute(f"create or replace view mapped as {mapping.sql}")
    unique = list(destination_of(definition).unique(definition, mapping.slots))
    digests = "".join(f", d{i}" for i in range(len(mapping.parts)))
    columns = "".join(f", {sql} as u{i}" for i, (_, sql) in enumerate(unique))
    con.execute(
        f"create or replace table everything as "
        f"select {ROW} as row, __key as key, __bad as bad, content{digests}{columns} from mapped"
    )
    con.execute("create or replace table out_rows as select row from everything where bad is not null")
    bad = con.execute("select row, key, bad from everything where bad is not null order by row").fetchall()
    findings = list(_failed_expressions(con, definition, mapping, bad))

    def out(code: str, field: str, sql: str) -> None:
        """Takes the rows that `sql` selects (row, key, value, message) out; a row is out for one reason only."""
        con.execute(
            f"create or replace table found as select * from ({sql}) where row not in (select row from out_rows)"
        )
        con.execute("insert into out_rows select row from found")
        for row, key, value, message in con.execute(
            "select row, key, value, message from found order by row"
        ).fetchall():
            findings.append(Finding(row, None, key, None, "quarantined", code, field, str(value or ""), message))

    out(
        "expression.failed",
        "from.where",
        f"select {ROW} as row, null as key, null as value, 'the condition fails on this row' as message "
        "from kept where keep is null",
    )
    for column, kind in casts:
        name = quoted(column)
        out(
            "type.invalid",
            f"from.types.{column}",
            f"select r.{ROW} as row, e.key, r.{name}::varchar as value, {literal(f'not {kind}')} as message "
            f"from raw_source r join everything e on e.row = r.{ROW} "
            f"where r.{name} is not null and try_cast(r.{name} as {kind}) is null",
        )
    out(
        "key.missing",
        "from.key",
        "select row, key, null as value, 'the key is empty' as message from everything "
        "where trim(coalesce(key, '')) = ''",
    )
    left = "row not in (select row from out_rows)"
    out(
        "key.duplicate",
        "from.key",
        "select e.row, e.key, e.key as value, 'the same key stands in row ' || (d.rows::varchar) as message "
        "from everything e join (select key, (list_sort(list(row)))[:5] as rows from everything "
        f"where {left} group by key having count(*) > 1) d using (key)",
    )
    for i, (slot, _) in enumerate(unique):
        out(
            "identifier.duplicate",
            slot.field,
            f"select e.row, e.key, e.u{i} as value, 'the row with key ' || d.first || ' has it too' as message "
            f"from everything e join (select u{i}, min(key) as first from everything where u{i} is not null "
            f"and {left} group by u{i} having count(*) > 1) d using (u{i}) where e.key <> d.first",
        )
    con.execute(f"create or replace view current as select * from everything where {left}")
    return findings


def _failed_expressions(
    con: duckdb.DuckDBPyConnection,
    definition: SyncDefinition,
    mapping: RowMapping,
    bad: list[tuple[int, str | None, int]],
) -> Iterator[Finding]:
    for i, (row, key, number) in enumerate(bad):
        slot = mapping.slots[number]
        message = "the expression fails on this row"
        if i < DETAILED:
            try:
                con.execute(
                    f"select {', '.join(slot_sql(slot, definition))} from source where {ROW} = {row}"
                ).fetchall()
            except duckdb.Error as error:
                message = str(error).partition("\n")[0].partition("Error: ")[2] or message
        yield Finding(row, None, key, None, "quarantined", "expression.failed", slot.field, "", message)


def compare(con: duckdb.DuckDBPyConnection, parts: Sequence[Part]) -> Counts:
    """Creates `due` (row, old, and p0 … : is that part due?): what the snapshot does not hold as it is now."""
    conditions = []
    for i, part in enumerate(parts):
        differs = f"c.d{i} is distinct from s.{quoted(PREFIX + part.name)}"
        conditions.append(f"({differs})" if part.absent else f"(c.d{i} is not null and {differs})")
    anything = " or ".join(conditions)
    # A row that was never delivered is new, also when there is nothing to send for it.
    con.execute(
        f"create or replace table due as select c.row, s.key is not null as old, "
        f"{', '.join(f'{condition} as p{i}' for i, condition in enumerate(conditions))} "
        f"from current c left join snapshot s on s.key = c.key where {anything}"
    )
    row = con.execute(
        f"""select count(*) filter (where s.key is null and ({anything})),
                count(*) filter (where s.key is not null and ({anything})), count(*),
                count(*) filter (where s.key is not null and not ({anything}) and s.content is distinct from c.content)
            from current c left join snapshot s on s.key = c.key"""
    ).fetchone()
    gone = con.execute("select count(*) from snapshot s anti join everything e on e.key = s.key").fetchone()
    assert row is not None
    assert gone is not None
    return Counts(row[0], row[1], row[2] - row[0] - row[1], gone[0], row[3])


def delta(con: duckdb.DuckDBPyConnection, mapping: RowMapping) -> Iterator[Due]:
    """The due rows with the values of their slots, in the order of the source."""
    count = len(mapping.parts)
    names = [part.name for part in mapping.parts]
    digests = ", ".join(f"m.d{i}::varchar, d.p{i}" for i in range(count))
    slots = ", ".join(f"m.{column}" for slot in mapping.slots for column in slot.columns)
    # Evaluated here: a cursor is a session of its own, with another time zone.
    con.execute(
        "create or replace table delta as "
        f"select m.{ROW} as row, m.__key, d.old, m.content::varchar, {digests}, {slots} "
        f"from mapped m join due d on d.row = m.{ROW}"
    )
    cursor = con.cursor()
    cursor.execute("select * from delta order by row")
    while rows := cursor.fetchmany(5_000):
        for r in rows:
            pairs = zip(names, r[4 : 4 + 2 * count : 2], r[5 : 5 + 2 * count : 2], strict=True)
            yield Due(r[0], r[1], r[2], {name: d for name, d, due in pairs if due}, r[3], r[4 + 2 * count :])


def gone(con: duckdb.DuckDBPyConnection, held: Sequence[str]) -> Iterator[Gone]:
    """What was delivered and is no longer in the source, by key."""
    digests = "".join(f", s.{quoted(PREFIX + part)} is not null" for part in held)
    cursor = con.cursor()
    cursor.execute(
        f"select s.key, s.identity{digests} from snapshot s anti join everything e on e.key = s.key order by s.key"
    )
    while rows := cursor.fetchmany(5_000):
        for key, identity, *there in rows:
            yield Gone(key, identity or "", tuple(part for part, is_there in zip(held, there, strict=True) if is_there))


def advance(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Writes the snapshot anew with what `delivered` (key, part, n, identity, digest, content) holds: a part each, its
    digest null when it was removed. A key of which no part is left is forgotten."""
    parts = [row[0] for row in con.execute("select distinct part from delivered order by part").fetchall()]
    if not parts:
        return
    held = open_snapshot(con, path, parts)
    pivot = ", ".join(
        f"bool_or(part = {literal(part)}) as t{i}, any_value(digest) filter (part = {literal(part)}) as d{i}"
        for i, part in enumerate(parts)
    )
    columns = {part: f"s.{quoted(PREFIX + part)}" for part in held}
    columns |= {
        part: f"case when d.t{i} then d.d{i} else s.{quoted(PREFIX + part)} end" for i, part in enumerate(parts)
    }
    left = f"coalesce({', '.join(columns.values())}) is not null"
    fresh = path.with_suffix(".new")
    con.execute(
        f"""copy (
                select coalesce(d.key, s.key) as key, coalesce(d.identity, s.identity) as identity,
                    coalesce(d.content, s.content) as content,
                    {", ".join(f"{sql} as {quoted(PREFIX + part)}" for part, sql in columns.items())}
                from snapshot s full outer join (
                    select key, arg_min(identity, n) as identity, any_value(content) as content, {pivot}
                    from delivered group by key
                ) d on d.key = s.key where {left}
            ) to {literal(str(fresh))} (format parquet, compression zstd)"""
    )
    fresh.replace(path)
