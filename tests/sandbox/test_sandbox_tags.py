"""Tags and tag groups: made, read, renamed, put on lists and segments, gone."""

from __future__ import annotations

from tests.sandbox.sandbox_api import Api, Reply


def make_group(api: Api, name: str, exclusive: bool | None = None) -> str:
    reply = api(
        "POST", "/api/tag-groups", {"data": {"type": "tag-group", "attributes": {"name": name, "exclusive": exclusive}}}
    )
    assert reply.status == 201, reply.body
    return str(reply.data["id"])


def send_tag(api: Api, name: str, group: str | None = None) -> Reply:
    data: dict[str, object] = {"type": "tag", "attributes": {"name": name}}
    if group is not None:
        data["relationships"] = {"tag-group": {"data": {"type": "tag-group", "id": group}}}
    return api("POST", "/api/tags", {"data": data})


def make_tag(api: Api, name: str, group: str | None = None) -> str:
    reply = send_tag(api, name, group)
    assert reply.status == 201, reply.body
    return str(reply.data["id"])


def tagging(api: Api, method: str, tag: str, kind: str, *ids: str) -> Reply:
    body = {"data": [{"type": kind, "id": one} for one in ids]}
    return api(method, f"/api/tags/{tag}/relationships/{kind}s", body)


def test_a_tag_without_group_joins_the_default_one(api: Api) -> None:
    tag = send_tag(api, "vip").data
    group_id = tag["relationships"]["tag-group"]["data"]["id"]
    group = api.get("/api/tag-groups").data
    assert [(one["id"], one["attributes"]) for one in group] == [
        (group_id, {"name": "Ungrouped Tags", "exclusive": False, "default": True})
    ]
    assert api.get(f"/api/tags/{tag['id']}/tag-group").data["id"] == group_id
    assert api.get(f"/api/tags/{tag['id']}/relationships/tag-group").data == {"type": "tag-group", "id": group_id}
    refused = api("DELETE", f"/api/tag-groups/{group_id}")
    assert (refused.status, refused.errors[0]["code"]) == (400, "tag_service_error")


def test_life_of_a_tag(api: Api) -> None:
    group = make_group(api, "Season")
    tag = make_tag(api, "spring", group)
    body = {"data": {"type": "tag", "id": tag, "attributes": {"name": "summer"}}}
    renamed = api("PATCH", f"/api/tags/{tag}", body)
    assert (renamed.status, renamed.body) == (204, b"")
    read = api.get(f"/api/tags/{tag}", include="tag-group").json
    assert read["data"]["attributes"] == {"name": "summer"}
    assert [(one["id"], one["attributes"]["name"]) for one in read["included"]] == [(group, "Season")]
    other = {"data": {"type": "tag", "id": group, "attributes": {"name": "x"}}}
    assert api("PATCH", f"/api/tags/{tag}", other).status == 400
    assert api("DELETE", f"/api/tags/{tag}").status == 204
    for method, sent in (("GET", None), ("PATCH", body), ("DELETE", None)):
        assert api(method, f"/api/tags/{tag}", sent).status == 404
    assert api.get(f"/api/tag-groups/{group}/tags").data == []


def test_tags_are_filtered_sorted_and_paged(api: Api) -> None:
    for name in ("red", "dark red", "Blue"):
        make_tag(api, name)

    def names(**query: str) -> list[str]:
        return [row["attributes"]["name"] for row in api.get("/api/tags", **query).data]

    assert names(sort="name") == ["Blue", "dark red", "red"]
    assert names(sort="-name", filter='contains(name,"RED")') == ["red", "dark red"]
    assert names(filter='starts-with(name,"re")') == ["red"]
    assert names(filter='ends-with(name,"ue")') == ["Blue"]
    assert names(filter='equals(name,"red")') == ["red"]
    pages = api.pages("/api/tags", sort="name", **{"page[size]": "2"})
    assert [[row["attributes"]["name"] for row in page.data] for page in pages] == [["Blue", "dark red"], ["red"]]
    ids = {row["id"] for row in api.get("/api/tags").data}
    group = api.get("/api/tag-groups").ids[0]
    assert set(api.get(f"/api/tag-groups/{group}/tags").ids) == ids
    assert set(api.get(f"/api/tag-groups/{group}/relationships/tags").ids) == ids


def test_groups_are_filtered(api: Api) -> None:
    one, two = make_group(api, "One", exclusive=True), make_group(api, "Two")
    assert api.get("/api/tag-groups", filter="equals(exclusive,true)").ids == [one]
    assert two not in api.get("/api/tag-groups", filter="equals(default,true)").ids
    assert api.get("/api/tag-groups", filter='contains(name,"tw")').ids == [two]
    assert api.get("/api/tag-groups", sort="-name").data[-1]["attributes"]["name"] == "One"
    body = {"data": {"type": "tag-group", "id": one, "attributes": {"name": "Uno"}}}
    assert api("PATCH", f"/api/tag-groups/{one}", body).body == b""
    assert api.get(f"/api/tag-groups/{one}").data["attributes"] == {
        "name": "Uno",
        "exclusive": True,
        "default": False,
    }


def test_deleting_a_group_deletes_its_tags(api: Api) -> None:
    group, list_id = make_group(api, "Season"), api.list()
    tag = make_tag(api, "spring", group)
    tagging(api, "POST", tag, "list", list_id)
    assert api("DELETE", f"/api/tag-groups/{group}").status == 204
    assert api.get(f"/api/tags/{tag}").status == 404
    assert api.get(f"/api/lists/{list_id}/tags").data == []
    assert api.get(f"/api/tag-groups/{group}").status == 404


def test_a_tag_on_lists_is_seen_from_both_sides(api: Api) -> None:
    tag, one, two = make_tag(api, "vip"), api.list("One"), api.list("Two")
    for _ in range(2):  # idempotent
        assert tagging(api, "POST", tag, "list", one, two).status == 204
    assert sorted(api.get(f"/api/tags/{tag}/relationships/lists").ids) == sorted([one, two])
    assert api.get(f"/api/lists/{one}/tags").data[0]["attributes"] == {"name": "vip"}
    assert api.get(f"/api/lists/{one}/relationships/tags").data == [{"type": "tag", "id": tag}]
    read = api.get(f"/api/lists/{one}", include="tags").json
    assert read["data"]["relationships"]["tags"]["data"] == [{"type": "tag", "id": tag}]
    assert [row["type"] for row in read["included"]] == ["tag"]
    assert [row["id"] for row in api.get("/api/lists", include="tags").json["included"]] == [tag]
    assert tagging(api, "DELETE", tag, "list", one).status == 204
    assert api.get(f"/api/lists/{one}/tags").data == []
    assert api("DELETE", f"/api/lists/{two}").status == 204
    assert api.get(f"/api/tags/{tag}/relationships/lists").data == []
    assert tagging(api, "POST", tag, "list", "NOPE01").status == 404
    assert tagging(api, "POST", "nope", "list", one).status == 404


def test_one_tag_of_an_exclusive_group(api: Api) -> None:
    group, list_id = make_group(api, "Tier", exclusive=True), api.list()
    gold, silver = make_tag(api, "gold", group), make_tag(api, "silver", group)
    assert tagging(api, "POST", gold, "list", list_id).status == 204
    assert tagging(api, "POST", gold, "list", list_id).status == 204
    refused = tagging(api, "POST", silver, "list", list_id)
    assert (refused.status, refused.errors[0]["code"]) == (400, "tag_service_error")
    assert api.get(f"/api/lists/{list_id}/relationships/tags").ids == [gold]
    tagging(api, "DELETE", gold, "list", list_id)
    assert tagging(api, "POST", silver, "list", list_id).status == 204


def test_an_unknown_group_is_the_tag_services_error(api: Api) -> None:
    refused = send_tag(api, "x", "00000000-0000-0000-0000-000000000000")
    assert refused.status == 404
    assert {name: refused.errors[0][name] for name in ("code", "title", "detail")} == {
        "code": "tag_service_error",
        "title": "Tag Service Error",
        "detail": "Tag Group with id 00000000-0000-0000-0000-000000000000 not found",
    }


def test_limits(api: Api) -> None:
    assert send_tag(api, "  ").faults == [("/data/attributes/name", "'name' must not be empty.")]
    for number in range(49):
        make_group(api, f"group {number}")
    body = {"data": {"type": "tag-group", "attributes": {"name": "one too many"}}}
    assert api("POST", "/api/tag-groups", body).status == 400
