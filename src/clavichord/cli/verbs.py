"""The verbs by name. Their modules are imported when they are called, so that `--help` is instant."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import click

VERBS = {
    "init": "Start a project in this folder.",
    "check": "Check the project's files against their sources, offline.",
    "test": "Run the examples of the sync files, offline.",
    "plan": "Show what a run would send. Sends nothing.",
    "run": "Bring Klaviyo up to date with a source.",
    "pull": "Bring a warehouse up to date with Klaviyo.",
    "status": "List the latest runs.",
    "report": "Show what a run did, or revenue by month.",
    "import": "Turn a JSON file of Retrieve's into a sync file.",
    "dlq": "Rows that could not be delivered: list, show, send again, drop.",
    "consent": "Show, export and verify what was done about people's consent.",
    "erase": "Erase people in Klaviyo and here, for good.",
    "api": "Send any request to Klaviyo.",
    "ops": "Search Klaviyo's operations; show how long they take here.",
    "auth": "Connect accounts by OAuth, and see whether every account can be used.",
    "sandbox": "Serve a Klaviyo on this machine to practise on.",
    "version": "Print the versions that matter in a bug report.",
}

MODULES = {"import": "import_"}
"""verbs whose name is a word of Python"""


class Verbs(click.Group):
    """A group that knows its commands' names and imports one when it is wanted."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"clavichord.cli.{MODULES.get(cmd_name, cmd_name)}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in VERBS:
            from clavichord.sync.mistakes import nearest

            raise click.UsageError(f'there is no verb "{args[0]}"; {nearest(args[0], VERBS)}', ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--project",
    type=click.Path(path_type=Path),
    help="The project's folder, or its clavichord.yaml. Default: found from here upwards.",
)
@click.pass_context
def cli(ctx: click.Context, project: Path | None) -> None:
    """Klaviyo, both ways, from files under git: sync sources into it, pull everything out of it.

    \b
    Exit codes: 0 done · 2 plan found changes (--detailed-exitcode) · 3 rows quarantined or rejected ·
    4 accepted, not confirmed in time · 5 stopped by a limit of the file · 6 key or scope refused ·
    7 budget used up · 1 anything else · 130 stopped
    """
    ctx.obj = project
