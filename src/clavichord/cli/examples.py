"""The examples of a sync file, taken through the steps of a real row: staged, mapped, planned. Nothing is sent."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb

from clavichord.sync.definition import Confirm, Example, Limits, SyncDefinition
from clavichord.sync.destinations import destination_of
from clavichord.sync.expression import BadExpression, parse
from clavichord.sync.mapping import fields
from clavichord.sync.mistakes import InvalidDefinition, Mistake
from clavichord.sync.plan import Plan, PlanRows
from clavichord.sync.push import Push
from clavichord.sync.state import StateFolder


def mistakes(definition: SyncDefinition) -> Iterator[Mistake]:
    """One for each example that does not come out as it says."""
    with tempfile.TemporaryDirectory(prefix="clavichord-") as folder:
        for number, example in enumerate(definition.examples):
            line, column = definition.place.of(("examples", number))
            for what, fix in _differences(definition, example, Path(folder) / str(number)):
                yield Mistake(definition.place.file, line, column, f"examples[{number}]", what, fix)


def _differences(definition: SyncDefinition, example: Example, folder: Path) -> Iterator[tuple[str, str]]:
    folder.mkdir()
    given = _columns(definition, example)
    (folder / "row.jsonl").write_text(json.dumps(given) + "\n", encoding="utf-8")
    # A null has no type of its own in JSON.
    types = {name: "VARCHAR" for name, value in given.items() if value is None}
    types |= {name: kind for name, kind in definition.source.types.items() if name in given}
    source = definition.source.model_copy(
        update={"file": "row.jsonl", "sql": None, "table": None, "connection": None, "where": None, "types": types}
    )
    alone = definition.model_copy(update={"source": source, "limits": Limits(), "confirm": Confirm()})
    try:
        with StateFolder(folder / "state") as state:
            plan = Push(alone, state=state, root=folder).plan()
            refused = [f for f in plan.findings if f.row_class in ("quarantined", "held")]
            made = _made(definition, plan)
    except InvalidDefinition as error:
        for mistake in error.mistakes:
            yield f"{mistake.path}: {mistake.what}", mistake.fix
        return
    if example.quarantined is not None:
        if not any(f.code == example.quarantined for f in refused):
            got = ", ".join(f.code for f in refused) or "it would be sent"
            yield f"quarantined: {example.quarantined} was expected, but {got}", ""
        return
    for finding in refused:
        yield f"it is {finding.row_class}: {finding.code} ({finding.field}): {finding.message}", ""
    if not refused:
        for field, expected in (example.out or {}).items():
            value = made.get(field)
            if plain(value) != plain(expected):
                shown = "nothing" if field not in made else json.dumps(value, ensure_ascii=False)
                yield f"{field}: {json.dumps(expected, ensure_ascii=False)} was expected, {shown} comes out", ""


def _columns(definition: SyncDefinition, example: Example) -> dict[str, Any]:
    """The example's row; columns that the file uses and the example leaves out are null."""
    used: dict[str, None] = {}
    with duckdb.connect() as con:
        for field in fields(definition):
            with suppress(BadExpression):  # planning the row says what is wrong with it
                used |= dict.fromkeys(parse(con, field.sql).columns)
    given = {name.casefold() for name in example.given}
    return {name: None for name in used if name.casefold() not in given} | example.given


def _made(definition: SyncDefinition, plan: Plan) -> dict[str, Any]:
    """Everything the row becomes, by dotted name: `email`, `properties.Points`; of an event also `profile.email`."""
    rows = PlanRows(plan.path)
    try:
        entries = [json.loads(row.payload) for batch in plan.batches for row in rows.read(batch.lo, batch.hi)]
    finally:
        rows.close()
    made: dict[str, Any] = {}
    for entry in entries:
        made |= destination_of(definition).outcome(entry)
    return made


def plain(value: Any) -> Any:
    """As JSON would give it back: 12.0 is 12, a date is its text."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value.isoformat() if isinstance(value, datetime | date) else value
