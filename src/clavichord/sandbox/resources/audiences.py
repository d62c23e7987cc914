"""Who a message goes to: the members of its audience who may be reached on its channel (FACTS §9.6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from clavichord.sandbox.engine import Engine
from clavichord.sandbox.resources import segments

_PERMITTED: Mapping[str, str] = {
    "email": "p.email IS NOT NULL AND"
    " ifnull(json_extract(p.subscriptions, '$.email.marketing.can_receive_email_marketing'), 1)",
    "email, whoever unsubscribed too": "p.email IS NOT NULL AND NOT EXISTS (SELECT 1 FROM suppression s"
    " WHERE s.profile = p.id AND s.list = '' AND s.reason <> 'UNSUBSCRIBE')",
    "sms": "p.phone_number IS NOT NULL AND json_extract(p.subscriptions, '$.sms.marketing.can_receive_sms_marketing')",
    "mobile_push": "json_extract(p.subscriptions, '$.mobile_push.marketing.can_receive_push_marketing')",
    "whatsapp": "p.phone_number IS NOT NULL"
    " AND json_extract(p.subscriptions, '$.whatsapp.marketing.consent') = 'SUBSCRIBED'",
}
_MEMBERS = (
    "SELECT e.target FROM edge e JOIN json_each(?) one ON e.id = one.value"
    " WHERE e.account = ? AND e.type IN ('list', 'segment') AND e.relationship = 'profiles'"
)
# A person who left one list may still be reached through another.
_STAYED = " AND NOT EXISTS (SELECT 1 FROM suppression s WHERE s.profile = e.target AND s.list = e.id)"
_RECIPIENTS = f"FROM profile p WHERE p.account = ? AND p.id IN ({_MEMBERS}{_STAYED}) AND p.id NOT IN ({_MEMBERS}) AND "
_EARLIER = f" AND p.id NOT IN ({_MEMBERS} EXCEPT {_MEMBERS})"


class Selection(NamedTuple):
    """SQL from `FROM profile p` on, and its parameters."""

    sql: str
    parameters: tuple[Any, ...]


def _groups(ids: Iterable[str]) -> str:
    return msgspec.json.encode(list(ids)).decode()


def recipients(
    engine: Engine,
    account: str,
    audience: Mapping[str, Any],
    message: Mapping[str, Any],
    others: Sequence[Mapping[str, Any]] = (),
) -> Selection:
    """Of the segments of this moment. `others`: the campaign's audiences; whoever belongs to one that comes before by
    its priority is left to that one (inferred)."""
    first = [one for one in others if _before(one, audience)]
    for one in (audience, *first):
        for group_id in (*one["included"], *one["excluded"]):
            segments.refresh(engine, account, group_id)
    included, excluded = _groups(audience["included"]), _groups(audience["excluded"])
    parameters: tuple[Any, ...] = (account, included, account, excluded, account)
    for one in first:
        parameters += (_groups(one["included"]), account, _groups(one["excluded"]), account)
    return Selection(_RECIPIENTS + permission(message) + _EARLIER * len(first), parameters)


def _before(one: Mapping[str, Any], audience: Mapping[str, Any]) -> bool:
    mine, theirs = audience.get("priority"), one.get("priority")
    return mine is not None and theirs is not None and theirs < mine


def permission(message: Mapping[str, Any]) -> str:
    """The condition on `profile p` under which a message may be sent to somebody."""
    channel = message["channel"]
    everyone = channel == "email" and message["send_options"].get("is_ignoring_unsubscribes")
    return _PERMITTED["email, whoever unsubscribed too" if everyone else channel]


def count(engine: Engine, account: str, selections: Sequence[Selection]) -> int:
    """The people of all of them, each once."""
    if not selections:
        return 0
    sql = " UNION ".join(f"SELECT p.id {one.sql}" for one in selections)
    row = engine.store.one(f"SELECT count(*) FROM ({sql})", *(value for one in selections for value in one.parameters))
    return int(row[0]) if row else 0
