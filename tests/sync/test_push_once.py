"""What Klaviyo can neither show nor take back: coupon codes, deletions, back-in-stock subscriptions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sync.push_project import Project
from tests.sync.test_push_catalog import CATEGORIES, ITEMS, VARIANTS, items

from clavichord.sandbox.serve import Running, running
from clavichord.sandbox.testing import SandboxHandle

COUPONS = """\
sync: coupons
from: {file: coupons.csv, key: id}
to: coupons
external_id: id
description: text
"""
CODES = """\
sync: codes
zone: UTC
from: {file: codes.csv, key: code}
to: coupon_codes
coupon: coupon
code: code
expires_at: until
"""
GONE = """\
sync: forget
from: {file: gone.csv, key: mail}
to: deletions
email: email(mail)
limits: {max_changes: 5}
"""
WAITING = """\
sync: waiting
from: {file: waiting.csv, key: id}
to: back_in_stock
profile: {email: email(mail)}
variant: sku
"""
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(limits="off", job_delay=0.02) as served:
        yield served


@pytest.fixture
def project(tmp_path: Path, server: Running) -> Project:
    project = Project(tmp_path, server.base_url, f"pk_once_{next(_numbers)}")
    project.write("coupons.csv", "id,text\nSPRING,Ten off\nSUMMER,Five off\n")
    return project


def codes(project: Project, count: int) -> None:
    lines = [f"{'SPRING' if i % 2 else 'SUMMER'},C{i:04},2099-01-01" for i in range(count)]
    project.write("codes.csv", ["coupon,code,until", *lines])


def held_codes(project: Project) -> list[str]:
    found: list[str] = []
    for coupon in ("SPRING", "SUMMER"):
        found += [c["id"] for c in project.all("get_coupon_codes", filter=f'equals(coupon.id,"{coupon}")')]
    return sorted(found)


def expected(count: int) -> list[str]:
    return sorted(f"{'SPRING' if i % 2 else 'SUMMER'}-C{i:04}" for i in range(count))


def test_coupons_are_made_and_changed(project: Project) -> None:
    assert project.run(COUPONS).classes["confirmed"] == 2
    project.write("coupons.csv", "id,text\nSPRING,Twelve off\nSUMMER,Five off\nbad name,x\n")
    report = project.run(COUPONS)
    assert (report.changed, report.classes["confirmed"], report.classes["quarantined"]) == (1, 1, 1)
    assert {c["id"]: c["attributes"]["description"] for c in project.all("get_coupons")} == {
        "SPRING": "Twelve off", "SUMMER": "Five off",
    }  # fmt: skip


def test_codes_are_sent_once(project: Project) -> None:
    project.run(COUPONS)
    codes(project, 2_300)
    report = project.run(CODES)
    assert (report.exit_code, report.classes["confirmed"]) == (0, 2_300)
    assert held_codes(project) == expected(2_300)
    before = project.writes()
    codes(project, 2_310)
    report = project.run(CODES)
    assert (report.classes["unchanged"], report.classes["confirmed"], project.writes() - before) == (2_300, 10, 1)


def test_codes_whose_answer_was_lost_are_looked_up_and_not_sent_again(project: Project, server: Running) -> None:
    project.run(COUPONS)
    codes(project, 40)
    sandbox = SandboxHandle(server.base_url, key=project.key)
    sandbox.fail("bulk_create_coupon_codes", connection="lost", times=1)
    report = project.run(CODES)
    assert report.halt is not None
    assert report.classes["unknown"] == 40
    sandbox.run_until_idle()
    report = project.run(CODES)
    assert report.resumed is not None
    assert (report.resumed.classes["confirmed"], report.exit_code) == (40, 0)
    assert sandbox.count("bulk_create_coupon_codes") == 1
    assert held_codes(project) == expected(40)


def test_codes_that_cannot_be_are_named(project: Project) -> None:
    project.run(COUPONS)
    project.write(
        "codes.csv", "coupon,code,until\nSPRING,A,2099-01-01\nSPRING,B,2001-01-01\nNONE,C,2099-01-01\n,D,2099-01-01\n"
    )
    report = project.run(CODES)
    assert {(g.code, s.key) for g in report.groups for s in g.samples} == {
        ("coupon.expired", "B"), ("klaviyo.import_error", "C"), ("coupon.invalid", "D"),
    }  # fmt: skip
    assert held_codes(project) == ["SPRING-A"]


def test_people_are_deleted_once_and_not_brought_back(project: Project) -> None:
    people = "sync: people\nfrom: {file: people.csv, key: mail}\nto: profiles\nmap: {email: email(mail)}\n"
    project.write("people.csv", "mail\nann@shop.test\nbo@shop.test\n")
    project.run(people)
    project.write("gone.csv", "mail\nbo@shop.test\nnobody@shop.test\n")
    report = project.run(GONE)
    assert (report.exit_code, report.classes["confirmed"]) == (0, 2)
    assert project.run(GONE).classes["unchanged"] == 2
    project.write("people.csv", "mail,new\nann@shop.test,1\nbo@shop.test,1\n")
    report = project.run(people.replace("map: {", "map: {properties: {New: new}, "))
    assert (report.classes["confirmed"], report.classes["held"]) == (1, 1)
    assert {p["attributes"]["email"] for p in project.all("get_profiles")} == {"ann@shop.test"}


def test_deletions_need_a_bound(project: Project) -> None:
    project.write("gone.csv", "mail\nbo@shop.test\n")
    (mistake,) = project.check(GONE.replace("limits: {max_changes: 5}\n", ""))
    assert "a deletion cannot be taken back" in mistake
    assert "exactly one of" in project.check(GONE.replace("email: email(mail)\n", ""))[0]


def test_people_who_wait_for_a_variant(project: Project) -> None:
    project.write("categories.csv", "id,name\ntops,Tops\nsale,Sale\n")
    items(project, range(1))
    project.write("variants.csv", "sku,item,price,stock\ns0-m,s0,1,0\n")
    for sync in (CATEGORIES, ITEMS, VARIANTS):
        project.run(sync)
    project.write("waiting.csv", "id,mail,sku\n1,ann@shop.test,s0-m\n2,bo@shop.test,s0-m\n3,cy@shop.test,nowhere\n")
    report = project.run(WAITING)
    assert (report.classes["confirmed"], report.classes["rejected"]) == (2, 1)
    assert project.run(WAITING).requests.get("create_back_in_stock_subscription", 0) == 0
