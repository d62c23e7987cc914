"""Who fits a definition: conditions of a group are joined by OR, groups by AND (FACTS §9.4).

Every condition becomes the set of profiles that fit it, looked up in what is really there: profiles, consent, lists,
segments, events. What cannot be looked up here is refused when the definition is written, not silently empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import msgspec

from clavichord.sandbox import inferred
from clavichord.sandbox.clock import SECOND, seconds
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.errors import ErrorObject, Refusal, problem, service
from clavichord.sandbox.resources import consent, identity, segment_filters
from clavichord.sandbox.resources.identity import Profile

_MEMBER = re.compile(r"(location|properties)\[(?:'(.*)'|\"(.*)\")\]", re.DOTALL)
_DATES = ("created", "updated", "last_event_date")
_UNKNOWN_CONDITIONS = {
    "profile-postal-code-distance": "there are no coordinates of postal codes",
    "profile-has-custom-object": "custom objects are not joined with profiles",
}
_WINDOWS = {
    "HOURS_1": 3600,
    "DAYS_1": 86_400,
    "DAYS_3": 3 * 86_400,
    "DAYS_5": 5 * 86_400,
    "WEEKS_1": 7 * 86_400,
    "DAYS_30": 30 * 86_400,
    "DAYS_90": 90 * 86_400,
    "DAYS_180": 180 * 86_400,
    "YEARS_1": 365 * 86_400,
}
"""seconds in which the steps of a funnel must follow its first"""

_SUPPRESSIONS = {
    "bounce_date": "HARD_BOUNCE",
    "manual_suppression_date": "USER_SUPPRESSED",
    "invalid_email_date": "INVALID_EMAIL",
}
_ADDRESS = {"email": "email", "sms": "phone_number"}
_ENTRY = {"email": "email", "sms": "sms", "push": "mobile_push"}
_PERMISSION = {
    "email": "can_receive_email_marketing",
    "sms": "can_receive_sms_marketing",
    "push": "can_receive_push_marketing",
}

Condition = Mapping[str, Any]


class Evaluation:
    """The profiles of an account at one instant; `only` narrows it to one of them."""

    def __init__(
        self, engine: Engine, account: str, now: int, members: Callable[[str], set[str]], only: str | None = None
    ) -> None:
        """`members`: the profiles of a segment that a condition names."""
        self._engine = engine
        self._account = account
        self._now = now
        self._members = members
        self._only = only

    @cached_property
    def _people(self) -> dict[str, Profile]:
        narrowed = "" if self._only is None else " AND p.id = ?"
        rows = self._engine.store.execute(
            f"SELECT {identity.COLUMNS} FROM profile p WHERE p.account = ?{narrowed}",
            (self._account,) if self._only is None else (self._account, self._only),
        )
        return {row[0]: Profile(*row) for row in rows}

    def fitting(self, definition: Mapping[str, Any]) -> set[str]:
        """The ids of those who fit."""
        found = set(self._people)
        for group in definition["condition_groups"]:
            any_of: set[str] = set()
            for condition in group["conditions"]:
                any_of |= _CONDITIONS[condition["type"]](self, condition)
            found &= any_of
        return found

    def _group_membership(self, condition: Condition) -> set[str]:
        """In any of the groups, or in none of them (inferred)."""
        timeframe = condition.get("timeframe_filter")
        inside: set[str] = set()
        for group_id in condition["group_ids"]:
            inside |= self._members(group_id)
        if timeframe is not None:
            inside &= {
                profile_id
                for profile_id, at in self._joined(condition["group_ids"])
                if segment_filters.within(timeframe, at * SECOND, self._now)
            }
        return inside & self._people.keys() if condition["is_member"] else self._people.keys() - inside

    def _joined(self, group_ids: Sequence[str]) -> Iterator[tuple[str, int]]:
        yield from self._engine.store.execute(
            "SELECT target, at FROM edge WHERE account = ? AND relationship = 'profiles'"
            " AND type IN ('list', 'segment') AND id IN (SELECT value FROM json_each(?))",
            (self._account, msgspec.json.encode(group_ids).decode()),
        )

    def _profile_property(self, condition: Condition) -> set[str]:
        given = condition["filter"]
        return {
            person.id
            for person in self._people.values()
            if segment_filters.holds(given, _value(person, condition["property"]), self._now)
        }

    def _region(self, condition: Condition) -> set[str]:
        """By the country of the location; who has none is in no region (inferred)."""
        countries = inferred.REGIONS[condition["region"]]
        inside = {
            person.id
            for person in self._people.values()
            if str(_value(person, "location['country']")).strip().lower() in countries
        }
        return inside if condition["in_region"] else self._people.keys() - inside

    def _metric(self, condition: Condition) -> set[str]:
        """Nobody without such an event is left out: their count and sum are 0."""
        totals = dict.fromkeys(self._people, 0.0)
        counting = condition["measurement"] == "count"
        for profile_id, _, properties in self._events(condition, condition["timeframe_filter"]):
            if profile_id in totals:
                totals[profile_id] += 1 if counting else _amount(properties())
        given = condition["measurement_filter"]
        return {one for one, total in totals.items() if segment_filters.holds(given, total, self._now)}

    def _events(
        self, condition: Condition, timeframe: Condition
    ) -> Iterator[tuple[str, int, Callable[[], dict[str, Any]]]]:
        """(profile, second, properties) of the events that fit metric, filters and timeframe, oldest first."""
        first, last = segment_filters.span(timeframe, self._now) or (-(2**62), 2**62)
        calendar = segment_filters.span(timeframe, self._now) is None
        rows = self._engine.store.execute(
            "SELECT profile, at, attributes FROM event WHERE account = ? AND metric = ? AND at BETWEEN ? AND ?"
            + (" AND profile = ?" if self._only is not None else "")
            + " ORDER BY at, id",
            (self._account, condition["metric_id"], -(-first // SECOND), last // SECOND)
            + ((self._only,) if self._only is not None else ()),
        )
        filters = condition.get("metric_filters") or ()
        for profile_id, at, attributes in rows:
            if calendar and not segment_filters.within(timeframe, at * SECOND, self._now):
                continue

            def properties(attributes: bytes = attributes) -> dict[str, Any]:
                found: dict[str, Any] = msgspec.json.decode(attributes)["event_properties"]
                return found

            if not filters or fits(filters, properties(), self._now):
                yield profile_id, at, properties

    def _funnel(self, condition: Condition) -> set[str]:
        """The steps in their order; each next one after the one before, all within the window of the first."""
        steps = condition["steps"]
        done: list[dict[str, list[int]]] = []
        for step in steps:
            times: dict[str, list[int]] = {}
            for profile_id, at, _ in self._events(step, condition["timeframe_filter"]):
                times.setdefault(profile_id, []).append(at)
            done.append(times)
        window = _WINDOWS.get(condition.get("completion_window_seconds") or "", 2**62)
        return {one for one in self._people if _funnelled([times.get(one, []) for times in done], steps, window)}

    def _consent(self, condition: Condition) -> set[str]:
        wanted = condition["consent"]
        return {person.id for person in self._people.values() if self._consents(person, wanted)}

    def _predictions(self, condition: Condition) -> set[str]:
        """Nothing is predicted, as `predictive_analytics` of a profile says too: what is not there fits negations."""
        given = condition["filter"]
        negative = str(given["operator"]).startswith("not-")
        return set(self._people) if negative else set()

    def _permissions(self, condition: Condition) -> set[str]:
        """Of WhatsApp: said by the person, or, where nobody said anything, not given (inferred)."""
        purpose = str(condition["channel"]).removeprefix("whatsapp_")
        wanted = condition["permission"]
        return {person.id for person in self._people.values() if self._permits(person, purpose, wanted)}

    def _permits(self, person: Profile, purpose: str, wanted: Condition) -> bool:
        channel = msgspec.json.decode(consent.rendered(person.subscriptions))["whatsapp"] or {}
        entry = channel.get(purpose) or {}
        said = {"SUBSCRIBED": "explicitly_reachable", "UNSUBSCRIBED": "explicitly_unreachable"}
        status = said.get(entry.get("consent", ""), "implicitly_unreachable")
        if status == "explicitly_reachable" and person.phone_number is None:
            return False
        asked = str(wanted["reachable_status"])
        if status not in (asked, asked.replace("implicitly_or_", ""), asked.replace("_or_explicitly", "")):
            return False
        return all(self._permission_filter(entry, one) for one in wanted.get("filters") or ())

    def _permission_filter(self, entry: Mapping[str, Any], one: Condition) -> bool:
        if one["field"] == "subscribe_method":  # everything here came by the API
            return bool(one["method"] == "api")
        name = {"effective_date": "consent_timestamp", "recorded_date": "last_updated"}[one["field"]]
        return segment_filters.holds(one["filter"], entry.get(name), self._now)

    def _consents(self, person: Profile, wanted: Condition) -> bool:
        channel, status = wanted["channel"], wanted["consent_status"]
        entry = msgspec.json.decode(consent.rendered(person.subscriptions))[_ENTRY[channel]]["marketing"]
        reachable = bool(entry[_PERMISSION[channel]])
        if channel in _ADDRESS:  # nobody can receive without an address
            reachable = reachable and getattr(person, _ADDRESS[channel]) is not None
        if reachable is not wanted["can_receive_marketing"]:
            return False
        if status["subscription"] not in ("any", entry["consent"].lower()):
            return False
        return all(self._consent_filter(entry, one) for one in status.get("filters") or ())

    def _consent_filter(self, entry: Mapping[str, Any], one: Condition) -> bool:
        field, given = one["field"], one.get("filter")
        if field in _SUPPRESSIONS:
            dates = [
                found["timestamp"] for found in entry.get("suppression", ()) if found["reason"] == _SUPPRESSIONS[field]
            ]
            return any(segment_filters.holds(given or {}, at, self._now) for at in dates)
        if field == "method":
            same = (entry.get("method") or "").lower() == one["method"]
            return same and (not given or segment_filters.holds(given, entry.get("method_detail"), self._now))
        return segment_filters.holds(given or {}, entry.get(_CONSENT_FIELDS[field]), self._now)


_CONSENT_FIELDS = {
    "status_date": "consent_timestamp",
    "custom_source": "custom_method_detail",
    "is_double_opt_in": "double_optin",
}
_CONDITIONS: Mapping[str, Callable[[Evaluation, Condition], set[str]]] = {
    "profile-group-membership": Evaluation._group_membership,
    "profile-property": Evaluation._profile_property,
    "profile-region": Evaluation._region,
    "profile-metric": Evaluation._metric,
    "profile-metric-funnel": Evaluation._funnel,
    "profile-marketing-consent": Evaluation._consent,
    "profile-predictive-analytics": Evaluation._predictions,
    "profile-permissions": Evaluation._permissions,
}


def fits(filters: Sequence[Condition], properties: Mapping[str, Any], now: int) -> bool:
    """Whether an event's properties fit all metric filters; one without a filter asks for nothing."""
    return all(
        segment_filters.holds(one["filter"], properties.get(one["property"]), now)
        for one in filters
        if one.get("filter") is not None
    )


def _amount(properties: Mapping[str, Any]) -> float:
    value = properties.get("$value")
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def _value(person: Profile, name: str) -> Any:
    """`email`, `location['city']`, `properties['tier']`; None if it is not there."""
    member = _MEMBER.fullmatch(name)
    if member is not None:
        return msgspec.json.decode(person.tail)[member.group(1)].get(member.group(2) or member.group(3) or "")
    if name == "id":
        return person.id
    if name in _DATES:
        second = {"created": person.created, "updated": person.updated, "last_event_date": person.last_event}[name]
        return None if second is None else seconds(second)
    return msgspec.json.decode(person.head)[name]


def _funnelled(times: list[list[int]], steps: Sequence[Condition], window: int) -> bool:
    if not steps[0]["metric_exists"]:
        return not times[0] and (len(steps) == 1 or _funnelled(times[1:], steps[1:], window))
    return any(_follows(times[1:], steps[1:], start, start + window) for start in times[0])


def _follows(times: list[list[int]], steps: Sequence[Condition], after: int, end: int) -> bool:
    """The earliest event that fits is the best one to go on from."""
    for own, step in zip(times, steps, strict=True):
        next_at = next((at for at in own if after <= at <= end), None)
        if (next_at is not None) is not step["metric_exists"]:
            return False
        after = after if next_at is None else next_at
    return True


def check(definition: Mapping[str, Any], exists: Callable[[str, str], bool]) -> None:
    """Refuses a definition that cannot be evaluated (501) or is wrong beyond its shape (400).

    `exists`: whether there is a `metric` or a `group` with an id.
    """
    found: list[ErrorObject] = []
    at = "/data/attributes/definition/condition_groups"
    for number, group in enumerate(definition["condition_groups"]):
        if not group["conditions"]:
            found.append(problem("A condition group needs a condition.", pointer=f"{at}/{number}/conditions"))
        for index, condition in enumerate(group["conditions"]):
            where = f"{at}/{number}/conditions/{index}"
            found += [problem(text, pointer=where) for text in _faults(condition, exists)]
    if not definition["condition_groups"]:
        found.append(problem("A definition needs a condition group.", pointer=at))
    if found:
        raise Refusal(*found)


def _faults(condition: Condition, exists: Callable[[str, str], bool]) -> Iterator[str]:
    kind = condition["type"]
    if kind in _UNKNOWN_CONDITIONS:
        raise _unsupported(f"{kind} conditions: {_UNKNOWN_CONDITIONS[kind]}")
    for group_id in condition.get("group_ids", ()):
        if not exists("group", group_id):
            yield inferred.UNKNOWN_GROUP.format(group_id)
    if kind == "profile-metric-funnel" and not condition["steps"]:
        yield "A funnel needs a step."
    for named in (condition, *condition.get("steps", ())):
        if "metric_id" in named and not exists("metric", named["metric_id"]):
            yield f"Metric with id {named['metric_id']} does not exist."
    if kind == "profile-marketing-consent" and _filters_too_many(condition["consent"]):
        yield inferred.WRONG_TYPE.format(name="filters", expected="null")
    if kind == "profile-property" and not _is_property(condition["property"]):
        yield inferred.UNKNOWN_PROPERTY.format(condition["property"])
    for given in _filters(condition):
        if given.get("field") == "is_rcs_capable":
            raise _unsupported("is_rcs_capable: it is not known who can receive RCS")
        if "operator" in given:
            text = segment_filters.fault(given)
            if text:
                yield text


def _filters_too_many(wanted: Condition) -> bool:
    """Two of the statuses take no filters; the schema says so only by its lack of a type."""
    status = wanted["consent_status"]
    unfiltered = (wanted["channel"], wanted["can_receive_marketing"]) == ("email", True)
    return unfiltered and status["subscription"] != "subscribed" and status.get("filters") is not None


def _is_property(name: str) -> bool:
    return name in identity.SCALARS or name in _DATES or name == "id" or _MEMBER.fullmatch(name) is not None


def _filters(value: Any) -> Iterator[Mapping[str, Any]]:
    """Every object inside a condition."""
    if isinstance(value, dict):
        yield value
        for one in value.values():
            yield from _filters(one)
    elif isinstance(value, list):
        for one in value:
            yield from _filters(one)


def _unsupported(what: str) -> Refusal:
    return service(501, "not_implemented", "Not implemented.", f"The sandbox does not evaluate {what}.")
