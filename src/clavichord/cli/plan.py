"""`clavichord plan`: what a run would send."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from clavichord.cli.output import as_json, duration, results
from clavichord.cli.project import Project
from clavichord.cli.run import reading_from
from clavichord.sync.plan import Plan
from clavichord.sync.push import Push

CHANGES = 2
BLOCKED = 5


@click.command()
@click.argument("sync")
@click.option("--from", "source", type=click.Path(path_type=Path), help="Read this file instead of the sync's source.")
@click.option("--detailed-exitcode", is_flag=True, help="End with 2 if there are changes.")
@click.option("--markdown", is_flag=True, help="For a pull request's comment.")
@click.option("--json", "json_", is_flag=True, help="As JSON.")
@click.pass_obj
def command(
    project: Path | None, sync: str, source: Path | None, detailed_exitcode: bool, markdown: bool, json_: bool
) -> int:
    """Show what a run would send. Sends nothing.

    Compares the source with what was last confirmed.
    """
    found = Project.find(project)
    definition, root = reading_from(found, found.sync(sync), source)
    with found.state() as state:
        plan = Push(definition, state=state, root=root, connections=found.settings.connections).plan()
    if json_:
        as_json(plan.to_dict())
    elif markdown:
        click.echo("\n".join(_markdown(plan)))
    else:
        results(_lines(plan))
    if plan.header.halt:
        return BLOCKED
    return CHANGES if detailed_exitcode and plan.changes else 0


def _facts(plan: Plan) -> Iterator[tuple[str, str]]:
    h = plan.header
    yield "rows read", f"{h.rows_read:,}"
    for name in ("new", "changed", "unchanged", "gone", "quarantined", "held"):
        count = getattr(h, name)
        if count or name in ("new", "changed", "unchanged"):
            yield name, f"{count:,}"
    for step, count in h.planned.items():
        yield f"to send: {step}s", f"{count:,}"
    for operation, count in h.requests.items():
        yield f"requests: {operation}", f"{count:,}"
    yield "bytes", f"{h.bytes:,}"
    yield "least time", f"{duration(h.minutes * 60)} at the account's published limits"


def _lines(plan: Plan) -> Iterator[str]:
    h = plan.header
    yield f"{h.sync} → {h.account} ({h.to})" + ("" if plan.changes else "   nothing to send")
    width = max(len(name) for name, _ in _facts(plan))
    for name, value in _facts(plan):
        yield f"  {name:<{width}}  {value}"
    for sample in h.samples:
        yield f"  e.g. {sample['status']} {sample['key']}"
    if h.halt:
        yield f"✗ {h.halt}: {h.halt_detail}; a run would send nothing"


def _markdown(plan: Plan) -> Iterator[str]:
    h = plan.header
    yield f"### `{h.sync}` → `{h.account}` ({h.to}): {plan.changes:,} to send"
    if h.halt:
        yield f"\n**Blocked: {h.halt}**, {h.halt_detail}\n"
    yield ""
    yield "| what | how much |"
    yield "|---|---:|"
    for name, value in _facts(plan):
        yield f"| {name} | {value} |"
