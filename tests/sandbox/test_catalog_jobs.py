"""The bulk jobs of catalogs: every entry on its own, on the clock."""

from __future__ import annotations

import pytest
from tests.sandbox.catalog_api import PREFIX, at, bulk, category, item, links, make, variant
from tests.sandbox.sandbox_api import Api, until

from clavichord.sandbox.clock import VirtualClock
from clavichord.sandbox.serve import running


def test_entries_succeed_and_fail_one_by_one(api: Api) -> None:
    make(api, item("old"))
    accepted = bulk(api, "item", "create", item("a"), item("old"), item("b", "none"), item("c"))
    assert accepted.status == 202
    assert accepted.data["attributes"]["status"] == "processing"
    path = f"/api/catalog-item-bulk-create-jobs/{accepted.data['id']}"
    job = api.get(path, include="items", **{"fields[catalog-item]": "title"}).json
    attributes = job["data"]["attributes"]
    assert [attributes[name] for name in ("status", "total_count", "completed_count", "failed_count")] == [
        "complete",
        4,
        2,
        2,
    ]
    assert [(one["code"], one["source"]["pointer"]) for one in attributes["errors"]] == [
        ("conflict", "/data/attributes/items/data/1"),
        ("not_found", "/data/attributes/items/data/2"),
    ]
    assert job["data"]["relationships"] == {"items": {"data": links("item", "a", "c")}}
    assert [one["attributes"] for one in job["included"]] == [{"title": "Item a"}, {"title": "Item c"}]
    assert api.get(path).data["relationships"] == job["data"]["relationships"]
    # The one that failed left nothing behind.
    assert api.get(at("items", "b")).status == 404
    assert api.get("/api/catalog-items").ids == [PREFIX + name for name in ("a", "c", "old")]


@pytest.mark.parametrize(
    ("kind", "first", "changed"),
    [
        ("item", item("x"), {"title": "New"}),
        ("variant", variant("x", "parent"), {"sku": "New"}),
        ("category", category("x"), {"name": "New"}),
    ],
)
def test_all_nine_kinds(api: Api, kind: str, first: dict[str, object], changed: dict[str, str]) -> None:
    make(api, item("parent"))
    one = {"type": f"catalog-{kind}", "id": PREFIX + "x"}
    path = at("categories" if kind == "category" else kind + "s", "x")
    jobs = {}
    for verb, entry in (("create", first), ("update", {**one, "attributes": changed}), ("delete", one)):
        if verb == "delete":
            assert changed.items() <= api.get(path).data["attributes"].items()
        jobs[verb] = bulk(api, kind, verb, entry).data["id"]
        done = api.get(f"/api/catalog-{kind}-bulk-{verb}-jobs/{jobs[verb]}").data["attributes"]
        assert (done["completed_count"], done["errors"]) == (1, [])
    assert api.get(path).status == 404
    for verb, job_id in jobs.items():
        listed = f"/api/catalog-{kind}-bulk-{verb}-jobs"
        assert api.get(listed, filter='equals(status,"complete")').ids == [job_id]
        assert api.get(listed, filter='equals(status,"processing")').ids == []
        assert bulk(api, kind, verb, *[one if verb == "delete" else first] * 101).status == 400
        unknown = api.get(f"{listed}/NONE").faults
        assert unknown == [("/data/", f"A catalog-{kind} bulk {verb} job with id NONE does not exist.")]


def test_one_malformed_entry_refuses_the_whole_job(api: Api) -> None:
    reply = bulk(api, "item", "create", item("a"), {"type": "catalog-item", "attributes": {"external_id": "b"}})
    assert reply.status == 400
    assert reply.faults[0][0] == "/data/attributes/items/data/1/attributes/title"
    assert api.get("/api/catalog-item-bulk-create-jobs").data == []


def test_jobs_are_done_on_the_clock_and_capped() -> None:
    clock = VirtualClock(1_800_000_000_000_000)
    with running(clock=clock, limits="off", job_delay=10) as served:
        api = Api(served.base_url, "pk_jobs")
        first = bulk(api, "item", "create", item("a")).data["id"]
        for _ in range(499):
            assert bulk(api, "item", "create", item("a")).status == 202
        full = bulk(api, "item", "create", item("b"))
        assert (full.status, full.faults[0][1]) == (400, "At most 500 jobs of this kind may be in progress at once.")
        assert bulk(api, "item", "delete", links("item", "a")[0]).status == 202
        path = f"/api/catalog-item-bulk-create-jobs/{first}"
        assert api.get(path).data["attributes"]["status"] == "processing"
        assert api.get(at("items", "a")).status == 404
        clock.advance(10)
        done = until(lambda: (found := api.get(path).data["attributes"])["status"] == "complete" and found)
        assert done["completed_at"] == "2027-01-15T08:00:10.000000+00:00"
        assert done["expires_at"] == "2027-01-22T08:00:00.000000+00:00"
        assert len(list(api.pages("/api/catalog-item-bulk-create-jobs"))) == 5
        assert bulk(api, "item", "create", item("b")).status == 202
