"""Two catalogues, one state: the revision header decides which one answers."""

from __future__ import annotations

import pytest
from tests.sandbox.sandbox_api import Api

from clavichord.sandbox.serve import running

NEW = {"revision": "2026-10-15"}


def test_both_revisions_see_the_same_state(api: Api) -> None:
    profile_id = api.profile(email="a@shop.test")
    list_id = api.list("A")
    newer = api("GET", "/api/profiles", headers=NEW)
    assert newer.ids == [profile_id]
    assert api("GET", f"/api/lists/{list_id}", headers=NEW).status == 200
    body = {"data": {"type": "list", "attributes": {"name": "B"}}}
    assert api("POST", "/api/lists", body, headers=NEW).status == 201
    assert len(api.get("/api/lists").data) == 2
    assert api("GET", "/api/lists", headers={"revision": "2026-10-15.pre"}).status == 200
    assert api("GET", "/api/lists", headers={"revision": "2026-07-15.pre"}).status == 200


@pytest.mark.parametrize(
    ("method", "path", "older", "newer"),
    [
        ("GET", "/api/brand-colors", (404, "No valid revisions found for method"), None),
        ("PATCH", "/api/forms/abc123", (404, "No valid revisions found for method"), None),
        ("GET", "/api/campaign-audiences/x", (404, "No valid revisions found for method"), None),
        ("GET", "/api/nonsense", (404, "Not found."), (404, "Not found.")),
        ("DELETE", "/api/lists", (405, 'Method "DELETE" not allowed.'), (405, 'Method "DELETE" not allowed.')),
    ],
)
def test_what_a_revision_does_not_have(
    api: Api, method: str, path: str, older: tuple[int, str] | None, newer: tuple[int, str] | None
) -> None:
    for revision, expected in (("2026-07-15", older), ("2026-10-15", newer)):
        reply = api(method, path, {} if method in ("POST", "PATCH") else None, headers={"revision": revision})
        if expected is not None:
            assert (reply.status, reply.errors[0]["detail"]) == expected


def test_retired_paths_are_gone(api: Api) -> None:
    for path in ("/api/v1/lists", "/api/v2/list/abc/members"):
        assert (api.get(path).status, api.get(path).errors[0]["code"]) == (410, "gone")


def test_live_quirks_answer_the_statuses_that_were_recorded() -> None:
    for quirks, status in (("spec", 201), ("live", 202)):
        with running(quirks=quirks, limits="off", job_delay=0) as served:  # type: ignore[arg-type]  # of a tuple
            api = Api(served.base_url, "pk_a")
            kept, gone = api.profile(email="a@shop.test"), api.profile(email="b@shop.test")
            body = {
                "data": {
                    "type": "profile-merge",
                    "id": kept,
                    "relationships": {"profiles": {"data": [{"type": "profile", "id": gone}]}},
                }
            }
            for headers in ({}, NEW):
                assert api("GET", "/_sandbox/health", headers=headers).json["quirks"] == quirks
            assert api("POST", "/api/profile-merge", body).status == status
