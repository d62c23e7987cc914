"""Tokens, expressions and the parser."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from clavichord.sandbox import inferred
from clavichord.sandbox.rendering.filters import FILTERS, Filter
from clavichord.sandbox.rendering.scope import Safe, Scope, TemplateError
from clavichord.sandbox.rendering.values import MISSING, resolve, written

_CLOSING = {"{%": "%}", "{{": "}}", "{#": "#}"}
_WORD = re.compile(r"""((?:[^\s'"]*(?:(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')[^\s'"]*)+)|\S+)""")
_LITERAL = r"""(?:"[^"\\]*(?:\\.[^"\\]*)*"|'[^'\\]*(?:\\.[^'\\]*)*')"""
_NUMBER = r"[-+.]?\d[\d.e]*"
_OPERAND = re.compile(rf"(?P<literal>{_LITERAL})|(?P<name>[\w.]+|{_NUMBER})")
_FILTER = re.compile(rf"\s*\|\s*(?P<name>\w+)(?::(?:(?P<literal>{_LITERAL})|(?P<argument>[\w.]+|{_NUMBER})))?")
_ESCAPE = re.compile(r"\\(.)")

Node = Callable[[Scope], str]
"""A piece of a parsed template."""

Value = Callable[[Scope], Any]
"""An expression; MISSING for a variable that nobody gave, before filters."""


class Token(NamedTuple):
    kind: str
    """text, variable or tag"""
    text: str
    line: int

    def words(self) -> list[str]:
        return _WORD.findall(self.text)


Tag = Callable[["Parser", Token], Node]


def _tokens(source: str) -> list[Token]:
    """Marks do not span lines. Every closing mark is looked for once: a hostile text costs no more than its length."""
    found: list[Token] = []
    closing = dict.fromkeys(_CLOSING.values(), -1)
    start = at = 0
    line, verbatim = 1, ""
    line_end = -1
    while (at := source.find("{", at)) >= 0:
        opening = source[at : at + 2]
        close = _CLOSING.get(opening)
        if close is None:
            at += 1
            continue
        if closing[close] < at + 2:
            closing[close] = _found(source, close, at + 2)
        if line_end < at:
            line_end = _found(source, "\n", at)
        end = closing[close]
        inner = source[at + 2 : end].strip() if end < line_end else ""
        if end > line_end or end == len(source) or (verbatim and (opening != "{%" or inner != verbatim)):
            at += 2 if verbatim and end < line_end else 1
            continue
        if at > start:
            found.append(Token("text", source[start:at], line))
            line += source.count("\n", start, at)
        if opening == "{%":
            verbatim = f"end{inner}" if not verbatim and inner.split(" ")[0] == "verbatim" else ""
        if opening != "{#":
            found.append(Token("tag" if opening == "{%" else "variable", inner, line))
        start = at = end + 2
    if start < len(source):
        found.append(Token("text", source[start:], line))
    return found


def _found(source: str, mark: str, start: int) -> int:
    at = source.find(mark, start)
    return len(source) if at < 0 else at


def _operand(literal: str | None, name: str | None) -> Value:
    if literal is not None:
        constant = Safe(_ESCAPE.sub(r"\1", literal[1:-1]))
        return lambda scope: constant
    assert name is not None
    try:
        value = float(name) if "." in name or "e" in name.lower() else int(name)
        if not name.endswith(".") and name not in ("nan", "inf") and "_" not in name:
            return lambda scope: value
    except ValueError:
        pass
    path = name.split(".")
    if name[0] == "_" or "._" in name:
        raise TemplateError(f"Variables and attributes may not begin with underscores: '{name}'")
    if path == ["True"] or path == ["False"] or path == ["None"]:
        constant_value = {"True": True, "False": False, "None": None}[name]
        return lambda scope: constant_value
    return lambda scope: resolve(scope, path)


def _filtered(value: Value, name: str, entry: Filter, argument: Value | None) -> Value:
    given = 0 if argument is None else 1
    if given not in entry.arguments:
        needs = 2 if 1 in entry.arguments else 1
        raise TemplateError(f"{name} requires {needs} arguments, {given + 1} provided")

    def apply(scope: Scope) -> Any:
        subject = value(scope)
        if subject is MISSING:
            subject = ""
        arguments = []
        if argument is not None:
            given = argument(scope)
            if given is MISSING:
                raise TemplateError(f"The argument of the filter '{name}' does not exist.")
            arguments.append(given)
        result = entry.call(scope, subject, *arguments)
        if isinstance(result, str | list):
            scope.spend(len(result) // 64)
        if entry.keeps_safe and isinstance(subject, Safe) and type(result) is str:
            return Safe(result)
        return result

    return apply


@lru_cache(maxsize=4096)
def expression(source: str) -> Value:
    """A variable or literal with its filters. TemplateError."""
    start = _OPERAND.match(source)
    if start is None:
        raise _remainder(source, source)
    value = _operand(start["literal"], start["name"])
    at = start.end()
    while at < len(source):
        found = _FILTER.match(source, at)
        if found is None:
            raise _remainder(source[at:], source)
        entry = FILTERS.get(found["name"])
        if entry is None:
            raise TemplateError(f"Invalid filter: '{found['name']}'")
        argument = None
        if found["literal"] is not None or found["argument"] is not None:
            argument = _operand(found["literal"], found["argument"])
        value = _filtered(value, found["name"], entry, argument)
        at = found.end()
    return value


def _remainder(rest: str, whole: str) -> TemplateError:
    return TemplateError(f"Could not parse the remainder: '{rest[:100]}' from '{whole[:100]}'")


def operand(source: str) -> Value:
    """For `{% if %}`, `{% for %}` and the like: what is missing is None."""
    value = expression(source)

    def found(scope: Scope) -> Any:
        result = value(scope)
        return None if result is MISSING else result

    return found


def joined(nodes: list[Node]) -> Node:
    def write(scope: Scope) -> str:
        scope.spend(len(nodes))
        return "".join([node(scope) for node in nodes])

    return write


class Parser:
    """Turns tokens into nodes; tags take what they enclose with `until`."""

    def __init__(self, source: str, tags: Mapping[str, Tag]) -> None:
        self._tokens = _tokens(source)
        self._at = 0
        self._tags = tags
        self._open: list[Token] = []

    def parse(self) -> Node:
        return self.until(())[0]

    def until(self, ends: Collection[str]) -> tuple[Node, Token]:
        """What stands before one of `ends`, and the token that ended it. TemplateError if none comes."""
        nodes: list[Node] = []
        if len(self._open) > inferred.TEMPLATE_DEPTH:
            raise TemplateError("Tags are nested too deeply.")
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            self._at += 1
            if token.kind == "tag":
                name = token.text.partition(" ")[0].split("\t")[0]
                if name in ends:
                    return joined(nodes), token
                nodes.append(self._tag(name, token, ends))
            elif token.kind == "variable":
                nodes.append(_variable(token))
            else:
                nodes.append(_text(token.text))
        if ends:
            opened = self._open[-1]
            looking = ", ".join(ends)
            name = opened.text.partition(" ")[0]
            raise TemplateError(f"Unclosed tag on line {opened.line}: '{name}'. Looking for one of: {looking}.")
        return joined(nodes), Token("text", "", 0)

    def raw_until(self, end: str, token: Token) -> str:
        """The text before `{% end %}` as it is written. TemplateError if it does not come."""
        parts: list[str] = []
        for index in range(self._at, len(self._tokens)):
            found = self._tokens[index]
            if found.kind == "tag" and found.text == end:
                self._at = index + 1
                return "".join(parts)
            parts.append(found.text)
        name = token.text.partition(" ")[0]
        raise TemplateError(f"Unclosed tag on line {token.line}: '{name}'. Looking for one of: {end}.")

    def _tag(self, name: str, token: Token, ends: Collection[str]) -> Node:
        if not name:
            raise TemplateError(f"Empty block tag on line {token.line}")
        tag = self._tags.get(name)
        if tag is None:
            hint = f", expected {_listed(ends)}" if ends else ""
            what = f"Invalid block tag on line {token.line}: '{name}'{hint}."
            raise TemplateError(f"{what} Did you forget to register or load this tag?")
        self._open.append(token)
        node = tag(self, token)
        self._open.pop()
        return node


def _listed(names: Collection[str]) -> str:
    quoted = [f"'{name}'" for name in names]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} or {quoted[-1]}"


def _text(text: str) -> Node:
    return lambda scope: text


def _variable(token: Token) -> Node:
    if not token.text:
        raise TemplateError(f"Empty variable tag on line {token.line}")
    value = expression(token.text)

    def write(scope: Scope) -> str:
        result = value(scope)
        return "" if result is MISSING else written(scope, result)

    return write
