"""Consent and suppression of a profile: the `subscriptions` object and the rows that filters read (FACTS §6.7)."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import msgspec

from clavichord.sandbox import inferred
from clavichord.sandbox.clock import micros, parse
from clavichord.sandbox.resources.identity import Profile

if TYPE_CHECKING:
    from clavichord.sandbox.engine import Engine

_TRACKING = {
    "consent": "NEVER_SUBSCRIBED",
    "consent_timestamp": None,
    "last_updated": None,
    "created_timestamp": None,
    "metadata": None,
    "can_receive": False,
    "valid_until": None,
}


def _sms(permission: str) -> dict[str, Any]:
    return {
        permission: False,
        "consent": "NEVER_SUBSCRIBED",
        "consent_timestamp": None,
        "method": None,
        "method_detail": None,
        "last_updated": None,
    }


_NEVER: dict[str, Any] = {
    "email": {
        "marketing": {
            "can_receive_email_marketing": True,
            "consent": "NEVER_SUBSCRIBED",
            "consent_timestamp": None,
            "last_updated": None,
            "method": None,
            "method_detail": None,
            "custom_method_detail": None,
            "double_optin": None,
            "suppression": [],
            "list_suppressions": [],
        },
        "open_tracking": _TRACKING,
        "click_tracking": _TRACKING,
    },
    "sms": {
        "marketing": _sms("can_receive_sms_marketing"),
        "transactional": _sms("can_receive_sms_transactional"),
    },
    "mobile_push": {
        "marketing": {"can_receive_push_marketing": False, "consent": "NEVER_SUBSCRIBED", "consent_timestamp": None}
    },
    "whatsapp": None,
}
"""Nobody asked, nobody refused: e-mail may be sent, nothing else (FACTS §6.7)."""

_NEVER_RENDERED = msgspec.json.encode(_NEVER)
_PERMISSION = {
    ("email", "marketing"): "can_receive_email_marketing",
    ("sms", "marketing"): "can_receive_sms_marketing",
    ("sms", "transactional"): "can_receive_sms_transactional",
    ("mobile_push", "marketing"): "can_receive_push_marketing",
}
CHANNELS = {"push": "mobile_push"}
"""request's word → answer's word, where they differ"""


def rendered(stored: str | None) -> bytes:
    return _NEVER_RENDERED if stored is None else stored.encode()


class Consent:
    """A profile's consent, changed in memory and written by `save`."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        known = profile.subscriptions
        self._state: dict[str, Any] = copy.deepcopy(_NEVER) if known is None else msgspec.json.decode(known)

    def subscribe(
        self, channel: str, purpose: str, *, at: int, now: int, source: str | None, list_id: str | None, double: bool
    ) -> None:
        """`at`: when the person consented. Lifts what subscribing lifts (FACTS §7.2)."""
        entry = self._entry(channel, purpose)
        entry["consent"], entry["consent_timestamp"] = "SUBSCRIBED", micros(at)
        self._stamp(entry, now)
        if "method" in entry:
            entry["method"], entry["method_detail"] = inferred.OPT_IN_METHOD, list_id
        if "custom_method_detail" in entry:
            entry["custom_method_detail"], entry["double_optin"] = source, double
        if (channel, purpose) == ("email", "marketing"):
            entry["suppression"] = [
                one for one in entry["suppression"] if one["reason"] not in inferred.LIFTED_BY_SUBSCRIBING
            ]
            entry["list_suppressions"] = [one for one in entry["list_suppressions"] if one["list_id"] != list_id]
        self._permit(channel, purpose, entry)

    def unsubscribe(self, channel: str, purpose: str, now: int, list_id: str | None = None) -> None:
        """From everything, or from one list only; the latter keeps the consent (inferred, FACTS §7.3)."""
        entry = self._entry(channel, purpose)
        email = (channel, purpose) == ("email", "marketing")
        if list_id is not None:
            if email and all(one["list_id"] != list_id for one in entry["list_suppressions"]):
                suppressed = {"list_id": list_id, "reason": "UNSUBSCRIBE", "timestamp": micros(now)}
                entry["list_suppressions"].append(suppressed)
                self._stamp(entry, now)
            return
        entry["consent"], entry["consent_timestamp"] = "UNSUBSCRIBED", micros(now)
        if email:
            self.suppress("UNSUBSCRIBE", now)
        self._stamp(entry, now)
        self._permit(channel, purpose, entry)

    def suppress(self, reason: str, now: int) -> bool:
        """Adds an e-mail suppression; False if it was there already."""
        entry = self._entry("email", "marketing")
        if any(one["reason"] == reason for one in entry["suppression"]):
            return False
        entry["suppression"].append({"reason": reason, "timestamp": micros(now)})
        self._stamp(entry, now)
        self._permit("email", "marketing", entry)
        return True

    def unsuppress(self, now: int) -> bool:
        """Removes USER_SUPPRESSED and nothing else (FACTS §7.4); False if it was not there."""
        entry = self._entry("email", "marketing")
        kept = [one for one in entry["suppression"] if one["reason"] != "USER_SUPPRESSED"]
        if len(kept) == len(entry["suppression"]):
            return False
        entry["suppression"] = kept
        self._stamp(entry, now)
        self._permit("email", "marketing", entry)
        return True

    def join(self, other: Profile) -> None:
        """Takes over what is only known about another profile: consent given or refused, suppressions (inferred)."""
        if other.subscriptions is None:
            return
        theirs = Consent(other)._state
        for channel, purposes in theirs.items():
            for purpose, entry in (purposes or {}).items():
                own = self._entry(channel, purpose)
                kept = {name: own.get(name, []) for name in ("suppression", "list_suppressions") if name in entry}
                if own["consent"] == "NEVER_SUBSCRIBED":
                    own.update(entry)
                for name, ones in kept.items():
                    known = [(one["reason"], one.get("list_id")) for one in ones]
                    own[name] = ones + [one for one in entry[name] if (one["reason"], one.get("list_id")) not in known]
                self._permit(channel, purpose, own)

    def _entry(self, channel: str, purpose: str) -> dict[str, Any]:
        channel = CHANNELS.get(channel, channel)
        if self._state[channel] is None:
            self._state[channel] = {}
        entry: dict[str, Any] = self._state[channel].setdefault(purpose, dict(_TRACKING))
        return entry

    def _stamp(self, entry: dict[str, Any], now: int) -> None:
        if "last_updated" in entry:
            entry["last_updated"] = micros(now)
        if "created_timestamp" in entry and entry["created_timestamp"] is None:
            entry["created_timestamp"] = micros(now)

    def _permit(self, channel: str, purpose: str, entry: dict[str, Any]) -> None:
        name = _PERMISSION.get((CHANNELS.get(channel, channel), purpose), "can_receive")
        if name == "can_receive_email_marketing":
            entry[name] = entry["consent"] != "UNSUBSCRIBED" and not entry["suppression"]
        else:
            entry[name] = entry["consent"] == "SUBSCRIBED"

    def save(self, engine: Engine, account: str) -> None:
        """Writes the state and the rows that filters and sorts read; consent does not move `updated` (inferred)."""
        marketing = self._state["email"]["marketing"]
        whole = [("", one["reason"], parse(one["timestamp"])) for one in marketing["suppression"]]
        lists = [(one["list_id"], one["reason"], parse(one["timestamp"])) for one in marketing["list_suppressions"]]
        latest = [max((at or 0 for _, _, at in rows), default=0) for rows in (whole, lists)]
        store, profile_id = engine.store, self._profile.id
        state = msgspec.json.encode(self._state).decode()
        store.execute(
            "UPDATE profile SET subscriptions = ?, suppressed = ?, list_suppressed = ? WHERE account = ? AND id = ?",
            (state, *latest, account, profile_id),
        )
        store.execute("DELETE FROM suppression WHERE profile = ?", (profile_id,))
        store.executemany(
            "INSERT INTO suppression (account, profile, list, reason, at) VALUES (?, ?, ?, ?, ?)",
            [(account, profile_id, *row) for row in (*whole, *lists)],
        )
