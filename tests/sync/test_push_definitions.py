"""Sync files: every mistake at once, with place and remedy; never a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sync.push_project import CUSTOMERS, HEADER, ORDERS, Project

from clavichord.sync.destinations.events import EventSync
from clavichord.sync.destinations.profiles import ProfileSync
from clavichord.sync.documents import load_project, load_sync, schema
from clavichord.sync.mistakes import InvalidDefinition

IDENTIFIERS = "  external_id: customer_id\n  email: email(address)\n  phone_number: phone(tel, country)\n"

DESIGN = """\
sync: loyalty_members
account: main
from: {connection: shop, sql: models/members.sql, key: customer_id}
to: profiles
map:
  external_id: customer_id
  email: email(Email1)
  phone_number: phone(PhoneNumber1, coalesce(country, 'US'))
  properties: {Loyalty Tier: tier, Points: points}
blanks: keep
lists: [{list: VIP, member_if: "tier = 'gold'", mode: add}]
consent:
  email: {subscribe_if: newsletter, proof: {at: opt_in_at, source: opt_in_source}, list: Newsletter}
examples: [{in: {customer_id: 7, Email1: "  Jo@Shop.Test ", tier: gold}, out: {external_id: "7", email: jo@shop.test}}]
"""


def mistakes(text: str) -> list[str]:
    with pytest.raises(InvalidDefinition) as caught:
        load_sync(text, "s.yaml")
    return [str(m) for m in caught.value.mistakes]


def test_the_example_of_the_design_is_read() -> None:
    definition = load_sync(DESIGN, "s.yaml")
    assert isinstance(definition, ProfileSync)
    assert definition.source.key == "customer_id"
    assert definition.confirm.wait.total_seconds() == 300
    assert isinstance(load_sync(ORDERS, "o.yaml"), EventSync)


def test_all_mistakes_at_once_with_line_column_and_the_right_name() -> None:
    text = DESIGN.replace("sql:", "sqll:").replace("blanks: keep", "blanks: keeep").replace("mode: add", "mode: mirror")
    text = text.replace(", source: opt_in_source", "").replace("examples:", "when: []\nexamples:")
    assert mistakes(text) == [
        's.yaml:3:26: from.sqll: unknown key "sqll" → did you mean "sql"?',
        's.yaml:10:1: blanks: "keeep" is not one of keep, clear, error → did you mean "keep"?',
        's.yaml:13:37: consent.email.proof.source: "source" is missing → add it',
        's.yaml:14:1: when: "when" is not implemented yet → start `clavichord run` from cron instead',
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("- a\n", "a mapping (key: value) is needed here, not a list"),
        ("sync: a\nsync: b\nto: profiles\n", '"sync" stands here twice (first in line 1)'),
        ("sync: [a\n", "not valid YAML"),
        ("sync:\tx\n  y: 1\n", "not valid YAML"),
        ("a: &a [*a]\n", "s.yaml:1:"),
        ("sync: a\nto: profile\n", 'did you mean "profiles"?'),
        (
            DESIGN.replace("connection: shop, sql: models/members.sql", "file: a.csv, sql: x"),
            "exactly one of file, sql and table",
        ),
        (DESIGN.replace("account: main", "account: main\nconfirm: {wait: 5}"), "needs its unit"),
        (DESIGN.replace("account: main", "account: main\nlimits: {max_changes: many}"), "a share (2%)"),
        (DESIGN.replace("account: main", "account: main\nzone: Mars/Olympus"), "IANA"),
    ],
)
def test_what_is_said(text: str, said: str) -> None:
    assert said in "\n".join(mistakes(text))


def test_yaml_1_2_no_is_a_word_and_leading_zeros_stay() -> None:
    text = DESIGN.replace("tier: gold}, out", "tier: no, zip: 00501, day: 2024-01-02}, out")
    assert load_sync(text, "s.yaml").examples[0].given == {
        "customer_id": 7, "Email1": "  Jo@Shop.Test ", "tier": "no", "zip": "00501", "day": "2024-01-02",
    }  # fmt: skip


def test_a_key_in_the_project_file_is_refused_without_repeating_it() -> None:
    project = load_project(
        "accounts: {main: {api_key: env:KLAVIYO_API_KEY, base_url: http://x}}\nconnections: {shop: {files: data/}}\n"
    )
    key = project.accounts["main"].api_key
    assert key is not None
    assert (key.kind, key.value) == ("env", "KLAVIYO_API_KEY")
    with pytest.raises(InvalidDefinition) as caught:
        load_project("accounts: {main: {api_key: pk_0123456789}}")
    assert "env:NAME" in str(caught.value)
    assert "0123456789" not in str(caught.value)


def test_the_schema_is_published() -> None:
    assert {"ProfileSync", "EventSync"} <= set(schema()["$defs"])


_words = st.sampled_from(
    [*["sync", "to", "from", "map", "profiles", "events", "key", "file", "metric", "lists", "email"], "x", "1", "~"]
)
_values = st.recursive(
    _words | st.integers() | st.none() | st.booleans() | st.text(max_size=5),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(_words, v, max_size=4),
    max_leaves=12,
)


@given(st.text(max_size=200) | _values.map(str) | _values.map(lambda v: f"to: profiles\nsync: a\nmap: {v}\n"))
@settings(max_examples=300, deadline=None)
def test_no_text_makes_a_traceback(text: str) -> None:
    for reader in (load_sync, load_project):
        try:
            reader(text, "s.yaml")
        except InvalidDefinition as error:
            assert error.mistakes
            assert all(m.what for m in error.mistakes)


class TestAgainstTheSource:
    """`check`: the file is right in itself, and wrong for its data."""

    @pytest.fixture
    def project(self, tmp_path: Path) -> Project:
        project = Project(tmp_path)
        project.customers([])
        project.orders([])
        return project

    def test_nothing_is_wrong(self, project: Project) -> None:
        assert project.check(CUSTOMERS) == project.check(ORDERS) == []

    def test_unknown_columns_functions_and_fields_all_at_once(self, project: Project) -> None:
        text = CUSTOMERS.replace("email(address)", "email(adress)").replace("first_name: first", "firstname: first")
        text = text.replace("Points: points", "Points: pionts + 1").replace("Tier: tier", "Tier: uper(tier)")
        found = project.check(text)
        assert [line.split(": ")[0:2] for line in found] == [
            ["sync.yaml:7:3", "map.email"],
            ["sync.yaml:9:3", "map.firstname"],
            ["sync.yaml:10:16", "map.properties.Points"],
            ["sync.yaml:10:36", "map.properties.Tier"],
        ]
        assert (
            'the source has no column "adress" in `email(adress)` (at character 7) → did you mean "address"?'
            in found[0]
        )
        assert 'did you mean "first_name"?' in found[1]

    @pytest.mark.parametrize(
        ("old", "new", "said"),
        [
            ("email(address)", "coalesce(email(address), '')", "must be the whole expression"),
            ("email(address)", "email(address, tel, tel)", "email() was given 3 arguments"),
            ("Points: points", "Points: sum(points)", "adds up many rows"),
            ("Points: points", "Points: row_number() over ()", "window function"),
            ("Points: points", "Points: (select 1)", "a query inside an expression"),
            ("Points: points", "Points: points, tier", "map.properties"),
            ("Points: points", 'Points: "a) from x; drop table y --"', "expression"),
            ("Points: points", "Points: points +", "ends too early"),
            ("Points: points", "Points: random()", "gives another value every time"),
            (IDENTIFIERS, "", "no identifier"),
            ("{points: integer}", "{points: intger}", "not an SQL type"),
            ("{points: integer}", "{point: integer}", 'did you mean "points"?'),
            ("customers.csv", "custmers.csv", 'did you mean "customers.csv"?'),
            ("to: profiles", "to: profiles\nlists: [{list: A, member_if: now()}]", "a condition is needed"),
            ("to: profiles", "to: profiles\nlists: [{list: A, mode: miror}]", 'did you mean "mirror"?'),
        ],
    )  # fmt: skip
    def test_what_is_said(self, project: Project, old: str, new: str, said: str) -> None:
        assert old in CUSTOMERS
        try:
            found = project.check(CUSTOMERS.replace(old, new))
        except InvalidDefinition as error:
            found = [str(m) for m in error.mistakes]
        assert said in "\n".join(found)

    def test_a_column_s_name_alone_needs_no_quotes(self, project: Project) -> None:
        project.write("customers.csv", "customer_id,address,tel,country,first,points,at,Loyalty Tier\n")
        text = CUSTOMERS.replace("first_name: first", "first_name: at").replace("Tier: tier", "Tier: loyalty tier")
        assert project.check(text) == []

    def test_a_time_without_a_zone(self, project: Project) -> None:
        text = ORDERS.replace("zone: UTC\n", "").replace("time: ordered_at", "time: ordered_at::timestamp")
        assert "the time has no zone" in project.check(text)[0]
        project.write(
            "orders.csv",
            "order_id,customer_id,ordered_at,total\n1,c,2024-01-01 10:00:00,1\n2,c,2024-01-01T10:00:00+02:00,1\n",
        )
        plan = project.plan(ORDERS.replace("zone: UTC\n", ""))
        assert [(f.row, f.code) for f in plan.findings] == [(2, "expression.failed")]
        assert "add `zone:`" in plan.findings[0].message

    _expression = st.text(alphabet="abcdefginopst_(),.'\"+-*/:|=<>[]{}?$; 0123456789\n", max_size=40) | st.text(
        max_size=20
    )

    @given(_expression)
    @settings(max_examples=150, deadline=None)
    def test_no_expression_makes_a_traceback(self, tmp_path_factory: Any, text: str) -> None:
        project = Project(tmp_path_factory.getbasetemp() / "expressions")
        project.write("customers.csv", [HEADER, "c1,a@shop.example,0612345678,FR,A,1,gold,yes,2024-01-01,web"])
        definition = CUSTOMERS.replace("Tier: tier", "Tier: " + _yaml(text))
        try:
            plan = project.plan(definition)
        except InvalidDefinition as error:
            assert error.mistakes
        else:
            assert plan.header.rows_read == 1
            assert plan.header.planned["profile"] + plan.header.quarantined == 1


def _yaml(text: str) -> str:
    import json

    return json.dumps(text)
