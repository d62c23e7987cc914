"""Retrieve's JSON, as it is and converted; its page of troubles, entry by entry."""

from __future__ import annotations

import json
import stat
from typing import Any

import pytest
import urllib3
from tests.cli.command import KEY, Cli

ROWS = "Email1,PhoneNumber1,Town,Points\n Ann@Shop.Test ,+33612340001,Paris,3\nbo@shop.test,,Rome,5\ncy@shop,,Oslo,1\n"


def request(cli: Cli, method: str, path: str, body: Any = None) -> Any:
    headers = {"authorization": f"Klaviyo-API-Key {KEY}", "revision": "2026-07-15"}
    answer = urllib3.request(method, cli.environment["KLAVIYO_BASE_URL"] + path, headers=headers, json=body)
    return answer.json() if answer.data else None


@pytest.fixture
def shop(empty: Cli, start_sandbox: Any) -> Cli:
    """No project: only Retrieve's file and the rows."""
    empty.environment = {"KLAVIYO_BASE_URL": start_sandbox("--limits", "headers").base_url}
    made = request(empty, "POST", "/api/lists", {"data": {"type": "list", "attributes": {"name": "Buyers"}}})
    empty.environment["LIST"] = made["data"]["id"]
    empty.write("people.csv", ROWS)
    return empty


def legacy(cli: Cli, **changed: Any) -> None:
    fields = [
        ("Email1", "email", ""),
        ("PhoneNumber1", "phone_number", ""),
        ("Town", "Town", "upper"),
        ("Points", "Points", "int"),
    ]
    named = ("origin_field", "destination_field", "convert_function")
    content = {
        "klaviyo": {"api_key": KEY, "list_id": cli.environment["LIST"]},
        "mapped_fields": [dict(zip(named, field, strict=True)) for field in fields],
        **changed,
    }
    cli.write("legacy.json", json.dumps(content))


def members(cli: Cli) -> dict[str, Any]:
    found = request(cli, "GET", f"/api/lists/{cli.environment['LIST']}/profiles")["data"]
    return {one["attributes"]["email"]: one["attributes"] for one in found}


def test_it_runs_as_it_is(shop: Cli) -> None:
    legacy(shop, chunk_size=100, chunk_waiting_time=10)
    done = shop("run", "legacy.json", "--from", "people.csv")
    assert done.returncode == 3, done.stderr
    people = members(shop)
    assert set(people) == {"ann@shop.test", "bo@shop.test"}
    assert people["ann@shop.test"]["phone_number"] == "+33612340001"
    assert people["ann@shop.test"]["properties"] == {"Town": "PARIS", "Points": 3}
    again = shop("run", "legacy.json", "--from", "people.csv")
    assert "unchanged 2" in again.stdout  # "Member already exists" is no error here
    secret = shop.folder / ".clavichord" / "secrets" / f"retrieve_add_{shop.environment['LIST']}"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600

    legacy(shop, action="remove")
    shop.write("people.csv", ROWS.replace("cy@shop,,Oslo,1\n", "").replace("bo@shop.test,,Rome,5\n", ""))
    assert shop("run", "legacy.json", "--from", "people.csv").returncode == 0
    assert set(members(shop)) == {"bo@shop.test"}


def test_the_converted_file_sends_the_same_bytes(shop: Cli) -> None:
    legacy(shop)
    shop("run", "legacy.json", "--from", "people.csv")
    shop("init")
    shop.write("clavichord.yaml", 'accounts: {main: {api_key: "env:KLAVIYO_API_KEY"}}\n')
    shop.environment["KLAVIYO_API_KEY"] = KEY
    done = shop("import", "legacy.json", "--from", "people.csv")
    assert done.returncode == 0, done.stderr
    name = f"retrieve_add_{shop.environment['LIST']}"
    text = (shop.folder / "syncs" / f"{name}.yaml").read_text()
    assert KEY not in text
    for file in (shop.folder / ".clavichord").rglob("*"):
        if file.is_file():
            file.unlink()
    shop("run", name)
    base = shop.environment["KLAVIYO_BASE_URL"] + "/_sandbox/requests"
    listed = urllib3.request("GET", base + "?operation=create_or_update_profile").json()["requests"]
    listed += urllib3.request("GET", base + "?operation=bulk_import_profiles").json()["requests"]
    sent = [urllib3.request("GET", f"{base}/{one['number']}").json()["sent"] for one in listed]
    assert len(sent) == 2
    assert sent[0] == sent[1]
    assert "is there already" in shop("import", "legacy.json", "--from", "people.csv").stderr


def test_events(shop: Cli) -> None:
    legacy(shop, action="track event", event_name="Bought")
    assert shop("run", "legacy.json", "--from", "people.csv").returncode == 3
    found = request(shop, "GET", "/api/events")["data"]
    assert sorted(one["attributes"]["event_properties"]["Town"] for one in found) == ["PARIS", "ROME"]


def field(destination: str, function: str = "") -> dict[str, str]:
    return {"origin_field": "a", "destination_field": destination, "convert_function": function}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"klaviyo": {"api_key": "nonsense", "list_id": "ABC123"}}, "a private key begins with pk_"),
        ({"klaviyo": {"api_key": KEY, "list_id": "NoSuch"}}, "there is no list with the id NoSuch"),
        ({"mapped_fields": [field("email", "rot13")]}, 'unknown convert_function "rot13"'),
        ({"mapped_fields": [field("Town")]}, "no field goes to email"),
        ({"mapped_fields": [field("email"), field("email")]}, "two fields go to email"),
        ({"action": "sinc"}, 'did you mean "sync"?'),
        ({"mapped_fields": None}, "mapped_fields"),
    ],
    ids=["Invalid API Key", "List not found", "function", "identifier", "twice", "action", "no fields"],
)
def test_its_troubles_have_a_clear_message(shop: Cli, changed: dict[str, Any], said: str) -> None:
    legacy(shop, **changed)
    done = shop("run", "legacy.json", "--from", "people.csv")
    assert (done.returncode, said in done.stderr) == (1, True), done.stderr


def test_an_invalid_address_and_an_exceeded_limit(shop: Cli) -> None:
    legacy(shop)
    done = shop("run", "legacy.json", "--from", "people.csv")
    assert "no dot in the domain" in done.stdout
    url = shop.environment["KLAVIYO_BASE_URL"] + "/_sandbox/faults"
    fault = {"operation": "bulk_import_profiles", "status": 429, "retry_after": 1, "times": 1}
    urllib3.request("PUT", url, json=[fault])
    shop.write("people.csv", ROWS.replace("Rome", "Turin"))
    done = shop("run", "legacy.json", "--from", "people.csv")  # waited for and repeated
    assert (done.returncode, "1 × 429" in done.stdout) == (3, True), done.stdout
    assert members(shop)["bo@shop.test"]["properties"]["Town"] == "TURIN"


def test_rows_are_needed(shop: Cli) -> None:
    legacy(shop)
    assert "clavichord run legacy.json --from people.csv" in shop("run", "legacy.json").stderr
    assert "no such file" in shop("run", "legacy.json", "--from", "nobody.csv").stderr
