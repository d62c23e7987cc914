"""The guards of DESIGN §5: nobody is subscribed against an earlier no, nobody unsubscribed from more than was said.

Subscribing lifts opt-outs, complaints and manual suppressions (FACTS §7.2); unsubscribing from a list is global for
whoever is not on it (FACTS §7.3). Both are read before anything is sent, and held unless the caller said so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypeAlias

import msgspec

from clavichord.client.errors import ConfigurationError
from clavichord.client.uploads.engine import Chunk, Screen
from clavichord.client.uploads.people import Known, folded, individual, known
from clavichord.client.uploads.report import Status
from clavichord.client.uploads.route import Route
from clavichord.client.uploads.rows import Entry, Prepare, Refused, encoded, identify, moment
from clavichord.client.work import Work

Channel: TypeAlias = Literal["email", "sms", "sms_transactional", "whatsapp", "whatsapp_transactional"]
CHANNELS: Mapping[str, tuple[str, str, str]] = {
    "email": ("email", "marketing", "email"),
    "sms": ("sms", "marketing", "phone_number"),
    "sms_transactional": ("sms", "transactional", "phone_number"),
    "whatsapp": ("whatsapp", "marketing", "phone_number"),
    "whatsapp_transactional": ("whatsapp", "transactional", "phone_number"),
}
"""channel → (Klaviyo's channel, purpose, the identifier that it needs)"""
OPT_OUTS = frozenset({"UNSUBSCRIBE", "UNSUBSCRIBED", "SPAM_COMPLAINT", "SPAM_REPORT", "USER_SUPPRESSED"})
"""suppressions that subscribing lifts (FACTS §7.2)"""
_PERSON = ("email", "phone_number", "id", "age_gated_date_of_birth")


def channels(verb: str, given: str | Sequence[str]) -> list[str]:
    """The channels as a list. ConfigurationError for none and for unknown ones."""
    found = [given] if isinstance(given, str) else list(given)
    unknown = [name for name in found if name not in CHANNELS]
    if unknown or not found:
        raise ConfigurationError(f"{verb}: channel is one or several of {', '.join(CHANNELS)}, not {given!r}")
    return found


def prepare(
    wanted: Sequence[str], consent: str, *, historical: bool = False, at: datetime | str | None = None
) -> Prepare:
    """Rows of a subscription job: people with `consent` on the channels, and the time of it where that can be sent."""

    def entry(index: int, row: Any) -> Entry:
        given = dict(individual(row))
        stray = [name for name in given if name not in (*_PERSON, "consented_at")]
        if stray:
            raise Refused(
                f"a consent takes {', '.join(_PERSON)}, consented_at and nothing else: profiles.upload takes the rest",
                stray[0],
            )
        when = given.pop("consented_at", None) or at
        if when is not None and not historical:
            raise Refused("consented_at goes with historical=True: without it Klaviyo records now", "consented_at")
        if historical:
            if when is None:
                raise Refused("a consent of the past needs its time: consented_at", "consented_at", "no_proof")
            moment({"consented_at": when}, "consented_at")
        subscriptions: dict[str, Any] = {}
        for name in wanted:
            channel, purpose, address = CHANNELS[name]
            if not given.get(address):
                raise Refused(f"the channel {name} needs {address}", address, "no_identifier")
            said = {"consent": consent} | ({"consented_at": when} if historical else {})
            subscriptions.setdefault(channel, {})[purpose] = said
        kind, value = identify(given, (CHANNELS[wanted[0]][2],))
        identify(given, ("email", "phone_number"))
        attributes = {name: given[name] for name in _PERSON if name != "id" and given.get(name)}
        body: dict[str, Any] = {"type": "profile", "attributes": {**attributes, "subscriptions": subscriptions}}
        if given.get("id") and consent == "SUBSCRIBED":
            body["id"] = given["id"]
        return Entry(index, row, encoded(body), kind, value)

    return entry


def subscribing(face: Any, route: Route, wanted: Sequence[str], list_id: str, *, resubscribe: bool) -> Screen:
    """Holds whoever has said no before (unless `resubscribe`), and addresses that mail cannot reach."""

    def screen(entries: list[Entry], drop: Callable[[Entry, Status, Refused], None]) -> Work[list[Chunk]]:
        names = [_names(entry, wanted) for entry in entries]
        people: Known = yield from known(
            face,
            (name for one in names for name in one.values()),
            **{"fields[profile]": "email,phone_number", "additional-fields[profile]": "subscriptions"},
        )
        kept = []
        for entry, one in zip(entries, names, strict=True):
            held = None
            for channel, name in one.items():
                profile = people.get(folded(*name))
                said = profile["attributes"].get("subscriptions") if profile is not None else None
                held = held or _held(said or {}, channel, list_id, resubscribe)
            if held is None:
                kept.append(entry)
            else:
                drop(entry, "held", held)
        return [Chunk(route, kept)] if kept else []

    return screen


def _names(entry: Entry, wanted: Sequence[str]) -> dict[str, tuple[str, str]]:
    """channel → what names the person on it"""
    attributes = msgspec.json.decode(entry.payload)["attributes"]
    return {channel: (CHANNELS[channel][2], attributes[CHANNELS[channel][2]]) for channel in wanted}


def _held(said: Mapping[str, Any], name: str, list_id: str, resubscribe: bool) -> Refused | None:
    """Why this person must not be subscribed on this channel."""
    channel, purpose, _ = CHANNELS[name]
    standing = (said.get(channel) or {}).get(purpose) or {}
    reasons = {str(one.get("reason")) for one in standing.get("suppression") or ()}
    left = {str(one.get("list_id")) for one in standing.get("list_suppressions") or ()}
    noes = sorted(reasons & OPT_OUTS)
    if standing.get("consent") == "UNSUBSCRIBED" and not noes:
        noes = ["UNSUBSCRIBED"]
    if not noes and list_id and list_id in left:
        noes = ["has left this list"]
    if noes and not resubscribe:
        why = f"would lift an earlier no ({', '.join(noes)}); resubscribe=True if this person asked for it"
        return Refused(why, name, "lifts_opt_out")
    dead = ", ".join(sorted(reasons - OPT_OUTS))
    if dead:
        return Refused(f"the address is suppressed ({dead}), which subscribing does not change", name, "suppressed")
    return None


def unsubscribing(face: Any, route: Route, list_id: str) -> Screen:
    """Holds whoever is not on the list: Klaviyo would unsubscribe them from everything."""

    def screen(entries: list[Entry], drop: Callable[[Entry, Status, Refused], None]) -> Work[list[Chunk]]:
        members: Known = yield from known(
            face,
            ((entry.kind, entry.name) for entry in entries),
            "get_profiles_for_list",
            id=list_id,
            **{"fields[profile]": "email,phone_number"},
        )
        kept = []
        for entry in entries:
            if folded(entry.kind, entry.name) in members:
                kept.append(entry)
            else:
                why = (
                    "is not on this list, so that Klaviyo would unsubscribe them from everything; everywhere=True if so"
                )
                drop(entry, "held", Refused(why, entry.kind, "global_unsubscribe"))
        return [Chunk(route, kept)] if kept else []

    return screen
