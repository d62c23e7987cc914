"""Runs in the environment of klaviyo-api 25.0.0: brands, billing, text messaging, translations, and what is new for
forms, flows and templates, through the official SDK.

Prints one JSON object: for every operation the type of what the SDK gave back, beside what the chain found.
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
REGISTRATION = "text-messaging-sender-registration"


def call(group, operation, *args, **options):
    """One operation; what it gave, and its type for the record."""
    given = getattr(group, operation)(*args, **options)
    types.setdefault(operation, type(given).__name__)
    return given


def body(kind, id=None, relationships=None, **attributes):
    data = {"type": kind}
    if attributes:
        data["attributes"] = attributes
    if id:
        data["id"] = id
    if relationships:
        data["relationships"] = {
            name: {"data": {"type": kind, "id": one}} for name, (kind, one) in relationships.items()
        }
    return {"data": data}


def missing(operation, *args):
    """The status that refuses it."""
    try:
        operation(*args)
    except OpenApiException as error:
        return error.status
    return None


def library(b, kind, name, many, new, change, relationships=None):
    """One kind of the brand library, from its making to its end; its id, made once more."""
    made = call(b, f"create_brand_{name}", body(kind, relationships=relationships, **new)).data
    call(b, f"update_brand_{name}", made.id, body(kind, id=made.id, **change))
    read = call(b, f"get_brand_{name}", made.id).data
    listed = call(b, f"get_brand_{many}").data
    call(b, f"delete_brand_{name}", made.id)
    gone = missing(getattr(b, f"get_brand_{name}"), made.id)
    found[kind] = [read.attributes.name, [one.id for one in listed] == [made.id], gone]
    return getattr(b, f"create_brand_{name}")(body(kind, relationships=relationships, **new)).data.id


def brands(k):
    b = k.Brands
    account = k.Accounts.get_accounts().data[0].id
    text = {"color": "#FFF", "font_size": 16, "font_style": "normal", "font_family": "Arial", "font_weight": 700}
    text |= {"letter_spacing": 0, "text_decoration": "none"}
    style = {"background_color": "#000", "border_radius": 4, "box_shadow": "none"}
    border = {"border_color": "#000", "border_style": "solid", "border_width": 1}
    spacing = dict.fromkeys(("padding_top", "padding_right", "padding_bottom", "padding_left"), 8)
    new_button = {"style": style, "border": border, "spacing": spacing, "text": text}
    changed = {"name": "Changed"}
    button = library(b, "brand-button", "button", "buttons", new_button, changed)
    library(b, "brand-color", "color", "colors", {"colors": [{"hex": "#123", "name": "Night"}]}, changed)
    image = k.Images.upload_image_from_url(body("image", import_from_url=PIXEL, name="dot")).data.id
    logo = library(b, "brand-logo", "logo", "logos", {"width": 10}, changed, {"image": ("image", image)})
    links = [{"platform": "x_twitter", "link_url": "https://x.com/shop"}]
    social = library(b, "brand-social-group", "social_group", "social_groups", {"social_links": links}, changed)
    linked = {name: (name, one) for name, one in (("brand-button", button), ("brand-logo", logo))}
    linked["brand-social-group"] = ("brand-social-group", social)
    footer = {"social_group_color": "grey"}
    call(b, "update_brand_email_default", account, body("brand-email-default", account, linked, footer=footer))
    defaults = call(b, "get_brand_email_default", account, include=["brand-logo"]).data
    found["defaults"] = [
        defaults.attributes.footer.social_group_color,
        defaults.relationships.brand_logo.data.id == logo,
    ]
    call(b, "get_brand_email_defaults", include=list(linked))
    tone = [{"name": "Warm", "description": "Like a friend"}]
    call(b, "update_brand_voice", account, body("brand-voice", account, tone_descriptors=tone))
    found["voice"] = call(b, "get_brand_voice", account).data.attributes.tone_descriptors[0].name
    call(k.Billing, "list_billing_usage", filter="any(id,['email_sends'])")
    found["usage"] = call(k.Billing, "get_billing_usage", "email_sends").data.attributes.unit
    return account


def text_messaging(k, account):
    t = k.Text_Messaging
    call(t, "create_text_messaging_configuration", body("text-messaging-configuration", org_prefix="Shop"))
    found["prefix"] = call(t, "get_text_messaging_configuration", account).data.attributes.org_prefix
    address = {
        "street_address_1": "1 Main St",
        "city": "Boston",
        "region": "MA",
        "postal_code": "02111",
        "country": "US",
    }
    business: dict = {"first_name": "Ann", "last_name": "Lee", "phone_number": "+12025550123", "email": "ann@shop.test"}
    business |= {"address": address, "business_type": "PRIVATE_PROFIT", "business_name": "Shop"}
    business |= {"business_website": "https://shop.test", "business_registration_country": "US"}
    business |= {"business_registration_authority": "EIN", "business_registration_number": "1"}
    first = {"data": {"type": REGISTRATION, "attributes": business}}
    given: dict = {"sender_type": "toll_free", "sender_details": {"country": "US"}, REGISTRATION: first}
    sender = call(t, "create_text_messaging_sender", body("text-messaging-sender", **given)).data.id
    found["sender"] = call(t, "get_text_messaging_sender", sender, include=[REGISTRATION]).data.attributes.status
    found["senders"] = len(call(t, "get_text_messaging_senders", sort="created_at", page_size=20).data)
    related = {"text-messaging-sender": ("text-messaging-sender", sender)}
    again = call(t, "create_text_messaging_sender_registration", body(REGISTRATION, None, related, **business)).data.id
    call(t, "get_text_messaging_sender_registration", again, include=["text-messaging-sender"])
    newest = call(t, "get_messaging_sender_registration_for_text_messaging_sender", sender).data
    call(t, "get_messaging_sender_registration_id_for_text_messaging_sender", sender)
    found["registration"] = [newest.id == again, newest.attributes.status]


def templates(k):
    t = k.Templates
    template = t.create_template(body("template", name="T", editor_type="CODE", html="<p>Hello</p>")).data.id
    block = {"content_type": "block", "type": "html", "data": {"content": "<p>Sale</p>", "display_options": {}}}
    content = t.create_universal_content(body("template-universal-content", name="C", definition=block)).data.id
    clone = {"type": "template-universal-content", "id": content, "attributes": {"id": content}}
    cloned = call(t, "clone_universal_content", {"data": clone}).data
    found["cloned"] = [cloned.id != content, cloned.attributes.name]
    job = body("template-preview-send-job", None, {"template": ("template", template)}, recipients=["ann@shop.test"])
    found["preview"] = call(t, "create_template_preview_send_job", job).data.attributes.status
    return template, content


def flow_actions(k, template):
    message = {"subject_line": "Hello", "from_email": "a@shop.test", "template_id": template, "name": "One"}
    mail = {"temporary_id": "a", "type": "send-email", "data": {"message": message}, "links": {"next": None}}
    definition = {"triggers": [], "profile_filter": None, "actions": [mail], "entry_action_id": "a"}
    flow = k.Flows.create_flow(body("flow", name="Welcome", definition=definition)).data.id
    (action,) = (one.id for one in k.Flows.get_actions_for_flow(flow).data)
    wait = {"temporary_id": "w", "type": "time-delay", "data": {"unit": "days", "value": 1}, "links": {"next": action}}
    inserted = call(k.Flows, "create_flow_action", body("flow-action", definition=wait)).data
    found["inserted"] = [
        inserted.attributes.definition["links"]["next"] == action,
        inserted.relationships.flow.data.id == flow,
    ]
    return k.Flows.get_flow_action_messages(action).data[0].id


def forms(k):
    step: dict = {"columns": [{"rows": []}]}
    definition = {"versions": [{"steps": [step, step], "name": "Blue"}]}
    f = k.Forms
    form = f.create_form(body("form", name="Welcome", status="draft", ab_test=False, definition=definition)).data.id
    found["renamed"] = call(f, "update_form", form, body("form", form, name="Goodbye")).data.attributes.name
    job = call(f, "publish_form", body("form-publish-job", None, {"form": ("form", form)})).data
    found["published"] = [job.attributes.status, f.get_form(form).data.attributes.status]
    call(f, "unpublish_form", body("form-unpublish-job", None, {"form": ("form", form)}))
    found["unpublished"] = f.get_form(form).data.attributes.status


def variation(k, template):
    """Of the one message of a new campaign."""
    details = {"channel": "email", "subject": "Hello", "template_id": template}
    audience = {"temporary_id": "a", "included": [k.Lists.create_list(body("list", name="L")).data.id]}
    message = {"audience_temporary_id": "a", "variations": [{"definition": {"details": details}}]}
    message["name"] = "First"
    given = body("campaign", definition={"name": "Sale"}, audiences=[audience], messages=[message])
    made = k.Campaigns.create_campaign(given).data
    (message_id,) = (one.id for one in k.Campaigns.get_messages_for_campaign(made.id).data)
    return k.Campaigns.get_variations_for_campaign_message(message_id).data[0].id


def translations(k, owners):
    """`owners`: (type, id) of each kind that can be translated."""
    t = k.Translations
    locales = {"source_locale": "en", "target_locales": ["fr"], "fallback_locale": "en", "channel": "email"}
    for kind, owner in owners:
        made = call(t, "create_translation", body("translation", None, {kind: (kind, owner)}, **locales)).data.id
        read = call(t, "get_translation", made, additional_fields_translation=["values"], include=[kind])
        values = [{"id": read.data.attributes.values[0]["id"], "translations": {"fr": "Bonjour"}}]
        call(t, "update_translation", made, body("translation", made, values=values))
        again = t.get_translation(made, additional_fields_translation=["values"]).data.attributes.values
        name = kind.replace("-", "_")
        target = call(t, f"get_{name}_for_translation", made).data.id
        call(t, f"get_{name}_id_for_translation", made)
        found[f"translated {kind}"] = [target == owner, again[0]["translations"]]
    found["translations"] = len(
        call(t, "get_translations", filter='equals(channel,"email")', include=["template"]).data
    )
    call(t, "delete_translation", made)
    found["deleted"] = missing(t.get_translation, made)


def main(base_url):
    k = KlaviyoAPI("pk_official_brands", max_retries=0, test_host=base_url)
    account = brands(k)
    text_messaging(k, account)
    template, content = templates(k)
    message = flow_actions(k, template)
    forms(k)
    owners = [("template", template), ("template-universal-content", content), ("flow-message", message)]
    translations(k, [*owners, ("campaign-variation", variation(k, template))])
    json.dump({"types": types, "found": found}, sys.stdout, default=str)


main(sys.argv[1])
