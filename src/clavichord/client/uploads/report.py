"""What became of every row of an upload."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeAlias

from msgspec import Struct

from clavichord.client.errors import KlaviyoError
from clavichord.client.resource import Resource

Status: TypeAlias = Literal["confirmed", "accepted", "rejected", "held", "unknown", "unsent"]
"""confirmed: done, Klaviyo says so · accepted: taken, the outcome is not known (yet) · rejected: refused, with a
reason · held: not sent, because it would do more than was asked for · unknown: sent, and the answer was lost ·
unsent: not sent, because the upload stopped before"""
STATUSES: tuple[Status, ...] = ("confirmed", "accepted", "rejected", "held", "unknown", "unsent")


class RowResult(Struct, frozen=True):
    """One row. `reason` is for people, `code` for programs."""

    index: int
    """place in the input, from 0"""
    status: Status
    row: Any = None
    """the row itself, where it was not simply taken"""
    code: str = ""
    reason: str = ""
    argument: str = ""
    """the part of the row that is meant: `email`, `properties.tier`"""
    job_id: str = ""

    def __str__(self) -> str:
        place = f"row {self.index}" + (f", {self.argument}" if self.argument else "")
        return f"{place}: {self.status}" + (f", {self.reason}" if self.reason else "")


OnResult: TypeAlias = Callable[[RowResult], None]


class UploadReport:
    """Counts by status, and the rows that were not simply taken.

    Rows that were taken are remembered as ranges, so that a report of a million good rows is small. With `on_result=`
    every row's result goes there instead, and only the counts are kept.
    """

    def __init__(self, verb: str, on_result: OnResult | None = None) -> None:
        self.verb = verb
        self.rows = 0
        """rows read from the input"""
        self.counts: Counter[Status] = Counter()
        self.problems: list[RowResult] = []
        """rejected, held, unknown and unsent rows, in the order in which that became known"""
        self.open_jobs: list[Resource] = []
        """jobs that were still at work: `jobs.wait` takes them"""
        self.notes: list[str] = []
        """why nothing more could be said about accepted rows"""
        self._taken: list[tuple[int, int, Status, str]] = []
        self._on_result = on_result

    @property
    def confirmed(self) -> int:
        return self.counts["confirmed"]

    @property
    def accepted(self) -> int:
        return self.counts["accepted"]

    @property
    def rejected(self) -> int:
        return self.counts["rejected"]

    @property
    def held(self) -> int:
        return self.counts["held"]

    @property
    def unknown(self) -> int:
        return self.counts["unknown"]

    @property
    def unsent(self) -> int:
        return self.counts["unsent"]

    @property
    def ok(self) -> bool:
        """Every row was confirmed or accepted."""
        return self.confirmed + self.accepted == self.rows

    def results(self) -> Iterator[RowResult]:
        """The result of every row, in the order of the input; without `on_result=` only."""
        if self._on_result is not None:
            raise KlaviyoError(f"{self.verb}: the results went to on_result=, the report holds their counts only")
        ranges = [(lo, hi, status, job, None) for lo, hi, status, job in self._taken]
        ranges += [(found.index, found.index + 1, found.status, "", found) for found in self.problems]  # type: ignore[misc]
        for lo, hi, status, job, found in sorted(ranges, key=lambda r: r[0]):
            if found is not None:
                yield found
            else:
                for index in range(lo, hi):
                    yield RowResult(index, status, job_id=job)

    def raise_for_problems(self) -> None:
        """Raises RowsRefused unless every row was confirmed or accepted."""
        if not self.ok:
            raise RowsRefused(self)

    def problem(self, result: RowResult) -> None:
        self.counts[result.status] += 1
        if self._on_result is None:
            self.problems.append(result)
        else:
            self._on_result(result)

    def taken(self, indexes: Iterator[int], status: Status, job_id: str = "") -> None:
        """Ascending indexes of rows that were taken."""
        lo = hi = -1
        for index in indexes:
            self.counts[status] += 1
            if self._on_result is not None:
                self._on_result(RowResult(index, status, job_id=job_id))
            elif index == hi:
                hi += 1
            else:
                if hi > lo:
                    self._taken.append((lo, hi, status, job_id))
                lo, hi = index, index + 1
        if hi > lo:
            self._taken.append((lo, hi, status, job_id))

    def __str__(self) -> str:
        parts = [f"{self.counts[status]:,} {status}" for status in STATUSES if self.counts[status]]
        return f"{self.verb}: {self.rows:,} rows" + (f": {', '.join(parts)}" if parts else "")

    def __repr__(self) -> str:
        return f"UploadReport({str(self)!r})"


class RowsRefused(KlaviyoError):
    """Some rows were rejected, held, or their outcome is unknown. `report` tells which and why."""

    def __init__(self, report: UploadReport) -> None:
        super().__init__(report)
        self.report = report

    def __str__(self) -> str:
        shown = [str(found) for found in self.report.problems[:5]]
        more = len(self.report.problems) - len(shown)
        return f"{self.report}. " + "; ".join(shown) + (f"; and {more:,} more" if more > 0 else "")


class UploadStopped(KlaviyoError):
    """The account, the network or the request itself ended an upload of which a part was already taken.

    `report` holds what became of the rows read so far; `__cause__` is the error. Rows that are `unsent` can be sent
    again, rows that are `unknown` only where a repetition does no harm (coupon codes: look first).
    """

    def __init__(self, report: UploadReport, cause: KlaviyoError) -> None:
        super().__init__(report, cause)
        self.report = report
        self.cause = cause

    def __str__(self) -> str:
        return (
            f"{self.report}; then it stopped: {self.cause}. "
            "Nothing after the last row read was sent: report.results() says which rows to send again"
        )
