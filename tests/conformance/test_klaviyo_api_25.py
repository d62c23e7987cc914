"""klaviyo-api 25.0.0, what `pip install klaviyo-api` gives: the same state under the revision 2026-10-15."""

from __future__ import annotations

import pytest
from tests.conformance.sdk_script import run

from clavichord.sandbox.app import Options
from clavichord.sandbox.serve import running


def test_what_the_older_sdk_does_the_newer_does_too() -> None:
    """Profiles, events, metrics, lists, bulk import, consent, errors."""
    with running(job_delay=0.1, limits="off") as served:
        seen = run("klaviyo_api_24.py", served, sdk="25")
        asked = {entry.revision for entry in served.sandbox.journal.entries(limit=1000)}
    assert asked == {"2026-10-15"}
    assert seen["profile"]["values"] == ["ann@shop.test", "Ann", "Paris", {"tier": "gold"}]
    assert seen["duplicate"]["errors"][0]["meta"] == {"duplicate_profile_id": seen["duplicate_of"]}
    assert seen["event"]["included"] == ["metric", "profile"]
    assert seen["job"]["counts"] == [26, 25, 1]
    assert seen["members"] == {"pages": 3, "all": 26, "distinct": 26, "after": 25, "count": 25}
    assert seen["consent"] == ["SUBSCRIBED", 2020, "shop"]
    assert seen["missing"]["status"] == 404


@pytest.mark.parametrize("seed", [None, "demo"])
def test_whatever_can_be_read_without_an_argument_decodes(seed: str | None) -> None:
    options = Options(limits="off", job_delay=0)
    if seed is not None:
        options["seed"] = seed
    with running(**options) as served:
        seen = run("klaviyo_api_25.py", served, sdk="25")
        newest = served.sandbox.releases.newest
        implemented, operations = newest.behaviours, newest.catalogue.operations
    assert len(seen) > 40
    for name, outcome in seen.items():
        if name not in operations:  # an older name for the same call
            continue
        if name in implemented:
            assert isinstance(outcome, str) or outcome == 403, f"{name}: {outcome}"  # 403: needs an OAuth app
            assert outcome not in ("NoneType", "dict"), name
        else:
            assert outcome in (501, 400), f"{name}: {outcome}"
