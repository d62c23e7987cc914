"""Who a campaign goes to: the members of its audiences who may be reached on its channel (FACTS §9.6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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
}

# A person who left one list may still be reached through another.
_RECIPIENTS = """
FROM profile p WHERE p.account = ?
AND p.id IN (SELECT e.target FROM edge e JOIN json_each(?) one ON e.id = one.value
  WHERE e.account = ? AND e.type IN ('list', 'segment') AND e.relationship = 'profiles'
  AND NOT EXISTS (SELECT 1 FROM suppression s WHERE s.profile = e.target AND s.list = e.id))
AND p.id NOT IN (SELECT e.target FROM edge e JOIN json_each(?) one ON e.id = one.value
  WHERE e.account = ? AND e.type IN ('list', 'segment') AND e.relationship = 'profiles')
AND """


def recipients(engine: Engine, account: str, campaign: Mapping[str, Any], channel: str) -> tuple[str, Sequence[Any]]:
    """`FROM profile p WHERE …` and its parameters, for a campaign's attributes and the segments of this moment."""
    audiences = campaign["audiences"]
    for group_id in (*audiences["included"], *audiences["excluded"]):
        segments.refresh(engine, account, group_id)
    everyone = channel == "email" and campaign["send_options"].get("ignore_unsubscribes")
    permitted = _PERMITTED["email, whoever unsubscribed too" if everyone else channel]
    included, excluded = (msgspec.json.encode(audiences[name]).decode() for name in ("included", "excluded"))
    return _RECIPIENTS + permitted, (account, included, account, excluded, account)


def count(engine: Engine, account: str, campaign: Mapping[str, Any], channel: str) -> int:
    sql, parameters = recipients(engine, account, campaign, channel)
    row = engine.store.one(f"SELECT count(*) {sql}", *parameters)
    return int(row[0]) if row else 0
