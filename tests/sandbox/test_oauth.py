"""OAuth: authorize with PKCE, token, refresh, revoke, expiry on the virtual clock."""

from __future__ import annotations

import hashlib
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from tests.sandbox.sandbox_api import Api, Reply

from clavichord.sandbox.clock import VirtualClock
from clavichord.sandbox.serve import running

VERIFIER = "v" * 64
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
ASK = {
    "response_type": "code",
    "client_id": "app-1",
    "redirect_uri": "https://app.test/callback",
    "scope": "profiles:read profiles:write",
    "state": "st<at>e",
    "code_challenge_method": "S256",
    "code_challenge": CHALLENGE,
}
FORM = "application/x-www-form-urlencoded"


class App:
    """What an app does: it sends people to the authorize page and talks to the token endpoint."""

    def __init__(self, api: Api, client_id: str = "app-1", secret: str = "secret-1") -> None:
        self.api = api
        self.basic = "Basic " + b64encode(f"{client_id}:{secret}".encode()).decode()

    def page(self, **changes: str) -> Reply:
        return self.api("GET", "/oauth/authorize", query={**ASK, **changes}, headers={"Authorization": None})

    def decide(self, decision: str = "allow", account: str = "", **changes: str) -> dict[str, str]:
        """What the callback is called with."""
        form = urlencode({"decision": decision, "account": account}).encode()
        headers = {"Authorization": None, "Content-Type": FORM}
        pool = self.api._pool.request(
            "POST",
            f"{self.api.base_url}/oauth/authorize?{urlencode({**ASK, **changes})}",
            body=form,
            headers={name: value for name, value in headers.items() if value},
            redirect=False,
        )
        assert pool.status == 302, pool.data
        location = urlsplit(pool.headers["location"])
        assert f"{location.scheme}://{location.netloc}{location.path}" == ASK["redirect_uri"]
        return {name: values[0] for name, values in parse_qs(location.query).items()}

    def post(self, path: str, basic: str | None = None, **form: str) -> Reply:
        headers = {"Authorization": basic or self.basic, "Content-Type": FORM, "revision": None}
        return self.api("POST", path, urlencode(form).encode(), headers=headers)

    def redeem(self, code: str, **changes: str) -> Reply:
        form = {"code": code, "code_verifier": VERIFIER, "redirect_uri": ASK["redirect_uri"], **changes}
        return self.post("/oauth/token", grant_type="authorization_code", **form)

    def refresh(self, token: str) -> Reply:
        return self.post("/oauth/token", grant_type="refresh_token", refresh_token=token)

    def install(self, account: str = "", **changes: str) -> dict[str, Any]:
        reply = self.redeem(self.decide(account=account, **changes)["code"])
        assert reply.status == 200, reply.body
        tokens: dict[str, Any] = reply.json
        return tokens

    def bearer(self, token: str, path: str = "/api/profiles", method: str = "GET", body: Any = None) -> Reply:
        return self.api(method, path, body, headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def app() -> Iterator[App]:
    with running(limits="off", job_delay=0, clock=VirtualClock(1_790_000_000_000_000)) as served:
        yield App(Api(served.base_url, "pk_a"))


def test_an_app_works_on_the_account_of_the_person_who_allowed_it(app: App) -> None:
    account = app.api.get("/api/accounts").ids[0]
    profile_id = app.api.profile(email="a@shop.test")
    page = app.page()
    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert f"<option>{account}</option>" in page.body.decode()
    tokens = app.install(account)
    assert list(tokens) == ["access_token", "token_type", "expires_in", "refresh_token", "scope"]
    assert (tokens["token_type"], tokens["expires_in"]) == ("bearer", 3600)
    assert tokens["scope"] == "accounts:read profiles:read profiles:write"
    assert tokens["access_token"].count(".") == 2
    assert app.bearer(tokens["access_token"]).ids == [profile_id]
    assert app.bearer(tokens["access_token"], "/api/accounts").ids == [account]
    refused = app.bearer(tokens["access_token"], "/api/lists")
    assert (refused.status, "lists:read" in refused.errors[0]["detail"]) == (403, True)


def test_the_person_can_refuse(app: App) -> None:
    result = app.decide("deny")
    assert (result["error"], result["state"]) == ("access_denied", "st<at>e")


def test_tokens_expire_on_the_clock_and_are_refreshed(app: App) -> None:
    tokens = app.install()
    app.api("POST", "/_sandbox/clock", {"advance": "59m"})
    assert app.bearer(tokens["access_token"]).status == 200
    app.api("POST", "/_sandbox/clock", {"advance": "2m"})
    expired = app.bearer(tokens["access_token"])
    assert (expired.status, expired.errors[0]["code"]) == (401, "authentication_failed")
    again = app.refresh(tokens["refresh_token"]).json
    assert again["refresh_token"] == tokens["refresh_token"]
    assert app.bearer(again["access_token"]).status == 200
    third = app.refresh(tokens["refresh_token"]).json
    assert app.bearer(again["access_token"]).status == 200  # a refresh ends no older access token
    app.api("POST", "/_sandbox/clock", {"advance": "91d"})
    assert app.refresh(third["refresh_token"]).json["error"] == "invalid_grant"


def test_revoking_ends_the_install(app: App) -> None:
    tokens, other = app.install(), app.install()
    again = app.refresh(tokens["refresh_token"]).json
    done = app.post("/oauth/revoke", token_type_hint="refresh_token", token=tokens["refresh_token"])
    assert (done.status, done.body) == (200, b"")
    statuses = [app.bearer(one["access_token"]).status for one in (tokens, again, other)]
    assert statuses == [401, 401, 200]
    assert app.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"
    assert app.post("/oauth/revoke", token="unknown").status == 200


def test_codes_work_once_soon_and_for_their_own_verifier(app: App) -> None:
    code = app.decide()["code"]
    assert app.redeem(code, code_verifier="short").json["error_description"] == 'Invalid "code_verifier"'
    wrong = app.redeem(code, code_verifier="w" * 64)
    assert (wrong.status, wrong.json) == (
        400,
        {"error": "invalid_grant", "error_description": "Code challenge failed."},
    )
    assert app.redeem(code, redirect_uri="https://other.test/").json["error"] == "invalid_grant"
    assert app.redeem(code).status == 200
    assert app.redeem(code).json["error"] == "invalid_grant"
    late = app.decide()["code"]
    app.api("POST", "/_sandbox/clock", {"advance": "6m"})
    assert app.redeem(late).json["error"] == "invalid_grant"
    assert App(app.api, "another").redeem(app.decide()["code"]).json["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "changes",
    [
        {"response_type": "token"},
        {"code_challenge_method": "plain"},
        {"code_challenge": "x"},
        {"redirect_uri": "javascript:alert(1)"},
        {"redirect_uri": "/relative"},
        {"redirect_uri": "DATA:text/html,x"},
        {"redirect_uri": "https://app.test/\r\nset-cookie: a=b"},
        {"scope": "everything"},
        {"client_id": ""},
        {"state": ""},
    ],
)
def test_requests_that_cannot_be_granted(app: App, changes: dict[str, str]) -> None:
    reply = app.page(**changes)
    assert (reply.status, set(reply.json)) == (400, {"error", "error_description"})


def test_wrong_clients_and_grants(app: App) -> None:
    app.api("POST", "/_sandbox/oauth/apps", {"client_id": "declared", "client_secret": "s", "scopes": ["lists:read"]})
    shown = app.api("GET", "/_sandbox/oauth/apps")
    assert shown.json["apps"][0]["client_id"] == "declared"
    assert b"client_secret" not in shown.body
    assert app.page().json["error"] == "invalid_client"
    for basic in ("Basic x", "Basic !!!", "Bearer x", "Basic " + b64encode(b"declared:wrong").decode()):
        assert app.post("/oauth/token", basic, grant_type="refresh_token").json["error"] == "invalid_client"
    right = "Basic " + b64encode(b"declared:s").decode()
    assert app.post("/oauth/token", right, grant_type="password").json["error"] == "invalid_grant_type"
    assert app.post("/oauth/token", right).json["error"] == "invalid_grant_type"


def test_a_declared_app_is_held_to_what_it_declared(app: App) -> None:
    declared = {
        "client_id": "app-1",
        "client_secret": "secret-1",
        "redirect_uris": [ASK["redirect_uri"]],
        "scopes": ["profiles:read", "profiles:write"],
    }
    assert app.api("POST", "/_sandbox/oauth/apps", declared).status == 200
    assert app.install()["scope"].startswith("accounts:read")
    assert app.page(scope="lists:read").json["error"] == "invalid_scope"
    assert app.page(redirect_uri="https://evil.test/").json["error"] == "invalid_request"


def test_pages_escape_what_they_show(app: App) -> None:
    page = app.page(client_id="<script>alert(1)</script>").body.decode()
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


def test_an_install_has_limits_of_its_own(app: App) -> None:
    tokens = app.install(app.api.get("/api/accounts").ids[0])
    app.api("PUT", "/_sandbox/limits", {"mode": "enforce"})
    assert [app.api.get("/api/accounts").status for _ in range(2)] == [200, 429]
    statuses = [app.bearer(tokens["access_token"], "/api/accounts").status for _ in range(2)]
    assert statuses == [200, 429]
    replies = [app.refresh(tokens["refresh_token"]) for _ in range(11)]
    assert [reply.status for reply in replies] == [200] * 10 + [429]
    assert int(replies[-1].headers["retry-after"]) > 0


def test_tokens_outlive_a_restart_and_are_read_by_nobody(tmp_path: Any) -> None:
    file = tmp_path / "state.db"
    with running(db=str(file)) as served:
        tokens = App(Api(served.base_url, "pk_a")).install()
    with running(db=str(file)) as served:
        assert App(Api(served.base_url, "pk_a")).bearer(tokens["access_token"]).status == 200
    stored = b"".join(one.read_bytes() for one in tmp_path.iterdir())
    assert tokens["access_token"].encode() not in stored
    assert tokens["refresh_token"].encode() not in stored


def test_a_page_of_another_origin_cannot_allow(app: App) -> None:
    form = urlencode({**ASK, "decision": "allow"}).encode()
    headers = {"Origin": "https://evil.test", "Content-Type": FORM}
    assert app.api("POST", "/oauth/authorize", form, headers=headers).status == 403
    assert app.api("GET", "/oauth/token").status == 405
    assert app.api("GET", "/oauth/other").status == 404
