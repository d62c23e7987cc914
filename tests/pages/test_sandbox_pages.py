"""The sandbox's page in a real Chromium."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.pages.browser import Page, chromium
from tests.sandbox.sandbox_api import Api

from clavichord.sandbox.serve import Running, running

_PROGRAM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(_PROGRAM is None, reason="no Chromium on this machine (apt-get install chromium)")

EVIL = "<img src=x onerror=\"document.title='broken in'\"><script>document.title='broken in'</script>"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    assert _PROGRAM is not None
    with chromium(_PROGRAM, tmp_path_factory.mktemp("chromium")) as opened:
        opened.size(1280, 800)
        yield opened


@pytest.fixture
def served(page: Page) -> Iterator[Running]:
    page.errors.clear()
    with running(limits="off", job_delay=0, seed="demo") as server:
        yield server
    assert page.errors == []


def keep(page: Page, name: str) -> None:
    """With CLAVICHORD_SCREENSHOTS=FOLDER the pages can be looked at."""
    folder = os.environ.get("CLAVICHORD_SCREENSHOTS")
    if folder:
        page.screenshot(Path(folder) / f"{name}.png")


def test_from_the_overview_to_a_person(page: Page, served: Running) -> None:
    page.open(f"{served.base_url}/")
    assert "200\nprofiles" in page.text()
    keep(page, "overview")
    page.open(f"{served.base_url}/#/profiles")
    page.fill("Search profiles", "tess.jensen.113")
    page.click("Search")
    page.until("document.querySelectorAll('tbody tr').length === 1")
    page.click("tess.jensen.113@coffee.test")
    page.until("document.querySelector('.timeline li') !== null")
    text = page.text()
    assert "Placed Order" in text
    assert "Consent" in text
    assert "Favorite Roast" in text
    keep(page, "profile")


def test_every_section_draws(page: Page, served: Running) -> None:
    api = Api(served.base_url, "pk_demo")
    api.imports({"attributes": {"email": "bulk@shop.test"}})
    sections = {
        "lists": "Newsletter",
        "events": "Placed Order",
        "resources": "catalog-item 10",
        "resources?type=catalog-item": "espresso",
        "jobs": "profile-bulk-import-job",
        "outbox": "No messages",
        "requests": "bulk_import_profiles",
        "request/1": "bulk@shop.test",
        "clock": "None: everything works.",
        "coverage?q=get_lists": "get_lists",
        "nonsense": "There is no such page.",
        "profile/nobody": "there is no profile",
    }
    for section, text in sections.items():
        page.open(f"{served.base_url}/#/{section}")
        page.until(f"document.querySelector('main').innerText.includes({text!r})")
        keep(page, section.split("?")[0].replace("/", "-"))


def test_a_double_opt_in_is_confirmed_from_the_page(page: Page, served: Running) -> None:
    api = Api(served.base_url, "pk_demo")
    list_id = api.list("Confirmed readers")
    entry = {"email": "new@shop.test", "subscriptions": {"email": {"marketing": {"consent": "SUBSCRIBED"}}}}
    api.consent("create", entry, list_id=list_id)
    page.open(f"{served.base_url}/#/lists")
    page.until("document.querySelector('main').innerText.includes('new@shop.test')")
    keep(page, "lists-pending")
    page.click("Confirm")
    page.until("document.querySelector('main').innerText.includes('Nobody: a double opt-in')")
    person = api.person("new@shop.test")
    assert person is not None
    assert person["subscriptions"]["email"]["marketing"]["consent"] == "SUBSCRIBED"


def test_what_comes_from_outside_is_text(page: Page, served: Running) -> None:
    api = Api(served.base_url, "pk_demo")
    profile_id = api.profile(email="evil@shop.test", first_name=EVIL, properties={EVIL: EVIL})
    api.event(EVIL, email="evil@shop.test", properties={EVIL: EVIL}, time="2026-11-01")
    api.list(EVIL)
    api.get(f"/api/lists/{EVIL.replace('/', '%2F').replace(' ', '%20').replace('<', '%3C').replace('>', '%3E')}")
    api("PUT", "/_sandbox/faults", [{"operation": "get_lists", "status": 500, "detail": EVIL}])
    places = (
        "profiles?q=evil",
        f"profile/{profile_id}",
        "events",
        "lists",
        "requests",
        "clock",
        "resources?type=metric",
    )
    for place in (*places, f"profiles?q={EVIL}"):
        page.open(f"{served.base_url}/#/{place}")
        page.until("document.querySelector('main h1') !== null")
        assert page.run("document.title") == "Klaviyo sandbox"
        assert page.run("document.querySelectorAll('main img, main script').length") == 0
    page.open(f"{served.base_url}/#/profile/{profile_id}")
    page.until("document.querySelector('.timeline li') !== null")
    assert EVIL in page.text()


def test_clock_faults_and_limits_are_moved_from_the_page(page: Page, served: Running) -> None:
    api = Api(served.base_url, "pk_demo")
    page.open(f"{served.base_url}/#/clock")
    page.until("document.querySelector('#told') !== null")
    page.click("Freeze")
    page.fill("Set to", "2030-05-01T10:00:00Z")
    page.click("Set")
    page.fill("Advance by", "1d")
    page.click("Advance")
    page.until("document.querySelector('#told')?.innerText === '2030-05-02 10:00:00'")
    assert api("GET", "/_sandbox/clock").json["frozen"] is True
    page.fill("operation", "get_lists")
    page.click("Arm")
    page.until("document.querySelector('main').innerText.includes('0 of 1')")
    keep(page, "clock-armed")
    assert [api.get("/api/lists").status for _ in range(2)] == [503, 200]
    page.fill("Limits", "enforce")
    page.until("document.querySelector('[aria-label=Limits]').value === 'enforce'")
    assert api("GET", "/_sandbox/limits").json["mode"] == "enforce"
    page.fill("operation", "get_lsits")
    page.run("[...document.querySelectorAll('button')].find((one) => one.innerText === 'Arm').click()")
    page.until("document.querySelector('#note').innerText.includes('get_lists')")


def test_snapshots_and_reset(page: Page, served: Running) -> None:
    api = Api(served.base_url, "pk_demo")
    page.open(f"{served.base_url}/#/")
    page.until("document.querySelector('[aria-label=\"Name of the snapshot\"]') !== null")
    page.fill("Name of the snapshot", "before")
    page.click("Save the state")
    api.profile(email="later@shop.test")
    page.click("Restore")
    assert api.person("later@shop.test") is None
    api.profile(email="later@shop.test")
    page.run("window.confirm = () => true")
    page.click("Reset")
    assert api.person("later@shop.test") is None


def test_dark_light_and_narrow(page: Page, served: Running) -> None:
    page.open(f"{served.base_url}/#/profiles")
    page.until("document.querySelector('tbody tr') !== null")
    grounds = []
    for scheme in ("light", "dark"):
        page.scheme(scheme)
        grounds.append(page.run("getComputedStyle(document.body).backgroundColor"))
        keep(page, f"profiles-{scheme}")
    assert grounds[0] != grounds[1]
    page.run("document.querySelector('#theme').click()")
    assert page.run("getComputedStyle(document.body).backgroundColor") == grounds[0]
    page.size(420, 800)
    keep(page, "profiles-narrow")
    assert page.run("document.documentElement.scrollWidth") <= 420
    page.size(1280, 800)
    page.scheme("light")


def test_the_authorize_page(page: Page, served: Running) -> None:
    query = (
        "response_type=code&client_id=shop&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fdone&scope=lists:read"
        f"&state=s&code_challenge_method=S256&code_challenge={'A' * 43}"
    )
    page.open(f"{served.base_url}/#/")
    page._send("Page.navigate", url=f"{served.base_url}/oauth/authorize?{query}")
    page.until("document.querySelector('select[name=account] option') !== null")
    assert "lists:read" in page.text()
    keep(page, "authorize")
    page.run("document.querySelector('button[value=allow]').click()")
    page.until("location.href.startsWith('http://127.0.0.1:1/done') || document.URL.includes('chrome-error')")
    page._send("Page.navigate", url="about:blank")
    page.errors.clear()
