"""Every field that the catalogue lists takes the operators that it lists, and no others: over real HTTP."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import quote

import pytest
from tests.sandbox.catalog_api import PREFIX, category, make
from tests.sandbox.live_world import World
from tests.sandbox.messages_api import write
from tests.sandbox.sandbox_api import Api

from clavichord.sandbox.serve import Running
from clavichord.spec import FilterRule, Operation, load

REVISIONS = ("2026-07-15", "2026-10-15")
OPERATORS = (
    *("equals", "any", "contains", "contains-any", "contains-all", "starts-with", "ends-with", "has"),
    *("greater-than", "greater-or-equal", "less-than", "less-or-equal"),
)
VALUES = {"boolean": "true", "number": "4", "integer": "4", "date-time": "2026-01-31T09:00:00Z"}
REQUIRED = {
    "get_campaigns": 'equals(messages.channel,"email")',
    "get_coupon_codes": 'equals(coupon.id,"SUMMER")',
}
"""what a filter must also say"""


def filtered(revision: str) -> Iterator[Operation]:
    """The operations that take a filter; the values of review reports count as one."""
    for operation in load(revision).operations.values():
        if operation.filters and operation.id != "get_client_review_values_reports":
            yield operation


def value(rule: FilterRule) -> str:
    return f'"{rule.values[0]}"' if rule.values else VALUES.get(rule.type, '"x"')


def expressions(rule: FilterRule) -> Iterator[tuple[str, bool]]:
    """Each operator with each kind of value, and whether the rule allows it."""
    for name in OPERATORS:
        yield f"{name}({rule.field},{value(rule)})", name in rule.single or name == "equals" in rule.list
        yield f"{name}({rule.field},[{value(rule)}])", name in rule.list
        yield f"{name}({rule.field})", name in rule.none


class Account(NamedTuple):
    """An account in which there is one of everything that a path can begin with."""

    api: Api
    ids: dict[str, str]

    def ask(self, revision: str, operation: Operation, expression: str) -> tuple[int, str]:
        both = f"{REQUIRED[operation.id]},{expression}" if operation.filter_required else expression
        path = re.sub(r"\{\w+\}", quote(self.ids.get(operation.base, ""), safe="$:"), operation.path)
        query = {"filter": both} | {name: "ABC123" for name in operation.query if name == "company_id"}
        reply = self.api.at(revision)(operation.method, path, query=query)
        return reply.status, reply.errors[0]["detail"] if reply.status >= 400 else ""


@pytest.fixture(scope="module")
def account(server: Running) -> Account:
    api = Api(server.base_url, "pk_filters")
    world = World(api, api)
    ids = {
        "catalog-item": PREFIX + world.catalog,
        "catalog-category": PREFIX + "tops",
        "coupon": world.coupon,
        "flow": world.flow["id"],
        "flow-action": world.actions[0]["id"],
        "form": world.form,
        "list": world.list_id,
        "segment": world.segment,
        "object-type": write(api, "POST", "/api/object-types", "object-type", title="Pet").data["id"],
    }
    make(api, category("tops"))
    return Account(api, ids)


@pytest.mark.parametrize("revision", REVISIONS)
def test_operators_are_accepted_as_listed(account: Account, revision: str) -> None:
    asked = 0
    for operation in filtered(revision):
        for rule in operation.filters:
            allowed = dict.fromkeys((*rule.single, *rule.list, *rule.none))
            for expression, right in expressions(rule):
                status, detail = account.ask(revision, operation, expression)
                assert (status == 200) is right, (operation.id, expression, status, detail)
                name = expression.partition("(")[0]
                if name not in allowed:
                    assert (status, detail) == (
                        400,
                        f"'{name}' is not an allowed filter operator for {rule.field}.  "
                        f"Allowed operators are {', '.join(allowed)}",
                    ), (operation.id, expression)
                asked += 1
    assert asked > 5000


@pytest.mark.parametrize("revision", REVISIONS)
def test_values_are_of_the_listed_kind(account: Account, revision: str) -> None:
    wrong = {"boolean": "maybe", "number": '"four"', "integer": "four", "date-time": "yesterday"}
    for operation in filtered(revision):
        assert account.ask(revision, operation, 'equals(nonsense,"x")')[0] == 400
        for rule in operation.filters:
            bad = '"nonsense"' if rule.values else wrong.get(rule.type)
            operator = next(iter(rule.single), None)
            if bad is None or operator is None:
                continue
            expression = f"{operator}({rule.field},{bad})"
            status, detail = account.ask(revision, operation, expression)
            assert (status, rule.field in detail) == (400, True), (operation.id, expression, detail)
