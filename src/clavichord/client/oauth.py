"""OAuth 2 as Klaviyo does it (FACTS §1.6): an app, its installs, and tokens that are renewed when they must be.

    app = OAuth(client_id, client_secret, redirect_uri=…, scopes=[…], store=SQLiteTokens("tokens.db"))
    url = app.authorize("shop-17")           # send the account's owner there
    app.exchange(callback_url)               # what Klaviyo calls the redirect_uri with
    k = app.klaviyo("shop-17")               # from now on, also in other processes

Tokens are renewed by themselves (`Install`); a store keeps them (`tokens.py`).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TypeVar, Unpack
from urllib.parse import parse_qsl, urlsplit

from clavichord.client.auth import Hidden
from clavichord.client.core import Steps, adrive, drive
from clavichord.client.errors import AuthorizationRefused, ConfigurationError
from clavichord.client.install import IDLE_LIMIT, IDLE_WARNING, Install
from clavichord.client.log import log
from clavichord.client.token_endpoint import TRIES, Endpoint, Passing, pause
from clavichord.client.tokens import Pending, Tokens, TokenStore
from clavichord.client.types import BASE_URL, Sleep, Timeouts

if TYPE_CHECKING:
    from clavichord.client.client import AsyncKlaviyo, Klaviyo, Options

T = TypeVar("T")

_PENDING = 600.0
"""seconds that a person may take to allow an app"""


@dataclass(frozen=True, slots=True)
class InstallStatus:
    """What is known of an install without asking Klaviyo. Times are Unix seconds."""

    name: str
    scopes: tuple[str, ...]
    expires_at: float
    """of the access token, which is renewed by itself"""
    refreshed_at: float
    idle: float
    """seconds since the last refresh"""
    ended: bool
    """Klaviyo has refused its refresh token: it must be reconnected"""

    @property
    def lapses_at(self) -> float:
        """When Klaviyo drops the install unless it is refreshed before."""
        return self.refreshed_at + IDLE_LIMIT

    @property
    def warning(self) -> str:
        """What should be done about it, "" if nothing."""
        days = int(self.idle // 86_400)
        if self.ended:
            return "ended (uninstalled, revoked, or not used for 90 days): reconnect"
        if self.idle >= IDLE_LIMIT:
            return f"not used for {days} days: Klaviyo drops an install after 90, it must probably be reconnected"
        if self.idle >= IDLE_WARNING:
            return f"not used for {days} days: Klaviyo drops an install after 90; refresh() keeps it"
        return ""


class _App:
    """What the blocking and the asynchronous app share: everything but the driver."""

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        *,
        redirect_uri: str,
        scopes: Sequence[str],
        store: TokenStore,
        base_url: str = BASE_URL,
        authorize_url: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        target = urlsplit(redirect_uri)
        if not target.scheme or not (target.netloc or target.path):
            raise ConfigurationError(
                f"redirect_uri must be one of the app's redirect URLs in full, not {redirect_uri!r}"
            )
        if isinstance(scopes, str):
            scopes = scopes.split()
        if not scopes or not all(":" in scope for scope in scopes):
            raise ConfigurationError('scopes must be a list like ["profiles:read", "events:write"]')
        self.client_id = client_id
        self.redirect_uri = redirect_uri
        self.scopes = tuple(scopes)
        self.store = store
        self.base_url = base_url
        self.clock = clock
        self.endpoint = Endpoint(client_id, client_secret, base_url, authorize_url)

    def authorize(self, name: str) -> str:
        """The URL where the owner of a Klaviyo account allows the app to work on it.

        `name` is the caller's own for this install, for example its tenant id. The URL works for 10 minutes.
        """
        if not name:
            raise ConfigurationError("authorize: name is your own name for the install, it cannot be empty")
        state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        self.store.expect(state, Pending(name, verifier, self.clock() + _PENDING))
        return self.endpoint.authorize_url(self.redirect_uri, list(self.scopes), state, verifier)

    def install(self, name: str) -> Install:
        """The `auth` of the install `name`, for `Klaviyo` and `AsyncKlaviyo`. It need not exist yet."""
        return Install(name, self.key(name), self.store, self.endpoint, self.clock)

    def status(self, name: str) -> InstallStatus | None:
        """None if there is no such install. Asks the store only."""
        tokens = self.store.load(self.key(name))
        if tokens is None:
            return None
        idle = self.clock() - tokens.refreshed_at
        return InstallStatus(name, tokens.scopes, tokens.expires_at, tokens.refreshed_at, idle, ended=tokens.ended > 0)

    def installs(self) -> list[InstallStatus]:
        """Every install of this app in the store."""
        prefix = self.key("")
        names = [name.removeprefix(prefix) for name in self.store.names() if name.startswith(prefix)]
        return [found for found in map(self.status, names) if found is not None]

    def forget(self, name: str) -> None:
        """Deletes the tokens here. Klaviyo keeps the install: `revoke` ends it there, too."""
        self.store.delete(self.key(name))

    def key(self, name: str) -> str:
        """The name of an install in the store: two apps may share one."""
        return f"{self.client_id} {name}"

    def _exchange(self, callback: str) -> Steps[Install]:
        given = dict(parse_qsl(urlsplit(callback).query or callback.lstrip("?"), keep_blank_values=True))
        pending = self.store.expected(given.get("state", ""))
        if pending is None:
            raise AuthorizationRefused(
                "unknown state",
                "this callback answers no authorization that was asked for here in the last 10 minutes, or it came "
                "twice: begin again with authorize()",
            )
        if given.get("error") or not given.get("code"):
            told = given.get("error_description") or "no code came"
            raise AuthorizationRefused(given.get("error") or "no code", f"{told}; begin again with authorize()")
        for attempt in range(1, TRIES + 1):
            try:
                grant = yield from self.endpoint.grant(
                    "authorization_code",
                    code=Hidden(given["code"]),
                    code_verifier=Hidden(pending.verifier),
                    redirect_uri=Hidden(self.redirect_uri),
                )
            except Passing as error:
                if attempt == TRIES:
                    raise
                yield Sleep(pause(error, attempt))
            else:
                break
        now = self.clock()
        scopes = tuple(grant.scope.split()) or self.scopes
        tokens = Tokens(grant.access_token, grant.refresh_token, scopes, now + grant.expires_in, now)
        self.store.save(self.key(pending.name), tokens)
        lacking = [scope for scope in self.scopes if scope not in scopes]
        if lacking:
            log.warning("oauth %s: granted without %s", pending.name, ", ".join(lacking))
        return self.install(pending.name)

    def _revoke(self, name: str) -> Steps[None]:
        tokens = self.store.load(self.key(name))
        if tokens is None:
            return
        yield from self.endpoint.revoke(Hidden(tokens.refresh))
        self.forget(name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(client_id={self.client_id!r}, base_url={self.base_url!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an OAuth app holds a secret and is not pickled: make it anew in the other process")


class OAuth(_App):
    """An app of Klaviyo, for blocking programs.

    `client_id`, `client_secret`, `redirect_uri` and `scopes` are the app's (Integrations > Developers > Manage apps).
    `clock` gives Unix seconds. ConfigurationError if a value cannot be right, or Authlib is not installed.
    """

    def _run(self, steps: Steps[T]) -> T:
        from clavichord.client.transports.urllib3 import Urllib3Transport

        transport = Urllib3Transport(Timeouts())
        try:
            return drive(steps, transport.send)
        finally:
            transport.close()

    def exchange(self, callback: str) -> Install:
        """Takes in the URL (or query) of the callback and keeps the tokens of the install. AuthorizationRefused."""
        return self._run(self._exchange(callback))

    def refresh(self, name: str) -> None:
        """Refreshes an install now, which keeps one alive that is hardly used. ReconnectRequired."""
        self._run(self.install(name).refreshed())

    def revoke(self, name: str) -> None:
        """Ends an install at Klaviyo, then here. Nothing happens if there is none."""
        self._run(self._revoke(name))

    def klaviyo(self, name: str, **options: Unpack[Options]) -> Klaviyo:
        """A client for the account of an install."""
        from clavichord.client.client import Klaviyo

        options.setdefault("base_url", self.base_url)
        return Klaviyo(self.install(name), **options)


class AsyncOAuth(_App):
    """An app of Klaviyo, for programs on an event loop. Arguments as for `OAuth`."""

    async def _run(self, steps: Steps[T]) -> T:
        from asyncio import sleep

        from clavichord.client.transports.aiohttp import AiohttpTransport

        transport = AiohttpTransport(Timeouts())
        try:
            return await adrive(steps, transport.send, sleep)
        finally:
            await transport.close()

    async def exchange(self, callback: str) -> Install:
        """Takes in the URL (or query) of the callback and keeps the tokens of the install. AuthorizationRefused."""
        return await self._run(self._exchange(callback))

    async def refresh(self, name: str) -> None:
        """Refreshes an install now, which keeps one alive that is hardly used. ReconnectRequired."""
        await self._run(self.install(name).refreshed())

    async def revoke(self, name: str) -> None:
        """Ends an install at Klaviyo, then here. Nothing happens if there is none."""
        await self._run(self._revoke(name))

    def klaviyo(self, name: str, **options: Unpack[Options]) -> AsyncKlaviyo:
        """A client for the account of an install."""
        from clavichord.client.client import AsyncKlaviyo

        options.setdefault("base_url", self.base_url)
        return AsyncKlaviyo(self.install(name), **options)
