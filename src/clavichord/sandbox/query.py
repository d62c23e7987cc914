"""The query of a request: filter, sort, include, fields, additional-fields, page; held to what the operation allows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode
from zlib import crc32

from clavichord.sandbox import cursors, filters, inferred
from clavichord.sandbox.errors import invalid
from clavichord.spec import Operation

_OF_TYPE = re.compile(r"(fields|additional-fields)\[([^\]]*)\]")

_MAX_PARAMETERS = 1000


@dataclass(slots=True)
class Query:
    """What a request asks for."""

    pairs: list[tuple[str, str]]
    """decoded, in the order they came: links repeat it"""
    conditions: list[filters.Condition] = field(default_factory=list)
    sort: str = ""
    """without the sign"""
    descending: bool = False
    include: list[str] = field(default_factory=list)
    fields: dict[str, list[str]] = field(default_factory=dict)
    additional: dict[str, list[str]] = field(default_factory=dict)
    included: bool = False
    """`include` was sent, so `included` is answered, empty or not"""
    size: int = 0
    cursor: cursors.Position | None = None
    subject: str = ""
    """the id that the path names"""

    def wants(self, type_name: str, attribute: str) -> bool:
        """An attribute that is only answered when it is asked for."""
        named = (*self.additional.get(type_name, ()), *self.fields.get(type_name, ()))
        return any(name == attribute or name.startswith(attribute + ".") for name in named)

    def mark(self, operation: Operation) -> int:
        """Tells cursors apart: by operation, what its path names, sort and filter (inferred); page sizes and fields may
        change on the way."""
        asked = (operation.id, self.subject, self.sort, self.descending, self.conditions)
        return crc32(repr(asked).encode("utf-8", "replace"))

    def encoded(self, cursor: str | None = None, parameter: str = "page[cursor]") -> str:
        """Percent-encoded as in recorded links, spaces as `+` (FACTS §3); with another cursor, or as it came."""
        pairs = self.pairs
        if cursor is not None:
            pairs = [pair for pair in pairs if pair[0] != parameter] + [(parameter, cursor)]
        return urlencode(pairs)


def read(raw: bytes, operation: Operation, page_size: int, subject: str = "") -> Query:
    """Reads a query string; `page_size` is for collections whose operation has no page[size]. Refusal (400)."""
    size = operation.page_size.default if operation.page_size else page_size
    if not raw and not operation.filter_required:
        return Query([], size=size, subject=subject)
    if raw.count(b"&") >= _MAX_PARAMETERS:
        raise invalid(f"At most {_MAX_PARAMETERS} query parameters are read.", parameter="")
    pairs = parse_qsl(raw.decode("latin-1"), keep_blank_values=True)
    query = Query(pairs, size=size, subject=subject)
    for name, value in pairs:
        _read_one(query, operation, name, value)
    if operation.filter_required and not query.conditions:
        raise invalid("'filter' is a required parameter.", parameter="filter")
    return query


def _read_one(query: Query, operation: Operation, name: str, value: str) -> None:
    if name == "filter":
        if not operation.filters:
            raise _unknown(operation, "filter")
        conditions = filters.read(value)
        filters.check(conditions, operation.filters)
        query.conditions += conditions
    elif name == "sort":
        if value not in operation.sorts:
            text = inferred.SORT.format(given=value, allowed=", ".join(operation.sorts))
            raise invalid(text, parameter="sort") if operation.sorts else _unknown(operation, "sort")
        query.sort, query.descending = value.lstrip("-"), value.startswith("-")
    elif name == "include":
        query.included = True
        for one in filter(None, value.split(",")):
            if one not in operation.includes:
                raise invalid(f"'{one}' is not an allowed include parameter for this resource.", parameter="include")
            query.include.append(one)
    elif name == "page[size]":
        query.size = _page_size(operation, value)
    elif name == operation.cursor_param:
        if not operation.paged:
            raise _unknown(operation, "page_cursor")
        query.cursor = cursors.decode(value, name)
    elif (of_type := _OF_TYPE.fullmatch(name)) is not None:
        _read_fields(query, operation, name, of_type, value)
    elif name.startswith(("page[", "fields", "additional-fields")):
        raise _unknown(operation, name)


def _read_fields(query: Query, operation: Operation, parameter: str, found: re.Match[str], value: str) -> None:
    kind, type_name = found.groups()
    allowed = (operation.fields if kind == "fields" else operation.additional_fields).get(type_name)
    if allowed is None:
        raise _unknown(operation, parameter)
    names = [name for name in value.split(",") if name]
    for name in names:
        if name not in allowed:
            raise invalid(inferred.FIELD.format(given=name, type=type_name), parameter=parameter)
    (query.fields if kind == "fields" else query.additional)[type_name] = list(dict.fromkeys(names))


def _page_size(operation: Operation, value: str) -> int:
    bounds = operation.page_size
    if bounds is None:
        raise _unknown(operation, "page_size")
    if not (value.isascii() and value.isdigit() and len(value) < 10 and bounds.min <= int(value) <= bounds.max):
        raise invalid(inferred.PAGE_SIZE.format(min=bounds.min, max=bounds.max), parameter="page_size")
    return int(value)


def _unknown(operation: Operation, parameter: str) -> Exception:
    """A parameter of JSON:API that this operation does not take; recorded for page[size] of metrics (FACTS §1.5)."""
    resource = operation.resource or operation.base or operation.id
    return invalid(f"'{parameter}' is not a valid field for the resource '{resource}'.", parameter=parameter)


def ignored(query: Query, operation: Operation) -> list[str]:
    """The parameters that were sent and have no meaning for the operation."""
    known = {"filter", "sort", "include", "page[size]", "company_id", operation.cursor_param, *operation.query}
    return [f"?{name}" for name, _ in query.pairs if name not in known and _OF_TYPE.fullmatch(name) is None]
