"""`clavichord report`: what a run did, and revenue by month."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import msgspec

from clavichord.cli.output import as_json, results
from clavichord.cli.project import Project
from clavichord.sync.mistakes import SyncError
from clavichord.sync.report import RunReport


class _Reports(click.Group):
    """`report RUN` and `report` alone are `report run RUN`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0] not in self.commands and args[0] not in ("-h", "--help")):
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Reports)
def command() -> None:
    """Show what a run did, or revenue by month.

    `clavichord report` shows the latest push; `clavichord report RUN` any (ids: `clavichord status`).
    """


@command.command("run")
@click.argument("run", default="latest")
@click.option("--json", "json_", is_flag=True, help="As JSON, with stable names.")
@click.option("--html", type=click.Path(path_type=Path), help="Write a self-contained page.")
@click.pass_obj
def show_run(project: Path | None, run: str, json_: bool, html: Path | None) -> int:
    """Show what a run did (the latest push by default)."""
    row = _find(Project.find(project), run)
    data: dict[str, Any] = json.loads(row["report"]) | {"status": row["state"]}
    if html is not None:
        from clavichord.cli.pages import run_page

        html.write_text(run_page(row["kind"], data, _text(row["kind"], data)), encoding="utf-8")
        click.echo(f"written: {html}", err=True)
    if json_:
        as_json(data)
    elif html is None:
        results(_text(row["kind"], data))
    return 0


def _find(project: Project, run: str) -> Any:
    with project.state() as state:
        if run == "latest":
            sql = "select * from runs where kind = 'push' and report is not null order by id desc limit 1"
            row = state.db.execute(sql).fetchone()
            if row is None:
                raise SyncError("there is no finished push yet", "`clavichord status` lists the runs")
            return row
        rows = state.db.execute("select * from runs where id = ? or sync = ? order by id desc", [run, run]).fetchall()
        if not rows:
            raise SyncError(f'there is no run "{run}"', "`clavichord status` lists the runs")
        told = next((row for row in rows if row["report"] is not None), None)
        if told is None:
            raise SyncError(f"run {rows[0]['id']} has no report: it was killed, or still works", "run the sync again")
        return told


def _text(kind: str, data: dict[str, Any]) -> list[str]:
    if kind == "push":
        return list(msgspec.convert(data, RunReport).lines())
    from clavichord.sync.pull import PullReport

    return list(msgspec.convert(data, PullReport).lines())


@command.command("revenue")
@click.option(
    "--from",
    "warehouse",
    type=click.Path(path_type=Path),
    required=True,
    help="The DuckDB file that a pull has filled.",
)
@click.option("--schema", default="klaviyo", show_default=True, help="Its schema.")
@click.option("--metric", default="Placed Order", show_default=True, help="The metric whose values are revenue.")
@click.option("--zone", default="UTC", show_default=True, help="Time zone in which a month begins.")
@click.option("--html", type=click.Path(path_type=Path), help="Write a self-contained page with a chart.")
@click.option("--json", "json_", is_flag=True, help="As JSON.")
def show_revenue(warehouse: Path, schema: str, metric: str, zone: str, html: Path | None, json_: bool) -> int:
    """Show revenue by month, from the pulled events."""
    from clavichord.cli.revenue import revenue

    found = revenue(warehouse, schema, metric, zone)
    if html is not None:
        from clavichord.cli.pages import revenue_page

        html.write_text(revenue_page(found), encoding="utf-8")
    if json_:
        as_json(found.to_dict())
    else:
        results(found.lines())
        if html is not None:
            click.echo(f"\nwritten: {html}")
    return 0
