"""Private keys: which account a request belongs to and what it may do (FACTS §1.1, §1.4)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from clavichord.sandbox import inferred
from clavichord.sandbox.errors import Refusal, service
from clavichord.sandbox.ids import account_id
from clavichord.spec import Operation

Keys = Mapping[str, Collection[str] | None]
"""declared key → its scopes, None = all of them"""


class Keyring:
    """Lenient until a key is declared, strict afterwards. Holds keys in memory only; its repr shows none."""

    def __init__(self, keys: Keys | None = None) -> None:
        self._scopes = {key: None if scopes is None else frozenset(scopes) for key, scopes in (keys or {}).items()}
        self._accounts: dict[str, tuple[str, frozenset[str] | None]] = {}

    def identify(self, authorization: str) -> tuple[str, frozenset[str] | None]:
        """The account id of a request and its scopes. Refusal (401)."""
        found = self._accounts.get(authorization)
        if found is not None:
            return found
        scheme, _, key = authorization.partition(" ")
        key = key.strip()
        if scheme.lower() != "klaviyo-api-key" or not key:
            title = "Authentication credentials were not provided."
            raise service(401, "not_authenticated", title, inferred.NOT_AUTHENTICATED)
        if not key.startswith("pk_") or len(key) <= len("pk_") or (self._scopes and key not in self._scopes):
            title = "Incorrect authentication credentials."
            raise service(401, "authentication_failed", title, title)
        if len(self._accounts) > 10_000:
            self._accounts.clear()
        found = self._accounts[authorization] = (account_id(key), self._scopes.get(key))
        return found


def permit(operation: Operation, scopes: frozenset[str] | None) -> None:
    """Refusal (403) naming the scopes that a restricted key lacks."""
    missing = [] if scopes is None else [scope for scope in operation.scopes if scope not in scopes]
    if missing:
        raise _forbidden(inferred.SCOPE_MISSING.format(scopes=", ".join(missing)))


def _forbidden(detail: str) -> Refusal:
    return service(403, "permission_denied", "You do not have permission to perform this action.", detail)
