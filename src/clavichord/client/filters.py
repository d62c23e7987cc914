"""`filter=` written as Python: `(F.updated > since) & (F.email == "a@b.example")`, checked before anything is sent.

The text is Klaviyo's (FACTS §4.1): `greater-than(updated,2026-01-01T00:00:00Z),equals(email,"a@b.example")`.
A ready filter string passes everywhere a Filter does, untouched and unchecked.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NoReturn, TypeAlias

from clavichord.client.errors import ConfigurationError
from clavichord.spec.types import FilterRule

Scalar: TypeAlias = str | bool | int | float | Decimal | datetime | date


@dataclass(frozen=True, slots=True)
class Condition:
    """One `operator(field,value)`. `value` is None for an operator without one."""

    operator: str
    field: str
    value: Scalar | tuple[Scalar, ...] | None = None

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.operator}({self.field})"
        if isinstance(self.value, tuple):
            return f"{self.operator}({self.field},[{','.join(_literal(v) for v in self.value)}])"
        return f"{self.operator}({self.field},{_literal(self.value)})"


class Filter:
    """Conditions that must all hold. Join with `&`."""

    __slots__ = ("conditions",)

    def __init__(self, conditions: Sequence[Condition]) -> None:
        self.conditions = tuple(conditions)

    def __and__(self, other: Filter) -> Filter:
        return Filter(self.conditions + other.conditions)

    def __or__(self, other: object) -> NoReturn:
        raise ConfigurationError("Klaviyo's filters have no OR: use .any([...]) on one field, or two calls")

    def __invert__(self) -> NoReturn:
        raise ConfigurationError("Klaviyo's filters have no NOT: filter on the opposite, or in your own code")

    def __bool__(self) -> NoReturn:
        raise ConfigurationError(
            "a filter has no truth value: join conditions with & and brackets, (F.a > x) & (F.b == y); "
            "`and`, `x < F.a < y` and `if` do not work on it"
        )

    def __str__(self) -> str:
        return ",".join(str(condition) for condition in self.conditions)

    def __repr__(self) -> str:
        return f"Filter({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Filter) and self.conditions == other.conditions

    def __hash__(self) -> int:
        return hash(self.conditions)

    def checked(self, operation: str, rules: Iterable[FilterRule]) -> Filter:
        """This filter with its values in the form the operation takes. ConfigurationError says what it cannot do."""
        allowed = {rule.field: rule for rule in rules}
        return Filter([_checked(operation, condition, allowed) for condition in self.conditions])


class Field:
    """A field of a filter; attributes are its parts (`F.messages.channel`), `F["…"]` is any name."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, part: str) -> Field:
        if part.startswith("_"):
            raise AttributeError(part)
        return Field(f"{self._name}.{part}")

    def __getitem__(self, part: str) -> Field:
        return Field(f"{self._name}.{part}")

    def __eq__(self, value: Scalar | Sequence[Scalar]) -> Filter:  # type: ignore[override]  # builds, does not compare
        return self._condition("equals", value)

    def __ne__(self, value: object) -> NoReturn:
        raise ConfigurationError(f"Klaviyo's filters have no 'not equal' ({self._name}): filter in your own code")

    __hash__ = None  # type: ignore[assignment]  # not a value

    def __gt__(self, value: Scalar) -> Filter:
        return self._condition("greater-than", value)

    def __ge__(self, value: Scalar) -> Filter:
        return self._condition("greater-or-equal", value)

    def __lt__(self, value: Scalar) -> Filter:
        return self._condition("less-than", value)

    def __le__(self, value: Scalar) -> Filter:
        return self._condition("less-or-equal", value)

    def any(self, values: Iterable[Scalar]) -> Filter:
        """The field is one of `values`."""
        return self._condition("any", tuple(values))

    def contains(self, value: Scalar) -> Filter:
        return self._condition("contains", value)

    def contains_any(self, values: Iterable[Scalar]) -> Filter:
        return self._condition("contains-any", tuple(values))

    def contains_all(self, values: Iterable[Scalar]) -> Filter:
        return self._condition("contains-all", tuple(values))

    def starts_with(self, value: Scalar) -> Filter:
        return self._condition("starts-with", value)

    def ends_with(self, value: Scalar) -> Filter:
        return self._condition("ends-with", value)

    def _condition(self, operator: str, value: Scalar | Iterable[Scalar]) -> Filter:
        if isinstance(value, (list, tuple, set, frozenset)):
            items: tuple[Scalar, ...] = tuple(value)
            if not items:
                raise ConfigurationError(f"{operator}({self._name}, …) needs at least one value")
            for item in items:
                _literal(item, self._name)
            return Filter([Condition(operator, self._name, items)])
        _literal(value, self._name)
        return Filter([Condition(operator, self._name, value)])  # type: ignore[arg-type]  # _literal refuses other types

    def __repr__(self) -> str:
        return f"F.{self._name}"


class _Fields:
    """`F.email`, `F["properties.x"]`."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Field:
        if name.startswith("__"):
            raise AttributeError(name)
        return Field(name)

    def __getitem__(self, name: str) -> Field:
        return Field(name)


F = _Fields()


def has(field: Field) -> Filter:
    """The field has a value: `has(F.metric)`."""
    return Filter([Condition("has", field._name)])


def _literal(value: object, field: str = "") -> str:
    """A value as filter text. ConfigurationError for what has no unambiguous one."""
    where = f" for {field}" if field else ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ConfigurationError(
                f"the datetime{where} has no time zone ({value.isoformat()}): "
                "give it one, e.g. .replace(tzinfo=datetime.UTC) or .astimezone()"
            )
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (int, Decimal)) or (isinstance(value, float) and math.isfinite(value)):
        return f"{value:f}" if isinstance(value, Decimal) else repr(value)
    raise ConfigurationError(
        f"a filter cannot compare{where} with {value!r}: use text, a number, True or False, a date or an aware datetime"
    )


def _checked(operation: str, condition: Condition, allowed: dict[str, FilterRule]) -> Condition:
    rule = allowed.get(condition.field)
    if rule is None:
        fields = ", ".join(sorted(allowed)) or "none: it takes no filter"
        raise ConfigurationError(f"{operation} cannot filter on {condition.field!r}; fields: {fields}")
    value = condition.value
    takes = rule.none if value is None else rule.list if isinstance(value, tuple) else rule.single
    if condition.operator not in takes:
        ways = (
            [f"{o}(value)" for o in rule.single] + [f"{o}([values])" for o in rule.list] + [f"{o}()" for o in rule.none]
        )
        form = "" if value is None else " with a list" if isinstance(value, tuple) else " with one value"
        raise ConfigurationError(
            f"{operation} does not take {condition.operator}{form} on {condition.field}; it takes {', '.join(ways)}"
        )
    if value is None:
        return condition
    if isinstance(value, tuple):
        return Condition(condition.operator, rule.field, tuple(_fitting(operation, rule, v) for v in value))
    return Condition(condition.operator, rule.field, _fitting(operation, rule, value))


def _fitting(operation: str, rule: FilterRule, value: Scalar) -> Scalar:
    """The value as the rule's type; ConfigurationError if it is another kind of thing."""
    wanted = rule.type
    if wanted == "date-time":
        if isinstance(value, str):  # ISO text is taken, and sent as the moment it is
            try:
                value = datetime.fromisoformat(value)
            except ValueError:
                value = False
        if isinstance(value, date):
            _literal(value, rule.field)
            return value
    elif wanted == "boolean":
        if isinstance(value, bool):
            return value
    elif wanted in ("number", "integer"):
        if isinstance(value, datetime):  # a moment as Unix seconds: events' timestamp (FACTS §4.1)
            _literal(value, rule.field)
            return int(value.timestamp())
        if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
            return value
        if isinstance(value, str) and value.isdigit():  # ids of images are bare integers (LIVE 23)
            return int(value)
    elif isinstance(value, str):
        return value
    else:
        raise ConfigurationError(f'{operation}: {rule.field} is text: write {rule.field} as "{value}", in quotes')
    kind = {"date-time": "a date or an aware datetime", "boolean": "True or False"}.get(wanted, "a number")
    raise ConfigurationError(f"{operation}: {rule.field} is compared with {kind}, not {value!r}")
