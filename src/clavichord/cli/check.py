"""`clavichord check`: every file of the project, offline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from clavichord.cli import examples
from clavichord.cli.failures import block
from clavichord.cli.output import results
from clavichord.cli.project import Project
from clavichord.sync.mistakes import InvalidDefinition, Mistake, SyncError
from clavichord.sync.push import Push


@click.command()
@click.argument("files", nargs=-1)
@click.pass_obj
def command(project: Path | None, files: tuple[str, ...]) -> int:
    """Check the project's files against their sources, offline.

    FILES are files or names; all syncs and pulls by default. Reads the sources, binds every expression to their
    columns, runs the examples. Sends nothing and needs no key.
    """
    found = Project.find(project)
    wrong = 0
    chosen = list(chosen_files(found, files))
    for kind, file in chosen:
        mistakes = list(check(found, kind, file))
        wrong += len(mistakes)
        if mistakes:
            count = len(mistakes)
            block(f"{found.shown(file)}: {count} mistake{'s' if count > 1 else ''}", *map(str, mistakes))
        else:
            results([f"✓ {found.shown(file)}"])
    if not chosen:
        raise SyncError("the project has no files to check", "write syncs/NAME.yaml or pulls/NAME.yaml")
    return 1 if wrong else 0


def chosen_files(project: Project, names: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """(kind, file) of what is named, of everything if nothing is."""
    if not names:
        for kind in ("syncs", "pulls"):
            for file in project.files(kind):
                yield kind, file
    for name in names:
        kind = "pulls" if Path(name).parent.name == "pulls" else "syncs"
        if not Path(name).suffix and name not in {p.stem for p in project.files("syncs")}:
            kind = "pulls" if name in {p.stem for p in project.files("pulls")} else "syncs"
        yield kind, project.locate(kind, name)


def check(project: Project, kind: str, file: Path) -> Iterator[Mistake]:
    """What is wrong with one file."""
    try:
        definition = project.sync(str(file)) if kind == "syncs" else project.pull(str(file))
        project.account(definition.account)
    except InvalidDefinition as error:
        yield from error.mistakes
        return
    except SyncError as error:
        yield Mistake(project.shown(file), 0, 0, "account", error.what, error.fix)
        return
    if kind == "pulls":
        return
    sync = project.sync(str(file))
    with project.state() as state:
        found = Push(sync, state=state, root=project.folder, connections=project.settings.connections).check()
    yield from found
    if not found:
        yield from examples.mistakes(sync)
