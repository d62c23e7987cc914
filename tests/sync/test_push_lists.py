"""Lists: who joins, who leaves, and that a source which lost its rows empties nothing."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.sync.push_project import CUSTOMERS, Project, customer

from clavichord.sandbox.serve import Running, running

MIRROR = CUSTOMERS + "lists: [{list: VIP, member_if: \"tier = 'gold'\", mode: mirror, create: true}]\n"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(limits="off", job_delay=0.02) as served:
        yield served


@pytest.fixture
def project(tmp_path: Path, server: Running) -> Project:
    return Project(tmp_path, server.base_url, f"pk_lists_{next(_numbers)}")


def gold(numbers: range) -> set[str]:
    return {f"c{i:05}" for i in numbers if i % 3 == 0}


def test_a_mirrored_list_follows_the_condition_and_the_source(project: Project) -> None:
    project.customers(customer(i) for i in range(60))
    assert project.run(MIRROR).exit_code == 0
    assert project.members("VIP") == gold(range(60))
    with project.klaviyo() as k:  # somebody whom this sync has not put there
        other = k.profiles.upsert(external_id="by hand")
        (vip,) = project.all("get_lists")
        k.lists.add_profiles_to_list(vip["id"], profiles=[other.id])

    # One no longer qualifies, two begin to, one has left the source.
    project.customers(customer(i, **({"tier": "gold"} if i in (1, 2) else {"tier": "tin"} if i == 6 else {}))
                      for i in range(60) if i != 9)  # fmt: skip
    report = project.run(MIRROR)
    assert project.members("VIP") == gold(range(60)) - {"c00006", "c00009"} | {"c00001", "c00002", "by hand"}
    assert (report.changed, report.classes["confirmed"], report.gone, report.removed) == (3, 3, 1, {"confirmed": 1})
    assert "  removed      confirmed 1" in list(report.lines())

    before = project.writes()
    report = project.run(MIRROR)
    assert (report.classes["unchanged"], report.removed, project.writes()) == (59, {}, before)
    assert len(project.profiles()) == 61  # nobody is deleted

    project.customers(customer(i) for i in range(60))  # whoever comes back, joins again
    project.run(MIRROR)
    assert project.members("VIP") == gold(range(60)) | {"by hand"}


def test_a_source_that_lost_its_rows_removes_nobody(project: Project) -> None:
    project.customers(customer(i) for i in range(150))
    project.run(MIRROR)
    project.customers([customer(0), *(customer(i, tier="tin") for i in range(1, 60))])
    report = project.run(MIRROR)
    assert project.members("VIP") == gold(range(150))
    assert (report.removed, report.classes["held"], report.exit_code) == ({"held": 30}, 19, 5)
    (group,) = [g for g in report.groups if g.code == "limit.removals"]
    assert (group.rows, group.samples[0].field) == (49, "lists[0].max_removals")
    assert "49 of 50 would be removed, allowed are 20 %" in group.samples[0].message
    assert {p["properties"]["Tier"] for k, p in project.profiles().items() if "c00000" < k < "c00060"} == {"tin"}

    allowed = MIRROR.replace("mode: mirror", "mode: mirror, max_removals: 100%")
    assert project.run(allowed).exit_code == 0
    assert project.members("VIP") == {"c00000"}


def test_an_explicit_bound_holds_for_few_people_too(project: Project) -> None:
    project.customers(customer(i) for i in range(12))
    text = MIRROR.replace("mode: mirror", "mode: mirror, max_removals: 1")
    project.run(text)
    project.customers(customer(i) for i in range(1, 12) if i != 3)
    assert project.run(text).removed == {"held": 2}
    assert project.members("VIP") == gold(range(12))


def test_mode_remove_takes_people_out_and_add_never_does(project: Project) -> None:
    project.customers(customer(i) for i in range(30))
    project.run(MIRROR.replace("mode: mirror", "mode: add"))
    project.customers(customer(i, tier="tin" if i < 15 else "gold") for i in range(30))
    project.run(MIRROR.replace("mode: mirror", "mode: add"))
    assert project.members("VIP") == gold(range(15)) | {f"c{i:05}" for i in range(15, 30)}
    leave = CUSTOMERS.replace("sync: customers", "sync: leavers")
    leave += "lists: [{list: VIP, member_if: \"tier = 'tin'\", mode: remove}]\n"
    report = project.run(leave)
    assert project.members("VIP") == {f"c{i:05}" for i in range(15, 30)}
    assert report.requests["remove_profiles_from_list"] == 1
    assert project.run(leave).classes["unchanged"] == 30


def test_a_removal_waits_until_the_profile_is_confirmed(project: Project) -> None:
    project.customers(customer(i) for i in range(30))
    project.run(MIRROR)
    # c00003 takes over another's telephone number: its profile is refused, so nothing else is done about it.
    lines = [customer(i) for i in range(30)]
    lines[3] = customer(3, tel="06 12 34 00 04", tier="tin")
    project.customers(line for i, line in enumerate(lines) if i != 4)
    report = project.run(MIRROR)
    assert report.classes["rejected"] == 1
    assert "c00003" in project.members("VIP")


MEMBERS = """\
sync: vips
from: {file: customers.csv, key: customer_id}
to: lists
list: VIP
create: true
mode: mirror
member: {external_id: customer_id, email: email(address)}
member_if: tier = 'gold'
"""


def test_a_sync_of_its_own_for_one_list(project: Project) -> None:
    project.customers(customer(i) for i in range(30))
    assert project.run(MEMBERS).exit_code == 0
    assert project.members("VIP") == gold(range(30))
    assert set(project.profiles()) == gold(range(30))  # who is not a member is not made known either
    assert {p["first_name"] for p in project.profiles().values()} == {None}
    project.customers(customer(i, tier="tin" if i == 3 else "gold") for i in range(29) if i != 6)
    report = project.run(MEMBERS)
    assert project.members("VIP") == {f"c{i:05}" for i in range(29)} - {"c00003", "c00006"}
    assert report.removed == {"confirmed": 1}  # c00006; c00003 is still in the source


def test_a_list_needs_identifiers_only(project: Project) -> None:
    project.customers([customer(1)])
    text = MEMBERS.replace("member: {external_id: customer_id, email: email(address)}", "member: {first_name: first}")
    (mistake,) = project.check(text)
    assert 'member.first_name: "first_name" identifies nobody' in mistake


SUPPRESS = """\
sync: blocked
from: {file: customers.csv, key: customer_id}
to: suppressions
email: email(address)
suppress_if: tier = 'blocked'
mode: mirror
"""


def suppressed(project: Project) -> set[str]:
    found = project.all("get_profiles", **{"page[size]": "100", "additional-fields[profile]": "subscriptions"})
    marketing = {p["attributes"]["email"]: p["attributes"]["subscriptions"]["email"]["marketing"] for p in found}
    return {
        email for email, one in marketing.items() if any(s["reason"] == "USER_SUPPRESSED" for s in one["suppression"])
    }


def test_suppressions_follow_the_source(project: Project) -> None:
    project.customers(customer(i, tier="blocked" if i < 3 else "tin") for i in range(6))
    assert project.run(SUPPRESS).exit_code == 0
    assert suppressed(project) == {f"person{i}@shop.example" for i in range(3)}
    # One is released, one has left the source, one comes in.
    project.customers(customer(i, tier="blocked" if i in (0, 5) else "tin") for i in range(6) if i != 2)
    report = project.run(SUPPRESS)
    assert (report.exit_code, report.removed) == (0, {"confirmed": 1})
    assert suppressed(project) == {"person0@shop.example", "person5@shop.example"}
    assert project.run(SUPPRESS).classes["unchanged"] == 5

    lift = SUPPRESS.replace("sync: blocked", "sync: lift").replace("mode: mirror", "mode: lift")
    assert project.run(lift).classes["confirmed"] == 2
    assert suppressed(project) == set()
