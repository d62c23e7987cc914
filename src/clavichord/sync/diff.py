"""What has changed since the last confirmed delivery: stays in SQL, only the changed rows reach Python."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import duckdb

from clavichord.sync.csv_rows import ROW
from clavichord.sync.definition import EventSync, SyncDefinition
from clavichord.sync.expression import literal, quoted
from clavichord.sync.ledger import Finding
from clavichord.sync.mapping import RowMapping, slot_sql

DETAILED = 100
"""failing rows whose exact message is looked up"""


class Counts(NamedTuple):
    """Rows of the source against the snapshot."""

    new: int
    changed: int
    unchanged: int
    gone: int
    """keys that were delivered once and are no longer in the source"""
    moved_on: int
    """events whose row changed after Klaviyo recorded them (part of `unchanged`)"""


class DeltaRow(NamedTuple):
    row: int
    key: str
    hash: str
    hash2: str | None
    status: str
    """new | changed"""
    record_due: bool
    consent_due: bool
    old: bool
    values: tuple[Any, ...]


def open_snapshot(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Makes the relation `snapshot` (key, hash, hash2), empty when nothing was delivered yet."""
    if path.exists():
        con.execute(
            f"create or replace view snapshot as select key, hash, hash2 from read_parquet({literal(str(path))})"
        )
    else:
        con.execute(
            "create or replace view snapshot as "
            "select null::varchar as key, null::uuid as hash, null::uuid as hash2 where false"
        )


def quarantine(
    con: duckdb.DuckDBPyConnection, definition: SyncDefinition, mapping: RowMapping, casts: list[tuple[str, str]]
) -> list[Finding]:
    """Creates `current` (the sound rows: row, key, hashes) and returns why the others are not in it."""
    con.execute(f"create or replace view mapped as {mapping.sql}")
    identities = [] if isinstance(definition, EventSync) else _identities(mapping)
    columns = "".join(f", {sql} as {name}" for name, sql in identities)
    con.execute(
        f"create or replace table everything as "
        f"select {ROW} as row, __key as key, __bad as bad, hash, hash2{columns} from mapped"
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
    for name, _ in identities:
        out(
            "identifier.duplicate",
            f"map.{name}",
            f"select e.row, e.key, e.{name} as value, 'the row with key ' || d.first || ' has it too' as message "
            f"from everything e join (select {name}, min(key) as first from everything where {name} is not null "
            f"and {left} group by {name} having count(*) > 1) d using ({name}) where e.key <> d.first",
        )
    con.execute(f"create or replace view current as select * from everything where {left}")
    return findings


def _identities(mapping: RowMapping) -> list[tuple[str, str]]:
    """Identifiers that only one profile may hold, unless they are the key anyway. Compared before they are normalised:
    trimmed and in lower case, which is what email() does."""
    key = mapping.slots[0]
    found = []
    for name in ("email", "external_id"):
        slot = mapping.one("attribute", name)
        if slot is not None and slot.parsed.arguments != key.parsed.arguments:
            column = slot.columns[0]
            found.append((name, f"nullif(lower(trim(cast({column} as varchar))), '')"))
    return found


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


def compare(con: duckdb.DuckDBPyConnection, definition: SyncDefinition) -> Counts:
    """Creates `due` (row, status, record_due, consent_due): what the snapshot does not hold as it is now."""
    events = isinstance(definition, EventSync)
    due = "s.key is null or s.hash is distinct from c.hash"
    consent_due = "false" if events else "c.hash2 is not null and c.hash2 is distinct from s.hash2"
    con.execute(
        f"""create or replace table due as
            select c.row, s.key is not null as old, ({due}) as record_due, ({consent_due}) as consent_due
            from current c left join snapshot s on s.key = c.key where ({due}) or ({consent_due})"""
    )
    moved = "count(*) filter (where s.hash = c.hash and s.hash2 is distinct from c.hash2)" if events else "0"
    row = con.execute(
        f"""select count(*) filter (where s.key is null),
                count(*) filter (where s.key is not null and (({due}) or ({consent_due}))), count(*), {moved}
            from current c left join snapshot s on s.key = c.key"""
    ).fetchone()
    gone = con.execute("select count(*) from snapshot s anti join everything e on e.key = s.key").fetchone()
    assert row is not None
    assert gone is not None
    return Counts(row[0], row[1], row[2] - row[0] - row[1], gone[0], row[3])


def delta(con: duckdb.DuckDBPyConnection, mapping: RowMapping) -> Iterator[DeltaRow]:
    """The due rows with the values of their slots, in the order of the source."""
    slots = ", ".join(f"m.{column}" for slot in mapping.slots for column in slot.columns)
    # Evaluated here: a cursor is a session of its own, with another time zone.
    con.execute(
        "create or replace table delta as "
        f"select m.{ROW} as row, m.__key, m.hash::varchar, m.hash2::varchar, d.old, d.record_due, d.consent_due, "
        f"{slots} from mapped m join due d on d.row = m.{ROW}"
    )
    cursor = con.cursor()
    cursor.execute("select * from delta order by row")
    while rows := cursor.fetchmany(5_000):
        for r in rows:
            yield DeltaRow(r[0], r[1], r[2], r[3], "changed" if r[4] else "new", r[5], r[6], r[4], r[7:])


def advance(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Writes the snapshot anew with what `delivered` (key, hash, hash2; null = that part was not delivered) holds."""
    if con.execute("select 1 from delivered limit 1").fetchone() is None:
        return
    open_snapshot(con, path)
    fresh = path.with_suffix(".new")
    con.execute(
        f"""copy (
                select coalesce(d.key, s.key) as key, coalesce(d.hash, s.hash) as hash,
                    coalesce(d.hash2, s.hash2) as hash2
                from snapshot s full outer join delivered d on d.key = s.key
            ) to {literal(str(fresh))} (format parquet, compression zstd)"""
    )
    fresh.replace(path)
