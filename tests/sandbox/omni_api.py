"""Requests of the tests on campaigns of 2026-10-15, and what they have in common with the older ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.sandbox.messages_api import HTML, template, write
from tests.sandbox.sandbox_api import Api, Reply

from clavichord.sandbox.clock import VirtualClock
from clavichord.sandbox.resources import outbox
from clavichord.sandbox.serve import Running

NEWER, OLDER = "2026-10-15", "2026-07-15"
NOON = int(datetime(2026, 5, 4, 12, tzinfo=UTC).timestamp()) * 1_000_000
"""a Monday"""
EMAIL: dict[str, Any] = {"channel": "email", "subject": "For {{ first_name }}"}


class Stopped:
    """A sandbox whose clock moves when it is told to; one account under both revisions."""

    def __init__(self, served: Running, clock: VirtualClock) -> None:
        self.served, self.clock = served, clock
        self.newer = Api(served.base_url, "pk_stopped", NEWER)
        self.older = self.newer.at(OLDER)

    def sent(self) -> list[outbox.Entry]:
        account = self.newer.get("/api/accounts").ids[0]
        return outbox.entries(self.served.sandbox.engine.store, account)

    def advance(self, duration: str) -> None:
        """Moves the clock; what falls due on the way is done at its own time."""
        assert self.older("POST", "/_sandbox/clock", {"advance": duration}).status == 200

    def got(self) -> list[tuple[str, str]]:
        """(recipient, time) of what was sent, in the order of sending."""
        entries = [one for one in self.sent() if one.status == "sent"]
        return [
            (one.recipient.partition("@")[0], f"{datetime.fromtimestamp(one.at / 1e6, UTC):%d %H:%M}")
            for one in sorted(entries, key=lambda one: (one.at, one.recipient))
        ]


def people(api: Api, *names: str, **attributes: Any) -> str:
    """A list of people who may be written to."""
    list_id = api.list(opt_in_process="single_opt_in")
    ids = [api.profile(email=f"{name}@shop.test", first_name=name.title(), **attributes) for name in names]
    if ids:
        api.join(list_id, *ids)
    return list_id


def to(kind: str, id: str) -> dict[str, Any]:
    return {kind: {"type": kind, "id": id}}


def new_omni(
    api: Api, audiences: list[dict[str, Any]], messages: list[dict[str, Any]] | None = None, **definition: Any
) -> Reply:
    """`messages` without an audience are for the first one."""
    named = [{"temporary_id": str(number), **one} for number, one in enumerate(audiences)]
    given = [{"audience_temporary_id": "0", **one} for one in messages or ()]
    return write(
        api,
        "POST",
        "/api/campaigns",
        "campaign",
        definition={"name": "Sale"} | definition,
        audiences=named,
        messages=given,
    )


def variation(details: dict[str, Any] | None, name: str | None = None) -> dict[str, Any]:
    return {"definition": {"name": name, "details": details}}


class Omni:
    """The ids of a campaign that was made."""

    def __init__(self, reply: Reply) -> None:
        assert reply.status == 201, reply.body
        self.id = str(reply.data["id"])
        related = reply.data["relationships"]
        self.audiences, self.messages = (
            [str(one["id"]) for one in related[name]["data"]] for name in ("campaign-audiences", "campaign-messages")
        )


def omni(api: Api, *included: str, details: dict[str, Any] | None = None, html: str = HTML, **definition: Any) -> Omni:
    """One audience, one message, one variation that is ready to be sent: an e-mail unless told otherwise."""
    content = details or EMAIL | {"template_id": template(api, html)}
    message = {"name": "First", "variations": [variation(content, "A")]}
    return Omni(new_omni(api, [{"included": list(included)}], [message], **definition))


def message_of(api: Api, message_id: str) -> Any:
    return api.get(f"/api/campaign-messages/{message_id}").data["attributes"]["definition"]


def variations_of(api: Api, message_id: str) -> list[Any]:
    found = api.get(f"/api/campaign-messages/{message_id}/campaign-variations").data
    return [one["attributes"]["definition"] for one in found]


def change(api: Api, kind: str, id: str, **definition: Any) -> Reply:
    return write(api, "PATCH", f"/api/{kind}s/{id}", kind, id=id, definition=definition)


def schedule(api: Api, message_id: str, strategy: str = "static", **attributes: Any) -> Reply:
    kind = "campaign-message-schedule"
    return write(
        api, "POST", f"/api/{kind}", kind, related=to("campaign-message", message_id), strategy=strategy, **attributes
    )


def unschedule(api: Api, message_id: str, action: str) -> Reply:
    kind = "campaign-message-schedule"
    return write(api, "PATCH", f"/api/{kind}/{message_id}", kind, id=message_id, action=action)
