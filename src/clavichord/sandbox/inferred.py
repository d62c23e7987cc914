"""Every guess about Klaviyo's behaviour that this sandbox makes, in one place: what is not here or in the catalogue is
recorded, specified or documented. FACTS §16 lists the open questions; an answer from a live account changes this file.
"""

from __future__ import annotations

from typing import Final

IDENTITY_ORDER: Final = ("email", "phone_number", "external_id", "anonymous_id")
"""After an explicit id and a `_kx`, the identifier that decides which profile is meant (FACTS §6.5, §16.7). A secondary
address decides like the first one, and is shown nowhere."""

MIN_EVENT_YEAR: Final = 1990
"""The spec's text says 1990, a documentation table 2000 (FACTS §8.1): the wider one."""

EVENT_ORDER: Final = "-v.at"
"""Newest first where no sort is asked for."""

IMPORT_JOB_ORDER: Final = "-r.created"
"""Newest first, as it was recorded for the other kinds of job."""

ALONG: Final = {
    "created": "created",
    "updated": "updated",
    "subscriptions.email.marketing.suppression.reason": "subscriptions.email.marketing.suppression.timestamp",
    "subscriptions.email.marketing.suppression.timestamp": "subscriptions.email.marketing.suppression.timestamp",
    "subscriptions.email.marketing.list_suppressions.reason": (
        "subscriptions.email.marketing.list_suppressions.timestamp"
    ),
    "subscriptions.email.marketing.list_suppressions.timestamp": (
        "subscriptions.email.marketing.list_suppressions.timestamp"
    ),
    "subscriptions.email.marketing.list_suppressions.list_id": (
        "subscriptions.email.marketing.list_suppressions.timestamp"
    ),
}
"""Filter field of profiles → their order where no sort is asked for; by id without such a filter (FACTS §4.6)."""

MAX_EVENT_PROPERTIES: Final = 400
MAX_ARRAY: Final = 4000
MAX_DEPTH: Final = 10
MAX_STRING: Final = 100_000

DISCARDED_DOMAINS: Final = ("example.com", "test.com")
"""Documented for events (FACTS §8.1); applied to nothing else."""

ACCOUNT_OPT_IN: Final = "double_opt_in"
"""The process for a subscription without a list; the recording account behaved so (FACTS §7.2)."""

OPT_IN_METHOD: Final = "API"
LIFTED_BY_SUBSCRIBING: Final = ("UNSUBSCRIBE", "SPAM_COMPLAINT", "USER_SUPPRESSED")
"""Hard bounces and invalid addresses stay suppressed (FACTS §7.2)."""

ALSO_ACCEPTED: Final = {"profile": ("anonymous_id",)}
"""Attributes that left the spec but not the wire (FACTS §2: anonymous_id until 2026-01-15)."""

# Texts that nobody has recorded yet, with the status of the neighbouring recorded case.
NOT_AUTHENTICATED: Final = "Missing or invalid authorization scheme. Please use Klaviyo-API-Key."
REVISION_MISSING: Final = "A revision header is required, for example 'revision: {current}'."
REVISION_MALFORMED: Final = "'{given}' is not a valid revision; use YYYY-MM-DD."
REVISION_UNKNOWN: Final = "'{given}' is not an existing revision; the newest one served here is {current}."
REVISION_TOO_OLD: Final = "Revision '{given}' is before the earliest available; use {first} or later."
SCOPE_MISSING: Final = "Your API key is missing the required scope: {scopes}."
PAGE_SIZE: Final = "Page size must be an integer between {min} and {max}."
CURSOR: Final = "Invalid cursor."
CURSOR_ELSEWHERE: Final = "Invalid cursor: it belongs to another endpoint, sort or filter."
"""That such a cursor is refused, too."""
SORT: Final = "'{given}' is not an allowed sort parameter.  Allowed parameters are {allowed}"
FIELD: Final = "'{given}' is not a valid field for the resource '{type}'."
FILTER_SYNTAX: Final = "Invalid filter: {problem} at position {position}."
FILTER_FIELD: Final = "'{given}' is not an allowed filter field.  Allowed fields are {allowed}"
FILTER_VALUE: Final = "{given} is not a valid value for '{field}': {expected} is expected."
REQUIRED: Final = "'{name}' is a required field."
WRONG_TYPE: Final = "'{name}' must be {expected}."
CHOICE: Final = "'{given}' is not a valid choice for '{name}'."
MISSING: Final = "{a} {type} with id {} does not exist."
IDENTIFIER: Final = "A profile must have at least one identifier: id, email, phone_number or external_id."
NO_JSON: Final = "The body is not valid JSON: {problem}."
TOO_LARGE: Final = "The body has {size} bytes; this operation takes at most {max}."
TOO_MANY: Final = "{given} entries were sent; this operation takes at most {max} in one request."
ITEM_TOO_LARGE: Final = "The entry has {size} bytes; at most {max} are allowed."
REPEATED_UNIQUE_ID: Final = "unique_id '{given}' occurs more than once for the same profile and metric in this request."
CONSENTED_AT: Final = "The profile does not have a valid consented_at timestamp."
"""`…does not have a valid consented_at timestamp` is known, what comes before it is not (FACTS §7.2)."""
CONSENTED_AT_ALONE: Final = "'consented_at' is only allowed when 'historical_import' is true."
"""Known to be a 400, wording unknown (FACTS §7.2)."""

SELF_ONLY_BY_ANALOGY: Final = frozenset(
    {"get_flow_ids_for_tag", "get_object_schema_relationships", "get_profile_schema_relationships"}
)
"""Collections without next/prev, like a recorded sibling (LIVE #2)."""

# Templates, campaigns, flows, reports.
MESSAGE_LINKS: Final = {
    "unsubscribe": "https://manage.kmail-lists.com/subscriptions/unsubscribe?a={account}&p={profile}&m={message}",
    "manage_preferences": "https://manage.kmail-lists.com/subscriptions/update?a={account}&p={profile}&m={message}",
    "view_in_browser": "https://www.klaviyomail.com/viewinbrowser?a={account}&p={profile}&m={message}",
}
PREVIEW_COUPON: Final = "PREVIEW-CODE"
MISSING_PRODUCT_IMAGE: Final = "https://www.klaviyo.com/media/images/template/missing-product-image.png"
CURRENCY_SIGNS: Final = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "CAD": "C$", "AUD": "A$"}
RENDER_BUDGET: Final = 300_000
"""Steps of one rendering, so that loops in loops end."""
TEMPLATE_DEPTH: Final = 50
TEMPLATE_SYNTAX: Final = "The template could not be rendered: {problem}"
TEMPLATE_CONTENT: Final = "'{name}' is not allowed for templates with the editor type {editor}."
TOO_MANY_TEMPLATES: Final = "An account may have at most {max} templates made by the API."
SCREENSHOT_STATUS: Final = "never_generated"
"""The sandbox takes no screenshots of universal content."""
SENDER: Final = {"from_email": "sender@sandbox.invalid", "from_label": "Sandbox"}
"""An e-mail message that names no sender has the account's."""
UTM_MISSING: Final = "Custom tracking parameters must include {names}."
ONE_CHANNEL: Final = "The messages of a campaign must have one channel."
CHANNEL_REQUIRED: Final = (
    "A channel filter is required to list campaigns. Please provide either \"equals(messages.channel,'email')\" to "
    "list email campaigns, \"equals(messages.channel,'sms')\" to list SMS campaigns or "
    "\"equals(messages.channel,'mobile_push')\" to list mobile push campaigns."
)
CHANNEL_FIXED: Final = "The channel of a message cannot be changed from '{channel}'."
AUDIENCE_TWICE: Final = "Audience '{id}' is both included and excluded."
CAMPAIGN_LOCKED: Final = "A campaign with the status '{status}' cannot be changed."
CAMPAIGN_STATE: Final = "A campaign with the status '{status}' cannot be {action}."
# Of 2026-10-15 nothing is recorded. Guessed beside the words below: an audience with a priority keeps its people from
# those after it (audiences.py); deleting one takes its unsent messages along, cloning one does not copy them
# (campaign_audiences.py); a message has its campaign's tags (omni_messages.py); details replace what was there, but for
# the template (campaign_variations.py); a named template is copied (campaign_parts.py); hours, batches and shares of a
# test (send_plans.py); an order ends a campaign for whoever has had its first message (campaign_delivery.py).
MESSAGE_LOCKED: Final = "A message with the status '{status}' cannot be changed."
MESSAGE_STATE: Final = "A message with the status '{status}' cannot be {action}."
AUDIENCE_LOCKED: Final = "The audience of a message with the status '{status}' cannot be changed."
SETTINGS_LOCKED: Final = "'send_settings' cannot be changed once a message has the status '{status}'."
STATUS_BY_SCHEDULING: Final = "'status' cannot be set; schedule the message, or cancel or revert it."
NO_MESSAGES: Final = "The campaign has no messages."
NO_CONTENT: Final = "The message has no content yet."
SEVERAL_AUDIENCES: Final = "This campaign has several audiences; revision 2026-10-15 can change them."
OTHER_CAMPAIGN: Final = "The {type} '{id}' does not belong to the campaign '{campaign}'."
MESSAGE_TWICE: Final = "The message '{id}' is scheduled more than once."
SAME_IDS: Final = "'id' must be the id of the data."
TEMPORARY_TWICE: Final = "The temporary_id '{given}' is used more than once."
TEMPORARY_UNKNOWN: Final = "No audience has the temporary_id '{given}'."
PARTS_ARE_MADE: Final = "'{name}' of a new campaign are made from its attributes; they cannot be those of another."
ONE_MESSAGE_CHANNEL: Final = "The variations of a message must have one channel; this message has '{channel}'."
COST_IS_READ_ONLY: Final = "'cost' is not allowed."
"""The beta spec says so of creating."""
COLOR: Final = "'{given}' is not a color as six hexadecimal digits."
LOCAL_IS_UTC: Final = "'send_timezone' must be 'UTC' when 'send_strategy' is 'timezone'."
PERCENTAGE: Final = "'{name}' must be a percentage."
NEEDED_BY: Final = "'{name}' is required for the strategy '{strategy}'."
NOT_IN_FUTURE: Final = "'{name}' must be in the future."
IN_THE_PAST: Final = "'{name}' must not be in the past."
"""Of these three the rules are the specification's, the words are not."""
COPY_OF: Final = "Copy of {name}"
"""Documented for campaigns of 2026-10-15, taken over for audiences and messages."""
CLONE_OF: Final = "Clone of {name}"
PARTLY_SENT: Final = "Unknown"
"""Older status of a campaign some of whose messages are sent and others still drafts."""
OPEN_ACTIONS: Final = ("open_app", "deep_link", "open_web_url")
"""What the number `open_action` of a push stands for."""
SMART_SENDING: Final = "throttle-for-campaigns-and-flows"
THROTTLING_TYPES: Final = {
    "FOR_CAMPAIGNS": "throttle-for-campaigns",
    "FOR_CAMPAIGNS_AND_FLOWS": "throttle-for-campaigns-and-flows",
    "FOR_FLOWS": "throttle-for-flows",
    "NONE": "none",
}
"""A new campaign's spelling → a message's; and which of them `use_smart_sending` is."""
WINNER_METRIC: Final = "opens_unique"
WINNER_WAIT_HOURS: Final = 6
"""Of an A/B test that does not say."""
NO_TEMPLATE: Final = "Templates can only be assigned to email messages, not to '{channel}'."
SMART_SENDING_HOURS: Final = {"email": 16, "sms": 24, "mobile_push": 24, "whatsapp": 24}
"""FACTS §12.2; only that of e-mail is documented."""
SEGMENT_TRIGGER: Final = "Added to List"
"""The enum has nothing else for a flow that a segment triggers."""
FUTURE_BOUND: Final = "The bound of '{field}' must not be in the future."
SORT_BY_FILTER: Final = "With a filter on '{field}', 'sort' must be by '{field}' too."
ACTION_ID: Final = "Invalid Flow Action ID: '{}'"
ACTION_TYPE: Final = "The type of an action cannot be changed from '{type}'."
INSERT_PLACE: Final = "Exactly one of anchor-action, definition.links and relationships.flow must place the action."
NOT_INSERTABLE: Final = ("conditional-split", "trigger-split", "action-output-split", "ab-test", "content-experiment")
"""Action types that cannot be inserted into a flow (documented, as are the rules of these texts)."""
INSERT_TYPE: Final = "An action of the type '{type}' cannot be inserted into a flow."
INSERT_LINK: Final = "'links' must have the one link 'next'."
ANCHOR_LINK: Final = "'links' must have the one link of the anchor that leads to '{temporary_id}'."
ANCHOR_TYPE: Final = "The anchor is of the type '{type}'."
NO_SUCH_LINK: Final = "The anchor has no link '{name}'."
FLOW_NOT_EMPTY: Final = "The flow {id} has actions already; name the place by an anchor or a link."
LIVE_ACTION: Final = "The flow is live, and so would be the action at once: set 'allow_live_action' to true."
REPORT_LOOKBACK: Final = 90 * 86_400
"""Seconds before a time frame in which the sending of a message is still looked for."""
ATTRIBUTION_WINDOW: Final = 5 * 86_400
"""Seconds after an open or a click within which a conversion belongs to the message."""
REPORT_PAGE: Final = 1000
"""Results on a page of a report."""
GROUP_BY_MISSING: Final = "'group_by' must include {names}."
INTERVAL_TOO_SHORT: Final = "With the interval '{interval}' the time frame must not be longer than {days} days."
SEGMENTS_SINCE: Final = "Data is unavailable before June 1st, 2023. Please use a time frame after this date."
SEND_SLICE: Final = 200
"""Recipients of a campaign between two looks at waiting requests."""

# Tags: only the code and the title of their errors are recorded (FACTS §9.5).
TOO_MANY_RESOURCES: Final = "At most {max} {what} are allowed."
EXCLUSIVE_TAG: Final = "The {type} {id} already has a tag of the exclusive tag group {group}."
DEFAULT_TAG_GROUP: Final = "The default tag group cannot be deleted."

# Catalogs, coupons, custom objects.
CATALOG_TAKEN: Final = "A catalog {noun} with id {id} already exists."
CATALOG_RELATED: Final = "The relationship with {noun} {id} already exists."
"""Both are known to be a 409 (FACTS §9.9), of the wording nothing is known."""
TOO_MANY_JOBS: Final = "At most {max} jobs of this kind may be in progress at once."
BACK_IN_STOCK_METRIC: Final = "Subscribed to Back in Stock"
"""The name is documented; the event's properties are not, and are inferred."""
COUPON_CODE_DAYS: Final = 364
"""The life of a code without an expiry: the spec says a year, one recorded code had 364 days (LIVE #12)."""
COUPON_TAKEN: Final = "A coupon with the external id '{id}' already exists."
COUPON_CODE_TAKEN: Final = "A coupon code with the identifier '{id}' already exists."
COUPON_CODE_ASSIGNED: Final = "The coupon code '{id}' is assigned to a profile and cannot be deleted."
COUPON_CODE_FILTER: Final = "A filter by coupon.id or profile.id is required."

# Segments: the grammar is specified, who fits is not (FACTS §9.4).
UNKNOWN_GROUP: Final = "A list or segment with id `{}` does not exist."
UNKNOWN_PROPERTY: Final = "'{}' is not a profile property; write properties['…'] for a custom one."
DEACTIVATED_ALONE: Final = "'is_active' must be the only attribute when a segment is deactivated."
"""Known to be required, wording unknown."""
SEGMENT_CYCLE: Final = "A segment cannot be made of itself: {}."
MAX_NESTED_SEGMENTS: Final = 50
BAD_PATTERN: Final = "'value' is not a regular expression: {problem}."
_EU = (
    "at austria be belgium bg bulgaria hr croatia cy cyprus cz czechia dk denmark ee estonia fi finland"
    " fr france de germany gr greece hu hungary ie ireland it italy lv latvia lt lithuania lu luxembourg mt malta"
    " nl netherlands pl poland pt portugal ro romania sk slovakia si slovenia es spain se sweden"
)
REGIONS: Final = {
    "european_union": frozenset((*_EU.split(), "czech republic", "the netherlands")),
    "united_states": frozenset(("us", "usa", "united states", "united states of america")),
}
"""Countries as a location may name them, in lower case."""
DATA_SOURCE_TAKEN: Final = "A data source titled '{title}' already exists in the namespace {namespace}."
POSITIVE: Final = "'{name}' must be a positive integer."
JSON_PATH: Final = "'{given}' is not a path of members and indices, like $['id']."
SCHEMA_ACTIVE: Final = "The object schema '{id}' is {status}; only a draft can be changed."
"""That only a draft can be changed is documented."""
SCHEMA_REPEATED: Final = "'{given}' occurs more than once in 'properties'."
SCHEMA_REQUIRED: Final = "'{given}' is required but is no property."
RELATIONSHIP_TAKEN: Final = "A relationship named '{name}' already exists."

# Faults that are asked for, and /client.
FAULT: Final = "The sandbox was asked to answer so."
RETIRED: Final = "This version of the API was retired on 2024-06-30."
"""410 is documented, its body is not (FACTS §2)."""
COMPANY_UNKNOWN: Final = "'{given}' is not a valid company_id."
"""A missing or wrong company_id is a 400, wording unknown (FACTS §11.1)."""
CODE_LIFETIME: Final = 300
"""seconds that an authorization code lives: found nowhere, the usual upper bound (FACTS §16.4)"""
ACCESS_LIFETIME: Final = 3600
REFRESH_LIFETIME: Final = 90 * 86_400
"""seconds without use after which a refresh token is invalid (FACTS §1.6)"""
COLLECTIONS: Final = {
    "campaign-schedule": "/api/campaign-schedule",
    "conversation": "/api/conversations",
    "form-publish-job": "/api/form-publish-jobs",
    "form-unpublish-job": "/api/form-unpublish-jobs",
    "geofence": "/client/geofences",
    "ip-allowlist": "/client/ip-allowlists",
    "review-values-report": "/client/review-values-reports",
    "template-preview-send-job": "/api/template-preview-send-jobs",
    "object-ingestion-log": "/api/object-ingestion-logs",
    "profile-object-schema": "/api/profile-object-schemas",
    "profile-object-type": "/api/profile-object-types",
}
"""Where `links.self` of resources without an operation of their own points; the spec demands it."""

# Metrics.
PROPERTY_TYPES: Final = {
    "text": "string",
    "integer": "numeric",
    "real": "numeric",
    "true": "numeric",
    "false": "numeric",
    "array": "list",
    "object": "object",
    "null": "string",
}
"""JSON's types → the word for a metric property's: inferred for arrays, objects and nulls, recorded for the others."""
SAMPLES: Final = 10
"""Values of a metric's property that are shown, and how old an event must be to be looked at: in the recordings of a
fresh account there were none."""
SAMPLE_AGE: Final = 86_400
CUSTOM_METRIC_NAME: Final = "A custom metric with the name '{}' already exists."
MAX_CUSTOM_METRICS: Final = 50
"""Of an advanced plan (FACTS §9.16)."""
NOT_PERMITTED: Final = "You do not have permission to perform this action."
MAPPING_CHANGES: Final = 2
"""Of one mapped metric on a day; recorded (LIVE #6). That the day is UTC's is inferred."""
ONE_MAPPING: Final = "A mapped metric has a metric or a custom metric, not both."
NULLABLE: Final = {"mapped-metric": ("data",)}
"""Resource → members of its relationships that take null on the wire although the spec says otherwise (FACTS §9.16)."""
AGGREGATE_RANGE: Final = "'filter' must have greater-or-equal(datetime,…) and less-than(datetime,…)."
AGGREGATE_SPAN: Final = "The time range must be longer than nothing and at most one year."
AGGREGATE_SORT: Final = "'{}' is neither a dimension in 'by' nor one of the measurements."

# Web feeds, webhooks, forms.
WEB_FEED_STATUS: Final = "ok"
"""Of a feed that could be read, and of one on another machine: the sandbox does not ask there."""
WEB_FEED_FAILED: Final = "warning_periodic_refresh_timeout"
WEB_FEED_AGE: Final = 3600
"""Seconds after which a feed is read again when a message asks for it."""
BAD_URL: Final = "Enter a valid URL."
WEBHOOK_URL: Final = "'endpoint_url' must be an https URL."
MIN_SECRET: Final = 16
"""Characters of a webhook's secret_key; a third party's note (FACTS §10.1)."""
MAX_WEBHOOKS: Final = 10
FORM_TYPES: Final = {"full_screen": "full_page"}
"""type of a version in a definition → form_type of the form-version, where they differ."""
LIVE_VERSION: Final = "The form version {id} is live and cannot be edited."
VERSION_STATUS: Final = "'status' cannot be edited; publish or unpublish the form."
"""Both are documented to be refused."""
VERSION_UNKNOWN: Final = "The form has no version {id}."
NOTHING_TO_PUBLISH: Final = "The form {id} has no {status} version."
AB_TEST: Final = "A form with a {status} A/B test must be {verb} in the form editor."
"""Refused (documented), wording unknown. That a version that is replaced by a newer one goes is inferred too."""

# The brand library, and what an account has of it from the start. Nobody has recorded any of it.
CHOICES: Final = {
    "FirstPartySocialLink": {
        "platform": (
            *("android", "apple", "discord", "email", "facebook", "google_plus", "instagram", "linkedin", "pinterest"),
            *("rss", "snapchat", "threads", "tiktok", "twitch", "twitter", "whatsapp", "x_twitter", "yelp", "youtube"),
        )
    }
}
"""Schema → member → what is accepted although it names less: the beta names only x_twitter, templates know these."""
BRAND_ID_DIGITS: Final = 8
"""The documented examples of ids are numbers."""
HEX_COLOR: Final = "'{name}' must be a hex color, like #1A2B3C."
NO_IMAGE_RELATION: Final = "A brand logo needs the image it shows."
"""Documented to be required, wording unknown."""
_FONT: Final = {"font_family": "Helvetica, Arial, sans-serif", "font_style": "normal", "letter_spacing": 0}
_BODY_TEXT: Final = _FONT | {"color": "#222222", "font_size": 16, "font_weight": 400, "text_decoration": "none"}
_LINK_TEXT: Final = {
    "color": "#197BBD",
    "font_size": None,
    "font_style": "normal",
    "font_weight": 400,
    "font_family": None,
    "letter_spacing": None,
    "text_decoration": "underline",
}
EMAIL_DEFAULTS: Final = {
    "body": {
        "background_color": "#FFFFFF",
        "body_background_color": "#F7F7F7",
        "text": _BODY_TEXT,
        "h1_text": _BODY_TEXT | {"font_size": 40},
        "h2_text": _BODY_TEXT | {"font_size": 32},
        "h3_text": _BODY_TEXT | {"font_size": 24},
        "h4_text": _BODY_TEXT | {"font_size": 18},
        "link_text": _LINK_TEXT,
    },
    "header": {"background_color": "#FFFFFF", "links": [], "link_text": _LINK_TEXT, "logo_max_width": 160},
    "footer": {
        "background_color": "#FFFFFF",
        "text": _BODY_TEXT | {"font_size": 12},
        "link_text": _LINK_TEXT,
        "social_group_color": "default",
    },
}
BRAND_VOICE: Final = {"version": "1", "tone_descriptors": [], "language_patterns": []}
"""The version is a number that each change raises."""

USAGE: Final = {
    "active_profiles": ("profiles", 100_000),
    "customer_hub_active_profiles": ("profiles", 100_000),
    "email_sends": ("messages", 1_000_000),
    "sms_credits": ("credits", 100_000),
}
"""Usage type → its unit and the plan's maximum. Only email_sends and customer_hub_active_profiles are named in a
document; a text message costs one credit, a billing period is a calendar month of UTC."""

# Text messaging. Which states there are is specified, what leads to them is not.
CONFIGURED_TWICE: Final = "The account already has a text messaging configuration."
MAX_ORG_PREFIX: Final = 50
ORG_PREFIX: Final = "'org_prefix' must have between 1 and {max} characters."
OPT_OUT_LANGUAGE: Final = "Text STOP to opt-out."
TOLL_FREE_ONLY: Final = "'sender_type' must be 'toll_free'."
"""That the others are refused is documented."""
TOLL_FREE_REGIONS: Final = ("US", "CA")
"""A toll-free number is provisioned in both (documented)."""
COUNTRY_CODE: Final = "'country' must be an ISO 3166-1 alpha-2 country code."
BUSINESS_REGISTRATION: Final = "'{name}' is required to verify the business."
"""Documented to be required except for sole proprietors of the US. Here the reviewer misses it, not the request."""
REJECTED_WEBSITE: Final = "rejected.invalid"
"""A business whose website has this host is turned down."""
REJECTION: Final = "The business website could not be verified."

# Translations and previews.
SOURCE_TEXT: Final = "source_text"
"""What a value block calls its source; `id` and `translations` are documented, this is not."""
ONE_TRANSLATED: Final = "A translation belongs to exactly one of {names}."
TRANSLATION_CHANNEL: Final = "A translation of a {type} with this content must have the channel '{channel}'."
TRANSLATION_CHANNELS: Final = {
    "Email": "email",
    "SMS": "sms",
    "Push": "mobile_push",
    "WhatsApp": "whatsapp",
    "email": "email",
    "sms": "sms",
    "push": "mobile_push",
    "mobile_push": "mobile_push",
    "whatsapp": "whatsapp",
}
"""Channel of a flow message or of a variation → that of its translation."""
TRANSLATED_ALREADY: Final = "The {type} {id} has a translation already."
LOCALE: Final = "'{given}' is not a valid locale."
TARGET_LOCALES: Final = "'target_locales' must name other locales than 'source_locale', each once."
FALLBACK_LOCALE: Final = "'fallback_locale' must be the source locale or one of the target locales."
VALUE_UNKNOWN: Final = "There is no translation value with the id '{id}'."
NOT_A_TARGET: Final = "'{locale}' is not one of the target locales."
CONTENT_NAMES: Final = {"subject_line": "subject"}
"""Members of a flow message's definition → those of its content, where they differ."""
PREVIEW_RECIPIENTS: Final = "Between 1 and {max} recipients are required."
PREVIEW_SUBJECT: Final = "[Test] {name}"
SYNTHETIC_PROFILE: Final = {
    "first_name": "Sarah",
    "last_name": "Mason",
    "email": "sarah.mason@sandbox.invalid",
    "person": {"first_name": "Sarah", "last_name": "Mason", "email": "sarah.mason@sandbox.invalid"},
}
"""Who a preview is for if nobody is named."""

# Images, push tokens, merging.
UNFETCHED_IMAGE_SIZE: Final = 0
"""Bytes of an image whose URL the sandbox does not fetch."""
IMAGE_URL: Final = "https://d3k81ch9hvuctc.cloudfront.net/company/{}/images/{}.{}"
NO_IMAGE: Final = "The file is not a JPEG, PNG or GIF."
BAD_FORM_DATA: Final = "The body is not valid multipart/form-data: {problem}."
PUSH_ALLOWED: Final = ("AUTHORIZED", "PROVISIONAL")
"""Enablement of a push token that counts as consent."""
MERGED_METRIC: Final = "Merged Profile"
"""The name of its topic is recorded (FACTS §6.6), its properties are not."""

# /client.
ADDRESS_MISSING: Final = "A subscription needs an email or a phone_number."
PUBLIC_REVIEWS: Final = ("published", "featured")
"""What a shop's pages show; pending, rejected and unpublished reviews are nobody's business there."""
PUSH_VENDORS: Final = {"ios": "apns", "android": "fcm"}
EGRESS: Final = {
    "prefixes": ["192.0.2.0/24", "2001:db8::/32"],
    "sync_token": "1788528000",
    "created": "2026-09-04T13:20:00+00:00",
}
"""Addresses that are reserved for documentation: nobody can mistake them for Klaviyo's."""
