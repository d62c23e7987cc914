"""Compiles a sync file's expressions into one SELECT over the source: a slot each, and a digest of each part."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import duckdb

from clavichord.sync.csv_rows import ROW
from clavichord.sync.definition import SyncDefinition
from clavichord.sync.destination import Field, Part, Slot, Slots
from clavichord.sync.destinations import destination_of
from clavichord.sync.expression import BadExpression, bind, literal, parse, quoted
from clavichord.sync.mistakes import InvalidDefinition, Mistake, nearest

CURRENCY_LENGTH = 3
_ZONED_TEXT = r"\d:\d\d.*([zZ]|[+-]\d\d(:?\d\d)?)\s*$"
_LOCAL_TIMES = ("TIMESTAMP", "DATE", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS")


class RowMapping(NamedTuple):
    """What a row becomes. `sql` selects `__row, __key, __bad, content, d0 …` (a digest a part) and `s0 …` (the slots)
    from the relation `source`."""

    slots: Slots
    parts: tuple[Part, ...]
    sql: str


def fields(definition: SyncDefinition) -> list[Field]:
    """Every expression of the file."""
    key = Field("key", "", ("from", "key"), definition.source.key, "text")
    return [key, *destination_of(definition).fields(definition)]


def fingerprint(definition: SyncDefinition) -> str:
    """Of what decides the payloads: a change of it makes every row a changed row."""
    data = definition.model_dump(mode="json", include=set(destination_of(definition).decisive))
    return hashlib.blake2b(json.dumps(data, sort_keys=True).encode(), digest_size=16).hexdigest()


def compile_mapping(con: duckdb.DuckDBPyConnection, definition: SyncDefinition, columns: list[str]) -> RowMapping:
    """Checks every expression over the relation `source` and compiles them. InvalidDefinition lists all mistakes."""
    destination = destination_of(definition)
    mistakes = list(destination.mistakes(definition))
    compiled: list[Slot] = []
    width = 0
    for field in fields(definition):
        sql = field.sql
        if field.kind == "currency" and len(sql) == CURRENCY_LENGTH and sql.isupper() and sql not in columns:
            sql = literal(sql)
        try:
            parsed = parse(con, sql, columns)
            if parsed.normaliser and not field.normalised:
                raise BadExpression(f"{parsed.normaliser}() cannot stand here", "lower(trim(x)) in SQL")
            types = bind(con, parsed, "source")
            _check_type(field, types[0], definition)
        except BadExpression as error:
            mistakes.append(_mistake(definition, field, error))
            continue
        compiled.append(Slot(field.role, field.name, field.path, field.kind, parsed, types, width))
        width += len(parsed.arguments)
    if mistakes:
        raise InvalidDefinition(mistakes)
    slots = Slots(compiled)
    parts = tuple(destination.parts(definition, slots, fingerprint(definition)))
    return RowMapping(slots, parts, _select(slots, parts, destination.content(definition, slots), definition))


def _mistake(definition: SyncDefinition, field: Field, error: BadExpression) -> Mistake:
    sql = field.sql
    shown = sql if len(sql) <= 60 else sql[max(0, error.offset - 30) : error.offset + 30]
    at = f" (at character {error.offset + 1})" if error.offset else ""
    return definition.place.mistake(field.path, f"{error.what} in `{shown}`{at}", error.fix)


def _check_type(field: Field, kind: str, definition: SyncDefinition) -> None:
    if field.kind == "instant":
        if kind in _LOCAL_TIMES and definition.zone is None:
            raise BadExpression(
                "the time has no zone", "add `zone: Europe/Paris` (the shop's) to the file, or cast to timestamptz"
            )
        if not kind.startswith(("TIMESTAMP", "DATE", "VARCHAR")):
            raise BadExpression(
                f"a time is needed, this is {kind}", "to_timestamp(seconds), strptime(text, '%d/%m/%Y')"
            )
    if field.kind == "number" and kind.startswith(("BOOLEAN", "TIMESTAMP", "DATE", "STRUCT")):
        raise BadExpression(f"a number is needed, this is {kind}", f"{field.path[-1]}: total")
    if field.kind == "condition" and kind.startswith(("TIMESTAMP", "DATE", "STRUCT")):
        raise BadExpression(f"a condition is needed, this is {kind}", "column = 'yes'")


def _value_sql(slot: Slot, index: int, definition: SyncDefinition) -> tuple[str, bool]:
    """SQL of one argument and whether it can fail on a row."""
    sql, kind, safe = f"({slot.parsed.arguments[index]}\n)", slot.types[index], slot.parsed.safe
    if slot.kind == "condition":
        return (sql, safe) if kind == "BOOLEAN" else (f"cast({sql} as boolean)", False)
    if slot.kind == "number":
        return f"cast({sql} as double)", False
    if slot.kind == "instant":
        return _instant(sql, kind, definition.zone), False
    if slot.kind in ("text", "currency") or slot.parsed.normaliser:
        if kind == "JSON":
            return f"({sql} ->> '$')", safe
        return (sql, safe) if kind == "VARCHAR" else (f"cast({sql} as varchar)", safe)
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime({sql} at time zone 'UTC', '%Y-%m-%dT%H:%M:%SZ')", safe
    if kind.startswith("TIMESTAMP") and "[" not in kind and definition.zone is not None:
        zoned = f"cast({sql} as timestamp) at time zone {literal(definition.zone)}"
        return f"strftime({zoned} at time zone 'UTC', '%Y-%m-%dT%H:%M:%SZ')", safe
    if "TIMESTAMP WITH TIME ZONE" in kind:
        return f"to_json({sql})", safe
    return sql, safe


def _instant(sql: str, kind: str, zone: str | None) -> str:
    """Microseconds since 1970."""
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"epoch_us({sql})"
    if kind != "VARCHAR":
        return f"epoch_us(cast({sql} as timestamp) at time zone {literal(zone or 'UTC')})"
    text = f"nullif(trim({sql}), '')"
    # A cast that fails, as error() cannot stand inside try(); the finding shows its words.
    naive = f"cast({text} || ' has no zone: add `zone:` to the file' as bigint)"
    if zone is not None:
        naive = f"epoch_us(cast({text} as timestamp) at time zone {literal(zone)})"
    zoned = f"regexp_matches({text}, {literal(_ZONED_TEXT)})"
    return (
        f"case when {text} is null then null when {zoned} then epoch_us(cast({text} as timestamptz)) else {naive} end"
    )


def slot_sql(slot: Slot, definition: SyncDefinition) -> list[str]:
    """The plain SQL of a slot's columns: raises on the rows that `__bad` names."""
    return [_value_sql(slot, i, definition)[0] for i in range(len(slot.parsed.arguments))]


def _select(slots: Slots, parts: Sequence[Part], content: str, definition: SyncDefinition) -> str:
    inner: list[str] = []
    outer: list[str] = []
    bad: list[str] = []
    for number, slot in enumerate(slots):
        for i, column in enumerate(slot.columns):
            sql, safe = _value_sql(slot, i, definition)
            if safe:
                inner.append(f"{sql} as {column}")
                outer.append(column)
            else:
                # A failing expression gives no struct, a null value gives a struct with a null: the two stay apart.
                inner.append(f"try({{'v': {sql}}}) as {column}")
                outer.append(f"{column}.v as {column}")
                bad.append(f"when {column} is null then {number}")
    failing = f"case {' '.join(bad)} else null end" if bad else "null::integer"
    digests = ", ".join(f"{part.digest} as d{i}" for i, part in enumerate(parts))
    columns = ", ".join(column for slot in slots for column in slot.columns)
    return (
        f"select {ROW}, cast(s0 as varchar) as __key, __bad, {content} as content, {digests}, {columns} "
        f"from (select {ROW}, {failing} as __bad, {', '.join(outer)} "
        f"from (select {ROW}, {', '.join(inner)} from source))"
    )


def source_view(
    con: duckdb.DuckDBPyConnection, path: str, columns: list[str], types: Mapping[str, str], where: str | None
) -> list[tuple[str, str]]:
    """Creates the view `source`: `types` applied, `where` kept. Returns the typed columns and their types.
    Raises BadExpression for an unknown column, type or a bad `where`."""
    folded = {c.casefold(): c for c in columns}
    replaced: list[tuple[str, str]] = []
    for column, kind in types.items():
        if column.casefold() not in folded:
            raise BadExpression(f'types: the source has no column "{column}"', nearest(column, columns))
        try:
            con.execute(f"select try_cast(null as {kind})")
        except duckdb.Error:
            raise BadExpression(
                f'types: "{kind}" is not an SQL type', "integer, decimal(12,2), boolean, date, timestamp, timestamptz"
            ) from None
        replaced.append((folded[column.casefold()], kind))
    con.execute(f"create or replace view raw_source as select * from read_parquet({literal(path)})")
    casts = ", ".join(f"try_cast({quoted(c)} as {k}) as {quoted(c)}" for c, k in replaced)
    view = f"create or replace view source as select *{f' replace ({casts})' if casts else ''} from raw_source"
    con.execute(view)
    if where is None:
        con.execute(f"create or replace table kept({ROW} bigint, keep struct(v boolean))")
        return replaced
    parsed = parse(con, where, columns)
    bind(con, parsed, "source")
    condition = f"cast(({parsed.sql}\n) as boolean)"
    con.execute(f"create or replace table kept as select {ROW}, try({{'v': {condition}}}) as keep from source")
    # Rows on which the condition fails stay visible: they are quarantined, not dropped.
    con.execute("delete from kept where keep is not null and keep.v is not true")
    con.execute(f"{view} where {ROW} in (select {ROW} from kept)")
    return replaced
