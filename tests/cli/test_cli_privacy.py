"""Consent on record, and people who are forgotten."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import urllib3
from tests.cli.command import KEY, Cli

PEOPLE = """\
sync: readers
account: main
from: {file: readers.csv, key: id}
to: profiles
map: {external_id: id, email: email(mail)}
consent:
  email: {subscribe_if: "yes = '1'", proof: {at: at, source: source}, list: News, create: true, historical: true}
"""
ROWS = "id,mail,yes,at,source\n" + "".join(
    f"{i},{name}@shop.test,1,2024-05-0{i}T10:00:00Z,checkout\n" for i, name in enumerate(("ann", "bo", "cy"), 1)
)


def deliver(cli: Cli) -> None:
    cli.write("syncs/readers.yaml", PEOPLE)
    cli.write("readers.csv", ROWS)
    done = cli("run", "readers")
    assert done.returncode == 0, done.stdout + done.stderr


def klaviyo(cli: Cli) -> set[str]:
    headers = {"authorization": f"Klaviyo-API-Key {KEY}", "revision": "2026-07-15"}
    answer = urllib3.request("GET", cli.environment["KLAVIYO_BASE_URL"] + "/api/profiles", headers=headers)
    return {one["attributes"]["email"] for one in answer.json()["data"]}


def test_why_did_we_mail_this_person(connected: Cli, tmp_path: Path) -> None:
    deliver(connected)
    shown = connected("consent", "show", "Ann@shop.test").stdout
    assert "consent.email requested" in shown
    assert "consent.email confirmed" in shown
    assert "source checkout" in shown
    assert "agreed_at 2024-05-01T10:00:00+00:00" in shown
    assert connected("consent", "show", "dee@shop.test").stdout == "nothing is recorded of dee@shop.test\n"
    assert connected("consent", "export", "ann@shop.test", "-o", "proof.json").returncode == 0
    bundle = json.loads((tmp_path / "proof.json").read_text())
    assert [entry["action"] for entry in bundle["entries"]] == ["requested", "confirmed"]
    assert bundle["ledger"]["whole"] is True


def test_a_changed_record_is_noticed(connected: Cli, tmp_path: Path) -> None:
    deliver(connected)
    done = connected("consent", "verify")
    assert (done.returncode, done.stdout[:11]) == (0, "✓ 6 entries")
    head = done.stdout.split()[-1]
    with sqlite3.connect(tmp_path / ".clavichord" / "state.db") as db:
        (detail,) = db.execute("select detail from consents where seq = 2").fetchone()
        db.execute("update consents set detail = ? where seq = 2", [detail.replace("checkout", "footer")])
    assert "entry 2" in connected("consent", "verify").stdout
    with sqlite3.connect(tmp_path / ".clavichord" / "state.db") as db:
        db.execute("update consents set detail = ? where seq = 2", [detail])
        db.execute("delete from consents where seq = 6")
    assert connected("consent", "verify").returncode == 0  # a cut end breaks no chain …
    done = connected("consent", "verify", "--head", head)  # … but whoever kept the hash notices
    assert (done.returncode, "cut off" in done.stdout) == (1, True)


def test_somebody_who_is_erased_is_forgotten_everywhere_and_not_brought_back(connected: Cli, tmp_path: Path) -> None:
    deliver(connected)
    done = connected("erase", "bo@shop.test", "--yes", "--json")
    assert done.returncode == 0, done.stderr
    (certificate,) = json.loads(done.stdout)
    assert (certificate["klaviyo"], certificate["snapshots"], certificate["plans"]) == ("requested", 1, 1)
    assert klaviyo(connected) == {"ann@shop.test", "cy@shop.test"}
    held = [f for f in (tmp_path / ".clavichord").rglob("*") if f.is_file() and b"bo@shop.test" in f.read_bytes()]
    assert held == []

    done = connected("run", "readers")  # the source still has them
    assert (done.returncode, "person.erased   1 rows held" in done.stdout) == (5, True)
    assert klaviyo(connected) == {"ann@shop.test", "cy@shop.test"}
    assert connected("consent", "verify").returncode == 0
    assert connected("erase", "bo@shop.test", "--yes").returncode == 0  # again does no harm
    assert "Klaviyo: nobody of that name" in connected("erase", "external_id:2", "--yes").stdout


def test_whom_to_erase_must_be_clear(connected: Cli) -> None:
    for who, said in (
        ("bo", "does not say who is meant"),
        ("bo@shop", "no dot in the domain"),
        ("+12", "not in the form"),
    ):
        done = connected("erase", who, "--yes")
        assert (done.returncode, said in done.stderr) == (1, True), done.stderr
    assert "nobody is named" in connected("erase").stderr
    assert connected("erase", "bo@shop.test").returncode != 0  # asks, and nobody answers
