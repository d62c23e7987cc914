"""Dead letters from the command line."""

from __future__ import annotations

import json

from tests.cli.command import Cli

SYNC = """\
sync: readers
account: main
from: {file: readers.csv, key: id}
to: profiles
map: {external_id: id, email: email(mail)}
"""


def deliver(cli: Cli, *rows: str) -> int:
    cli.write("syncs/readers.yaml", SYNC)
    cli.write("readers.csv", "\n".join(["id,mail", *rows]) + "\n")
    return cli("run", "readers").returncode


def test_what_could_not_be_delivered_is_kept_until_it_is(connected: Cli) -> None:
    assert deliver(connected, "1,ann@shop.test", "2,bo@shop", "3,cy") == 3
    assert "2  readers  email.invalid  quarantined" in connected("dlq", "list").stdout
    assert "bo@shop" not in connected("dlq", "show").stdout
    shown = connected("dlq", "show", "--key", "2", "--reveal").stdout
    assert 'map.email "bo@shop" no dot in the domain' in shown
    assert "Tried once" in shown
    assert deliver(connected, "1,ann@shop.test", "2,bo@shop.test", "3,cy") == 3  # released by its change
    (letter,) = json.loads(connected("dlq", "list", "--json").stdout)
    assert (letter["key"], letter["attempts"], letter["state"]) == ("3", 2, "waiting")
    assert connected("dlq", "drop", "--key", "3").returncode == 0
    assert connected("dlq", "list").stdout == "no dead letters\n"
    deliver(connected, "1,ann@shop.test", "2,bo@shop.test", "3,cy")
    assert connected("dlq", "list").stdout == "no dead letters\n"
    assert deliver(connected, "1,ann@shop.test", "2,bo@shop.test", "3,cy@shop.test") == 0


def test_rows_that_klaviyo_refused_are_sent_again_on_request(connected: Cli) -> None:
    deliver(connected, "1,ann@shop.test", *(f"{i},p{i}@shop.test" for i in range(2, 30)))
    # The address of one profile and the external_id of another: refused by Klaviyo.
    rows = ["1,p2@shop.test", *(f"{i},p{i}@shop.test" for i in range(3, 30))]
    assert deliver(connected, *rows) == 3
    (letter,) = json.loads(connected("dlq", "list", "--json").stdout)
    assert (letter["row_class"], letter["attempts"]) == ("rejected", 1)
    deliver(connected, *rows)
    assert json.loads(connected("dlq", "list", "--json").stdout)[0]["attempts"] == 1
    assert connected("dlq", "retry", "--reason", letter["code"]).stdout == "✓ 1 will be sent again by the next run\n"
    deliver(connected, *rows)
    assert json.loads(connected("dlq", "list", "--json").stdout)[0]["attempts"] == 2
    assert "which ones?" in connected("dlq", "retry").stderr
