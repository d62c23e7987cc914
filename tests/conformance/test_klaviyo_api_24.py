"""The official Python SDK, unchanged, in an environment of its own: it writes, reads back and gets typed objects."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from clavichord.sandbox.serve import running

_HERE = Path(__file__).resolve()
_PYTHON = _HERE.parents[2] / ".venvs" / "klaviyo-api-24" / "bin" / "python"


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    assert _PYTHON.exists(), "the environment of klaviyo-api 24.0.0 is missing; `make test` builds it"
    # Jobs take a moment, so that the SDK really polls; limits would only slow it down.
    with running(job_delay=0.1, limits="off") as served:
        script = _HERE.with_name("klaviyo_api_24.py")
        done = subprocess.run(
            [str(_PYTHON), str(script), served.base_url], capture_output=True, timeout=120, check=False
        )
    assert done.returncode == 0, done.stderr.decode()[-3000:]
    found: dict[str, Any] = msgspec.json.decode(done.stdout)
    return found


def test_account(seen: dict[str, Any]) -> None:
    kind, account_id, public_key = seen["account"]
    assert kind == "AccountResponseObjectResource"
    assert account_id == public_key


def test_profile_is_created_and_read_back(seen: dict[str, Any]) -> None:
    assert seen["profile"] == {
        "types": ["PostProfileResponse", "GetProfileResponsePluralConversationsCompoundDocument"],
        "same_id": True,
        "values": ["ann@shop.test", "Ann", "Paris", {"tier": "gold"}],
        "consent": "NEVER_SUBSCRIBED",
        "year": True,
    }
    assert seen["updated"] == "Anna"
    assert seen["upserted"] == [True, "Bell"]


def test_duplicate_names_the_other_profile(seen: dict[str, Any]) -> None:
    assert seen["duplicate"]["status"] == 409
    error = seen["duplicate"]["errors"][0]
    assert error["code"] == "duplicate_profile"
    assert error["meta"] == {"duplicate_profile_id": seen["duplicate_of"]}


def test_event_is_read_back_with_metric_and_profile(seen: dict[str, Any]) -> None:
    assert seen["event"] == {
        "type": "EventResponseObjectResource",
        "properties": {"OrderId": 7, "$value_currency": "EUR", "$event_id": "order-7", "$value": 12.5},
        "at": "2026-01-02T03:04:05+00:00",
        "metric": ["Placed Order", True],
        "included": ["metric", "profile"],
        "of": True,
        "named": "Placed Order",
    }


def test_bulk_import_is_polled_and_its_errors_read(seen: dict[str, Any]) -> None:
    assert seen["job"] == {
        "type": "PostProfileImportJobResponse",
        "accepted": "queued",
        "counts": [26, 25, 1],
        "errors": [["duplicate_profile", "/data/attributes/profiles/data/25/attributes/external_id"]],
    }


def test_members_are_paged_with_the_links_of_answers(seen: dict[str, Any]) -> None:
    assert seen["members"] == {"pages": 3, "all": 26, "distinct": 26, "after": 25, "count": 25}


def test_consent_of_the_past_is_recorded(seen: dict[str, Any]) -> None:
    assert seen["consent"] == ["SUBSCRIBED", 2020, "shop"]


def test_missing_list(seen: dict[str, Any]) -> None:
    assert seen["missing"]["status"] == 404
    assert seen["missing"]["errors"][0]["detail"] == "A list with id `NOPE01` does not exist."
