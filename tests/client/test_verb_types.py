"""What a type checker sees of the verbs: precise results on both faces, and mistakes."""

from __future__ import annotations

import re
from pathlib import Path

from tests.client.test_typing import mypy

CODE = """
from datetime import UTC, datetime
from clavichord import AsyncKlaviyo, Klaviyo

k = Klaviyo("pk_x")
now = datetime.now(UTC)
reveal_type(k.profiles.find(email="x"))
reveal_type(k.profiles.create_or_patch(email="x", on_conflict="merge"))
reveal_type(k.profiles.upload([{"email": "x"}], lists=["L"]))
reveal_type(k.profiles.delete(email="x"))
reveal_type(k.lists.subscribe("L", "x", channel="email", source="s"))
reveal_type(k.jobs.wait(k.profiles.bulk_import_profiles(profiles=[])))
reveal_type(k.images.upload(b""))
reveal_type(k.metrics.aggregate("M", since=now))
reveal_type([e for e in k.events.get_events().between(now)])
k.profiles.find(emial="x")
k.profiles.create_or_patch(email="x", on_conflict="mrege")
k.lists.subscribe("L", "x", channel="fax", source="s")
k.lists.subscribe("L", "x", channel="email")
k.reporting.form_values(statistics=["opnes"], timeframe="today")

async def main() -> None:
    a = AsyncKlaviyo("pk_x")
    reveal_type(await a.profiles.find(email="x"))
    reveal_type(await a.profiles.upload([{"email": "x"}]))
    reveal_type(await a.jobs.wait(await a.profiles.bulk_import_profiles(profiles=[])))
    reveal_type([p async for p in a.profiles.get_profiles().between(now)])
"""
REVEALED = [
    "Profile | None",
    "Profile",
    "UploadReport",
    "None",
    "UploadReport",
    "ProfileBulkImportJob",
    "Image",
    "list[dict[str, Any]]",
    "list[Event]",
    "Profile | None",
    "UploadReport",
    "ProfileBulkImportJob",
    "list[Profile]",
]


def test_results_are_precise_and_mistakes_are_seen(tmp_path: Path) -> None:
    text = re.sub(r"\b(?:clavichord|builtins)(?:\.\w+)*\.(\w+)", r"\1", mypy(tmp_path, CODE))
    assert re.findall(r'Revealed type is "(.*?)"', text) == REVEALED
    assert [int(n) for n in re.findall(r"snippet\.py:(\d+): error", text)] == [16, 17, 18, 19, 20]
