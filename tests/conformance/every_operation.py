"""How every operation can be called once: in which order, and what the schemas do not say about the arguments.

An operation that makes something comes before those that need it; `$list` is the id of the first list that was seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.conformance import minimal
from tests.conformance.official_sdk import body, ref, refs
from tests.sandbox.sandbox_api import Api

from clavichord.spec import REVISION, Catalogue, Operation, load

CUSTOM = "$custom:::$default:::"
PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"

FIRST = """
get_accounts
create_profile create_profile:other create_event get_metrics get_events get_property_ids_for_metric
create_list create_segment create_tag_group create_tag create_template create_universal_content upload_image_from_url
add_profiles_to_list tag_lists tag_segments
create_push_token get_push_tokens get_conversation_id_for_profile
create_flow get_action_ids_for_flow get_message_ids_for_flow_action tag_flows
create_custom_metric update_mapped_metric update_mapped_metric:custom
create_form get_version_ids_for_form
get_reviews get_webhook_topics create_webhook create_web_feed
create_catalog_category create_catalog_item create_catalog_variant add_items_to_catalog_category
create_coupon create_coupon_code
create_data_source create_object_type create_object_schema get_source_mapping_id_for_object_schema update_source_mapping
create_object_type:other create_object_schema:other create_object_schema_relationship create_profile_schema_relationship
get_object_schema_relationships get_profile_schema_relationships get_object_schema
update_object_schema_relationship update_profile_schema_relationship
delete_object_schema_relationship delete_profile_schema_relationship
get_draft_schema_for_object_type get_draft_schema_id_for_object_type update_object_schema
bulk_create_data_source_records create_data_source_record get_record_ids_for_object_type
bulk_import_profiles bulk_suppress_profiles bulk_unsuppress_profiles
create_campaign get_message_ids_for_campaign get_audience_ids_for_campaign get_variation_ids_for_campaign_message
tag_campaigns assign_template_to_campaign_message
create_campaign:text update_image_for_campaign_message
create_campaign_audience clone_campaign_audience
create_campaign_message update_campaign_message clone_campaign_message create_campaign_variation
refresh_campaign_recipient_estimation send_campaign
schedule_campaign_message update_campaign_message_schedule schedule_campaign
create_translation create_translation:content create_translation:message create_translation:variation
create_brand_logo list_billing_usage get_brand_email_defaults
create_text_messaging_configuration create_text_messaging_sender get_text_messaging_senders
"""
"""They leave something behind; all others follow: creations, readings, changes, at last deletions, youngest first.
`create_campaign:text` is another call of create_campaign, and `$text:campaign` is what it made."""

LAST = """
cancel_campaign_send update_campaign update_campaign_audience update_campaign_variation
request_profile_deletion merge_profiles
bulk_delete_object_records
remove_categories_from_catalog_item add_categories_to_catalog_item
"""
"""Before the deletions: these change what others look at."""


def _condition(value: str) -> dict[str, Any]:
    given = {"type": "string", "operator": "equals", "value": value}
    return {"condition_groups": [{"conditions": [{"type": "profile-property", "property": "email", "filter": given}]}]}


def _bulk(kind: str, id: str | None = None, **attributes: Any) -> dict[str, Any]:
    return {"data": [{"type": kind} | ({"id": id} if id else {}) | ({"attributes": attributes} if attributes else {})]}


def _campaign(message: Mapping[str, Any]) -> dict[str, Any]:
    messages = {"data": [{"type": "campaign-message", "attributes": {"definition": message}}]}
    later = {"method": "static", "datetime": "2035-01-01T00:00:00Z", "options": {"is_local": False}}
    audiences = {"included": ["$list"]}
    return {"name": "C", "audiences": audiences, "campaign-messages": messages, "send_strategy": later}


def _omni(details: Mapping[str, Any]) -> dict[str, Any]:
    """A campaign as 2026-10-15 knows it."""
    message = {"audience_temporary_id": "a", "variations": [{"definition": {"details": details}}]}
    audience = {"temporary_id": "a", "included": ["$list"]}
    return {"definition": {"name": "C"}, "audiences": [audience], "messages": [message]}


_LATE = {"strategy": "static", "send_time": "2035-01-01T00:00:00Z"}
_ANN = {"data": {"type": "profile", "attributes": {"email": "ann@shop.test"}}}
_EVENT = {"properties": {"sku": "a"}, "metric": {"data": {"type": "metric", "attributes": {"name": "Order"}}}}
_LETTER = {"subject_line": "Hello", "from_email": "ann@shop.test", "template_id": "$template"}
_MAIL = {"type": "send-email", "data": {"message": _LETTER}}
_BLOCK = {"content_type": "block", "type": "html", "data": {"content": "x", "display_options": {}}}
_STEP: dict[str, Any] = {"columns": [{"rows": []}]}
_ITEM = {"title": "A", "description": "d", "url": "https://shop.test/a"}
_RECORD = {"type": "data-source-record", "attributes": {"record": {"id": "a", "name": "A"}}}
_REPORT = {"timeframe": {"key": "last_7_days"}, "conversion_metric_id": "$metric", "statistics": ["recipients"]}
_SUBMITS = {"timeframe": {"key": "last_7_days"}, "statistics": ["submits"]}
_MEMBERS = {"timeframe": {"key": "last_7_days"}, "statistics": ["total_members"]}

_BUSINESS = {
    "first_name": "Ann",
    "last_name": "Lee",
    "phone_number": "+12025550123",
    "email": "ann@shop.test",
    "address": {
        "street_address_1": "1 Main Street",
        "city": "Boston",
        "region": "MA",
        "postal_code": "02111",
        "country": "US",
    },
    "business_type": "PRIVATE_PROFIT",
    "business_name": "Shop",
    "business_website": "https://shop.test",
    "business_registration_country": "US",
    "business_registration_authority": "EIN",
    "business_registration_number": "12-3456789",
}
_LOCALES = {"source_locale": "en", "target_locales": ["fr"], "fallback_locale": "en"}
_REGISTRATION = "text-messaging-sender-registration"

IDS: Mapping[str, str] = {
    "get_custom_metric_for_mapped_metric": "viewed_product",
    "get_custom_metric_id_for_mapped_metric": "viewed_product",
    "update_mapped_metric": "revenue",
    "update_mapped_metric:custom": "viewed_product",
    "update_campaign_message_schedule": "$text:campaign-message",
    "get_campaign_send_job": "$campaign",
    "cancel_campaign_send": "$campaign",
    "get_campaign_recipient_estimation": "$campaign",
    "get_campaign_recipient_estimation_job": "$campaign",
    "update_image_for_campaign_message": "$text:campaign-message",
    "get_image_for_campaign_message": "$text:campaign-message",
    "get_image_id_for_campaign_message": "$text:campaign-message",
    "get_template_universal_content_for_translation": "$content:translation",
    "get_template_universal_content_id_for_translation": "$content:translation",
    "get_flow_message_for_translation": "$message:translation",
    "get_flow_message_id_for_translation": "$message:translation",
    "get_campaign_variation_for_translation": "$variation:translation",
    "get_campaign_variation_id_for_translation": "$variation:translation",
    "get_tracking_setting": "$account",
    "get_brand_voice": "$account",
    "update_brand_voice": "$account",
    "update_tracking_setting": "$account",
    "get_client_ip_allowlist": "integration-egress",
}
"""Call → the id in its path, where it is not the id of the type that the path names."""

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "get_campaigns": {"filter": 'equals(messages.channel,"email")'},
    "get_campaigns@2026-10-15": {"filter": 'contains(name,"C")'},
    "get_coupon_codes": {"filter": 'equals(coupon.id,"SALE")'},
    "get_client_ip_allowlist": {"company_id": "$account", "revision": "$revision"},
    "get_object_schema": {"include": ["object-schemas", "profile-object-schemas"]},
}
"""Call → what it needs beside id and body; with the revision where it takes others."""

ATTRIBUTES: Mapping[str, Mapping[str, Any]] = {
    "create_profile": {"email": "ann@shop.test", "phone_number": "+12025550123"},
    "create_profile:other": {"email": "bob@shop.test"},
    "create_or_update_profile": {"email": "cid@shop.test"},
    "create_event": _EVENT | {"profile": _ANN},
    "create_segment": {"definition": _condition("ann@shop.test")},
    "create_template": {"editor_type": "CODE", "html": "<p>Hello</p>"},
    "upload_image_from_url": {"import_from_url": PIXEL},
    "create_push_token": {"platform": "ios", "profile": _ANN},
    "create_flow": {
        "definition": {
            "triggers": [],
            "actions": [_MAIL | {"temporary_id": "a", "links": {"next": None}}],
            "entry_action_id": "a",
        }
    },
    "create_custom_metric": {
        "definition": {"aggregation_method": "count", "metric_groups": [{"metric_id": "$metric"}]}
    },
    "create_form": {
        "definition": {"versions": [{"steps": [_STEP, _STEP], "type": "popup", "name": "V"}]},
        "ab_test": False,
    },
    "create_webhook": {"secret_key": "s" * 16},
    "create_coupon": {"external_id": "SALE"},
    "create_object_schema": {"properties": [{"id": 1, "name": "name", "type": "string"}]},
    "create_object_schema:other": {"properties": [{"id": 1, "name": "name", "type": "string"}]},
    "update_source_mapping": {
        "property_mappings": [
            {
                "id": 1,
                "type": "simple",
                "source": {"source_id": "$data-source", "id_path": "$['id']", "data_path": "$['name']"},
            }
        ]
    },
    "update_object_schema": {"status": "active"},
    "bulk_create_data_source_records": {"data-source-records": {"data": [_RECORD]}},
    "create_data_source_record": {"data-source-record": {"data": _RECORD}},
    "bulk_import_profiles": {"profiles": _bulk("profile", email="ann@shop.test")},
    "bulk_suppress_profiles": {"profiles": _bulk("profile", email="bob@shop.test")},
    "bulk_unsuppress_profiles": {"profiles": _bulk("profile", email="bob@shop.test")},
    "bulk_subscribe_profiles": {
        "profiles": _bulk(
            "profile", email="ann@shop.test", subscriptions={"email": {"marketing": {"consent": "SUBSCRIBED"}}}
        )
    },
    "bulk_unsubscribe_profiles": {
        "profiles": _bulk(
            "profile", email="ann@shop.test", subscriptions={"email": {"marketing": {"consent": "UNSUBSCRIBED"}}}
        )
    },
    "request_profile_deletion": {"profile": {"data": {"type": "profile", "attributes": {"email": "cid@shop.test"}}}},
    "bulk_create_events": {
        "events-bulk-create": _bulk(
            "event-bulk-create", profile=_ANN, events={"data": [{"type": "event", "attributes": _EVENT}]}
        )
    },
    "bulk_create_catalog_items": {"items": _bulk("catalog-item", external_id="bulk", **_ITEM)},
    "bulk_update_catalog_items": {"items": _bulk("catalog-item", CUSTOM + "bulk", title="B")},
    "bulk_delete_catalog_items": {"items": _bulk("catalog-item", CUSTOM + "bulk")},
    "bulk_delete_catalog_variants": {"variants": _bulk("catalog-variant", CUSTOM + "bulk")},
    "bulk_delete_catalog_categories": {"categories": _bulk("catalog-category", CUSTOM + "bulk")},
    "create_back_in_stock_subscription": {"channels": ["EMAIL"], "profile": _ANN},
    "query_metric_aggregates": {
        "metric_id": "$metric",
        "measurements": ["count"],
        "filter": ["greater-or-equal(datetime,2026-01-01)", "less-than(datetime,2026-12-01)"],
    },
    "create_campaign": _campaign({"channel": "email", "label": "One", "content": {"subject": "Hello"}}),
    "create_campaign:text": _campaign({"channel": "sms", "content": {"body": "Hello"}}),
    "create_campaign@2026-10-15": _omni({"channel": "email", "subject": "Hello", "template_id": "$template"}),
    "create_campaign:text@2026-10-15": _omni({"channel": "sms", "body": "Hello"}),
    "update_campaign_message@2026-10-15": {
        "definition": {"send_options": {"send_strategy": "static", "send_time": "2035-01-01T00:00:00Z"}}
    },
    "schedule_campaign_message": _LATE,
    "schedule_campaign": {"message_schedules": [_LATE | {"message_id": "$text:campaign-message"}]},
    "create_translation": _LOCALES,
    "create_translation:content": _LOCALES,
    "create_translation:message": _LOCALES,
    "create_translation:variation": _LOCALES,
    "create_template_preview_send_job": {"recipients": ["ann@shop.test"]},
    "create_text_messaging_sender": {
        "sender_type": "toll_free",
        _REGISTRATION: {"data": {"type": _REGISTRATION, "attributes": _BUSINESS}},
    },
    "create_text_messaging_sender_registration": _BUSINESS,
    "create_universal_content@2026-10-15": {"definition": _BLOCK},
    "clone_universal_content": {"id": "$template-universal-content"},
    "create_flow_action": {
        "definition": {"temporary_id": "n", "type": "time-delay", "data": {"unit": "days", "value": 1}},
        "anchor-action": {
            "data": {
                "type": "flow-action",
                "id": "$flow-action",
                "attributes": {"definition": {"type": "send-email", "links": {"next": "n"}}},
            }
        },
    },
    "query_campaign_values": _REPORT,
    "query_flow_values": _REPORT,
    "query_flow_series": _REPORT | {"interval": "daily"},
    "query_form_values": _SUBMITS,
    "query_form_series": _SUBMITS | {"interval": "daily"},
    "query_segment_values": _MEMBERS,
    "query_segment_series": _MEMBERS | {"interval": "daily"},
    "update_flow": {"status": "live"},
    "update_review": {"status": {"value": "published"}},
    "update_flow_action": {"definition": _MAIL | {"id": "$flow-action"}},
    "render_template": {"context": {}},
}
"""Call → attributes beyond, or instead of, the required ones; with the revision where it takes others."""

RELATIONSHIPS: Mapping[str, Mapping[str, Any]] = {
    "create_translation": {"template": ref("template", "$template")},
    "create_translation:content": {
        "template-universal-content": ref("template-universal-content", "$template-universal-content")
    },
    "create_translation:message": {"flow-message": ref("flow-message", "$flow-message")},
    "create_translation:variation": {"campaign-variation": ref("campaign-variation", "$campaign-variation")},
    "create_campaign_audience": {"campaign": ref("campaign", "$campaign")},
    "create_campaign_message": {
        "campaign": ref("campaign", "$campaign"),
        "campaign-audience": ref("campaign-audience", "$campaign-audience"),
    },
    "create_campaign_variation": {"campaign-message": ref("campaign-message", "$campaign-message")},
    "clone_campaign_message": {"campaign-audience": ref("campaign-audience", "$campaign-audience")},
    "schedule_campaign_message": {"campaign-message": ref("campaign-message", "$text:campaign-message")},
    "schedule_campaign": {"campaign": ref("campaign", "$text:campaign")},
    "create_template_preview_send_job": {"template": ref("template", "$template")},
    "create_brand_logo": {"image": ref("image", "$image")},
    "publish_form": {"form": ref("form", "$form")},
    "unpublish_form": {"form": ref("form", "$form")},
    "create_text_messaging_sender_registration": {
        "text-messaging-sender": ref("text-messaging-sender", "$text-messaging-sender")
    },
    "create_tag": {"tag-group": ref("tag-group", "$tag-group")},
    "create_webhook": {"webhook-topics": refs("webhook-topic", "$webhook-topic")},
    "create_catalog_variant": {"item": ref("catalog-item", "$catalog-item")},
    "create_coupon_code": {"coupon": ref("coupon", "SALE")},
    "create_object_schema": {"object-type": ref("object-type", "$object-type")},
    "create_object_schema:other": {"object-type": ref("object-type", "$other:object-type")},
    "bulk_create_data_source_records": {"data-source": ref("data-source", "$data-source")},
    "create_data_source_record": {"data-source": ref("data-source", "$data-source")},
    "create_back_in_stock_subscription": {"variant": ref("catalog-variant", "$catalog-variant")},
    "create_conversation_message": {"conversation": ref("conversation", "$conversation")},
    "assign_template_to_campaign_message": {"template": ref("template", "$template")},
    "merge_profiles": {"profiles": refs("profile", "$other:profile")},
    "update_mapped_metric": {"metric": ref("metric", "$metric")},
    "update_mapped_metric:custom": {"custom-metric": ref("custom-metric", "$custom-metric")},
    "bulk_delete_object_records": {"object-records": refs("object-record", "$object-record")},
}
"""Call → relationships of the body, where the schema leaves open what a creation needs."""

_KIN = ref("object-schema", "$other:object-schema")
_OWNER = ref("profile-object-schema", "profile")
_KINSHIP = {"relationship_id": "$object-schema relationship"}
_OWNERSHIP = {"relationship_id": "$profile-object-schema relationship"}
DATA: Mapping[str, Any] = {
    "create_object_schema_relationship": [_KIN | {"meta": {"name": "kin"}}],
    "create_profile_schema_relationship": [_OWNER | {"meta": {"name": "owner"}}],
    "update_object_schema_relationship": _KIN | {"meta": _KINSHIP | {"name": "new"}},
    "update_profile_schema_relationship": _OWNER | {"meta": _OWNERSHIP | {"name": "new"}},
    "delete_object_schema_relationship": [_KIN | {"meta": _KINSHIP}],
    "delete_profile_schema_relationship": [_OWNER | {"meta": _OWNERSHIP}],
    "update_image_for_campaign_message": ref("image", "$image"),
    "send_campaign": ref("campaign-send-job", "$campaign"),
    "cancel_campaign_send": {"type": "campaign-send-job", "attributes": {"action": "revert"}},
    "clone_campaign_audience": ref("campaign-audience-clone", "$campaign-audience")
    | {"attributes": {"id": "$campaign-audience"}},
    "clone_campaign_message": ref("campaign-message", "$campaign-message")
    | {"attributes": {"id": "$campaign-message"}},
    "update_campaign_message_schedule": {"type": "campaign-message-schedule", "attributes": {"action": "revert"}},
    "merge_profiles": ref("profile-merge", "$profile"),
    "refresh_campaign_recipient_estimation": ref("campaign-recipient-estimation-job", "$campaign"),
}
"""Call → the whole `data` of its body."""


def write_review(api: Api, company: str) -> None:
    """Visitors write reviews; the server's SDKs cannot, and there must be one."""
    product = {"external_id": "p", "integration_key": "shopify"}
    about = {"review_type": "review", "rating": 5, "title": "T", "content": "Good", "product": product}
    review = body("review", email="ann@shop.test", author="Ann", **about)
    reply = api("POST", "/client/reviews", review, query={"company_id": company})
    assert reply.status == 202, reply.body


def own(revision: str) -> list[Operation]:
    """The operations of a revision, of a newer one those that the stable one does not have with the same body."""
    stable = load().operations
    operations = load(revision).operations.values()
    if revision == REVISION:
        return list(operations)
    return [one for one in operations if one.id not in stable or one.body != stable[one.id].body]


def calls(catalogue: Catalogue, methods: frozenset[str]) -> list[str]:
    """Every operation that an SDK has, in the order in which they can be called."""
    operations = {name: one for name, one in catalogue.operations.items() if name in methods}
    first = [name for name in FIRST.split() if name.partition(":")[0] in operations]
    last = [name for name in LAST.split() if name in operations]
    age = {operations[name.partition(":")[0]].resource: number for number, name in enumerate(first)}

    def turn(name: str) -> tuple[int, int]:
        operation = operations[name]
        if operation.method == "DELETE":
            return (4, -age.get(operation.base, 0)) if operation.kind == "item" else (3, 0)
        if operation.method == "GET":
            return 1, 0
        return 0 if operation.kind == "collection" else 2, 0

    rest = sorted((name for name in operations if name not in {*first, *last}), key=turn)
    gone = [name for name in rest if operations[name].method == "DELETE"]
    return [*first, *(name for name in rest if name not in gone), *last, *gone]


def arguments(catalogue: Catalogue, call: str, known: Mapping[str, str]) -> tuple[list[Any], dict[str, Any]]:
    """Positional and keyword arguments; `known`: JSON:API type → the id of one."""
    operation = catalogue.operations[call.partition(":")[0]]
    given: list[Any] = []
    if operation.path_params:
        given.append(IDS.get(call, "$" + operation.base))
    if operation.content_type == "multipart/form-data":
        given.append("$file")
    elif operation.body:
        made = DATA.get(call) or minimal.body(catalogue, operation.body, known)["data"]
        if isinstance(made, dict):
            if operation.kind == "item":
                made["id"] = given[0]
            attributes = ATTRIBUTES.get(f"{call}@{catalogue.revision}", ATTRIBUTES.get(call, {}))
            made = _with(made, "attributes", attributes)
            made = _with(made, "relationships", {k: {"data": v} for k, v in RELATIONSHIPS.get(call, {}).items()})
        given.append({"data": made})
    options = OPTIONS.get(f"{call}@{catalogue.revision}", OPTIONS.get(call, {}))
    return _filled(given, known), _filled(options, known)


def _with(data: Mapping[str, Any], member: str, more: Mapping[str, Any]) -> dict[str, Any]:
    return {**data, member: {**data.get(member, {}), **more}} if more else dict(data)


def _filled(value: Any, known: Mapping[str, str]) -> Any:
    """`$list` becomes the id of the list."""
    if isinstance(value, str):
        return known.get(value[1:], value) if value.startswith("$") else value
    if isinstance(value, list):
        return [_filled(one, known) for one in value]
    if isinstance(value, Mapping):
        return {name: _filled(one, known) for name, one in value.items()}
    return value


def seen(document: Any) -> Iterator[tuple[str, str]]:
    """(type, id) of every resource in a document, outermost first."""
    if isinstance(document, Mapping):
        kind, name = document.get("type"), document.get("id")
        if isinstance(kind, str) and isinstance(name, str):
            yield kind, name
            meta = (document.get("attributes") or {}).get("meta") or {}
            if "relationship_id" in meta:
                yield f"{kind} relationship", meta["relationship_id"]
        for value in document.values():
            yield from seen(value)
    elif isinstance(document, list):
        for value in document:
            yield from seen(value)
