"""`clavichord pull`: Klaviyo into a warehouse."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from clavichord.cli.output import Display, as_json, results
from clavichord.cli.project import Project
from clavichord.sync.pull import Pull, PullReport


@click.command()
@click.argument("name")
@click.option("--full", is_flag=True, help="Read everything again, as if it were the first time.")
@click.option("--json", "json_", is_flag=True, help="The report as JSON.")
@click.pass_obj
def command(project: Path | None, name: str, full: bool, json_: bool) -> int:
    """Bring a warehouse up to date with Klaviyo.

    NAME is a name (pulls/NAME.yaml) or a file. May be stopped at any moment, even by kill -9: the next pull goes on.
    """
    report = asyncio.run(_pull(Project.find(project), name, full))
    if json_:
        as_json(report.to_dict())
    else:
        results(report.lines())
    return report.exit_code


async def _pull(project: Project, name: str, full: bool) -> PullReport:
    definition = project.pull(name)
    with project.state() as state, Display(definition.pull) as display:
        async with project.client(definition.account) as client:
            pull = Pull(definition, client=client, root=project.folder, state=state, progress=display.pull, full=full)
            return await pull.run()
