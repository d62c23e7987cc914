"""Consent by channel: unsubscribing with a scope, text messages, and which of two decisions wins."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.sync.push_project import Project

from clavichord.sandbox.serve import Running, running
from clavichord.sandbox.testing import SandboxHandle
from clavichord.sync.mistakes import InvalidDefinition

SYNC = """\
sync: people
zone: UTC
from: {file: people.csv, key: id}
to: profiles
map:
  external_id: id
  email: email(mail)
  phone_number: phone(tel, 'FR')
"""
HEADER = "id,mail,tel,yes,yes_at,yes_source,no,no_at"
AGREE = "subscribe_if: yes = '1', proof: {at: yes_at, source: yes_source}, historical: true"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    with running(limits="off", job_delay=0.02) as served:
        yield served


@pytest.fixture
def project(tmp_path: Path, server: Running) -> Project:
    return Project(tmp_path, server.base_url, f"pk_consent_{next(_numbers)}")


def people(project: Project, **rows: str) -> None:
    """id="yes yes_at no no_at": `-` is empty."""
    lines = [HEADER]
    for number, (key, text) in enumerate(rows.items()):
        yes, yes_at, no, no_at = ("" if word == "-" else word for word in text.split())
        lines.append(f"{key},{key}@shop.test,06123400{number:02},{yes},{yes_at},shop,{no},{no_at}")
    project.write("people.csv", lines)


def consent(email: str = "", sms: str = "") -> str:
    blocks = [f"  {name}: {{{text}}}\n" for name, text in (("email", email), ("sms", sms)) if text]
    return SYNC + "consent:\n" + "".join(blocks)


def standing(project: Project, channel: str = "email") -> dict[str, str]:
    found = {key: p["subscriptions"][channel]["marketing"] for key, p in project.profiles().items()}
    return {key: ("" if "NEVER" in one["consent"] else one["consent"]) for key, one in found.items()}


def held(report: Any) -> dict[str, list[str]]:
    return {g.code: sorted(s.key for s in g.samples) for g in report.groups if g.row_class == "held"}


def test_text_messages_need_a_number_and_a_proof_like_everything_else(project: Project) -> None:
    people(project, ann="1 2024-05-01 - -", bo="- - - -", cy="1 - - -")
    report = project.run(consent(sms=AGREE + ", list: Texts, create: true"))
    assert standing(project, "sms") == {"ann": "SUBSCRIBED", "bo": "", "cy": ""}
    assert standing(project) == {"ann": "", "bo": "", "cy": ""}
    assert held(report) == {"consent.no_proof": ["cy"]}
    assert project.members("Texts") == {"ann"}


def test_both_channels_of_one_row_are_parts_of_their_own(project: Project) -> None:
    people(project, ann="1 2024-05-01 - -")
    assert project.run(consent(AGREE, AGREE)).exit_code == 0
    assert (standing(project), standing(project, "sms")) == ({"ann": "SUBSCRIBED"}, {"ann": "SUBSCRIBED"})
    before = project.writes()
    assert project.run(consent(AGREE, AGREE)).classes["unchanged"] == 1
    assert project.writes() == before


def test_everywhere(project: Project) -> None:
    people(project, ann="1 2024-05-01 - -", bo="1 2024-05-01 - -")
    text = consent(AGREE + ", unsubscribe_if: no = '1', unsubscribe_scope: everywhere")
    project.run(text)
    people(project, ann="1 2024-05-01 1 -", bo="1 2024-05-01 - -")
    report = project.run(text)
    assert (report.exit_code, report.requests["bulk_unsubscribe_profiles"]) == (0, 1)
    assert standing(project) == {"ann": "UNSUBSCRIBED", "bo": "SUBSCRIBED"}
    assert "bulk_unsubscribe_profiles" not in project.run(text).requests


def test_leaving_a_list_leaves_only_that_list(project: Project) -> None:
    people(project, ann="1 2024-05-01 - -", bo="- - - -", cy="1 2024-05-01 - -")
    text = consent(AGREE + ", list: News, create: true, unsubscribe_if: no = '1', unsubscribe_scope: list")
    project.run(text)
    people(project, ann="1 2024-05-01 1 -", bo="- - 1 -", cy="1 2024-05-01 - -")
    report = project.run(text)
    # bo is not in the list: Klaviyo would take that for an opt-out from everything.
    assert held(report) == {"consent.would_be_global": ["bo"]}
    assert standing(project) == {"ann": "SUBSCRIBED", "bo": "", "cy": "SUBSCRIBED"}
    assert project.members("News") == {"cy"}
    assert report.exit_code == 5


def test_the_newer_decision_wins_and_an_opt_out_wins_a_tie(project: Project) -> None:
    people(
        project,
        newer_yes="1 2024-05-02 1 2024-05-01",
        newer_no="1 2024-05-01 1 2024-05-02",
        tie="1 2024-05-01 1 2024-05-01",
        undated_no="1 2024-05-01 1 -",
        only_no="- - 1 2024-01-01",
    )
    text = consent(AGREE + ", unsubscribe_if: no = '1', unsubscribe_at: no_at, unsubscribe_scope: everywhere")
    assert project.run(text).exit_code == 0
    out = dict.fromkeys(("newer_no", "tie", "undated_no", "only_no"), "UNSUBSCRIBED")
    assert standing(project) == {"newer_yes": "SUBSCRIBED", **out}


def test_an_opt_out_in_klaviyo_is_lifted_only_by_a_newer_proof_and_only_where_the_file_says_so(
    project: Project, server: Running
) -> None:
    people(project, ann="- - 1 -", bo="- - 1 -")
    with clock_at(server, "2026-01-15T12:00:00Z"):
        project.run(consent("unsubscribe_if: no = '1', unsubscribe_scope: everywhere"))
    people(project, ann="1 2026-01-15 - -", bo="1 2026-01-16 - -")
    report = project.run(consent(AGREE))
    assert held(report) == {"consent.lifts_opt_out": ["ann", "bo"]}
    report = project.run(consent(AGREE + ", resubscribe: newer"))
    assert held(report) == {"consent.lifts_opt_out": ["ann"]}
    assert standing(project) == {"ann": "UNSUBSCRIBED", "bo": "SUBSCRIBED"}


@contextmanager
def clock_at(server: Running, moment: str) -> Iterator[None]:
    """The sandbox's clock goes on from `moment`."""
    sandbox = SandboxHandle(server.base_url, key="pk_clock")
    sandbox.control("POST", "clock", {"set": moment})
    yield
    sandbox.control("POST", "clock", {"set": datetime.now(UTC).isoformat()})


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("list: News", "subscribe_if, unsubscribe_if, or both"),
        ("subscribe_if: yes = '1'", "belong together"),
        ("unsubscribe_if: no = '1'", "needs unsubscribe_scope"),
        ("unsubscribe_if: no = '1', unsubscribe_scope: list", "needs a list"),
        ("unsubscribe_if: no = '1', unsubscribe_scope: globally", "is not one of list, everywhere"),
    ],
)
def test_what_must_be_spelled_out(project: Project, block: str, said: str) -> None:
    people(project, ann="- - - -")
    with pytest.raises(InvalidDefinition, match=said):
        project.check(consent(block))


def test_a_channel_needs_its_address(project: Project) -> None:
    people(project, ann="- - - -")
    text = consent(sms=AGREE).replace("  phone_number: phone(tel, 'FR')\n", "")
    assert "consent to sms needs map.phone_number" in project.check(text)[0]
