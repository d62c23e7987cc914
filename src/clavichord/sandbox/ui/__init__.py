"""The pages: one static page over the control plane, and the authorize page of OAuth. No build step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from importlib import resources

from clavichord.sandbox.oauth import Ask
from clavichord.sandbox.wire import Headers, Reply, Request

_TYPES: Mapping[str, str] = {
    "index.html": "text/html; charset=utf-8",
    "authorize.html": "text/html; charset=utf-8",
    "app.css": "text/css; charset=utf-8",
    "app.js": "text/javascript; charset=utf-8",
}
_POLICY = (
    "default-src 'self'",
    "img-src 'self' data:",
    "style-src 'self' 'unsafe-inline'",  # messages that are shown in a frame of their own bring theirs
    "frame-ancestors 'none'",
    "base-uri 'none'",
)
_SECURITY: Headers = [
    (b"content-security-policy", "; ".join(_POLICY).encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-cache"),
]


@cache
def _file(name: str) -> bytes:
    return (resources.files("clavichord.sandbox.ui") / name).read_bytes()


def answer(request: Request) -> Reply | None:
    """`/` and what it is made of; None for anything else."""
    name = "index.html" if request.raw_path == "/" else request.raw_path.removeprefix("/_ui/")
    if request.method not in ("GET", "HEAD") or name not in _TYPES or request.raw_path == f"/{name}":
        return None
    return Reply(200, _file(name), [*_SECURITY, (b"content-type", _TYPES[name].encode())])


def authorize_page(ask: Ask, accounts: Sequence[str]) -> bytes:
    """Asks which account an app may use; the form is posted back to the same address."""
    options = "".join(f"<option>{escape(account)}</option>" for account in accounts)
    scopes = "".join(f"<li>{escape(scope)}</li>" for scope in ask.scopes)
    page = _file("authorize.html").decode()
    for name, value in (("client", escape(ask.client_id)), ("accounts", options), ("scopes", scopes)):
        page = page.replace(f"<!--{name}-->", value)
    return page.encode()
