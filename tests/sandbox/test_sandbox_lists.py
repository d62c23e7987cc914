"""Lists and their members."""

from __future__ import annotations

from tests.sandbox.sandbox_api import Api

from clavichord.sandbox.clock import SECOND, VirtualClock, parse
from clavichord.sandbox.serve import running


def test_life_of_a_list(api: Api) -> None:
    list_id = api.list("One")
    assert api.get(f"/api/lists/{list_id}").data["attributes"]["opt_in_process"] == "double_opt_in"
    body = {"data": {"type": "list", "id": list_id, "attributes": {"name": "Two"}}}
    changed = api("PATCH", f"/api/lists/{list_id}", body).data["attributes"]
    assert (changed["name"], changed["opt_in_process"]) == ("Two", "double_opt_in")
    assert "." not in changed["created"]
    assert "." in changed["updated"]
    assert api("DELETE", f"/api/lists/{list_id}").status == 204
    assert api.get(f"/api/lists/{list_id}").faults == [("/data/", f"A list with id `{list_id}` does not exist.")]
    assert api("DELETE", f"/api/lists/{list_id}").status == 404


def test_names_need_not_be_unique_but_must_be_there(api: Api) -> None:
    assert api.list("Same") != api.list("Same")
    reply = api("POST", "/api/lists", {"data": {"type": "list", "attributes": {"opt_in_process": "maybe"}}})
    assert sorted(where for where, _ in reply.faults) == ["/data/attributes/name", "/data/attributes/opt_in_process"]


def test_members_join_and_leave_idempotently(api: Api) -> None:
    list_id, ann, bob = api.list(), api.profile(email="ann@shop.test"), api.profile(email="bob@shop.test")
    for _ in range(2):
        assert api.join(list_id, ann, bob).status == 204
    assert api.get(f"/api/lists/{list_id}/relationships/profiles").ids == sorted([ann, bob])
    assert (
        api.get(f"/api/lists/{list_id}", **{"additional-fields[list]": "profile_count"}).data["attributes"][
            "profile_count"
        ]
        == 2
    )
    body = {"data": [{"type": "profile", "id": ann}]}
    for _ in range(2):
        assert api("DELETE", f"/api/lists/{list_id}/relationships/profiles", body).status == 204
    assert api.get(f"/api/lists/{list_id}/profiles").ids == [bob]
    assert api.join(list_id, "NOPE").status == 404
    assert api.join("NOPE01", ann).status == 404


def test_at_most_a_thousand_members_at_once(api: Api) -> None:
    assert api.join(api.list(), *["x"] * 1001).status == 400


def test_members_by_the_time_they_joined() -> None:
    clock = VirtualClock((parse("2026-01-01T00:00:00Z") or 0) + 400_000)
    with running(clock=clock, limits="off") as served:
        api = Api(served.base_url, "pk_joining")
        list_id = api.list()
        ids = [api.profile(email=f"{name}@shop.test") for name in "abc"]
        for one in reversed(ids):
            api.join(list_id, one)
            clock.advance(60)
        path = f"/api/lists/{list_id}/profiles"
        oldest_first = api.get(path, sort="joined_group_at")
        assert oldest_first.ids == ids[::-1]
        assert [row["attributes"]["joined_group_at"] for row in oldest_first.data] == [
            f"2026-01-01T00:0{minute}:00+00:00" for minute in range(3)
        ]
        assert api.get(path, sort="-joined_group_at").ids == ids
        assert api.get(path, filter="greater-than(joined_group_at,2026-01-01T00:01:00Z)").ids == [ids[0]]
        assert api.get(path, filter="greater-or-equal(joined_group_at,2026-01-01T00:01:00Z)").ids == ids[1::-1]
        assert api.get(path, filter="less-than(joined_group_at,2026-01-01T01:01:00+01:00)").ids == [ids[2]]
        assert api.get(path, filter='any(email,["A@shop.test","x@shop.test"])').ids == [ids[0]]
        pages = api.pages(f"/api/lists/{list_id}/relationships/profiles", sort="joined_group_at", **{"page[size]": "1"})
        assert [one for page in pages for one in page.ids] == ids[::-1]
        assert clock.now() % SECOND == 400_000


def test_lists_by_name_id_and_age(api: Api) -> None:
    one, two = api.list("One"), api.list('Two "quoted", (odd)')
    assert api.get("/api/lists", filter='equals(name,"One")').ids == [one]
    assert api.get("/api/lists", filter=r"""equals(name,"Two \"quoted\", (odd)")""").ids == [two]
    assert api.get("/api/lists", filter=f'any(id,["{one}","{two}"])', sort="-name").ids == [two, one]
    assert api.get("/api/lists", filter="greater-than(created,2100-01-01)").data == []
    assert sorted(api.get("/api/lists", filter="greater-than(created,2000-01-01)").ids) == sorted([one, two])
    contains = api.get("/api/lists", filter='contains(name,"One")')
    assert contains.faults == [
        ("filter", "'contains' is not an allowed filter operator for name.  Allowed operators are any, equals")
    ]


def test_empty_relationships_are_empty_not_missing(api: Api) -> None:
    list_id = api.list()
    for tail in ("tags", "relationships/tags", "flow-triggers", "relationships/flow-triggers"):
        reply = api.get(f"/api/lists/{list_id}/{tail}")
        assert (reply.status, reply.data, list(reply.json["links"])) == (200, [], ["self"])
    assert api.get("/api/lists/NOPE01/tags").status == 404
