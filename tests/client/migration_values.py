"""What a piece of code gives, told without ids, so that two SDKs can be compared. Also runs where only the other is."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

NAMES = ("email", "name", "external_id", "title", "unique_code")


def evaluate(code: str, namespace: dict[str, Any], attributes: Callable[[Any], Mapping[str, Any]]) -> Any:
    """Runs the code; the value of its last line if that is an expression, else None."""
    tree = ast.parse(code)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "docs/migration.md", "exec"), namespace)
    if not isinstance(last, ast.Expr):
        return None
    return plain(eval(compile(ast.Expression(last.value), "docs/migration.md", "eval"), namespace), attributes)


def plain(value: Any, attributes: Callable[[Any], Mapping[str, Any]]) -> Any:
    """Numbers and text as they are, resources by their names, everything else is nothing."""
    if isinstance(value, (str, int, float)):
        return value
    if isinstance(value, list):
        return sorted(str(plain(entry, attributes)) for entry in value)
    value = getattr(value, "data", value)
    try:
        known = attributes(value)
    except (AttributeError, TypeError):
        return None
    return next((known[name] for name in NAMES if known.get(name)), None)
