"""Push against the sandbox: what arrives, what does not, and that every row is accounted for."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sync.push_project import CUSTOMERS, ORDERS, Project, customer, order

from clavichord.sandbox.serve import Running, running
from clavichord.sync.mistakes import InvalidDefinition, StateError

CONSENT = """\
consent:
  email:
    subscribe_if: newsletter
    proof: {at: opt_in_at, source: opt_in_source}
    list: Newsletter
    historical: true
    create: true
"""
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(limits="off", job_delay=0.05) as served:
        yield served


@pytest.fixture
def project(tmp_path: Path, server: Running) -> Project:
    return Project(tmp_path, server.base_url, f"pk_push_{next(_numbers)}")


def test_customers_arrive_as_they_were_mapped(project: Project) -> None:
    project.customers(customer(i) for i in range(250))
    report = project.run(CUSTOMERS)
    assert (report.exit_code, report.classes["confirmed"], report.state) == (0, 250, "finished")
    assert report.read_back == {"read": 50, "equal": 50, "differing": []}
    profile = project.profiles()["c00012"]
    assert profile["email"] == "person12@shop.example"
    assert profile["phone_number"] == "+33612340012"
    assert profile["first_name"] == "Renée 12"
    assert profile["properties"] == {"Points": 12, "Tier": "gold"}


def test_the_second_run_writes_nothing_and_a_change_writes_only_itself(project: Project) -> None:
    lines = [customer(i) for i in range(300)]
    project.customers(lines)
    project.run(CUSTOMERS + CONSENT)
    before = project.writes()

    report = project.run(CUSTOMERS + CONSENT)
    assert report.classes["unchanged"] == report.rows_read == 300
    assert project.writes() == before

    lines[:100] = [customer(i, tier="silver") for i in range(100)]
    project.customers(lines)
    report = project.run(CUSTOMERS + CONSENT)
    assert (report.changed, report.new) == (100, 0)
    assert (report.classes["confirmed"], report.classes["unchanged"]) == (100, 200)
    silver = {key for key, p in project.profiles().items() if p["properties"]["Tier"] == "silver"}
    assert silver == {f"c{i:05}" for i in range(100)}
    assert "bulk_subscribe_profiles" not in report.requests


def test_few_profiles_go_one_by_one_and_are_confirmed_by_the_answer(project: Project) -> None:
    project.customers(customer(i) for i in range(4))
    report = project.run(CUSTOMERS)
    assert report.requests["create_or_update_profile"] == 4
    assert "bulk_import_profiles" not in report.requests
    assert report.classes["confirmed"] == 4


def test_events_keep_value_time_and_are_never_doubled(project: Project) -> None:
    project.orders(order(i) for i in range(2_300))
    report = project.run(ORDERS)
    assert (report.exit_code, report.classes["confirmed"]) == (0, 2_300)
    assert report.requests["bulk_create_events"] == 3
    events = project.events()
    assert len(events) == 2_300
    assert events[7] == ("o00007", 7.25, "2023-08-08T07:07:00+00:00")
    # The state is lost: everything is sent again, and Klaviyo recognises it.
    for file in (project.root / ".clavichord").rglob("*"):
        if file.is_file():
            file.unlink()
    report = project.run(ORDERS)
    assert report.classes["confirmed"] == 2_300
    assert project.events() == events


def test_an_event_that_changed_at_the_source_is_told_and_not_sent(project: Project) -> None:
    project.orders(order(i) for i in range(30))
    project.run(ORDERS)
    project.orders([order(0, total="999"), *(order(i) for i in range(1, 31))])
    report = project.run(ORDERS)
    assert (report.new, report.moved_on, report.classes["unchanged"]) == (1, 1, 30)
    assert project.events()[0][1] == 0.25
    assert any("1 events changed at the source" in line for line in report.lines())


def test_backfill_by_age(project: Project) -> None:
    project.orders([order(0, ordered_at="2023-01-01 00:00:00"), order(1, ordered_at="2026-11-20 23:00:00")])
    plan = project.plan(ORDERS.replace("backfill: true", "backfill: {older_than: 87600h}"))
    assert plan.changes == 2
    report = project.run(ORDERS.replace("backfill: true", "backfill: {older_than: 24h}"))
    assert report.classes["confirmed"] == 2


def test_lists_are_joined_by_those_who_qualify(project: Project) -> None:
    project.customers(customer(i) for i in range(60))
    lists = "lists: [{list: VIP, member_if: \"tier = 'gold'\", create: true}]\n"
    assert project.run(CUSTOMERS + lists).exit_code == 0
    assert project.members("VIP") == {f"c{i:05}" for i in range(0, 60, 3)}


def test_a_list_that_does_not_exist_is_a_mistake_with_its_place(project: Project) -> None:
    project.customers(customer(i) for i in range(3))
    with pytest.raises(InvalidDefinition) as caught:
        project.run(CUSTOMERS + "lists: [{list: Newsleter}]\n")
    (mistake,) = caught.value.mistakes
    assert (mistake.file, mistake.line, mistake.path) == ("sync.yaml", 11, "lists[0].list")
    assert "create: true" in mistake.fix
    # Nothing was begun: once the file is right, it is read anew.
    report = project.run(CUSTOMERS)
    assert (report.exit_code, report.resumed) == (0, None)


def test_blanks_keep_and_clear(project: Project) -> None:
    project.customers(customer(i) for i in range(12))
    project.run(CUSTOMERS)
    project.customers(customer(i, first="", tier="") for i in range(12))
    assert project.run(CUSTOMERS).classes["confirmed"] == 12
    assert project.profiles()["c00003"]["first_name"] == "Renée 3"
    report = project.run(CUSTOMERS + "blanks: clear\n")
    assert report.classes["confirmed"] == 12
    profile = project.profiles()["c00003"]
    assert (profile["first_name"], profile["properties"], profile["email"]) == (
        None,
        {"Points": 3},
        "person3@shop.example",
    )


class TestConsent:
    def test_only_those_with_a_flag_and_a_proof_are_subscribed(self, project: Project) -> None:
        project.customers(
            [
                *(customer(i) for i in range(20)),
                customer(101, opt_in_at=""),
                customer(103, opt_in_source=" "),
                customer(105, opt_in_at="2999-01-01"),
                customer(107, address=""),
            ]
        )
        report = project.run(CUSTOMERS + CONSENT)
        assert project.subscribed() == {f"c{i:05}" for i in range(1, 20, 2)}
        assert (report.classes["confirmed"], report.classes["held"], report.exit_code) == (20, 4, 5)
        assert {g.code: g.rows for g in report.groups} == {
            "consent.no_proof": 2,
            "consent.in_future": 1,
            "consent.no_address": 1,
        }
        stamp = project.profiles()["c00001"]["subscriptions"]["email"]["marketing"]["consent_timestamp"]
        assert stamp.startswith("2024-05-06T07:08:09")

    def test_nobody_who_opted_out_is_subscribed_again(self, project: Project) -> None:
        project.customers(customer(i) for i in range(20))
        project.run(CUSTOMERS)
        with project.klaviyo() as k:
            out = {"email": {"marketing": {"consent": "UNSUBSCRIBED"}}}
            entry = {"type": "profile", "attributes": {"email": "person1@shop.example", "subscriptions": out}}
            job = {"type": "profile-subscription-bulk-delete-job", "attributes": {"profiles": {"data": [entry]}}}
            k.send("bulk_unsubscribe_profiles", body={"data": job})
            entry = {"type": "profile", "attributes": {"email": "person3@shop.example"}}
            job = {"type": "profile-suppression-bulk-create-job", "attributes": {"profiles": {"data": [entry]}}}
            k.send("bulk_suppress_profiles", body={"data": job})
        while not _suppressed(project, "c00003"):
            pass
        report = project.run(CUSTOMERS + CONSENT)
        assert project.subscribed() == {f"c{i:05}" for i in range(5, 20, 2)}
        (group,) = report.groups
        assert (group.code, group.rows, group.row_class) == ("consent.lifts_opt_out", 2, "held")
        shown = json.dumps(report.to_dict(), ensure_ascii=False)
        assert "person1@" not in shown
        assert "p•••@shop.example" in shown
        assert "person1@" in json.dumps(report.to_dict(reveal=True))
        # Held is held: the next run asks again and still does not subscribe them.
        report = project.run(CUSTOMERS + CONSENT)
        assert (report.classes["held"], report.exit_code) == (2, 5)
        assert "bulk_subscribe_profiles" not in report.requests

    def test_without_historical_a_double_opt_in_list_leaves_the_consent_accepted_and_mails_once(
        self, project: Project
    ) -> None:
        project.customers(customer(i) for i in range(6))
        consent = CONSENT.replace("    historical: true\n", "") + "confirm: {wait: 1s}\n"
        report = project.run(CUSTOMERS + consent)
        assert (report.classes["accepted"], report.exit_code) == (3, 4)
        before = project.writes()
        report = project.run(CUSTOMERS + consent)
        assert (report.classes["accepted"], report.exit_code) == (3, 4)
        assert project.writes() == before


def _suppressed(project: Project, key: str) -> bool:
    return bool(project.profiles()[key]["subscriptions"]["email"]["marketing"]["suppression"])


class TestBadRows:
    def test_good_rows_of_a_broken_file_are_delivered(self, project: Project) -> None:
        (project.root / "customers.csv").write_bytes(_BROKEN)
        report = project.run(CUSTOMERS)
        assert {(g.code, tuple(s.row for s in g.samples)) for g in report.groups} == {
            ("email.invalid", (3,)),
            ("phone.invalid", (4,)),
            ("row.columns", (5,)),
            ("row.quotes", (7,)),
            ("type.invalid", (8,)),
            ("key.duplicate", (9, 10)),
            ("key.missing", (11,)),
            ("email.discarded", (12,)),
            ("identifier.duplicate", (13,)),
            ("row.encoding", (15,)),
        }
        assert (report.rows_read, report.classes["quarantined"], report.classes["confirmed"]) == (14, 11, 3)
        assert report.exit_code == 3
        assert set(project.profiles()) == {"a1", "b2", "b4"}
        text = "\n".join(report.lines())
        assert 'row 3 (a2) map.email "not-an-address" no @ in it' in text

    def test_too_many_bad_rows_stop_the_run(self, project: Project) -> None:
        project.customers([*(customer(i) for i in range(8)), customer(8, address="x"), customer(9, address="y")])
        report = project.run(CUSTOMERS + "bad_rows: {stop_over: 10%}\n")
        assert (report.exit_code, report.halt and report.halt.code) == (5, "limit.bad_rows")
        assert (report.classes["held"], report.classes["quarantined"], report.requests) == (8, 2, {})

    def test_too_many_changes_stop_the_run(self, project: Project) -> None:
        project.customers(customer(i) for i in range(20))
        text = CUSTOMERS + "limits: {max_changes: 20%}\n"
        assert project.run(text).exit_code == 0
        project.customers(customer(i, tier="?") for i in range(20))
        report = project.run(text)
        assert (report.exit_code, report.classes["held"], report.requests) == (5, 20, {})
        project.customers([*(customer(i) for i in range(16)), *(customer(i, tier="?") for i in range(16, 20))])
        assert project.run(text).classes["confirmed"] == 4

    def test_a_row_that_klaviyo_rejects_is_named_and_not_sent_again_until_it_changes(self, project: Project) -> None:
        project.customers(customer(i) for i in range(30))
        project.run(CUSTOMERS)
        # A new customer with the address of one profile and the telephone of another.
        lines = [customer(i) for i in range(60)]
        lines[40] = customer(40, address="person3@shop.example", tel="06 12 34 00 04")
        project.customers([line for i, line in enumerate(lines) if i != 3])
        report = project.run(CUSTOMERS)
        rejected = [g for g in report.groups if g.row_class == "rejected"]
        assert [(g.code, [s.key for s in g.samples]) for g in rejected] == [("klaviyo.import_error", ["c00040"])]
        assert (report.classes["rejected"], report.classes["confirmed"], report.exit_code) == (1, 29, 3)
        before = project.writes()
        report = project.run(CUSTOMERS)
        assert (report.classes["rejected"], report.exit_code, project.writes()) == (1, 3, before)
        assert project.run(CUSTOMERS, retry_rejected=True).classes["rejected"] == 1
        assert project.writes() == before + 1
        project.customers([*(line for i, line in enumerate(lines) if i not in (3, 40)), customer(40)])
        report = project.run(CUSTOMERS)
        assert (report.classes["rejected"], report.classes["confirmed"], report.exit_code) == (0, 1, 0)


_BROKEN = (
    b"customer_id,address,tel,country,first,points,tier\n"
    b"a1,ana@shop.example,0612345678,FR,Ana,1,gold\n"
    b"a2,not-an-address,0612345679,FR,Bo,2,gold\n"
    b"a3,cy@shop.example,12,FR,Cy,3,gold\n"
    b"a4,dee@shop.example,0612345671,FR\n"
    b"\n"
    b'a5,"eve@shop.example,0612345672,FR,Eve,5,gold\n'
    b"a6,fay@shop.example,0612345673,FR,Fay,six,gold\n"
    b"a7,gil@shop.example,0612345674,FR,Gil,7,gold\n"
    b"a7,hal@shop.example,0612345675,FR,Hal,8,gold\n"
    b",ian@shop.example,0612345676,FR,Ian,9,gold\n"
    b"a9,jon@example.com,0612345677,FR,Jon,10,gold\n"
    b"b1,ANA@shop.example,0612345678,FR,Ana,11,gold\n"
    b"b2,,0612345660,FR,Bea,12,gold\n"
    b"b3,kim@shop.example,0612345670,FR,Ki\xff,13,gold\n"
    b"b4,lea@shop.example,0612345661,FR,Lea,14,gold\n"
)


def test_a_wrong_key_is_exit_6_and_delivers_nothing(project: Project) -> None:
    project.customers(customer(i) for i in range(3))
    good, project.key = project.key, "nonsense"
    report = project.run(CUSTOMERS)
    assert (report.exit_code, report.halt and report.halt.code) == (6, "account.refused")
    assert report.classes["deferred"] == 3
    assert "key" in "\n".join(report.lines()).lower()
    assert "nonsense" not in json.dumps(report.to_dict(reveal=True))
    project.key = good
    report = project.run(CUSTOMERS)
    assert (report.exit_code, report.resumed) == (0, None)


def test_state_of_one_account_is_not_used_for_another(project: Project) -> None:
    project.customers(customer(i) for i in range(3))
    project.run(CUSTOMERS)
    project.customers(customer(i) for i in range(4))
    project.key += "_other"
    with pytest.raises(StateError, match="answers as"):
        project.run(CUSTOMERS)
    assert project.profiles() == {}


def test_a_stopped_run_defers_the_rest_and_the_next_one_finishes_it(project: Project) -> None:
    project.orders(order(i) for i in range(3_000))
    report = project.run(ORDERS, progress=lambda push, p: push.stop() if p.phase == "sending" and p.rows else None)
    assert report.exit_code == 130
    assert report.halt is not None
    assert report.classes["deferred"] + report.classes["accepted"] + report.classes["confirmed"] == 3_000
    project.orders(order(i) for i in range(3_010))
    report = project.run(ORDERS)
    assert report.exit_code == 0
    assert report.resumed is not None
    assert report.resumed.classes["confirmed"] == 3_000
    assert (report.classes["unchanged"], report.classes["confirmed"]) == (3_000, 10)
    assert len(project.events()) == 3_010


def test_the_plan_is_offline_and_counts_before_anything_is_sent(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.customers(customer(i) for i in range(12_345))
    plan = project.plan(CUSTOMERS + CONSENT)
    assert plan.counts._asdict() == {"new": 12_345, "changed": 0, "unchanged": 0, "gone": 0, "moved_on": 0}
    assert plan.header.planned == {"profile": 12_345, "consent": 6_172}
    assert plan.header.requests["bulk_import_profiles"] == 2
    assert plan.header.requests["bulk_subscribe_profiles"] == 7
    assert plan.bytes > 1_000_000
    assert plan.changes == 12_345


def test_no_secret_and_no_leftover_in_the_state_folder(project: Project) -> None:
    project.customers(customer(i) for i in range(30))
    project.run(CUSTOMERS)
    files = [f for f in (project.root / ".clavichord").rglob("*") if f.is_file()]
    assert not any(project.key.encode() in f.read_bytes() for f in files)
    project.write("customers.csv", "customer_id\nc1\n")
    with pytest.raises(InvalidDefinition):
        project.run(CUSTOMERS)
    files = [f for f in (project.root / ".clavichord").rglob("*") if f.is_file()]
    assert {f.name for f in files if "plans" in f.parts} == {
        "plan.parquet",
        "plan.json",
        "batches.json",
        "findings.json",
    }
