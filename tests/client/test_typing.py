"""What a type checker sees: precise results on both faces, and mistakes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

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
k.profiles.get_profiles(fliter="x")
k.profiles.get_profiles(sort="upadted")
k.profiles.get_profile()
k.profiles.get_profilse()
k.profiles.get_profiles(fields_profile=["emial"])
"""


SOURCE = Path(__file__).resolve().parents[2] / "src"


def mypy(folder: Path, code: str) -> str:
    """What mypy --strict says of the code."""
    (folder / "snippet.py").write_text(code)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", str(folder), "snippet.py"]
    environment = {**os.environ, "MYPYPATH": str(SOURCE)}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment).stdout


def pyright(folder: Path, code: str) -> str:
    """What pyright in strict mode says of it, in mypy's words."""
    (folder / "snippet.py").write_text(code)
    settings = {"typeCheckingMode": "strict", "extraPaths": [str(SOURCE)], "pythonVersion": "3.11"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    # pyright and its node come from the package registry, inside wheels: nothing is downloaded here
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, "-p", str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=folder, env={**os.environ, "NO_COLOR": "1"})
    lines = []
    for found in json.loads(run.stdout)["generalDiagnostics"]:
        line = found["range"]["start"]["line"] + 1
        kind = re.fullmatch(r'Type of ".*" is "(.*)"', found["message"], re.DOTALL)
        if kind is not None:
            lines.append(f'snippet.py:{line}: note: Revealed type is "{kind[1]}"')
        else:
            lines.append(f"snippet.py:{line}: {found['severity']}: {found['message']}")
    return "\n".join(lines)


checkers = pytest.mark.parametrize("check", [mypy, pyright])
Check = Callable[[Path, str], str]


@checkers
def test_results_are_precise_and_mistakes_are_seen(tmp_path: Path, check: Check) -> None:
    text = re.sub(r"\b(?:clavichord|builtins)(?:\.\w+)*\.(\w+)", r"\1", check(tmp_path, GOOD + BAD))
    assert re.findall(r'Revealed type is "(.*?)"', text) == REVEALED
    first = GOOD.count("\n")
    lines = [int(n) - first for n in re.findall(r"snippet\.py:(\d+): error", text)]
    assert sorted(set(lines)) == [2, 3, 4, 5, 6]


@checkers
def test_no_operation_returns_any(tmp_path: Path, check: Check) -> None:
    code = ["from clavichord import AsyncKlaviyo, Klaviyo", "k = Klaviyo('pk_x')", "a = AsyncKlaviyo('pk_x')"]
    operations = {name: op for revision in REVISIONS for name, op in load(revision).operations.items()}
    for op in operations.values():
        for client in "ka":
            code.append(f"reveal_type({client}.{op.tag.lower().replace(' ', '_')}.{op.id})")
    found = re.findall(r'Revealed type is "(.*)"', check(tmp_path, "\n".join(code)))
    assert len(found) == 2 * len(operations) == 2 * 435
    for text in found:
        _, arrow, result = text.rpartition(") -> ")  # mypy shows a function that returns None without an arrow
        result = re.sub(r"Coroutine(Type)?\[Any, Any,", "", result) if arrow else ""
        assert "Any" not in result and "Unknown" not in result, text
