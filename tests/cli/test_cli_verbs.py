"""The verbs, in the order in which a person meets them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from tests.cli.command import KEY, Cli, SandboxProcess

from clavichord.cli.verbs import VERBS

ORDERS = """\
sync: orders
from: {connection: shop, table: orders, key: id}
to: events
metric: Placed Order
profile: {external_id: person}
time: ordered_at
value: total
value_currency: USD
backfill: true
properties: {OrderId: id}
"""


def test_init_makes_a_project_that_checks_and_tests_clean(project: Cli) -> None:
    done = project("check")
    assert done.stdout.splitlines() == ["✓ syncs/people.yaml", "✓ pulls/warehouse.yaml"]
    assert project("test").stdout == "✓ syncs/people.yaml: 2 examples\n"
    schema = json.loads((project.folder / ".schema" / "sync.json").read_text())
    assert "ProfileSync" in schema["$defs"]
    assert ".clavichord/" in (project.folder / ".gitignore").read_text()


def test_init_overwrites_nothing(project: Cli) -> None:
    before = (project.folder / "clavichord.yaml").read_text()
    done = project("init")
    assert done.returncode == 1
    assert "clavichord.yaml is there already" in done.stderr
    assert (project.folder / "clavichord.yaml").read_text() == before


def test_plan_shows_changes_and_sends_nothing(project: Cli) -> None:
    done = project("plan", "people", "--detailed-exitcode")
    assert done.returncode == 2
    assert re.search(r"to send: profiles\s+2", done.stdout)
    assert project("plan", "people").returncode == 0
    assert json.loads(project("plan", "people", "--json").stdout)["changes"] == 2
    assert "| rows read | 2 |" in project("plan", "people", "--markdown").stdout


def test_from_source_to_warehouse_and_report(connected: Cli) -> None:
    connected.write(
        "data/orders.csv", "id,person,total,ordered_at\n1,1,10.50,1997-01-05T00:00:00Z\n2,2,5.25,1997-03-01T00:00:00Z\n"
    )
    connected.write("syncs/orders.yaml", ORDERS)
    for sync in ("people", "orders"):
        done = connected("run", sync)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "confirmed    2" in done.stdout
    assert connected("plan", "people", "--detailed-exitcode").returncode == 0

    report = json.loads(connected("report", "latest", "--json").stdout)
    assert (report["sync"], report["status"], report["rows_read"]) == ("orders", "finished", 2)
    assert report["classes"]["confirmed"] == 2 == sum(report["classes"].values())

    done = connected("pull", "warehouse", "--json")
    assert done.returncode == 0, done.stderr
    pulled = json.loads(done.stdout)
    assert {name: s["counts"]["new"] for name, s in pulled["streams"].items()} == {
        "profiles": 2,
        "events": 2,
        "metrics": 1,
        "lists": 0,
        "members": 0,
    }
    page = connected.folder / "revenue.html"
    done = connected("report", "revenue", "--from", "warehouse.duckdb", "--html", str(page))
    assert "1997-02         0        0             0.00" in done.stdout  # a month without orders is a month
    assert re.search(r"total\s+2\s+15\.75", done.stdout)
    html = page.read_text()
    assert "<svg" in html
    assert "<script" not in html
    assert "http" not in html.replace("http-equiv", "")
    figures = json.loads(connected("report", "revenue", "--from", "warehouse.duckdb", "--json").stdout)
    assert [m["revenue"] for m in figures["months"]] == ["10.50", "0.00", "5.25"]

    status = connected("status").stdout.splitlines()
    assert [line.split()[2] for line in status] == ["pull", "push", "push"]
    runs = json.loads(connected("status", "--json").stdout)["runs"]
    assert {run["exit_code"] for run in runs} == {0}
    assert connected("report", runs[0]["id"]).stdout.startswith("warehouse: main → warehouse.duckdb")
    assert connected("report", "people", "--html", "people.html").returncode == 0
    assert "Every row in exactly one class" in (connected.folder / "people.html").read_text()


def test_run_reads_another_file_when_told(connected: Cli, tmp_path: Path) -> None:
    connected.write("elsewhere/new.csv", "id,email,first_name,tier\n9,zoe@shop.test,Zoë,gold\n")
    done = connected("run", "syncs/people.yaml", "--from", "elsewhere/new.csv")
    assert done.returncode == 0, done.stderr
    assert "read 1" in done.stdout


def test_the_project_is_found_from_below_and_by_option(project: Cli) -> None:
    below = Cli(project.folder / "data")
    assert below("check").returncode == 0
    elsewhere = Cli(Path("/"))
    assert elsewhere("--project", str(project.folder), "check").returncode == 0
    assert elsewhere("--project", str(project.folder / "clavichord.yaml"), "check").returncode == 0


def test_a_key_may_stand_in_a_file(connected: Cli) -> None:
    connected.write("key.txt", KEY + "\n")
    connected.write(
        "clavichord.yaml", 'accounts: {main: {api_key: "file:key.txt"}}\nconnections: {shop: {files: data}}\n'
    )
    connected.environment.pop("KLAVIYO_API_KEY")
    assert connected("run", "people").returncode == 0


def test_help_is_there_for_every_verb(empty: Cli) -> None:
    verbs = re.findall(r"^  ([a-z]+)  +[A-Z]", empty("--help").stdout.partition("Verbs:")[2], re.M)
    assert verbs == list(VERBS)
    for verb in verbs:
        done = empty(verb, "--help")
        assert done.returncode == 0
        assert f"Usage: clavichord {verb}" in done.stdout


def test_the_list_of_verbs_imports_none_of_them(empty: Cli) -> None:
    program = (
        "import sys; from clavichord.cli import main; main(['--help']); "
        "print([m for m in ('duckdb', 'pydantic', 'aiohttp', 'rich', 'ruamel') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n")


@pytest.mark.parametrize("pages", [0, 3, 12])
def test_a_pull_that_is_killed_goes_on_to_the_truth(
    project: Cli, start_sandbox: Callable[..., SandboxProcess], pages: int
) -> None:
    sandbox = start_sandbox("--limits", "off", "--latency", "20")
    project.environment = {"KLAVIYO_API_KEY": KEY, "KLAVIYO_BASE_URL": sandbox.base_url}
    people = "".join(f"{i},p{i}@shop.test,P,gold\n" for i in range(3000))
    project.write("data/people.csv", "id,email,first_name,tier\n" + people)
    assert project("run", "people").returncode == 0
    before = sandbox.count("get_profiles")

    pull = project.start("pull", "warehouse", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while sandbox.count("get_profiles") <= before + pages:
        assert pull.poll() is None, "it was over before it could be killed"
    pull.send_signal(signal.SIGKILL)
    pull.communicate()

    done = project("pull", "warehouse")
    assert done.returncode == 0, done.stderr
    with duckdb.connect(str(project.folder / "warehouse.duckdb"), read_only=True) as db:
        found = db.execute("select count(*), count(distinct external_id) from klaviyo.profiles").fetchone()
    assert found == (3000, 3000)


def test_ctrl_c_ends_a_pull_with_130(project: Cli, start_sandbox: Callable[..., SandboxProcess]) -> None:
    sandbox = start_sandbox("--limits", "off", "--latency", "300")
    project.environment = {"KLAVIYO_API_KEY": KEY, "KLAVIYO_BASE_URL": sandbox.base_url}
    pull = project.start("pull", "warehouse")
    while not sandbox.count("get_accounts"):
        assert pull.poll() is None
    pull.send_signal(signal.SIGINT)
    _, err = pull.communicate()
    assert (pull.returncode, "Traceback" in err) == (130, False)
    assert json.loads(project("status", "--json").stdout)["runs"][0]["state"] == "stopped"
