"""Jobs at work, until their end: looked at with growing pauses, their errors read, the report told."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from msgspec import Struct

from clavichord.client.core import Steps
from clavichord.client.errors import KlaviyoError, NotFound, PermissionDenied, RateLimited
from clavichord.client.pages import next_query
from clavichord.client.types import Query
from clavichord.client.uploads.blame import by_error
from clavichord.client.uploads.report import RowResult, UploadReport
from clavichord.client.uploads.route import Route
from clavichord.client.work import plain

FIRST_LOOK, LONGEST_PAUSE = 0.25, 15.0
"""seconds between looks at a job"""
TOGETHER = 3
"""due jobs from which on a page of the list of jobs tells more for a request"""
PAGE = 100


class Job(Struct, eq=False):
    """Rows that a job has. Of them only where they are in the input, and a hash of what names them."""

    id: str
    route: Route
    indexes: array[int]
    keys: array[int]
    due: float
    pause: float = FIRST_LOOK
    alone: bool = False
    """it was not in the list: it is asked for by itself"""


class Look(NamedTuple):
    """One request: how some jobs are doing, or the errors of one that has ended."""

    jobs: list[Job]
    errors: bool = False


class Following:
    """The jobs of one upload. `clock` gives monotonic seconds."""

    def __init__(self, face: Any, report: UploadReport, clock: Callable[[], float]) -> None:
        self._face = face
        self._report = report
        self._clock = clock
        self._jobs: list[Job] = []
        self._failed: list[Job] = []
        """ended, but not for all of their rows"""

    def __len__(self) -> int:
        """Jobs of which the outcome is not known."""
        return len(self._jobs) + len(self._failed)

    def add(self, id: str, route: Route, indexes: array[int], keys: array[int]) -> None:
        self._jobs.append(Job(id, route, indexes, keys, self._clock() + FIRST_LOOK))

    def seconds(self) -> float:
        """Until the next look is due."""
        due = 0.0 if self._failed else min((job.due for job in self._jobs), default=self._clock() + FIRST_LOOK)
        return max(0.0, due - self._clock())

    def looks(self, most: int) -> list[Look]:
        """The requests to make now, `most` of them."""
        now = self._clock()
        due = sorted((job for job in self._jobs if job.due <= now), key=lambda job: job.due)
        listed = [job for job in due if job.route.listing and not job.alone]
        together = [Look(listed)] if len(listed) >= TOGETHER else []
        singly = [Look([job]) for job in due if not together or job not in listed]
        return [*(Look([job], errors=True) for job in self._failed), *together, *singly][:most]

    def call(self, look: Look) -> Steps[Any]:
        if look.errors:
            return self._errors(look.jobs[0])
        return self._listed(look.jobs) if len(look.jobs) > 1 else self._single(look.jobs[0])

    def _single(self, job: Job) -> Steps[dict[str, Mapping[str, Any]]]:
        response = yield from plain(self._face, job.route.job, id=job.id)
        return {job.id: response.json()["data"]["attributes"]}

    def _listed(self, jobs: list[Job]) -> Steps[dict[str, Mapping[str, Any]]]:
        """The newest jobs first, until all that are wanted have been seen, or as many pages as could hold them."""
        wanted = {job.id for job in jobs}
        found: dict[str, Mapping[str, Any]] = {}
        query: Query | None = {"sort": "-created_at", "page[size]": PAGE}
        for _ in range(2 + 2 * len(jobs) // PAGE):
            if query is None or found.keys() == wanted:
                break
            page = yield from plain(self._face, jobs[0].route.listing, query=query)
            found |= {one["id"]: one["attributes"] for one in page.json()["data"] if one["id"] in wanted}
            query = next_query(page)
        return found

    def _errors(self, job: Job) -> Steps[list[Mapping[str, Any]]]:
        found: list[Mapping[str, Any]] = []
        query: Query | None = {"page[size]": PAGE}
        while query is not None:
            page = yield from plain(self._face, job.route.errors, id=job.id, query=query)
            found += [row.get("attributes") or {} for row in page.json()["data"]]
            query = next_query(page)
        return found

    def arrived(self, look: Look, outcome: Any) -> KlaviyoError | None:
        """What came of a look; the error if it ends the upload."""
        if isinstance(outcome, (PermissionDenied, NotFound)):
            # A key that may write need not be allowed to read; and jobs are forgotten after seven days (FACTS §7).
            for job in look.jobs:
                self._forget(job)
                self._report.notes.append(f"job {job.id} cannot be followed: {outcome}")
                self._report.taken(iter(job.indexes), "accepted", job.id)
        elif isinstance(outcome, RateLimited) and (wait := soon(outcome)) is not None:
            for job in look.jobs:
                job.due = self._clock() + max(wait, FIRST_LOOK)
        elif isinstance(outcome, KlaviyoError):
            return outcome
        elif look.errors:
            self._forget(look.jobs[0])
            self._completed(look.jobs[0], outcome or None)
        else:
            for job in look.jobs:
                self._looked(job, outcome.get(job.id))
        return None

    def _looked(self, job: Job, attributes: Mapping[str, Any] | None) -> None:
        if attributes is None:
            job.alone = True
        elif attributes.get("status") == "complete":
            self._jobs.remove(job)
            failed = attributes.get("failed_count")
            if failed and job.route.errors:
                self._failed.append(job)
            else:
                self._completed(job, (attributes.get("errors") or None) if failed else [])
        elif attributes.get("status") == "cancelled":
            self._jobs.remove(job)
            reason = "Klaviyo cancelled the job: some of its rows may have been done"
            for index in job.indexes:
                self._report.problem(RowResult(index, "unknown", None, "cancelled", reason, job_id=job.id))
        else:
            job.due = self._clock() + job.pause
            job.pause = min(job.pause * 1.6, LONGEST_PAUSE)

    def _completed(self, job: Job, errors: list[Mapping[str, Any]] | None) -> None:
        """Rows stay `accepted` if some error names none of them."""
        failed, lost = by_error(job.route, job.keys, errors)
        for place, (row, code, reason, argument) in failed.items():
            result = RowResult(job.indexes[place], "rejected", row, code, reason, argument, job.id)
            self._report.problem(result)
        if lost:
            self._report.notes.append(f"job {job.id}: {lost} errors name no row, so that none of its rows is confirmed")
        good = (index for place, index in enumerate(job.indexes) if place not in failed)
        self._report.taken(good, "accepted" if lost else "confirmed", job.id)

    def _forget(self, job: Job) -> None:
        (self._jobs if job in self._jobs else self._failed).remove(job)

    def leave(self) -> None:
        """What is still at work stays `accepted`."""
        for job in [*self._jobs, *self._failed]:
            self._report.open_jobs.append(job.route.resource(job.id))
            self._report.taken(iter(job.indexes), "accepted", job.id)


def soon(error: RateLimited) -> float | None:
    """Seconds after which a request can go, None if that is not worth waiting for."""
    return error.retry_after if error.retry_after is not None and not error.daily and error.retry_after <= 120 else None
