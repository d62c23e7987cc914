"""OAuth against the sandbox: from the person who allows the app to a refresh, a reconnection and an end."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import urllib3

from clavichord.client.client import AsyncKlaviyo, Klaviyo
from clavichord.client.errors import (
    AuthenticationFailed,
    AuthorizationRefused,
    ConfigurationError,
    ReconnectRequired,
)
from clavichord.client.install import Install
from clavichord.client.oauth import AsyncOAuth, OAuth
from clavichord.client.pacing import Pacing
from clavichord.client.tokens import MemoryTokens
from clavichord.client.transports.aiohttp import AiohttpTransport
from clavichord.client.transports.urllib3 import Urllib3Transport
from clavichord.client.types import Reply, Request, Response, Timeouts
from clavichord.sandbox.clock import VirtualClock
from clavichord.sandbox.serve import running
from clavichord.sandbox.testing import SandboxHandle

DAY = 86_400.0
CALLBACK = "https://app.test/callback?kept=1"


@dataclass
class Place:
    """A sandbox, an app on it and the app's own clock."""

    handle: SandboxHandle
    now: float = field(default_factory=time.time)
    asked: list[tuple[str, int]] = field(default_factory=list)
    """(path, status) of what the clients of `call` asked, oldest first"""
    store: MemoryTokens = field(init=False)
    app: OAuth = field(init=False)

    def __post_init__(self) -> None:
        self.store = MemoryTokens(clock=lambda: self.now)
        self.app = self.make(OAuth)

    def make(self, kind: Callable[..., Any], secret: str = "secret-1") -> Any:
        return kind(
            "app-1",
            secret,
            redirect_uri=CALLBACK,
            scopes=["lists:read", "lists:write"],
            store=self.store,
            base_url=self.handle.base_url,
            clock=lambda: self.now,
        )

    def decide(self, url: str, decision: str = "allow") -> str:
        """What the browser is sent to when a person has decided."""
        answer = urllib3.request("POST", url, body=f"decision={decision}", redirect=False, retries=False)
        assert answer.status == 302, answer.data
        return answer.headers["location"]

    def connect(self, name: str = "shop-17") -> Install:
        return self.app.exchange(self.decide(self.app.authorize(name)))

    def both_clocks(self, seconds: float) -> None:
        self.now += seconds
        self.handle.advance(seconds)


@pytest.fixture(scope="module")
def served() -> Iterator[SandboxHandle]:
    with running(limits="off", job_delay=0, clock=VirtualClock(int(time.time()) * 1_000_000)) as sandbox:
        yield SandboxHandle(sandbox.base_url)


@pytest.fixture
def place(served: SandboxHandle) -> Iterator[Place]:
    yield Place(served)
    served.reset()


Call = Callable[[Install], Response]


@pytest.fixture(params=["blocking", "asynchronous"])
def call(request: pytest.FixtureRequest, place: Place) -> Call:
    """One call as an install, by either client."""
    options: dict[str, Any] = {"base_url": place.handle.base_url, "pacing": Pacing(enabled=False), "retries": 0}

    def note(asked: Request, reply: Reply) -> Reply:
        place.asked.append((asked.target, reply.status))
        return reply

    class Noting(Urllib3Transport):
        def send(self, request: Request) -> Reply:
            return note(request, super().send(request))

    class AsyncNoting(AiohttpTransport):
        async def send(self, request: Request) -> Reply:
            return note(request, await super().send(request))

    def blocking(install: Install) -> Response:
        transport = Noting(Timeouts())
        with Klaviyo(install, transport=transport, **options) as klaviyo, closing(transport):
            return klaviyo.send("get_lists")

    async def asynchronous(install: Install) -> Response:
        transport = AsyncNoting(Timeouts())
        async with AsyncKlaviyo(install, transport=transport, **options) as klaviyo:
            try:
                return await klaviyo.send("get_lists")
            finally:
                await transport.close()

    return blocking if request.param == "blocking" else lambda install: asyncio.run(asynchronous(install))


def test_the_authorize_url_is_what_klaviyo_asks_for(place: Place) -> None:
    first, second = place.app.authorize("a"), place.app.authorize("b")
    assert first.startswith(place.handle.base_url + "/oauth/authorize?")
    given = dict(parse_qsl(urlsplit(first).query))
    assert {name: value for name, value in given.items() if name not in ("state", "code_challenge")} == {
        "response_type": "code",
        "client_id": "app-1",
        "redirect_uri": CALLBACK,
        "scope": "lists:read lists:write",
        "code_challenge_method": "S256",
    }
    assert len(given["code_challenge"]) == 43
    other = dict(parse_qsl(urlsplit(second).query))
    assert given["state"] != other["state"]
    assert given["code_challenge"] != other["code_challenge"]
    public = OAuth("a", "s", redirect_uri=CALLBACK, scopes=["lists:read"], store=MemoryTokens())
    assert public.authorize("x").startswith("https://www.klaviyo.com/oauth/authorize?")


def test_an_allowed_app_works_and_is_known_to_other_clients_of_the_store(place: Place, call: Call) -> None:
    install = place.connect()
    assert call(install).status == 200
    status = place.app.status("shop-17")
    assert status is not None
    assert status.scopes == ("accounts:read", "lists:read", "lists:write")
    assert (status.expires_at, status.idle, status.warning) == (place.now + 3600, 0, "")
    assert call(place.make(OAuth).install("shop-17")).status == 200
    assert [one.name for one in place.app.installs()] == ["shop-17"]
    assert place.app.status("another") is None


def test_the_app_makes_clients(place: Place) -> None:
    place.connect()
    with place.app.klaviyo("shop-17", retries=0) as klaviyo:
        assert klaviyo.lists.create_list(name="VIP").name == "VIP"

    async def main() -> None:
        app = place.make(AsyncOAuth)
        url = app.authorize("shop-18")
        await app.exchange(place.decide(url))
        await app.refresh("shop-18")
        async with app.klaviyo("shop-18") as klaviyo:
            assert [one.name async for one in klaviyo.lists.get_lists()] == ["VIP"]
        await app.revoke("shop-18")
        assert app.status("shop-18") is None

    asyncio.run(main())


def test_callbacks_that_bring_nothing(place: Place) -> None:
    refused = place.decide(place.app.authorize("shop"), "deny")
    with pytest.raises(AuthorizationRefused, match=r"access_denied.*begin again") as caught:
        place.app.exchange(refused)
    assert caught.value.reason == "access_denied"
    good = place.decide(place.app.authorize("shop"))
    for forged in (good.replace("state=", "state=x"), CALLBACK, f"{CALLBACK}&code=c", ""):
        with pytest.raises(AuthorizationRefused, match="unknown state"):
            place.app.exchange(forged)
    place.app.exchange(urlsplit(good).query)  # a bare query will do
    with pytest.raises(AuthorizationRefused, match="twice"):
        place.app.exchange(good)
    late = place.decide(place.app.authorize("shop"))
    place.now += 601
    with pytest.raises(AuthorizationRefused, match="10 minutes"):
        place.app.exchange(late)


def test_a_wrong_secret_is_named(place: Place) -> None:
    place.handle.control("POST", "oauth/apps", {"client_id": "app-1", "client_secret": "secret-1"})
    place.handle.control(
        "POST",
        "oauth/apps",
        {"client_id": "app-1", "client_secret": "secret-1", "redirect_uris": [CALLBACK]},
    )
    wrong = place.make(OAuth, "another-secret")
    with pytest.raises(AuthenticationFailed, match="client_secret") as caught:
        wrong.exchange(place.decide(wrong.authorize("shop")))
    assert "another-secret" not in str(caught.value)


def test_an_expired_token_is_refreshed_and_the_call_repeated(place: Place, call: Call) -> None:
    install = place.connect()
    place.handle.advance(3700)  # Klaviyo's clock alone: the client cannot know before it asks
    assert call(install).status == 200
    assert place.asked == [("/api/lists", 401), ("/oauth/token", 200), ("/api/lists", 200)]
    assert call(install).status == 200
    assert len(place.asked) == 4


def test_a_token_near_its_end_is_refreshed_before_it_is_used(place: Place, call: Call) -> None:
    install = place.connect()
    place.both_clocks(3600 - 60)
    assert call(install).status == 200
    assert place.asked == [("/oauth/token", 200), ("/api/lists", 200)]
    status = place.app.status("shop-17")
    assert status is not None
    assert status.expires_at == place.now + 3600


def test_a_revoked_install_says_reconnect_and_asks_klaviyo_once(place: Place, call: Call) -> None:
    install = place.connect()
    other = place.make(OAuth)
    other.store = MemoryTokens()
    other.store.save(other.key("shop-17"), place.store.load(place.app.key("shop-17")))
    other.revoke("shop-17")  # by somebody else: this store does not know
    with pytest.raises(ReconnectRequired, match=r"refuses the refresh token of 'shop-17'.*Reconnect"):
        call(install)
    assert place.asked == [("/api/lists", 401), ("/oauth/token", 400)]
    for again in (install, place.app.install("shop-17")):
        with pytest.raises(ReconnectRequired, match="Reconnect"):
            call(again)
    assert [path for path, _ in place.asked].count("/oauth/token") == 1
    status = place.app.status("shop-17")
    assert status is not None
    assert "reconnect" in status.warning
    assert call(place.connect()).status == 200  # and reconnecting is all it takes
    assert call(install).status == 200


def test_revoking_ends_it_there_and_here(place: Place, call: Call) -> None:
    install = place.connect()
    place.app.revoke("shop-17")
    assert place.app.installs() == []
    with pytest.raises(ReconnectRequired, match="no install 'shop-17'"):
        call(place.app.install("shop-17"))
    with pytest.raises(ReconnectRequired):
        call(install)  # which still held the token: Klaviyo refuses it now
    place.app.revoke("shop-17")  # nothing to do


def test_an_idle_install_is_warned_of_and_kept_by_a_refresh(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    place.connect()
    place.both_clocks(61 * DAY)
    status = place.app.status("shop-17")
    assert status is not None
    assert "not used for 61 days" in status.warning
    assert status.lapses_at == place.now + 29 * DAY
    caplog.set_level(logging.WARNING, "clavichord")
    place.app.refresh("shop-17")
    assert "unused for 61 days" in caplog.text
    status = place.app.status("shop-17")
    assert status is not None
    assert status.warning == ""
    place.both_clocks(91 * DAY)
    status = place.app.status("shop-17")
    assert status is not None
    assert "not used for 91 days" in status.warning
    with pytest.raises(ReconnectRequired, match="not used for 91 days"):
        place.app.refresh("shop-17")


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in sys.modules if n.partition(".")[0] == "authlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigurationError, match=r"pip install 'clavichord\[oauth\]'"):
        OAuth("a", "s", redirect_uri=CALLBACK, scopes=["lists:read"], store=MemoryTokens())


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"client_id": ""}, "client_id"),
        ({"client_secret": "s\n"}, "client_secret"),
        ({"redirect_uri": "/callback"}, "redirect_uri"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes"),
        ({"base_url": "a.klaviyo.com"}, "base_url"),
    ],
)
def test_what_cannot_be_an_app_is_refused(changes: dict[str, Any], says: str) -> None:
    given: dict[str, Any] = {
        "client_id": "a",
        "client_secret": "s",
        "redirect_uri": CALLBACK,
        "scopes": ["lists:read"],
        "store": MemoryTokens(),
    }
    with pytest.raises(ConfigurationError, match=says):
        OAuth(**{**given, **changes})


def test_nothing_shows_a_token_or_the_secret(place: Place, call: Call, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    install = place.connect()
    tokens = place.store.load(place.app.key("shop-17"))
    assert tokens is not None
    place.handle.advance(3700)
    call(install)
    fresh = place.store.load(place.app.key("shop-17"))
    assert fresh is not None
    seen = [repr(one) for one in (install, vars(install), place.app, vars(place.app), vars(place.app.endpoint))]
    seen += [repr(place.store), repr(vars(place.store)), repr(tokens), json.dumps(caplog.text)]
    for secret in (tokens.access, tokens.refresh, fresh.access, "secret-1"):
        assert secret not in "".join(seen)
