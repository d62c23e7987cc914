"""How a call proves who it is. The core knows the protocol only, so that OAuth is another class of this kind."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Generator, Mapping
from typing import NoReturn, Protocol
from urllib.parse import parse_qs

from clavichord.client.errors import ConfigurationError
from clavichord.client.types import Reply, Send, Sleep


class Auth(Protocol):
    """`headers` and `renew` may take steps of their own (fetch a token): they run inside the call's life-cycle."""

    @property
    def identity(self) -> str:
        """A one-way name of whoever the limits are counted for. Never the secret."""
        ...

    def headers(self) -> Generator[Send | Sleep, Reply | None, Mapping[str, str]]:
        """The headers that sign a request."""
        ...

    def renew(self, reply: Reply, sent: Mapping[str, str]) -> Generator[Send | Sleep, Reply | None, bool]:
        """After a 401 to a request signed with `sent`: True if it may be sent once more with fresh `headers`."""
        ...


class Hidden(str):
    """A secret whose repr is blank, so that a traceback with local variables does not print it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'…'"


def check_company_id(operation: str, query: str) -> None:
    """ConfigurationError if an encoded query names a private key as the site: the URL of a `/client` call is public."""
    for value in parse_qs(query).get("company_id", ()):
        if value.strip().startswith("pk_"):
            raise ConfigurationError(
                f"{operation}: company_id is a private key (pk_…), and was not sent: it would stand in a URL that "
                "browsers and proxies see. Pass the public one, the 6-character site id (Settings > API keys)"
            )


class ApiKey:
    """A private key, `Authorization: Klaviyo-API-Key pk_…` (FACTS §1.1). ConfigurationError if it cannot be one."""

    __slots__ = ("_headers", "identity")

    def __init__(self, key: str) -> None:
        if not isinstance(key, str) or not key.strip():
            raise ConfigurationError("the API key is empty: pass a private key (pk_…) of the account")
        key = key.strip()
        if re.fullmatch(r"[A-Za-z0-9]{6}", key):
            raise ConfigurationError(
                "this is a public key (6 characters, the site id): calls to /api need a private key (pk_…); "
                "pass the public one as company_id= to the operations of `client`"
            )
        if not key.isascii() or not key.isprintable() or " " in key:
            raise ConfigurationError("the API key contains spaces or characters that no key has: copy it again")
        self.identity = hashlib.blake2s(key.encode(), digest_size=12, person=b"clavichd").hexdigest()
        self._headers: Mapping[str, str] = {"authorization": Hidden(f"Klaviyo-API-Key {key}")}

    def headers(self) -> Generator[Send | Sleep, Reply | None, Mapping[str, str]]:
        return self._headers
        yield  # a generator without steps

    def renew(self, reply: Reply, sent: Mapping[str, str]) -> Generator[Send | Sleep, Reply | None, bool]:
        return False
        yield

    def __repr__(self) -> str:
        return "ApiKey(…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an API key is not pickled: make the client anew in the other process")
