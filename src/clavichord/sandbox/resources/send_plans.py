"""When each recipient gets a message, and which variation: local and smart times, throttling, A/B tests (FACTS §9.6).

No rule of Klaviyo's for this is public beyond the words of the specification: the numbers are inferred.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from hashlib import blake2b
from math import ceil
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from clavichord.sandbox import inferred
from clavichord.sandbox.clock import SECOND, parse
from clavichord.sandbox.resources import campaign_translation as translation

_HOUR = 3600 * SECOND
_DAY = 24 * _HOUR
_EAST = 14 * _HOUR
"""how far the first time zone is ahead of UTC"""


class Recipient(NamedTuple):
    profile: str
    zone: str | None
    """of the profile's location"""
    hour: int | None
    """of the day, in UTC, in which this person opened the most messages"""


class Delivery(NamedTuple):
    """`variation`: "" until the winner of a test is known. `at`: microseconds."""

    profile: str
    variation: str
    at: int


def begins(message: Mapping[str, Any], now: int) -> int:
    """When the first recipient may get it, in microseconds."""
    options = message["send_options"]
    if translation.is_smart(message):
        day = parse(message["send_date"]) or now
        return max(now, day - _EAST)
    when = parse(options.get("send_time") or "")
    if options.get("send_strategy") == "ab_send_time_test":
        given = [parse(str(one)) for one in (options.get("send_times") or {}).values()]
        when = min((one for one in given if one is not None), default=when)
    if when is None:
        return now
    return max(now, when - _EAST if translation.is_local(message) else when)


def plan(
    message: Mapping[str, Any], variations: Sequence[str], people: Sequence[Recipient], now: int, zone: str
) -> Iterator[Delivery]:
    """`zone`: the account's, for people who have none. Deliveries are in the order of `people`."""
    share = message["send_options"].get("recipient_percentage")
    throttled = message["send_options"].get("send_strategy") == "throttled"
    if share is not None and not throttled:
        people = people[: ceil(len(people) * share / 100)]
    tested, wait = _test(message, variations, len(people))
    batch = max(1, ceil(len(people) * (share or 100) / 100))
    step = _HOUR // 60 if message["send_options"].get("throttle_unit") == "minute" else _HOUR
    for number, person in enumerate(people):
        variation = variations[number % len(variations)] if number < tested else ""
        at = _instant(message, person, variation, now, zone)
        if throttled:
            at += number // batch * step
        yield Delivery(person.profile, variation, at if variation else at + wait)


def _test(message: Mapping[str, Any], variations: Sequence[str], people: int) -> tuple[int, int]:
    """How many get a variation by turns, and how many microseconds later the others get the one that won."""
    test = message["ab_test"] or {}
    share = test.get("winner_percentage")
    if len(variations) < 2 or share is None:
        return people, 0
    hours = test.get("winner_wait_hours") or inferred.WINNER_WAIT_HOURS
    return ceil(people * (100 - share) / 100), hours * _HOUR


def _instant(message: Mapping[str, Any], person: Recipient, variation: str, now: int, zone: str) -> int:
    options = message["send_options"]
    if translation.is_smart(message):
        hour = person.hour
        if hour is None:  # nothing is known: spread over the day, the same hour for the same person every time
            hour = blake2b(person.profile.encode(), digest_size=2).digest()[0] % 24
            return max(now, _local(f"{message['send_date']}T{hour:02}:00:00", person.zone or zone))
        day = parse(message["send_date"]) or now
        return max(now, day + hour * _HOUR)
    if translation.is_local(message):
        at = _local(options["send_time"], person.zone or zone)
        if at >= now:
            return at
        return now if message.get("send_past_immediately") else max(now, at + _DAY)
    if options.get("send_strategy") == "ab_send_time_test":
        return max(now, parse(str((options.get("send_times") or {}).get(variation))) or now)
    return now


@lru_cache(maxsize=4096)
def _local(text: str, zone: str) -> int:
    """The instant at which clocks in `zone` show what `text` says, whatever its offset; microseconds."""
    shown = datetime.fromisoformat(text).replace(tzinfo=None)
    try:
        moment = shown.replace(tzinfo=ZoneInfo(zone))
    except (ValueError, OSError, KeyError):  # a profile may say anything
        moment = shown.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def today(now: int) -> date:
    return datetime.fromtimestamp(now // SECOND, UTC).date()
