"""What hangs on a profile: push tokens, conversations, includes; and the merging of two profiles."""

from __future__ import annotations

from typing import Any

from tests.sandbox.sandbox_api import Api, Reply, until

from clavichord.sandbox.serve import running


def push(api: Api, token: str, /, platform: str = "ios", **more: Any) -> Reply:
    profile = more.pop("profile", {"email": "a@shop.test"})
    attributes = {
        "token": token,
        "platform": platform,
        "vendor": "apns",
        "profile": {"data": {"type": "profile", "attributes": profile}},
        **more,
    }
    return api("POST", "/api/push-tokens", {"data": {"type": "push-token", "attributes": attributes}})


def test_life_of_a_push_token(api: Api) -> None:
    made = push(api, "T1", device_metadata={"device_model": "X", "environment": "debug"})
    assert (made.status, made.body) == (202, b"")
    person = api.person("a@shop.test")
    assert person is not None
    assert person["subscriptions"]["mobile_push"]["marketing"]["can_receive_push_marketing"] is True
    token = api.get("/api/push-tokens").data[0]
    assert (token["attributes"]["token"], token["attributes"]["enablement_status"]) == ("T1", "AUTHORIZED")
    assert token["attributes"]["metadata"]["device_model"] == "X"
    path = f"/api/push-tokens/{token['id']}"
    assert api.get(path, include="profile").json["included"][0]["id"] == person["id"]
    assert api.get(path + "/profile").data["attributes"]["email"] == "a@shop.test"
    assert api.get(path + "/relationships/profile").data == {"type": "profile", "id": person["id"]}
    assert api.get(f"/api/profiles/{person['id']}/push-tokens").ids == [token["id"]]
    assert api.get(f"/api/profiles/{person['id']}/relationships/push-tokens").ids == [token["id"]]
    assert (
        api.get("/api/profiles", filter='equals(email,"a@shop.test")', include="push-tokens").json["included"][0]["id"]
        == token["id"]
    )
    push(api, "T1", profile={"email": "b@shop.test"}, enablement_status="DENIED")
    assert api.get("/api/push-tokens").ids == [token["id"]], "the same device, another person"
    assert api.get(f"/api/profiles/{person['id']}/push-tokens").data == []
    assert api.get("/api/push-tokens", filter='equals(enablement_status,"AUTHORIZED")').data == []
    other = api.person("b@shop.test") or {}
    assert api.get("/api/push-tokens", filter=f'equals(profile.id,"{other["id"]}")').ids == [token["id"]]
    list_id = api.list()
    api.join(list_id, other["id"], person["id"])
    assert api.get(f"/api/lists/{list_id}/profiles", filter='equals(push_token,"T1")').ids == [other["id"]]
    assert api("DELETE", path).status == 204
    assert api.get(path).faults == [("/data/", f"Record with token ID: {token['id']} cannot be found.")]


def test_bad_push_tokens(api: Api) -> None:
    assert push(api, " ").status == 400
    assert push(api, "T", platform="beos").status == 400
    assert push(api, "T", profile={}).status == 400
    assert push(api, "T", profile={"email": "nonsense"}).status == 400
    assert push(api, "x" * 100_001).status == 413
    assert api.get("/api/push-tokens").data == []


def test_conversations(api: Api) -> None:
    silent, reachable = api.profile(email="a@shop.test"), api.profile(phone_number="+12025550123")
    assert api.get(f"/api/profiles/{silent}/conversation").json == {"data": None}
    assert api.get(f"/api/profiles/{silent}/conversations").data == []
    found = api.get(f"/api/profiles/{reachable}/conversations").data
    assert [row["attributes"] for row in found] == [{"channel": "sms"}]
    one = found[0]["id"]
    assert api.get(f"/api/profiles/{reachable}/relationships/conversations").ids == [one]
    assert api.get(f"/api/profiles/{reachable}/conversation").data["id"] == one
    assert api.get(f"/api/profiles/{reachable}/relationships/conversation").data["id"] == one

    def say(conversation: str | None, body: str = "Hello") -> Reply:
        target = None if conversation is None else {"type": "conversation", "id": conversation}
        data = {
            "type": "conversation-message",
            "attributes": {"body": body},
            "relationships": {"conversation": {"data": target} if target else {}},
        }
        return api("POST", "/api/conversation-messages", {"data": data})

    assert (say(one).status, say(one).body) == (202, b"")
    assert say("NOPE").status == 404
    assert say(None).status == say(one, " ").status == 400


def test_a_profile_includes_what_it_has(api: Api) -> None:
    one, list_id = api.profile(email="a@shop.test", phone_number="+12025550123"), api.list()
    api.join(list_id, one)
    push(api, "T1")
    condition = {"type": "profile-group-membership", "is_member": True, "group_ids": [list_id]}
    attributes = {"name": "S", "definition": {"condition_groups": [{"conditions": [condition]}]}}
    segment = api("POST", "/api/segments", {"data": {"type": "segment", "attributes": attributes}}).data["id"]
    read = api.get(f"/api/profiles/{one}", include="lists,segments,push-tokens,conversations").json
    related = read["data"]["relationships"]
    assert related["lists"]["data"] == [{"type": "list", "id": list_id}]
    assert related["segments"]["data"] == [{"type": "segment", "id": segment}]
    assert [row["type"] for row in read["included"]] == ["list", "segment", "push-token", "conversation"]
    listed = api.get("/api/profiles", include="conversations,push-tokens").json
    assert len(listed["included"]) == 2
    assert list(listed["data"][0]["relationships"]["conversations"]) == ["data", "links"]


def merge(api: Api, into: str, *sources: str) -> Reply:
    data = {
        "type": "profile-merge",
        "id": into,
        "relationships": {"profiles": {"data": [{"type": "profile", "id": one} for one in sources]}},
    }
    return api("POST", "/api/profile-merge", {"data": data})


def test_merging(api: Api) -> None:
    into = api.profile(email="a@shop.test", first_name="Ann", properties={"x": 1, "y": 1})
    source = api.profile(
        phone_number="+12025550123",
        first_name="Other",
        last_name="Bell",
        properties={"y": 2, "z": 2},
        location={"city": "C"},
    )
    api.join(api.list("One"), into, source)
    two = api.list("Two")
    api.join(two, source)
    profile = {"data": {"type": "profile", "id": source, "attributes": {}}}
    for number, who in ((1, source), (2, source), (2, into)):
        profile["data"]["id"] = who
        assert api.event("Order", email="", profile=profile, unique_id=str(number)).status == 202
    kept = api.get("/api/events", filter=f'equals(profile_id,"{into}")').ids
    api.suppress("create", "a@shop.test")
    push(api, "T1", profile={"phone_number": "+12025550123"})
    done = merge(api, into, source)
    assert done.status == 201
    assert (done.data["type"], done.data["id"]) == ("profile", into)
    assert "relationships" not in done.data
    assert api.get(f"/api/profiles/{source}").status == 404
    read = api.get(f"/api/profiles/{into}").data["attributes"]
    assert (read["phone_number"], read["first_name"], read["last_name"]) == ("+12025550123", "Ann", "Bell")
    assert read["properties"] == {"y": 1, "z": 2, "x": 1}
    assert read["location"]["city"] == "C"
    assert sorted(row["attributes"]["name"] for row in api.get(f"/api/profiles/{into}/lists").data) == ["One", "Two"]
    assert api.get(f"/api/lists/{two}/profiles").ids == [into]
    events = api.get("/api/events", filter=f'equals(profile_id,"{into}")', include="metric").json
    names = [row["attributes"]["name"] for row in events["included"]]
    assert sorted(names) == ["Merged Profile", "Order"]
    assert len(events["data"]) == 3, "the unique_id 2 was there twice"
    assert {row["id"] for row in events["data"]} > set(kept)
    assert len(api.get(f"/api/profiles/{into}/push-tokens").data) == 1
    person = api.person("a@shop.test") or {}
    assert person["subscriptions"]["email"]["marketing"]["suppression"][0]["reason"] == "USER_SUPPRESSED"
    assert person["subscriptions"]["mobile_push"]["marketing"]["consent"] == "SUBSCRIBED"


def test_what_cannot_be_merged(api: Api) -> None:
    one, two, three = (api.profile(email=f"{name}@shop.test") for name in "abc")
    assert merge(api, one, two, three).status == 400
    assert merge(api, one).status == 400
    assert merge(api, one, one).status == 400
    assert merge(api, one, "NOPE").status == merge(api, "NOPE", one).status == 404
    assert len(api.get("/api/profiles").data) == 3


def test_a_merge_takes_its_time() -> None:
    with running(limits="off", job_delay=0.2) as served:
        api = Api(served.base_url, "pk_merging")
        one, two = api.profile(email="a@shop.test"), api.profile(email="b@shop.test")
        assert merge(api, one, two).status == 201
        assert api.get(f"/api/profiles/{two}").status == 200
        until(lambda: api.get(f"/api/profiles/{two}").status == 404)
