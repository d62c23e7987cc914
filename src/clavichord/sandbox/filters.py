"""The filter language: grammar, the rules of an operation, and its translation into SQL (FACTS §4.1, App. B)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from clavichord.sandbox import inferred
from clavichord.sandbox.clock import SECOND, parse
from clavichord.sandbox.errors import Refusal, invalid
from clavichord.spec import FilterRule

_WORD = re.compile(r"[A-Za-z][A-Za-z-]*")
_FIELD = re.compile(r"[A-Za-z_][A-Za-z0-9_.$-]*")
_BARE = re.compile(r"[^,()\[\]\"']+")
_NUMBER = re.compile(r"-?\d{1,19}(?:\.\d{1,19})?")
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_DEPTH = 20
_MAX_PARAMETERS = 1000
_COMPARISONS = {
    "equals": "=",
    "greater-than": ">",
    "greater-or-equal": ">=",
    "less-than": "<",
    "less-or-equal": "<=",
}


class Literal(NamedTuple):
    text: str
    quoted: bool


class Condition(NamedTuple):
    """`operator(field,value)`; value is None for `has(field)`."""

    operator: str
    field: str
    value: Literal | list[Literal] | None


class Column(NamedTuple):
    """How a filter field is found in the store."""

    sql: str
    """an expression, or for `exists` a sub-select that ends in an open condition: `… AND s.reason {}`"""
    unit: int = 0
    """date-times are stored in multiples of so many microseconds; 0: not a date-time"""
    fold: bool = False
    """compared in lower case (e-mail addresses are stored so)"""


class _Reader:
    """Recursive descent over one filter; every fault names its position."""

    def __init__(self, text: str, field: re.Pattern[str]) -> None:
        self.text = text
        self.at = 0
        self.field = field

    def fail(self, what: str) -> Refusal:
        return invalid(inferred.FILTER_SYNTAX.format(problem=what, position=self.at), parameter="filter")

    def blank(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in " \t\r\n":
            self.at += 1

    def peek(self) -> str:
        self.blank()
        return self.text[self.at : self.at + 1]

    def take(self, mark: str) -> None:
        if self.peek() != mark:
            raise self.fail(f"'{mark}' is expected")
        self.at += 1

    def match(self, pattern: re.Pattern[str], what: str) -> str:
        self.blank()
        found = pattern.match(self.text, self.at)
        if found is None:
            raise self.fail(f"{what} is expected")
        self.at = found.end()
        return found.group()

    def conditions(self, closing: str, depth: int = 0) -> list[Condition]:
        found = self.condition(depth)
        while self.peek() == ",":
            self.at += 1
            found += self.condition(depth)
        if self.peek() != closing:
            raise self.fail(f"',' or '{closing}' is expected" if closing else "',' is expected")
        return found

    def condition(self, depth: int) -> list[Condition]:
        operator = self.match(_WORD, "an operator")
        self.take("(")
        if operator == "and":
            if depth >= _DEPTH:
                raise self.fail("the filter is nested too deeply")
            inner = self.conditions(")", depth + 1)
            self.at += 1
            return inner
        if operator in ("or", "not"):
            raise self.fail(f"'{operator}' is not supported")
        field = self.match(self.field, "a field")
        value: Literal | list[Literal] | None = None
        if self.peek() == ",":
            self.at += 1
            value = self.array() if self.peek() == "[" else self.literal()
        self.take(")")
        return [Condition(operator, field, value)]

    def array(self) -> list[Literal]:
        self.at += 1
        values: list[Literal] = []
        while self.peek() != "]":
            values.append(self.literal())
            if self.peek() != "]":
                self.take(",")
        self.at += 1
        return values

    def literal(self) -> Literal:
        quote = self.peek()
        if quote not in ('"', "'") or not quote:
            return Literal(self.match(_BARE, "a value").strip(), quoted=False)
        start = self.at = self.at + 1
        while self.at < len(self.text) and self.text[self.at] != quote:
            self.at += 2 if self.text[self.at] == "\\" else 1
        if self.at >= len(self.text):
            self.at = len(self.text)
            raise self.fail("a closing quote is expected")
        text = _ESCAPE.sub(_unescape, self.text[start : self.at])
        self.at += 1
        try:  # JSON writes characters beyond U+FFFF as two escapes
            return Literal(text.encode("utf-16", "surrogatepass").decode("utf-16"), quoted=True)
        except UnicodeDecodeError:
            raise self.fail("half of a surrogate pair is not a character, a whole one") from None


def _unescape(found: re.Match[str]) -> str:
    mark: str = found.group(1)
    return chr(int(mark[1:], 16)) if len(mark) == 5 else _ESCAPED.get(mark, mark)


def read(text: str, field: re.Pattern[str] = _FIELD) -> list[Condition]:
    """The conditions of a filter, all of which must hold. Refusal (400) if it cannot be read.

    `field`: how fields look, where their names are none (`Campaign Name`).
    """
    if not text.strip():
        raise invalid(inferred.FILTER_SYNTAX.format(problem="it is empty", position=0), parameter="filter")
    return _Reader(text, field).conditions("")


def check(conditions: Sequence[Condition], rules: Sequence[FilterRule]) -> None:
    """Fields and operators that the operation allows; the recorded wording (FACTS §1.5)."""
    by_field = {rule.field: rule for rule in rules}
    for condition in conditions:
        rule = by_field.get(condition.field)
        if rule is None:
            allowed = ", ".join(by_field)
            text = inferred.FILTER_FIELD.format(given=condition.field, allowed=allowed)
            raise invalid(text, parameter="filter")
        operators = list(dict.fromkeys((*rule.single, *rule.list, *rule.none)))
        if condition.operator not in operators:
            raise invalid(
                f"'{condition.operator}' is not an allowed filter operator for {condition.field}.  "
                f"Allowed operators are {', '.join(operators)}",
                parameter="filter",
            )
        _check_form(condition, rule)
        _check_values(condition, rule)


def _check_form(condition: Condition, rule: FilterRule) -> None:
    name, value = condition.operator, condition.value
    if value is None:
        if name not in rule.none:
            raise _bad_value(condition, "a value")
    elif name in rule.none and name not in (*rule.single, *rule.list):
        raise _bad_value(condition, "no value")
    elif isinstance(value, list):
        if name not in rule.list:
            raise _bad_value(condition, "one value")
    elif name not in rule.single and name != "equals":  # equals(email,"x") on members: listed with lists only, yet live
        raise _bad_value(condition, "a list of values")


def _check_values(condition: Condition, rule: FilterRule) -> None:
    given = condition.value if isinstance(condition.value, list) else [condition.value]
    if rule.values and any(one is not None and one.text not in rule.values for one in given):
        raise _bad_value(condition, f"one of {', '.join(rule.values)}")


def _bad_value(condition: Condition, expected: str) -> Refusal:
    given = condition.value
    shown = "[…]" if isinstance(given, list) else "nothing" if given is None else f"'{given.text[:100]}'"
    text = inferred.FILTER_VALUE.format(given=shown, field=condition.field, expected=expected)
    return invalid(text, parameter="filter")


def _text(condition: Condition, literal: Literal, column: Column) -> str:
    if not literal.quoted and _NUMBER.fullmatch(literal.text) is None:
        raise _bad_value(condition, "a quoted string")
    return literal.text.lower() if column.fold else literal.text


def _boolean(condition: Condition, literal: Literal, column: Column) -> int:
    if literal.text.lower() not in ("true", "false"):
        raise _bad_value(condition, "true or false")
    return literal.text.lower() == "true"


def _number(condition: Condition, literal: Literal, column: Column) -> int | float:
    """In the column's unit; the `timestamp` of events takes a date-time too (FACTS §4.1)."""
    if _NUMBER.fullmatch(literal.text) is None:
        if column.unit:
            return _instant(condition, literal, column)
        raise _bad_value(condition, "a number")
    number = float(literal.text)
    return _bounded(condition, number * SECOND / column.unit if column.unit else number)


def _instant(condition: Condition, literal: Literal, column: Column) -> int | float:
    instant = parse(literal.text)
    if instant is None:
        raise _bad_value(condition, "an ISO 8601 date-time")
    return _bounded(condition, instant / column.unit)


def _bounded(condition: Condition, number: float) -> int | float:
    if abs(number) > 2**62:
        raise _bad_value(condition, "a number in range")
    return int(number) if number == int(number) else number


_READERS: Mapping[str, Callable[[Condition, Literal, Column], Any]] = {
    "string": _text,
    "boolean": _boolean,
    "number": _number,
    "integer": _number,
    "date-time": _instant,
}


def compile_sql(
    conditions: Sequence[Condition], rules: Sequence[FilterRule], columns: Mapping[str, Column]
) -> tuple[list[str], list[Any]]:
    """Clauses for WHERE with their parameters. Refusal (400) for a value of the wrong type."""
    types = {rule.field: rule.type for rule in rules}
    clauses: list[str] = []
    parameters: list[Any] = []
    for condition in conditions:
        column, value = columns[condition.field], condition.value
        reader = _READERS[types[condition.field]]
        if value is None:
            clause = f"{column.sql} IS NOT NULL"
        elif isinstance(value, list):
            values = [reader(condition, item, column) for item in value]
            # The planner uses an index for listed parameters; beyond SQLite's number of them there is JSON.
            if len(values) <= _MAX_PARAMETERS:
                parameters += values
                clause = _placed(column.sql, f"IN ({', '.join('?' * len(values))})")
            else:
                parameters.append(msgspec.json.encode(values).decode())
                clause = _placed(column.sql, "IN (SELECT value FROM json_each(?))")
        elif condition.operator in _COMPARISONS:
            parameters.append(reader(condition, value, column))
            clause = _placed(column.sql, f"{_COMPARISONS[condition.operator]} ?")
        else:
            parameters.append(reader(condition, value, column))
            clause = f"has_part('{condition.operator}', {column.sql}, ?)"
        clauses.append(clause)
    return clauses, parameters


def _placed(sql: str, comparison: str) -> str:
    return sql.replace("{}", comparison) if "{}" in sql else f"{sql} {comparison}"


def has_part(operator: str, text: Any, part: str) -> bool:
    """`contains` and its kin, as a function of the store; case does not matter, in any alphabet (inferred)."""
    if text is None:
        return False
    whole, part = str(text).lower(), part.lower()
    if operator == "starts-with":
        return whole.startswith(part)
    return whole.endswith(part) if operator == "ends-with" else part in whole
