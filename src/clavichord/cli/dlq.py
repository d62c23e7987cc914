"""`clavichord dlq`: rows that could not be delivered."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from clavichord.cli.output import results
from clavichord.cli.project import Project
from clavichord.sync.dead_letters import DeadLetter
from clavichord.sync.mistakes import SyncError
from clavichord.sync.reasons import reason
from clavichord.sync.report import masked


def _choice(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that choose letters."""
    for option in (
        click.option("--key", help="Of the row with this key."),
        click.option("--reason", "code", help="Of this reason, as `email.invalid`."),
        click.option("--sync", help="Of this sync."),
    ):
        command = option(command)
    return command


@click.group()
def command() -> None:
    """Rows that could not be delivered: list, show, send again, drop.

    A row is sent again by itself when it changes at the source. Nothing here expires.
    """


@command.command("list")
@_choice
@click.option("--json", "json_", is_flag=True, help="As JSON.")
@click.pass_obj
def list_(project: Path | None, sync: str | None, code: str | None, key: str | None, json_: bool) -> int:
    """Count them by sync and reason."""
    found = _chosen(project, sync, code, key)
    if json_:
        click.echo(json.dumps([letter.to_dict() for letter in found], indent=2, ensure_ascii=False))
        return 0
    counts = Counter((letter.sync, letter.code, letter.row_class) for letter in found)
    results(
        [f"{count:>8,}  {name}  {why}  {kind}: {reason(why).what}" for (name, why, kind), count in counts.most_common()]
        or ["no dead letters"]
    )
    return 0


@command.command()
@_choice
@click.option("--reveal", is_flag=True, help="Show addresses and numbers in full.")
@click.pass_obj
def show(project: Path | None, sync: str | None, code: str | None, key: str | None, reveal: bool) -> int:
    """Show them one by one: the row, what is wrong, what to do, how often it was tried."""
    results(line for letter in _chosen(project, sync, code, key) for line in _lines(letter, reveal))
    return 0


@command.command()
@_choice
@click.pass_obj
def retry(project: Path | None, sync: str | None, code: str | None, key: str | None) -> int:
    """Let the next run send them again though they have not changed."""
    return _mark(project, sync, code, key, "released", "will be sent again by the next run")


@command.command()
@_choice
@click.pass_obj
def drop(project: Path | None, sync: str | None, code: str | None, key: str | None) -> int:
    """List them no longer, until their rows change."""
    return _mark(project, sync, code, key, "dropped", "dropped")


def _chosen(project: Path | None, sync: str | None, code: str | None, key: str | None) -> list[DeadLetter]:
    with Project.find(project).state() as state:
        return list(state.dead_letters.list(sync, code, key))


def _mark(project: Path | None, sync: str | None, code: str | None, key: str | None, state_: str, said: str) -> int:
    if sync is None and code is None and key is None:
        raise SyncError("which ones?", "--sync NAME, --reason CODE or --key KEY; `clavichord dlq list` counts them")
    with Project.find(project).state() as state:
        count = state.dead_letters.mark(list(state.dead_letters.list(sync, code, key)), state_)
    results([f"✓ {count:,} {said}" if count else "no dead letters fit"])
    return 0


def _lines(letter: DeadLetter, reveal: bool) -> Iterator[str]:
    show_ = str if reveal else masked
    why = reason(letter.code)
    released = ", released" if letter.state == "released" else ""
    yield f"{letter.sync} row {letter.row:,} ({show_(letter.key)})  {letter.code}  {letter.row_class}{released}"
    value = f' "{show_(letter.value)}"' if letter.value else ""
    yield f"    {letter.field}{value} {show_(letter.message)}".rstrip()
    times = "once" if letter.attempts == 1 else f"{letter.attempts} times"
    yield f"    {why.why} {why.fix} Tried {times} since {letter.first_seen}.".replace("  ", " ")
