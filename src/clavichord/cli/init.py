"""`clavichord init`: a small project to start from."""

from __future__ import annotations

import json
from pathlib import Path

import click

from clavichord.cli.output import results
from clavichord.sync.definition import Block, Project
from clavichord.sync.documents import schema
from clavichord.sync.mistakes import SyncError
from clavichord.sync.pull.definition import PullDefinition

FILES = {
    "clavichord.yaml": """\
# yaml-language-server: $schema=.schema/project.json
# The accounts that this project talks to. Keys never stand here: env:NAME or file:path says where they are.
accounts:
  main: {api_key: "env:KLAVIYO_API_KEY"}
# Folders whose CSV, JSONL and Parquet files are tables: `from: {connection: shop, table: people}`.
connections:
  shop: {files: data}
""",
    "syncs/people.yaml": """\
# yaml-language-server: $schema=../.schema/sync.json
# People → profiles. Left: Klaviyo's field. Right: SQL over one row of the source.
sync: people
account: main
from: {connection: shop, table: people, key: id}
to: profiles
map:
  external_id: id
  email: email(email)
  first_name: first_name
  properties:
    Tier: tier
# A row and what it becomes: `clavichord test` checks it, offline.
examples:
  - in: {id: "7", email: " Ana@Shop.Test ", first_name: Ana, tier: gold}
    out: {external_id: "7", email: ana@shop.test, properties.Tier: gold}
  - in: {id: "8", email: ana@shop, first_name: Ana, tier: gold}
    quarantined: email.invalid
""",
    "pulls/warehouse.yaml": """\
# yaml-language-server: $schema=../.schema/pull.json
# Everything back out, into one DuckDB file.
pull: warehouse
account: main
into: {duckdb: warehouse.duckdb, schema: klaviyo}
streams:
  profiles: {}
  events: {}
  metrics: {}
  lists: {}
  members: {of: [lists]}
""",
    "data/people.csv": """\
id,email,first_name,tier
1,ana@shop.test,Ana,gold
2,bo@shop.test,Bo,silver
""",
    ".gitignore": """\
.clavichord/
*.duckdb
*.duckdb.wal
""",
}


SCHEMAS: dict[str, type[Block] | None] = {"project": Project, "sync": None, "pull": PullDefinition}
"""For editors: they complete keys and mark mistakes while one types."""


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=".")
def command(folder: Path) -> int:
    """Start a project in this folder, or in FOLDER.

    Never overwrites a file.
    """
    existing = [name for name in FILES if name != ".gitignore" and (folder / name).exists()]
    if existing:
        raise SyncError(f"{folder / existing[0]} is there already", "choose an empty folder: `clavichord init FOLDER`")
    schemas = {f".schema/{name}.json": json.dumps(schema(model), indent=1) + "\n" for name, model in SCHEMAS.items()}
    for name, text in (FILES | schemas).items():
        file = folder / name
        if file.exists():
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        results([f"✓ {file}"])
    go = f"cd {folder} && " if str(folder) != "." else ""
    click.echo(
        f"\nNext:  {go}clavichord check && clavichord plan people\n"
        "Then:  export KLAVIYO_API_KEY=pk_… and `clavichord run people`. To practise first: `clavichord sandbox`,\n"
        "       and export KLAVIYO_BASE_URL as the address it prints; any key that begins with pk_ will do."
    )
    return 0
