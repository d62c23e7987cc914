"""The pytest plugin, in a pytest of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import urllib3

from clavichord.sandbox.serve import running
from clavichord.sandbox.testing import ControlError, SandboxHandle

TESTS = """
import pytest
import urllib3

HEADERS = {"revision": "2026-07-15"}


def ask(sandbox, method, path, **more):
    headers = {**HEADERS, "Authorization": f"Klaviyo-API-Key {sandbox.key}"}
    return urllib3.request(method, sandbox.base_url + path, headers=headers, retries=False, **more)


def make(sandbox, email):
    body = {"data": {"type": "profile", "attributes": {"email": email}}}
    return ask(sandbox, "POST", "/api/profiles", json=body)


@pytest.mark.parametrize("number", range(3))
def test_everybody_has_an_account(klaviyo_sandbox, number):
    assert make(klaviyo_sandbox, "a@shop.test").status == 201
    assert klaviyo_sandbox.count("create_profile") == 1
    assert klaviyo_sandbox.sent("create_profile")[0]["data"]["attributes"] == {"email": "a@shop.test"}
    assert [one["email"] for one in klaviyo_sandbox.state("profiles")["profiles"]] == ["a@shop.test"]


def test_it_can_be_broken_and_moved(klaviyo_sandbox):
    klaviyo_sandbox.freeze("2030-01-01T00:00:00Z")
    klaviyo_sandbox.advance("1d")
    assert klaviyo_sandbox.now.startswith("2030-01-02")
    klaviyo_sandbox.fail("create_profile", status=503, times=1)
    assert [make(klaviyo_sandbox, "a@shop.test").status for _ in range(2)] == [503, 201]
    assert [one["status"] for one in klaviyo_sandbox.requests("create_profile")] == [503, 201]
    klaviyo_sandbox.limit("enforce")
    assert [ask(klaviyo_sandbox, "GET", "/api/accounts").status for _ in range(2)] == [200, 429]


def test_and_is_whole_again(klaviyo_sandbox):
    assert not klaviyo_sandbox.now.startswith("2030")
    assert [ask(klaviyo_sandbox, "GET", "/api/accounts").status for _ in range(2)] == [200, 200]


def test_a_double_opt_in_is_confirmed(klaviyo_sandbox):
    entry = {"email": "a@shop.test", "subscriptions": {"email": {"marketing": {"consent": "SUBSCRIBED"}}}}
    attributes = {"profiles": {"data": [{"type": "profile", "attributes": entry}]}}
    kind = "profile-subscription-bulk-create-job"
    body = {"data": {"type": kind, "attributes": attributes}}
    assert ask(klaviyo_sandbox, "POST", f"/api/{kind}s", json=body).status == 202
    klaviyo_sandbox.run_until_idle()
    assert klaviyo_sandbox.state("profiles")["profiles"] == []
    klaviyo_sandbox.confirm("a@shop.test")
    assert [one["email_consent"] for one in klaviyo_sandbox.state("profiles")["profiles"]] == ["SUBSCRIBED"]


@pytest.mark.klaviyo_sandbox(seed="demo", limits="enforce")
def test_a_sandbox_of_its_own(klaviyo_sandbox):
    assert len(klaviyo_sandbox.state("profiles", limit=500)["profiles"]) == 200
    assert [ask(klaviyo_sandbox, "GET", "/api/accounts").status for _ in range(2)] == [200, 429]


def test_nobody_needs_it():
    import sys
    assert True
"""


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_fixtures_isolate_and_clean_up(tmp_path: Path, workers: tuple[str, ...]) -> None:
    (tmp_path / "test_shop.py").write_text(TESTS)
    report = tmp_path / "driven.json"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "clavichord.sandbox.pytest_plugin", "--strict-markers"]
    done = subprocess.run(
        [*command, *workers, "--sandbox-coverage", str(report), str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]
    assert "8 passed" in done.stdout
    driven = msgspec.json.decode(report.read_bytes())
    assert {name.partition("[")[0] for name in driven["create_profile"]} == {
        "test_shop.py::test_everybody_has_an_account",
        "test_shop.py::test_it_can_be_broken_and_moved",
    }


def test_loading_the_plugin_loads_no_sandbox() -> None:
    code = "import sys, clavichord.sandbox.pytest_plugin; print([m for m in sys.modules if 'uvicorn' in m])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_the_handle_of_another_process(tmp_path: Path) -> None:
    with running(limits="off") as served:
        handle = SandboxHandle(served.base_url, "pk_a")
        handle.seed({"accounts": [{"key": "pk_a", "profiles": [{"email": "a@shop.test"}]}]})
        handle.save("one")
        handle.reset()
        assert handle.state("profiles")["profiles"] == []
        handle.restore("one")
        assert handle.state("profiles")["profiles"][0]["email"] == "a@shop.test"
        handle.download("one", tmp_path / "one.db")
        handle.fail(status=500)
        handle.heal()
        handle.run_until_idle()
        handle.resume()
        handle.watch_unread()
        answer = urllib3.request(
            "GET",
            f"{served.base_url}/api/profiles?page-size=3",
            headers={"Authorization": "Klaviyo-API-Key pk_a", "revision": "2026-07-15"},
        )
        assert answer.status == 200
        assert handle.requests(unread="true")[0]["unread"] == ["?page-size"]
        with pytest.raises(ControlError, match="get_profile"):
            handle.fail("get_profle", status=500)
    with running(db=str(tmp_path / "one.db")) as served:
        assert len(SandboxHandle(served.base_url, "pk_a").state("profiles")["profiles"]) == 1
