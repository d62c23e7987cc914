"""Expressions of a sync file: read by DuckDB's own parser, so that what is checked is what will run.

An expression is SQL over one source row. `email(x)` and `phone(number, country)` are ours: SQL computes their
arguments, Python normalises the result, for changed rows only; therefore they stand outermost.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import duckdb
import msgspec

from clavichord.sync.mistakes import nearest

NORMALISERS = {"email": (1, 1), "phone": (1, 2)}
"""name → least and most arguments"""
MAX_LENGTH = 20_000
_PREFIX = "select ("
_LINE = re.compile(r"\nLINE \d+:.*", re.DOTALL)


class BadExpression(Exception):
    """`what`, `fix`, and `offset`: characters into the expression."""

    def __init__(self, what: str, fix: str = "", offset: int = 0) -> None:
        super().__init__(what)
        self.what = what
        self.fix = fix
        self.offset = offset


class Parsed(NamedTuple):
    """An expression taken apart."""

    sql: str
    normaliser: str
    """`email`, `phone` or "" """
    arguments: tuple[str, ...]
    """SQL of the normaliser's arguments; the expression itself if there is none"""
    columns: tuple[str, ...]
    safe: bool
    """evaluating it cannot fail on a row"""


def quoted(name: str) -> str:
    """`name` as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """`text` as an SQL string."""
    return "'" + text.replace("'", "''") + "'"


def _nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "class" in node:
            yield node
        for child in node.values():
            yield from _nodes(child)
    elif isinstance(node, list):
        for child in node:
            yield from _nodes(child)


def parse(con: duckdb.DuckDBPyConnection, sql: str, columns: list[str] | None = None) -> Parsed:
    """Takes `sql` apart; with `columns`, unknown ones are refused. Raises BadExpression."""
    if len(sql) > MAX_LENGTH:
        raise BadExpression(f"the expression is longer than {MAX_LENGTH:,} characters")
    if "\x00" in sql:
        raise BadExpression("the expression holds a NUL character")
    # A column's name and nothing else needs no quotes, though it be a word of SQL (`at`) or two words (`Order Id`).
    name = next((c for c in columns or () if c.casefold() == sql.strip().casefold()), None)
    if name is not None:
        sql = quoted(name)
    # The closing parenthesis stands on a line of its own: a `--` comment must not swallow it.
    row = con.execute("select json_serialize_sql(?::varchar)", [f"{_PREFIX}{sql}\n) from source"]).fetchone()
    assert row is not None
    tree: dict[str, Any] = msgspec.json.decode(row[0])
    if tree["error"]:
        offset = _offset(sql, int(tree.get("position") or 0))
        message = str(tree.get("error_message", "not an SQL expression")).partition("\n")[0]
        if offset >= len(sql.rstrip()):
            message = "the expression ends too early"
        raise BadExpression(
            message, "SQL over one row: a column, 'text', a || b, coalesce(a, b), case when … end", offset
        )
    statements = tree["statements"]
    select = statements[0]["node"] if len(statements) == 1 else {}
    if (
        select.get("type") != "SELECT_NODE"
        or len(select["select_list"]) != 1
        or select["from_table"].get("table_name") != "source"
    ):
        raise BadExpression(
            "one expression is needed here", "write a single SQL expression, without `select` and without commas"
        )
    root = select["select_list"][0]
    _refuse(con, root, sql)
    references = [n for n in _nodes(root) if n["class"] == "COLUMN_REF"]
    lambdas = {
        name
        for n in _nodes(root)
        if n["class"] == "LAMBDA"
        for r in _nodes(n["lhs"])
        for name in r.get("column_names", ())
    }
    if columns is not None:
        folded = {c.casefold() for c in columns} | {name.casefold() for name in lambdas}
        for reference in references:
            names = reference["column_names"]
            name = names[1] if len(names) > 1 and names[0].casefold() == "source" else names[0]
            if name.casefold() not in folded:
                raise BadExpression(
                    f'the source has no column "{name}"',
                    nearest(name, columns),
                    _offset(sql, reference["query_location"]),
                )
    used = tuple(dict.fromkeys(r["column_names"][-1] for r in references))
    if root["class"] == "FUNCTION" and root["function_name"].casefold() in NORMALISERS:
        return _normaliser(con, tree, sql, used)
    return Parsed(sql, "", (sql,), used, _is_safe(root))


def _offset(sql: str, location: int) -> int:
    """DuckDB counts bytes of the statement; an editor counts characters of the expression."""
    return min(len(sql), len(sql.encode()[: max(0, location - len(_PREFIX))].decode(errors="ignore")))


def _refuse(con: duckdb.DuckDBPyConnection, root: dict[str, Any], sql: str) -> None:
    if root["class"] == "FUNCTION" and root["function_name"] == "row":
        raise BadExpression(
            "one expression is needed here", "write a single SQL expression, without commas: a || ', ' || b"
        )
    for node in _nodes(root):
        offset = _offset(sql, node.get("query_location", 0))
        match node["class"]:
            case "FUNCTION" if _is_aggregate(con, node["function_name"]):
                raise BadExpression(
                    f"{node['function_name']}() adds up many rows",
                    "put it into a sql model: from: {sql: models/….sql}",
                    offset,
                )
            case "SUBQUERY":
                raise BadExpression(
                    "a query inside an expression is not allowed",
                    "put it into a sql model: from: {sql: models/….sql}",
                    offset,
                )
            case "WINDOW":
                raise BadExpression(
                    "a window function sees more than one row",
                    "put it into a sql model: from: {sql: models/….sql}",
                    offset,
                )
            case "STAR":
                raise BadExpression("* is not one value", "name the column", offset)
            case "PARAMETER":
                raise BadExpression("there are no parameters here", "", offset)
            case "FUNCTION" if node is not root and node["function_name"].casefold() in NORMALISERS:
                raise BadExpression(
                    f"{node['function_name']}(…) must be the whole expression",
                    "email(coalesce(a, b)) instead of coalesce(email(a), email(b))",
                    offset,
                )


def _normaliser(con: duckdb.DuckDBPyConnection, tree: dict[str, Any], sql: str, used: tuple[str, ...]) -> Parsed:
    select = tree["statements"][0]["node"]
    root = select["select_list"][0]
    name = root["function_name"].casefold()
    arguments = _arguments(root)
    least, most = NORMALISERS[name]
    if not least <= len(arguments) <= most:
        usage = {"email": "email(address)", "phone": "phone(number, country): phone(tel, 'FR')"}[name]
        raise BadExpression(f"{name}() was given {len(arguments)} arguments", usage)
    parts = []
    for argument in arguments:
        select["select_list"] = [argument]
        row = con.execute("select json_deserialize_sql(?::json)", [msgspec.json.encode(tree).decode()]).fetchone()
        assert row is not None
        parts.append(str(row[0])[len("SELECT ") : str(row[0]).rindex(" FROM ")])
    return Parsed(sql, name, tuple(parts), used, all(_is_safe(a) for a in arguments))


def _arguments(function: dict[str, Any]) -> list[dict[str, Any]]:
    if "arguments" in function:
        return [argument["expression"] for argument in function["arguments"]]
    return list(function["children"])  # duckdb 1.5


def _is_aggregate(con: duckdb.DuckDBPyConnection, name: str) -> bool:
    kinds = con.execute(
        "select distinct function_type from duckdb_functions() where function_name = ?", [name]
    ).fetchall()
    return kinds == [("aggregate",)]


def _is_safe(node: dict[str, Any]) -> bool:
    """True for what cannot raise on a row: columns, constants, coalesce and concatenation of those."""
    match node["class"]:
        case "COLUMN_REF" | "CONSTANT":
            return True
        case "OPERATOR" if node["type"] in ("OPERATOR_COALESCE", "OPERATOR_IS_NULL", "OPERATOR_IS_NOT_NULL"):
            return all(_is_safe(child) for child in node["children"])
        case "FUNCTION" if node["function_name"] in ("lower", "upper", "trim", "||", "concat"):
            return all(_is_safe(a) for a in _arguments(node))
    return False


def bind(con: duckdb.DuckDBPyConnection, parsed: Parsed, relation: str) -> tuple[str, ...]:
    """SQL types of the arguments over `relation`. Raises BadExpression: unknown function, types that do not fit."""
    types = []
    for sql in parsed.arguments:
        try:
            described = con.execute(f"describe select (\n{sql}\n) as value from {relation} as source").fetchall()
        except duckdb.Error as error:
            raise BadExpression(first_line(error)) from None
        types.append(str(described[0][1]))
        if not parsed.safe:
            try:
                con.execute(f"describe select try({{'v': (\n{sql}\n)}}) from {relation} as source")
            except duckdb.Error as error:
                if "volatile" not in str(error):
                    raise BadExpression(first_line(error)) from None
                raise BadExpression(
                    "the expression gives another value every time",
                    "every run would send every row: leave random() and uuid() out",
                ) from None
    return tuple(types)


def first_line(error: duckdb.Error) -> str:
    """DuckDB's message without its echo of the statement."""
    text = _LINE.sub("", str(error)).strip()
    head, _, rest = text.partition(": ")
    return (rest if head.endswith("Error") else text).partition("\n")[0]
