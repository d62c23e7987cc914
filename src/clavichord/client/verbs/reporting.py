"""Everyday verbs of reporting: each query as flat rows, all pages of it.

Klaviyo allows 225 of these requests a day (FACTS §9.14), so what is wrong is told before one is spent. `timeframe` is
`last_30_days`, … or (start, end); `conversion_metric` a metric's id or its name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from clavichord.client.filters import Filter
from clavichord.client.resource import Resource
from clavichord.client.verbs.rows import Row, Timeframe, report
from clavichord.client.work import Work, compound

if TYPE_CHECKING:
    from clavichord.client.ops import vocabulary as v

Interval: TypeAlias = Literal["hourly", "daily", "weekly", "monthly"]


class ReportingVerbs:
    @compound
    def campaign_values(
        self: Any,
        *,
        statistics: Sequence[v.QueryCampaignValuesStatistics],
        timeframe: Timeframe,
        conversion_metric: str | Resource,
        group_by: Sequence[v.QueryCampaignValuesGroupBy] | None = None,
        filter: Filter | str | None = None,
    ) -> Work[list[Row]]:
        """One row for each campaign message: its groupings and statistics. Rates are fractions from 0 to 1."""
        return report(
            self,
            "query_campaign_values",
            statistics,
            timeframe,
            conversion_metric=conversion_metric,
            group_by=group_by,
            filter=filter,
        )

    @compound
    def flow_values(
        self: Any,
        *,
        statistics: Sequence[v.QueryCampaignValuesStatistics],
        timeframe: Timeframe,
        conversion_metric: str | Resource,
        group_by: Sequence[v.QueryFlowValuesGroupBy] | None = None,
        filter: Filter | str | None = None,
    ) -> Work[list[Row]]:
        """One row for each flow message: its groupings and statistics. Rates are fractions from 0 to 1."""
        return report(
            self,
            "query_flow_values",
            statistics,
            timeframe,
            conversion_metric=conversion_metric,
            group_by=group_by,
            filter=filter,
        )

    @compound
    def flow_series(
        self: Any,
        *,
        statistics: Sequence[v.QueryCampaignValuesStatistics],
        timeframe: Timeframe,
        interval: Interval,
        conversion_metric: str | Resource,
        group_by: Sequence[v.QueryFlowValuesGroupBy] | None = None,
        filter: Filter | str | None = None,
    ) -> Work[list[Row]]:
        """One row for each flow message and `date_time`."""
        return report(
            self,
            "query_flow_series",
            statistics,
            timeframe,
            interval=interval,
            conversion_metric=conversion_metric,
            group_by=group_by,
            filter=filter,
        )

    @compound
    def form_values(
        self: Any,
        *,
        statistics: Sequence[v.QueryFormValuesStatistics],
        timeframe: Timeframe,
        group_by: Sequence[Literal["form_id", "form_version_id"]] | None = None,
        filter: Filter | str | None = None,
    ) -> Work[list[Row]]:
        """One row for each form, or each version of one."""
        return report(self, "query_form_values", statistics, timeframe, group_by=group_by, filter=filter)

    @compound
    def form_series(
        self: Any,
        *,
        statistics: Sequence[v.QueryFormValuesStatistics],
        timeframe: Timeframe,
        interval: Interval,
        group_by: Sequence[Literal["form_id", "form_version_id"]] | None = None,
        filter: Filter | str | None = None,
    ) -> Work[list[Row]]:
        """One row for each form and `date_time`."""
        return report(
            self, "query_form_series", statistics, timeframe, interval=interval, group_by=group_by, filter=filter
        )

    @compound
    def segment_values(
        self: Any,
        *,
        statistics: Sequence[v.QuerySegmentValuesStatistics],
        timeframe: Timeframe,
        filter: Filter | str | None = None,
    ) -> Work[list[Row]]:
        """One row for each segment."""
        return (yield from report(self, "query_segment_values", statistics=statistics, frame=timeframe, filter=filter))

    @compound
    def segment_series(
        self: Any,
        *,
        statistics: Sequence[v.QuerySegmentValuesStatistics],
        timeframe: Timeframe,
        interval: Interval,
        filter: Filter | str | None = None,
    ) -> Work[list[Row]]:
        """One row for each segment and `date_time`."""
        return report(self, "query_segment_series", statistics, timeframe, interval=interval, filter=filter)
