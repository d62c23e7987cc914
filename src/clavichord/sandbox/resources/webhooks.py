"""System webhooks and their topics (FACTS §10.1). They are kept here; who delivers reads `endpoint`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.crud import Kind
from clavichord.sandbox.documents import Resource
from clavichord.sandbox.errors import Refusal, invalid, problem
from clavichord.sandbox.resources.web_feeds import is_url
from clavichord.sandbox.store import Store

_SYSTEM = (
    "bounced_email bounced_push clicked_email clicked_email_to_unsubscribe clicked_sms clicked_text_message"
    " dropped_email failed_to_deliver_automated_response_sms failed_to_deliver_automated_response_text_message"
    " failed_to_deliver_sms failed_to_deliver_text_message manually_suppressed_from_email_marketing"
    " manually_unsuppressed_from_email_marketing marked_email_as_spam merged_profile opened_email opened_push"
    " opened_text ready_to_review received_automated_response_sms received_automated_response_text_message"
    " received_email received_push received_sms received_text_message relayed_text_message sent_sms sent_text_message"
    " skipped_send social_comment social_dm social_ugc submitted_rating submitted_review subscribed_to_back_in_stock"
    " subscribed_to_email_marketing subscribed_to_list subscribed_to_sms_marketing"
    " subscribed_to_text_messaging_marketing unsubscribed_from_email_marketing unsubscribed_from_list"
    " unsubscribed_from_sms_marketing unsubscribed_from_text_messaging_marketing"
    " unsubscribed_from_text_messaging_transactional updated_email_preferences"
)
SYSTEM_TOPICS = frozenset(f"event:klaviyo.{name}" for name in _SYSTEM.split())


class Endpoint(NamedTuple):
    """Where a webhook is delivered, and what its signature is made with."""

    url: str
    secret_key: str


def endpoint(store: Store, account: str, webhook_id: str) -> Endpoint | None:
    """What answers never show. None if there is no such webhook."""
    row = store.one(
        "SELECT json_extract(state, '$.url'), json_extract(state, '$.secret_key') FROM resource"
        " WHERE account = ? AND type = 'webhook' AND id = ?",
        account,
        webhook_id,
    )
    return None if row is None else Endpoint(*row)


def topic(service: str, metric: str) -> str:
    """The topic of a metric's events: `event:api.viewed_product`."""
    return f"event:{service}.{re.sub(r'[^a-z0-9]', '_', metric.lower())}"


def _topics(call: Call) -> list[str]:
    """Those of Klaviyo, and one for every metric of the account."""
    rows = call.engine.store.execute(
        "SELECT json_extract(attributes, '$.integration.key'), json_extract(attributes, '$.name') FROM resource"
        " WHERE account = ? AND type = 'metric'",
        (call.account,),
    )
    return sorted(SYSTEM_TOPICS.union(topic(service, name) for service, name in rows))


TOPIC = crud.declare(
    Kind(
        type="webhook-topic",
        attributes={},
        created="",
        updated="",
        find=lambda call, one: {} if one in _topics(call) else None,
    )
)
WEBHOOK = crud.declare(
    Kind(
        type="webhook",
        attributes={
            "name": "",
            "description": "",
            "endpoint_url": "",
            "enabled": True,
            "created_at": "",
            "updated_at": "",
        },
        new_id=crud.ulid,
        created="created_at",
        updated="updated_at",
        precision="usec",
        resolved=("webhook-topics",),
        refused=("webhook-topics",),
    )
)


def _check(call: Call, attributes: dict[str, Any]) -> None:
    given = call.data["attributes"]
    found = []
    if not attributes["name"].strip():
        found.append(problem("'name' must not be empty.", pointer="/data/attributes/name"))
    secret, url = given.get("secret_key"), given.get("endpoint_url")
    if secret is not None and len(secret) < inferred.MIN_SECRET:
        text = f"'secret_key' must have at least {inferred.MIN_SECRET} characters."
        found.append(problem(text, pointer="/data/attributes/secret_key"))
    if url is not None and not is_url(url, "https"):
        found.append(problem(inferred.WEBHOOK_URL, pointer="/data/attributes/endpoint_url"))
    if found:
        raise Refusal(*found)
    if url is not None:
        attributes["endpoint_url"] = f"https://{urlsplit(url).netloc.rpartition('@')[2]}/*****"


def _check_new(call: Call, attributes: dict[str, Any]) -> None:
    if crud.count(call, "webhook") >= inferred.MAX_WEBHOOKS:
        raise invalid(inferred.TOO_MANY_RESOURCES.format(max=inferred.MAX_WEBHOOKS, what="webhooks"))
    if not crud.named(call.data["relationships"]["webhook-topics"].get("data")):
        raise invalid("At least one topic is required.", pointer="/data/relationships/webhook-topics/data")
    _check(call, attributes)


def _keep_secret(call: Call, webhook_id: str, attributes: dict[str, Any]) -> None:
    given = call.data["attributes"]
    hidden = {"url": given.get("endpoint_url"), "secret_key": given.get("secret_key")}
    crud.keep(call, "webhook", webhook_id, {name: value for name, value in hidden.items() if value is not None})


def get_webhook_topics(call: Call) -> Answer:
    return call.engine.documents.many(call, [Resource("webhook-topic", one, b"{}") for one in _topics(call)])


def get_webhook_topic(call: Call) -> Answer:
    if call.id not in _topics(call):
        raise generic.missing("webhook-topic", call.id)
    return call.engine.documents.one(call, Resource("webhook-topic", call.id, b"{}"))


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_webhooks": crud.collection,
    "create_webhook": crud.create(WEBHOOK, prepare=_check_new, after=_keep_secret),
    "get_webhook": crud.item,
    "update_webhook": crud.update(WEBHOOK, prepare=_check, after=_keep_secret),
    "delete_webhook": crud.delete(WEBHOOK),
    "get_webhook_topics": get_webhook_topics,
    "get_webhook_topic": get_webhook_topic,
}
