"""Runs in the environment of klaviyo-api 24.0.0: templates, campaigns, flows and reports through the official SDK.

Prints one JSON object: for every operation the type of what the SDK gave back, beside what the chain found.
"""

# mypy: disable-error-code="import-not-found,no-untyped-def,no-untyped-call,type-arg"
# (that environment is not the one this repository is checked in)

import json
import sys

from klaviyo_api import KlaviyoAPI

types: dict = {}
found: dict = {}
PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


def call(group, operation, *args, **options):
    """One operation; what it gave, and its type for the record."""
    given = getattr(group, operation)(*args, **options)
    types.setdefault(operation, type(given).__name__)
    return given


def body(kind, id=None, relationships=None, **attributes):
    data = {"type": kind, "attributes": attributes}
    if id:
        data["id"] = id
    if relationships:
        data["relationships"] = {name: {"data": value} for name, value in relationships.items()}
    if not attributes and id:
        del data["attributes"]
    return {"data": data}


def templates(k):
    t = k.Templates
    made = call(t, "create_template", body("template", name="T", editor_type="CODE", html="<p>{{ first_name }}</p>"))
    template_id = made.data.id
    found["html"] = call(t, "get_template", template_id).data.attributes.html
    found["listed"] = [one.id for one in call(t, "get_templates", sort="-created", page_size=10).data] == [template_id]
    call(t, "update_template", template_id, body("template", id=template_id, name="U"))
    rendered = call(t, "render_template", body("template", id=template_id, context={"first_name": "Ann"}))
    found["rendered"] = rendered.data.attributes.html
    cloned = call(t, "clone_template", body("template", id=template_id, name="Copy")).data.id
    call(t, "delete_template", cloned)
    block = {"content_type": "block", "type": "html", "data": {"content": "x", "display_options": {}}}
    content = call(t, "create_universal_content", body("template-universal-content", name="C", definition=block))
    content_id = content.data.id
    call(t, "get_universal_content", content_id)
    call(t, "get_all_universal_content", filter='equals(definition.type,"html")')
    call(t, "update_universal_content", content_id, body("template-universal-content", id=content_id, name="D"))
    call(t, "delete_universal_content", content_id)
    return template_id


def new_campaign(c, list_id, definition, **attributes):
    message = {"type": "campaign-message", "attributes": {"definition": definition}}
    attributes |= {"campaign-messages": {"data": [message]}, "audiences": {"included": [list_id]}}
    return call(c, "create_campaign", body("campaign", name="Sale", **attributes)).data


def campaigns(k, template_id):
    c = k.Campaigns
    list_id = k.Lists.create_list(body("list", name="L")).data.id
    person = k.Profiles.create_profile(body("profile", email="ann@shop.test", first_name="Ann")).data.id
    k.Lists.add_profiles_to_list(list_id, {"data": [{"type": "profile", "id": person}]})
    email = {"channel": "email", "label": "One", "content": {"subject": "Hello"}}
    strategy = {"method": "static", "datetime": "2035-01-01T00:00:00Z", "options": {"is_local": False}}
    made = new_campaign(c, list_id, email, send_strategy=strategy)
    campaign_id = made.id
    message_id = made.relationships.campaign_messages.data[0].id
    related = {"template": {"type": "template", "id": template_id}}
    assigned = body("campaign-message", id=message_id, relationships=related)
    call(c, "assign_template_to_campaign_message", assigned)
    call(c, "get_campaign", campaign_id, include=["campaign-messages", "tags"])
    listed = call(c, "get_campaigns", "equals(messages.channel,'email')", include=["campaign-messages"])
    found["campaigns"] = [one.id for one in listed.data] == [campaign_id]
    call(c, "update_campaign", campaign_id, body("campaign", id=campaign_id, name="May sale"))
    call(c, "get_messages_for_campaign", campaign_id, include=["campaign", "template"])
    call(c, "get_message_ids_for_campaign", campaign_id)
    tag_id = k.Tags.create_tag(body("tag", name="spring")).data.id
    k.Tags.tag_campaigns(tag_id, {"data": [{"type": "campaign", "id": campaign_id}]})
    found["tags"] = [one.id for one in call(c, "get_tags_for_campaign", campaign_id).data] == [tag_id]
    call(c, "get_tag_ids_for_campaign", campaign_id)
    call(c, "get_campaign_message", message_id, include=["campaign", "template"])
    definition = {"channel": "email", "content": {"subject": "Other"}}
    call(c, "update_campaign_message", message_id, body("campaign-message", id=message_id, definition=definition))
    call(c, "get_campaign_for_campaign_message", message_id)
    call(c, "get_campaign_id_for_campaign_message", message_id)
    call(c, "get_template_for_campaign_message", message_id)
    call(c, "get_template_id_for_campaign_message", message_id)
    call(c, "refresh_campaign_recipient_estimation", body("campaign-recipient-estimation-job", id=campaign_id))
    call(c, "get_campaign_recipient_estimation_job", campaign_id)
    estimated = call(c, "get_campaign_recipient_estimation", campaign_id)
    found["estimated"] = estimated.data.attributes.estimated_recipient_count
    call(c, "send_campaign", body("campaign-send-job", id=campaign_id))
    found["scheduled"] = c.get_campaign(campaign_id).data.attributes.status
    call(c, "get_campaign_send_job", campaign_id)
    call(c, "cancel_campaign_send", campaign_id, body("campaign-send-job", id=campaign_id, action="revert"))
    now = body("campaign", id=campaign_id, send_strategy={"method": "immediate"})
    c.update_campaign(campaign_id, now)
    c.send_campaign(body("campaign-send-job", id=campaign_id))
    found["sent"] = c.get_campaign(campaign_id).data.attributes.status
    found["received"] = [one.attributes.event_properties["Subject"] for one in k.Events.get_events().data]
    cloned = call(c, "create_campaign_clone", body("campaign", id=campaign_id, new_name="Again")).data.id
    call(c, "delete_campaign", cloned)
    texting = new_campaign(c, list_id, {"channel": "sms", "content": {"body": "Hi"}})
    text_id = texting.relationships.campaign_messages.data[0].id
    image_id = k.Images.upload_image_from_url(body("image", import_from_url=PIXEL, name="dot")).data.id
    call(c, "update_image_for_campaign_message", text_id, {"data": {"type": "image", "id": image_id}})
    found["image"] = call(c, "get_image_for_campaign_message", text_id).data.id == image_id
    call(c, "get_image_id_for_campaign_message", text_id)
    return campaign_id, message_id


def flows(k, template_id):
    f = k.Flows
    message = {"subject_line": "Hello", "from_email": "a@shop.test", "template_id": template_id, "name": "One"}
    actions = [
        {"temporary_id": "a", "type": "time-delay", "data": {"unit": "days", "value": 1}, "links": {"next": "b"}},
        {"temporary_id": "b", "type": "send-email", "data": {"message": message}, "links": {"next": None}},
    ]
    definition = {"triggers": [], "profile_filter": None, "actions": actions, "entry_action_id": "a"}
    made = call(f, "create_flow", body("flow", name="Welcome", definition=definition)).data
    flow_id = made.id
    call(f, "get_flow", flow_id, additional_fields_flow=["definition"], include=["flow-actions", "tags"])
    call(f, "get_flows", sort="name", page_size=10)
    updated = call(f, "update_flow", flow_id, body("flow", id=flow_id, status="live"))
    found["flow"] = updated.data.attributes.status
    wait_id, mail_id = (one.id for one in call(f, "get_actions_for_flow", flow_id, sort="id").data)
    call(f, "get_action_ids_for_flow", flow_id)
    call(f, "get_tags_for_flow", flow_id)
    call(f, "get_tag_ids_for_flow", flow_id)
    call(f, "get_flow_action", mail_id, include=["flow", "flow-messages"])
    changed = {"id": wait_id, "type": "time-delay", "data": {"unit": "hours", "value": 2}}
    call(f, "update_flow_action", wait_id, body("flow-action", id=wait_id, definition=changed))
    call(f, "get_flow_for_flow_action", mail_id)
    call(f, "get_flow_id_for_flow_action", mail_id)
    message_id = call(f, "get_flow_action_messages", mail_id).data[0].id
    call(f, "get_message_ids_for_flow_action", mail_id)
    call(f, "get_flow_message", message_id, include=["flow-action", "template"])
    call(f, "get_action_for_flow_message", message_id)
    call(f, "get_action_id_for_flow_message", message_id)
    call(f, "get_template_for_flow_message", message_id)
    call(f, "get_template_id_for_flow_message", message_id)
    call(f, "delete_flow_action", wait_id)
    return flow_id


def reports(k, campaign_id):
    r = k.Reporting
    metric_id = k.Metrics.get_metrics().data[0].id
    shared = {"timeframe": {"key": "last_7_days"}}
    counted = shared | {"statistics": ["recipients", "open_rate"], "conversion_metric_id": metric_id}
    values = call(r, "query_campaign_values", body("campaign-values-report", **counted))
    (result,) = values.data.attributes.results
    found["report"] = [result.groupings["campaign_id"] == campaign_id, result.statistics]
    call(r, "query_flow_values", body("flow-values-report", **counted))
    call(r, "query_flow_series", body("flow-series-report", interval="daily", **counted))
    forms = shared | {"statistics": ["submits"]}
    call(r, "query_form_values", body("form-values-report", **forms))
    call(r, "query_form_series", body("form-series-report", interval="daily", **forms))
    segments = shared | {"statistics": ["total_members"]}
    call(r, "query_segment_values", body("segment-values-report", **segments))
    call(r, "query_segment_series", body("segment-series-report", interval="weekly", **segments))


def main(base_url):
    k = KlaviyoAPI("pk_official_messages", max_retries=0, test_host=base_url)
    template_id = templates(k)
    campaign_id, _ = campaigns(k, template_id)
    flow_id = flows(k, template_id)
    reports(k, campaign_id)
    call(k.Flows, "delete_flow", flow_id)
    json.dump({"types": types, "found": found}, sys.stdout, default=str)


main(sys.argv[1])
