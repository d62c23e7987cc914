"""`clavichord run`: a sync file's changes into Klaviyo."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from types import FrameType

import click

from clavichord.cli.legacy import retrieved
from clavichord.cli.output import Display, as_json, results
from clavichord.cli.project import Project
from clavichord.sync.definition import SyncDefinition
from clavichord.sync.mistakes import SyncError
from clavichord.sync.push import Push, Traffic
from clavichord.sync.report import RunReport


@click.command()
@click.argument("sync")
@click.option("--from", "source", type=click.Path(path_type=Path), help="Read this file instead of the sync's source.")
@click.option("--key", help="Of a JSON file of Retrieve's: the column that tells rows apart.")
@click.option("--retry-rejected", is_flag=True, help="Send rows again that Klaviyo refused and that have not changed.")
@click.option("--reveal", is_flag=True, help="Show addresses and numbers in full.")
@click.option("--json", "json_", is_flag=True, help="The report as JSON.")
@click.pass_obj
def command(
    project: Path | None,
    sync: str,
    source: Path | None,
    key: str | None,
    retry_rejected: bool,
    reveal: bool,
    json_: bool,
) -> int:
    """Bring Klaviyo up to date with a source.

    SYNC is a name (syncs/NAME.yaml), a file, or a JSON file of Retrieve's, with --from its rows. An interrupted run is
    finished first. Ctrl-C ends it in order: requests in flight are finished, the next run goes on; a second Ctrl-C ends
    it at once, which loses nothing either.
    """
    if sync.endswith(".json"):
        found, definition, root = retrieved(project, sync, source, key)
    else:
        found = Project.find(project)
        definition, root = reading_from(found, found.sync(sync), source)
    report = asyncio.run(_run(found, definition, root, retry_rejected))
    if json_:
        as_json(report.to_dict(reveal=reveal) | {"status": report.state})
    else:
        results(report.lines(reveal=reveal))
    return report.exit_code


def reading_from(project: Project, definition: SyncDefinition, source: Path | None) -> tuple[SyncDefinition, Path]:
    """The definition with its source replaced by a file, and the folder its paths start from."""
    if source is None:
        return definition, project.folder
    if not source.is_file():
        raise SyncError(f"{source}: no such file")
    file = source.resolve()
    replaced = definition.source.model_copy(update={"file": file.name, "sql": None, "table": None, "connection": None})
    return definition.model_copy(update={"source": replaced}), file.parent


async def _run(project: Project, definition: SyncDefinition, root: Path, retry_rejected: bool) -> RunReport:
    traffic = Traffic()
    with project.state() as state, Display(definition.sync) as display:
        async with project.client(definition.account, traffic.record) as client:
            push = Push(
                definition,
                state=state,
                root=root,
                client=client,
                connections=project.settings.connections,
                progress=display.push,
                traffic=traffic,
                retry_rejected=retry_rejected,
            )
            before = {number: signal.signal(number, _Stopper(push)) for number in (signal.SIGINT, signal.SIGTERM)}
            try:
                return await push.run()
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)


class _Stopper:
    """The first signal stops in order, the second at once."""

    def __init__(self, push: Push) -> None:
        self._push = push
        self._asked = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        self._push.stop()
