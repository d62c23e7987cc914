"""Subscribing, unsubscribing, suppressing."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sandbox.sandbox_api import Api, Reply

PAST = "2020-05-06T07:08:09Z"


def email(address: str, consent: str = "SUBSCRIBED", **marketing: Any) -> dict[str, Any]:
    return {"email": address, "subscriptions": {"email": {"marketing": {"consent": consent, **marketing}}}}


def sms(phone: str, consent: str = "SUBSCRIBED", **marketing: Any) -> dict[str, Any]:
    return {"phone_number": phone, "subscriptions": {"sms": {"marketing": {"consent": consent, **marketing}}}}


def marketing(api: Api, address: str = "a@shop.test") -> dict[str, Any]:
    person = api.person(address)
    assert person is not None
    found: dict[str, Any] = person["subscriptions"]["email"]["marketing"]
    return found


def members(api: Api, list_id: str) -> int:
    return len(api.get(f"/api/lists/{list_id}/relationships/profiles").data)


def test_single_opt_in_list_subscribes_and_joins(api: Api) -> None:
    list_id = api.list(opt_in_process="single_opt_in")
    assert api.consent("create", email("a@shop.test"), list_id=list_id, custom_source="till").status == 202
    found = marketing(api)
    assert (found["consent"], found["can_receive_email_marketing"]) == ("SUBSCRIBED", True)
    assert (found["method"], found["method_detail"], found["custom_method_detail"]) == ("API", list_id, "till")
    assert members(api, list_id) == 1


@pytest.mark.parametrize("with_list", [True, False])
def test_double_opt_in_keeps_people_pending(api: Api, with_list: bool) -> None:
    list_id = api.list() if with_list else None
    api.profile(email="known@shop.test")
    assert api.consent("create", email("new@shop.test"), email("known@shop.test"), list_id=list_id).status == 202
    assert api.person("new@shop.test") is None
    assert marketing(api, "known@shop.test")["consent"] == "NEVER_SUBSCRIBED"
    if list_id:
        assert members(api, list_id) == 0


def test_confirming_does_what_the_link_does(api: Api) -> None:
    list_id, account = api.list(), api.get("/api/accounts").ids[0]

    def confirm(**wanted: str) -> Reply:
        return api("POST", "/_sandbox/confirmations", {"account": account, **wanted})

    def waiting() -> list[tuple[str, str]]:
        found = api("GET", "/_sandbox/state/pending", query={"account": account}).json["pending"]
        return sorted((one["address"], one["channel"]) for one in found)

    both = {"email": "a@shop.test", **sms("+12025550123")}
    both["subscriptions"] = {**both["subscriptions"], **email("")["subscriptions"]}
    api.consent("create", both, email("b@shop.test"), list_id=list_id, custom_source="till")
    assert waiting() == [("+12025550123", "sms"), ("a@shop.test", "email"), ("b@shop.test", "email")]
    assert confirm(address="A@Shop.test").json == {
        "confirmed": [{"list": list_id, "channel": "email", "address": "a@shop.test"}]
    }
    found = marketing(api)
    assert (found["consent"], found["double_optin"], found["custom_method_detail"]) == ("SUBSCRIBED", True, "till")
    assert waiting() == [("+12025550123", "sms"), ("b@shop.test", "email")]
    person = api.person("a@shop.test")
    assert person is not None
    assert person["subscriptions"]["sms"]["marketing"]["consent"] == "NEVER_SUBSCRIBED"
    assert members(api, list_id) == 1
    assert confirm(address="a@shop.test").status == 404
    assert "a@shop.test" in confirm(address="a@shop.test").json["error"]
    assert len(confirm(list=list_id).json["confirmed"]) == 2
    assert (waiting(), members(api, list_id)) == ([], 2)


def test_historical_import_bypasses_double_opt_in_and_keeps_the_time(api: Api) -> None:
    list_id = api.list()
    reply = api.consent("create", email("a@shop.test", consented_at=PAST), list_id=list_id, historical_import=True)
    assert reply.status == 202
    assert marketing(api)["consent_timestamp"] == "2020-05-06T07:08:09.000000+00:00"
    assert members(api, list_id) == 1


def test_click_tracking_is_a_consent_since_october(api: Api) -> None:
    entry = email("a@shop.test", consented_at=PAST)
    entry["subscriptions"]["email"]["click_tracking"] = {"consent": "SUBSCRIBED"}
    assert api.consent("create", entry, historical_import=True).status == 400
    assert api.at("2026-10-15").consent("create", entry, historical_import=True).status == 202
    person = api.person("a@shop.test")
    assert person is not None
    assert person["subscriptions"]["email"]["click_tracking"]["consent"] == "SUBSCRIBED"


@pytest.mark.parametrize(
    ("consented_at", "historical"),
    [(None, True), ("2199-01-01T00:00:00Z", True), (PAST, False), (PAST, None)],
)
def test_proof_of_consent(api: Api, consented_at: str | None, historical: bool | None) -> None:
    extra: dict[str, Any] = {} if historical is None else {"historical_import": historical}
    said = {} if consented_at is None else {"consented_at": consented_at}
    good = email("good@shop.test", **({"consented_at": PAST} if historical else {}))
    reply = api.consent("create", good, email("a@shop.test", **said), **extra)
    at = "/data/attributes/profiles/data/1/attributes/subscriptions/email/marketing/consented_at"
    assert (reply.status, [where for where, _ in reply.faults]) == (400, [at])
    assert api.get("/api/profiles").data == []


def test_channels_need_their_address(api: Api) -> None:
    reply = api.consent("create", {"email": "a@shop.test", "subscriptions": sms("")["subscriptions"]})
    text = "'phone_number' must not be empty when the sms channel is included in 'subscriptions'."
    assert reply.faults == [("/data/attributes/profiles/data/0/attributes/phone_number", text)]


def test_properties_cannot_be_set_with_consent(api: Api) -> None:
    reply = api.consent("create", email("a@shop.test") | {"properties": {"a": 1}})
    assert reply.faults[0][1] == "'properties' is not a valid field for the resource 'profile'."
    assert api.consent("create", {"email": "a@shop.test"}).status == 400
    assert api.consent("create", email("a@shop.test", consent="UNSUBSCRIBED")).status == 400


def test_sms_is_separate(api: Api) -> None:
    list_id = api.list(opt_in_process="single_opt_in")
    api.profile(email="a@shop.test", phone_number="+15005550006")
    api.consent("create", sms("+15005550006"), list_id=list_id)
    person = api.person("a@shop.test")
    assert person is not None
    assert person["subscriptions"]["sms"]["marketing"]["consent"] == "SUBSCRIBED"
    assert person["subscriptions"]["sms"]["marketing"]["can_receive_sms_marketing"] is True
    assert person["subscriptions"]["email"]["marketing"]["consent"] == "NEVER_SUBSCRIBED"


def test_unsubscribing_a_member_from_a_list_only(api: Api) -> None:
    list_id = api.list(opt_in_process="single_opt_in")
    api.consent("create", email("a@shop.test"), list_id=list_id)
    assert api.consent("delete", email("a@shop.test", "UNSUBSCRIBED"), list_id=list_id).status == 202
    found = marketing(api)
    assert (found["consent"], found["can_receive_email_marketing"], found["suppression"]) == ("SUBSCRIBED", True, [])
    assert [(one["list_id"], one["reason"]) for one in found["list_suppressions"]] == [(list_id, "UNSUBSCRIBE")]
    assert members(api, list_id) == 0
    by_list = f'equals(subscriptions.email.marketing.list_suppressions.list_id,"{list_id}")'
    assert len(api.get("/api/profiles", filter=by_list).data) == 1


@pytest.mark.parametrize("with_list", [True, False])
def test_unsubscribing_a_stranger_to_the_list_is_global(api: Api, with_list: bool) -> None:
    api.consent("create", email("a@shop.test", consented_at=PAST), historical_import=True)
    assert marketing(api)["consent"] == "SUBSCRIBED"
    list_id = api.list() if with_list else None
    api.consent("delete", email("a@shop.test", "UNSUBSCRIBED"), list_id=list_id)
    found = marketing(api)
    assert (found["consent"], found["can_receive_email_marketing"]) == ("UNSUBSCRIBED", False)
    assert [one["reason"] for one in found["suppression"]] == ["UNSUBSCRIBE"]
    api.consent("create", email("a@shop.test"), list_id=api.list(opt_in_process="single_opt_in"))
    found = marketing(api)
    assert (found["consent"], found["can_receive_email_marketing"], found["suppression"]) == ("SUBSCRIBED", True, [])


def test_suppression_and_back(api: Api) -> None:
    api.profile(email="a@shop.test")
    job = api.suppress("create", "a@shop.test", "unknown@shop.test")
    assert (job.status, job.data["attributes"]["status"]) == (202, "processing")
    found = marketing(api)
    assert (found["consent"], found["can_receive_email_marketing"]) == ("NEVER_SUBSCRIBED", False)
    assert [one["reason"] for one in found["suppression"]] == ["USER_SUPPRESSED"]
    reason = 'equals(subscriptions.email.marketing.suppression.reason,"USER_SUPPRESSED")'
    when = "subscriptions.email.marketing.suppression.timestamp"
    assert len(api.get("/api/profiles", filter=f"{reason},greater-than({when},2020-01-01)", sort=f"-{when}").data) == 2
    assert api.get("/api/profiles", filter=f"less-than({when},2020-01-01)").data == []
    done = api.get(f"/api/profile-suppression-bulk-create-jobs/{job.data['id']}").data["attributes"]
    assert (done["status"], done["total_count"], done["completed_count"], done["skipped_count"]) == (
        "complete",
        2,
        2,
        0,
    )
    api.consent("delete", email("a@shop.test", "UNSUBSCRIBED"))
    api.suppress("delete", "a@shop.test")
    assert [one["reason"] for one in marketing(api)["suppression"]] == ["UNSUBSCRIBE"]


def test_suppression_of_a_list(api: Api) -> None:
    list_id = api.list()
    api.join(list_id, *[api.profile(email=f"{name}@shop.test") for name in "ab"])
    job = api.suppress("create", list_id=list_id)
    assert job.status == 202
    jobs = "/api/profile-suppression-bulk-create-jobs"
    assert api.get(jobs, filter=f'equals(list_id,"{list_id}")').ids == [job.data["id"]]
    assert api.get(jobs, filter='equals(list_id,"other")').data == []
    assert not marketing(api, "b@shop.test")["can_receive_email_marketing"]
    assert api.suppress("create").status == 400
    assert api.suppress("create", "a@shop.test", list_id=list_id).status == 400
    assert api.suppress("create", *[f"p{number}@shop.test" for number in range(101)]).status == 400
