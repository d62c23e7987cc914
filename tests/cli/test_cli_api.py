"""`clavichord api` and `clavichord ops`."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest
from tests.cli.command import KEY, Cli, SandboxProcess


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxProcess]:
    command = [sys.executable, "-m", "clavichord", "sandbox", "--port", "0", "--job-delay", "0", "--limits", "enforce"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield SandboxProcess(process.stdout.readline().strip())
    process.kill()
    process.communicate()


@pytest.fixture
def keyed(empty: Cli, sandbox: SandboxProcess) -> Cli:
    """No project: key and address come from the environment."""
    empty.environment = {"KLAVIYO_API_KEY": KEY, "KLAVIYO_BASE_URL": sandbox.base_url}
    return empty


def profile(email: str) -> str:
    return json.dumps({"data": {"type": "profile", "attributes": {"email": email, "properties": {"n": 1}}}})


def test_any_request_by_hand(keyed: Cli) -> None:
    done = keyed("api", "post", "profiles", "-d", profile("ann+1@shop.test"))
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)["data"]
    keyed.write("body.json", profile("bo@shop.test"))
    assert keyed("api", "POST", "/api/profiles", "-d", "@body.json").returncode == 0
    process = keyed.start("api", "POST", "/api/profiles", "-d", "@-", stdin=subprocess.PIPE)
    process.communicate(profile("cy@shop.test"), timeout=60)
    assert process.returncode == 0
    found = keyed("api", "GET", "/api/profiles", "-q", 'filter=equals(email,"ann+1@shop.test")', "-q", "page[size]=5")
    assert [row["id"] for row in json.loads(found.stdout)["data"]] == [made["id"]]
    whole = keyed("api", "GET", f"https://a.klaviyo.com/api/profiles/{made['id']}?fields[profile]=email")
    assert json.loads(whole.stdout)["data"]["attributes"] == {"email": "ann+1@shop.test"}

    rows = keyed("api", "GET", "profiles", "--all", "-q", "page[size]=1", "--format", "jsonl").stdout.splitlines()
    emails = {json.loads(row)["attributes"]["email"] for row in rows}
    assert emails >= {"ann+1@shop.test", "bo@shop.test", "cy@shop.test"}
    every = json.loads(keyed("api", "GET", "profiles", "--all", "-q", "page[size]=1").stdout)
    assert len(every["data"]) == len(rows) >= 3
    assert len(json.loads(keyed("api", "GET", "profiles", "-q", "page[size]=1").stdout)["data"]) == 1
    heading, *lines = keyed("api", "GET", "profiles", "--all", "--format", "table").stdout.splitlines()
    assert heading.split()[:2] == ["id", "email"]
    assert len(lines) == len(rows)
    assert any("cy@shop.test" in line for line in lines)


def test_an_empty_answer_and_an_upload(keyed: Cli) -> None:
    tag = json.loads(keyed("api", "POST", "tags", "-d", '{"data":{"type":"tag","attributes":{"name":"vip"}}}').stdout)
    done = keyed("api", "DELETE", f"/api/tags/{tag['data']['id']}")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "204, without a body\n")
    (keyed.folder / "dot.png").write_bytes(bytes.fromhex("89504e470d0a1a0a") + b"\0" * 60)
    done = keyed("api", "POST", "image-upload", "-F", "file=@dot.png", "-F", "name=Dot")
    assert (done.returncode, "Dot" in done.stdout) == (0, True), done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["GET", "/api/profle"], "near it: /api/profiles"),
        (["GET", "/api/list/AbC/profiles"], "near it: /api/lists/{id}/profiles"),
        (["PUT", "/api/profiles"], "takes GET, POST, not PUT"),
        (["POST", "/api/profiles"], "needs a body"),
        (["POST", "/api/profiles", "-d", "{data:"], "-d is not JSON"),
        (["POST", "/api/profiles", "-d", "@none.json"], "none.json"),
        (["GET", "/api/profiles", "-d", "{}"], "takes no body"),
        (["POST", "/api/image-upload"], "-F file=@"),
        (["POST", "/api/image-upload", "-F", "file"], "NAME=@FILE"),
        (["GET", "/api/profiles", "-q", "size"], "NAME=VALUE"),
        (["POST", "/api/profiles", "-d", "{}", "--all"], "--all reads pages"),
        (["GET", "/api/profiles", "-q", "filter=equals(shoe,1)"], "argument filter"),
        (["GET", "/api/profiles", "--revision", "yesterday"], "revision"),
        (["GET", "/api/brand-new", "--unlisted"], "404"),
        (["GET", "/api/profiles", "--account", "main"], "clavichord.yaml"),
    ],
)
def test_mistakes_are_explained(keyed: Cli, arguments: list[str], says: str) -> None:
    done = keyed("api", *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert says in done.stderr


def test_exit_codes_and_secrets(keyed: Cli, empty: Cli) -> None:
    keyed.environment["KLAVIYO_API_KEY"] = "nk_" + "s" * 34
    done = keyed("api", "GET", "accounts")
    assert done.returncode == 6
    assert "s" * 34 not in done.stdout + done.stderr
    del keyed.environment["KLAVIYO_API_KEY"]
    assert "KLAVIYO_API_KEY is not set" in keyed("api", "GET", "accounts").stderr
    keyed.environment["KLAVIYO_API_KEY"] = KEY
    report = ["api", "POST", "/client/events", "-q", f"company_id={KEY}", "-d", "{}"]
    done = keyed(*report)
    assert (done.returncode, "site id" in done.stderr) == (1, True)


def test_ops_tells_what_there_is(empty: Cli) -> None:
    lines = empty("ops", "profiles", "WRITE").stdout.splitlines()
    assert any(re.match(r"create_profile +POST +/api/profiles +75/s 750/min +profiles:write$", line) for line in lines)
    assert all(":write" in line for line in lines)
    one = empty("ops", "get_profiles").stdout
    for fact in (
        "GET /api/profiles",
        "75/s 750/min",
        "additional-fields[profile]=predictive_analytics: 10/s 150/min",
        "created (date-time): greater-than less-than",
        "-updated",
        "1 to 100, 20 by default",
        "profiles:read",
    ):
        assert fact in one
    assert empty("ops", "create_metric_aggregate").stdout.startswith("query_metric_aggregates")
    assert len(empty("ops", "/api/events").stdout.splitlines()) == 2
    assert len(empty("ops").stdout.splitlines()) == 345
    newer = json.loads(empty("ops", "--revision", "2026-10-15", "--json").stdout)
    assert (newer["revision"], len(newer["operations"]) > 400) == ("2026-10-15", True)
    done = empty("ops", "get_profilse")
    assert (done.returncode, "get_profiles" in done.stderr) == (1, True)
    assert "2026-07-15, 2026-10-15" in empty("ops", "--revision", "2020-01-01").stderr


def test_ops_tells_how_long_calls_take_here(connected: Cli) -> None:
    assert connected("ops", "--times").stdout == "no calls in that time\n"
    assert connected("run", "people").returncode == 0
    assert connected("api", "GET", "profiles").returncode == 0
    heading, *rows = connected("ops", "--times").stdout.splitlines()
    assert heading.split()[:2] == ["operation", "calls"]
    assert {"get_profiles", "create_or_update_profile"} <= {row.split()[0] for row in rows}
    assert [row.split()[0] for row in connected("ops", "--times", "or_update").stdout.splitlines()[1:2]] != []
    said = json.loads(connected("ops", "--times", "--json").stdout)["operations"]
    assert all(one["calls"] > 0 and one["p50"] <= one["p95"] <= one["max"] for one in said)
    assert "no age" in connected("ops", "--times", "--since", "long").stderr
    stored = b"".join(p.read_bytes() for p in (connected.folder / ".clavichord").glob("calls.db*"))
    assert b"get_profiles" in stored
    assert KEY.encode() not in stored
    assert b"shop.test" not in stored
