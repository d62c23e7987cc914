"""Bulk import of profiles: the door, the job, its errors."""

from __future__ import annotations

from typing import Any

from tests.sandbox.sandbox_api import Api, until

from clavichord.sandbox.clock import VirtualClock
from clavichord.sandbox.serve import running

JOBS = "/api/profile-bulk-import-jobs"


def row(**attributes: Any) -> dict[str, Any]:
    return {"attributes": attributes}


def test_import_creates_updates_and_joins_lists(api: Api) -> None:
    api.profile(email="old@shop.test", first_name="Old", last_name="Kept", properties={"a": 1})
    lists = (api.list("One"), api.list("Two"))
    rows = [
        row(email="old@shop.test", first_name="New", last_name=None, properties={"b": 2}),
        row(email="new@shop.test"),
    ]
    job = api.imports(*rows, lists=lists)
    assert job.status == 202
    assert job.data["attributes"]["status"] == "queued"
    attributes = api.get(f"{JOBS}/{job.data['id']}").data["attributes"]
    assert (attributes["status"], attributes["completed_count"], attributes["failed_count"]) == ("complete", 2, 0)
    old = api.person("old@shop.test")
    assert old
    assert (old["first_name"], old["last_name"], old["properties"]) == ("New", "Kept", {"a": 1, "b": 2})
    assert old["subscriptions"]["email"]["marketing"]["consent"] == "NEVER_SUBSCRIBED"
    for one in lists:
        assert len(api.get(f"/api/lists/{one}/profiles").data) == 2
    included = api.get(f"{JOBS}/{job.data['id']}", include="lists").json["included"]
    assert sorted(one["id"] for one in included) == sorted(lists)
    assert sorted(api.get(f"{JOBS}/{job.data['id']}/lists").ids) == sorted(lists)


def test_one_bad_row_refuses_all_and_every_bad_row_is_named(api: Api) -> None:
    rows = [row(email=f"p{number}@shop.test") for number in range(6)]
    rows[1] = row(email="bad")
    rows[3] = row(email="p3@shop.test", phone_number="123")
    rows[4] = row(first_name="Nobody")
    reply = api.imports(*rows)
    at = "/data/attributes/profiles/data"
    assert reply.status == 400
    assert [where for where, _ in reply.faults] == [
        f"{at}/1/attributes/email",
        f"{at}/3/attributes/phone_number",
        f"{at}/4/attributes",
    ]
    assert api.get("/api/profiles").data == api.get(JOBS).data == []


def test_wrong_types_and_unknown_members_carry_the_row(api: Api) -> None:
    reply = api.imports(row(email="a@shop.test"), row(email=7), row(email="c@shop.test", nickname="c"))
    at = "/data/attributes/profiles/data"
    assert reply.faults == [
        (f"{at}/1/attributes/email", "'email' must be a string."),
        (f"{at}/2/attributes/nickname", "'nickname' is not a valid field for the resource 'profile'."),
    ]


def test_unknown_list_refuses_all(api: Api) -> None:
    reply = api.imports(row(email="a@shop.test"), lists=("NOPE01",))
    assert reply.status == 400
    assert reply.faults == [("/data/relationships/lists/data", "A list with id `NOPE01` does not exist.")]
    assert api.get("/api/profiles").data == []


def test_duplicates_within_a_job_become_one_profile(api: Api) -> None:
    job = api.imports(
        row(email="a@shop.test", title="1"), row(email="A@shop.test", title="2"), row(email="b@shop.test")
    )
    assert len(api.get(f"{JOBS}/{job.data['id']}/profiles").data) == 2
    person = api.person("a@shop.test")
    assert person and person["title"] == "2"


def test_conflicts_become_import_errors_and_stop_nobody(api: Api) -> None:
    bob = api.profile(external_id="bob")
    rows = [row(email="a@shop.test"), row(email="a@shop.test", external_id="bob"), {"id": "NOPE", "attributes": {}}]
    job_id = api.imports(*rows, row(email="z@shop.test")).data["id"]
    attributes = api.get(f"{JOBS}/{job_id}").data["attributes"]
    assert (attributes["total_count"], attributes["completed_count"], attributes["failed_count"]) == (4, 2, 2)
    errors = [page.data[0] for page in api.pages(f"{JOBS}/{job_id}/import-errors", **{"page[size]": "1"})]
    at = "/data/attributes/profiles/data"
    assert [one["attributes"]["source"]["pointer"] for one in errors] == [
        f"{at}/1/attributes/external_id",
        f"{at}/2/id",
    ]
    assert [one["attributes"]["code"] for one in errors] == ["duplicate_profile", "not_found"]
    assert bob in errors[0]["attributes"]["detail"]
    assert errors[0]["attributes"]["original_payload"]["attributes"]["external_id"] == "bob"


def test_caps(api: Api) -> None:
    many = [row(external_id=str(number)) for number in range(10_001)]
    assert api.imports(*many).status == 400
    heavy = api.imports(row(email="a@shop.test"), row(email="b@shop.test", properties={"x": "y" * 100_000}))
    assert [where for where, _ in heavy.faults] == ["/data/attributes/profiles/data/1"]
    whole = api.imports(*[row(email=f"p{number}@shop.test", title="t" * 60_000) for number in range(90)])
    assert (whole.status, whole.errors[0]["code"]) == (413, "payload_too_large")
    assert api.imports(*many[:10_000]).status == 202
    assert api("GET", "/_sandbox/health").json["counts"]["profile"] >= 10_000


def test_job_moves_from_queued_to_processing_to_complete() -> None:
    clock = VirtualClock(1_800_000_000_000_000)
    with running(clock=clock, limits="off", job_delay=10) as served:
        api = Api(served.base_url, "pk_waiting")
        list_id = api.list()
        job_id = api.imports(*[row(email=f"p{number}@shop.test") for number in range(600)], lists=(list_id,)).data["id"]

        def status() -> str:
            return str(api.get(f"{JOBS}/{job_id}").data["attributes"]["status"])

        assert status() == "queued"
        clock.advance(5)
        until(lambda: status() == "processing")
        assert api.get("/api/profiles").data == []
        clock.advance(5)
        until(lambda: status() == "complete")
        attributes = api.get(f"{JOBS}/{job_id}").data["attributes"]
        assert attributes["completed_count"] == 600
        assert attributes["started_at"] == "2027-01-15T08:00:05.000000+00:00"
        assert attributes["completed_at"] == "2027-01-15T08:00:10.000000+00:00"
        assert (
            sum(len(page.data) for page in api.pages(f"/api/lists/{list_id}/profiles", **{"page[size]": "100"})) == 600
        )
        assert api.get(JOBS, filter='equals(status,"complete")').ids == [job_id]
        assert api.get(JOBS, filter='any(status,["queued","processing"])').data == []


def test_jobs_are_listed_newest_first_when_asked(api: Api) -> None:
    ids = [api.imports(row(email="a@shop.test")).data["id"] for _ in range(3)]
    assert api.get(JOBS, sort="-created_at").ids == ids[::-1]
    assert [one for page in api.pages(JOBS, sort="created_at", **{"page[size]": "1"}) for one in page.ids] == ids
    assert api.get(f"{JOBS}/nope").faults == [("/data/", "Invalid job id")]
