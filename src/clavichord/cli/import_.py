"""`clavichord import`: files of other tools → files of a project."""

from __future__ import annotations

from pathlib import Path

import click

from clavichord.cli.folder import NAME
from clavichord.cli.legacy import parse, store
from clavichord.cli.output import results
from clavichord.cli.project import Project
from clavichord.sync.documents import load_sync
from clavichord.sync.mistakes import SyncError


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--from", "source", type=click.Path(path_type=Path), required=True, help="The rows.")
@click.option(
    "--key", help="The column that tells rows apart. Default: what goes to external_id, email or phone_number."
)
@click.option("--account", default="main", show_default=True, help="The account's name in the project.")
@click.pass_obj
def command(project: Path | None, file: Path, source: Path, key: str | None, account: str) -> int:
    """Turn a JSON file of Retrieve's into a sync file.

    FILE holds klaviyo.api_key, klaviyo.list_id and mapped_fields. The sync file that comes of it sends the same bytes
    as `clavichord run FILE`. The key goes into the secret store (.clavichord/secrets).
    """
    found = Project.find(project)
    try:
        shown = str(source.resolve().relative_to(found.folder.resolve()))
    except ValueError:
        shown = str(source.resolve())
    read = parse(file, shown, key)
    target = found.folder / "syncs" / f"{read.sync}.yaml"
    if target.exists():
        raise SyncError(f"{found.shown(target)} is there already", "remove it, or change it by hand")
    text = read.text.replace("\n", f"\naccount: {account}\n", 1)
    load_sync(text, found.shown(target))
    target.parent.mkdir(exist_ok=True)
    target.write_text(text, encoding="utf-8")
    secret = store(found, read)
    results([f"✓ {found.shown(target)}", *(f"  {note}" for note in read.notes)])
    if account not in found.settings.accounts:
        results([f'  put the account into {NAME}: accounts: {{{account}: {{api_key: "file:{secret}"}}}}'])
    else:
        results([f'  the key is in {secret}; account "{account}" of {NAME} uses its own'])
    return 0
