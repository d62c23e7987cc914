"""`clavichord erase`: people, in Klaviyo and here."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
import msgspec

from clavichord.cli.output import results
from clavichord.cli.project import Project, read
from clavichord.sync.erasure import Certificate, erase, identity
from clavichord.sync.mistakes import SyncError


@click.command()
@click.argument("who", nargs=-1)
@click.option("--file", type=click.Path(path_type=Path), help="One person a line.")
@click.option("--account", default="main", show_default=True, help="The project's account.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "json_", is_flag=True, help="The certificates as JSON.")
@click.pass_obj
def command(project: Path | None, who: tuple[str, ...], file: Path | None, account: str, yes: bool, json_: bool) -> int:
    """Erase people in Klaviyo and here, for good.

    WHO is an address, +33612345678, external_id:7 or id:01J…. Klaviyo deletes the profile with its history; what was
    delivered is forgotten here, saved plans and reports that hold the person too. A hash of the person stays, so that
    the next import does not bring them back, and a certificate without the person in it.
    """
    people = [*who, *(line for line in read(file, str(file)).splitlines() if line.strip())] if file else [*who]
    if not people:
        raise SyncError("nobody is named", "clavichord erase ann@shop.example, or --file people.txt")
    chosen = list(dict.fromkeys(identity(one) for one in people))
    found = Project.find(project)
    found.account(account)
    if not yes:
        click.confirm(
            f"Erase {len(chosen)} {'person' if len(chosen) == 1 else 'people'} for good?", abort=True, err=True
        )
    certificates = asyncio.run(_erase(found, account, chosen))
    if json_:
        click.echo(msgspec.json.format(msgspec.json.encode(certificates), indent=2).decode())
    else:
        results(_line(one) for one in certificates)
    return 0


async def _erase(project: Project, account: str, people: list[str]) -> list[Certificate]:
    with project.state() as state:
        async with project.client(account) as client:
            return [await erase(client, state, account, one) for one in people]


def _line(one: Certificate) -> str:
    klaviyo = "deletion requested" if one.klaviyo == "requested" else "nobody of that name"
    return (
        f"✓ {one.person[0][:12]}  Klaviyo: {klaviyo} · forgotten here: {one.snapshots} rows, {one.plans} plans, "
        f"{one.findings} findings · certificate {one.hash[:12]}"
    )
