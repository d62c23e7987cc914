"""Text of a project's file → validated definition, with every mistake at its line and column."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.json_schema import models_json_schema
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from clavichord.sync.definition import Block, Place, Project, SyncDefinition
from clavichord.sync.destinations import DESTINATIONS
from clavichord.sync.mistakes import InvalidDefinition, Mistake, Path, dotted, nearest

MAX_DEPTH = 32
_SURROGATE = re.compile("[\ud800-\udfff]")
NOT_YET: Mapping[str, str] = {
    "when": "start `clavichord run` from cron instead",
    "notify": "use the exit code and `report --json`",
    "checks": "filter with `from.where` or in the sql model",
    "gone_from_source": "rows that leave the source are counted and stay as they are in Klaviyo",
    "changes": "every run compares the whole source; nothing to set",
    "identify": "the identifiers of `map` (or `profile`) are used",
    "on_identity_conflict": "rows that share an identifier are quarantined",
    "safety": "use limits.max_changes",
}
"""Keys of DESIGN §5 that a later version takes: refused, so that nobody believes they work."""

M = TypeVar("M", bound=BaseModel)


class _Reader:
    """YAML nodes → plain values, remembering where each stands. Dates stay text: SQL and JSON decide what they are."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.positions: dict[Path, tuple[int, int]] = {}
        self.mistakes: list[Mistake] = []
        self.seen = 0

    def mistake(self, node: Node, path: Path, what: str, fix: str = "") -> None:
        mark = node.start_mark
        self.mistakes.append(Mistake(self.file, mark.line + 1, mark.column + 1, dotted(path), what, fix))

    def value(self, node: Node, path: Path = ()) -> Any:
        self.seen += 1
        self.positions[path] = (node.start_mark.line + 1, node.start_mark.column + 1)
        # An alias is read once per use: without a bound, ten lines of YAML unfold into gigabytes.
        if len(path) > MAX_DEPTH or self.seen > 100_000:
            if len(self.mistakes) < 20:
                self.mistake(node, path, "nested or repeated too deeply")
            return None
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self.value(child, (*path, i)) for i, child in enumerate(node.value)]
        assert isinstance(node, ScalarNode)
        return self._scalar(node, path)

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                self.mistake(key_node, path, "a key must be plain text")
                continue
            key = str(self._scalar(key_node, path)) if _SURROGATE.search(key_node.value) else str(key_node.value)
            if key in result:
                line = self.positions[(*path, key)][0]
                self.mistake(key_node, (*path, key), f'"{key}" stands here twice (first in line {line})', "keep one")
                continue
            result[key] = self.value(value_node, (*path, key))
            self.positions[(*path, key)] = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
        return result

    def _scalar(self, node: ScalarNode, path: Path) -> Any:
        text: str = node.value
        if _SURROGATE.search(text):
            try:
                text = text.encode("utf-16", "surrogatepass").decode("utf-16")
            except UnicodeDecodeError:
                self.mistake(
                    node, path, "half a character (a lone surrogate) is not text", "write the character itself"
                )
                return None
        kind = str(node.tag).rpartition(":")[2]
        if node.style in ("'", '"') or kind in ("str", "timestamp"):
            return text
        if kind == "null":
            return None
        if kind == "bool":
            return text.casefold() == "true"
        try:
            if kind == "int":
                # 007 is a customer number, not a seven: YAML 1.2 would drop the zeros.
                return (
                    text
                    if text.lstrip("+-")[:1] == "0" and text.lstrip("+-")[1:].isdigit()
                    else int(text.replace("_", ""), 0)
                )
            if kind == "float":
                number = float(text.replace("_", "").replace(".inf", "inf").replace(".nan", "nan"))
                return number if math.isfinite(number) else text
        except ValueError:
            return text
        self.mistake(node, path, f"the tag {node.tag} is not known here", "remove it")
        return text


def _compose(text: str, file: str) -> Node | None:
    if "\x00" in text:
        raise InvalidDefinition([Mistake(file, 1, 1, "", "this is not a text file", "save it as UTF-8")])
    try:
        node: Node | None = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        what = " ".join(part for part in (error.context, error.problem) if part) or "not valid YAML"
        raise InvalidDefinition(
            [Mistake(file, line, column, "", f"not valid YAML: {what}", _yaml_fix(text, line))]
        ) from None
    except (YAMLError, RecursionError, ValueError) as error:
        what = str(error).partition("\n")[0] or type(error).__name__
        raise InvalidDefinition([Mistake(file, 1, 1, "", f"not valid YAML: {what}")]) from None
    return node


def _yaml_fix(text: str, line: int) -> str:
    lines = text.split("\n")
    around = lines[max(0, line - 2) : line]
    if any("\t" in part for part in around):
        return "indent with spaces, not tabs"
    return "quote values that hold a colon, a brace or a leading special character: \"tier = 'gold'\""


def _model_at(model: Any, path: Path) -> type[BaseModel] | None:
    """The model whose keys stand at `path`, to suggest the right one."""
    for part in path:
        if isinstance(model, type) and issubclass(model, BaseModel):
            found = next((f for name, f in model.model_fields.items() if part in (name, f.alias)), None)
            if found is None:
                return None
            model = found.annotation
        models = [m for m in _unfold(model) if isinstance(m, type) and issubclass(m, BaseModel)]
        model = models[0] if models else None
    return model if isinstance(model, type) and issubclass(model, BaseModel) else None


def _unfold(annotation: Any) -> Iterator[Any]:
    if get_origin(annotation) is None:
        yield annotation
    for argument in get_args(annotation):
        yield from _unfold(argument)


def keys(model: type[BaseModel]) -> list[str]:
    """The keys as they are written in a file."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _explain(error: ErrorDetails, model: type[BaseModel], data: Any) -> tuple[Path, str, str]:
    """pydantic's finding in our words: path, what, fix."""
    path = tuple(part for part in error["loc"] if not (isinstance(part, str) and _is_tag(part, error["loc"], data)))
    kind, context = error["type"], error.get("ctx", {})
    last = str(path[-1]) if path else ""
    match kind:
        case "extra_forbidden":
            if last in NOT_YET:
                return path, f'"{last}" is not implemented yet', NOT_YET[last]
            owner = _model_at(model, path[:-1])
            return path, f'unknown key "{last}"', nearest(last, keys(owner)) if owner else ""
        case "missing":
            return path, f'"{last}" is missing', "add it"
        case "literal_error":
            given = str(error["input"])
            choices = str(context.get("expected", "")).replace(" or ", ", ").replace("'", "").split(", ")
            return path, f'"{given}" is not one of {", ".join(choices)}', nearest(given, choices)
        case "string_pattern_mismatch":
            return path, f'"{error["input"]}" is not a name', "letters, digits, - and _, no spaces"
        case "string_type":
            return path, f"text is needed here, not {_shape(error['input'])}", ""
        case "model_type" | "dict_type":
            return path, f"a mapping (key: value) is needed here, not {_shape(error['input'])}", ""
        case "list_type":
            return path, f"a list is needed here, not {_shape(error['input'])}", "start each entry with a dash"
    return path, str(error["msg"]).removeprefix("Value error, "), ""


def _is_tag(part: str, loc: tuple[int | str, ...], data: Any) -> bool:
    """pydantic puts the tried branch of a union into the path (`dict[str,…]`, `Backfill`): not a key."""
    if "[" in part and part.endswith("]"):
        return True
    return (part in ("str", "bool", "Backfill", "int", "float") and part == loc[-1]) or part == "Backfill"


def _shape(value: Any) -> str:
    if value is None:
        return "nothing"
    return {dict: "a mapping", list: "a list", bool: "true/false", int: "a number", float: "a number", str: "text"}.get(
        type(value), "this"
    )


def _validate(data: Any, file: str, reader: _Reader, model: type[M]) -> M:
    place = Place(file, reader.positions)
    try:
        result = model.model_validate(data)
    except ValidationError as found:
        mistakes: dict[tuple[Path, str], Mistake] = {}
        for error in found.errors(include_url=False):
            path, what, fix = _explain(error, model, data)
            line, column = place.of(path)
            mistakes.setdefault((path, what), Mistake(file, line, column, dotted(path), what, fix))
        # A union reports every branch it tried; the branch that got furthest is the one that was meant.
        tried = [path for path, _ in mistakes]
        for path, what in list(mistakes):
            if "is needed here" in what and any(len(p) > len(path) and p[: len(path)] == path for p in tried):
                del mistakes[path, what]
        raise InvalidDefinition([*reader.mistakes, *mistakes.values()]) from None
    if reader.mistakes:
        raise InvalidDefinition(reader.mistakes)
    if hasattr(result, "_place"):
        result._place = place
    return result


def _read(text: str, name: str) -> tuple[Any, _Reader]:
    node = _compose(text.removeprefix("\ufeff"), name)
    reader = _Reader(name)
    if node is None:
        raise InvalidDefinition([Mistake(name, 1, 1, "", "the file is empty")])
    data = reader.value(node)
    if not isinstance(data, dict):
        raise InvalidDefinition([Mistake(name, 1, 1, "", f"a mapping (key: value) is needed here, not {_shape(data)}")])
    return data, reader


def load(text: str, name: str, model: type[M]) -> M:
    """The file `name` as a `model`. InvalidDefinition lists everything that is wrong."""
    data, reader = _read(text, name)
    return _validate(data, name, reader, model)


def load_project(text: str, name: str = "clavichord.yaml") -> Project:
    """The project file. InvalidDefinition lists everything that is wrong."""
    return load(text, name, Project)


def load_sync(text: str, name: str) -> SyncDefinition:
    """A sync file. InvalidDefinition lists everything that is wrong."""
    data, reader = _read(text, name)
    to = data.get("to")
    destination = DESTINATIONS.get(to) if isinstance(to, str) else None
    if destination is None:
        line, column = reader.positions.get(("to",), reader.positions[()])
        what = '"to" is missing' if to is None else f'"{to}" is not a destination'
        fix = nearest(str(to), DESTINATIONS) if to else f"one of {', '.join(DESTINATIONS)}"
        raise InvalidDefinition([*reader.mistakes, Mistake(name, line, column, "to", what, fix)])
    definition: SyncDefinition = _validate(data, name, reader, destination.model)
    return definition


def schema(model: type[Block] | None = None) -> dict[str, Any]:
    """JSON Schema of a file, for editors; of sync files by default."""
    if model is None:
        models = [destination.model for destination in DESTINATIONS.values()]
        _, found = models_json_schema([(one, "validation") for one in models], by_alias=True)
        return {"anyOf": [{"$ref": f"#/$defs/{one.__name__}"} for one in models], **found}
    return model.model_json_schema(by_alias=True)
