"""Runs in the environment of klaviyo-api 24.0.0: every operation of Tags, Lists, Segments, Metrics, Conversations,
Forms, Reviews, Web Feeds, Tracking Settings, Images, Webhooks, and of what hangs on a profile, once, through the
official SDK on the sandbox whose URL is the argument. Prints {operation: the type that the SDK gave back}.
"""

# mypy: disable-error-code="import-not-found,no-untyped-def,no-untyped-call,type-arg"
# (that environment is not the one this repository is checked in)

import json
import sys
import tempfile
from urllib.request import Request, urlopen

from klaviyo_api import KlaviyoAPI

seen: dict = {}


def keep(api, operation, *args, **kwargs):
    found = getattr(api, operation)(*args, **kwargs)
    seen[operation] = type(found).__name__
    return found


def body(kind, resource_id=None, relationships=None, **attributes):
    data = {"type": kind}
    if resource_id is not None:
        data["id"] = resource_id
    if attributes or kind not in ("mapped-metric", "profile-merge"):
        data["attributes"] = attributes
    if relationships is not None:
        data["relationships"] = {name: {"data": linkage} for name, linkage in relationships.items()}
    return {"data": data}


def one(kind, name):
    return {"type": kind, "id": name}


def condition(field, value):
    given = {"type": "string", "operator": "equals", "value": value}
    return {"condition_groups": [{"conditions": [{"type": "profile-property", "property": field, "filter": given}]}]}


def people(k):
    ann = k.Profiles.create_profile(body("profile", email="ann@shop.test", phone_number="+12025550123")).data.id
    bob = k.Profiles.create_profile(body("profile", email="bob@shop.test")).data.id
    profile = {"data": {"type": "profile", "id": ann, "attributes": {}}}
    metric = {"data": {"type": "metric", "attributes": {"name": "Order"}}}
    k.Events.create_event(body("event", properties={"sku": "a"}, metric=metric, profile=profile, value=5))
    return ann, bob, k.Metrics.get_metrics().data[0].id


def lists(k, ann):
    api = k.Lists
    made = keep(api, "create_list", body("list", name="L")).data.id
    keep(api, "get_lists", include=["tags"])
    keep(api, "update_list", made, body("list", made, name="M"))
    keep(api, "add_profiles_to_list", made, {"data": [one("profile", ann)]})
    for tail in ("profiles", "profile_ids"):
        assert len(keep(api, f"get_{tail}_for_list", made).data) == 1
    keep(api, "remove_profiles_from_list", made, {"data": [one("profile", ann)]})
    keep(api, "get_list", made, additional_fields_list=["profile_count"])
    keep(api, "get_flows_triggered_by_list", made)
    keep(api, "get_ids_for_flows_triggered_by_list", made)
    return made


def segments(k):
    api = k.Segments
    made = keep(
        api, "create_segment", body("segment", name="S", definition=condition("email", "ann@shop.test"))
    ).data.id
    keep(api, "get_segments", sort="name")
    keep(api, "update_segment", made, body("segment", made, name="T"))
    assert (
        keep(api, "get_segment", made, additional_fields_segment=["profile_count"]).data.attributes.profile_count == 1
    )
    for tail in ("profiles", "profile_ids"):
        assert len(keep(api, f"get_{tail}_for_segment", made).data) == 1
    keep(api, "get_flows_triggered_by_segment", made)
    keep(api, "get_ids_for_flows_triggered_by_segment", made)
    return made


def carriers(k, list_id, segment_id):
    """Something of each kind that can carry a tag."""
    message = {"channel": "email", "label": "M", "content": {"subject": "s"}}
    messages = {"data": [{"type": "campaign-message", "attributes": {"definition": message}}]}
    attributes = {"name": "C", "audiences": {"included": [list_id]}, "campaign-messages": messages}
    campaign = k.Campaigns.create_campaign(body("campaign", **attributes)).data.id
    delay = {"temporary_id": "a", "type": "time-delay", "data": {"unit": "days", "value": 1}, "links": {"next": None}}
    definition = {"triggers": [{"type": "list", "id": list_id}], "actions": [delay], "entry_action_id": "a"}
    flow = k.Flows.create_flow(body("flow", name="F", definition=definition)).data.id
    return {"list": list_id, "segment": segment_id, "campaign": campaign, "flow": flow}


def tags(k, tagged):
    api = k.Tags
    group = keep(api, "create_tag_group", body("tag-group", name="G")).data.id
    keep(api, "get_tag_groups")
    keep(api, "get_tag_group", group)
    keep(api, "update_tag_group", group, body("tag-group", group, name="H"))
    tag = keep(api, "create_tag", body("tag", None, {"tag-group": one("tag-group", group)}, name="T")).data.id
    keep(api, "get_tags", include=["tag-group"])
    keep(api, "get_tag", tag, include=["tag-group"])
    keep(api, "update_tag", tag, body("tag", tag, name="U"))
    for kind, carrier in tagged.items():
        keep(api, f"tag_{kind}s", tag, {"data": [one(kind, carrier)]})
        assert keep(api, f"get_{kind}_ids_for_tag", tag).data[0].id == carrier
    for tail in ("tags", "tag_ids"):
        keep(k.Lists, f"get_{tail}_for_list", tagged["list"])
        keep(k.Segments, f"get_{tail}_for_segment", tagged["segment"])
        keep(api, f"get_{tail}_for_tag_group", group)
    for kind, carrier in tagged.items():
        keep(api, f"remove_tag_from_{kind}s", tag, {"data": [one(kind, carrier)]})
    keep(api, "get_tag_group_for_tag", tag)
    keep(api, "get_tag_group_id_for_tag", tag)
    keep(api, "delete_tag", tag)
    keep(api, "delete_tag_group", group)


def metrics(k, metric):
    api = k.Metrics
    keep(api, "get_metrics", include=["flow-triggers"])
    keep(api, "get_metric", metric)
    keep(api, "get_flows_triggered_by_metric", metric)
    keep(api, "get_ids_for_flows_triggered_by_metric", metric)
    keep(api, "get_properties_for_metric", metric, additional_fields_metric_property=["sample_values"])
    one_property = keep(api, "get_property_ids_for_metric", metric).data[0].id
    keep(api, "get_metric_property", one_property, include=["metric"])
    keep(api, "get_metric_for_metric_property", one_property)
    keep(api, "get_metric_id_for_metric_property", one_property)
    definition = {"aggregation_method": "count", "metric_groups": [{"metric_id": metric}]}
    custom = keep(api, "create_custom_metric", body("custom-metric", name="C", definition=definition)).data.id
    keep(api, "get_custom_metrics", include=["metrics"])
    keep(api, "get_custom_metric", custom)
    keep(api, "update_custom_metric", custom, body("custom-metric", custom, name="D"))
    keep(api, "get_metrics_for_custom_metric", custom)
    keep(api, "get_metric_ids_for_custom_metric", custom)
    keep(api, "update_mapped_metric", "revenue", body("mapped-metric", "revenue", {"metric": one("metric", metric)}))
    api.update_mapped_metric(
        "viewed_product", body("mapped-metric", "viewed_product", {"custom-metric": one("custom-metric", custom)})
    )
    keep(api, "get_mapped_metrics", include=["metric", "custom-metric"])
    keep(api, "get_mapped_metric", "revenue")
    keep(api, "get_metric_for_mapped_metric", "revenue")
    keep(api, "get_metric_id_for_mapped_metric", "revenue")
    keep(api, "get_custom_metric_for_mapped_metric", "viewed_product")
    keep(api, "get_custom_metric_id_for_mapped_metric", "viewed_product")
    keep(api, "delete_custom_metric", custom)
    found = keep(
        api,
        "query_metric_aggregates",
        body(
            "metric-aggregate",
            metric_id=metric,
            measurements=["count", "sum_value", "unique"],
            filter=["greater-or-equal(datetime,2026-01-01)", "less-than(datetime,2027-01-01)"],
            interval="month",
        ),
    )
    assert len(found.data.attributes.dates) == 12


def on_profiles(k, ann, bob):
    api = k.Profiles
    profile = {"data": {"type": "profile", "id": ann, "attributes": {}}}
    token = {"token": "t", "platform": "ios", "vendor": "apns", "enablement_status": "AUTHORIZED", "profile": profile}
    keep(api, "create_push_token", body("push-token", **token))
    push = keep(api, "get_push_tokens", include=["profile"]).data[0].id
    keep(api, "get_push_token", push)
    keep(api, "get_profile_for_push_token", push)
    keep(api, "get_profile_id_for_push_token", push)
    keep(api, "get_profiles", include=["push-tokens"])
    keep(api, "get_profile", ann, include=["lists", "segments", "push-tokens", "conversations"])
    for name in ("push_token", "list", "segment", "conversation"):
        keep(api, f"get_{name}s_for_profile", ann)
        keep(api, f"get_{name}_ids_for_profile", ann)
    conversation = keep(api, "get_conversation_for_profile", ann).data.id
    keep(api, "get_conversation_id_for_profile", ann)
    linked = {"conversation": one("conversation", conversation)}
    keep(k.Conversations, "create_conversation_message", body("conversation-message", None, linked, body="Hello"))
    keep(api, "delete_push_token", push)
    keep(api, "merge_profiles", body("profile-merge", ann, {"profiles": [one("profile", bob)]}))


def forms(k):
    api = k.Forms
    step: dict = {"columns": [{"rows": []}]}
    definition = {"versions": [{"steps": [step, step], "type": "popup", "name": "V"}]}
    form = keep(
        api, "create_form", body("form", name="F", status="draft", ab_test=False, definition=definition)
    ).data.id
    keep(api, "get_forms")
    keep(api, "get_form", form)
    keep(api, "get_version_ids_for_form", form)
    version = keep(api, "get_versions_for_form", form).data[0].id
    keep(api, "get_form_version", version, include=["form"])
    keep(api, "get_form_for_form_version", version)
    keep(api, "get_form_id_for_form_version", version)
    keep(api, "delete_form", form)


def content(k, account):
    feed = {"name": "f", "url": "https://shop.test/f", "request_method": "get", "content_type": "json"}
    made = keep(k.Web_Feeds, "create_web_feed", body("web-feed", **feed)).data.id
    keep(k.Web_Feeds, "get_web_feeds")
    keep(k.Web_Feeds, "get_web_feed", made)
    keep(k.Web_Feeds, "update_web_feed", made, body("web-feed", made, content_type="xml"))
    keep(k.Web_Feeds, "delete_web_feed", made)
    keep(k.Tracking_Settings, "get_tracking_settings")
    keep(k.Tracking_Settings, "get_tracking_setting", account)
    changed = body("tracking-setting", account, auto_add_parameters=True)
    keep(k.Tracking_Settings, "update_tracking_setting", account, changed)
    url = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
    made = keep(k.Images, "upload_image_from_url", body("image", import_from_url=url, name="I")).data.id
    with tempfile.NamedTemporaryFile(suffix=".gif") as file:
        file.write(b"GIF89a-and-so-on")
        file.flush()
        keep(k.Images, "upload_image_from_file", file.name, name="J")
    keep(k.Images, "get_images")
    keep(k.Images, "get_image", made)
    keep(k.Images, "update_image", made, body("image", made, name="K"))
    topics = keep(k.Webhooks, "get_webhook_topics").data
    keep(k.Webhooks, "get_webhook_topic", topics[0].id)
    linked = {"webhook-topics": [one("webhook-topic", topics[0].id)]}
    given = {"name": "W", "endpoint_url": "https://hook.test", "secret_key": "s" * 16}
    made = keep(k.Webhooks, "create_webhook", body("webhook", None, linked, **given)).data.id
    keep(k.Webhooks, "get_webhooks", include=["webhook-topics"])
    keep(k.Webhooks, "get_webhook", made)
    keep(k.Webhooks, "update_webhook", made, body("webhook", made, enabled=False))
    keep(k.Webhooks, "delete_webhook", made)


def reviews(k, account, base_url):
    product = {"external_id": "p", "integration_key": "shopify"}
    given = {
        "review_type": "review",
        "rating": 5,
        "email": "ann@shop.test",
        "author": "Ann",
        "content": "Good",
        "title": "T",
    }
    sent = json.dumps(body("review", **given, product=product)).encode()
    headers = {"revision": "2026-07-15", "Content-Type": "application/vnd.api+json"}
    # Visitors write reviews; the server's SDK cannot.
    urlopen(Request(f"{base_url}/client/reviews?company_id={account}", sent, headers)).close()
    made = keep(k.Reviews, "get_reviews", include=["events"]).data[0].id
    keep(k.Reviews, "get_review", made)
    changed = keep(k.Reviews, "update_review", made, body("review", made, status={"value": "published"}))
    assert changed.data.attributes.status["value"] == "published"


def main(base_url):
    k = KlaviyoAPI("pk_audience", max_retries=0, test_host=base_url)
    account = k.Accounts.get_accounts().data[0].id
    ann, bob, metric = people(k)
    list_id = lists(k, ann)
    segment_id = segments(k)
    tags(k, carriers(k, list_id, segment_id))
    metrics(k, metric)
    on_profiles(k, ann, bob)
    forms(k)
    content(k, account)
    reviews(k, account, base_url)
    keep(k.Segments, "delete_segment", segment_id)
    keep(k.Lists, "delete_list", list_id)
    json.dump(seen, sys.stdout)


main(sys.argv[1])
