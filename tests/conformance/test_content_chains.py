"""Tags, templates, campaigns, flows, forms, reviews, images and settings through each official SDK."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.conformance.every_operation import PIXEL
from tests.conformance.official_sdk import Account, OfficialSDK, body, ref, refs
from tests.conformance.test_people_chains import make_list, make_person, metric_id, track
from tests.sandbox.sandbox_api import Api

_STEP: dict[str, Any] = {"columns": [{"rows": []}]}


def make_template(account: Account, html: str = "<p>{{ first_name }}</p>") -> str:
    made = account.create_template(body("template", name="T", editor_type="CODE", html=html))
    name: str = made["data"]["id"]
    return name


def make_flow(account: Account, template: str) -> str:
    letter = {"subject_line": "Hello", "from_email": "a@shop.test", "template_id": template, "name": "One"}
    actions = [
        {"temporary_id": "a", "type": "time-delay", "data": {"unit": "days", "value": 1}, "links": {"next": "b"}},
        {"temporary_id": "b", "type": "send-email", "data": {"message": letter}, "links": {"next": None}},
    ]
    definition = {"triggers": [], "profile_filter": None, "actions": actions, "entry_action_id": "a"}
    made: str = account.create_flow(body("flow", name="Welcome", definition=definition))["data"]["id"]
    return made


def test_tags_on_whatever_can_carry_one(account: Account) -> None:
    group = account.create_tag_group(body("tag-group", name="Season", exclusive=True))["data"]["id"]
    spring, autumn = (
        account.create_tag(body("tag", name=name, relationships={"tag-group": ref("tag-group", group)}))["data"]["id"]
        for name in ("spring", "autumn")
    )
    carriers = {"list": make_list(account), "flow": make_flow(account, make_template(account))}
    for kind, carrier in carriers.items():
        account.call(f"tag_{kind}s", spring, {"data": refs(kind, carrier)})
        assert [row["id"] for row in account.call(f"get_{kind}_ids_for_tag", spring).value["data"]] == [carrier]
        assert [row["id"] for row in account.call(f"get_tags_for_{kind}", carrier).value["data"]] == [spring]
        assert account.refused(f"tag_{kind}s", autumn, {"data": refs(kind, carrier)}).status == 400
        account.call(f"remove_tag_from_{kind}s", spring, {"data": refs(kind, carrier)})
        assert account.call(f"get_tag_ids_for_{kind}", carrier).value["data"] == []
    assert account.get_tag_group_for_tag(spring)["data"]["id"] == group
    assert {row["id"] for row in account.get_tags_for_tag_group(group)["data"]} == {spring, autumn}
    account.delete_tag_group(group)
    assert account.refused("get_tag", spring).status == 404


def test_templates_are_rendered_and_cloned(account: Account) -> None:
    template = make_template(account)
    given = body("template", template, context={"first_name": "Ann"})
    assert "<p>Ann</p>" in account.render_template(given)["data"]["attributes"]["html"]
    copy = account.clone_template(body("template", template, name="Copy"))["data"]["id"]
    account.update_template(copy, body("template", copy, html="<p>Bye</p>"))
    assert "first_name" in account.get_template(template)["data"]["attributes"]["html"]
    broken = body("template", name="B", editor_type="CODE", html="{% if %}")
    made = account.create_template(broken)["data"]["id"]
    assert account.refused("render_template", body("template", made, context={})).status == 400


@pytest.fixture
def older(start_sdk: Any, server: Any, account: Account) -> Account:
    """The same account through the newest SDK of 2026-07-15, whose campaigns are other ones."""
    if account.sdk.revision == "2026-07-15":
        return account
    return Account(start_sdk("klaviyo-api-24"), account.base_url, account.key)


def make_campaign(account: Account, list_id: str, definition: dict[str, Any], **attributes: Any) -> Any:
    message = {"type": "campaign-message", "attributes": {"definition": definition}}
    attributes |= {"campaign-messages": {"data": [message]}, "audiences": {"included": [list_id]}}
    return account.create_campaign(body("campaign", name="Sale", **attributes))["data"]


def test_a_campaign_from_draft_to_report(older: Account) -> None:
    account, list_id = older, make_list(older)
    ann = make_person(account, "ann@shop.test", first_name="Ann")
    account.add_profiles_to_list(list_id, {"data": refs("profile", ann)})
    later = {"method": "static", "datetime": "2035-01-01T00:00:00Z", "options": {"is_local": False}}
    letter = {"channel": "email", "label": "One", "content": {"subject": "Hello"}}
    made = make_campaign(account, list_id, letter, send_strategy=later)
    campaign = made["id"]
    message = made["relationships"]["campaign-messages"]["data"][0]["id"]
    template = make_template(account)
    account.assign_template_to_campaign_message(
        {
            "data": ref("campaign-message", message)
            | {"relationships": {"template": {"data": ref("template", template)}}}
        }
    )
    email = 'equals(messages.channel,"email")'
    assert [row["id"] for row in account.get_campaigns(filter=email, sort="-created_at")["data"]] == [campaign]
    account.refresh_campaign_recipient_estimation({"data": ref("campaign-recipient-estimation-job", campaign)})
    estimated = account.get_campaign_recipient_estimation(campaign)["data"]["attributes"]
    assert estimated["estimated_recipient_count"] == 1
    account.send_campaign({"data": ref("campaign-send-job", campaign)})
    assert account.get_campaign(campaign)["data"]["attributes"]["status"] == "Scheduled"
    changed = body("campaign-message", message, definition={"channel": "email", "content": {"subject": "Other"}})
    assert account.refused("update_campaign_message", message, changed).status == 400
    account.cancel_campaign_send(campaign, body("campaign-send-job", campaign, action="revert"))
    account.update_campaign_message(message, changed)
    account.update_campaign(campaign, body("campaign", campaign, send_strategy={"method": "immediate"}))
    account.send_campaign({"data": ref("campaign-send-job", campaign)})
    assert account.get_campaign(campaign)["data"]["attributes"]["status"] == "Sent"
    received = metric_id(account, "Received Email")
    (event,) = account.get_events(filter=f'equals(metric_id,"{received}")')["data"]
    assert event["attributes"]["event_properties"]["Subject"] == "Other"
    asked = {"timeframe": {"key": "last_7_days"}, "statistics": ["recipients"], "conversion_metric_id": received}
    report = account.query_campaign_values(body("campaign-values-report", **asked))["data"]["attributes"]
    (result,) = report["results"]
    assert result["groupings"]["campaign_id"] == campaign
    assert result["statistics"] == {"recipients": 1}
    copy = account.create_campaign_clone(body("campaign", campaign, new_name="Again"))["data"]["id"]
    account.delete_campaign(copy)
    assert account.refused("get_campaign", copy).status == 404


def test_a_picture_in_a_text_message(older: Account) -> None:
    account = older
    made = make_campaign(account, make_list(account), {"channel": "sms", "content": {"body": "Hi"}})
    message = made["relationships"]["campaign-messages"]["data"][0]["id"]
    image = account.upload_image_from_url(body("image", import_from_url=PIXEL, name="dot"))["data"]["id"]
    account.update_image_for_campaign_message(message, {"data": ref("image", image)})
    assert account.get_image_for_campaign_message(message)["data"]["id"] == image


def test_a_flow_and_its_messages(account: Account) -> None:
    flow = make_flow(account, make_template(account))
    read = account.get_flow(flow, additional_fields_flow=["definition"], include=["flow-actions"])
    assert len(read["data"]["attributes"]["definition"]["actions"]) == 2
    account.update_flow(flow, body("flow", flow, status="live"))
    assert [row["id"] for row in account.get_flows(filter='equals(status,"live")')["data"]] == [flow]
    pages = list(account.pages("get_actions_for_flow", flow, page_size=1, sort="id"))
    wait, mail = (page[0]["id"] for page in pages)
    changed = {"id": wait, "type": "time-delay", "data": {"unit": "hours", "value": 2}}
    account.update_flow_action(wait, body("flow-action", wait, definition=changed))
    assert account.get_flow_action(wait)["data"]["attributes"]["definition"]["data"]["unit"] == "hours"
    (message,) = account.get_flow_action_messages(mail)["data"]
    assert account.get_action_for_flow_message(message["id"])["data"]["id"] == mail
    assert account.get_template_for_flow_message(message["id"])["data"]["type"] == "template"
    account.delete_flow_action(wait)
    assert [row["id"] for row in account.get_action_ids_for_flow(flow)["data"]] == [mail]
    account.delete_flow(flow)
    assert account.refused("get_flow", flow).status == 404


def test_a_list_triggers_a_flow(account: Account) -> None:
    list_id = make_list(account)
    action = {"temporary_id": "a", "type": "time-delay", "data": {"unit": "days", "value": 1}, "links": {"next": None}}
    definition = {"triggers": [{"type": "list", "id": list_id}], "actions": [action], "entry_action_id": "a"}
    flow = account.create_flow(body("flow", name="F", definition=definition))["data"]["id"]
    assert [row["id"] for row in account.get_flows_triggered_by_list(list_id)["data"]] == [flow]
    assert [row["id"] for row in account.get_ids_for_flows_triggered_by_list(list_id)["data"]] == [flow]


def test_a_form_and_its_versions(account: Account) -> None:
    versions = [{"steps": [_STEP, _STEP], "type": kind, "name": kind} for kind in ("popup", "flyout")]
    about = {"status": "draft", "ab_test": True, "definition": {"versions": versions}}
    form = account.create_form(body("form", name="Welcome", **about))["data"]["id"]
    found = account.get_versions_for_form(form)["data"]
    assert {row["attributes"]["form_type"] for row in found} == {"popup", "flyout"}
    version = found[0]["id"]
    assert account.get_form_for_form_version(version)["data"]["id"] == form
    account.delete_form(form)
    assert account.refused("get_form_version", version).status == 404


def test_reports_of_forms_segments_and_flows(account: Account) -> None:
    track(account, "Order", "ann@shop.test")
    order, week = metric_id(account, "Order"), {"timeframe": {"key": "last_7_days"}}
    flow = make_flow(account, make_template(account))
    of_flows = week | {"statistics": ["recipients"], "conversion_metric_id": order}
    values = account.query_flow_values(body("flow-values-report", **of_flows))["data"]["attributes"]
    assert all(row["groupings"]["flow_id"] == flow for row in values["results"])
    series = account.query_flow_series(body("flow-series-report", interval="daily", **of_flows))["data"]["attributes"]
    assert 7 <= len(series["date_times"]) <= 8
    submits = week | {"statistics": ["submits"]}
    assert account.query_form_values(body("form-values-report", **submits))["data"]["attributes"]["results"] == []
    month = {"timeframe": {"key": "last_30_days"}, "statistics": ["submits"]}
    assert account.refused("query_form_series", body("form-series-report", interval="hourly", **month)).status == 400


def test_reviews_are_moderated(account: Account) -> None:
    company = account.get_accounts()["data"][0]["id"]
    product = {"external_id": "p", "integration_key": "shopify"}
    for rating in (3, 4, 5):
        about = {
            "review_type": "review",
            "rating": rating,
            "title": "T",
            "content": f"Worth {rating}",
            "product": product,
        }
        review = body("review", email=f"ann{rating}@shop.test", author="Ann", **about)
        reply = Api(account.base_url, account.key)("POST", "/client/reviews", review, query={"company_id": company})
        assert reply.status == 202
    best = account.get_reviews(filter="greater-or-equal(rating,4)", sort="-rating")["data"]
    assert [row["attributes"]["rating"] for row in best] == [5, 4]
    pages = list(account.pages("get_reviews", page_size=2, sort="rating"))
    assert [[row["attributes"]["rating"] for row in page] for page in pages] == [[3, 4], [5]]
    chosen = best[0]["id"]
    account.update_review(chosen, body("review", chosen, status={"value": "published"}))
    assert [row["id"] for row in account.get_reviews(filter='equals(status,"published")')["data"]] == [chosen]
    assert account.refused("get_review", "404404").status == 404


def test_an_image_from_a_file(account: Account, tmp_path: Path) -> None:
    file = tmp_path / "dot.gif"
    file.write_bytes(b"GIF89a-and-so-on")
    image = account.upload_image_from_file(str(file))["data"]["id"]
    read = account.get_image(image)["data"]["attributes"]
    assert (read["format"], read["size"]) == ("gif", 16)
    account.update_image(image, body("image", image, hidden=True))
    assert [row["id"] for row in account.get_images(filter="equals(hidden,true)")["data"]] == [image]


def test_tracking_settings(account: Account) -> None:
    (setting,) = account.get_tracking_settings()["data"]
    account.update_tracking_setting(setting["id"], body("tracking-setting", setting["id"], auto_add_parameters=True))
    assert account.get_tracking_setting(setting["id"])["data"]["attributes"]["auto_add_parameters"] is True
    assert account.refused("get_tracking_setting", "NOPE01").status == 404


def test_a_webhook_and_its_topics(account: Account) -> None:
    topics = [row["id"] for row in account.get_webhook_topics()["data"][:2]]
    about = {"name": "W", "endpoint_url": "https://shop.test/hook", "secret_key": "s" * 16}
    made = account.create_webhook(
        body("webhook", **about, relationships={"webhook-topics": refs("webhook-topic", topics[0])})
    )
    hook = made["data"]["id"]
    assert "secret_key" not in made["data"]["attributes"]
    account.update_webhook(hook, body("webhook", hook, enabled=False))
    read = account.get_webhook(hook, include=["webhook-topics"])
    assert read["data"]["attributes"]["enabled"] is False
    assert [row["id"] for row in read["included"]] == [topics[0]]
    assert account.get_webhook_topic(topics[1])["data"]["id"] == topics[1]
    for wrong in ({"endpoint_url": "http://shop.test"}, {"secret_key": "short"}):
        refused = account.refused(
            "create_webhook",
            body("webhook", **about | wrong, relationships={"webhook-topics": refs("webhook-topic", topics[0])}),
        )
        assert refused.status == 400


def test_what_an_account_is_called(account: Account, sdk: OfficialSDK) -> None:
    (own,) = account.get_accounts()["data"]
    assert own["id"] == own["attributes"]["public_api_key"]
    assert account.get_account(own["id"])["data"]["id"] == own["id"]
    assert account.refused("get_account", "NOPE01").status == 404
