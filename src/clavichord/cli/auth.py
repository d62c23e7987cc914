"""`clavichord auth`: accounts that are connected by OAuth, and whether every account can be used."""

from __future__ import annotations

import webbrowser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from clavichord.cli.callback import Listener, is_loopback
from clavichord.cli.output import as_json, results
from clavichord.cli.project import Project
from clavichord.client.client import Klaviyo
from clavichord.client.errors import KlaviyoError
from clavichord.client.oauth import OAuth
from clavichord.sync.mistakes import SyncError

REFUSED = 6


@click.group()
def command() -> None:
    """Connect accounts by OAuth, and see whether every account can be used."""


@command.command("login")
@click.argument("account", required=False)
@click.option("--no-browser", is_flag=True, help="Print the URL only.")
@click.option("--paste", is_flag=True, help="Ask for the URL that the browser was sent to, instead of listening.")
@click.option(
    "--timeout", default=600, type=click.IntRange(1, 600), show_default=True, help="Seconds to wait for the person."
)
@click.pass_obj
def login(project: Path | None, account: str | None, no_browser: bool, paste: bool, timeout: int) -> int:
    """Connect ACCOUNT (the only one with `oauth` by default): its owner allows the app in a browser.

    The app's redirect_uri must be of this machine (http://localhost:8756/callback), and one of the redirect URLs of
    the app; for any other one, use --paste. Tokens are kept encrypted in the project's state.
    """
    found = Project.find(project)
    account = account or _only(found)
    app = found.app(account)
    if not paste and not is_loopback(app.redirect_uri):
        raise SyncError(f"nobody can listen at {app.redirect_uri} from here", "use --paste")
    if paste:
        _show(app.authorize(account), no_browser)
        app.exchange(click.prompt("The URL that the browser was sent to", err=True).strip())
    else:
        with Listener(app) as listener:
            _show(app.authorize(account), no_browser)
            if not listener.wait(timeout):
                raise SyncError(f"nobody came to {app.redirect_uri} within {timeout} s", "run it again")
    results([f"✓ {account}: connected to {_whose(found, account)}"])
    return 0


def _show(url: str, no_browser: bool) -> None:
    opened = not no_browser and webbrowser.open(url)
    click.echo("Allow it in the browser:" if opened else "Open this page in a browser and allow it:", err=True)
    click.echo(url)


def _only(project: Project) -> str:
    names = [name for name, one in project.settings.accounts.items() if one.oauth is not None]
    if len(names) == 1:
        return names[0]
    if names:
        raise SyncError("several accounts have an oauth app", f"name one of {', '.join(names)}")
    raise SyncError("no account has an oauth app", "accounts: {main: {oauth: main}}, and the app under oauth:")


def _whose(project: Project, account: str) -> str:
    """The Klaviyo account behind a project's account, asked from Klaviyo."""
    with Klaviyo(project.auth(account), base_url=project.base_url(account)) as klaviyo:
        data = klaviyo.send("get_accounts").json()["data"][0]
    contact = data.get("attributes", {}).get("contact_information") or {}
    name = contact.get("organization_name")
    return f"{data['id']}, {name}" if name else str(data["id"])


@command.command("status")
@click.option("--check", is_flag=True, help="Ask Klaviyo, too.")
@click.option("--json", "json_", is_flag=True, help="As JSON.")
@click.pass_obj
def status(project: Path | None, check: bool, json_: bool) -> int:
    """List the accounts, and how each is connected. Ends with 6 if one cannot be used."""
    found = Project.find(project)
    accounts = {name: _status(found, name, check) for name in found.settings.accounts}
    if json_:
        as_json({"accounts": accounts})
    elif not accounts:
        click.echo("the project has no accounts")
    else:
        results(_line(name, said) for name, said in accounts.items())
    return 0 if all(said["usable"] for said in accounts.values()) else REFUSED


def _status(project: Project, name: str, check: bool) -> dict[str, Any]:
    by = "key" if project.account(name).api_key is not None else "oauth"
    said: dict[str, Any] = {"by": by, "usable": True, "problem": "", "klaviyo_account": None}
    try:
        if by == "oauth":
            said |= _install(project.app(name), name)
        else:
            project.auth(name)
        if check and said["usable"]:
            said["klaviyo_account"] = _whose(project, name)
    except (SyncError, KlaviyoError) as error:
        said |= {"usable": False, "problem": str(error)}
    return said


def _install(app: OAuth, name: str) -> dict[str, Any]:
    found = app.status(name)
    if found is None:
        return {"usable": False, "problem": f"not connected → clavichord auth login {name}"}
    return {
        "usable": not found.ended,
        "problem": found.warning,
        "scopes": list(found.scopes),
        "refreshed": _moment(found.refreshed_at),
        "lapses": _moment(found.lapses_at),
    }


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")


def _line(name: str, said: dict[str, Any]) -> str:
    parts = [f"{'✓' if said['usable'] else '✗'} {name:<20}  {said['by']:<5}"]
    if said["klaviyo_account"]:
        parts.append(said["klaviyo_account"])
    if "lapses" in said:
        parts.append(f"refreshed {said['refreshed'][:10]}, lapses {said['lapses'][:10]} unless used")
        parts.append(" ".join(said["scopes"]))
    return "  ".join([*parts, said["problem"]]).rstrip()


@command.command("logout")
@click.argument("account")
@click.option("--local", is_flag=True, help="Forget the tokens here only; Klaviyo keeps the connection.")
@click.pass_obj
def logout(project: Path | None, account: str, local: bool) -> int:
    """End the connection of ACCOUNT: at Klaviyo, and here."""
    app = Project.find(project).app(account)
    if app.status(account) is None:
        raise SyncError(f'account "{account}" is not connected', "nothing was done")
    if local:
        app.forget(account)
    else:
        app.revoke(account)
    results([f"✓ {account}: {'forgotten here' if local else 'revoked at Klaviyo and forgotten here'}"])
    return 0
