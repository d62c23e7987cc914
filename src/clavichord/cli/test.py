"""`clavichord test`: the examples of the sync files, offline."""

from __future__ import annotations

from pathlib import Path

import click

from clavichord.cli import examples
from clavichord.cli.check import chosen_files
from clavichord.cli.failures import block
from clavichord.cli.output import results
from clavichord.cli.project import Project


@click.command()
@click.argument("files", nargs=-1)
@click.pass_obj
def command(project: Path | None, files: tuple[str, ...]) -> int:
    """Run the examples of the sync files, offline.

    FILES are files or names; all syncs by default. Needs neither source nor key.
    """
    found = Project.find(project)
    wrong = 0
    for kind, file in chosen_files(found, files):
        if kind != "syncs":
            continue
        sync = found.sync(str(file))
        mistakes = list(examples.mistakes(sync))
        wrong += len(mistakes)
        if mistakes:
            block(f"{found.shown(file)}: examples come out differently", *map(str, mistakes))
        else:
            count = len(sync.examples)
            results([f"✓ {found.shown(file)}: {count} example{'' if count == 1 else 's'}"])
    return 1 if wrong else 0
