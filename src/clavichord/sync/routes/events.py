"""Events by bulk jobs that leave no job to ask about: they are confirmed by being read back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from clavichord.client.client import AsyncKlaviyo
from clavichord.sync.ledger import Batch
from clavichord.sync.plan import PlanRow
from clavichord.sync.routes.bulk import Bulk
from clavichord.sync.routes.refusals import not_visible
from clavichord.sync.routes.work import Work
from clavichord.sync.values import instant

PAGE = 1_000
MAX_WINDOWS = 10


class BulkEvents(Bulk):
    name = "events.bulk"
    operation = "bulk_create_events"
    entry = re.compile(r"/events-bulk-create/data/(\d+)(?=/|$)")

    def requests(self, batches: int, entries: int) -> dict[str, int]:
        return {self.operation: batches, "get_events": batches + -(-entries // PAGE)}

    def body(self, group: Mapping[str, Any], rows: Sequence[PlanRow], lists: Mapping[str, str]) -> bytes:
        entries = ",".join(row.payload for row in rows)
        document = f'"type":"event-bulk-create-job","attributes":{{"events-bulk-create":{{"data":[{entries}]}}}}'
        return f'{{"data":{{{document}}}}}'.encode()

    async def confirm(self, work: Work, batch: Batch, *, last: bool) -> bool:
        rows = work.live(batch)
        missing = {row.unique_id for row in rows}
        metric_id = await _find_metric(work, json.loads(batch.grp)["metric"])
        if metric_id:
            await _read(work.client, metric_id, rows, missing)
        if missing and not last:
            return False
        work.confirm(batch, [not_visible(row, "") for row in rows if row.unique_id in missing], len(rows))
        return True


async def _find_metric(work: Work, name: str) -> str:
    """The id of the metric that the API's events of that name go to, "" while there is none."""
    known = work.metrics.get(name)
    if known:
        return known
    async for page in work.client.pages("get_metrics", query={"fields[metric]": "name,integration"}):
        for metric in page.json()["data"]:
            attributes = metric["attributes"]
            if _made_by_api(attributes.get("integration")):
                work.metrics[attributes["name"]] = str(metric["id"])
    return work.metrics.get(name, "")


def _made_by_api(integration: Any) -> bool:
    return not isinstance(integration, dict) or str(integration.get("key", "api")).lower() == "api"


async def _read(client: AsyncKlaviyo, metric_id: str, rows: Sequence[PlanRow], missing: set[str | None]) -> None:
    """Takes out of `missing` what is there."""
    for low, high in _windows(rows):
        when = f"greater-or-equal(datetime,{instant(low)}),less-or-equal(datetime,{instant(high)})"
        query = {
            "filter": f'equals(metric_id,"{metric_id}"),{when}',
            "fields[event]": "event_properties",
            "page[size]": str(PAGE),
            "sort": "datetime",
        }
        async for page in client.pages("get_events", query=query):
            seen = msgspec.json.decode(page.body, type=_EventPage)
            missing.difference_update(event.attributes.event_properties.id for event in seen.data)
            if not missing:
                return


def _windows(rows: Sequence[PlanRow]) -> list[tuple[int, int]]:
    """Time ranges that hold the rows' events. Wide gaps are left out, so that years of other events stay unread; few
    ranges, for each is a request."""
    times = sorted({row.moment for row in rows})
    gaps = sorted(((b - a, a, b) for a, b in pairwise(times) if b - a > 86_400), reverse=True)
    edges = sorted((a, b) for _, a, b in gaps[: MAX_WINDOWS - 1])
    starts = [times[0], *(b for _, b in edges)]
    ends = [*(a for a, _ in edges), times[-1]]
    return list(zip(starts, ends, strict=True)) if times else []


class _Properties(msgspec.Struct):
    id: str = msgspec.field(name="$event_id", default="")


class _EventAttributes(msgspec.Struct):
    event_properties: _Properties


class _Event(msgspec.Struct):
    attributes: _EventAttributes


class _EventPage(msgspec.Struct):
    data: list[_Event]
