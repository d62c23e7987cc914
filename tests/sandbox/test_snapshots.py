"""Named snapshots and reset: the whole state, and only the state."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.sandbox.sandbox_api import Api

from clavichord.sandbox.serve import running


def test_a_snapshot_brings_everything_back(tmp_path: Path) -> None:
    with running(limits="off", job_delay=0) as served:
        api = Api(served.base_url, "pk_a")
        list_id = api.list("Kept")
        kept = api.profile(email="kept@shop.test")
        api.join(list_id, kept)
        api.event("Seen", email="kept@shop.test", value=1)
        api("POST", "/_sandbox/clock", {"set": "2026-05-01T00:00:00Z", "freeze": True})
        assert api("PUT", "/_sandbox/snapshots/before").json == {"status": "saved", "name": "before"}
        assert [one["name"] for one in api("GET", "/_sandbox/snapshots").json["snapshots"]] == ["before"]
        api.profile(email="new@shop.test")
        api("DELETE", f"/api/lists/{list_id}")
        api.event("Other", email="kept@shop.test")
        api("POST", "/_sandbox/clock", {"advance": "3d"})
        for _ in range(2):  # as often as one likes
            assert api("POST", "/_sandbox/snapshots/before").json["status"] == "restored"
            assert api.get("/api/profiles").ids == [kept]
            assert api.get(f"/api/lists/{list_id}/profiles").ids == [kept]
            assert [row["attributes"]["name"] for row in api.get("/api/metrics").data] == ["Seen"]
            assert api("GET", "/_sandbox/clock").json["now"] == "2026-05-01T00:00:00.000000+00:00"
            # Caches know nothing of what is no longer there, either.
            assert api.event("Other", email="new@shop.test").status == 202
            assert len(api.get("/api/metrics").data) == 2
        file = tmp_path / "before.db"
        file.write_bytes(api("GET", "/_sandbox/snapshots/before").body)
        assert api("DELETE", "/_sandbox/snapshots/before").status == 200
        assert api("POST", "/_sandbox/snapshots/before").status == 404
    with running(db=str(file)) as served:
        assert Api(served.base_url, "pk_a").get("/api/profiles").ids == [kept]


def test_reset_forgets_faults_requests_and_limits_but_not_snapshots() -> None:
    with running(limits="enforce", job_delay=0) as served:
        api = Api(served.base_url, "pk_a")
        api.get("/api/accounts")
        api("PUT", "/_sandbox/snapshots/one")
        api("PUT", "/_sandbox/faults", [{"operation": "get_accounts", "status": 503}])
        assert api.get("/api/accounts").status == 503
        api("POST", "/_sandbox/reset")
        assert api.get("/api/accounts").status == 200
        assert api("GET", "/_sandbox/requests/count").json["total"] == 1
        assert api("POST", "/_sandbox/snapshots/one").status == 200


def test_a_reset_of_a_kept_file_survives_too(tmp_path: Path) -> None:
    file = str(tmp_path / "state.db")
    with running(db=file, limits="off") as served:
        Api(served.base_url, "pk_a").profile(email="old@shop.test")
    with running(db=file, limits="off") as served:
        api = Api(served.base_url, "pk_a")
        assert len(api.get("/api/profiles").data) == 1
        api("POST", "/_sandbox/reset")
        assert api.get("/api/profiles").data == []
        api.profile(email="new@shop.test")
        api("POST", "/_sandbox/reset")
        api.profile(email="newest@shop.test")
    with running(db=file, limits="off") as served:
        emails = [row["attributes"]["email"] for row in Api(served.base_url, "pk_a").get("/api/profiles").data]
        assert emails == ["newest@shop.test"]


def test_work_that_was_accepted_belongs_to_a_snapshot() -> None:
    with running(job_delay=3600) as served:
        api = Api(served.base_url, "pk_a")
        job_id = api.imports({"attributes": {"email": "a@shop.test"}}).data["id"]
        api("PUT", "/_sandbox/snapshots/accepted")
        for _ in range(2):
            api("POST", "/_sandbox/snapshots/accepted")
            path = f"/api/profile-bulk-import-jobs/{job_id}"
            assert api.get(path).data["attributes"]["status"] == "queued"
            api("POST", "/_sandbox/clock/run-until-idle")
            assert api.get(path).data["attributes"]["status"] == "complete"


def test_repeatable_ids_stay_so_across_a_reset() -> None:
    with running(random_seed=7, limits="off") as served:
        api = Api(served.base_url, "pk_a")
        first = [api.list("A"), api.list("B")]
        api("POST", "/_sandbox/reset")
        assert [api.list("A"), api.list("B")] == first


@pytest.mark.parametrize("name", ["..%2Fetc", "a b", "", "-x", "x" * 65])
def test_names_are_names(api: Api, name: str) -> None:
    assert api("PUT", f"/_sandbox/snapshots/{name}").status in (400, 405)
