"""The `Auth` of an OAuth install: a bearer token that is renewed when it must be, by one of all that share it."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Generator, Mapping
from typing import NoReturn
from uuid import uuid4

from msgspec.structs import replace

from clavichord.client.auth import Hidden
from clavichord.client.core import Steps
from clavichord.client.errors import ReconnectRequired
from clavichord.client.log import log
from clavichord.client.token_endpoint import TRIES, Endpoint, Passing, pause
from clavichord.client.tokens import Tokens, TokenStore
from clavichord.client.types import Reply, Send, Sleep

EARLY = 120.0
"""seconds before its end that an access token is renewed"""
IDLE_LIMIT = 90 * 86_400
"""seconds without a refresh after which Klaviyo drops the refresh token (FACTS §1.6)"""
IDLE_WARNING = 60 * 86_400
REFRESHES, WINDOW = 10, 60.0
"""how often an install may ask for a refresh in so many seconds (FACTS §1.6)"""
_CLAIM = 150.0
"""seconds that one refresh may take: more than waiting for the limit and for an answer take"""
_RELAX = 15.0
"""seconds without another try after an early refresh failed"""


class Install:
    """An `Auth`: the bearer token of one install. Refreshed before its end, and once after a 401.

    Of all threads, tasks and processes that share the store, one refreshes; the others wait for it, or go on with the
    old token while that is good. ReconnectRequired when there is nothing to refresh with.
    """

    def __init__(self, name: str, key: str, store: TokenStore, endpoint: Endpoint, clock: Callable[[], float]) -> None:
        self.name = name
        self.identity = hashlib.blake2s(key.encode(), digest_size=12, person=b"clavichd").hexdigest()
        self._key = key
        self._store = store
        self._endpoint = endpoint
        self._clock = clock
        self._tokens: Tokens | None = None
        self._relax_until = 0.0

    def headers(self) -> Generator[Send | Sleep, Reply | None, Mapping[str, str]]:
        tokens, now = self._held(), self._clock()
        if tokens.expires_at - now <= EARLY and (now >= self._relax_until or tokens.expires_at <= now):
            tokens = yield from self._renewed(tokens)
        return _bearer(tokens)

    def renew(self, reply: Reply, sent: Mapping[str, str]) -> Generator[Send | Sleep, Reply | None, bool]:
        tokens = self._held()
        if _bearer(tokens) != sent:  # somebody renewed it while the request was on its way
            return True
        if len(self._recent(tokens)) >= REFRESHES:
            return False
        tokens = yield from self._renewed(tokens, rejected=True)
        return _bearer(tokens) != sent

    def refreshed(self) -> Steps[Tokens]:
        """A refresh now, whatever the time."""
        return (yield from self._renewed(self._held(), rejected=True))

    def _held(self) -> Tokens:
        if self._tokens is None:
            self._tokens = self._stored()
            idle = self._clock() - self._tokens.refreshed_at
            if idle >= IDLE_WARNING:
                log.warning(
                    "oauth %s: unused for %d days, Klaviyo drops an install after 90", self.name, idle // 86_400
                )
        return self._tokens

    def _stored(self) -> Tokens:
        tokens = self._store.load(self._key)
        if tokens is None:
            raise ReconnectRequired("oauth_token", 0, note=f"the store has no install {self.name!r}")
        return tokens

    def _recent(self, tokens: Tokens) -> tuple[float, ...]:
        return tuple(at for at in tokens.attempts if at > self._clock() - WINDOW)

    def _renewed(self, stale: Tokens, *, rejected: bool = False) -> Steps[Tokens]:
        """Newer tokens than `stale`, from the store or from Klaviyo. `rejected`: whatever its time, it is no good."""
        store, key, holder = self._store, self._key, uuid4().hex
        while True:
            if store.claim(key, holder, _CLAIM):
                break
            if not rejected and stale.expires_at > self._clock():
                return stale
            yield Sleep(random.uniform(0.03, 0.09))
            if (found := self._stored()).access != stale.access:
                self._tokens = found
                return found
        try:
            found = self._stored()
            if found.access == stale.access:
                found = yield from self._refresh(found, holder, rejected)
            self._tokens = found
            return found
        finally:
            store.release(key, holder)

    def _refresh(self, tokens: Tokens, holder: str, rejected: bool) -> Steps[Tokens]:
        """Asks Klaviyo, as the only one to do so. An early refresh that fails leaves the token that is still good."""
        store, key, clock = self._store, self._key, self._clock
        if tokens.ended:
            raise self._ended(tokens)
        for attempt in range(1, TRIES + 1):
            recent = self._recent(tokens)
            if len(recent) >= REFRESHES:
                if not rejected and tokens.expires_at > clock():
                    return tokens
                yield Sleep(recent[0] + WINDOW - clock())
            tokens = replace(tokens, attempts=(*self._recent(tokens), clock()))
            store.claim(key, holder, _CLAIM)
            store.save(key, tokens)
            try:
                grant = yield from self._endpoint.grant("refresh_token", refresh_token=Hidden(tokens.refresh))
            except ReconnectRequired as error:
                newer = self._stored()
                if newer.refresh != tokens.refresh:  # reconnected meanwhile
                    return newer
                tokens = replace(tokens, ended=clock())
                store.save(key, tokens)
                raise self._ended(tokens, error) from None
            except Passing as error:
                if not rejected and tokens.expires_at > clock():
                    self._relax_until = clock() + _RELAX
                    log.warning("oauth %s: refresh failed, the old token goes on for now: %s", self.name, error)
                    return tokens
                if attempt == TRIES:
                    raise
                yield Sleep(pause(error, attempt))
            else:
                break
        now = clock()
        fresh = Tokens(
            grant.access_token,
            grant.refresh_token or tokens.refresh,
            tuple(grant.scope.split()) or tokens.scopes,
            now + grant.expires_in,
            now,
            tokens.attempts,
        )
        store.save(key, fresh)  # before anybody uses it: Klaviyo may begin to rotate refresh tokens (FACTS §1.6)
        log.info("oauth %s: access token refreshed, good for %.0f s", self.name, grant.expires_in)
        return fresh

    def _ended(self, tokens: Tokens, error: ReconnectRequired | None = None) -> ReconnectRequired:
        days = int((tokens.ended - tokens.refreshed_at) // 86_400)
        why = f"it was not used for {days} days" if days >= 90 else "uninstalled, or revoked"
        note = f"Klaviyo refuses the refresh token of {self.name!r} (invalid_grant): {why}"
        return ReconnectRequired("oauth_token", 400, note=note, request_id=error.request_id if error else "")

    def __repr__(self) -> str:
        return f"Install({self.name!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an install holds tokens and is not pickled: make it anew in the other process")


def _bearer(tokens: Tokens) -> Mapping[str, str]:
    return {"authorization": Hidden(f"Bearer {tokens.access}")}
