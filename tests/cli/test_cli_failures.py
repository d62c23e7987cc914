"""What a person can get wrong: one block that says what, where and what to do, the right exit code, no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.command import KEY, Cli, SandboxProcess


def test_an_unknown_verb(empty: Cli) -> None:
    done = empty("pul")
    assert (done.returncode, 'did you mean "pull"?' in done.stderr) == (1, True)


def test_an_unknown_option_is_not_taken_for_changes(project: Cli) -> None:
    done = project("plan", "people", "--detailed")
    assert (done.returncode, "--detailed" in done.stderr) == (1, True)


def test_no_project(empty: Cli) -> None:
    done = empty("run", "people")
    assert done.returncode == 1
    assert "no clavichord.yaml in" in done.stderr
    assert "clavichord init" in done.stderr


def test_no_such_project_folder(empty: Cli) -> None:
    done = empty("--project", "nowhere", "check")
    assert (done.returncode, "nowhere: no such file" in done.stderr) == (1, True)


def test_no_such_sync(project: Cli) -> None:
    done = project("run", "peeple")
    assert (done.returncode, 'did you mean "people"?' in done.stderr) == (1, True)


def test_no_such_source_file(project: Cli) -> None:
    (project.folder / "data" / "people.csv").unlink()
    for verb in (["check"], ["plan", "people"]):
        done = project(*verb)
        assert done.returncode == 1
        assert "people" in done.stderr


def test_yaml_that_is_none(project: Cli) -> None:
    project.write("syncs/people.yaml", "sync: people\nfrom: {file: x.csv\nto: profiles\n")
    done = project("check")
    assert done.returncode == 1
    assert "syncs/people.yaml:3:" in done.stderr
    assert "not valid YAML" in done.stderr


def test_a_project_file_that_is_wrong(project: Cli) -> None:
    project.write("clavichord.yaml", "accounts: {main: {api_kye: env:X}}\n")
    done = project("check")
    assert (done.returncode, 'clavichord.yaml:1:19: accounts.main.api_kye: unknown key "api_kye"' in done.stderr) == (
        1,
        True,
    )


def test_every_mistake_of_every_file_at_once(project: Cli) -> None:
    project.write(
        "syncs/a.yaml", "sync: a\nfrom: {connection: shop, table: people, kye: id}\nto: profiles\nmap: {email: email}\n"
    )
    project.write(
        "syncs/b.yaml", "sync: b\nfrom: {connection: shop, table: people, key: id}\nto: profiles\nmap: {email: emial}\n"
    )
    project.write("pulls/c.yaml", "pull: c\naccount: other\ninto: c.duckdb\nstreams: {events: {}}\n")
    err = project("check").stderr
    for expected in (
        'syncs/a.yaml:2:41: from.kye: unknown key "kye"',
        'syncs/b.yaml:4:7: map.email: the source has no column "emial"',
        'there is no account "other"',
    ):
        assert expected in err


def test_an_example_that_comes_out_differently(project: Cli) -> None:
    file = project.folder / "syncs" / "people.yaml"
    file.write_text(file.read_text().replace("properties.Tier: gold", "properties.Tier: silver"))
    for verb in ("test", "check"):
        done = project(verb)
        assert done.returncode == 1
        assert 'properties.Tier: "silver" was expected, "gold" comes out' in done.stderr
        assert "syncs/people.yaml:15:" in done.stderr


def test_a_missing_environment_variable(project: Cli) -> None:
    for verb in (["run", "people"], ["pull", "warehouse"]):
        done = project(*verb)
        assert done.returncode == 1
        assert "the environment variable KLAVIYO_API_KEY is not set" in done.stderr
        assert "export KLAVIYO_API_KEY=pk_" in done.stderr


def test_a_key_in_the_project_file_is_refused_and_not_repeated(project: Cli) -> None:
    project.write("clavichord.yaml", f"accounts: {{main: {{api_key: {KEY}}}}}\n")
    done = project("check")
    assert done.returncode == 1
    assert "a reference is needed" in done.stderr


@pytest.mark.parametrize("verb", [["run", "people"], ["pull", "warehouse"]])
def test_a_wrong_key(project: Cli, start_sandbox: Callable[..., SandboxProcess], verb: list[str]) -> None:
    sandbox = start_sandbox("--key", "pk_" + "z" * 34)
    project.environment = {"KLAVIYO_API_KEY": KEY, "KLAVIYO_BASE_URL": sandbox.base_url}
    done = project(*verb)
    assert done.returncode == 6, done.stdout + done.stderr
    assert "key" in done.stdout + done.stderr
    assert project("status").stdout.startswith("✗")


def test_an_address_that_is_none(project: Cli) -> None:
    project.environment = {"KLAVIYO_API_KEY": KEY, "KLAVIYO_BASE_URL": "nonsense"}
    done = project("pull", "warehouse")
    assert (done.returncode, "base_url must look like" in done.stderr) == (1, True)


def test_bad_rows_are_held_back_and_the_good_ones_delivered(connected: Cli) -> None:
    connected.write("data/people.csv", "id,email,first_name,tier\n1,ana@shop.test,Ana,gold\n2,not an address,Bo,gold\n")
    done = connected("run", "people")
    assert done.returncode == 3
    assert "confirmed    1" in done.stdout
    assert "quarantined  1" in done.stdout
    assert "row 2" in done.stdout
    assert "email.invalid" in done.stdout


def test_a_warehouse_without_the_metric(connected: Cli) -> None:
    assert connected("pull", "warehouse").returncode == 0
    done = connected("report", "revenue", "--from", "warehouse.duckdb")
    assert (done.returncode, 'there is no metric "Placed Order"' in done.stderr) == (1, True)
    done = connected("report", "revenue", "--from", "nothing.duckdb")
    assert (done.returncode, "nothing.duckdb: no such file" in done.stderr) == (1, True)


def test_a_report_of_a_run_that_is_not_there(project: Cli) -> None:
    assert "there is no finished push yet" in project("report").stderr
    assert 'there is no run "x"' in project("report", "x").stderr


def test_a_folder_that_may_not_be_written(project: Cli) -> None:
    (project.folder / ".clavichord").write_text("a file, where the state folder belongs")
    done = project("plan", "people")
    assert (done.returncode, "state folder" in done.stderr) == (1, True)


def test_without_click_it_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("raise ModuleNotFoundError(\"No module named 'click'\", name='click')")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-m", "clavichord", "--help"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'clavichord[sync]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_mistake_of_ours_is_a_short_message_and_a_log_without_secrets(tmp_path: Path) -> None:
    program = f"""
import sys
from clavichord.cli import failures, main
from clavichord.cli.verbs import cli
failures.log_to(__import__("pathlib").Path({str(tmp_path)!r}))
def broken(*a, **k): raise LookupError("key {KEY} in a message")
cli.main = broken
sys.exit(main([]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "a mistake of clavichord, not yours" in done.stderr
    assert "Traceback" not in done.stderr
    (log,) = tmp_path.glob("clavichord-*.log")
    assert "LookupError" in log.read_text()
    assert KEY not in log.read_text() + done.stderr
