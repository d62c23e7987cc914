"""What an account used of its plan in the current month, counted when somebody asks (2026-10-15)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from clavichord.sandbox import generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import SECOND, seconds
from clavichord.sandbox.documents import Resource


def _month(now: int) -> tuple[int, int]:
    """The seconds at which the current month begins, and the next one."""
    first = datetime.fromtimestamp(now // SECOND, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return int(first.timestamp()), int(following.timestamp())


def _reachable(call: Call, since: int) -> int:
    """Profiles that are not suppressed: those count for the plan."""
    row = call.engine.store.one(
        "SELECT count(*) FROM profile p WHERE account = ? AND NOT EXISTS"
        " (SELECT 1 FROM suppression s WHERE s.account = p.account AND s.profile = p.id AND s.list = '')",
        call.account,
    )
    return int(row[0]) if row else 0


def _sent(channel: str) -> Callable[[Call, int], int]:
    """Messages of campaigns and flows; previews cost nothing."""

    def count(call: Call, since: int) -> int:
        row = call.engine.store.one(
            "SELECT count(*) FROM outbox WHERE account = ? AND channel = ? AND status = 'sent' AND at >= ?"
            " AND profile <> ''",
            call.account,
            channel,
            since * SECOND,
        )
        return int(row[0]) if row else 0

    return count


_COUNTED: Mapping[str, Callable[[Call, int], int]] = {
    "active_profiles": _reachable,
    "customer_hub_active_profiles": lambda call, since: 0,
    "email_sends": _sent("email"),
    "sms_credits": _sent("sms"),
}


def _usage(call: Call, name: str) -> Resource:
    unit, most = inferred.USAGE[name]
    start, end = _month(call.now)
    attributes: dict[str, Any] = {
        "usage_used": _COUNTED[name](call, start),
        "usage_max": most,
        "unit": unit,
        "period_start": seconds(start),
        "period_end": seconds(end),
        "as_of": seconds(call.now // SECOND),
    }
    return generic.resource("billing-usage", name, attributes, {})


def list_usage(call: Call) -> Answer:
    names = set(_COUNTED)
    for condition in call.query.conditions:  # any(id,[…]) is the only filter
        names &= {one.text for one in condition.value} if isinstance(condition.value, list) else set()
    return call.engine.documents.many(call, [_usage(call, name) for name in _COUNTED if name in names])


def get_usage(call: Call) -> Answer:
    if call.id not in _COUNTED:
        raise generic.missing("billing-usage", call.id)
    return call.engine.documents.one(call, _usage(call, call.id))


BEHAVIOURS: Mapping[str, Behaviour] = {"list_billing_usage": list_usage, "get_billing_usage": get_usage}
