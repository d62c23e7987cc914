"""Files of other tools, as projects of ours: their keys go into the secret store, never into a file of the project."""

from __future__ import annotations

from pathlib import Path

from clavichord.cli.failures import keep_secret
from clavichord.cli.project import Project, read
from clavichord.intake import retrieve
from clavichord.intake.retrieve import Retrieved
from clavichord.sync.definition import Account, SyncDefinition
from clavichord.sync.definition import Project as ProjectFile
from clavichord.sync.documents import load_sync
from clavichord.sync.mistakes import SyncError

SECRETS = "secrets"


def retrieved(
    project: Path | None, name: str, source: Path | None, key: str | None
) -> tuple[Project, SyncDefinition, Path]:
    """A project that runs Retrieve's file `name` over the rows of `source`. SyncError."""
    if source is None:
        raise SyncError(f"{name} says nothing of the rows", f"clavichord run {name} --from people.csv")
    if not source.is_file():
        raise SyncError(f"{source}: no such file")
    found = parse(Path(name), source.resolve().name, key)
    definition = load_sync(found.text, name)
    here = _project(project)
    account = Account(api_key=f"file:{store(here, found)}")  # type: ignore[arg-type]  # its validator takes a reference
    settings = here.settings.model_copy(update={"accounts": here.settings.accounts | {definition.account: account}})
    return Project(here.folder, settings), definition, source.resolve().parent


def parse(file: Path, source: str, key: str | None) -> Retrieved:
    found = retrieve.read(read(file, str(file)), file.name, source, key)
    keep_secret(found.api_key)
    return found


def _project(given: Path | None) -> Project:
    """The project around here, or one that is only this folder."""
    try:
        return Project.find(given)
    except SyncError:
        if given is not None:
            raise
        return Project(Path.cwd(), ProjectFile())


def store(project: Project, found: Retrieved) -> str:
    """Puts the key into the secret store; returns its path from the project's folder on."""
    folder = project.state_folder / SECRETS
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    file = folder / found.sync
    file.touch(mode=0o600, exist_ok=True)
    file.chmod(0o600)
    file.write_text(found.api_key + "\n", encoding="utf-8")
    return str(file.relative_to(project.folder))
