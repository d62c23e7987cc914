"""Coupons and their codes: chains over HTTP."""

from __future__ import annotations

import pytest
from tests.sandbox.catalog_api import code, codes_job, coupon, make
from tests.sandbox.sandbox_api import Api

from clavichord.sandbox.clock import VirtualClock, parse
from clavichord.sandbox.resources import coupon_codes
from clavichord.sandbox.serve import running

CODES = "/api/coupon-codes"


def patch(api: Api, kind: str, one: str, **attributes: object) -> tuple[int, dict[str, object]]:
    reply = api("PATCH", f"/api/{kind}s/{one}", {"data": {"type": kind, "id": one, "attributes": attributes}})
    return reply.status, reply.data["attributes"] if reply.status == 200 else {}


def test_coupon_is_made_read_changed_and_deleted(api: Api) -> None:
    body = coupon("10OFF", description="Ten", monitor_configuration={"low_balance_threshold": 500})
    made = api("POST", "/api/coupons", {"data": body})
    assert (made.status, made.data["id"]) == (201, "10OFF")
    assert made.data["attributes"]["monitor_configuration"] == {"low_balance_threshold": "500"}
    assert "relationships" not in made.data
    assert api.get("/api/coupons/10OFF").data == made.data
    assert api("POST", "/api/coupons", {"data": body}).status == 409
    assert patch(api, "coupon", "10OFF", description="More") == (
        200,
        {**made.data["attributes"], "description": "More"},
    )
    make(api, code("A", "10OFF"))
    assert api("DELETE", "/api/coupons/10OFF").status == 204
    assert api.get("/api/coupons/10OFF").faults == [
        ("/data/", "A coupon with the given identifier '10OFF' does not exist.")
    ]
    assert api.get(f"{CODES}/10OFF-A").status == 404


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (coupon("10 OFF"), "/data/attributes/external_id"),
        (coupon(""), "/data/attributes/external_id"),
        (
            coupon("A", monitor_configuration={"low_balance_threshold": 99}),
            "/data/attributes/monitor_configuration/low_balance_threshold",
        ),
        (
            coupon("A", monitor_configuration={"low_balance_threshold": [1]}),
            "/data/attributes/monitor_configuration/low_balance_threshold",
        ),
    ],
)
def test_bad_coupons_are_refused(api: Api, body: object, pointer: str) -> None:
    reply = api("POST", "/api/coupons", {"data": body})
    assert (reply.status, reply.faults[0][0]) == (400, pointer)


def test_code_and_its_expiry() -> None:
    clock = VirtualClock(parse("2026-09-04T13:39:41.5Z") or 0)
    with running(clock=clock, limits="off") as served:
        api = Api(served.base_url, "pk_codes")
        make(api, coupon("SALE"))
        made = api("POST", CODES, {"data": code("X1", "SALE")})
        assert (made.status, made.data["id"]) == (200, "SALE-X1")
        assert made.data["attributes"] == {
            "unique_code": "X1",
            "expires_at": "2027-09-03T13:39:41Z",
            "status": "UNASSIGNED",
        }
        assert made.data["relationships"]["coupon"]["data"] == {"type": "coupon", "id": "SALE"}
        read = api.get(f"{CODES}/SALE-X1").data["attributes"]
        assert read["expires_at"] == "2027-09-03T13:39:41+00:00"
        dated = api("POST", CODES, {"data": code("X2", "SALE", expires_at="2026-12-01T02:00:00+02:00")})
        assert dated.data["attributes"]["expires_at"] == "2026-12-01T00:00:00Z"
        changed = patch(api, "coupon-code", "SALE-X2", expires_at=None, status="USED")
        assert changed[1] == {"unique_code": "X2", "expires_at": "2027-09-03T13:39:41+00:00", "status": "USED"}
        assert patch(api, "coupon-code", "SALE-X2", status="LOST")[0] == 400
        assert patch(api, "coupon-code", "SALE-X2", status=None)[1]["status"] == "USED"
        assert api("POST", CODES, {"data": code("X1", "SALE")}).status == 409
        assert api("POST", CODES, {"data": code("X1", "NONE")}).status == 404
        assert api("POST", CODES, {"data": code("", "SALE")}).status == 400


def test_codes_are_listed_by_coupon_status_and_expiry(api: Api) -> None:
    make(api, coupon("A"), coupon("B"))
    make(api, *(code(f"C{n}", "A", expires_at=f"2030-0{n}-01T00:00:00Z") for n in range(1, 6)), code("C1", "B"))
    patch(api, "coupon-code", "A-C2", status="USED")
    for path in (CODES, "/api/coupons/A/coupon-codes", "/api/coupons/A/relationships/coupon-codes"):
        used = api.get(path, filter='equals(coupon.id,"A"),equals(status,"USED")')
        assert used.ids == ["A-C2"]
        later = 'any(coupon.id,["A"]),greater-than(expires_at,2030-03-01T00:00:00Z)'
        assert api.get(path, filter=later).ids == ["A-C4", "A-C5"]
        assert api.get(path, filter='equals(coupon.id,"A"),less-or-equal(expires_at,2030-01-01)').ids == ["A-C1"]
    assert api.get(CODES).status == 400
    assert api.get(CODES, filter='equals(status,"USED")').status == 400
    assert api.get("/api/coupons/A/coupon-codes").ids == [f"A-C{n}" for n in range(1, 6)]
    assert api.get("/api/coupons/NONE/coupon-codes").status == 404
    both = api.get(CODES, filter='any(coupon.id,["A","B"])', include="coupon", **{"page[size]": "2"})
    assert both.ids == ["A-C1", "A-C2"]
    assert [one["id"] for one in both.json["included"]] == ["A"]
    pages = api.pages(CODES, filter='any(coupon.id,["A","B"])', **{"page[size]": "4"})
    assert [len(page.data) for page in pages] == [4, 2]
    assert api.get(f"{CODES}/B-C1/coupon").data["id"] == "B"
    assert api.get(f"{CODES}/B-C1/relationships/coupon").data == {"type": "coupon", "id": "B"}


def test_bulk_job_keeps_what_it_can(api: Api) -> None:
    make(api, coupon("A"), code("C0", "A"))
    accepted = codes_job(api, *(code(f"C{n}", "A") for n in range(120)), code("X", "NONE"))
    assert accepted.status == 202
    assert list(accepted.data["relationships"]["coupon-codes"]) == ["links"]
    job = api.get(f"/api/coupon-code-bulk-create-jobs/{accepted.data['id']}", include="coupon-codes").json
    attributes = job["data"]["attributes"]
    assert (attributes["status"], attributes["completed_count"], attributes["failed_count"]) == ("complete", 119, 2)
    assert [(one["code"], one["source"]["pointer"]) for one in attributes["errors"]] == [
        ("conflict", "/data/attributes/coupon-codes/data/0"),
        ("not_found", "/data/attributes/coupon-codes/data/120"),
    ]
    assert len(job["included"]) == 119
    assert codes_job(api, *(code(f"D{n}", "A") for n in range(1001))).status == 400
    assert api.get("/api/coupon-code-bulk-create-jobs", filter='equals(status,"complete")').ids == [accepted.data["id"]]


def test_at_most_a_hundred_jobs_are_queued() -> None:
    with running(job_delay=3600, limits="off") as served:
        api = Api(served.base_url, "pk_queue")
        make(api, coupon("A"))
        replies = [codes_job(api, code(f"C{n}", "A")).status for n in range(101)]
        assert replies == [202] * 100 + [400]


def test_a_message_gives_every_profile_a_code_of_its_own() -> None:
    with running(limits="off") as served:
        api = Api(served.base_url, "pk_codes")
        make(api, coupon("A"), code("GONE", "A", expires_at="2020-01-01T00:00:00Z"), code("C1", "A"), code("C2", "A"))
        ann, bob, cid = (api.profile(email=f"{name}@shop.test") for name in ("ann", "bob", "cid"))
        account = api.get("/api/accounts").ids[0]
        engine = served.sandbox.engine
        given = [coupon_codes.assign(engine, account, "A", one, engine.clock.now()) for one in (ann, bob, ann, cid)]
        assert given == ["C1", "C2", "C1", None]
        assert api.get(CODES, filter=f'equals(profile.id,"{bob}")').ids == ["A-C2"]
        assert api.get(f"{CODES}/A-C1").data["attributes"]["status"] == "ASSIGNED_TO_PROFILE"
        assert api("DELETE", f"{CODES}/A-C1").status == 400
        patch(api, "coupon-code", "A-C1", status="UNASSIGNED")
        assert api.get(CODES, filter=f'equals(profile.id,"{ann}")').ids == []
        again = [coupon_codes.assign(engine, account, "A", one, engine.clock.now()) for one in (bob, cid)]
        assert again == ["C2", "C1"]
        assert api("DELETE", f"{CODES}/A-GONE").status == 204


def test_assigners_are_configured_since_october(api: Api) -> None:
    newest, wanted = api.at("2026-10-15"), {"used": "NEVER_ASSIGN", "unused_expired": "ALWAYS_ASSIGN"}
    given = {"external_id": "SPRING", "assigner_configuration": wanted}
    body = {"data": {"type": "coupon", "attributes": given}}
    assert api("POST", "/api/coupons", body).status == 400
    made = newest("POST", "/api/coupons", body)
    assert made.status == 201, made.body
    assert newest.get("/api/coupons/SPRING").data["attributes"]["assigner_configuration"] == wanted
    assert "assigner_configuration" not in api.get("/api/coupons/SPRING").data["attributes"]
