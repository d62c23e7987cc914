"""People, their events and their consent, through each official SDK: what one call writes the others show."""

from __future__ import annotations

from typing import Any

from tests.conformance.official_sdk import Account, body, ref, refs
from tests.sandbox.sandbox_api import until

from clavichord.sandbox.serve import running


def make_person(account: Account, email: str, **attributes: Any) -> str:
    made = account.create_profile(body("profile", email=email, **attributes))
    name: str = made["data"]["id"]
    return name


def make_list(account: Account, name: str = "Members", **attributes: Any) -> str:
    made: str = account.create_list(body("list", name=name, **attributes))["data"]["id"]
    return made


def track(account: Account, metric: str, email: str, **attributes: Any) -> None:
    about = {"data": {"type": "profile", "attributes": {"email": email}}}
    named = {"data": {"type": "metric", "attributes": {"name": metric}}}
    account.create_event(body("event", **{"properties": {}} | attributes, metric=named, profile=about))


def metric_id(account: Account, name: str) -> str:
    return next(str(row["id"]) for row in account.get_metrics()["data"] if row["attributes"]["name"] == name)


def some(kind: str, *attributes: dict[str, Any]) -> dict[str, Any]:
    return {"data": [{"type": kind, "attributes": one} for one in attributes]}


def marketing(account: Account, profile_id: str) -> dict[str, Any]:
    read = account.get_profile(profile_id, additional_fields_profile=["subscriptions"])
    found: dict[str, Any] = read["data"]["attributes"]["subscriptions"]["email"]["marketing"]
    return found


def test_one_person_whatever_the_identifier(account: Account) -> None:
    place = {"city": "Paris"}
    ann = make_person(account, "Ann@Shop.test", first_name="Ann", location=place, properties={"tier": "gold"})
    read = account.get_profile(ann, additional_fields_profile=["subscriptions", "predictive_analytics"])["data"]
    assert read["attributes"]["email"] == "ann@shop.test"
    assert read["attributes"]["location"]["city"] == "Paris"
    assert read["attributes"]["properties"] == {"tier": "gold"}
    assert read["attributes"]["subscriptions"]["email"]["marketing"]["consent"] == "NEVER_SUBSCRIBED"
    refused = account.refused("create_profile", body("profile", email="ann@shop.test"))
    assert (refused.status, refused.code) == (409, "duplicate_profile")
    assert refused.errors[0]["meta"] == {"duplicate_profile_id": ann}
    account.update_profile(ann, body("profile", ann, first_name="Anna", external_id="ann"))
    upserted = account.create_or_update_profile(body("profile", external_id="ann", last_name="Bell"))["data"]
    assert upserted["id"] == ann
    assert (upserted["attributes"]["first_name"], upserted["attributes"]["last_name"]) == ("Anna", "Bell")
    other = account.create_or_update_profile(body("profile", email="bob@shop.test"))["data"]["id"]
    assert other != ann
    rows = account.get_profiles(filter=f'any(id,["{ann}","{other}"])', sort="-created")["data"]
    assert {row["id"] for row in rows} == {ann, other}


def test_merging_leaves_one_with_all_events(account: Account) -> None:
    ann, bob = make_person(account, "ann@shop.test"), make_person(account, "bob@shop.test")
    track(account, "Order", "ann@shop.test", unique_id="1")
    track(account, "Order", "bob@shop.test", unique_id="2")
    merged = account.merge_profiles(
        {"data": ref("profile-merge", ann) | {"relationships": {"profiles": {"data": refs("profile", bob)}}}}
    )
    assert merged["data"]["id"] == ann
    order = metric_id(account, "Order")
    events = account.get_events(filter=f'equals(metric_id,"{order}"),equals(profile_id,"{ann}")')["data"]
    assert len(events) == 2
    assert account.refused("get_profile", bob).status == 404


def test_events_are_counted_once_found_and_summed(account: Account) -> None:
    make_person(account, "ann@shop.test")
    at = [f"2026-0{month}-05T03:04:05Z" for month in (1, 2, 3)]
    for number, time in enumerate((*at, at[0])):  # the last one repeats the first
        unique = f"order-{number % 3}"
        money = {"value": 10.5 + number % 3, "value_currency": "EUR"}
        track(
            account, "Placed Order", "ann@shop.test", time=time, unique_id=unique, properties={"sku": unique}, **money
        )
    track(account, "Viewed", "ann@shop.test", time=at[1])
    order = metric_id(account, "Placed Order")
    found = account.get_events(
        filter=f'equals(metric_id,"{order}")', sort="-datetime", include=["metric", "profile"], page_size=10
    )
    assert [row["attributes"]["event_properties"]["sku"] for row in found["data"]] == ["order-2", "order-1", "order-0"]
    assert sorted(row["type"] for row in found["included"]) == ["metric", "profile"]
    newest = found["data"][0]
    assert newest["attributes"]["event_properties"]["$value"] == 12.5
    assert newest["attributes"]["datetime"].startswith("2026-03-05T03:04:05")
    assert account.get_profile_for_event(newest["id"])["data"]["attributes"]["email"] == "ann@shop.test"
    assert account.get_metric_for_event(newest["id"])["data"]["id"] == order
    between = f'greater-or-equal(datetime,{at[1]}),less-than(datetime,{at[2]}),equals(metric_id,"{order}")'
    assert [row["attributes"]["event_properties"]["sku"] for row in account.get_events(filter=between)["data"]] == [
        "order-1"
    ]
    pages = list(account.pages("get_events", sort="datetime", page_size=3))
    assert [len(page) for page in pages] == [3, 1]
    times = [row["attributes"]["datetime"] for page in pages for row in page]
    assert times == sorted(times)
    asked = {
        "metric_id": order,
        "measurements": ["count", "sum_value", "unique"],
        "interval": "month",
        "filter": ["greater-or-equal(datetime,2026-01-01)", "less-than(datetime,2026-05-01)"],
    }
    counted = account.query_metric_aggregates(body("metric-aggregate", **asked))["data"]["attributes"]
    assert len(counted["dates"]) == 4
    assert counted["data"][0]["measurements"] == {
        "count": [1, 1, 1, 0],
        "sum_value": [10.5, 11.5, 12.5, 0],
        "unique": [1, 1, 1, 0],
    }


def test_bulk_events_and_properties_of_a_metric(account: Account) -> None:
    about = {"data": {"type": "profile", "attributes": {"email": "ann@shop.test"}}}
    named = {"data": {"type": "metric", "attributes": {"name": "Played"}}}
    events = some("event", *({"properties": {"score": n}, "metric": named, "unique_id": str(n)} for n in range(3)))
    job = body(
        "event-bulk-create-job",
        **{"events-bulk-create": some("event-bulk-create", {"profile": about, "events": events})},
    )
    account.bulk_create_events(job)
    played = metric_id(account, "Played")
    assert len(account.get_events(filter=f'equals(metric_id,"{played}")')["data"]) == 3
    properties = account.get_properties_for_metric(played, additional_fields_metric_property=["sample_values"])["data"]
    score = next(row for row in properties if row["attributes"]["property"] == "score")
    assert account.get_metric_for_metric_property(score["id"])["data"]["id"] == played
    assert score["id"] in [row["id"] for row in account.get_property_ids_for_metric(played)["data"]]


def test_custom_and_mapped_metrics(account: Account) -> None:
    track(account, "Order", "ann@shop.test")
    order = metric_id(account, "Order")
    definition = {"aggregation_method": "count", "metric_groups": [{"metric_id": order}]}
    custom = account.create_custom_metric(body("custom-metric", name="Orders", definition=definition))["data"]["id"]
    assert account.get_custom_metric(custom)["data"]["attributes"]["name"] == "Orders"
    assert (
        account.refused("create_custom_metric", body("custom-metric", name="Orders", definition=definition)).status
        == 400
    )
    account.update_custom_metric(custom, body("custom-metric", custom, name="All orders"))
    assert [row["attributes"]["name"] for row in account.get_custom_metrics()["data"]] == ["All orders"]
    assert [row["id"] for row in account.get_metrics_for_custom_metric(custom)["data"]] == [order]
    for number in range(3):
        target = {"metric": ref("metric", order)} if number % 2 else {"custom-metric": ref("custom-metric", custom)}
        changed = body("mapped-metric", "revenue", relationships=target)
        changed["data"].pop("attributes", None)
        if number < 2:
            account.update_mapped_metric("revenue", changed)
    assert account.get_metric_for_mapped_metric("revenue")["data"]["id"] == order
    refused = account.refused("update_mapped_metric", "revenue", changed)
    assert (refused.status, refused.code) == (403, "permission_denied")
    assert len(account.get_mapped_metrics()["data"]) == 7
    account.delete_custom_metric(custom)
    assert account.refused("get_custom_metric", custom).status == 404


def test_members_come_and_go(account: Account) -> None:
    members = [make_person(account, f"member{number}@shop.test") for number in range(5)]
    list_id = make_list(account)
    account.add_profiles_to_list(list_id, {"data": refs("profile", *members)})
    pages = list(account.pages("get_profiles_for_list", list_id, page_size=2, sort="joined_group_at"))
    assert [len(page) for page in pages] == [2, 2, 1]
    assert {row["id"] for page in pages for row in page} == set(members)
    account.remove_profiles_from_list(list_id, {"data": refs("profile", members[0])})
    ids = [row["id"] for row in account.get_profile_ids_for_list(list_id, page_size=100)["data"]]
    assert set(ids) == set(members[1:])
    read = account.get_list(list_id, additional_fields_list=["profile_count"])["data"]
    assert read["attributes"]["profile_count"] == 4
    assert [row["id"] for row in account.get_lists_for_profile(members[1])["data"]] == [list_id]
    found = account.get_profiles_for_list(list_id, filter='equals(email,["member3@shop.test"])')["data"]
    assert [row["id"] for row in found] == [members[3]]
    assert account.refused("add_profiles_to_list", list_id, {"data": refs("profile", "nobody")}).status == 404
    condition = {"type": "profile-group-membership", "is_member": True, "group_ids": [list_id]}
    definition = {"condition_groups": [{"conditions": [condition]}]}
    segment = account.create_segment(body("segment", name="In the list", definition=definition))["data"]["id"]
    assert {row["id"] for row in account.get_profiles_for_segment(segment)["data"]} == set(members[1:])
    assert [row["id"] for row in account.get_segments_for_profile(members[1])["data"]] == [segment]


def test_an_import_is_polled_and_its_errors_read(account: Account) -> None:
    """Jobs take a moment here, so that the SDK really polls."""
    with running(job_delay=0.05, limits="off") as served:
        slow = Account(account.sdk, served.base_url, "pk_import")
        make_person(slow, "ann@shop.test", external_id="ann")
        list_id = make_list(slow)
        rows = [{"email": f"bulk{number:02}@shop.test"} for number in range(25)]
        rows.append({"email": "bulk00@shop.test", "external_id": "ann"})  # somebody else's: it fails behind the door
        job = body(
            "profile-bulk-import-job", profiles=some("profile", *rows), relationships={"lists": refs("list", list_id)}
        )
        made = slow.bulk_import_profiles(job)["data"]
        assert made["attributes"]["status"] == "queued"

        def complete() -> Any:
            read = slow.get_bulk_import_profiles_job(made["id"])["data"]["attributes"]
            return read if read["status"] == "complete" else None

        done = until(complete)
        assert [done[f"{name}_count"] for name in ("total", "completed", "failed")] == [26, 25, 1]
        (error,) = slow.get_errors_for_bulk_import_profiles_job(made["id"])["data"]
        assert error["attributes"]["code"] == "duplicate_profile"
        where = "/data/attributes/profiles/data/25/attributes/external_id"
        assert error["attributes"]["source"]["pointer"] == where
        assert [row["id"] for row in slow.get_list_for_bulk_import_profiles_job(made["id"])["data"]] == [list_id]
        pages = slow.pages("get_profiles_for_bulk_import_profiles_job", made["id"], page_size=10)
        assert [len(page) for page in pages] == [10, 10, 5]
        assert [
            row["id"] for row in slow.get_bulk_import_profiles_jobs(filter='equals(status,"complete")')["data"]
        ] == [made["id"]]


def test_consent_is_given_and_taken_back(account: Account) -> None:
    ann = make_person(account, "ann@shop.test")
    list_id = make_list(account, opt_in_process="single_opt_in")
    asked = {"email": {"marketing": {"consent": "SUBSCRIBED", "consented_at": "2020-01-01T00:00:00Z"}}}
    account.bulk_subscribe_profiles(
        body(
            "profile-subscription-bulk-create-job",
            custom_source="shop",
            historical_import=True,
            profiles=some("profile", {"email": "ann@shop.test", "subscriptions": asked}),
            relationships={"list": ref("list", list_id)},
        )
    )
    given = marketing(account, ann)
    assert (given["consent"], given["custom_method_detail"]) == ("SUBSCRIBED", "shop")
    assert given["consent_timestamp"].startswith("2020-01-01")
    assert [row["id"] for row in account.get_profiles_for_list(list_id)["data"]] == [ann]
    taken = {"email": {"marketing": {"consent": "UNSUBSCRIBED"}}}
    account.bulk_unsubscribe_profiles(
        body(
            "profile-subscription-bulk-delete-job",
            profiles=some("profile", {"email": "ann@shop.test", "subscriptions": taken}),
        )
    )
    assert marketing(account, ann)["consent"] == "UNSUBSCRIBED"


def test_suppression_and_back(account: Account) -> None:
    ann = make_person(account, "ann@shop.test")
    people = some("profile", {"email": "ann@shop.test"})
    job = account.bulk_suppress_profiles(body("profile-suppression-bulk-create-job", profiles=people))["data"]
    assert account.get_bulk_suppress_profiles_job(job["id"])["data"]["attributes"]["status"] == "complete"
    assert [one["reason"] for one in marketing(account, ann)["suppression"]] == ["USER_SUPPRESSED"]
    reason = 'equals(subscriptions.email.marketing.suppression.reason,"USER_SUPPRESSED")'
    assert [row["id"] for row in account.get_profiles(filter=reason)["data"]] == [ann]
    job = account.bulk_unsuppress_profiles(body("profile-suppression-bulk-delete-job", profiles=people))["data"]
    assert [row["id"] for row in account.get_bulk_unsuppress_profiles_jobs()["data"]] == [job["id"]]
    assert not marketing(account, ann).get("suppression")


def test_push_tokens(account: Account) -> None:
    ann = make_person(account, "ann@shop.test")
    person = {"data": {"type": "profile", "id": ann, "attributes": {}}}
    for token, platform, vendor in (("apple", "ios", "apns"), ("robot", "android", "fcm")):
        about = {"token": token, "platform": platform, "vendor": vendor, "enablement_status": "AUTHORIZED"}
        account.create_push_token(body("push-token", **about, profile=person))
    pages = list(account.pages("get_push_tokens", page_size=1))
    assert sorted(row["attributes"]["token"] for page in pages for row in page) == ["apple", "robot"]
    (apple,) = account.get_push_tokens(filter='equals(platform,"ios")')["data"]
    assert account.get_profile_for_push_token(apple["id"])["data"]["id"] == ann
    assert len(account.get_push_token_ids_for_profile(ann)["data"]) == 2
    account.delete_push_token(apple["id"])
    assert account.refused("get_push_token", apple["id"]).status == 404
    assert [row["attributes"]["token"] for row in account.get_push_tokens_for_profile(ann)["data"]] == ["robot"]


def test_conversations(account: Account) -> None:
    ann = make_person(account, "ann@shop.test", phone_number="+12025550123")
    conversation = account.get_conversation_for_profile(ann)["data"]["id"]
    said = body("conversation-message", body="Hello", relationships={"conversation": ref("conversation", conversation)})
    account.create_conversation_message(said)
    assert [row["id"] for row in account.get_conversations_for_profile(ann)["data"]] == [conversation]
    unknown = body("conversation-message", body="Hello", relationships={"conversation": ref("conversation", "nobody")})
    assert account.refused("create_conversation_message", unknown).status in (400, 404)


def test_a_person_is_forgotten(account: Account) -> None:
    ann = make_person(account, "ann@shop.test")
    track(account, "Order", "ann@shop.test")
    about = {"data": {"type": "profile", "attributes": {"email": "ann@shop.test"}}}
    account.request_profile_deletion(body("data-privacy-deletion-job", profile=about))
    assert account.refused("get_profile", ann).status == 404
    assert account.get_profiles(filter='equals(email,"ann@shop.test")')["data"] == []
    assert account.get_events()["data"] == []
    assert account.refused("request_profile_deletion", body("data-privacy-deletion-job", profile=about)).status == 404
