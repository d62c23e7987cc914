"""Requests of the tests on templates, campaigns, flows and reports."""

from __future__ import annotations

from typing import Any

from tests.sandbox.sandbox_api import Api, Reply

HTML = "<p>Hi {{ first_name|default:'you' }}</p>"


def write(
    api: Api,
    method: str,
    path: str,
    kind: str,
    *,
    id: str = "",
    related: dict[str, Any] | None = None,
    query: str = "",
    **attributes: Any,
) -> Reply:
    """One resource object: type, and whatever of id, attributes and relationships is given."""
    data: dict[str, Any] = {"type": kind}
    if id:
        data["id"] = id
    if attributes or not (id and (related or kind.endswith("job"))):
        data["attributes"] = {name.replace("__", "-"): value for name, value in attributes.items()}
    if related:
        data["relationships"] = {name: {"data": value} for name, value in related.items()}
    return api(method, path, {"data": data}, query=query)


def template(api: Api, html: str = HTML, **attributes: Any) -> str:
    given = {"name": "Welcome", "editor_type": "CODE", "html": html} | attributes
    reply = write(api, "POST", "/api/templates", "template", **given)
    assert reply.status == 201, reply.body
    return str(reply.data["id"])


def render(api: Api, html: str, **context: Any) -> Reply:
    template_id = template(api, html)
    return write(api, "POST", "/api/template-render", "template", id=template_id, context=context)


EMAIL: dict[str, Any] = {"channel": "email", "label": "First", "content": {"subject": "For {{ first_name }}"}}


def new_campaign(api: Api, *included: str, definition: Any = None, image: str = "", **attributes: Any) -> Reply:
    message: dict[str, Any] = {"type": "campaign-message", "attributes": {"definition": definition or EMAIL}}
    if image:
        message["relationships"] = {"image": {"data": {"type": "image", "id": image}}}
    given = {"name": "Sale", "audiences": {"included": list(included)}, "campaign__messages": {"data": [message]}}
    return write(api, "POST", "/api/campaigns", "campaign", **(given | attributes))


def campaign(api: Api, *included: str, html: str = HTML, **attributes: Any) -> tuple[str, str]:
    """(campaign, message) of an e-mail that is ready to be sent."""
    reply = new_campaign(api, *included, **attributes)
    assert reply.status == 201, reply.body
    message_id = str(reply.data["relationships"]["campaign-messages"]["data"][0]["id"])
    assert assign(api, message_id, template(api, html)).status == 200
    return str(reply.data["id"]), message_id


def assign(api: Api, message_id: str, template_id: str) -> Reply:
    related = {"template": {"type": "template", "id": template_id}}
    return write(
        api, "POST", "/api/campaign-message-assign-template", "campaign-message", id=message_id, related=related
    )


def send(api: Api, campaign_id: str) -> Reply:
    return write(api, "POST", "/api/campaign-send-jobs", "campaign-send-job", id=campaign_id)


def status(api: Api, campaign_id: str) -> str:
    return str(api.get(f"/api/campaigns/{campaign_id}").data["attributes"]["status"])


def segment(api: Api, first_name: str) -> str:
    """Everybody of that name."""
    condition = {
        "type": "profile-property",
        "property": "first_name",
        "filter": {"type": "string", "operator": "equals", "value": first_name},
    }
    definition = {"condition_groups": [{"conditions": [condition]}]}
    reply = write(api, "POST", "/api/segments", "segment", name=first_name, definition=definition)
    assert reply.status == 201, reply.body
    return str(reply.data["id"])


def email_action(name: str, template_id: str | None = None, next_action: str | None = None) -> dict[str, Any]:
    message = {
        "from_email": "shop@shop.test",
        "from_label": "Shop",
        "reply_to_email": "shop@shop.test",
        "subject_line": "Hello",
        "preview_text": "Look",
        "template_id": template_id,
        "name": "Email 1",
    }
    return {"temporary_id": name, "type": "send-email", "data": {"message": message}, "links": {"next": next_action}}


def delay_action(name: str, next_action: str | None = None) -> dict[str, Any]:
    data = {"unit": "days", "value": 1}
    return {"temporary_id": name, "type": "time-delay", "data": data, "links": {"next": next_action}}


def new_flow(api: Api, *actions: dict[str, Any], trigger: dict[str, Any] | None = None, **definition: Any) -> Reply:
    given = {
        "triggers": [trigger] if trigger else [],
        "profile_filter": None,
        "actions": list(actions),
        "entry_action_id": actions[0]["temporary_id"] if actions else None,
    }
    return write(api, "POST", "/api/flows", "flow", name="Welcome series", definition=given | definition)


def flow(api: Api, *actions: dict[str, Any], trigger: dict[str, Any] | None = None) -> dict[str, Any]:
    """The flow as it was answered, with its definition."""
    reply = new_flow(api, *actions, trigger=trigger)
    assert reply.status == 201, reply.body
    made: dict[str, Any] = reply.data
    return made


def report(api: Api, kind: str, query: str = "", **attributes: Any) -> Reply:
    """`kind`: campaign-values, flow-series, …"""
    given = {"timeframe": {"key": "last_30_days"}} | attributes
    return write(api, "POST", f"/api/{kind}-reports", f"{kind}-report", query=query, **given)
