"""Source mappings: which member of a data source's record becomes which property of an object (FACTS §9.13)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from clavichord.sandbox import crud, inferred
from clavichord.sandbox.call import Call
from clavichord.sandbox.errors import Refusal, problem

TYPE = "source-mapping"
_STEP = re.compile(r"""\.([A-Za-z_][\w-]*)|\['([^']*)'\]|\["([^"]*)"\]|\[(\d{1,9})\]""")

KIND = crud.declare(
    crud.Kind(
        type=TYPE,
        attributes={"property_mappings": [], "relationship_mappings": []},
        new_id=crud.ulid,
        created="",
        updated="",
    )
)


class Missing(Exception):
    """A path leads nowhere in a record."""


def select(path: str, record: Any) -> Any:
    """The value at a JSONPath of members and indices: `$['a'].b[0]`. Missing if there is none."""
    value = record
    for step in _STEP.finditer(path, 1):
        dotted, single, double, index = step.groups()
        try:
            value = value[int(index)] if index else value[next(n for n in (dotted, single, double) if n is not None)]
        except (KeyError, IndexError, TypeError):
            raise Missing(path) from None
    return value


def _readable(path: str) -> bool:
    """Filters, slices and wildcards of JSONPath are not read."""
    end = 1
    for step in _STEP.finditer(path, 1):
        if step.start() != end:
            return False
        end = step.end()
    return path.startswith("$") and end == len(path)


def check(given: Mapping[str, Any], at: str) -> None:
    """Refusal: 400 naming every path that cannot be read, every id that is no positive integer."""
    found = []
    for number, mapping in enumerate(given.get("property_mappings") or ()):
        here = f"{at}/property_mappings/{number}"
        if mapping["id"] < 1:
            found.append(problem(inferred.POSITIVE.format(name="id"), pointer=f"{here}/id"))
        found += _faults(mapping.get("source") or {}, ("id_path", "data_path"), here)
    for number, mapping in enumerate(given.get("relationship_mappings") or ()):
        here = f"{at}/relationship_mappings/{number}"
        source = mapping["source"]
        found += _faults(source, ("id_path", "related_id_path"), here)
        for index, related in enumerate(source.get("related_id_paths") or ()):
            found += _faults(related, ("path",), f"{here}/source/related_id_paths/{index}", "")
    if found:
        raise Refusal(*found[:100])


def _faults(source: Mapping[str, Any], names: Sequence[str], at: str, member: str = "/source") -> list[Any]:
    return [
        problem(inferred.JSON_PATH.format(given=source[name]), pointer=f"{at}{member}/{name}")
        for name in names
        if name in source and not _readable(source[name])
    ]


def prepare(call: Call, attributes: dict[str, Any]) -> None:
    check(call.data["attributes"], "/data/attributes")
    for name in KIND.attributes:
        attributes[name] = attributes[name] or []
