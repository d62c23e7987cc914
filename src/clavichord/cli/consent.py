"""`clavichord consent`: the consent ledger."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from clavichord.cli.output import results
from clavichord.cli.project import Project
from clavichord.sync.consents import ConsentEntry
from clavichord.sync.erasure import identity


@click.group()
def command() -> None:
    """Show, export and verify what was done about people's consent.

    Every request that changes somebody's consent is written down before it is sent, with its proof; every consent that
    a guard left alone, with the reason. Entries are chained by their hashes.
    """


@command.command()
@click.argument("who")
@click.option("--json", "json_", is_flag=True, help="As JSON.")
@click.pass_obj
def show(project: Path | None, who: str, json_: bool) -> int:
    """Show what is recorded of WHO: an address, +33612345678 or external_id:7."""
    found = _of(Project.find(project), who)
    if json_:
        click.echo(json.dumps([entry.to_dict() for entry in found], indent=2, ensure_ascii=False))
    else:
        results(_lines(found) if found else [f"nothing is recorded of {who}"])
    return 0


@command.command()
@click.argument("who")
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Write it to this file.")
@click.pass_obj
def export(project: Path | None, who: str, output: Path | None) -> int:
    """Write a proof bundle of WHO: their entries, and the hashes that show that none was changed."""
    found = Project.find(project)
    with found.state() as state:
        broken = state.consents.broken()
        count, head = state.consents.head()
        entries = [entry.to_dict() for entry in state.consents.of([identity(who)])]
    bundle: dict[str, Any] = {
        "who": identity(who),
        "entries": entries,
        "ledger": {"entries": count, "head": head, "whole": broken is None},
        "how_to_verify": "hash = SHA-256 of the JSON array of an entry's members but its hash, in this order "
        "(detail as JSON text with sorted keys); previous = hash of the entry before",
    }
    text = json.dumps(bundle, indent=2, ensure_ascii=False) + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
        click.echo(f"written: {output}")
    return 0


@command.command()
@click.option("--head", help="The hash that the newest entry had at some time: checks that the end was not cut off.")
@click.pass_obj
def verify(project: Path | None, head: str | None) -> int:
    """Check that no entry was changed, removed or inserted."""
    with Project.find(project).state() as state:
        broken = state.consents.broken()
        count, newest = state.consents.head()
        known = head is None or any(entry.hash == head for entry in state.consents.entries())
    if broken is not None:
        results([f"✗ entry {broken.seq} of {broken.at} is not what was written, or one before it is missing"])
        return 1
    if not known:
        results([f"✗ no entry has the hash {head}: the end of the ledger was cut off"])
        return 1
    results([f"✓ {count:,} entries, the newest has the hash {newest}"])
    return 0


def _of(project: Project, who: str) -> list[ConsentEntry]:
    with project.state() as state:
        return state.consents.of([identity(who)])


def _lines(entries: list[ConsentEntry]) -> Iterator[str]:
    for entry in entries:
        detail = json.loads(entry.detail)
        said = " · ".join(f"{name} {given}" for name, given in detail.items() if given not in ("", None))
        where = f"{entry.account} {entry.sync} {entry.run}".strip()
        yield f"{entry.at}  {entry.part} {entry.action}  {said}".rstrip()
        yield f"    {where}  entry {entry.seq} {entry.hash[:12]}"
