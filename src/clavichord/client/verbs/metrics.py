"""Everyday verbs of metrics."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from clavichord.client.filters import Filter
from clavichord.client.resource import Resource
from clavichord.client.work import Work, compound

if TYPE_CHECKING:
    from clavichord.client.ops import vocabulary as v
    from clavichord.client.verbs.rows import Row


class MetricVerbs:
    @compound
    def aggregate(
        self: Any,
        metric: str | Resource,
        *,
        since: datetime,
        until: datetime | None = None,
        measurements: Sequence[Literal["count", "sum_value", "unique"]] = ("count",),
        by: Sequence[v.QueryMetricAggregatesBy] = (),
        interval: Literal["hour", "day", "week", "month"] = "day",
        timezone: str = "UTC",
        filter: Sequence[Filter | str] = (),
    ) -> Work[list[Row]]:
        """How often, how much and by how many, as flat rows: the dimensions of `by`, `date`, the measurements.

        `metric` is an id or a name. From `since` on and before `until` (now), a year at most; `timezone` (IANA) is that
        of the days; `filter` narrows the dimensions (FACTS §9.15).
        """
        from clavichord.client.verbs.rows import aggregates

        return aggregates(
            self,
            "metrics.aggregate",
            metric,
            measurements=measurements,
            since=since,
            until=datetime.now(UTC) + timedelta(seconds=1) if until is None else until,
            by=by,
            interval=interval,
            timezone=timezone,
            filter=filter,
        )
