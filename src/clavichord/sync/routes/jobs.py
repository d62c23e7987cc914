"""Jobs of which one batch may need several: entries are sent, refused ones taken out, the jobs followed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from clavichord.client.errors import Conflict, InvalidRequest, NotFound, PayloadTooLarge
from clavichord.client.uploads.blame import by_pointer
from clavichord.client.uploads.route import Route as Envelope
from clavichord.sync.ledger import Finding
from clavichord.sync.plan import PlanRow
from clavichord.sync.routes.refusals import rejected, whole
from clavichord.sync.routes.work import Halt, Work

Entry = tuple[PlanRow, bytes]
"""an entry of the plan, and what is sent for it"""


async def submit(work: Work, envelope: Envelope, entries: Sequence[Entry]) -> tuple[list[str], list[Finding]]:
    """Sends the entries: (ids of the jobs that took them, those that Klaviyo refuses). Raises Halt, KlaviyoError."""
    left = list(entries)
    refused: list[Finding] = []
    while left:
        try:
            response = await work.client.send(envelope.operation, body=envelope.body([payload for _, payload in left]))
        except (InvalidRequest, PayloadTooLarge, NotFound, Conflict) as error:
            blamed, outside = by_pointer(envelope, len(left), error)
            if blamed:
                for place, found in blamed.items():
                    message = found.detail or found.title
                    refused.append(rejected(left[place][0], "klaviyo.rejected", message, found.pointer))
                left = [entry for place, entry in enumerate(left) if place not in blamed]
                continue
            if outside:
                raise Halt(
                    "klaviyo.refused", str(error), "The request itself is refused, whatever its rows hold."
                ) from None
            if len(left) == 1:
                return [], [*refused, whole(error, left[0][0])]
            half = len(left) // 2
            first, bad = await submit(work, envelope, left[:half])
            second, worse = await submit(work, envelope, left[half:])
            return [*first, *second], [*refused, *bad, *worse]
        return ([str(response.json()["data"]["id"])] if response.body else []), refused
    return [], refused


class Job:
    """How a job is doing."""

    def __init__(self, attributes: dict[str, Any]) -> None:
        self.status = str(attributes["status"])
        self.failed = int(attributes.get("failed_count") or 0)
        self.total = int(attributes.get("total_count") or 0)
        self.completed = int(attributes.get("completed_count") or 0)
        self.errors: list[dict[str, Any]] = attributes.get("errors") or []

    @property
    def done(self) -> bool:
        return self.status in ("complete", "cancelled")

    @property
    def sound(self) -> bool:
        """Has everything in it succeeded?"""
        return self.status == "complete" and not self.failed and self.completed == self.total

    def reasons(self) -> str:
        """What it says of its failures, at most three of them."""
        said = dict.fromkeys(str(one.get("detail") or one.get("title") or "") for one in self.errors)
        return "; ".join(reason for reason in list(said)[:3] if reason) or f"the job is {self.status}"


async def look(work: Work, operation: str, job_id: str) -> Job | None:
    """None: it is no longer known (jobs are kept for seven days, FACTS §7)."""
    try:
        response = await work.client.send(operation, path={"job_id": job_id})
    except NotFound:
        return None
    return Job(response.json()["data"]["attributes"])
