"""Consent to marketing, by channel: subscribed with proof only, unsubscribed with a scope that was spelled out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from clavichord.sync.definition import Block, Expression, SyncDefinition
from clavichord.sync.destination import Due, Entry, Field, Held, ListName, Part, Slot, Slots, digest
from clavichord.sync.mistakes import Mistake, Path
from clavichord.sync.values import encode, instant, moment, value

Channel = Literal["email", "sms"]
ADDRESS: Mapping[str, str] = {"email": "email", "sms": "phone_number"}
"""channel → the profile's field that it reaches"""
ROLES = ("subscribe", "consent_at", "consent_source", "consent_text", "unsubscribe", "unsubscribe_at")
_LAST_SECOND = 253_402_300_799


class Proof(Block):
    """What proves a consent: when and where it was given. The channel is the block's name."""

    at: Expression
    source: Expression
    text_version: Expression | None = None
    """which wording was agreed to; kept in the consent ledger"""


class ChannelConsent(Block):
    """Who is subscribed and who is unsubscribed. The newer decision of a row wins, and an opt-out wins a tie."""

    subscribe_if: Expression | None = None
    proof: Proof | None = None
    """needed with subscribe_if"""
    list: str | None = None
    """the list that they join, or leave with `unsubscribe_scope: list`"""
    historical: bool = False
    """True: skips the list's double opt-in and its flows, keeps the original date (FACTS §7.2)"""
    create: bool = False
    """make the list if there is none of that name"""
    resubscribe: Literal["never", "newer"] = "never"
    """people who have opted out in Klaviyo: `never` subscribe them again, or only with a proof that is `newer`"""
    unsubscribe_if: Expression | None = None
    unsubscribe_at: Expression | None = None
    """when; without it an opt-out always wins over subscribe_if"""
    unsubscribe_scope: Literal["list", "everywhere"] | None = None
    """needed with unsubscribe_if. `list`: from that list only; whoever is not in it is left alone, since Klaviyo would
    unsubscribe them from everything (FACTS §7.3)"""

    @model_validator(mode="after")
    def _complete(self) -> ChannelConsent:
        if self.subscribe_if is None and self.unsubscribe_if is None:
            raise PydanticCustomError("consent", "it needs subscribe_if, unsubscribe_if, or both")
        if (self.subscribe_if is None) != (self.proof is None):
            raise PydanticCustomError("consent", "subscribe_if and proof (at, source) belong together")
        if self.unsubscribe_if is not None and self.unsubscribe_scope is None:
            raise PydanticCustomError(
                "consent", "unsubscribe_if needs unsubscribe_scope: list, or everywhere (all marketing of the channel)"
            )
        if self.unsubscribe_scope == "list" and self.list is None:
            raise PydanticCustomError("consent", "unsubscribe_scope: list needs a list")
        return self


class Consent(Block):
    """Absent = consent is never touched."""

    email: ChannelConsent | None = None
    sms: ChannelConsent | None = None

    def channels(self) -> dict[str, ChannelConsent]:
        return {name: block for name in ADDRESS if (block := getattr(self, name)) is not None}


class Consents:
    """The consent block of one file."""

    def __init__(self, consent: Consent | None) -> None:
        self.channels = consent.channels() if consent is not None else {}

    def fields(self) -> Iterator[Field]:
        for channel, block in self.channels.items():
            base = ("consent", channel)
            if block.subscribe_if is not None and block.proof is not None:
                yield Field("subscribe", channel, (*base, "subscribe_if"), block.subscribe_if, "condition")
                yield Field("consent_at", channel, (*base, "proof", "at"), block.proof.at, "instant")
                yield Field("consent_source", channel, (*base, "proof", "source"), block.proof.source, "text")
                if block.proof.text_version is not None:
                    path = (*base, "proof", "text_version")
                    yield Field("consent_text", channel, path, block.proof.text_version, "text")
            if block.unsubscribe_if is not None:
                yield Field("unsubscribe", channel, (*base, "unsubscribe_if"), block.unsubscribe_if, "condition")
            if block.unsubscribe_at is not None:
                yield Field("unsubscribe_at", channel, (*base, "unsubscribe_at"), block.unsubscribe_at, "instant")

    def mistakes(self, definition: SyncDefinition, known: Mapping[str, Any], base: str) -> Iterator[Mistake]:
        for channel in self.channels:
            if (field := ADDRESS[channel]) not in known:
                path: Path = ("consent", channel)
                fix = {"email": "email: email(column)", "phone_number": "phone_number: phone(column, country)"}[field]
                yield definition.place.mistake(path, f"consent to {channel} needs {base}.{field}", fix)

    def parts(self, slots: Slots) -> Iterator[Part]:
        for channel, block in self.channels.items():
            whom = slots.one("attribute", ADDRESS[channel])
            if whom is None:  # already a mistake
                continue
            own = [slot for slot in slots if slot.role in ROLES and slot.name == channel]
            agreed = [s for s in own if s.role in ("subscribe", "consent_at", "consent_source", "consent_text")]
            left = [s for s in own if s.role in ("unsubscribe", "unsubscribe_at")]
            cases = ""
            if (out := slots.one("unsubscribe", channel)) is not None:
                salt = f"unsubscribe {channel} {block.unsubscribe_scope} {block.list}"
                cases += f" when {_opted_out(slots, channel, out)} then {digest([whom, *left], salt)}"
            if (agree := slots.one("subscribe", channel)) is not None:
                salt = f"consent {channel} {block.list} {block.historical}"
                cases += f" when {agree.columns[0]} then {digest([whom, *agreed], salt)}"
            # Null = nothing to do for this row.
            yield Part(f"consent.{channel}", f"case{cases} end")

    def entries(self, due: Due, slots: Slots, attributes: Mapping[str, Any], now: datetime) -> Iterator[Entry | Held]:
        """The due consents of a row; Held if a proof is incomplete."""
        for channel, block in self.channels.items():
            if f"consent.{channel}" in due.digests:
                decision = _Decision(channel, block, due, slots, now)
                yield decision.out(attributes) if decision.opted_out() else decision.agreement(attributes)

    def names(self) -> Iterator[ListName]:
        for channel, block in self.channels.items():
            if block.list is not None:
                yield ListName(block.list, ("consent", channel, "list"), block.create)


def _opted_out(slots: Slots, channel: str, out: Slot) -> str:
    """SQL: is the row's decision an opt-out?"""
    agree, at = slots.one("subscribe", channel), slots.one("consent_at", channel)
    since = slots.one("unsubscribe_at", channel)
    if agree is None or at is None or since is None:
        return out.columns[0]
    newer = f"{at.columns[0]} > {since.columns[0]}"
    return f"({out.columns[0]} and not coalesce({agree.columns[0]} and {newer}, false))"


class _Decision:
    """What one row says about one channel."""

    def __init__(self, channel: str, block: ChannelConsent, due: Due, slots: Slots, now: datetime) -> None:
        self.channel = channel
        self.block = block
        self.row = due.values
        self.slots = slots
        self.now = now
        self.part = f"consent.{channel}"

    def _slot(self, role: str) -> Slot | None:
        return self.slots.one(role, self.channel)

    def _moment(self, role: str) -> int | None:
        slot = self._slot(role)
        return None if slot is None else moment(slot, self.row)

    def _true(self, role: str) -> bool:
        slot = self._slot(role)
        return slot is not None and self.row[slot.first] is True

    def opted_out(self) -> bool:
        """As `_opted_out` says it in SQL."""
        if not self._true("unsubscribe"):
            return False
        agreed, left = self._slot("consent_at"), self._slot("unsubscribe_at")
        at = None if agreed is None else self.row[agreed.first]
        since = None if left is None else self.row[left.first]
        return not (self._true("subscribe") and at is not None and since is not None and at > since)

    def _held(self, code: str, role: str, given: str, detail: str) -> Held:
        slot = self._slot(role)
        assert slot is not None
        return Held(self.part, code, slot.field, given, detail)

    def _address(self, attributes: Mapping[str, Any]) -> str | None:
        found = attributes.get(ADDRESS[self.channel])
        return None if found is None else str(found)

    def out(self, attributes: Mapping[str, Any]) -> Entry | Held:
        address = self._address(attributes)
        if address is None:
            return self._held("consent.no_address", "unsubscribe", "", f"there is no {ADDRESS[self.channel]}")
        group = {"channel": self.channel, "list": self.block.list if self.block.unsubscribe_scope == "list" else None}
        payload = permission(self.channel, address, "UNSUBSCRIBED")
        at = self._moment("unsubscribe_at") or 0
        return Entry(self.part, "consent.unsubscribe", payload, f"{ADDRESS[self.channel]}:{address}", group, at)

    def agreement(self, attributes: Mapping[str, Any]) -> Entry | Held:
        at, source_slot, text_slot = (
            self._moment("consent_at"), self._slot("consent_source"), self._slot("consent_text")
        )  # fmt: skip
        assert source_slot is not None
        source = str(value(source_slot, self.row) or "").strip()
        address = self._address(attributes)
        if at is None:
            return self._held("consent.no_proof", "consent_at", "", "the time of the consent is empty")
        if not source:
            return self._held("consent.no_proof", "consent_source", "", "the source of the consent is empty")
        if at >= self.now.timestamp():
            given = instant(min(at, _LAST_SECOND))
            return self._held("consent.in_future", "consent_at", given, "the consent is dated in the future")
        if at < 0:
            return self._held("consent.no_proof", "consent_at", str(at), "the consent is dated before 1970")
        if address is None:
            return self._held("consent.no_address", "subscribe", "", f"there is no {ADDRESS[self.channel]}")
        if text_slot is not None and not (text := str(value(text_slot, self.row) or "").strip()):
            return self._held("consent.no_proof", "consent_text", text, "the wording that was agreed to is empty")
        group = {
            "channel": self.channel,
            "list": self.block.list,
            "source": source,
            "historical": self.block.historical,
            "resubscribe": self.block.resubscribe,
        }
        if text_slot is not None:
            group["text"] = text
        payload = permission(self.channel, address, "SUBSCRIBED", at if self.block.historical else None)
        return Entry(self.part, "consent.subscribe", payload, f"{ADDRESS[self.channel]}:{address}", group, at)


def permission(channel: str, address: str, consent: str, consented_at: int | None = None) -> str:
    """An entry of a subscription job. Without historical_import Klaviyo refuses the date (FACTS §7.2)."""
    marketing = {"consent": consent}
    if consented_at is not None:
        marketing["consented_at"] = instant(consented_at)
    attributes = {ADDRESS[channel]: address, "subscriptions": {channel: {"marketing": marketing}}}
    return encode({"type": "profile", "attributes": attributes}).decode()
