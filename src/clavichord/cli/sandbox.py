"""`clavichord sandbox`: a Klaviyo on this machine."""

from __future__ import annotations

import sys

import click

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def _keys(given: tuple[str, ...]) -> dict[str, list[str] | None]:
    """`pk_x` or `pk_x:scope,scope` → scopes; scopes hold colons themselves (`lists:read`)."""
    keys: dict[str, list[str] | None] = {}
    for one in given:
        key, colon, scopes = one.partition(":")
        if not key.startswith("pk_") or len(key) < 4:
            raise click.BadParameter(
                "a key begins with pk_; write pk_x or pk_x:lists:read,profiles:write", param_hint="--key"
            )
        keys[key] = [scope.strip() for scope in scopes.split(",") if scope.strip()] if colon else None
    return keys


@click.command("sandbox")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--host", default="127.0.0.1", help="Anything but loopback lets others in.")
@click.option("--limits", type=click.Choice(["off", "headers", "enforce"]), default="headers", show_default=True)
@click.option("--windows", type=click.Choice(["clock", "first-request"]), default="clock", show_default=True)
@click.option("--db", default=":memory:", help="SQLite file to keep the state in.")
@click.option(
    "--job-delay", default=0.2, type=click.FloatRange(0), help="Seconds until accepted work is done.", show_default=True
)
@click.option("--latency", default=0.0, type=click.FloatRange(0), help="Milliseconds added to every answer.")
@click.option("--link-base", default="https://a.klaviyo.com", help="Start of every link in answers.", show_default=True)
@click.option("--key", "keys", multiple=True, metavar="pk_x[:SCOPE,…]", help="Declares a key; others are then refused.")
def command(
    port: int,
    host: str,
    limits: str,
    windows: str,
    db: str,
    job_delay: float,
    latency: float,
    link_base: str,
    keys: tuple[str, ...],
) -> None:
    """Serve a stateful Klaviyo; the first line printed is its base URL."""
    declared = _keys(keys)
    try:
        from clavichord.sandbox import serve
        from clavichord.sandbox.app import Sandbox
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error.name} is missing; install clavichord[sandbox]") from None
    try:
        bound = serve.bind(host, port)
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    if host not in _LOOPBACK:
        click.echo(f"warning: {host} is not loopback; whoever reaches it can read and change everything", err=True)
    try:
        sandbox = Sandbox(
            db=db,
            limits=limits,  # type: ignore[arg-type]  # click has checked the choice
            windows=windows,  # type: ignore[arg-type]
            keys=declared,
            link_base=link_base,
            job_delay=job_delay,
            latency=latency,
        )
    except ValueError as error:
        raise click.ClickException(str(error)) from None

    def ready() -> None:
        click.echo(serve.base_url(bound))
        sys.stdout.flush()

    serve.serve(sandbox, bound, ready)
