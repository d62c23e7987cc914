"""Every code block of README and docs runs, as it stands, in the order of its page.

- python: runs in one namespace a page;
- sh: runs in a shell. `make …`, `git clone …` and `pip install …` are what brought this
  test to life, so they are not run again;
- yaml, csv, sql: written to the file that their first line names (`# file: NAME`, `-- file: NAME`);
- anything without a language, `text` and `json` is shown, not run.

`http://127.0.0.1:4567` in a block is the sandbox that this test has started.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from clavichord.sandbox.serve import running

ROOT = Path(__file__).resolve().parents[2]
PAIRS = ROOT / "docs" / "migration.md"
"""runs in tests/client/test_migration.py, beside what it is compared with and without delays"""
PAGES = sorted({ROOT / "README.md", *(ROOT / "docs").rglob("*.md")} - {PAIRS})
ADDRESS = "http://127.0.0.1:4567"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
FILE = re.compile(r"^(?:#|--) file: (\S+)\n")
SETTING_UP = ("make ", "git clone ", "cd clavichord", "pip install ", "clavichord sandbox ")
SHOWN = {"text", "json", "console"}


@dataclass(frozen=True)
class Block:
    line: int
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    return [Block(text[: match.start()].count("\n") + 1, match[1], match[2]) for match in FENCE.finditer(text)]


def run_shell(block: Block, environment: dict[str, str]) -> None:
    lines = [line for line in block.text.splitlines() if not line.startswith(SETTING_UP)]
    done = subprocess.run(
        ["sh", "-eu"], input="\n".join(lines), env=environment, text=True, capture_output=True, check=False, timeout=120
    )
    assert done.returncode == 0, f"line {block.line}: {done.stdout}{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    with running() as sandbox:
        environment = os.environ | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "KLAVIYO_BASE_URL": sandbox.base_url,
            "KLAVIYO_API_KEY": "pk_" + "d" * 34,
        }
        for block in blocks(page):
            block = Block(block.line, block.language, block.text.replace(ADDRESS, sandbox.base_url))
            if match := FILE.match(block.text):
                target = tmp_path / match[1]
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(FILE.sub("", block.text))
            elif block.language == "python":
                code = compile("\n" * block.line + block.text, str(page), "exec")
                exec(code, namespace)
            elif block.language == "sh":
                run_shell(block, environment)
            else:
                assert block.language in SHOWN, f"{page.name}, line {block.line}: who runs {block.language}?"
