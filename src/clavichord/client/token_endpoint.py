"""The OAuth endpoints of Klaviyo (FACTS §1.6), as steps of a call's life-cycle. Authlib writes the protocol."""

from __future__ import annotations

from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from clavichord.client.auth import Hidden
from clavichord.client.core import Steps
from clavichord.client.errors import (
    APIError,
    AuthenticationFailed,
    ConfigurationError,
    ErrorObject,
    InvalidResponse,
    RateLimited,
    ReconnectRequired,
    ServerError,
    TransportError,
    api_error,
    request_id,
)
from clavichord.client.retries import backoff, retry_after
from clavichord.client.types import BASE_URL, Reply, Request, Send

AUTHORIZE_URL = "https://www.klaviyo.com/oauth/authorize"
TRIES = 4
Passing = (TransportError, RateLimited, ServerError)
"""failures after which asking again can help"""


class Grant(Struct):
    """An answer of the token endpoint."""

    access_token: str
    refresh_token: str = ""
    expires_in: float = 3600
    """seconds"""
    scope: str = ""

    def __repr__(self) -> str:
        return f"Grant(…, expires_in={self.expires_in:g}, scope={self.scope!r})"


class _Problem(Struct):
    error: str = ""
    error_description: str = ""


_grant, _problem = msgspec.json.Decoder(Grant), msgspec.json.Decoder(_Problem)


class Endpoint:
    """Where an app asks. ConfigurationError if a value cannot be right, or Authlib is missing."""

    def __init__(self, client_id: str, client_secret: str, base_url: str, authorize_url: str | None) -> None:
        for what, value in (("client_id", client_id), ("client_secret", client_secret)):
            if not value or not value.isascii() or not value.isprintable():
                raise ConfigurationError(f"{what} is empty or has characters that none has: copy it again from the app")
        base = urlsplit(base_url)
        if base.scheme not in ("http", "https") or not base.hostname or base.username or base.query:
            raise ConfigurationError(f"base_url must look like {BASE_URL}")
        _authlib("rfc6749.parameters")  # said now, not when the first token runs out
        self.client_id = client_id
        self._secret = Hidden(client_secret)
        self._origin, self._prefix = f"{base.scheme}://{base.netloc}", base.path.rstrip("/")
        own = f"{self._origin}{self._prefix}"
        self._authorize_url = authorize_url or (AUTHORIZE_URL if own == BASE_URL else f"{own}/oauth/authorize")

    def authorize_url(self, redirect_uri: str, scopes: list[str], state: str, verifier: str) -> str:
        url: str = _authlib("rfc6749.parameters").prepare_grant_uri(
            self._authorize_url,
            self.client_id,
            "code",
            redirect_uri=redirect_uri,
            scope=scopes,
            state=state,
            code_challenge_method="S256",
            code_challenge=_authlib("rfc7636").create_s256_code_challenge(verifier),
        )
        return url

    def grant(self, grant_type: str, **form: Hidden) -> Steps[Grant]:
        """One request to the token endpoint. APIError, TransportError."""
        body = Hidden(_authlib("rfc6749.parameters").prepare_token_request(grant_type, **form))
        reply = yield from self._post("/oauth/token", body)
        if reply.status != 200:
            raise _refusal("oauth_token", reply)
        try:
            grant = _grant.decode(reply.body)
        except msgspec.DecodeError:
            what = "not the answer of a token endpoint"
            raise InvalidResponse.of("oauth_token", reply.status, reply.headers, reply.body, what) from None
        if not grant.access_token or grant.expires_in <= 0:
            raise InvalidResponse("oauth_token", reply.status, note="the answer holds no usable token")
        return grant

    def revoke(self, refresh_token: Hidden) -> Steps[None]:
        """Ends an install. APIError, TransportError."""
        body, _ = _authlib("rfc7009").prepare_revoke_token_request(refresh_token, "refresh_token", "", {})
        body = Hidden(body)
        reply = yield from self._post("/oauth/revoke", body)
        if reply.status != 200:
            raise _refusal("oauth_revoke", reply)

    def _post(self, path: str, form: Hidden) -> Steps[Reply]:
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        _authlib("auth").ClientAuth(self.client_id, str(self._secret)).prepare("POST", "", headers, form)
        headers = {name.lower(): Hidden(value) for name, value in headers.items()}
        try:
            reply = yield Send(Request("POST", self._origin, self._prefix + path, headers, form.encode()))
        except TransportError as error:
            error.operation = path.strip("/").replace("/", "_")
            raise
        assert reply is not None
        return reply


def pause(error: TransportError | APIError, attempt: int) -> float:
    """Seconds to wait after a passing failure: what the server asks for, at most a minute."""
    asked = error.retry_after if isinstance(error, RateLimited) else None
    return min(asked if asked is not None else backoff(attempt), 60.0)


def _authlib(module: str) -> Any:
    try:
        return import_module(f"authlib.oauth2.{module}")
    except ModuleNotFoundError:
        raise ConfigurationError("OAuth needs Authlib: pip install 'clavichord[oauth]'") from None


def _refusal(operation: str, reply: Reply) -> APIError:
    """An error of RFC 6749 §5.2 as one of ours."""
    try:
        problem = _problem.decode(reply.body)
    except msgspec.DecodeError:
        problem = _Problem()
    told = [ErrorObject(code=problem.error, detail=problem.error_description or problem.error)]
    if problem.error == "invalid_grant":
        return ReconnectRequired(operation, reply.status, told, request_id(reply.headers))
    if problem.error == "invalid_client":
        note = "Klaviyo refuses the app's client_id and client_secret (invalid_client)"
        return AuthenticationFailed(operation, reply.status, (), request_id(reply.headers), note)
    error = api_error(operation, reply.status, reply.headers, reply.body)
    if problem.error and not error.errors:
        error.errors, error.note = told, ""
    if isinstance(error, RateLimited):
        error.retry_after = retry_after(reply)
    return error
