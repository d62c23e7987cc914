"""The expression of `{% if %}`: operators by precedence, comparisons that never fail."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from clavichord.sandbox.rendering.scope import Scope, TemplateError

Test = Callable[[Scope], Any]
_MAX_TERMS = 200

_PRECEDENCE = {"or": 6, "and": 7, "not": 8, "in": 9, "not in": 9, "is": 10, "is not": 10}
_PRECEDENCE |= dict.fromkeys(("==", "!=", ">", ">=", "<", "<="), 10)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """None is less than any number (FACTS §12.1); text and numbers have no order."""

    def test(left: Any, right: Any) -> bool:
        if left is None or right is None:
            return compare(left is not None, right is not None)
        return bool(compare(left, right))

    return test


_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "in": lambda left, right: left in right,
    "not in": lambda left, right: left not in right,
    "is": operator.is_,
    "is not": operator.is_not,
    "==": operator.eq,
    "!=": operator.ne,
    ">": _ordered(operator.gt),
    ">=": _ordered(operator.ge),
    "<": _ordered(operator.lt),
    "<=": _ordered(operator.le),
}


class Conditions:
    """Parses the words of one tag; `operand` compiles a variable with its filters. TemplateError."""

    def __init__(self, words: list[str], operand: Callable[[str], Test]) -> None:
        self._operand = operand
        self._words: list[str] = []
        for word in words:
            if self._words and (self._words[-1], word) in (("not", "in"), ("is", "not")):
                self._words[-1] += " " + word
            else:
                self._words.append(word)
        if len(self._words) > _MAX_TERMS:
            raise TemplateError("The expression in if tag is too long.")
        self._at = 0

    def parse(self) -> Test:
        test = self._expression(0)
        if self._at < len(self._words):
            raise TemplateError(f"Unused '{self._words[self._at]}' at end of if expression.")
        return test

    def _take(self) -> str:
        if self._at >= len(self._words):
            raise TemplateError("Unexpected end of expression in if tag.")
        self._at += 1
        return self._words[self._at - 1]

    def _expression(self, binding: int) -> Test:
        word = self._take()
        if word == "not":
            inner = self._expression(_PRECEDENCE["not"])
            left: Test = lambda scope: not inner(scope)  # noqa: E731
        elif word in _PRECEDENCE:
            raise TemplateError(f"Not expecting '{word}' in this position in if tag.")
        else:
            left = self._operand(word)
        while self._at < len(self._words):
            sign = self._words[self._at]
            if sign == "not" or sign not in _PRECEDENCE or binding >= _PRECEDENCE[sign]:
                break
            self._at += 1
            left = _binary(sign, left, self._expression(_PRECEDENCE[sign]))
        return left


def _binary(sign: str, left: Test, right: Test) -> Test:
    if sign == "or":
        return lambda scope: left(scope) or right(scope)
    if sign == "and":
        return lambda scope: left(scope) and right(scope)
    compare = _COMPARISONS[sign]

    def test(scope: Scope) -> bool:
        try:
            return compare(left(scope), right(scope))
        except TypeError:  # things that cannot be compared are not
            return False

    return test
