"""Runs in the environment of klaviyo-api 24.0.0: the official SDK, unchanged, on the sandbox whose URL is the argument.

Prints one JSON object: what the SDK gave back. Typed models are the point; a body that does not decode raises.
"""

# mypy: disable-error-code="import-not-found,no-untyped-def,no-untyped-call,type-arg"
# (that environment is not the one this repository is checked in)

import json
import sys
import time

from klaviyo_api import KlaviyoAPI
from openapi_client.exceptions import OpenApiException

seen: dict = {}


def refused(call):
    try:
        call()
    except OpenApiException as error:
        return {"status": error.status, "errors": json.loads(error.body)["errors"]}
    raise AssertionError("the call was not refused")


def profile_body(**attributes):
    return {"data": {"type": "profile", "attributes": attributes}}


def main(base_url):
    k = KlaviyoAPI("pk_official_sdk", max_retries=0, test_host=base_url)

    account = k.Accounts.get_accounts().data[0]
    seen["account"] = [type(account).__name__, account.id, account.attributes.public_api_key]

    made = k.Profiles.create_profile(
        profile_body(email="Ann@shop.test", first_name="Ann", location={"city": "Paris"}, properties={"tier": "gold"})
    )
    read = k.Profiles.get_profile(made.data.id, additional_fields_profile=["subscriptions", "predictive_analytics"])
    attributes = read.data.attributes
    seen["profile"] = {
        "types": [type(made).__name__, type(read).__name__],
        "same_id": made.data.id == read.data.id,
        "values": [attributes.email, attributes.first_name, attributes.location.city, attributes.properties],
        "consent": attributes.subscriptions.email.marketing.consent,
        "year": attributes.created.year >= 2020,
    }
    seen["duplicate"] = refused(lambda: k.Profiles.create_profile(profile_body(email="ann@shop.test")))
    seen["duplicate_of"] = made.data.id
    updated = k.Profiles.update_profile(
        made.data.id,
        {"data": {"type": "profile", "id": made.data.id, "attributes": {"first_name": "Anna", "external_id": "ann"}}},
    )
    seen["updated"] = updated.data.attributes.first_name
    upserted = k.Profiles.create_or_update_profile(profile_body(email="ann@shop.test", last_name="Bell"))
    seen["upserted"] = [upserted.data.id == made.data.id, upserted.data.attributes.last_name]

    k.Events.create_event(
        {
            "data": {
                "type": "event",
                "attributes": {
                    "properties": {"OrderId": 7},
                    "time": "2026-01-02T03:04:05Z",
                    "value": 12.5,
                    "value_currency": "EUR",
                    "unique_id": "order-7",
                    "metric": {"data": {"type": "metric", "attributes": {"name": "Placed Order"}}},
                    "profile": {"data": {"type": "profile", "attributes": {"email": "ann@shop.test"}}},
                },
            }
        }
    )
    metric = k.Metrics.get_metrics().data[0]
    events = k.Events.get_events(
        filter=f'equals(metric_id,"{metric.id}")', include=["metric", "profile"], sort="-datetime", page_size=10
    )
    event = events.data[0]
    seen["event"] = {
        "type": type(event).__name__,
        "properties": event.attributes.event_properties,
        "at": event.attributes.datetime_.isoformat(),
        "metric": [metric.attributes.name, event.relationships.metric.data.id == metric.id],
        "included": sorted(one["type"] for one in events.included),
        "of": k.Events.get_profile_for_event(event.id).data.id == made.data.id,
        "named": k.Events.get_metric_for_event(event.id).data.attributes.name,
    }

    made_list = k.Lists.create_list(
        {"data": {"type": "list", "attributes": {"name": "Members", "opt_in_process": "single_opt_in"}}}
    )
    list_id = made_list.data.id
    job = k.Profiles.bulk_import_profiles(
        {
            "data": {
                "type": "profile-bulk-import-job",
                "attributes": {
                    "profiles": {
                        "data": [
                            {"type": "profile", "attributes": {"email": f"bulk{number:02}@shop.test"}}
                            for number in range(25)
                        ]
                        # Somebody else's external_id: the row by itself is right, it fails behind the door.
                        + [
                            {
                                "type": "profile",
                                "attributes": {"email": "bulk00@shop.test", "external_id": "ann"},
                            }
                        ]
                    }
                },
                "relationships": {"lists": {"data": [{"type": "list", "id": list_id}]}},
            }
        }
    )
    seen["job"] = {"type": type(job).__name__, "accepted": job.data.attributes.status}
    while True:
        state = k.Profiles.get_bulk_import_profiles_job(job.data.id)
        if state.data.attributes.status == "complete":
            break
        time.sleep(0.02)
    errors = k.Profiles.get_errors_for_bulk_import_profiles_job(job.data.id)
    seen["job"]["counts"] = [
        state.data.attributes.total_count,
        state.data.attributes.completed_count,
        state.data.attributes.failed_count,
    ]
    seen["job"]["errors"] = [[one.attributes.code, one.attributes.source.pointer] for one in errors.data]

    k.Lists.add_profiles_to_list(list_id, {"data": [{"type": "profile", "id": made.data.id}]})
    emails, cursor, pages = [], None, 0
    while True:
        page = k.Lists.get_profiles_for_list(list_id, page_size=10, page_cursor=cursor, sort="joined_group_at")
        emails += [one.attributes.email for one in page.data]
        pages += 1
        cursor = page.links.next
        if cursor is None:
            break
    k.Lists.remove_profiles_from_list(list_id, {"data": [{"type": "profile", "id": made.data.id}]})
    seen["members"] = {
        "pages": pages,
        "all": len(emails),
        "distinct": len(set(emails)),
        "after": len(k.Lists.get_profile_ids_for_list(list_id, page_size=100).data),
        "count": k.Lists.get_list(list_id, additional_fields_list=["profile_count"]).data.attributes.profile_count,
    }

    k.Profiles.bulk_subscribe_profiles(
        {
            "data": {
                "type": "profile-subscription-bulk-create-job",
                "attributes": {
                    "custom_source": "shop",
                    "historical_import": True,
                    "profiles": {
                        "data": [
                            {
                                "type": "profile",
                                "attributes": {
                                    "email": "ann@shop.test",
                                    "subscriptions": {
                                        "email": {
                                            "marketing": {
                                                "consent": "SUBSCRIBED",
                                                "consented_at": "2020-01-01T00:00:00Z",
                                            }
                                        }
                                    },
                                },
                            }
                        ]
                    },
                },
                "relationships": {"list": {"data": {"type": "list", "id": list_id}}},
            }
        }
    )
    for _ in range(500):
        person = k.Profiles.get_profile(made.data.id, additional_fields_profile=["subscriptions"])
        marketing = person.data.attributes.subscriptions.email.marketing
        if marketing.consent == "SUBSCRIBED":
            break
        time.sleep(0.02)
    seen["consent"] = [marketing.consent, marketing.consent_timestamp.year, marketing.custom_method_detail]
    seen["missing"] = refused(lambda: k.Lists.get_list("NOPE01"))
    json.dump(seen, sys.stdout, default=str)


main(sys.argv[1])
