"""`clavichord status`: the latest runs."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import click

from clavichord.cli.output import as_json, results
from clavichord.cli.project import Project


@click.command()
@click.option("--limit", default=20, type=click.IntRange(1), show_default=True, help="How many runs.")
@click.option("--json", "json_", is_flag=True, help="As JSON.")
@click.pass_obj
def command(project: Path | None, limit: int, json_: bool) -> int:
    """List the latest runs, and what is not finished."""
    with Project.find(project).state() as state:
        runs = [_run(row) for row in state.runs.list(limit)]
    if json_:
        as_json({"runs": runs})
    elif not runs:
        click.echo("no runs yet")
    else:
        results(_line(run) for run in runs)
    return 0


def _run(row: sqlite3.Row) -> dict[str, Any]:
    report = json.loads(row["report"]) if row["report"] else {}
    run = {name: row[name] for name in ("id", "kind", "sync", "account", "state", "started", "finished")}
    return run | {"exit_code": report.get("exit_code"), "summary": _summary(row["kind"], row["state"], report)}


def _summary(kind: str, state: str, report: dict[str, Any]) -> str:
    if not report:
        return "being worked on, or killed: the next run goes on from there" if state == "running" else ""
    if kind == "pull":
        written = sum(s["counts"]["new"] + s["counts"]["changed"] for s in report["streams"].values())
        text = f"{written:,} rows written"
    else:
        text = " · ".join(f"{name} {count:,}" for name, count in report["classes"].items() if count) or "no rows"
    halt = report.get("halt")
    why = halt.get("message", "") if isinstance(halt, dict) else halt
    return f"{text}   {why}" if why else text


def _line(run: dict[str, Any]) -> str:
    mark = "✓" if run["exit_code"] == 0 else "✗" if run["state"] == "failed" or run["exit_code"] else "·"
    what = f"{run['kind']:<4}  {run['sync']:<20}  {run['state']:<8}"
    return f"{mark} {run['started'][:19]}  {what}  {run['summary']}   {run['id']}"
