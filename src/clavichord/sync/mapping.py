"""Compiles a sync file's expressions into one SELECT over the source: a slot each, and hashes of what they give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import duckdb

from clavichord.spec import load
from clavichord.sync.csv_rows import ROW
from clavichord.sync.definition import PROFILE_IDENTIFIERS, EventSync, ProfileSync, SyncDefinition
from clavichord.sync.documents import dotted
from clavichord.sync.expression import BadExpression, Parsed, bind, literal, parse, quoted
from clavichord.sync.mistakes import InvalidDefinition, Mistake, nearest

CURRENCY_LENGTH = 3
_TEXT = frozenset(
    {
        "email",
        "phone_number",
        "external_id",
        "first_name",
        "last_name",
        "organization",
        "locale",
        "title",
        "image",
        "_kx",
    }
)
_ZONED_TEXT = r"\d:\d\d.*([zZ]|[+-]\d\d(:?\d\d)?)\s*$"


@cache
def profile_attributes() -> tuple[frozenset[str], frozenset[str]]:
    """(attributes, fields of `location`) that a bulk import takes, from the catalogue."""
    catalogue = load()
    schema: Any = catalogue.schema(catalogue.operations["bulk_import_profiles"].body)

    def into(node: Any, *names: str) -> Any:
        for name in names:
            node = _resolved(node)["properties"][name]
            node = _resolved(node)
            if "items" in node:
                node = _resolved(node["items"])
        return node

    def _resolved(node: Any) -> Any:
        while "$ref" in node:
            node = catalogue.schema(node["$ref"].removeprefix("#/"))
        return node

    attributes = into(schema, "data", "attributes", "profiles", "data", "attributes")
    location = into(attributes, "location")
    return frozenset(attributes["properties"]), frozenset(location["properties"])


class Slot(NamedTuple):
    """One expression of the file. `role` says what its value is for; `name` which one (`email`, `Loyalty Tier`)."""

    role: str
    """key · attribute · location · property · member · subscribe · consent_at · consent_source ·
    time · unique_id · value · currency · event_property"""
    name: str
    path: tuple[str | int, ...]
    parsed: Parsed
    types: tuple[str, ...]
    first: int
    """its first column in the row: `s{first}`"""

    @property
    def field(self) -> str:
        return dotted(self.path)

    @property
    def columns(self) -> list[str]:
        return [f"s{self.first + i}" for i in range(len(self.parsed.arguments))]


class RowMapping(NamedTuple):
    """What a row becomes. `sql` selects `__row, __key, __bad, hash, hash2, s0…` from the relation `source`."""

    slots: tuple[Slot, ...]
    sql: str
    width: int

    def of(self, role: str) -> list[Slot]:
        return [slot for slot in self.slots if slot.role == role]

    def one(self, role: str, name: str = "") -> Slot | None:
        return next((s for s in self.slots if s.role == role and (not name or s.name == name)), None)


def expressions(definition: SyncDefinition) -> Iterator[tuple[str, str, tuple[str | int, ...], str]]:
    """Every expression of the file: (role, name, path, sql)."""
    yield "key", "", ("from", "key"), definition.source.key
    fields, base = (definition.map, "map") if isinstance(definition, ProfileSync) else (definition.profile, "profile")
    for name, value in fields.items():
        if isinstance(value, dict):
            role = {"properties": "property", "location": "location"}.get(name, "attribute")
            yield from ((role, sub, (base, name, sub), sql) for sub, sql in value.items())
        elif name.startswith("location."):
            yield "location", name.removeprefix("location."), (base, name), value
        elif name.startswith("properties."):
            yield "property", name.removeprefix("properties."), (base, name), value
        else:
            yield "attribute", name, (base, name), value
    if isinstance(definition, ProfileSync):
        for i, entry in enumerate(definition.lists):
            if entry.member_if is not None:
                yield "member", entry.list, ("lists", i, "member_if"), entry.member_if
        if definition.consent is not None:
            consent = definition.consent.email
            yield "subscribe", "", ("consent", "email", "subscribe_if"), consent.subscribe_if
            yield "consent_at", "", ("consent", "email", "proof", "at"), consent.proof.at
            yield "consent_source", "", ("consent", "email", "proof", "source"), consent.proof.source
        return
    yield "time", "", ("time",), definition.time
    if definition.unique_id != "auto":
        yield "unique_id", "", ("unique_id",), definition.unique_id
    if definition.value is not None:
        yield "value", "", ("value",), definition.value
    if definition.value_currency is not None:
        yield "currency", "", ("value_currency",), definition.value_currency
    for name, sql in definition.properties.items():
        yield "event_property", name, ("properties", name), sql


def compile_mapping(
    con: duckdb.DuckDBPyConnection, definition: SyncDefinition, columns: list[str], fingerprint: str
) -> RowMapping:
    """Checks every expression over the relation `source` and compiles them. InvalidDefinition lists all mistakes."""
    mistakes = list(_field_mistakes(definition))
    slots: list[Slot] = []
    width = 0
    for role, name, path, sql in expressions(definition):
        try:
            if (
                role == "currency"
                and len(sql) == CURRENCY_LENGTH
                and sql.isalpha()
                and sql.isupper()
                and sql not in columns
            ):
                sql = literal(sql)
            parsed = parse(con, sql, columns)
            if parsed.normaliser and role not in ("attribute", "property", "event_property"):
                raise BadExpression(f"{parsed.normaliser}() cannot stand here", "lower(trim(x)) in SQL")
            types = bind(con, parsed, "source")
            _check_type(role, types[0], definition)
        except BadExpression as error:
            mistakes.append(_mistake(definition, path, sql, error))
            continue
        slots.append(Slot(role, name, path, parsed, types, width))
        width += len(parsed.arguments)
    if mistakes:
        raise InvalidDefinition(mistakes)
    return RowMapping(tuple(slots), _select(slots, definition, fingerprint), width)


def _mistake(definition: SyncDefinition, path: tuple[str | int, ...], sql: str, error: BadExpression) -> Mistake:
    line, column = definition.place.of(path)
    shown = sql if len(sql) <= 60 else sql[max(0, error.offset - 30) : error.offset + 30]
    at = f" (at character {error.offset + 1})" if error.offset else ""
    return Mistake(definition.place.file, line, column, dotted(path), f"{error.what} in `{shown}`{at}", error.fix)


def _field_mistakes(definition: SyncDefinition) -> Iterator[Mistake]:
    fields, base = (definition.map, "map") if isinstance(definition, ProfileSync) else (definition.profile, "profile")
    attributes, location = profile_attributes()
    place = definition.place

    def mistake(path: tuple[str | int, ...], what: str, fix: str) -> Mistake:
        line, column = place.of(path)
        return Mistake(place.file, line, column, dotted(path), what, fix)

    for name, value in fields.items():
        head, _, sub = name.partition(".")
        if head not in attributes:
            where = f"put it under {base}.properties: properties: {{{name}: {value}}}" if isinstance(value, str) else ""
            near = nearest(name, sorted(attributes - {"_kx"}))
            yield mistake(
                (base, name), f'a profile has no field "{name}"', f"{near} Otherwise {where}" if where else near
            )
        elif isinstance(value, dict) and head not in ("properties", "location"):
            yield mistake((base, name), f"{name} is one value, not a mapping", f"{name}: column")
        elif isinstance(value, str) and not sub and head in ("properties", "location"):
            yield mistake((base, name), f"{name} is a mapping: name → expression", f"{name}: {{City: {value}}}")
        elif sub and head not in ("properties", "location"):
            yield mistake((base, name), f"{head} has no parts", f"{head}: column")
        if head == "location":
            for part in value if isinstance(value, dict) else [sub]:
                if part and part not in location:
                    path = (base, name, part) if isinstance(value, dict) else (base, name)
                    yield mistake(path, f'location has no field "{part}"', nearest(part, sorted(location)))
    if not any(name in fields for name in PROFILE_IDENTIFIERS):
        yield mistake((base,), "no identifier", f"{base} needs at least one of {', '.join(PROFILE_IDENTIFIERS)}")
    if isinstance(definition, ProfileSync) and definition.consent is not None and "email" not in fields:
        yield mistake(("consent", "email"), "an e-mail consent needs map.email", "email: email(column)")


def _check_type(role: str, kind: str, definition: SyncDefinition) -> None:
    if role in ("time", "consent_at"):
        if kind in ("TIMESTAMP", "DATE", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS") and definition.zone is None:
            raise BadExpression(
                "the time has no zone", "add `zone: Europe/Paris` (the shop's) to the file, or cast to timestamptz"
            )
        if not kind.startswith(("TIMESTAMP", "DATE", "VARCHAR")):
            raise BadExpression(
                f"a time is needed, this is {kind}", "to_timestamp(seconds), strptime(text, '%d/%m/%Y')"
            )
    if role == "value" and kind.startswith(("BOOLEAN", "TIMESTAMP", "DATE", "STRUCT")):
        raise BadExpression(f"a number is needed, this is {kind}", "value: total")
    if role in ("member", "subscribe") and kind.startswith(("TIMESTAMP", "DATE", "STRUCT")):
        raise BadExpression(f"a condition is needed, this is {kind}", "column = 'yes'")


def _value_sql(slot: Slot, index: int, definition: SyncDefinition) -> tuple[str, bool]:
    """SQL of one argument and whether it can fail on a row."""
    sql, kind, safe = f"({slot.parsed.arguments[index]}\n)", slot.types[index], slot.parsed.safe
    if slot.role in ("member", "subscribe"):
        return (sql, safe) if kind == "BOOLEAN" else (f"cast({sql} as boolean)", False)
    if slot.role == "value":
        return f"cast({sql} as double)", False
    if slot.role in ("time", "consent_at"):
        return _instant(sql, kind, definition.zone), False
    if kind == "JSON" and (slot.role in ("key", "unique_id") or slot.parsed.normaliser):
        return f"({sql} ->> '$')", safe
    text = (
        slot.role in ("key", "unique_id", "currency", "consent_source")
        or (slot.role == "attribute" and slot.name in _TEXT)
        or slot.parsed.normaliser
    )
    if text:
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
    # A cast that fails, as error() cannot stand inside try(); _failed_expressions shows its words.
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


def _select(slots: list[Slot], definition: SyncDefinition, fingerprint: str) -> str:
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
    content, other = _hashes(slots, definition, fingerprint)
    columns = ", ".join(column for slot in slots for column in slot.columns)
    return (
        f"select {ROW}, cast(s0 as varchar) as __key, __bad, {content} as hash, {other} as hash2, {columns} "
        f"from (select {ROW}, {failing} as __bad, {', '.join(outer)} "
        f"from (select {ROW}, {', '.join(inner)} from source))"
    )


_CONSENT = ("subscribe", "consent_at", "consent_source")


def _hashes(slots: list[Slot], definition: SyncDefinition, fingerprint: str) -> tuple[str, str]:
    """What a change is. Profiles: the profile and its lists, and apart from it the consent. Events: an event that was
    recorded never changes, so its identity decides; the content is hashed apart, to tell when the source moves on."""

    def digest(chosen: list[Slot], salt: str) -> str:
        parts = [f"cast(to_json({column}) as varchar)" for slot in chosen for column in slot.columns]
        return f"md5(concat_ws(chr(31), {literal(salt)}, {', '.join(f'coalesce({p}, chr(30))' for p in parts)}))::uuid"

    if isinstance(definition, EventSync):
        identity = [s for s in slots if s.role == "unique_id"] or [s for s in slots if s.role == "key"]
        return digest(identity, f"event {definition.metric}"), digest([s for s in slots if s.role != "key"], "content")
    record = [s for s in slots if s.role not in _CONSENT]
    consent = [s for s in slots if s.role in _CONSENT or (s.role == "attribute" and s.name == "email")]
    if definition.consent is None:
        return digest(record, fingerprint), "null::uuid"
    subscribe = next(s for s in slots if s.role == "subscribe").columns[0]
    salt = f"consent {definition.consent.email.list} {definition.consent.email.historical}"
    # Null = nothing to do for this row.
    return digest(record, fingerprint), f"case when {subscribe} then {digest(consent, salt)} end"


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
