"""`--exec`: programs that know nothing of a sandbox end up in it."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clavichord.sandbox import tls
from clavichord.sandbox.exec import redirected, run
from clavichord.sandbox.serve import Running, running

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not here")

COMMAND = [sys.executable, "-c", "from clavichord.cli.sandbox import command; command()"]
ASK = """
import sys, urllib3
headers = {"Authorization": "Klaviyo-API-Key pk_a", "revision": "2026-07-15"}
made = urllib3.PoolManager().request("GET", "https://a.klaviyo.com/api/accounts", headers=headers)
print(made.status, len(made.json()["data"]))
"""
PROXY = ASK.replace("urllib3.PoolManager()", "urllib3.ProxyManager(__import__('os').environ['HTTPS_PROXY'])")
FETCH = """
const headers = {Authorization: "Klaviyo-API-Key pk_a", revision: "2026-07-15"};
fetch("https://a.klaviyo.com/api/accounts", {headers})
  .then(async (reply) => console.log(reply.status, (await reply.json()).data.length));
"""
HTTPS = """
const headers = {Authorization: "Klaviyo-API-Key pk_a", revision: "2026-07-15"};
require("https").get({host: "a.klaviyo.com", path: "/api/accounts", headers}, (reply) => {
  console.log(reply.statusCode, 1);
  reply.resume();
});
"""


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    with running() as server:
        yield server


@pytest.fixture(scope="module")
def environment(served: Running) -> Iterator[dict[str, str]]:
    with redirected(served.base_url) as found:
        yield found


def said(environment: dict[str, str], *command: str) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


@pytest.mark.parametrize("program", [ASK, PROXY])
def test_python(environment: dict[str, str], program: str) -> None:
    assert said(environment, sys.executable, "-c", program) == "200 1"


@pytest.mark.parametrize("program", [FETCH, HTTPS])
def test_node(environment: dict[str, str], program: str) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not here")
    assert said(environment, node, "-e", program) == "200 1"


def test_curl(environment: dict[str, str]) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("curl is not here")
    key = ["-H", "Authorization: Klaviyo-API-Key pk_a", "-H", "revision: 2026-07-15"]
    code = said(
        environment, curl, "-sS", "-o", "/dev/null", "-w", "%{http_code}", *key, "https://a.klaviyo.com/api/lists"
    )
    assert code == "200"


def test_the_official_sdk(environment: dict[str, str], served: Running) -> None:
    python = Path(__file__).parents[2] / ".venvs" / "klaviyo-api-24" / "bin" / "python"
    program = "from klaviyo_api import KlaviyoAPI; print(len(KlaviyoAPI('pk_a').Accounts.get_accounts().data))"
    assert said(environment, str(python), "-c", program) == "1"


def test_a_sitecustomize_that_was_there_still_works(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('mine')")
    both = environment | {"PYTHONPATH": f"{environment['PYTHONPATH']}:{tmp_path}"}
    assert said(both, sys.executable, "-c", ASK).split() == ["mine", "200", "1"]


def test_the_authority_speaks_for_klaviyo_only(tmp_path: Path) -> None:
    certificates = tls.make(tmp_path)
    assert not (tmp_path / "ca.key").exists()
    context = ssl.create_default_context(cafile=str(certificates.authority))
    assert context.get_ca_certs()
    text = subprocess.run(
        ["openssl", "x509", "-in", "ca.pem", "-noout", "-text"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "DNS:klaviyo.com" in text


def test_exit_codes_are_handed_on(served: Running) -> None:
    assert run(served.base_url, [sys.executable, "-c", "raise SystemExit(7)"]) == 7
    with pytest.raises(FileNotFoundError):
        run(served.base_url, ["no-such-program"])


def test_the_command_line(tmp_path: Path) -> None:
    script = tmp_path / "ask.py"
    script.write_text(ASK + "sys.exit(3)")
    done = subprocess.run(
        [*COMMAND, "--exec", f"{sys.executable} {script}"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (3, "200 1")
    assert done.stderr.startswith("http://127.0.0.1:")
    for wrong in ("", "no-such-program x", "'open"):
        done = subprocess.run([*COMMAND, "--exec", wrong], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode not in (0, 3)
        assert "Traceback" not in done.stderr
        assert "--exec" in done.stderr


def test_without_openssl_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(tls.NoCertificate, match="openssl"):
        tls.make(tmp_path)
