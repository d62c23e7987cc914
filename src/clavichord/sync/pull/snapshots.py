"""Collections that are read whole every time: they are small, or have no time axis that shows every change."""

from __future__ import annotations

from collections.abc import Iterator

from clavichord.sync.pull.stream import ID, Column, Stream, Window, attributes

CHANNELS = ("email", "sms", "mobile_push")
"""of campaigns; the collection is refused without one (FACTS §4.1)"""
_ARCHIVED = tuple(f"equals(archived,{flag})" for flag in ("false", "true"))
_HIDDEN = tuple(f"equals(hidden,{flag})" for flag in ("false", "true"))


def _snapshot(
    name: str,
    operation: str,
    *,
    page: int = 0,
    sort: str = "",
    text: str = "",
    times: str = "",
    flags: str = "",
    numbers: str = "",
    json: str = "",
    related: str = "",
    include: str = "",
    of: tuple[str, str] = ("", ""),
    filters: tuple[str, ...] = (),
) -> Stream:
    """A collection by its attributes' names, type by type; `page` 0: it has no pages. `related` are the resources a row
    names one of, `include` those of them that it names only where they are asked for; `of` is the stream whose ids fill
    the path, and the column that keeps them."""
    parents, parent = of

    def columns() -> Iterator[Column]:
        yield ID
        if parent:
            yield Column(parent, "VARCHAR", ())
        for relation in (related + " " + include).split():
            yield Column(f"{relation.replace('-', '_')}_id", "VARCHAR", ("relationships", relation, "data", "id"))
        for type, names in (
            ("VARCHAR", text),
            ("BOOLEAN", flags),
            ("DOUBLE", numbers),
            ("TIMESTAMPTZ", times),
            ("JSON", json),
        ):
            yield from attributes(type, *names.split())

    return Stream(
        name=name,
        table=name,
        operation=operation,
        key=("id",),
        query=({"page[size]": str(page)} if page else {})
        | ({"sort": sort} if sort else {})
        | ({"include": ",".join(include.split())} if include else {}),
        parents=parents,
        filters=filters,
        sweep=True,
        marks=True,
        columns=tuple(columns()),
    )


SEGMENT_MEMBERS = Stream(
    name="segment_members",
    table="segment_members",
    operation="get_profiles_for_segment",
    key=("segment_id", "profile_id"),
    query={"page[size]": "100", "fields[profile]": "joined_group_at"},
    full=Window("joined_group_at"),
    version="joined_group_at",
    parents="segments",
    raw=False,
    sweep=True,
    columns=(
        Column("segment_id", "VARCHAR", ()),
        Column("profile_id", "VARCHAR", ("id",)),
        *attributes("TIMESTAMPTZ", "joined_group_at"),
    ),
)

SNAPSHOTS: tuple[Stream, ...] = (
    _snapshot(
        "segments",
        "get_segments",
        page=10,
        sort="id",
        text="name",
        json="definition",
        flags="is_active is_processing is_starred",
        times="created updated",
    ),
    SEGMENT_MEMBERS,
    _snapshot(
        "campaigns",
        "get_campaigns",
        page=100,
        sort="id",
        text="name status",
        flags="archived",
        times="created_at updated_at scheduled_at send_time",
        json="audiences send_options send_strategy tracking_options",
        filters=tuple(f"equals(messages.channel,'{c}'),{archived}" for c in CHANNELS for archived in _ARCHIVED),
    ),
    _snapshot(
        "campaign_messages",
        "get_messages_for_campaign",
        of=("campaigns", "campaign_id"),
        times="created_at updated_at",
        json="definition send_times",
        include="template image",
    ),
    _snapshot(
        "flows",
        "get_flows",
        page=50,
        sort="id",
        text="name status trigger_type",
        flags="archived",
        times="created updated",
        filters=_ARCHIVED,
    ),
    _snapshot(
        "flow_actions",
        "get_actions_for_flow",
        page=50,
        sort="id",
        of=("flows", "flow_id"),
        times="created updated",
        json="definition",
    ),
    _snapshot(
        "flow_messages",
        "get_flow_action_messages",
        page=50,
        sort="id",
        of=("flow_actions", "flow_action_id"),
        text="channel",
        times="created updated",
        json="definition",
    ),
    _snapshot(
        "templates",
        "get_templates",
        page=10,
        sort="id",
        text="name editor_type html text amp",
        times="created updated",
    ),
    _snapshot(
        "universal_content",
        "get_all_universal_content",
        page=100,
        sort="id",
        text="name screenshot_status screenshot_url",
        times="created updated",
        json="definition",
    ),
    _snapshot("tag_groups", "get_tag_groups", page=25, sort="id", text="name", flags="default exclusive"),
    _snapshot("tags", "get_tags", page=50, sort="id", text="name", related="tag-group"),
    _snapshot(
        "forms",
        "get_forms",
        page=100,
        sort="created_at",
        text="name status",
        flags="ab_test",
        times="created_at updated_at",
    ),
    _snapshot(
        "coupons",
        "get_coupons",
        page=100,
        text="external_id description",
        json="monitor_configuration",
    ),
    _snapshot(
        "coupon_codes",
        "get_coupon_codes_for_coupon",
        page=100,
        of=("coupons", "coupon_id"),
        text="unique_code status",
        times="expires_at",
    ),
    _snapshot(
        "catalog_items",
        "get_catalog_items",
        page=100,
        sort="created",
        text="external_id title description url image_full_url image_thumbnail_url",
        flags="published",
        numbers="price",
        times="created updated",
        json="images custom_metadata",
    ),
    _snapshot(
        "catalog_variants",
        "get_variants_for_catalog_item",
        of=("catalog_items", "item_id"),
        page=100,
        sort="created",
        text="external_id title description sku url image_full_url image_thumbnail_url",
        flags="published",
        numbers="price inventory_quantity inventory_policy",
        times="created updated",
        json="images custom_metadata",
    ),
    _snapshot(
        "catalog_categories",
        "get_catalog_categories",
        page=100,
        sort="created",
        text="external_id name",
        times="updated",
    ),
    _snapshot(
        "images",
        "get_images",
        page=100,
        sort="id",
        text="name format image_url",
        flags="hidden",
        numbers="size",
        times="updated_at",
        filters=_HIDDEN,
    ),
    _snapshot(
        "reviews",
        "get_reviews",
        page=100,
        sort="created",
        text="review_type title content author email smart_quote",
        numbers="rating",
        flags="verified",
        times="created updated",
        json="status images product public_reply",
    ),
    _snapshot(
        "push_tokens",
        "get_push_tokens",
        page=100,
        text="token vendor platform enablement_status background",
        times="created recorded_date",
        json="metadata",
        include="profile",
    ),
    _snapshot(
        "web_feeds",
        "get_web_feeds",
        page=20,
        sort="created",
        text="name url request_method content_type status",
        times="created updated",
    ),
    _snapshot(
        "webhooks",
        "get_webhooks",
        text="name description endpoint_url",
        flags="enabled",
        times="created_at updated_at",
    ),
    _snapshot(
        "accounts",
        "get_accounts",
        text="industry timezone preferred_currency public_api_key locale",
        flags="test_account",
        json="contact_information",
    ),
)
