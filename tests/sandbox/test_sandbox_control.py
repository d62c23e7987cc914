"""The control plane, in-process serving, and what the journal keeps."""

from __future__ import annotations

import pytest
from tests.sandbox.sandbox_api import Api

from clavichord.sandbox import Sandbox
from clavichord.sandbox.serve import running


def test_health_reset_and_journal() -> None:
    with running(limits="off") as served:
        api = Api(served.base_url, "pk_secret")
        api.profile(email="a@shop.test")
        api.get("/api/profiles")
        api.get("/api/nonsense")
        api.event(email="a@shop.test")
        health = api("GET", "/_sandbox/health").json
        assert (health["status"], health["revision"]) == ("ok", "2026-07-15")
        assert health["counts"] | {"profile": 1, "event": 1} == health["counts"]
        assert "get_profiles" in health["implemented"]
        entries = api("GET", "/_sandbox/requests").json["requests"]
        assert [(entry["operation"], entry["status"]) for entry in entries] == [
            ("create_profile", 201),
            ("get_profiles", 200),
            (None, 404),
            ("create_event", 202),
        ]
        assert {entry["account"] for entry in entries if entry["operation"]} == set(api.get("/api/accounts").ids)
        assert "pk_secret" not in api("GET", "/_sandbox/requests").body.decode()
        assert "pk_secret" not in repr(vars(served.sandbox))
        only = api("GET", "/_sandbox/requests", query="operation=create_event&limit=1").json["requests"]
        assert [entry["number"] for entry in only] == [4]
        assert len(api("GET", "/_sandbox/requests", query="since=3").json["requests"]) == 2
        assert len(api("GET", "/_sandbox/requests", query="status=404").json["requests"]) == 1
        counts = api("GET", "/_sandbox/requests/count").json
        assert counts["total"] == 5
        assert counts["by_operation"]["-"] == {"404": 1}
        assert counts["by_status"] == {"200": 2, "201": 1, "202": 1, "404": 1}
        assert api("POST", "/_sandbox/reset").json == {"status": "reset"}
        assert api.get("/api/profiles").data == []
        assert api("GET", "/_sandbox/requests/count").json["total"] == 1
        assert api("GET", "/_sandbox/health").json["counts"]["account"] == 1


def test_totals_outlive_the_ring(api: Api) -> None:
    with running(limits="off") as served:
        served.sandbox.journal._ring = type(served.sandbox.journal._ring)(maxlen=3)
        api = Api(served.base_url, "pk_a")
        for _ in range(10):
            api.get("/api/lists")
        assert len(api("GET", "/_sandbox/requests").json["requests"]) == 3
        assert api("GET", "/_sandbox/requests/count").json["by_operation"] == {"get_lists": {"200": 10}}


def test_misuse_of_the_control_plane_is_explained(api: Api) -> None:
    assert "no such control" in api("GET", "/_sandbox/nope").json["error"]
    assert api("GET", "/_sandbox/reset").status == 405
    assert "get_profile_s" in api("GET", "/_sandbox/requests", query="operation=get_profile_s").json["error"]
    assert api("GET", "/_sandbox/requests", query="limit=ten").status == 400


def test_a_transaction_that_fails_leaves_nothing_behind() -> None:
    sandbox = Sandbox()
    engine = sandbox.engine
    engine.metric_ids["acc", "api", "Made in vain"] = "abc123"
    with pytest.raises(ZeroDivisionError), engine.store.write():
        engine.store.execute("INSERT INTO account (id, created) VALUES ('acc', 0)")
        with engine.store.write():
            engine.store.execute("INSERT INTO account (id, created) VALUES ('other', 0 / 1)")
            _ = 1 / 0
    assert engine.store.counts()["account"] == 0
    assert engine.metric_ids == {}
    sandbox.close()


def test_seeded_sandboxes_repeat_their_ids() -> None:
    ids: list[list[str]] = []
    for _ in range(2):
        with running(random_seed=7) as served:
            api = Api(served.base_url, "pk_a")
            ids.append([api.list("A"), api.list("B")])
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 2


def test_ids_have_their_real_forms(api: Api) -> None:
    profile_ids = [api.profile(email=f"p{number}@shop.test") for number in range(50)]
    assert profile_ids == sorted(profile_ids)
    assert all(len(one) == 26 for one in profile_ids)
    api.event(email="p1@shop.test", time="2026-09-04T13:40:25Z")
    uuid = api.get("/api/events").data[0]["attributes"]["uuid"]
    assert uuid[14] == "1"
    high, middle, low = uuid[15:18], uuid[9:13], uuid[:8]
    assert (int(high + middle + low, 16) - 0x01B21DD213814000) // 10_000_000 == 1788529225


def test_running_gives_the_port_back_and_refuses_a_taken_one() -> None:
    with running() as served:
        port = int(served.base_url.rpartition(":")[2])
        try:
            with running(port=port):
                raise AssertionError("two servers on one port")
        except OSError:
            pass
    with running(port=port) as again:
        assert Api(again.base_url, "pk_a").get("/api/accounts").status == 200
