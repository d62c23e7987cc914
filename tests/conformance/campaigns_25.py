"""Runs in the environment of klaviyo-api 25.0.0: omni-channel campaigns through the official SDK.

Prints one JSON object: for every operation the type of what the SDK gave back, beside what the chains found.
"""

# mypy: disable-error-code="import-not-found,no-untyped-def,no-untyped-call,type-arg"
# (that environment is not the one this repository is checked in)

import json
import sys

from klaviyo_api import KlaviyoAPI
from openapi_client.exceptions import OpenApiException

types: dict = {}
found: dict = {}
PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"


def call(group, operation, *args, **options):
    """One operation; what it gave, and its type for the record."""
    given = getattr(group, operation)(*args, **options)
    types.setdefault(operation, type(given).__name__)
    return given


def refused(operation, *args, **options):
    """Status, detail and place of a refusal."""
    try:
        operation(*args, **options)
    except OpenApiException as error:
        first = json.loads(error.body)["errors"][0]
        return [error.status, first["detail"], first["source"].get("pointer", first["source"].get("parameter"))]
    return None


def body(kind, id=None, relationships=None, **attributes):
    data: dict = {"type": kind}
    if attributes:
        data["attributes"] = {name.rstrip("_"): value for name, value in attributes.items()}  # id_: an attribute
    if id:
        data["id"] = id
    if relationships:
        data["relationships"] = {name: {"data": value} for name, value in relationships.items()}
    return {"data": data}


def to(kind, id):
    return {kind: {"type": kind, "id": id}}


def people(k, *names):
    """A list of its own for each, with one person who may be written to."""
    lists = {}
    for name in names:
        list_id = k.Lists.create_list(body("list", name=name, opt_in_process="single_opt_in")).data.id
        person = k.Profiles.create_profile(
            body("profile", email=f"{name}@shop.test", first_name=name.title(), locale="fr")
        ).data.id
        k.Lists.add_profiles_to_list(list_id, {"data": [{"type": "profile", "id": person}]})
        lists[name] = list_id
    return lists


def tree(k, lists, template_id):
    """The whole of a campaign at once, read back in every way."""
    c = k.Campaigns
    tag_id = k.Tags.create_tag(body("tag", name="spring")).data.id
    email = {"channel": "email", "subject": "Hi {{ first_name }}", "template_id": template_id}
    made = call(
        c,
        "create_campaign",
        body(
            "campaign",
            relationships={"tags": [{"type": "tag", "id": tag_id}]},
            definition={"name": "Spring", "builder": "canvas", "color": "ff5733"},
            audiences=[
                {"temporary_id": "a", "name": "First", "included": [lists["ann"]]},
                {"temporary_id": "b", "name": "Second", "included": [lists["bob"]], "excluded": [lists["ann"]]},
            ],
            messages=[
                {
                    "audience_temporary_id": "a",
                    "name": "One",
                    "variations": [{"definition": {"name": "A", "details": email}}],
                },
                {"audience_temporary_id": "b", "name": "Two", "is_add_utm": True, "throttling_type": "NONE"},
            ],
        ),
    ).data
    campaign_id = made.id
    audience_ids = [one.id for one in made.relationships.campaign_audiences.data]
    message_ids = [one.id for one in made.relationships.campaign_messages.data]
    read = call(c, "get_campaign", campaign_id, include=["campaign-audiences", "campaign-messages", "tags"])
    found["campaign"] = [
        read.data.attributes.definition.name,
        read.data.attributes.definition.color,
        [one["type"] for one in read.included],
    ]
    k.Campaigns.create_campaign(body("campaign", definition={"name": "Autumn"}))
    names = [one.attributes.definition.name for one in call(c, "get_campaigns", sort="name").data]
    wanted = "contains(name,'pring'),equals(builder,'canvas'),equals(archived,false)"
    found["listed"] = [names, [one.id for one in c.get_campaigns(filter=wanted).data] == [campaign_id]]
    first = c.get_campaigns(sort="-name", page_size=1)
    second = c.get_campaigns(sort="-name", page_size=1, page_cursor=first.links.next)
    found["pages"] = [one.data[0].attributes.definition.name for one in (first, second)]
    changed = call(c, "update_campaign", campaign_id, body("campaign", id=campaign_id, definition={"archived": True}))
    found["archived"] = [changed.data.attributes.definition.archived, changed.data.attributes.definition.name]
    c.update_campaign(campaign_id, body("campaign", id=campaign_id, definition={"archived": False}))
    found["tags"] = [one.id for one in call(c, "get_tags_for_campaign", campaign_id).data] == [tag_id]
    call(c, "get_tag_ids_for_campaign", campaign_id)
    found["message tags"] = [one.id for one in call(c, "get_tags_for_campaign_message", message_ids[0]).data] == [
        tag_id
    ]
    call(c, "get_tag_ids_for_campaign_message", message_ids[0])
    call(c, "get_campaign_audiences_for_campaign", campaign_id)
    call(c, "get_audience_ids_for_campaign", campaign_id)
    call(c, "get_messages_for_campaign", campaign_id, include=["campaign"])
    call(c, "get_message_ids_for_campaign", campaign_id)
    return campaign_id, audience_ids, message_ids


def audiences(k, campaign_id, audience_ids, lists):
    c = k.Campaigns
    read = call(c, "get_campaign_audience", audience_ids[1], include=["campaign", "campaign-messages"])
    definition = read.data.attributes.definition
    found["audience"] = [definition.name, definition.included == [lists["bob"]], [one["type"] for one in read.included]]
    call(c, "get_campaign_for_campaign_audience", audience_ids[0])
    call(c, "get_campaign_id_for_campaign_audience", audience_ids[0])
    call(c, "get_campaign_messages_for_campaign_audience", audience_ids[0])
    call(c, "get_message_ids_for_campaign_audience", audience_ids[0])
    third = call(
        c,
        "create_campaign_audience",
        body(
            "campaign-audience",
            relationships=to("campaign", campaign_id),
            definition={"name": "Third", "included": [lists["cid"]], "priority": 3},
        ),
    ).data
    changed = call(
        c,
        "update_campaign_audience",
        third.id,
        body("campaign-audience", id=third.id, definition={"name": "3rd", "excluded": [lists["ann"]]}),
    ).data.attributes.definition
    found["audience changed"] = [changed.name, len(changed.included), len(changed.excluded), changed.priority]
    copied = call(c, "clone_campaign_audience", body("campaign-audience-clone", id=third.id, id_=third.id)).data
    found["audience copied"] = copied.attributes.definition.name
    call(c, "delete_campaign_audience", copied.id)
    found["audience gone"] = refused(c.get_campaign_audience, copied.id)[:2] == [
        404,
        f"An audience with id '{copied.id}' does not exist.",
    ]
    return third.id


def messages(k, campaign_id, audience_id, message_ids):
    c = k.Campaigns
    made = call(
        c,
        "create_campaign_message",
        body(
            "campaign-message",
            relationships=to("campaign", campaign_id) | to("campaign-audience", audience_id),
            definition={"name": "Three", "tracking_options": {"is_tracking_opens": False}},
            variations=[{"definition": {"name": "S", "details": {"channel": "sms", "body": "Hi"}}}],
        ),
    ).data
    read = call(c, "get_campaign_message", made.id, include=["campaign", "campaign-variations"])
    definition = read.data.attributes.definition
    found["message"] = [definition.name, definition.status, definition.tracking_options.is_tracking_opens]
    found["message included"] = [one["type"] for one in read.included]
    changed = call(
        c,
        "update_campaign_message",
        made.id,
        body(
            "campaign-message",
            id=made.id,
            definition={
                "name": "Drei",
                "send_options": {"is_ignoring_unsubscribes": True},
                "ab_test": {"winner_percentage": 60},
            },
        ),
    ).data.attributes.definition
    found["message changed"] = [
        changed.name,
        changed.send_options.is_ignoring_unsubscribes,
        changed.ab_test.winner_percentage,
    ]
    listed = call(c, "get_campaign_messages", filter=f"equals(campaign_id,'{campaign_id}')", sort="-name")
    found["messages"] = [one.attributes.definition.name for one in listed.data]
    drafts = c.get_campaign_messages(filter="equals(status,'draft'),contains(name,'rei')", include=["campaign"])
    found["drafts"] = [len(drafts.data), len(drafts.included)]
    found["audience of message"] = call(c, "get_audience_for_campaign_message", made.id).data.id == audience_id
    call(c, "get_audience_id_for_campaign_message", made.id)
    found["campaign of message"] = call(c, "get_campaign_for_campaign_message", made.id).data.id == campaign_id
    call(c, "get_campaign_id_for_campaign_message", made.id)
    call(c, "get_variations_for_campaign_message", made.id)
    call(c, "get_variation_ids_for_campaign_message", made.id)
    copied = call(
        c,
        "clone_campaign_message",
        body(
            "campaign-message", id=made.id, relationships=to("campaign-audience", audience_id), id_=made.id, name="Vier"
        ),
    ).data
    found["message copied"] = [
        copied.attributes.definition.name,
        len(c.get_variations_for_campaign_message(copied.id).data),
    ]
    call(c, "delete_campaign_message", copied.id)
    found["message gone"] = refused(c.get_campaign_message, copied.id)[0]
    image_id = k.Images.upload_image_from_url(body("image", import_from_url=PIXEL, name="dot")).data.id
    call(c, "update_image_for_campaign_message", made.id, {"data": {"type": "image", "id": image_id}})
    found["image"] = call(c, "get_image_for_campaign_message", made.id).data.id == image_id
    call(c, "get_image_id_for_campaign_message", made.id)
    call(c, "get_template_for_campaign_message", message_ids[0])
    call(c, "get_template_id_for_campaign_message", message_ids[0])
    return made.id, image_id


def variations(k, message_id, image_id, template_id):
    c = k.Campaigns
    push = {"channel": "push", "title": "T", "body": "B", "static_asset_id": int(image_id)}
    found["other channel"] = refused(
        c.create_campaign_variation,
        body("campaign-variation", relationships=to("campaign-message", message_id), definition={"details": push}),
    )
    made = call(
        c,
        "create_campaign_variation",
        body(
            "campaign-variation",
            relationships=to("campaign-message", message_id),
            definition={
                "name": "Second",
                "details": {"channel": "sms", "body": "Ho", "mms_static_image_asset_id": int(image_id)},
            },
        ),
    ).data
    read = call(c, "get_campaign_variation", made.id, include=["campaign-message", "image"])
    found["variation"] = [
        read.data.attributes.definition.name,
        read.data.attributes.definition.details["body"],
        [one["type"] for one in read.included],
    ]
    changed = call(
        c,
        "update_campaign_variation",
        made.id,
        body("campaign-variation", id=made.id, definition={"details": {"channel": "sms", "body": "He"}}),
    ).data.attributes.definition
    found["variation changed"] = [changed.name, changed.details["body"], changed.details["mms_static_image_asset_id"]]
    call(c, "get_message_for_campaign_variation", made.id)
    call(c, "get_message_id_for_campaign_variation", made.id)
    call(c, "get_image_for_campaign_variation", made.id)
    call(c, "get_image_id_for_campaign_variation", made.id)
    found["untranslated"] = c.get_translation_for_campaign_variation(made.id).data
    call(c, "delete_campaign_variation", made.id)
    found["variation gone"] = refused(c.get_campaign_variation, made.id)[:2] == [
        404,
        f"A variation with id '{made.id}' does not exist.",
    ]


def translated(k, message_id):
    """A variation in the language of its readers."""
    c, t = k.Campaigns, k.Translations
    variation_id = c.get_variation_ids_for_campaign_message(message_id).data[0].id
    made = t.create_translation(
        body(
            "translation",
            relationships=to("campaign-variation", variation_id),
            source_locale="en",
            target_locales=["fr"],
            fallback_locale="en",
            channel="email",
        )
    ).data
    texts = [{"id": "subject", "translations": {"fr": "Salut {{ first_name }}"}}]
    t.update_translation(made.id, body("translation", id=made.id, values=texts))
    found["translation"] = [
        call(c, "get_translation_for_campaign_variation", variation_id).data.id == made.id,
        call(c, "get_translation_id_for_campaign_variation", variation_id).data.id == made.id,
        call(t, "get_campaign_variation_for_translation", made.id).data.id == variation_id,
        call(t, "get_campaign_variation_id_for_translation", made.id).data.id == variation_id,
        [one["type"] for one in c.get_campaign_variation(variation_id, include=["translation"]).included],
    ]


def sending(k, campaign_id, message_ids, sms_id, template_id):
    """Message by message, the whole campaign, and back; then for real."""
    c = k.Campaigns
    assigned = body("campaign-message", id=message_ids[1], relationships=to("template", template_id))
    found["assigned"] = call(c, "assign_template_to_campaign_message", assigned).data.attributes.channel
    related = to("campaign-message", message_ids[0])
    late: dict = {"strategy": "throttled", "send_time": "2035-01-01T09:00:00Z"}
    found["throttled"] = refused(
        c.schedule_campaign_message, body("campaign-message-schedule", relationships=related, **late)
    )
    late["throttled_options"] = {"throttling_percentage": 50, "throttle_unit": "minute"}
    planned = call(
        c, "schedule_campaign_message", body("campaign-message-schedule", relationships=related, **late)
    ).data
    found["schedule"] = [
        planned.id == message_ids[0],
        planned.attributes.strategy,
        planned.attributes.throttling_percentage,
        planned.attributes.throttle_unit,
        c.get_campaign_message(message_ids[0]).data.attributes.definition.status,
    ]
    found["locked"] = refused(
        c.update_campaign_message, message_ids[0], body("campaign-message", id=message_ids[0], definition={"name": "x"})
    )
    revert = body("campaign-message-schedule", id=message_ids[0], action="revert")
    call(c, "update_campaign_message_schedule", message_ids[0], revert)
    found["reverted"] = c.get_campaign_message(message_ids[0]).data.attributes.definition.status
    c.delete_campaign_message(sms_id)
    schedules = [
        {"message_id": message_ids[0], "strategy": "static", "send_time": "2035-01-01T09:00:00Z"},
        {"message_id": message_ids[1], "strategy": "smart_send_time", "send_date": "2035-01-02"},
    ]
    whole = call(
        c,
        "schedule_campaign",
        body("campaign-schedule", relationships=to("campaign", campaign_id), message_schedules=schedules),
    ).data
    found["campaign schedule"] = [
        [one.strategy, one.id == message_ids[at]] for at, one in enumerate(whole.attributes.messages)
    ]
    found["send job"] = call(c, "get_campaign_send_job", campaign_id).data.attributes.status
    call(c, "cancel_campaign_send", campaign_id, body("campaign-send-job", id=campaign_id, action="revert"))
    call(c, "refresh_campaign_recipient_estimation", body("campaign-recipient-estimation-job", id=campaign_id))
    call(c, "get_campaign_recipient_estimation_job", campaign_id)
    estimated = call(c, "get_campaign_recipient_estimation", campaign_id)
    found["estimated"] = estimated.data.attributes.estimated_recipient_count
    for one in message_ids:
        plain = {"send_strategy": "static", "send_time": "2020-01-01T00:00:00Z"}
        c.update_campaign_message(one, body("campaign-message", id=one, definition={"send_options": plain}))
    call(c, "send_campaign", body("campaign-send-job", id=campaign_id))
    found["sent"] = [c.get_campaign_message(one).data.attributes.definition.status for one in message_ids]
    found["received"] = sorted(one.attributes.event_properties["Subject"] for one in k.Events.get_events().data)
    found["delete sent"] = refused(c.delete_campaign_message, message_ids[0])
    copied = call(c, "clone_campaign", body("campaign", id=campaign_id, name="Again")).data
    parts = copied.relationships
    found["clone"] = [
        copied.attributes.definition.name,
        len(parts.campaign_audiences.data),
        len(parts.campaign_messages.data),
    ]
    call(c, "delete_campaign", copied.id)
    found["gone"] = [
        refused(c.get_campaign, copied.id)[0],
        refused(c.get_campaign_message, parts.campaign_messages.data[0].id)[0],
    ]


def report(k, campaign_id):
    metric_id = k.Metrics.get_metrics().data[0].id
    asked = {
        "timeframe": {"key": "last_7_days"},
        "statistics": ["recipients"],
        "conversion_metric_id": metric_id,
        "group_by": ["campaign_id", "campaign_message_id", "campaign_message_name"],
    }
    results = k.Reporting.query_campaign_values(body("campaign-values-report", **asked)).data.attributes.results
    found["report"] = sorted(
        [one.groupings["campaign_message_name"], one.statistics["recipients"]]
        for one in results
        if one.groupings["campaign_id"] == campaign_id
    )


def main(base_url):
    k = KlaviyoAPI("pk_official_campaigns", max_retries=0, test_host=base_url)
    lists = people(k, "ann", "bob", "cid")
    template = body("template", name="T", editor_type="CODE", html="<p>{{ first_name }}</p>")
    template_id = k.Templates.create_template(template).data.id
    campaign_id, audience_ids, message_ids = tree(k, lists, template_id)
    third = audiences(k, campaign_id, audience_ids, lists)
    sms_id, image_id = messages(k, campaign_id, third, message_ids)
    variations(k, sms_id, image_id, template_id)
    translated(k, message_ids[0])
    sending(k, campaign_id, message_ids, sms_id, template_id)
    report(k, campaign_id)
    json.dump({"types": types, "found": found}, sys.stdout, default=str)


main(sys.argv[1])
