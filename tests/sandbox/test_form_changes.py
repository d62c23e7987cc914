"""Forms of 2026-10-15: edited, published, unpublished; what is live stays as it is."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.sandbox.messages_api import write
from tests.sandbox.sandbox_api import Api, Reply

STEP: dict[str, Any] = {"columns": [{"rows": []}]}


@pytest.fixture
def api(api: Api) -> Api:
    return api.at("2026-10-15")


def form(api: Api, *versions: dict[str, Any], **attributes: Any) -> dict[str, Any]:
    given = [{"steps": [STEP, STEP], "name": "Blue"} | version for version in versions or ({},)]
    body: dict[str, Any] = {
        "name": "Welcome",
        "status": "draft",
        "ab_test": False,
        "definition": {"versions": given},
    } | attributes
    made: dict[str, Any] = write(api, "POST", "/api/forms", "form", **body).data
    return made


def edit(api: Api, form_id: str, **attributes: Any) -> Reply:
    return write(api, "PATCH", f"/api/forms/{form_id}", "form", id=form_id, **attributes)


def turn(api: Api, form_id: str, verb: str) -> Reply:
    """`verb`: publish or unpublish"""
    kind = f"form-{verb}-job"
    body = {"data": {"type": kind, "relationships": {"form": {"data": {"type": "form", "id": form_id}}}}}
    return api("POST", f"/api/{kind}s", body)


def versions(api: Api, form_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get(f"/api/forms/{form_id}").data["attributes"]["definition"]["versions"]
    return found


def statuses(api: Api, form_id: str) -> list[str]:
    """The form's, and its versions' as both of their resources have them."""
    path = f"/api/forms/{form_id}"
    listed = {row["id"]: row["attributes"]["status"] for row in api.get(f"{path}/form-versions").data}
    assert listed == {str(one["id"]): one["status"] for one in versions(api, form_id)}
    return [api.get(path).data["attributes"]["status"], *listed.values()]


def test_a_draft_is_edited(api: Api) -> None:
    made = form(api)
    assert edit(api, made["id"], name="Goodbye").data["attributes"]["definition"] == made["attributes"]["definition"]
    before = versions(api, made["id"])[0]
    changed = copy.deepcopy(before) | {"name": "Green", "type": "flyout"}
    changed["steps"].append(copy.deepcopy(STEP))
    answered = edit(api, made["id"], definition={"versions": [changed]})
    assert answered.status == 200, answered.body
    assert list(answered.data["attributes"])[:4] == ["status", "ab_test", "name", "definition"]
    after = versions(api, made["id"])[0]
    assert (after["id"], after["name"], after["steps"][:2]) == (before["id"], "Green", before["steps"])
    assert len(after["steps"][2]["id"]) == 26
    seen = api.at("2026-07-15").get(f"/api/forms/{made['id']}").data["attributes"]
    assert (seen["name"], seen["definition"]["versions"][0]["steps"]) == ("Goodbye", after["steps"])
    assert "position" in after["styles"]["close_button"]  # new in 2026-10-15
    assert "position" not in seen["definition"]["versions"][0]["styles"]["close_button"]
    (row,) = api.get(f"/api/forms/{made['id']}/form-versions").data
    assert (row["attributes"]["form_type"], row["attributes"]["variation_name"]) == ("flyout", "Green")


def test_published_drafts_take_the_place_of_what_was_live(api: Api) -> None:
    form_id = form(api)["id"]
    job = turn(api, form_id, "publish")
    assert (job.status, job.data["attributes"]["status"]) == (202, "complete")
    assert job.data["relationships"]["form"]["data"] == {"type": "form", "id": form_id}
    assert statuses(api, form_id) == ["live", "live"]
    live = versions(api, form_id)[0]
    draft = {"steps": [STEP, STEP], "name": "New"}
    assert edit(api, form_id, definition={"versions": [live, draft]}).status == 200
    assert sorted(statuses(api, form_id)) == ["draft", "live", "live"]
    assert turn(api, form_id, "publish").status == 202
    assert [one["name"] for one in versions(api, form_id)] == ["New"]
    assert api.get(f"/api/form-versions/{live['id']}").status == 404
    assert turn(api, form_id, "publish").faults == [
        ("/data/relationships/form/data", f"The form {form_id} has no draft version.")
    ]
    assert turn(api, form_id, "unpublish").status == 202
    assert statuses(api, form_id) == ["draft", "draft"]
    assert turn(api, form_id, "unpublish").status == 400


def test_a_definition_replaces_drafts_and_leaves_live_versions(api: Api) -> None:
    form_id = form(api)["id"]
    turn(api, form_id, "publish")
    live = versions(api, form_id)[0]
    for name in ("One", "Two"):
        edit(api, form_id, definition={"versions": [{"steps": [STEP, STEP], "name": name}]})
    assert sorted(one["name"] for one in versions(api, form_id)) == ["Blue", "Two"]
    for changed, pointer in (
        (live | {"name": "Red"}, ""),
        (live | {"status": "draft"}, "/status"),
        ({"steps": [STEP, STEP], "status": "live"}, "/status"),
        ({"steps": [STEP, STEP], "id": 1}, "/id"),
        ({"steps": [STEP]}, ""),
    ):
        refused = edit(api, form_id, definition={"versions": [changed]})
        assert refused.faults[0][0] == f"/data/attributes/definition/versions/0{pointer}", refused.body
    assert edit(api, form_id, name="").faults[0][0] == "/data/attributes/name"
    assert edit(api, form_id, name=None).faults[0][0] == "/data/attributes/name"
    assert sorted(one["name"] for one in versions(api, form_id)) == ["Blue", "Two"]


def test_what_cannot_be_published(api: Api) -> None:
    tested = form(api, {"ab_test": True}, {"ab_test": True, "name": "Red"}, ab_test=True)["id"]
    assert turn(api, tested, "publish").faults[0][0] == "/data/relationships/form/data"
    assert turn(api, "NOPE01", "publish").faults == [("/data/", "A form with id `NOPE01` does not exist.")]
    assert edit(api, "NOPE01", name="x").status == 404
    nameless = {"data": {"type": "form-publish-job", "relationships": {"form": {}}}}
    assert api("POST", "/api/form-publish-jobs", nameless).faults[0][0] == "/data/relationships/form/data"
