"""From the arguments of a call to its path, query and document, for the revision that the client speaks."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote_plus

from msgspec import UNSET, Struct

from clavichord.client.body import Body, document, multipart
from clavichord.client.errors import ConfigurationError
from clavichord.client.filters import Filter
from clavichord.client.routes import absent, named
from clavichord.client.types import Query


class Only(Struct, frozen=True):
    """What an operation has in one revision that it does not have in every one."""

    arguments: tuple[str, ...] = ()
    body: Body | None = None
    """stands for the operation's own `body`"""
    needs: tuple[str, ...] = ()
    """keywords that this revision requires"""


class Arguments:
    """What a call was given, by place."""

    __slots__ = ("body", "content_type", "flat", "path", "query")

    def __init__(
        self, path: Mapping[str, str], query: Query, body: Any = None, content_type: str = "", flat: bool = True
    ) -> None:
        self.path, self.query, self.body, self.content_type = path, query, body, content_type
        self.flat = flat
        """the document was made of keywords"""


_NOTHING: Mapping[str, Any] = {}
_SPARSE = re.compile(r"(?:additional_)?fields_(?!$)")


def wire_name(name: str) -> str:
    """`page_size` → `page[size]`, `additional_fields_catalog_item` → `additional-fields[catalog-item]`."""
    if name in ("page_size", "page_cursor"):
        return f"page[{name[5:]}]"
    found = _SPARSE.match(name)
    if found is None:
        return name
    return f"{found.group()[:-1].replace('_', '-')}[{name[found.end() :].replace('_', '-')}]"


def _inside(parts: list[str]) -> str:
    """`data`, `3`, `attributes`, `email` → `[3].email`."""
    inner = [p for p in parts if p not in ("data", "attributes", "relationships")]
    return "".join(f"[{part}]" if part.isdecimal() else f".{part}" for part in inner)


class Plan:
    """Where each argument of an operation goes in one revision. Made once a revision, at the first call."""

    def __init__(
        self,
        operation: str,
        declaration: Callable[..., Any],
        path: str,
        body: Body | None,
        query: tuple[str, ...],
        multipart: bool,
        revision: str,
        revisions: Mapping[str, Only],
        refusal: str,
    ) -> None:
        code = declaration.__code__
        names = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
        only = revisions.get(revision, Only())
        self.operation = operation
        self.revision = revision
        self._declaration = declaration
        self._id = path[path.index("{") + 1 : path.index("}")] if "{" in path else ""
        self._shape = only.body or body
        self._multipart = multipart
        self._needs = only.needs
        self._names = frozenset(names)
        self._refusal = refusal
        self._elsewhere = {
            name: [r for r, other in revisions.items() if name in other.arguments]
            for name in names
            if name not in only.arguments and any(name in other.arguments for other in revisions.values())
        }
        if self._shape is None and not multipart:
            self._wire = {name: wire_name(name) for name in names if name != self._id}
        else:  # beside a body, a listed name is the wire's own (three reports spell page_cursor so)
            self._wire = {name: name for name in query} | {n: wire_name(n) for n in names if _SPARSE.match(n)}
        for name in self._elsewhere:
            self._wire.pop(name, None)

    def sort(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Arguments:
        """TypeError as of any function; ConfigurationError for what cannot be sent."""
        if self._refusal:
            raise ConfigurationError(self._refusal)
        self._declaration(None, *args, **kwargs)  # Python's own check of the signature; it does nothing else
        given: dict[str, Any] = {}
        query: dict[str, Any] = {}
        wires = self._wire
        for name, value in kwargs.items():
            if value is UNSET:
                continue
            wire = wires.get(name)
            if wire is None:
                given[name] = value
            elif name == "filter" or name == "page_cursor":
                query[wire] = self._parameter(name, value)
            else:
                query[wire] = value
        path = _NOTHING
        if self._id:
            path = {self._id: args[0] if args else given.pop(self._id)}
        if self._elsewhere:
            self._refuse_what_is_elsewhere(given)
        for name in self._needs:
            if name not in query:
                raise ConfigurationError(f"{self.operation}: needs {name}= in revision {self.revision}")
        if not given and self._shape is None and not self._multipart:
            return Arguments(path, query)
        if "body" in given:
            if len(given) > 1:
                others = ", ".join(n for n in given if n != "body")
                raise ConfigurationError(
                    f"{self.operation}: body= is the whole document, so {others} cannot be given with it"
                )
            return Arguments(path, query, given["body"], flat=False)
        if self._shape is None:
            return Arguments(path, query, *multipart(self.operation, given))
        return Arguments(path, query, document(self.operation, self._shape, path.get(self._id), given))

    def keyword(self, pointer: str) -> str:
        """The argument that a place in the document was made of: `/data/2/id` → `profiles[2]`, "" if unknown."""
        parts = pointer.strip("/").split("/")[1:]
        if self._shape is None or not parts or not parts[0]:
            return ""
        if self._shape.linkage:
            place = f"[{parts[0]}]" if parts[0].isdecimal() else ""
            return self._shape.linkage + place
        if parts[0] in ("attributes", "relationships", "meta") and len(parts) > 1:
            name = parts[1].replace("-", "_")
            known = name + "_" if name + "_" in self._names else name
            if known in self._names:
                return known + _inside(parts[2:])
        return ""

    def _refuse_what_is_elsewhere(self, given: Mapping[str, Any]) -> None:
        for name in given:
            if name in self._elsewhere:
                what = f"{name}= of {self.operation}"
                raise ConfigurationError(absent(what, self.revision, self._elsewhere[name]))

    def _parameter(self, name: str, value: Any) -> Any:
        if isinstance(value, Filter):
            return str(value.checked(self.operation, named(self.operation, self.revision).filters))
        if name == "page_cursor" and isinstance(value, str) and "page" in value:
            # a whole next link, or its query, is taken for the cursor in it
            found = re.search(r"page(?:\[|%5B)cursor(?:\]|%5D)=([^&]+)", value)
            if found is not None:
                return unquote_plus(found.group(1))
        return value
