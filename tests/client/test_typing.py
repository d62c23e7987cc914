"""What a type checker sees: precise results on both faces, and mistakes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from clavichord.spec import REVISIONS, load

GOOD = """
from clavichord import AsyncKlaviyo, F, Klaviyo

k = Klaviyo("pk_x")
reveal_type(k.profiles.get_profiles(page_size=5))
reveal_type(k.profiles.get_profile("1"))
reveal_type(k.profiles.get_profile("1").email)
reveal_type(k.events.create_event(properties={}, metric="m", profile={}))
reveal_type(k.events.track("m", profile="1"))
reveal_type(k.lists.get_tag_ids_for_list("1").first()[0])
reveal_type(k.campaigns.get_image_for_campaign_message("1"))
reveal_type([p for p in k.profiles.get_profiles(filter=F.email == "x", sort="-updated")])
reveal_type(k.send("get_profiles"))

async def main() -> None:
    a = AsyncKlaviyo("pk_x")
    reveal_type(a.profiles.get_profiles())
    reveal_type(await a.profiles.get_profiles())
    reveal_type(await a.profiles.get_profile("1"))
    reveal_type([p async for p in a.profiles.get_profiles()])
    reveal_type(await a.profiles.upsert(email="x"))
    async for response in a.pages("get_events"):
        reveal_type(response)
"""
REVEALED = [
    "Pager[Profile]",
    "Profile",
    "str | None",
    "None",
    "None",
    "Identifier",
    "Image | None",
    "list[Profile]",
    "Response",
    "AsyncPager[Profile]",
    "Page[Profile]",
    "Profile",
    "list[Profile]",
    "Profile",
    "Response",
]
BAD = """
from clavichord import Klaviyo
k = Klaviyo("pk_x")
k.profiles.get_profiles(fliter="x")
k.profiles.get_profiles(sort="upadted")
k.profiles.get_profile()
k.profiles.get_profilse()
k.profiles.get_profiles(fields_profile=["emial"])
"""


def mypy(folder: Path, code: str) -> str:
    (folder / "snippet.py").write_text(code)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", str(folder), "snippet.py"]
    source = str(Path(__file__).resolve().parents[2] / "src")
    run = subprocess.run(command, capture_output=True, text=True, cwd=folder, env={**os.environ, "MYPYPATH": source})
    return run.stdout


def test_results_are_precise(tmp_path: Path) -> None:
    text = re.sub(r"\b(?:clavichord|builtins)(?:\.\w+)*\.(\w+)", r"\1", mypy(tmp_path, GOOD))
    assert re.findall(r'Revealed type is "(.*?)"', text) == REVEALED
    assert "error" not in text


def test_mistakes_are_seen(tmp_path: Path) -> None:
    lines = [int(n) for n in re.findall(r"snippet\.py:(\d+): error", mypy(tmp_path, BAD))]
    assert sorted(set(lines)) == [4, 5, 6, 7, 8]


def test_no_operation_returns_any(tmp_path: Path) -> None:
    code = ["from clavichord import AsyncKlaviyo, Klaviyo", "k = Klaviyo('pk_x')", "a = AsyncKlaviyo('pk_x')"]
    operations = {name: op for revision in REVISIONS for name, op in load(revision).operations.items()}
    for op in operations.values():
        for client in "ka":
            code.append(f"reveal_type({client}.{op.tag.lower().replace(' ', '_')}.{op.id})")
    found = re.findall(r'Revealed type is "(.*)"', mypy(tmp_path, "\n".join(code)))
    assert len(found) == 2 * len(operations) == 2 * 435
    for text in found:
        _, arrow, result = text.rpartition(") -> ")  # a function that returns None is shown without an arrow
        result = result.replace("Coroutine[Any, Any,", "") if arrow else ""
        assert "Any" not in result, text
