"""The rest of the recording: what LIVE.md names and does not restate, read from the same public fixtures (2026-09-04,
revision 2026-07-15), held as test_live_shapes.py holds its part. The sandbox answers as it does with `--quirks live`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from tests.sandbox import messages_api
from tests.sandbox.catalog_api import PREFIX, at, code, codes_job, item, links
from tests.sandbox.live_world import PICTURE, World, form_version
from tests.sandbox.messages_api import delay_action, write
from tests.sandbox.sandbox_api import Api, Reply
from tests.sandbox.test_live_shapes import FORMS, hold

from clavichord.sandbox.coverage import recorded
from clavichord.sandbox.revision import catalogue_of
from clavichord.sandbox.serve import Running, running

_FILE = Path(__file__).with_name("live_shapes_more.jsonl")
RECORDS = [msgspec.json.decode(line) for line in _FILE.read_bytes().splitlines()]
FORMS.update(
    {
        "<image-id-num>": r"\d{9}",
        "<form-version-id-num>": r"\d{8}",
        "<web-feed-id-num>": r"\d{7}",
        "<mapped-metric-id>": r"[a-z_]+",
        "<metric-property-id>": r"[A-Za-z0-9+/]+",
        "<webhook-topic-id>": r"event:[a-z_]+\.[a-z0-9_]+",
        "<datetime:sec:Z>": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
        "<opt-in>": r"(single|double)_opt_in",
        "<inferred-type>": r"(numeric|string)",
    }
)
NONE, OTHER = "01K61DKJ7EKJ0ES9VE456XF5JG", "01K61DKJ7EKJ0ES9VE456XF5JK"
_accounts = itertools.count(1)
Request = Callable[[World, dict[str, Any]], Reply]


def deleted_objects(world: World, record: dict[str, Any]) -> Reply:
    records = {"data": [{"type": "object-record", "id": f"{NONE}:::1"}]}
    data = {"type": "object-record-bulk-delete-job", "relationships": {"object-records": records}}
    return world.api("POST", record["path"], {"data": data})


def new_schema(world: World, record: dict[str, Any]) -> Reply:
    given = {"title": "S", "properties": [{"id": 1, "name": "id", "type": "string"}], "required": ["id"]}
    linked = {"type": "object-type", "id": NONE}
    return world.made(record["path"], "object-schema", given, query=record["query"], object_type=linked)


def schema_link(world: World, record: dict[str, Any]) -> Reply:
    """Both ends are unknown: which one is named is what was recorded."""
    kind = record["path"].rpartition("/")[2].removesuffix("s")
    meta = {"name": "r"} if record["method"] == "POST" else {"relationship_id": OTHER}
    data: Any = {"type": kind, "id": OTHER, "meta": meta}
    if record["method"] != "PATCH":
        data = [data]
    return world.api(record["method"], record["path"].replace("{id}", NONE), {"data": data})


def patched(kind: str, attributes: dict[str, Any], one: Callable[[World], str]) -> Request:
    def request(world: World, record: dict[str, Any]) -> Reply:
        path = record["path"].replace("{id}", quote(one(world), safe=""))
        return world.changed(path, kind, one(world), attributes, record["query"])

    return request


def mapped_thrice(world: World, record: dict[str, Any]) -> Reply:
    linked = {"metric": {"data": {"type": "metric", "id": world.metric}}}
    data = {"type": "mapped-metric", "id": "revenue", "relationships": linked}
    replies = [world.api("PATCH", "/api/mapped-metrics/revenue", {"data": data}) for _ in range(3)]
    return replies[-1]


def used_template(world: World, record: dict[str, Any]) -> Reply:
    copied = world.actions[1]["data"]["message"]["template_id"]
    return world.api("DELETE", f"/api/templates/{copied}")


def throttled_segment(world: World, record: dict[str, Any]) -> Reply:
    with running(limits="enforce", windows="first-request") as served:
        replies = [Api(served.base_url, "pk_hasty").get("/api/accounts") for _ in range(2)]
    return replies[-1]


def wrong_key(world: World, record: dict[str, Any]) -> Reply:
    with running(keys={"pk_known": None}) as served:
        return Api(served.base_url, "pk_wrong").get("/api/accounts")


def flow_action_change(world: World, record: dict[str, Any]) -> Reply:
    given = world.actions[0]
    data = {"unit": "days", "value": 3, "secondary_value": None, "timezone": "UTC", "delay_until_time": "09:00:00"}
    definition = given | {"data": {**data, "delay_until_weekdays": ["monday"]}}
    return world.changed(f"/api/flow-actions/{given['id']}", "flow-action", given["id"], {"definition": definition})


def new_flow(world: World, record: dict[str, Any]) -> Reply:
    return messages_api.new_flow(world.api, delay_action("wait"), trigger={"type": "list", "id": world.list_id})


def uploaded(world: World, record: dict[str, Any]) -> Reply:
    content = (
        b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00"
    )
    content += b"\x01\x00\x01\x00\x00\x02\x01D\x00;"
    head = b'--b\r\ncontent-disposition: form-data; name="%b"'
    parts = [
        head % b"name",
        b"\r\n\r\ndot\r\n",
        head % b"file",
        b'; filename="dot.gif"\r\ncontent-type: image/gif\r\n\r\n',
    ]
    body = b"".join([*parts, content, b"\r\n--b--\r\n"])
    return world.api("POST", record["path"], body, headers={"Content-Type": "multipart/form-data; boundary=b"})


def new_form(world: World, record: dict[str, Any]) -> Reply:
    version = form_version(world.list_id)
    if record["status"] == 400:
        version["steps"] = version["steps"][:1]
    given = {"name": "F", "status": "draft", "ab_test": False, "definition": {"versions": [version]}}
    return world.made("/api/forms", "form", given)


def merged(world: World, record: dict[str, Any]) -> Reply:
    source = {"type": "profile", "id": world.api.profile(email="old@shop.test")}
    data = {"type": "profile-merge", "id": world.profile, "relationships": {"profiles": {"data": [source]}}}
    return world.api("POST", record["path"], {"data": data})


def new_segment(world: World, record: dict[str, Any]) -> Reply:
    condition = {"type": "profile-group-membership", "is_member": True, "group_ids": [world.list_id]}
    definition = {"condition_groups": [{"conditions": [{**condition, "timeframe_filter": None}]}]}
    return world.made("/api/segments", "segment", {"name": "S", "definition": definition})


def starred_segments(world: World, record: dict[str, Any]) -> Reply:
    starred = world.changed(f"/api/segments/{world.segment}", "segment", world.segment, {"is_starred": True})
    assert starred.status == 200
    return world.api.get(record["path"], **world.filled(record, "Ann"))


def template_copy(world: World, record: dict[str, Any]) -> Reply:
    if record["operation"] == "clone_template":
        return write(world.api, "POST", record["path"], "template", id=world.template, name="Copy")
    return write(world.api, "POST", record["path"], "template", id=world.template, context={"first_name": "Ada"})


def deleted_person(world: World, record: dict[str, Any]) -> Reply:
    email = {404: "nobody@shop.test", 202: "ann@shop.test"}[record["status"]]
    assert world.profile
    person = {"data": {"type": "profile", "attributes": {"email": email}}}
    return world.made(record["path"], "data-privacy-deletion-job", {"profile": person})


def of_nothing(world: World, record: dict[str, Any]) -> Reply:
    return world.api.get(record["path"].replace("{id}", NONE))


def bulk_events(world: World, record: dict[str, Any]) -> Reply:
    person = {"data": {"type": "profile", "attributes": {"email": "a@shop.test"}}}
    metric = {"data": {"type": "metric", "attributes": {"name": "Viewed"}}}
    events = {"data": [{"type": "event", "attributes": {"properties": {}, "metric": metric}}]}
    entry = {"type": "event-bulk-create", "attributes": {"profile": person, "events": events}}
    return world.made(record["path"], "event-bulk-create-job", {"events-bulk-create": {"data": [entry]}})


def back_in_stock(world: World, record: dict[str, Any]) -> Reply:
    person = {"data": {"type": "profile", "attributes": {"email": "a@shop.test"}}}
    variant = {"type": "catalog-variant", "id": PREFIX + (world.catalog and "v")}
    given = {"channels": ["EMAIL"], "profile": person}
    return world.made(record["path"], "back-in-stock-subscription", given, variant=variant)


def second_feed(world: World, record: dict[str, Any]) -> Reply:
    assert world.feed
    assert world.new_feed("two").status == 201
    return world.api.get(record["path"], **record["query"])


def second_form(world: World, record: dict[str, Any]) -> Reply:
    assert world.form
    assert new_form(world, {"status": 201}).status == 201
    return world.api.get(record["path"], **record["query"])


def catalog_job(kind: str, verb: str, *, waiting: bool) -> Request:
    def request(world: World, record: dict[str, Any]) -> Reply:
        found = World(world.slow, world.slow) if waiting else world
        job = found.catalog_job(kind, verb)
        return found.api.get(record["path"].replace("{job_id}", job), **record["query"])

    return request


def catalog_job_made(kind: str, verb: str) -> Request:
    def request(world: World, record: dict[str, Any]) -> Reply:
        return World(world.slow, world.slow).new_catalog_job(kind, verb)

    return request


def codes_jobs(world: World, record: dict[str, Any]) -> Reply:
    assert world.coupon
    codes_job(world.api, code("Y", "SALE"))
    return world.api.get(record["path"], **record["query"])


def import_job(world: World, record: dict[str, Any]) -> Reply:
    path, api = record["path"], world.slow
    name = "{job_id}" if "{job_id}" in path else "{id}"
    job = api.imports({"attributes": {"email": "a@shop.test"}}, lists=(api.list(opt_in_process="single_opt_in"),))
    return api.get(path.replace(name, job.data["id"]), **record["query"])


def suppression_job(world: World, record: dict[str, Any]) -> Reply:
    path, api = record["path"], world.api
    if "delete" in path:
        api = world.slow
        job = api.suppress("delete", list_id=api.list())
    else:
        job = api.suppress("create", "ann@shop.test")
    return api.get(path.replace("{job_id}", job.data["id"]), **record["query"])


def segments_of(world: World, record: dict[str, Any]) -> Reply:
    assert world.segment
    return world.api.get(record["path"].replace("{id}", world.profile), **record["query"])


def lists_of(world: World, record: dict[str, Any]) -> Reply:
    assert world.api.join(world.list_id, world.profile).status == 204
    return world.api.get(record["path"].replace("{id}", world.profile), **record["query"])


def of_image_message(world: World, record: dict[str, Any]) -> Reply:
    """A text message with an image."""
    sms = {"channel": "sms", "content": {"body": "x"}}
    made = messages_api.new_campaign(world.api, definition=sms)
    message = made.data["relationships"]["campaign-messages"]["data"][0]["id"]
    path = record["path"].replace("{id}", message)
    assert world.api("PATCH", path, {"data": {"type": "image", "id": world.image}}).status == 204
    return world.api.get(path)


def message_action(world: World, record: dict[str, Any]) -> Reply:
    message = world.actions[1]["data"]["message"]["id"]
    return world.api.get(record["path"].replace("{id}", message), **record["query"])


def mail_action(world: World, record: dict[str, Any]) -> Reply:
    return world.api.get(record["path"].replace("{id}", world.actions[1]["id"]), **record["query"])


def mail_flows(world: World, record: dict[str, Any]) -> Reply:
    return world.api.get(record["path"].replace("{id}", world.mail_flow), **record["query"])


def tagged(world: World, record: dict[str, Any]) -> Reply:
    """The tags of something that has one."""
    kind = record["path"].split("/")[2]
    one = world.ids()[kind]()
    identifiers = [{"type": kind.removesuffix("s"), "id": one}]
    linked = world.api("POST", f"/api/tags/{world.tag}/relationships/{kind}", {"data": identifiers})
    assert linked.status == 204
    return world.api.get(record["path"].replace("{id}", one), **record["query"])


def of_group(world: World, record: dict[str, Any]) -> Reply:
    assert world.tag
    return world.api.get(record["path"].replace("{id}", world.group), **record["query"])


def with_data(path_of: Callable[[World], Any]) -> Request:
    """A collection that has something."""

    def request(world: World, record: dict[str, Any]) -> Reply:
        assert path_of(world)
        return world.api.get(record["path"], **world.filled(record))

    return request


def report(world: World, record: dict[str, Any]) -> Reply:
    kind = record["path"].removeprefix("/api/").removesuffix("s")
    what = kind.partition("-")[0]
    statistics = {"form": ["viewed_form"], "segment": ["members_added", "total_members"]}.get(what, ["opens"])
    if kind == "segment-series-report":
        statistics = ["net_members_changed", "total_members"]
    given: dict[str, Any] = {"statistics": statistics, "timeframe": {"key": "last_7_days"}}
    if what in ("campaign", "flow"):
        given["conversion_metric_id"] = world.metric
    if "series" in kind:
        given["interval"] = "daily"
    if what == "segment":
        assert world.segment
    return world.made(record["path"], kind, given, query=record["query"])


STYLED = {"name": "N", "definition": {"content_type": "block", "type": "html", "data": {"content": "y"}}}
STYLED["definition"]["data"]["display_options"] = {"show_on": "desktop"}  # type: ignore[index]
TRACKED: dict[str, Any] = {"auto_add_parameters": False}
CHANGED_CAMPAIGN: dict[str, Any] = {"name": "N", "send_options": {"use_smart_sending": False}}

REQUESTS: dict[str, Request] = {
    "bulk_delete_object_records.404": deleted_objects,
    "create_object_schema.404": new_schema,
    "create_object_schema_relationship.404": schema_link,
    "update_object_schema_relationship.404": schema_link,
    "delete_object_schema_relationship.404": schema_link,
    "update_profile_schema_relationship.404": schema_link,
    "delete_profile_schema_relationship.404": schema_link,
    "create_tag.404": lambda world, record: world.made(
        "/api/tags", "tag", {"name": "T"}, tag_group={"type": "tag-group", "id": "0" * 8 + "-0000" * 3 + "-" + "0" * 12}
    ),
    "delete_catalog_category.404": lambda world, record: world.api("DELETE", at("categories", "none")),
    "delete_catalog_variant.404": lambda world, record: world.api("DELETE", at("variants", "none")),
    "delete_object_type.404": lambda world, record: world.api("DELETE", f"/api/object-types/{NONE}"),
    "update_object_schema.404": patched("object-schema", {"title": "T"}, lambda world: NONE),
    "update_source_mapping.404": patched("source-mapping", {}, lambda world: NONE),
    "get_event.400": lambda world, record: world.api.get("/api/events/NOPE01"),
    "get_campaigns.400": lambda world, record: world.api.get(record["path"], **record["query"]),
    "request_profile_deletion.404": deleted_person,
    "create_form.400": new_form,
    "create_form.201": new_form,
    "create_web_feed.400": lambda world, record: world.new_feed("with-dashes"),
    "upload_image_from_url.400": lambda world, record: world.made(
        "/api/images", "image", {"import_from_url": "data:text/html,no"}
    ),
    "update_mapped_metric.403": mapped_thrice,
    "delete_template.409": used_template,
    "create_segment.429": throttled_segment,
    "get_accounts.401": wrong_key,
    "update_campaign.200": lambda world, record: patched(
        "campaign",
        CHANGED_CAMPAIGN | {"audiences": {"included": [world.list_id], "excluded": [world.api.list("Not")]}},
        lambda found: str(found.campaign["id"]),
    )(world, record),
    "create_catalog_item.201": lambda world, record: world.api(
        "POST", record["path"], {"data": item("new", price=5.5, custom_metadata={"a": 1})}
    ),
    "update_catalog_variant.200": patched(
        "catalog-variant", {"title": "N", "images": ["j"]}, lambda world: PREFIX + (world.catalog and "v")
    ),
    "update_catalog_category.200": patched(
        "catalog-category", {"name": "N"}, lambda world: PREFIX + (world.catalog and "c")
    ),
    "get_bulk_create_catalog_items_jobs.200": catalog_job("item", "create", waiting=False),
    "get_bulk_create_categories_jobs.200": catalog_job("category", "create", waiting=False),
    "get_bulk_update_variants_jobs.200": catalog_job("variant", "update", waiting=False),
    "get_bulk_create_catalog_items_job.200": catalog_job("item", "create", waiting=True),
    "get_bulk_create_variants_job.200": catalog_job("variant", "create", waiting=True),
    "get_bulk_update_catalog_items_job.200": catalog_job("item", "update", waiting=True),
    "get_bulk_update_variants_job.200": catalog_job("variant", "update", waiting=True),
    "get_bulk_create_categories_job.200": catalog_job("category", "create", waiting=True),
    "get_bulk_update_categories_job.200": catalog_job("category", "update", waiting=True),
    "get_bulk_delete_catalog_items_job.200": catalog_job("item", "delete", waiting=False),
    "get_bulk_delete_variants_job.200": catalog_job("variant", "delete", waiting=False),
    "bulk_create_catalog_variants.202": catalog_job_made("variant", "create"),
    "bulk_create_catalog_categories.202": catalog_job_made("category", "create"),
    "update_categories_for_catalog_item.200": lambda world, record: world.api(
        "PATCH", at("items", world.catalog, "/relationships/categories"), {"data": links("category", "c")}
    ),
    "get_object_type_relationships.200": of_nothing,
    "get_profile_type_relationships.200": of_nothing,
    "bulk_unsubscribe_profiles.202": lambda world, record: world.api.consent(
        "delete",
        {"email": "a@shop.test", "subscriptions": {"email": {"marketing": {"consent": "UNSUBSCRIBED"}}}},
    ),
    "request_profile_deletion.202": deleted_person,
    "create_event.202": lambda world, record: world.api.event("Viewed", email="a@shop.test"),
    "bulk_create_events.202": bulk_events,
    "create_back_in_stock_subscription.202": back_in_stock,
    "bulk_update_catalog_items.202": catalog_job_made("item", "update"),
    "bulk_delete_catalog_items.202": catalog_job_made("item", "delete"),
    "update_coupon.200": patched("coupon", {"description": "e"}, lambda world: world.coupon),
    "create_coupon_code.200": lambda world, record: world.api(
        "POST", record["path"], {"data": code("N", world.coupon)}
    ),
    "update_coupon_code.200": patched(
        "coupon-code", {"expires_at": "2030-01-01T00:00:00Z"}, lambda world: world.coupon + "-X1"
    ),
    "get_bulk_create_coupon_code_jobs.200": codes_jobs,
    "get_coupon_codes.200": with_data(lambda world: world.coupon),
    "create_flow.201": new_flow,
    "update_flow.200": patched("flow", {"status": "manual"}, lambda world: str(world.flow["id"])),
    "update_flow_action.200": flow_action_change,
    "get_flows.200": mail_flows,
    "get_flow.200": mail_flows,
    "get_flow_action_messages.200": mail_action,
    "get_message_ids_for_flow_action.200": mail_action,
    "upload_image_from_url.201": lambda world, record: world.made(
        "/api/images", "image", {"import_from_url": PICTURE, "name": "dot"}
    ),
    "upload_image_from_file.201": uploaded,
    "update_list.200": patched("list", {"name": "N"}, lambda world: world.list_id),
    "create_custom_metric.201": lambda world, record: world.new_custom_metric(record["query"]),
    "update_profile.200": patched("profile", {"first_name": "N", "properties": {"a": 1}}, lambda world: world.profile),
    "merge_profiles.202": merged,
    "create_segment.201": new_segment,
    "get_segments.200": starred_segments,
    "create_tag.201": lambda world, record: world.made("/api/tags", "tag", {"name": "T"}),
    "get_tags_for_campaign.200": tagged,
    "get_tag_ids_for_campaign.200": tagged,
    "get_tags_for_flow.200": tagged,
    "get_tag_ids_for_flow.200": tagged,
    "get_tags_for_tag_group.200": of_group,
    "get_templates.200": with_data(lambda world: world.template),
    "update_template.200": patched("template", {"name": "N", "html": "<p>x</p>"}, lambda world: world.template),
    "delete_template.200": lambda world, record: world.api("DELETE", f"/api/templates/{world.template}"),
    "render_template.200": template_copy,
    "clone_template.200": template_copy,
    "get_all_universal_content.200": with_data(lambda world: world.content),
    "update_universal_content.200": patched("template-universal-content", STYLED, lambda world: world.content),
    "update_tracking_setting.200": patched("tracking-setting", TRACKED, lambda world: world.account),
    "create_web_feed.201": lambda world, record: world.new_feed("new"),
    "update_web_feed.200": patched("web-feed", {"name": "n"}, lambda world: world.feed),
    "get_web_feeds.200": second_feed,
    "get_forms.200": second_form,
    "create_webhook.201": lambda world, record: world.new_webhook(record["query"]),
    "update_webhook.200": patched("webhook", {"name": "N"}, lambda world: world.webhook),
    "get_campaigns.200": with_data(lambda world: world.campaign),
    "get_catalog_items.200": with_data(lambda world: world.catalog),
    "get_catalog_variants.200": with_data(lambda world: world.catalog),
    "get_catalog_categories.200": with_data(lambda world: world.catalog),
    "get_image_id_for_campaign_message.200": of_image_message,
    "get_bulk_import_profiles_job.200": import_job,
    "get_list_for_bulk_import_profiles_job.200": import_job,
    "get_errors_for_bulk_import_profiles_job.200": import_job,
    "get_bulk_suppress_profiles_jobs.200": suppression_job,
    "get_bulk_suppress_profiles_job.200": suppression_job,
    "get_bulk_unsuppress_profiles_job.200": suppression_job,
    "get_segments_for_profile.200": segments_of,
    "get_lists_for_profile.200": lists_of,
    "get_bulk_delete_categories_job.200": catalog_job("category", "delete", waiting=False),
}


def send(world: World, record: dict[str, Any]) -> Reply:
    known = REQUESTS.get(f"{record['operation']}.{record['status']}")
    if known is not None:
        return known(world, record)
    if "-reports" in record["path"]:
        return report(world, record)
    path = record["path"]
    base = path.split("/")[2]
    if record["status"] == 404:
        none = quote(f"{PREFIX}none", safe="") if base.startswith("catalog-") and "jobs" not in base else NONE
        none = "1" if base == "flow-actions" else none
        return world.api.get(path.replace("{id}", none).replace("{job_id}", none), **record["query"])
    return world.api.get(path.replace("{id}", world.ids()[base]() if "{id}" in path else ""), **world.filled(record))


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Running, Running]]:
    """One whose jobs are done at once, one whose jobs stay accepted."""
    with running(job_delay=0, quirks="live") as quick, running(job_delay=3600, quirks="live") as slow:
        yield quick, slow


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: f"{record['operation']}.{record['status']}")
def test_answers_have_the_recorded_shape(record: dict[str, Any], servers: tuple[Running, Running]) -> None:
    key = f"pk_{next(_accounts)}"
    quick, slow = (Api(server.base_url, key) for server in servers)
    hold(record, send(World(quick, slow), record))


def test_restated_records_are_all_there() -> None:
    assert len(RECORDS) == 250
    assert REQUESTS.keys() <= {f"{record['operation']}.{record['status']}" for record in RECORDS}


def test_every_recorded_success_is_answered_with_its_status() -> None:
    """Also those of which nothing but the status is known: the operations without a body."""
    operations = catalogue_of("2026-07-15", live=True).operations
    both = {"create_or_update_profile": {200, 201}}
    departing = {
        name
        for name, statuses in recorded().items()
        for status in statuses
        if status < 300 and status not in both.get(name, {operations[name].status})
    }
    assert departing == set()
    assert len(recorded()) == 326
