"""Template tags: Django's control structures and Klaviyo's own (FACTS §12.1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from clavichord.sandbox.rendering import dates
from clavichord.sandbox.rendering.conditions import Conditions
from clavichord.sandbox.rendering.filters import sequence
from clavichord.sandbox.rendering.klaviyo import KLAVIYO_TAGS
from clavichord.sandbox.rendering.scope import Safe, Scope, TemplateError
from clavichord.sandbox.rendering.syntax import Node, Parser, Tag, Token, Value, expression, operand
from clavichord.sandbox.rendering.values import MISSING, lookup, number, written

_BRACES = {
    "openblock": "{%",
    "closeblock": "%}",
    "openvariable": "{{",
    "closevariable": "}}",
    "openbrace": "{",
    "closebrace": "}",
    "opencomment": "{#",
    "closecomment": "#}",
}


def _if(parser: Parser, token: Token) -> Node:
    branches: list[tuple[Any, Node]] = []
    while True:
        words = token.words()
        test = (lambda scope: True) if words[0] == "else" else Conditions(words[1:], operand).parse()
        ends = ("endif",) if words[0] == "else" else ("elif", "else", "endif")
        body, token = parser.until(ends)
        branches.append((test, body))
        if token.words()[0] == "endif":
            break

    def write(scope: Scope) -> str:
        for test, body in branches:
            if test(scope):
                return body(scope)
        return ""

    return write


def _ifequal(parser: Parser, token: Token) -> Node:
    """Also `ifnotequal`: Django had them until version 4."""
    words = token.words()
    if len(words) != 3:
        raise TemplateError(f"'{words[0]}' takes two arguments")
    left, right, end = operand(words[1]), operand(words[2]), f"end{words[0]}"
    body, ended = parser.until(("else", end))
    other = parser.until((end,))[0] if ended.text == "else" else None
    wanted = words[0] == "ifequal"

    def write(scope: Scope) -> str:
        if (left(scope) == right(scope)) is wanted:
            return body(scope)
        return other(scope) if other else ""

    return write


def _for(parser: Parser, token: Token) -> Node:
    words = token.words()
    reverse = words[-1] == "reversed"
    if reverse:
        words.pop()
    if len(words) < 4 or words[-2] != "in":
        raise TemplateError(f"'for' statements should use the format 'for x in y': {token.text}")
    names = [name.strip() for name in " ".join(words[1:-2]).split(",")]
    if any(re.fullmatch(r"[^\s\"'|]+", name) is None for name in names):
        raise TemplateError(f"'for' tag received an invalid argument: {token.text}")
    source = operand(words[-1])
    body, end = parser.until(("empty", "endfor"))
    empty = parser.until(("endfor",))[0] if end.text == "empty" else None

    def write(scope: Scope) -> str:
        values = list(sequence(source(scope)))
        if not values:
            return empty(scope) if empty else ""
        if reverse:
            values.reverse()
        parts: list[str] = []
        try:
            outer = scope.find("forloop")
        except KeyError:
            outer = {}
        for index, value in enumerate(values):
            scope.spend(1)
            loop = {
                "counter": index + 1,
                "counter0": index,
                "revcounter": len(values) - index,
                "revcounter0": len(values) - index - 1,
                "first": index == 0,
                "last": index == len(values) - 1,
                "parentloop": outer,
            }
            with scope.layer(forloop=loop) as layer:
                layer.update(_unpacked(names, value))
                parts.append(body(scope))
        return "".join(parts)

    return write


def _unpacked(names: list[str], value: Any) -> Mapping[str, Any]:
    if len(names) == 1:
        return {names[0]: value}
    items = list(value) if isinstance(value, list | tuple | str | dict) else [value]
    if len(items) != len(names):
        raise TemplateError(f"Need {len(names)} values to unpack in for loop; got {len(items)}.")
    return dict(zip(names, items, strict=True))


def _assigned(words: list[str], token: Token) -> dict[str, Value]:
    """`a=x b=y` or `x as a`."""
    if len(words) == 3 and words[1] == "as":
        return {words[2]: operand(words[0])}
    found: dict[str, Value] = {}
    for word in words:
        name, sign, value = word.partition("=")
        if not sign or not value or re.fullmatch(r"\w+", name) is None:
            raise TemplateError(f"'{token.words()[0]}' received an invalid token: '{word}'")
        found[name] = operand(value)
    return found


def _with(parser: Parser, token: Token) -> Node:
    assigned = _assigned(token.words()[1:], token)
    if not assigned:
        raise TemplateError("'with' expected at least one variable assignment")
    body, _ = parser.until(("endwith",))

    def write(scope: Scope) -> str:
        with scope.layer(**{name: value(scope) for name, value in assigned.items()}):
            return body(scope)

    return write


def _cycle(parser: Parser, token: Token) -> Node:
    words = token.words()[1:]
    silent = words[-1:] == ["silent"]
    if silent:
        words.pop()
    name = words[-1] if len(words) > 2 and words[-2] == "as" else ""
    values = [expression(word) for word in (words[:-2] if name else words)]
    if not values:
        raise TemplateError("'cycle' tag requires at least two arguments")

    def write(scope: Scope) -> str:
        turn = scope.state.get(write, 0)
        scope.state[write] = turn + 1
        value = values[turn % len(values)](scope)
        if name:
            scope.layers[0][name] = value
        return "" if silent or value is MISSING else written(scope, value)

    return write


def _firstof(parser: Parser, token: Token) -> Node:
    values = [operand(word) for word in token.words()[1:]]
    if not values:
        raise TemplateError("'firstof' statement requires at least one argument")

    def write(scope: Scope) -> str:
        return next((written(scope, found) for value in values if (found := value(scope))), "")

    return write


def _now(parser: Parser, token: Token) -> Node:
    words = token.words()
    if len(words) not in (2, 4):
        raise TemplateError("'now' statement takes one argument")
    letters = words[1].strip("\"'")

    def write(scope: Scope) -> str:
        result = dates.written(dates.instant(scope.around.now, scope.around.zone), letters)
        if len(words) == 4:
            scope.layers[-1][words[3]] = result
            return ""
        return result

    return write


def _comment(parser: Parser, token: Token) -> Node:
    parser.raw_until("endcomment", token)
    return lambda scope: ""


def _verbatim(parser: Parser, token: Token) -> Node:
    raw = parser.raw_until(f"end{token.text}", token)
    return lambda scope: raw


def _spaceless(parser: Parser, token: Token) -> Node:
    body, _ = parser.until(("endspaceless",))
    return lambda scope: re.sub(r">\s+<", "><", body(scope).strip())


def _autoescape(parser: Parser, token: Token) -> Node:
    words = token.words()
    if len(words) != 2 or words[1] not in ("on", "off"):
        raise TemplateError("'autoescape' argument should be 'on' or 'off'")
    body, _ = parser.until(("endautoescape",))

    def write(scope: Scope) -> str:
        before, scope.escape = scope.escape, words[1] == "on"
        try:
            return body(scope)
        finally:
            scope.escape = before

    return write


def _filter(parser: Parser, token: Token) -> Node:
    apply = expression(f"filtered|{token.text.partition(' ')[2].strip()}")
    body, _ = parser.until(("endfilter",))

    def write(scope: Scope) -> str:
        with scope.layer(filtered=Safe(body(scope))):
            return written(scope, apply(scope))

    return write


def _ifchanged(parser: Parser, token: Token) -> Node:
    watched = [operand(word) for word in token.words()[1:]]
    body, end = parser.until(("else", "endifchanged"))
    other = parser.until(("endifchanged",))[0] if end.text == "else" else None

    def write(scope: Scope) -> str:
        result = "" if watched else body(scope)
        state = [value(scope) for value in watched] if watched else result
        if scope.state.get(write, MISSING) != state:
            scope.state[write] = state
            return body(scope) if watched else result
        return other(scope) if other else ""

    return write


def _regroup(parser: Parser, token: Token) -> Node:
    words = token.words()
    if len(words) != 6 or words[2] != "by" or words[4] != "as":
        raise TemplateError("'regroup' tag takes five arguments: 'regroup list by attribute as name'")
    source, path = operand(words[1]), words[3].split(".")

    def write(scope: Scope) -> str:
        groups: list[dict[str, Any]] = []
        for item in sequence(source(scope)):
            key = item
            for name in path:
                key = lookup(key, name)
            key = None if key is MISSING else key
            if not groups or groups[-1]["grouper"] != key:
                groups.append({"grouper": key, "list": []})
            groups[-1]["list"].append(item)
        scope.layers[-1][words[5]] = groups
        return ""

    return write


def _templatetag(parser: Parser, token: Token) -> Node:
    words = token.words()
    if len(words) != 2 or words[1] not in _BRACES:
        raise TemplateError(f"Invalid templatetag argument: must be one of {', '.join(_BRACES)}")
    return lambda scope: _BRACES[words[1]]


def _widthratio(parser: Parser, token: Token) -> Node:
    words = token.words()
    if len(words) not in (4, 6) or (len(words) == 6 and words[4] != "as"):
        raise TemplateError("widthratio takes at least three arguments")
    value, top, width = (operand(word) for word in words[1:4])

    def write(scope: Scope) -> str:
        try:
            result = str(round(number(value(scope)) / number(top(scope)) * number(width(scope))))
        except ZeroDivisionError:
            result = "0"
        except (TypeError, ValueError, OverflowError):
            result = ""
        if len(words) == 6:
            scope.layers[-1][words[5]] = result
            return ""
        return result

    return write


TAGS: Mapping[str, Tag] = {
    "if": _if,
    "ifequal": _ifequal,
    "ifnotequal": _ifequal,
    "for": _for,
    "with": _with,
    "cycle": _cycle,
    "firstof": _firstof,
    "now": _now,
    "comment": _comment,
    "verbatim": _verbatim,
    "spaceless": _spaceless,
    "autoescape": _autoescape,
    "filter": _filter,
    "ifchanged": _ifchanged,
    "regroup": _regroup,
    "templatetag": _templatetag,
    "widthratio": _widthratio,
    **KLAVIYO_TAGS,
}
