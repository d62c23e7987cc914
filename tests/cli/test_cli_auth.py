"""`clavichord auth`: from the login in a browser to the logout, as a person does it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator

import pytest
import urllib3
from tests.cli.command import KEY, Cli, SandboxProcess

from clavichord.sandbox.serve import bind

APP = """\
accounts:
  keyed: {{api_key: "env:KLAVIYO_API_KEY"}}
  shop: {{oauth: main}}
oauth:
  main:
    client_id: app-1
    client_secret: "env:CLIENT_SECRET"
    redirect_uri: "{callback}"
    scopes: [profiles:read, profiles:write, lists:read, lists:write]
connections: {{shop: {{files: data}}}}
"""
SECRET = "client-secret-in-clear"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    import sys

    command = [sys.executable, "-m", "clavichord", "sandbox", "--port", "0", "--job-delay", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield SandboxProcess(process.stdout.readline().strip())
    process.kill()
    process.communicate()


def free_port() -> int:
    with bind("127.0.0.1", 0) as taken:
        return int(taken.getsockname()[1])


@pytest.fixture
def shop(project: Cli, sandbox: SandboxProcess) -> Cli:
    project.environment = {
        "KLAVIYO_API_KEY": KEY,
        "KLAVIYO_BASE_URL": sandbox.base_url,
        "CLIENT_SECRET": SECRET,
        "XDG_CONFIG_HOME": str(project.folder / "home"),
    }
    project.write("clavichord.yaml", APP.format(callback=f"http://localhost:{free_port()}/callback"))
    return project


def decide(url: str, decision: str = "allow") -> str:
    """Where the browser goes when the person has decided."""
    answer = urllib3.request("POST", url, body=f"decision={decision}", redirect=False, retries=False)
    assert answer.status == 302, answer.data
    return answer.headers["location"].replace("localhost", "127.0.0.1")


def log_in(cli: Cli, then: Callable[[str], None]) -> tuple[int, str, str]:
    """Starts a login, does `then` with the URL that it shows, and returns exit code, stdout, stderr."""
    process = cli.start("auth", "login", "--no-browser", "--timeout", "30")
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    assert url.startswith(cli.environment["KLAVIYO_BASE_URL"] + "/oauth/authorize?"), process.communicate()
    then(url)
    out, err = process.communicate(timeout=60)
    assert SECRET not in url + out + err
    return process.returncode, out, err


def visit(url: str) -> tuple[int, str]:
    answer = urllib3.request("GET", url, retries=False)
    return answer.status, answer.data.decode()


def test_a_login_connects_an_account_until_the_logout(shop: Cli) -> None:
    def browse(url: str) -> None:
        callback = decide(url)
        forged = callback.replace("state=", "state=forged-")
        assert visit(forged)[0] == 400  # somebody else's answer: it goes on waiting
        assert visit(callback.partition("/callback")[0] + "/favicon.ico")[0] == 404
        status, page = visit(callback)
        assert (status, "Connected" in page) == (200, True)

    code, out, err = log_in(shop, browse)
    assert (code, err) == (0, "Open this page in a browser and allow it:\n")
    assert "✓ shop: connected to " in out

    stored = b"".join(p.read_bytes() for p in (shop.folder / ".clavichord").iterdir())
    assert b"eyJ" not in stored  # how an access token begins
    assert (shop.folder / "home" / "clavichord" / "token.key").stat().st_mode & 0o777 == 0o600

    said = shop("auth", "status", "--check")
    assert said.returncode == 0, said.stdout
    keyed, connected = said.stdout.splitlines()
    assert keyed.startswith("✓ keyed")
    assert connected.startswith("✓ shop")
    assert {"lists:read", "lists:write", "profiles:read", "profiles:write"} <= set(connected.split())

    people = (shop.folder / "syncs" / "people.yaml").read_text().replace("account: main", "account: shop")
    shop.write("syncs/people.yaml", people)
    done = shop("run", "people")
    assert (done.returncode, "confirmed    2" in done.stdout) == (0, True), done.stderr

    done = shop("auth", "logout", "shop")
    assert done.stdout == "✓ shop: revoked at Klaviyo and forgotten here\n"
    said = shop("auth", "status", "--json")
    assert said.returncode == 6
    details = json.loads(said.stdout)["accounts"]["shop"]
    assert (details["by"], details["usable"]) == ("oauth", False)
    assert "clavichord auth login shop" in details["problem"]
    shop.write("data/people.csv", "id,email,first_name,tier\n9,zoe@shop.test,Zoë,gold\n")
    done = shop("run", "people")
    assert done.returncode == 6
    assert "clavichord auth login" in done.stdout
    assert "is not connected" in shop("auth", "logout", "shop").stderr


def test_a_refusal_is_told_in_both_places(shop: Cli) -> None:
    def browse(url: str) -> None:
        status, page = visit(decide(url, "deny"))
        assert (status, "Not connected" in page) == (400, True)

    code, _, err = log_in(shop, browse)
    assert code == 6
    assert "access_denied" in err


def test_the_address_can_be_pasted(shop: Cli) -> None:
    shop.write("clavichord.yaml", APP.format(callback="https://app.test/callback"))
    done = shop("auth", "login", "--no-browser")
    assert (done.returncode, "--paste" in done.stderr) == (1, True)
    process = shop.start("auth", "login", "--paste", "--no-browser", stdin=subprocess.PIPE)
    assert process.stdout is not None
    callback = decide(process.stdout.readline().strip())
    out, err = process.communicate(callback + "\n", timeout=60)
    assert process.returncode == 0, err
    assert "✓ shop: connected" in out
    assert shop("auth", "logout", "shop", "--local").stdout == "✓ shop: forgotten here\n"


def test_a_key_of_the_store_can_come_from_the_environment(shop: Cli) -> None:
    from cryptography.fernet import Fernet

    shop.environment["CLAVICHORD_TOKEN_KEY"] = Fernet.generate_key().decode()
    assert log_in(shop, lambda url: visit(decide(url)) and None)[0] == 0
    assert not (shop.folder / "home").exists()
    shop.environment["CLAVICHORD_TOKEN_KEY"] = Fernet.generate_key().decode()
    said = shop("auth", "status", "--json")
    assert "another key" in json.loads(said.stdout)["accounts"]["shop"]["problem"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("accounts: {a: {}}", "either an api_key or an oauth app"),
        ("accounts: {a: {api_key: env:X, oauth: main}}", "either an api_key or an oauth app"),
        ("accounts: {a: {oauth: mian}}\noauth: {main: {client_id: a, client_secret: env:HOME, scopes: [a:b]}}", "main"),
        ("accounts: {a: {oauth: main}}\noauth: {main: {client_id: a, client_secret: s3cret, scopes: [a:b]}}", "never"),
        ("accounts: {a: {oauth: main}}\noauth: {main: {client_id: a, client_secret: env:NONE, scopes: [a:b]}}", "NONE"),
        ("accounts: {a: {oauth: main}}\noauth: {main: {client_id: a, client_secret: env:HOME, scopes: []}}", "scopes"),
        ("accounts: {a: {api_key: env:HOME}}", "no account has an oauth app"),
        ("accounts: {a: {oauth: x}, b: {oauth: x}}", "a, b"),
    ],
)
def test_mistakes_in_the_file(empty: Cli, text: str, says: str) -> None:
    empty.write("clavichord.yaml", text)
    done = empty("auth", "login")
    assert done.returncode == 1
    assert says in done.stderr
    assert "s3cret" not in done.stderr


def test_a_port_in_use_is_named(shop: Cli) -> None:
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        shop.write("clavichord.yaml", APP.format(callback=f"http://127.0.0.1:{port}/callback"))
        done = shop("auth", "login")
    assert (done.returncode, f":{port}/callback" in done.stderr) == (1, True)
