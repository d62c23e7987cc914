"""Which failures are tried again, and when."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from clavichord.client.errors import TransportError
from clavichord.client.lenient_json import loads
from clavichord.client.pacing import PATIENCE
from clavichord.client.types import Reply

REPEAT_SAFE_POSTS = frozenset(
    {
        # upserts: the second one finds what the first one made (FACTS §6.4, §7.1)
        "create_or_update_profile",
        "bulk_import_profiles",
        "create_client_profile",
        "create_push_token",
        "create_client_push_token",
        "unregister_client_push_token",
        # consent and suppression: the same state set twice (FACTS §7.2-7.4)
        "bulk_subscribe_profiles",
        "bulk_unsubscribe_profiles",
        "bulk_suppress_profiles",
        "bulk_unsuppress_profiles",
        "create_client_subscription",
        # membership: adding a member again changes nothing
        "add_profiles_to_list",
        "add_items_to_catalog_category",
        "add_categories_to_catalog_item",
        "tag_campaigns",
        "tag_flows",
        "tag_lists",
        "tag_segments",
        # jobs over ids of our own: what exists, or is gone, is reported per item (FACTS §7.6)
        "bulk_create_catalog_items",
        "bulk_update_catalog_items",
        "bulk_delete_catalog_items",
        "bulk_create_catalog_variants",
        "bulk_update_catalog_variants",
        "bulk_delete_catalog_variants",
        "bulk_create_catalog_categories",
        "bulk_update_catalog_categories",
        "bulk_delete_catalog_categories",
        "bulk_delete_object_records",
        # questions asked by POST
        "query_campaign_values",
        "query_flow_values",
        "query_flow_series",
        "query_form_values",
        "query_form_series",
        "query_segment_values",
        "query_segment_series",
        "query_metric_aggregates",
        "render_template",
        "refresh_campaign_recipient_estimation",
    }
)
"""POSTs whose second sending has the effect of the first alone."""

EVENT_POSTS = frozenset({"create_event", "bulk_create_events", "create_client_event", "bulk_create_client_events"})
"""Repeat-safe if every event carries a unique_id: Klaviyo drops a repeated one (FACTS §8.1)."""

YEAR = 366 * 86400.0
"""seconds: the longest that a server is believed when it asks to wait"""
_HOPELESS = frozenset({501, 505, 506, 508, 510, 511})


def repeat_safe(operation: str, method: str, body: bytes | None) -> bool:
    """Whether sending the request twice has the effect of sending it once."""
    if method != "POST" or operation in REPEAT_SAFE_POSTS:
        return True
    if operation not in EVENT_POSTS or not body:
        return False
    try:
        events = list(_events(loads(body)))
    except ValueError:
        return False
    return bool(events) and all(event.get("unique_id") for event in events)


def _events(node: Any) -> Iterator[Mapping[str, Any]]:
    """The attributes of every event in a body, at whatever depth its envelope puts them."""
    if isinstance(node, list):
        for entry in node:
            yield from _events(entry)
    elif isinstance(node, dict):
        attributes = node.get("attributes")
        if node.get("type") == "event" and isinstance(attributes, dict):
            yield attributes
        else:
            for inner in node.values():
                yield from _events(inner)


def may_repeat(failure: Reply | TransportError) -> bool | None:
    """Whether this failure may be answered by sending again; None: only if the request is repeat-safe."""
    if isinstance(failure, TransportError):
        return False if failure.lasting else None if failure.maybe_sent else True
    if (retry_after(failure) or 0) > PATIENCE:
        return False
    if failure.status == 429:
        return True
    return None if failure.status == 408 or (failure.status >= 500 and failure.status not in _HOPELESS) else False


def retry_after(reply: Reply) -> float | None:
    """Seconds that the server asks to wait: a number, or an HTTP date. None if it says nothing readable."""
    text = reply.headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
        return min(seconds, YEAR) if 0 <= seconds < float("inf") else None
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(text)
        here = parsedate_to_datetime(reply.headers["date"]) if "date" in reply.headers else datetime.now(UTC)
        return min(max(0.0, (moment - here).total_seconds()), YEAR)
    except (ValueError, TypeError, OverflowError):
        return None


def backoff(attempt: int) -> float:
    """Seconds after the `attempt`-th failure: about 0.5, 1, 2 … 30, jittered so that clients spread out."""
    return float(min(30.0, 0.5 * 2 ** (attempt - 1)) * random.uniform(0.5, 1.0))
