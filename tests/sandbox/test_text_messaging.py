"""Text messaging: configuration, senders in every region of a number, registrations and their review."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sandbox.messages_api import write
from tests.sandbox.sandbox_api import Api, Reply

from clavichord.sandbox.serve import running

REGISTRATION = "text-messaging-sender-registration"
BUSINESS: dict[str, Any] = {
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


@pytest.fixture
def api(api: Api) -> Api:
    return api.at("2026-10-15")


def sender(api: Api, business: dict[str, Any] = BUSINESS, **attributes: Any) -> Reply:
    given = {
        "sender_type": "toll_free",
        "sender_details": {"country": "CA"},
        REGISTRATION: {"data": {"type": REGISTRATION, "attributes": business}},
    }
    body = {"data": {"type": "text-messaging-sender", "attributes": given | attributes}}
    return api("POST", "/api/text-messaging-senders", body)


def resubmit(api: Api, sender_id: str, business: dict[str, Any], query: str = "") -> Reply:
    related = {"text-messaging-sender": {"type": "text-messaging-sender", "id": sender_id}}
    return write(
        api, "POST", "/api/text-messaging-sender-registrations", REGISTRATION, related=related, query=query, **business
    )


def status(api: Api, sender_id: str) -> tuple[str, str]:
    """Of the sender, and of its newest registration."""
    path = f"/api/text-messaging-senders/{sender_id}"
    newest = api.get(f"{path}/{REGISTRATION}").data
    assert api.get(f"{path}/relationships/{REGISTRATION}").data["id"] == newest["id"]
    return api.get(path).data["attributes"]["status"], newest["attributes"]["status"]


def test_an_account_has_one_configuration(api: Api) -> None:
    account = api.get("/api/accounts").ids[0]
    path = f"/api/text-messaging-configurations/{account}"
    assert api.get(path).status == 404

    def make(prefix: str) -> Reply:
        kind = "text-messaging-configuration"
        return write(api, "POST", "/api/text-messaging-configurations", kind, org_prefix=prefix)

    for wrong in ("", "x" * 51):
        assert [where for where, _ in make(wrong).faults] == ["/data/attributes/org_prefix"]
    made = make("Shop")
    assert (made.status, made.data["id"]) == (201, account)
    read = api.get(path).data["attributes"]
    assert list(read) == ["org_prefix", "opt_out_language", "status", "created_at", "updated_at"]
    assert (read["org_prefix"], read["status"]) == ("Shop", "active")
    assert (make("Again").status, make("Again").errors[0]["code"]) == (409, "conflict")


def test_a_toll_free_number_is_there_in_both_regions(api: Api) -> None:
    made = sender(api, forwarding_number="+12025550199")
    assert made.status == 201, made.body
    assert made.data["attributes"]["sender_details"] == {"country": "CA"}
    assert (made.data["attributes"]["status"], made.data["attributes"]["sender_identifier"]) == ("registering", None)
    rows = api.get("/api/text-messaging-senders", include=REGISTRATION, sort="created_at")
    assert [row["attributes"]["sender_details"]["country"] for row in rows.data] == ["CA", "US"]
    assert len({row["attributes"]["sender_identifier"] for row in rows.data}) == 1
    assert rows.data[0]["attributes"]["sender_identifier"].startswith("+1833")
    assert {one["attributes"]["status"] for one in rows.json["included"]} == {"approved"}
    assert status(api, made.data["id"]) == ("active", "approved")
    pages = list(api.pages("/api/text-messaging-senders", **{"page[size]": "1"}))
    assert [page.ids for page in pages] == [[one] for one in rows.ids]
    registration = api.get(f"/api/text-messaging-sender-registrations/{rows.json['included'][0]['id']}")
    assert registration.data["relationships"]["text-messaging-sender"]["data"]["id"] == rows.ids[0]
    assert registration.data["attributes"]["decided_at"] is not None


def test_a_review_takes_its_time() -> None:
    with running(limits="off", job_delay=60) as served:
        api = Api(served.base_url, "pk_a", "2026-10-15")
        made = sender(api).data["id"]
        assert status(api, made) == ("registering", "in_review")
        api("POST", "/_sandbox/clock", {"advance": "2m"})
        assert status(api, made) == ("active", "approved")


def test_what_a_review_misses_or_refuses_can_be_submitted_again(api: Api) -> None:
    bare = {name: value for name, value in BUSINESS.items() if not name.startswith("business_registration")}
    made = sender(api, bare).data["id"]
    assert status(api, made) == ("pending_registration", "action_required")
    failures = api.get(f"/api/text-messaging-senders/{made}/{REGISTRATION}").data["attributes"]["failures"]
    assert [one["detail"].split("'")[1] for one in failures] == [
        "business_registration_country",
        "business_registration_authority",
        "business_registration_number",
    ]
    rejected = resubmit(api, made, BUSINESS | {"business_website": "rejected.invalid"}, "include=text-messaging-sender")
    assert (rejected.status, rejected.data["attributes"]["status"]) == (201, "in_review")
    assert [one["id"] for one in rejected.json["included"]] == [made]
    assert status(api, made) == ("registration_failed", "rejected")
    alone = bare | {"business_type": "SOLE_PROPRIETOR", "business_registration_country": "US"}
    assert resubmit(api, made, alone).status == 201
    assert status(api, made) == ("active", "approved")
    assert api.get(f"/api/text-messaging-sender-registrations/{rejected.data['id']}").data["attributes"]["failures"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"sender_type": "short_code"}, "/data/attributes/sender_type"),
        ({"sender_details": {"country": "FR"}}, "/data/attributes/sender_details/country"),
        ({"forwarding_number": "555"}, "/data/attributes/forwarding_number"),
        ({"business": BUSINESS | {"email": "nobody"}}, f"/data/attributes/{REGISTRATION}/data/attributes/email"),
        (
            {"business": BUSINESS | {"phone_number": "5"}},
            f"/data/attributes/{REGISTRATION}/data/attributes/phone_number",
        ),
        (
            {"business": BUSINESS | {"address": BUSINESS["address"] | {"country": "Utopia"}}},
            f"/data/attributes/{REGISTRATION}/data/attributes/address/country",
        ),
    ],
)
def test_refused_senders(api: Api, change: dict[str, Any], pointer: str) -> None:
    refused = sender(api, **change)
    assert (refused.status, [where for where, _ in refused.faults]) == (400, [pointer])
    assert api.get("/api/text-messaging-senders").ids == []


def test_a_registration_needs_a_sender_that_is_there(api: Api) -> None:
    assert resubmit(api, "01NOPE", BUSINESS).faults == [
        ("/data/", "A text-messaging-sender with id 01NOPE does not exist.")
    ]
    assert api.get("/api/text-messaging-senders/01NOPE").status == 404
    assert api.get(f"/api/text-messaging-senders/01NOPE/{REGISTRATION}").status == 404
