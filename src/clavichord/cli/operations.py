"""Finding operations of the catalogue: by words, and by a path that is nearly right."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher

from clavichord.spec import REVISIONS, Catalogue, Limit, Operation, load
from clavichord.sync.mistakes import SyncError


def catalogue(revision: str) -> Catalogue:
    """SyncError if the package has none for it."""
    if revision not in REVISIONS:
        raise SyncError(f"there is no catalogue of revision {revision!r}", f"there are: {', '.join(REVISIONS)}")
    return load(revision)


def search(found: Catalogue, words: tuple[str, ...]) -> list[Operation]:
    """The operations that have every word somewhere: name, path, group, scopes. One word that is a whole name or path
    finds only that."""
    wanted = [word.casefold() for word in words]
    every = list(found.operations.values())
    if len(wanted) == 1:
        named = [op for op in every if wanted[0] in (op.id, *op.aliases)]
        whole = named or [op for op in every if wanted[0] == op.path.casefold()]
        if whole:
            return whole
    return [op for op in every if all(word in _text(op) for word in wanted)]


def _text(op: Operation) -> str:
    return " ".join([op.id, *op.aliases, op.method, op.path, op.tag, *op.scopes]).casefold().replace("_", " ") + op.id


def near(found: Catalogue, path: str, most: int = 3) -> list[str]:
    """The paths of the catalogue that `path` is most like, best first. Ids in it are no hindrance."""
    parts = path.strip("/").casefold().split("/")

    def likeness(template: str) -> float:
        others = template.strip("/").split("/")
        same = sum(
            1.0 if one == other or other.startswith("{") else SequenceMatcher(None, one, other).ratio()
            for one, other in zip(parts, others, strict=False)
        )
        return same / max(len(parts), len(others))

    templates = sorted({op.path for op in found.operations.values()})
    return sorted(templates, key=likeness, reverse=True)[:most]


def limit(given: Limit) -> str:
    """`75/s 750/min`, with the day's where there is one."""
    text = f"{given.burst}/s {given.steady}/min"
    return f"{text} {given.daily}/day" if given.daily else text


def details(op: Operation, revision: str) -> Iterator[str]:
    """Everything that is known of one operation, as lines."""
    yield f"{op.id}   {op.method} {op.path}   ({op.tag}, revision {revision})"
    for name, text in _facts(op):
        if text:
            yield f"  {name:<18} {text}"


def _facts(op: Operation) -> Iterator[tuple[str, str]]:
    yield "also called", " ".join(op.aliases)
    yield "scopes", " ".join(op.scopes) or ("none: a public company_id" if op.path.startswith("/client/") else "")
    yield "limit", limit(op.limit)
    for parameter, lower in op.limits_with.items():
        yield "  with", f"{parameter}: {limit(lower)}"
    yield "success", str(op.status)
    yield "answer", f"{'a page of' if op.many else 'one'} {op.resource}" if op.resource else ""
    size = op.page_size
    yield "page[size]", f"{size.min} to {size.max}, {size.default} by default" if size else ""
    for rule in op.filters:
        operators = [*rule.single, *(f"{name}[…]" for name in rule.list), *rule.none]
        yield "filter", f"{rule.field} ({rule.type}): {' '.join(operators)}"
    yield "", "a filter is needed" if op.filter_required else ""
    yield "sort", " ".join(op.sorts)
    yield "include", " ".join(op.includes)
    for kind, names in op.additional_fields.items():
        yield f"additional-fields[{kind}]", " ".join(names)
    for kind, names in op.fields.items():
        yield f"fields[{kind}]", " ".join(names)
    for name in op.query:
        yield "parameter", name + (" (needed)" if op.query[name].get("required") else "")
    yield "body", f"{'a list of ' if op.body_many else ''}{op.body_type or op.content_type}" if op.content_type else ""
    if op.caps:
        caps = {"items": op.caps.items, "bytes": op.caps.bytes, "bytes an item": op.caps.item_bytes}
        caps["jobs at once"] = op.caps.queued_jobs
        yield "at most", ", ".join(f"{count:,} {what}" for what, count in caps.items() if count)
