"""`clavichord version`."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

import click

from clavichord import __version__
from clavichord.spec import REVISION

PARTS = ("msgspec", "urllib3", "aiohttp", "duckdb", "pydantic", "click", "uvicorn")


@click.command()
def command() -> int:
    """Print the versions that matter in a bug report."""
    click.echo(f"clavichord {__version__}, Klaviyo revision {REVISION}")
    click.echo(f"Python {platform.python_version()} on {platform.system()} {platform.machine()}")
    for part in PARTS:
        try:
            click.echo(f"{part} {version(part)}")
        except PackageNotFoundError:
            click.echo(f"{part} is not installed")
    return 0
