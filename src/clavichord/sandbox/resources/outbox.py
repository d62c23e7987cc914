"""Messages on their way out: rendered for one person, kept for whoever wants to look at them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from clavichord.sandbox import generic
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.rendering import TemplateError, Withheld, render
from clavichord.sandbox.resources import accounts, events, identity, localisation, web_feeds
from clavichord.sandbox.resources.message_links import MessageSurroundings
from clavichord.sandbox.store import Store

RECEIVED: Mapping[str, str] = {
    "email": "Received Email",
    "sms": "Received SMS",
    "mobile_push": "Received Push",
    "whatsapp": "Received WhatsApp",
}
"""channel → the metric of a message that arrived"""


class Entry(NamedTuple):
    """A row of the outbox. `status`: queued, sent, skipped; `at`: microseconds."""

    id: int
    account: str
    campaign: str
    message: str
    profile: str
    channel: str
    at: int
    status: str
    reason: str
    recipient: str
    subject: str
    html: str
    text: str
    variation: str


def entries(store: Store, account: str, *, after: int = 0, limit: int = 100) -> list[Entry]:
    """Oldest first."""
    rows = store.execute(
        "SELECT * FROM outbox WHERE account = ? AND id > ? ORDER BY id LIMIT ?", (account, after, limit)
    )
    return [Entry._make(row) for row in rows]


class Parts(NamedTuple):
    """What a message is rendered from."""

    subject: str = ""
    html: str = ""
    text: str = ""
    owners: tuple[localisation.Owner, ...] = ()
    """whose translations it is shown in"""

    def localised(self, store: Store, account: str, channel: str, locale: str | None) -> Parts:
        """In the language of a reader."""
        words = localisation.table(store, account, self.owners, locale)
        if not words:
            return self
        if channel != "email":
            title, body = localisation.field("title", self.subject, words), localisation.field("body", self.text, words)
            return self._replace(subject=title, text=body)
        html, text = localisation.template({"html": self.html, "text": self.text}, words)
        return self._replace(subject=localisation.field("subject", self.subject, words), html=html, text=text)


def context_of(engine: Engine, account: str, profile: identity.Profile) -> dict[str, Any]:
    """`{{ first_name }}`, `{{ person.first_name }}`, `{{ person|lookup:'Own' }}`, `{{ organization.name }}`."""
    attributes = msgspec.json.decode(profile.attributes())
    known = attributes.pop("properties") | attributes.pop("location") | attributes | {"id": profile.id}
    person = {name: value for name, value in known.items() if value is not None}
    organization = accounts.organization(accounts.attributes(engine.store, account))
    return person | {"person": person, "organization": organization, "feeds": web_feeds.Feeds(engine, account)}


class Sending(NamedTuple):
    """What all deliveries of a message have in common."""

    account: str
    campaign: str
    message: str
    name: str
    """the campaign's"""
    channel: str


def deliver(
    engine: Engine, sending: Sending, entry_id: int, profile_id: str, parts: Parts, properties: Mapping[str, Any]
) -> None:
    """Renders a queued entry for its person and records that it arrived, inside a transaction. `properties`: what the
    event says beside what every such event says."""
    account, message_id, channel = sending.account, sending.message, sending.channel
    profile = identity.load(engine.store, account, profile_id)
    now = engine.clock.now()
    if profile is None:
        skip(engine.store, entry_id, "The profile was deleted.")
        return
    around = MessageSurroundings(engine, account, now, profile_id, message_id)
    context = context_of(engine, account, profile)
    if parts.owners:
        parts = parts.localised(engine.store, account, channel, context.get("locale"))
    try:
        subject, text = (render(part, context, around, escape=False) for part in (parts.subject, parts.text))
        html = render(parts.html, context, around)
    except (TemplateError, Withheld) as error:
        skip(engine.store, entry_id, str(error))
        return
    recipient = (profile.email if channel == "email" else profile.phone_number) or profile_id
    engine.store.execute(
        "UPDATE outbox SET status = 'sent', at = ?, recipient = ?, subject = ?, html = ?, text = ? WHERE id = ?",
        (now, recipient, subject, html, text, entry_id),
    )
    said: dict[str, Any] = {"Campaign Name": sending.name, "$message": message_id, **properties}
    if channel == "email":
        said |= {"Subject": subject, "Email Domain": recipient.rpartition("@")[2]}
    metric = {"data": {"attributes": {"name": RECEIVED[channel], "service": "klaviyo"}}}
    received = {"metric": metric, "properties": said, "unique_id": f"{message_id}:{entry_id}"}
    events.record(engine, account, profile_id, received, False, now)


def preview(store: Store, account: str, job_id: str, recipient: str, at: int, parts: Parts, reason: str) -> None:
    """A test mail: rendered already, of no campaign and to no profile; not sent for a `reason`."""
    store.execute(
        "INSERT INTO outbox (account, campaign, message, profile, channel, at, status, reason, recipient, subject, html"
        ", text) VALUES (?, '', ?, '', 'email', ?, ?, ?, ?, ?, ?, ?)",
        (
            account,
            job_id,
            at,
            "skipped" if reason else "sent",
            reason,
            recipient,
            parts.subject,
            parts.html,
            parts.text,
        ),
    )


def skip(store: Store, entry_id: int, reason: str) -> None:
    store.execute("UPDATE outbox SET status = 'skipped', reason = ? WHERE id = ?", (reason, entry_id))


def parts_of(store: Store, account: str, variation_id: str, details: Mapping[str, Any] | None) -> Parts | None:
    """Of a campaign's variation. None where there is nothing to send: no content, no template where one is needed."""
    if details is None:
        return None
    own = [("campaign-variation", variation_id)]
    if details["channel"] in ("sms", "push"):
        return Parts(text=details.get("body") or "", subject=details.get("title") or "", owners=tuple(own))
    template_id = details.get("template_id") or ""
    template = generic.load(store, account, "template", template_id)
    if template is None:
        return None
    if details["channel"] == "whatsapp":
        return Parts(text=template["text"] or "", owners=tuple(own))
    owners = (*localisation.owners_of(store, account, template_id), *own)
    return Parts(details.get("subject") or "", template["html"], template["text"] or "", owners)
