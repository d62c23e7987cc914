"""A transport that is a small Klaviyo for bulk jobs: every row says itself what becomes of it (its `title`)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from clavichord.client.errors import TransportError
from clavichord.client.types import Reply, Request

NAMED_AT_ONCE = 2
"""rows that one refusal points at, so that several are needed"""


def answer(status: int, body: Any = None) -> Reply:
    return Reply(status, {}, b"" if body is None else json.dumps(body).encode())


def refusal(status: int, *pointers: str, detail: str = "no") -> Reply:
    found = [{"code": "invalid", "detail": detail, "source": {"pointer": p}} for p in pointers]
    return answer(status, {"errors": found})


@dataclass
class BulkServer:
    """Fates: good · door (refused with a pointer) · poison (refused without) · late (fails in the job)."""

    max_items: int = 10_000
    max_bytes: int = 5_000_000
    max_jobs: int = 10_000
    looks: int = 1
    """times that a job is said to be processing"""
    list_page: int = 100
    """jobs on a page of their list"""
    before: Callable[[Request], Reply | None] = lambda request: None
    """answers first, if it answers"""
    jobs: dict[str, list[Any]] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    posts: list[list[str]] = field(default_factory=list)
    """external ids of every accepted request"""
    busiest: int = 0
    """jobs that were at work at once"""
    requests: int = 0
    too_large: int = 0

    def send(self, request: Request) -> Reply:
        self.requests += 1
        path = request.target.partition("?")[0]
        early = self.before(request)
        if early is not None:
            return early
        if request.method == "POST":
            return self._post(request)
        if path.count("/") == 2:
            return self._listing(request.target)
        job = path.split("/")[3]
        if path.endswith("import-errors"):
            return self._errors(job, request.target)
        return self._job(job)

    def close(self) -> None: ...

    @property
    def at_work(self) -> int:
        return sum(self.asked[job] <= self.looks for job in self.jobs)

    def _post(self, request: Request) -> Reply:
        body = request.body or b""
        (rows,) = [v["data"] for v in json.loads(body)["data"]["attributes"].values() if isinstance(v, dict)]
        assert len(rows) <= self.max_items, "more rows than the cap"
        if len(body) > self.max_bytes:
            self.too_large += 1
            return refusal(413)
        if self.at_work >= self.max_jobs:
            return refusal(400, "/data", detail="too many jobs")
        fates = [row["attributes"].get("title", "good") for row in rows]
        member = re.search(rb'"attributes":\{[^[]*"([a-z-]+)":\{"data":\[', body)
        assert member is not None
        blamed = [place for place, fate in enumerate(fates) if fate == "door"][:NAMED_AT_ONCE]
        if blamed:
            at = f"/data/attributes/{member[1].decode()}/data"
            return refusal(400, *(f"{at}/{place}/attributes/title" for place in blamed))
        if "poison" in fates:
            return refusal(400)
        job = f"job{len(self.jobs)}"
        self.jobs[job], self.asked[job] = rows, 0
        self.posts.append([row["attributes"]["external_id"] for row in rows])
        self.busiest = max(self.busiest, self.at_work)
        return answer(202, {"data": {"type": "job", "id": job, "attributes": {"status": "queued"}}})

    def _late(self, job: str) -> list[int]:
        return [n for n, row in enumerate(self.jobs[job]) if row["attributes"].get("title") == "late"]

    def _listing(self, target: str) -> Reply:
        """Newest first."""
        assert "sort=-created_at" in target
        found = re.search(r"cursor=(\d+)", target)
        start = int(found[1]) if found else 0
        newest = list(reversed(self.jobs))[start : start + self.list_page]
        rows = [json.loads(self._job(job).body)["data"] for job in newest]
        end = start + self.list_page
        following = f"https://x.test/?sort=-created_at&cursor={end}" if end < len(self.jobs) else None
        return answer(200, {"data": rows, "links": {"next": following}})

    def _job(self, job: str) -> Reply:
        self.asked[job] += 1
        done = self.asked[job] > self.looks
        failed, total = len(self._late(job)), len(self.jobs[job])
        errors = [
            {"code": "conflict", "detail": "late", "source": {"pointer": f"/data/attributes/items/data/{n}/attributes"}}
            for n in self._late(job)
        ]
        attributes = {
            "status": "complete" if done else "processing",
            "total_count": total,
            "completed_count": total - failed if done else 0,
            "failed_count": failed if done else 0,
            "errors": errors,
        }
        return answer(200, {"data": {"type": "job", "id": job, "attributes": attributes}})

    def _errors(self, job: str, target: str) -> Reply:
        """Pages of two, quoting the payload."""
        found = re.search(r"cursor=(\d+)", target)
        start = int(found[1]) if found else 0
        late = self._late(job)
        rows = [
            {
                "type": "import-error",
                "id": str(n),
                "attributes": {"code": "conflict", "detail": "late", "original_payload": self.jobs[job][n]},
            }
            for n in late[start : start + 2]
        ]
        following = f"https://x.test/?cursor={start + 2}" if start + 2 < len(late) else None
        return answer(200, {"data": rows, "links": {"next": following}})


class AsyncBulkServer:
    """The same for the asynchronous client."""

    def __init__(self, server: BulkServer) -> None:
        self.server = server

    async def send(self, request: Request) -> Reply:
        return self.server.send(request)

    async def close(self) -> None: ...


def lost(request: Request) -> Reply:
    raise TransportError("the connection was reset", maybe_sent=True)
