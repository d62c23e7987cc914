"""Profiles: identity, changes, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sandbox.sandbox_api import Api, Reply


def create(api: Api, **attributes: Any) -> Reply:
    return api("POST", "/api/profiles", {"data": {"type": "profile", "attributes": attributes}})


def update(api: Api, profile_id: str, meta: Any = None, **attributes: Any) -> Reply:
    data = {"type": "profile", "id": profile_id, "attributes": attributes} | ({"meta": meta} if meta else {})
    return api("PATCH", f"/api/profiles/{profile_id}", {"data": data})


def upsert(api: Api, *, id: str | None = None, meta: Any = None, **attributes: Any) -> Reply:
    data = {"type": "profile", "attributes": attributes} | ({"id": id} if id else {}) | ({"meta": meta} if meta else {})
    return api("POST", "/api/profile-import", {"data": data})


def test_email_is_kept_in_lower_case_and_found_in_any(api: Api) -> None:
    profile_id = api.profile(email="Ann.Bell@Shop.Test")
    assert api.get(f"/api/profiles/{profile_id}").data["attributes"]["email"] == "ann.bell@shop.test"
    assert api.get("/api/profiles", filter='equals(email,"ANN.bell@shop.test")').ids == [profile_id]
    assert create(api, email="ANN.BELL@SHOP.TEST").errors[0]["meta"] == {"duplicate_profile_id": profile_id}


@pytest.mark.parametrize(
    ("attributes", "where", "what"),
    [
        ({"email": "no-at-sign"}, "email", "Invalid email address"),
        ({"email": "a..b@shop.test"}, "email", "Invalid email address"),
        ({"email": "a@shop"}, "email", "Invalid email address"),
        ({"email": " a@shop.test"}, "email", "Invalid email address"),
        ({"email": "a@shop.test\u0000"}, "email", "Invalid email address"),
        ({"email": "a" * 100 + "@shop.test"}, "email", "Invalid email address"),
        (
            {"phone_number": "555-1234"},
            "phone_number",
            "Invalid phone number format (Example of a valid format: +12345678901)",
        ),
        (
            {"email": "a@shop.test", "last_nam": "x"},
            "last_nam",
            "'last_nam' is not a valid field for the resource 'profile'.",
        ),
        (
            {"email": "a@shop.test", "subscriptions": {}},
            "subscriptions",
            "'subscriptions' is not a valid field for the resource 'profile'.",
        ),
    ],
)
def test_values_are_refused_in_recorded_words(api: Api, attributes: dict[str, Any], where: str, what: str) -> None:
    reply = create(api, **attributes)
    assert (reply.status, reply.faults) == (400, [(f"/data/attributes/{where}", what)])
    assert reply.errors[0]["code"] == "invalid"
    assert reply.errors[0]["title"] == "Invalid input."
    assert api.get("/api/profiles").data == []


def test_all_faults_of_a_body_are_told_at_once(api: Api) -> None:
    reply = create(api, first_name=7, location={"city": [], "planet": "x"})
    assert [where for where, _ in reply.faults] == [
        "/data/attributes/first_name",
        "/data/attributes/location/city",
        "/data/attributes/location/planet",
    ]


def test_an_identifier_is_needed(api: Api) -> None:
    assert create(api, first_name="Nobody").faults[0][0] == "/data/attributes"


def test_null_clears_and_missing_leaves(api: Api) -> None:
    profile_id = api.profile(email="a@shop.test", first_name="A", last_name="B", location={"city": "Paris", "zip": "1"})
    attributes = update(api, profile_id, first_name=None, location={"zip": None}).data["attributes"]
    assert (attributes["first_name"], attributes["last_name"]) == (None, "B")
    assert (attributes["location"]["city"], attributes["location"]["zip"]) == ("Paris", None)


def test_properties_are_merged_and_patched(api: Api) -> None:
    profile_id = api.profile(
        email="a@shop.test", properties={"tier": "gold", "tags": ["a"], "one": 1, "gone": True, "zero": 0}
    )
    meta = {"patch_properties": {"append": {"tags": ["a", "b"], "one": 2, "new": "x"}, "unset": ["gone"]}}
    merged = upsert(api, email="a@shop.test", properties={"points": 5}, meta=meta).data["attributes"]["properties"]
    assert merged == {"tier": "gold", "tags": ["b", "a"], "one": [2, 1], "zero": 0, "points": 5, "new": ["x"]}
    meta = {"patch_properties": {"unappend": {"tags": "a"}, "unset": "zero"}}
    left = update(api, profile_id, meta=meta).data["attributes"]["properties"]
    assert left == {"tier": "gold", "tags": ["b"], "one": [2, 1], "points": 5, "new": ["x"]}


def secondary(verb: str, *emails: str) -> dict[str, Any]:
    return {"patch_identifiers": {verb: {"email": list(emails)}}}


def test_secondary_addresses_find_their_profile_and_are_nobody_elses(api: Api) -> None:
    ann = upsert(api, email="ann@shop.test", meta=secondary("append", "Ann@home.test", "ann@work.test")).data["id"]
    again = upsert(api, email="ann@home.test", first_name="Ann")
    assert (again.status, again.data["id"], again.data["attributes"]["email"]) == (200, ann, "ann@shop.test")
    bob = api.profile(email="bob@shop.test")
    taken = upsert(api, id=bob, meta=secondary("append", "ann@work.test"))
    assert (taken.status, taken.errors[0]["meta"]) == (409, {"duplicate_profile_id": ann})
    assert update(api, bob, email="ann@work.test").status == 409
    created = api("POST", "/api/profiles", {"data": {"type": "profile", "attributes": {"email": "ann@work.test"}}})
    assert created.errors[0]["meta"] == {"duplicate_profile_id": ann}
    assert update(api, ann, meta=secondary("unappend", "ann@work.test")).status == 200
    assert upsert(api, email="ann@work.test").status == 201


def test_secondary_addresses_in_bulk_and_when_their_profile_goes(api: Api) -> None:
    row = {"attributes": {"email": "ann@shop.test"}, "meta": secondary("append", "ann@home.test")}
    assert api.imports(row).status == 202
    api.event("Viewed", email="ann@home.test")
    assert len(api.get("/api/profiles").data) == 1
    gone = {"data": {"type": "profile", "attributes": {"email": "ann@home.test"}}}
    body = {"data": {"type": "data-privacy-deletion-job", "attributes": {"profile": gone}}}
    assert api("POST", "/api/data-privacy-deletion-jobs", body).status == 202
    assert api.get("/api/profiles").data == []
    assert upsert(api, email="ann@home.test").status == 201


def test_secondary_addresses_that_are_none(api: Api) -> None:
    at = "/data/meta/patch_identifiers/append"
    for given, expected in (
        ({"email": "no"}, (f"{at}/email", "Invalid email address")),
        ({"email": [1]}, (f"{at}/email", "Invalid email address")),
        ({"phone_number": "+15005550006"}, None),
    ):
        reply = upsert(api, email="a@shop.test", meta={"patch_identifiers": {"append": given}})
        assert reply.status == 400
        assert expected is None or reply.faults == [expected]


def test_an_exchange_id_is_a_profile_and_makes_none(api: Api) -> None:
    ann = api.profile(email="ann@shop.test")
    account = api.get("/api/accounts").ids[0]
    kx = api.get("/_sandbox/state/profile", account=account, id=ann).json["exchange_id"]
    assert api.get("/api/profiles", filter=f'equals(_kx,"{kx}")').ids == [ann]
    assert upsert(api, _kx=kx, first_name="Ann").data["id"] == ann
    other = Api(api.base_url, api.key + "-other")
    for stranger, text in ((other, kx), (api, kx + "x"), (api, "no")):
        assert stranger.get("/api/profiles", filter=f'equals(_kx,"{text}")').ids == []
        assert upsert(stranger, _kx=text).status == 400


def test_upsert_finds_by_each_identifier(api: Api) -> None:
    profile_id = api.profile(email="a@shop.test", phone_number="+15005550006", external_id="c1")
    for identifiers in ({"email": "A@shop.test"}, {"phone_number": "+15005550006"}, {"external_id": "c1"}):
        reply = upsert(api, **identifiers)
        assert (reply.status, reply.data["id"]) == (200, profile_id)
    assert upsert(api, id=profile_id, title="Dr").data["attributes"]["title"] == "Dr"
    assert upsert(api, id="01H00000000000000000000000").status == 404


def test_upsert_fills_in_identifiers_and_email_goes_first(api: Api) -> None:
    ann, bob = api.profile(email="ann@shop.test"), api.profile(external_id="bob")
    assert upsert(api, email="ann@shop.test", phone_number="+15005550006").data["id"] == ann
    clash = upsert(api, email="ann@shop.test", external_id="bob")
    assert (clash.status, clash.errors[0]["meta"]) == (409, {"duplicate_profile_id": bob})


def test_update_cannot_take_an_identifier(api: Api) -> None:
    ann, bob = api.profile(email="ann@shop.test"), api.profile(email="bob@shop.test")
    assert update(api, bob, email="ann@shop.test").errors[0]["meta"] == {"duplicate_profile_id": ann}
    assert update(api, bob, email="bea@shop.test").status == 200
    assert api.get("/api/profiles", filter='equals(email,"bob@shop.test")').data == []


def test_update_of_another_id_or_nobody(api: Api) -> None:
    profile_id = api.profile(email="ann@shop.test")
    body = {"data": {"type": "profile", "id": "other", "attributes": {}}}
    assert api("PATCH", f"/api/profiles/{profile_id}", body).faults[0][0] == "/data/id"
    missing = api("PATCH", "/api/profiles/NOPE", {"data": {"type": "profile", "id": "NOPE", "attributes": {}}})
    assert missing.faults == [("/data/", "A profile with id NOPE does not exist.")]
    assert list(missing.errors[0]) == ["id", "status", "code", "title", "detail", "source"]


def test_coordinates_come_back_as_numbers(api: Api) -> None:
    location = create(api, email="a@shop.test", location={"latitude": "55.5", "longitude": 12}).data["attributes"][
        "location"
    ]
    assert (location["latitude"], location["longitude"]) == (55.5, 12)
    assert (
        create(api, email="b@shop.test", location={"latitude": "north"}).faults[0][0]
        == "/data/attributes/location/latitude"
    )


def test_fields_keep_their_order_and_relationships(api: Api) -> None:
    api.profile(email="a@shop.test", first_name="A", location={"city": "Paris", "zip": "1"})
    row = api.get("/api/profiles", **{"fields[profile]": "location.city,first_name,email,location.zip"}).data[0]
    assert list(row["attributes"].items()) == [
        ("location", {"city": "Paris", "zip": "1"}),
        ("first_name", "A"),
        ("email", "a@shop.test"),
    ]
    assert list(row["relationships"]) == ["lists", "segments", "push-tokens", "conversations"]


def test_lists_of_a_profile(api: Api) -> None:
    profile_id, list_id = api.profile(email="a@shop.test"), api.list("VIP")
    api.join(list_id, profile_id)
    reply = api.get(f"/api/profiles/{profile_id}", include="lists,segments", **{"fields[list]": "name"})
    assert reply.data["relationships"]["lists"]["data"] == [{"type": "list", "id": list_id}]
    assert reply.data["relationships"]["segments"]["data"] == []
    assert [one["attributes"] for one in reply.json["included"]] == [{"name": "VIP"}]
    assert api.get(f"/api/profiles/{profile_id}/lists").ids == [list_id]
    assert api.get(f"/api/profiles/{profile_id}/relationships/lists").data == [{"type": "list", "id": list_id}]
    assert api.get("/api/profiles/NOPE/lists").status == 404


def test_accounts_are_isolated(api: Api) -> None:
    other = Api(api.base_url, api.key + "x")
    profile_id = api.profile(email="a@shop.test")
    assert other.get(f"/api/profiles/{profile_id}").status == 404
    assert other.get("/api/profiles").data == []
    assert other.profile(email="a@shop.test") != profile_id
    mine, theirs = api.get("/api/accounts").ids[0], other.get("/api/accounts").ids[0]
    assert mine != theirs
    assert api.get(f"/api/accounts/{mine}").data["attributes"]["public_api_key"] == mine
    assert api.get(f"/api/accounts/{theirs}").faults == [("/data/", f"Account with id {theirs} not found.")]


def test_deletion_of_a_person(api: Api) -> None:
    def delete(**profile: Any) -> Reply:
        data = {
            "type": "data-privacy-deletion-job",
            "attributes": {"profile": {"data": {"type": "profile", **profile}}},
        }
        return api("POST", "/api/data-privacy-deletion-jobs", {"data": data})

    list_id = api.list()
    api.join(list_id, api.profile(email="a@shop.test"))
    api.event(email="a@shop.test")
    assert delete(attributes={"email": "a@shop.test", "phone_number": "+15005550006"}).status == 400
    assert delete(attributes={"email": "a@shop.test"}).status == 202
    assert api.get("/api/profiles").data == api.get("/api/events").data == []
    assert api.get(f"/api/lists/{list_id}/profiles").data == []
    assert delete(attributes={"email": "a@shop.test"}).faults == [
        ("/data/", 'No profile with email "a@shop.test" found.  The profile may have already been deleted.')
    ]
