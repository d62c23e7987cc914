"""A project: the folder with clavichord.yaml. The only place that reads project files, environment and secrets."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clavichord.cli.failures import keep_secret, log_to
from clavichord.cli.folder import A_KEY, NAME, around_here
from clavichord.client.auth import Auth
from clavichord.client.client import AsyncKlaviyo
from clavichord.client.journal import Journal
from clavichord.client.types import BASE_URL, Hook
from clavichord.sync.definition import Account, Secret, SyncDefinition
from clavichord.sync.definition import Project as ProjectFile
from clavichord.sync.documents import load_project, load_sync
from clavichord.sync.mistakes import SyncError, nearest
from clavichord.sync.pull.definition import PullDefinition, load_pull
from clavichord.sync.state import StateFolder

if TYPE_CHECKING:
    from clavichord.client.oauth import OAuth

A_CLIENT_SECRET = ("…", "the secret of the app: Klaviyo > Integrations > Developers > Manage apps")
AN_APP = "oauth: {main: {client_id: …, client_secret: env:KLAVIYO_CLIENT_SECRET, scopes: [profiles:read]}}"
SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True)
class Project:
    folder: Path
    settings: ProjectFile

    @classmethod
    def find(cls, given: Path | None) -> Project:
        """The project at `given`, or around the working directory. SyncError, InvalidDefinition."""
        file = _locate(given)
        settings = load_project(read(file, file.name), file.name)
        project = cls(file.parent, settings)
        log_to(project.state_folder)
        return project

    @property
    def state_folder(self) -> Path:
        return self.folder / self.settings.state

    def state(self) -> StateFolder:
        return StateFolder(self.state_folder)

    def files(self, kind: str) -> list[Path]:
        """The files in `syncs` or `pulls`, sorted."""
        folder = self.folder / kind
        return sorted(p for p in folder.iterdir() if p.suffix in SUFFIXES) if folder.is_dir() else []

    def shown(self, file: Path) -> str:
        """How a file is named in messages: from the project's folder on."""
        try:
            return str(file.resolve().relative_to(self.folder.resolve()))
        except ValueError:
            return str(file)

    def locate(self, kind: str, name: str) -> Path:
        """The file of `kind` that is called `name`, or that `name` is the path of."""
        if name.endswith(SUFFIXES):
            for candidate in (Path(name), self.folder / name):
                if candidate.is_file():
                    return candidate
            raise SyncError(f"{name}: no such file")
        files = {p.stem: p for p in self.files(kind)}
        if name not in files:
            what = kind.removesuffix("s")
            raise SyncError(
                f'there is no {what} "{name}"', nearest(name, files) if files else f"write {kind}/{name}.yaml"
            )
        return files[name]

    def sync(self, name: str) -> SyncDefinition:
        """SyncError if there is no such sync, InvalidDefinition if its file is wrong."""
        file = self.locate("syncs", name)
        return load_sync(read(file, self.shown(file)), self.shown(file))

    def pull(self, name: str) -> PullDefinition:
        """SyncError if there is no such pull, InvalidDefinition if its file is wrong."""
        file = self.locate("pulls", name)
        return load_pull(read(file, self.shown(file)), self.shown(file))

    def account(self, name: str) -> Account:
        if name not in self.settings.accounts:
            known = nearest(name, self.settings.accounts)
            raise SyncError(
                f'there is no account "{name}" in {NAME}',
                known or f'add it: accounts: {{{name}: {{api_key: "env:KLAVIYO_API_KEY"}}}}',
            )
        return self.settings.accounts[name]

    def base_url(self, name: str) -> str:
        return self.account(name).base_url or os.environ.get("KLAVIYO_BASE_URL") or BASE_URL

    def auth(self, name: str) -> str | Auth:
        """What the account `name` calls with. SyncError if its secret is not to be had."""
        key = self.account(name).api_key
        return self.app(name).install(name) if key is None else self.secret(f'account "{name}"', key, A_KEY)

    def app(self, name: str) -> OAuth:
        """The OAuth app of the account `name`, over the project's tokens. SyncError if it has none."""
        from clavichord.cli.tokens import tokens
        from clavichord.client.oauth import OAuth

        wanted = self.account(name).oauth
        if wanted is None:
            raise SyncError(f'account "{name}" is connected by an API key', "nothing to log in to: it needs no login")
        if wanted not in self.settings.oauth:
            known = nearest(wanted, self.settings.oauth)
            raise SyncError(f'account "{name}": there is no app "{wanted}" under oauth: in {NAME}', known or AN_APP)
        app = self.settings.oauth[wanted]
        return OAuth(
            app.client_id,
            self.secret(f'oauth app "{wanted}"', app.client_secret, A_CLIENT_SECRET),
            redirect_uri=app.redirect_uri,
            scopes=app.scopes,
            store=tokens(self.state_folder),
            base_url=self.base_url(name),
        )

    def client(self, name: str, on_response: Hook | None = None) -> AsyncKlaviyo:
        """A client for the account `name`, with its secret. SyncError if the secret is not to be had."""
        hooks = [self.journal(name), *([on_response] if on_response is not None else [])]
        return AsyncKlaviyo(self.auth(name), base_url=self.base_url(name), on_response=hooks)

    def journal(self, account: str) -> Journal:
        """The calls of an account, which `clavichord ops --times` reads."""
        return Journal(self.state_folder / "calls.db", account=account)

    def secret(self, whose: str, secret: Secret, what: tuple[str, str]) -> str:
        """The value of a reference, kept out of every message from now on. SyncError if there is none."""
        if secret.kind == "env":
            value = os.environ.get(secret.value, "").strip()
            if not value:
                raise SyncError(
                    f"{whose}: the environment variable {secret.value} is not set",
                    f"export {secret.value}={what[0]} ({what[1]})",
                )
        else:
            file = self.folder / Path(secret.value).expanduser()
            value = read(file, f"{whose}: {secret.value}").strip()
            if not value:
                raise SyncError(f"{whose}: {secret.value} is empty", f"put {what[1].partition(':')[0]} into it")
        keep_secret(value)
        return value


def _locate(given: Path | None) -> Path:
    if given is not None:
        file = given / NAME if given.is_dir() else given
        if not file.is_file():
            raise SyncError(
                f"{file}: no such file", f"a project is a folder with a {NAME}; `clavichord init` makes one"
            )
        return file.resolve()
    found = around_here()
    if found is None:
        raise SyncError(
            f"no {NAME} in {Path.cwd()} or above it",
            "`clavichord init` starts a project here, --project names another folder",
        )
    return found


def read(file: Path, shown: str) -> str:
    """The text of a file a person wrote. SyncError if it cannot be read."""
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SyncError(f"{shown}: not UTF-8 (byte {error.start})", "save the file as UTF-8") from None
    except OSError as error:
        raise SyncError(f"{shown}: {(error.strerror or str(error)).lower()}") from None
