"""`clavichord sandbox`: a Klaviyo on this machine."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from clavichord.sandbox.app import Options, Quirks
    from clavichord.sandbox.limits import Mode, Phase

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


@click.command("sandbox", context_settings={"auto_envvar_prefix": "CLAVICHORD_SANDBOX"})
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="0 takes a free one.")
@click.option("--host", default="127.0.0.1", help="Anything but loopback lets others in.")
@click.option("--limits", type=click.Choice(["off", "headers", "enforce"]), default="headers", show_default=True)
@click.option("--limit-scale", default=1.0, type=click.FloatRange(0, min_open=True), help="Factor on every limit.")
@click.option("--windows", type=click.Choice(["clock", "first-request"]), default="clock", show_default=True)
@click.option("--db", default=":memory:", help="SQLite file to keep the state in.")
@click.option("--seed", default=None, metavar="FILE|demo", help="State to begin with and to reset to (YAML, JSON).")
@click.option(
    "--job-delay", default=0.2, type=click.FloatRange(0), help="Seconds until accepted work is done.", show_default=True
)
@click.option("--latency", default=0.0, type=click.FloatRange(0), help="Milliseconds added to every answer.")
@click.option("--gzip/--no-gzip", default=True, help="Compress answers for clients that take it.", show_default=True)
@click.option("--link-base", default="https://a.klaviyo.com", help="Start of every link in answers.", show_default=True)
@click.option("--key", "keys", multiple=True, metavar="pk_x[:SCOPE,…]", help="Declares a key; others are then refused.")
@click.option(
    "--quirks",
    type=click.Choice(["spec", "live"]),
    default="spec",
    show_default=True,
    help="live: success statuses as recorded, which the official SDKs cannot decode.",
)
@click.option("--random-seed", default=None, type=int, help="Makes ids repeatable.")
@click.option(
    "--exec",
    "program",
    default=None,
    metavar="COMMAND",
    help="Run a program with its calls to a.klaviyo.com sent here.",
)
def command(
    port: int,
    host: str,
    limits: Mode,
    limit_scale: float,
    windows: Phase,
    db: str,
    seed: str | None,
    job_delay: float,
    latency: float,
    gzip: bool,
    link_base: str,
    keys: tuple[str, ...],
    quirks: Quirks,
    random_seed: int | None,
    program: str | None,
) -> None:
    """Serve a stateful Klaviyo; the first line printed is its base URL. Every option can be an environment variable,
    too: CLAVICHORD_SANDBOX_PORT."""
    declared = _keys(keys)
    try:
        from clavichord.sandbox import serve
        from clavichord.sandbox.app import Options, Sandbox
    except ModuleNotFoundError as error:
        raise click.ClickException(f"{error.name} is missing; install clavichord[sandbox]") from None
    options = Options(
        db=db,
        limits=limits,
        limit_scale=limit_scale,
        windows=windows,
        keys=declared,
        link_base=link_base,
        job_delay=job_delay,
        latency=latency,
        gzip=gzip,
        quirks=quirks,
    )
    if seed is not None:
        options["seed"] = seed
    if random_seed is not None:
        options["random_seed"] = random_seed
    try:
        if program is not None:
            sys.exit(_execute(program, port, options))
        bound = serve.bind(host, port)
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    if host not in _LOOPBACK:
        click.echo(f"warning: {host} is not loopback; whoever reaches it can read and change everything", err=True)
    try:
        sandbox = Sandbox(**options)
    except ValueError as error:
        raise click.ClickException(str(error)) from None

    def ready() -> None:
        click.echo(serve.base_url(bound))
        sys.stdout.flush()

    serve.serve(sandbox, bound, ready)


def _execute(program: str, port: int, options: Options) -> int:
    """The exit code of a program that ran against a sandbox on loopback. Its output is its own: ours goes to stderr."""
    from clavichord.sandbox import exec as redirect
    from clavichord.sandbox import serve, tls

    try:
        words = shlex.split(program, posix=sys.platform != "win32")
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--exec") from None
    if not words:
        raise click.BadParameter("give a command, for example --exec 'python sync.py'", param_hint="--exec")
    try:
        with serve.running(port=port, **options) as served:
            click.echo(served.base_url, err=True)
            return redirect.run(served.base_url, words)
    except (FileNotFoundError, PermissionError) as error:
        raise click.ClickException(f"--exec: {words[0]} cannot be run: {error.strerror}") from None
    except (ValueError, tls.NoCertificate) as error:
        raise click.ClickException(str(error)) from None
