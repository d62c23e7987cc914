"""What happened to messages and forms, counted, and the statistics that reports make of it (FACTS §9.14)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

ROLES: Mapping[str, str] = {
    "Received Email": "delivered",
    "Received SMS": "delivered",
    "Received Push": "delivered",
    "Received WhatsApp": "delivered",
    "Opened Email": "opens",
    "Opened Push": "opens",
    "Clicked Email": "clicks",
    "Clicked SMS": "clicks",
    "Bounced Email": "bounced",
    "Bounced Push": "bounced",
    "Failed to Deliver SMS": "failed",
    "Marked Email as Spam": "spam_complaints",
    "Unsubscribed": "unsubscribes",
    "Unsubscribed from Email Marketing": "unsubscribes",
    "Unsubscribed from SMS": "unsubscribes",
    "Unsubscribed from SMS Marketing": "unsubscribes",
}
"""metric → what its events count as"""

FORM_ROLES: Mapping[str, str] = {
    "Viewed Form": "viewed_form",
    "Form viewed by profile": "viewed_form",
    "Closed Form": "closed_form",
    "Submitted Form": "submits",
    "Form submitted by profile": "submits",
    "Form completed by profile": "submits",
    "Qualified Form": "qualified_form",
    "Viewed Form Step": "viewed_form_step",
    "Submitted Form Step": "submitted_form_step",
}


class Tally:
    """The counts of one line of a report, or of one interval of it."""

    __slots__ = ("_people", "_times", "value")

    def __init__(self) -> None:
        self._times: Counter[str] = Counter()
        self._people: dict[str, set[str]] = {}
        self.value = 0.0

    def add(self, role: str, profile: str, value: float = 0.0) -> None:
        self._times[role] += 1
        self._people.setdefault(role, set()).add(profile)
        self.value += value

    def times(self, role: str) -> int:
        return self._times[role]

    def people(self, role: str) -> int:
        return len(self._people.get(role, ()))


Statistic = Callable[[Tally], Any]


def _times(*roles: str) -> Statistic:
    return lambda tally: sum(map(tally.times, roles))


def _people(role: str) -> Statistic:
    return lambda tally: tally.people(role)


def _rate(part: Statistic, whole: Statistic) -> Statistic:
    """A fraction, 0.0 where there is nothing to take it of."""

    def rate(tally: Tally) -> float:
        total = whole(tally)
        return float(part(tally) / total) if total else 0.0

    return rate


def _value(tally: Tally) -> float:
    return tally.value


def _nothing(tally: Tally) -> float:
    return 0.0


_delivered = _times("delivered")
_recipients = _times("delivered", "bounced", "failed")
_lost = _times("bounced", "failed")

MESSAGE_STATISTICS: Mapping[str, Statistic] = {
    "average_order_value": _rate(_value, _times("conversions")),
    "bounce_rate": _rate(_times("bounced"), _recipients),
    "bounced": _times("bounced"),
    "bounced_or_failed": _lost,
    "bounced_or_failed_rate": _rate(_lost, _recipients),
    "click_rate": _rate(_people("clicks"), _delivered),
    "click_to_open_rate": _rate(_people("clicks"), _people("opens")),
    "clicks": _times("clicks"),
    "clicks_unique": _people("clicks"),
    "conversion_rate": _rate(_people("conversions"), _delivered),
    "conversion_uniques": _people("conversions"),
    "conversion_value": _value,
    "conversions": _times("conversions"),
    "delivered": _delivered,
    "delivery_rate": _rate(_delivered, _recipients),
    "failed": _times("failed"),
    "failed_rate": _rate(_times("failed"), _recipients),
    "open_rate": _rate(_people("opens"), _delivered),
    "opens": _times("opens"),
    "opens_unique": _people("opens"),
    "recipients": _recipients,
    "revenue_per_recipient": _rate(_value, _delivered),
    "spam_complaint_rate": _rate(_times("spam_complaints"), _delivered),
    "spam_complaints": _times("spam_complaints"),
    "unsubscribe_rate": _rate(_people("unsubscribes"), _delivered),
    "unsubscribe_uniques": _people("unsubscribes"),
    "unsubscribes": _times("unsubscribes"),
    # The sandbox's text messages cost nothing.
    "message_segment_count_sum": _nothing,
    "text_message_credit_usage_amount": _nothing,
    "text_message_roi": _nothing,
    "text_message_spend": _nothing,
}

_FORM_COUNTS = tuple(dict.fromkeys(FORM_ROLES.values()))
FORM_STATISTICS: Mapping[str, Statistic] = {
    **{role: _times(role) for role in _FORM_COUNTS},
    **{f"{role}_uniques": _people(role) for role in _FORM_COUNTS if role != "submits"},
    "submit_rate": _rate(_times("submits"), _times("viewed_form")),
}
