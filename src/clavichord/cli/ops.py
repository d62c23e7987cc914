"""`clavichord ops`: what Klaviyo's API has, and how long its operations take here."""

from __future__ import annotations

import re
import time
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from clavichord.cli.operations import catalogue, details, limit, search
from clavichord.cli.output import as_json, results
from clavichord.client.journal import ResponseTimes, table
from clavichord.spec import REVISION
from clavichord.sync.mistakes import SyncError

if TYPE_CHECKING:
    from clavichord.cli.project import Project

_UNITS = {"m": 60, "h": 3600, "d": 86_400}


@click.command()
@click.argument("words", nargs=-1)
@click.option("--revision", default=REVISION, show_default=True, help="Of the API.")
@click.option("--times", is_flag=True, help="Response times of this project's calls instead.")
@click.option("--since", default="7d", show_default=True, metavar="AGE", help="With --times: 30m, 24h, 7d.")
@click.option("--json", "json_", is_flag=True, help="As JSON.")
@click.pass_obj
def command(project: Path | None, words: tuple[str, ...], revision: str, times: bool, since: str, json_: bool) -> int:
    """Search Klaviyo's operations: methods, paths, scopes, limits; of a single one everything, filters and sorts too.

    WORDS are parts of a name, path, group or scope: `clavichord ops profiles write`. Offline, needs no key.
    """
    if times:
        from clavichord.cli.project import Project  # with it come DuckDB and all that files need

        return _times(Project.find(project), words, since, json_)
    known = catalogue(revision)
    found = search(known, words)
    if not found:
        near = get_close_matches("_".join(words).casefold(), known.operations, 3)
        raise SyncError(
            f"no operation of revision {revision} has {' and '.join(words)}",
            f"near it: {', '.join(near)}" if near else "`clavichord ops` lists all of them",
        )
    if json_:
        as_json({"revision": revision, "operations": [msgspec.to_builtins(op) for op in found]})
    elif len(found) == 1:
        results(details(found[0], revision))
    else:
        width = max(len(op.id) for op in found)
        for op in found:
            click.echo(
                f"{op.id:<{width}}  {op.method:<6} {op.path}   {limit(op.limit)}   {' '.join(op.scopes)}".rstrip()
            )
    return 0


def _times(project: Project, words: tuple[str, ...], since: str, json_: bool) -> int:
    age = re.fullmatch(r"(\d+)([mhd])", since)
    if age is None:
        raise SyncError(f"--since {since} is no age", "30m, 24h, 7d")
    found: list[ResponseTimes] = project.journal("").times(since=time.time() - int(age[1]) * _UNITS[age[2]])
    shown = [one for one in found if all(word.casefold() in one.operation for word in words)]
    if json_:
        as_json({"operations": [msgspec.to_builtins(one) for one in shown]})
    elif not shown:
        click.echo("no calls in that time")
    else:
        results(table(shown))
    return 0
