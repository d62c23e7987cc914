"""OAuth 2 as Klaviyo does it: authorization code with PKCE, refresh, revoke (FACTS §1.6).

Apps, codes and tokens live in the `resource` table of no account, under hashes: a reset takes them along, a file
keeps them, and nobody reads a secret in it. Lenient until an app is declared: any client id with any secret.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from hmac import compare_digest
from secrets import token_bytes, token_urlsafe
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, urlencode

import msgspec
from msgspec import Struct

from clavichord.sandbox import generic, inferred
from clavichord.sandbox.auth import Caller
from clavichord.sandbox.clock import SECOND
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.errors import Refusal
from clavichord.sandbox.ids import account_id
from clavichord.sandbox.limits import Limits
from clavichord.spec import Limit

_VERIFIER = re.compile(r"[a-zA-Z0-9\-._~]{43,128}")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_SCOPE = re.compile(r"[a-z-]+:(read|write)")
_SCHEME = re.compile(r"(?!javascript$|data$|vbscript$)[a-z][a-z0-9+.-]*", re.IGNORECASE)
_URL = "%:/?#[]@!$&'()*+,;=~"
_ACCOUNT = re.compile(r"[A-Za-z0-9]{6}")
_NOBODY = ""
_ALWAYS = "accounts:read"
"""granted without being asked for"""
_REQUIRED = ("response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge_method", "code_challenge")


class App(Struct, forbid_unknown_fields=True):
    """A declared app. `scopes` empty: all of them."""

    client_id: str
    client_secret: str
    redirect_uris: list[str] = []
    scopes: list[str] = []


class Reply(NamedTuple):
    status: int
    body: bytes = b""
    type: bytes = b"application/json"
    headers: Sequence[tuple[bytes, bytes]] = ()


class _Denied(Exception):
    """An RFC 6749 error: its code, and what is wrong."""

    def __init__(self, code: str, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.code, self.status = code, status


class Ask(NamedTuple):
    """A request for authorization that can be shown and granted."""

    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    state: str
    challenge: str


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class OAuth:
    """The endpoints under `/oauth/` and the tokens they give out.

    `page` draws the authorize page from the request and the ids of the accounts that exist.
    """

    def __init__(self, engine: Engine, limits: Limits, page: Callable[[Ask, Sequence[str]], bytes]) -> None:
        self._engine, self._limits, self._page = engine, limits, page

    # Rows: type → attributes. Each goes by the hash of its secret, an app by its client id.

    def _load(self, kind: str, row_id: str) -> dict[str, Any] | None:
        return generic.load(self._engine.store, _NOBODY, kind, row_id)

    def _store(self, kind: str, row_id: str, attributes: Mapping[str, Any]) -> None:
        self._engine.store.execute(
            "INSERT OR REPLACE INTO resource (account, type, id, created, updated, attributes)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (_NOBODY, kind, row_id, self._now, self._now, msgspec.json.encode(attributes).decode()),
        )

    def _drop(self, kind: str, row_id: str) -> None:
        self._engine.store.execute(
            "DELETE FROM resource WHERE account = ? AND type = ? AND id = ?", (_NOBODY, kind, row_id)
        )

    @property
    def _now(self) -> int:
        return self._engine.clock.now() // SECOND

    def declare(self, app: App) -> None:
        with self._engine.store.write():
            self._store(
                "oauth-app", app.client_id, msgspec.to_builtins(app) | {"client_secret": _hash(app.client_secret)}
            )

    def apps(self) -> list[dict[str, Any]]:
        """The declared apps, without their secrets."""
        rows = self._engine.store.execute("SELECT attributes FROM resource WHERE account = '' AND type = 'oauth-app'")
        found: list[dict[str, Any]] = [msgspec.json.decode(row[0]) for row in rows]
        return [{name: value for name, value in app.items() if name != "client_secret"} for app in found]

    def caller(self, token: str) -> Caller | None:
        """Whom an access token stands for; None if it is unknown, revoked or has expired."""
        access = self._load("oauth-access", _hash(token))
        if access is None or access["expires"] <= self._now:
            return None
        return Caller(access["account"], frozenset(access["scopes"]), f"{access['account']} {access['client_id']}")

    def answer(self, method: str, path: str, query: bytes, headers: Mapping[bytes, bytes], body: bytes) -> Reply:
        """Any request under /oauth/."""
        handlers: dict[tuple[str, str], Callable[[], Reply]] = {
            ("GET", "/oauth/authorize"): lambda: self._authorize(_form(query)),
            ("POST", "/oauth/authorize"): lambda: self._decide(_form(query) | _form(body)),
            ("POST", "/oauth/token"): lambda: self._token(headers, _form(body)),
            ("POST", "/oauth/revoke"): lambda: self._revoke(headers, _form(body)),
        }
        handler = handlers.get((method, path.rstrip("/")))
        if handler is None:
            known = any(path.rstrip("/") == one for _, one in handlers)
            return Reply(405 if known else 404, msgspec.json.encode({"error": "invalid_request"}))
        try:
            with self._engine.store.write():
                return handler()
        except _Denied as denied:
            text = {"error": denied.code, "error_description": str(denied)}
            return Reply(denied.status, msgspec.json.encode(text))
        except Refusal as refusal:  # the limit of the token endpoint
            return Reply(refusal.status, msgspec.json.encode({"error": "throttled"}), headers=refusal.headers)

    def _ask(self, given: Mapping[str, str]) -> Ask:
        missing = [name for name in _REQUIRED if not given.get(name)]
        if missing:
            raise _Denied("invalid_request", f"Missing: {', '.join(missing)}.")
        if given["response_type"] != "code":
            raise _Denied("unsupported_response_type", "response_type must be code.")
        if given["code_challenge_method"] != "S256" or _CHALLENGE.fullmatch(given["code_challenge"]) is None:
            raise _Denied("invalid_request", "PKCE with S256 is required: base64url(SHA-256(verifier)), unpadded.")
        scheme, mark, rest = given["redirect_uri"].partition(":")
        if not (mark and rest and _SCHEME.fullmatch(scheme) and given["redirect_uri"].isprintable()):
            raise _Denied("invalid_request", "redirect_uri is not an absolute URL.")
        scopes = dict.fromkeys((_ALWAYS, *given["scope"].split()))
        wrong = [scope for scope in scopes if _SCOPE.fullmatch(scope) is None]
        app = self._load("oauth-app", given["client_id"])
        if app is None and self.apps():
            raise _Denied("invalid_client", "No app with this client_id was declared.")
        if app is not None:
            if given["redirect_uri"] not in app["redirect_uris"]:
                raise _Denied("invalid_request", "redirect_uri is not one of the app's.")
            wrong += [scope for scope in scopes if app["scopes"] and scope not in (_ALWAYS, *app["scopes"])]
        if wrong:
            raise _Denied("invalid_scope", f"Not a scope of this app: {', '.join(wrong)}.")
        return Ask(given["client_id"], given["redirect_uri"], tuple(scopes), given["state"], given["code_challenge"])

    def _authorize(self, given: Mapping[str, str]) -> Reply:
        ask = self._ask(given)
        accounts = [
            row[0] for row in self._engine.store.execute("SELECT id FROM account ORDER BY created, id LIMIT 100")
        ]
        return Reply(200, self._page(ask, accounts or [account_id(ask.client_id)]), b"text/html; charset=utf-8")

    def _decide(self, given: Mapping[str, str]) -> Reply:
        ask = self._ask(given)
        if given.get("decision") == "allow":
            account = given.get("account") or account_id(ask.client_id)
            if _ACCOUNT.fullmatch(account) is None:
                raise _Denied("invalid_request", "account is not the id of an account: six letters and digits.")
            code = token_urlsafe(32)
            self._store(
                "oauth-code",
                _hash(code),
                {**ask._asdict(), "account": account, "expires": self._now + inferred.CODE_LIFETIME},
            )
            result = {"code": code, "state": ask.state}
        else:
            result = {"error": "access_denied", "error_description": "The user refused.", "state": ask.state}
        joint = "&" if "?" in ask.redirect_uri else "?"
        location = f"{quote(ask.redirect_uri, safe=_URL)}{joint}{urlencode(result)}"
        return Reply(302, headers=[(b"location", location.encode())])

    def _client(self, headers: Mapping[bytes, bytes]) -> str:
        """The client id of a Basic authorization. _Denied: invalid_client."""
        scheme, _, encoded = headers.get(b"authorization", b"").partition(b" ")
        try:
            client_id, colon, secret = b64decode(encoded.strip(), validate=True).decode().partition(":")
        except ValueError:
            client_id = colon = secret = ""
        app = self._load("oauth-app", client_id)
        known = compare_digest(app["client_secret"], _hash(secret)) if app else not self.apps()
        if scheme.lower() != b"basic" or not (client_id and colon and known):
            raise _Denied("invalid_client", "The client id or secret is wrong.")
        return client_id

    def _token(self, headers: Mapping[bytes, bytes], given: Mapping[str, str]) -> Reply:
        client_id = self._client(headers)
        self._limits.admit_to(client_id, "oauth_token", Limit(10, 10))
        grant = given.get("grant_type")
        if grant == "authorization_code":
            install = self._redeem(client_id, given)
            refresh = token_urlsafe(48)
        elif grant == "refresh_token":
            refresh = given.get("refresh_token", "")
            install = self._installed(client_id, refresh)
        else:
            raise _Denied("invalid_grant_type", "grant_type must be authorization_code or refresh_token.")
        # A refresh gives the same refresh token again and leaves older access tokens as they are (FACTS §1.6).
        self._store("oauth-refresh", _hash(refresh), {**install, "expires": self._now + inferred.REFRESH_LIFETIME})
        access = self._access_token(install)
        kept = {**install, "refresh": _hash(refresh), "expires": self._now + inferred.ACCESS_LIFETIME}
        self._store("oauth-access", _hash(access), kept)
        answer = {
            "access_token": access,
            "token_type": "bearer",
            "expires_in": inferred.ACCESS_LIFETIME,
            "refresh_token": refresh,
            "scope": " ".join(install["scopes"]),
        }
        return Reply(200, msgspec.json.encode(answer), headers=[(b"cache-control", b"no-store")])

    def _redeem(self, client_id: str, given: Mapping[str, str]) -> dict[str, Any]:
        """What a code was granted for; a code works once."""
        verifier = given.get("code_verifier", "")
        if _VERIFIER.fullmatch(verifier) is None:
            raise _Denied("invalid_request", 'Invalid "code_verifier"')
        row_id = _hash(given.get("code", ""))
        code = self._load("oauth-code", row_id)
        if code is None or code["expires"] <= self._now or code["client_id"] != client_id:
            raise _Denied("invalid_grant", "The code is unknown, was used, or has expired.")
        if code["redirect_uri"] != given.get("redirect_uri"):
            raise _Denied("invalid_grant", "redirect_uri is not the one that the code was asked for with.")
        if _challenge(verifier) != code["challenge"]:
            raise _Denied("invalid_grant", "Code challenge failed.")
        self._drop("oauth-code", row_id)
        return {name: code[name] for name in ("client_id", "account", "scopes")}

    def _installed(self, client_id: str, refresh: str) -> dict[str, Any]:
        install = self._load("oauth-refresh", _hash(refresh))
        if install is None or install["expires"] <= self._now or install["client_id"] != client_id:
            raise _Denied("invalid_grant", "The refresh token is unknown, revoked, or has expired.")
        return {name: install[name] for name in ("client_id", "account", "scopes")}

    def _access_token(self, install: Mapping[str, Any]) -> str:
        """Shaped like the ES256 JWTs that Klaviyo gives; its signature is made of chance."""
        claims = {
            "iss": "https://a.klaviyo.com",
            "sub": install["account"],
            "aud": install["client_id"],
            "scope": " ".join(install["scopes"]),
            "iat": self._now,
            "exp": self._now + inferred.ACCESS_LIFETIME,
        }
        parts = (msgspec.json.encode({"alg": "ES256", "typ": "JWT"}), msgspec.json.encode(claims), token_bytes(64))
        return ".".join(_base64url(part) for part in parts)

    def _revoke(self, headers: Mapping[bytes, bytes], given: Mapping[str, str]) -> Reply:
        """Ends the install: its refresh token and every access token that came of it."""
        client_id = self._client(headers)
        token = _hash(given.get("token", ""))
        access = self._load("oauth-access", token)
        refresh = access["refresh"] if access else token
        install = self._load("oauth-refresh", refresh)
        if install is not None and install["client_id"] == client_id:
            self._drop("oauth-refresh", refresh)
            self._engine.store.execute(
                "DELETE FROM resource WHERE account = '' AND type = 'oauth-access'"
                " AND json_extract(attributes, '$.refresh') = ?",
                (refresh,),
            )
        return Reply(200)


def _form(raw: bytes) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(raw.decode("latin-1")).items()}


def _base64url(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def _challenge(verifier: str) -> str:
    return _base64url(hashlib.sha256(verifier.encode()).digest())
