"""Everyday verbs of events."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import NoneType
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, UnsetType

from clavichord.client.errors import ConfigurationError
from clavichord.client.operation import verb
from clavichord.client.queue.verbs import enqueue, queued
from clavichord.client.work import Work, compound

if TYPE_CHECKING:
    from clavichord.client.uploads.report import OnResult, UploadReport


class EventVerbs:
    @verb("create_event", NoneType)
    def track(
        self,
        metric: str,
        *,
        profile: Mapping[str, Any] | str,
        properties: Mapping[str, Any] | UnsetType = UNSET,
        value: float | UnsetType = UNSET,
        value_currency: str | UnsetType = UNSET,
        time: datetime | str | UnsetType = UNSET,
        unique_id: str | UnsetType = UNSET,
        backfill: bool | UnsetType = UNSET,
    ) -> Mapping[str, Any]:
        """Records an event of a profile: `{"email": …}`, any of its attributes, or its id.

        `unique_id` names the occurrence (an order number): a second event of the same profile, metric and unique_id is
        dropped by Klaviyo, so that sending it again is safe. Without one, a fresh one is made, because Klaviyo's own
        default keeps one event per profile, metric and second (FACTS §8.1). `value` is an amount in `value_currency`
        (ISO 4217); `backfill` records history without triggering flows.
        """
        if not metric:
            raise ConfigurationError("events.track: metric is the event's name, it cannot be empty")
        if isinstance(time, datetime) and time.tzinfo is None:
            raise ConfigurationError(f"events.track: time has no time zone ({time.isoformat()}): give it one")
        return {
            "metric": metric,
            "profile": profile,
            "properties": {} if properties is UNSET else properties,
            "value": value,
            "value_currency": value_currency,
            "time": time,
            "unique_id": str(uuid.uuid4()) if unique_id is UNSET else unique_id,
            "backfill": backfill,
        }

    @queued(waits=False)
    def enqueue(
        self: Any,
        metric: str,
        *,
        profile: Mapping[str, Any] | str,
        properties: Mapping[str, Any] | UnsetType = UNSET,
        value: float | UnsetType = UNSET,
        value_currency: str | UnsetType = UNSET,
        time: datetime | str | UnsetType = UNSET,
        unique_id: str | UnsetType = UNSET,
        backfill: bool | UnsetType = UNSET,
    ) -> str | None:
        """Records an event in the background: arguments as of `track`, checked now, sent within about a second.

        Returns its unique_id; None if the queue was full and drops (`EventQueue`, which also raises QueueFull). The
        time of the event is now unless it is given. What Klaviyo refuses later goes to the queue's `on_error`.
        """
        return enqueue(
            self._client,
            {
                "metric": metric,
                "profile": profile,
                "properties": properties,
                "value": value,
                "value_currency": value_currency,
                "time": time,
                "unique_id": unique_id,
                "backfill": backfill,
            },
        )

    @queued(waits=True)
    def flush(self: Any, timeout: float = 5.0) -> int:
        """Sends what was enqueued without delay; returns how many events are left after `timeout` seconds."""
        left: int = self._client.event_queue.flush(timeout)
        return left

    @compound
    def upload(
        self: Any, rows: Iterable[Mapping[str, Any]], *, on_result: OnResult | None = None
    ) -> Work[UploadReport]:
        """Records any number of events; returns what became of every row.

        A row is a dict of `track`'s arguments: `metric`, `profile`, `properties`, `value`, `value_currency`, `time`,
        `unique_id`, `backfill`. They go out 1,000 and 5 MB at a time. Klaviyo tells no outcome of these jobs, so good
        rows end as `accepted`; events of the domains example.com and test.com it drops silently (FACTS §8.1).
        """
        from clavichord.client.uploads import events
        from clavichord.client.uploads.engine import Upload
        from clavichord.client.uploads.route import bulk

        route = bulk("bulk_create_events", "events-bulk-create")
        made = Upload(self, "events.upload", route, events.event, screen=events.once(route), on_result=on_result)
        return (yield from made.work(rows))
