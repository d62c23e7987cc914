"""Who asks: which account a request belongs to, what it may do, whose limits it counts in (FACTS §1.1, §1.3, §1.4)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple

from clavichord.sandbox import inferred
from clavichord.sandbox.errors import Refusal, service
from clavichord.sandbox.ids import account_id
from clavichord.spec import Operation

Keys = Mapping[str, Collection[str] | None]
"""declared key → its scopes, None = all of them"""


class Caller(NamedTuple):
    """What a private key or an access token stands for."""

    account: str
    scopes: frozenset[str] | None
    """None = all of them"""
    bucket: str
    """whose limit windows count: the keys of an account share one set, an app's install has its own"""


class Keyring:
    """Lenient until a key is declared, strict afterwards. Holds keys in memory only; its repr shows none.

    `bearer` tells the caller of an access token, None for a token that is unknown or has expired.
    """

    def __init__(self, keys: Keys | None, bearer: Callable[[str], Caller | None]) -> None:
        self._declared: dict[str, Caller] = {}
        self._known: dict[str, Caller] = {}
        self._bearer = bearer
        for key, scopes in (keys or {}).items():
            self.declare(key, scopes)

    @property
    def strict(self) -> bool:
        return bool(self._declared)

    def declare(self, key: str, scopes: Collection[str] | None, account: str = "") -> None:
        """`account` "" is the one that follows from the key."""
        account = account or account_id(key)
        self._declared[key] = Caller(account, None if scopes is None else frozenset(scopes), account)
        self._known.clear()

    def state(self) -> dict[str, Caller]:
        """What `restore` needs to know the same keys again."""
        return dict(self._declared)

    def restore(self, state: Mapping[str, Caller]) -> None:
        self._declared = dict(state)
        self._known.clear()

    def identify(self, authorization: str) -> Caller:
        """Refusal (401)."""
        found = self._known.get(authorization)
        if found is not None:
            return found
        scheme, _, secret = authorization.partition(" ")
        secret = secret.strip()
        if scheme.lower() == "bearer" and secret:
            caller = self._bearer(secret)
            if caller is None:
                raise _incorrect()
            return caller
        if scheme.lower() != "klaviyo-api-key" or not secret:
            title = "Authentication credentials were not provided."
            raise service(401, "not_authenticated", title, inferred.NOT_AUTHENTICATED)
        declared = self._declared.get(secret)
        if not secret.startswith("pk_") or len(secret) <= len("pk_") or (self._declared and declared is None):
            raise _incorrect()
        if len(self._known) > 10_000:
            self._known.clear()
        account = account_id(secret)
        found = self._known[authorization] = declared or Caller(account, None, account)
        return found

    def company(self, given: str) -> bool:
        """Whether a public id may be used: with declared keys their accounts only."""
        return not self._declared or any(caller.account == given for caller in self._declared.values())


def _incorrect() -> Refusal:
    title = "Incorrect authentication credentials."
    return service(401, "authentication_failed", title, title)


def permit(operation: Operation, scopes: frozenset[str] | None) -> None:
    """Refusal (403) naming the scopes that a restricted key lacks."""
    missing = [] if scopes is None else [scope for scope in operation.scopes if scope not in scopes]
    if missing:
        raise _forbidden(inferred.SCOPE_MISSING.format(scopes=", ".join(missing)))


def _forbidden(detail: str) -> Refusal:
    return service(403, "permission_denied", "You do not have permission to perform this action.", detail)
