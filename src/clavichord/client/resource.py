"""What every model is made of: typed attributes decoded in one pass, the document kept for all else.

Decoding is lenient. Unknown attributes stay in `.extra`, nulls are allowed everywhere, and a value of an unexpected
type is kept as it came instead of raising. Nested attributes (`Nested`), relationships, links and unknown attributes
are decoded when asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeAlias, TypeVar

import msgspec
from msgspec import Raw, Struct, field

from clavichord.client.errors import InvalidResponse
from clavichord.client.lenient_json import REFUSED, loads
from clavichord.client.types import Response

R = TypeVar("R", bound="Resource")
SINGLE = -1

if TYPE_CHECKING:
    Nested: TypeAlias = dict[str, Any] | None
    """An object within a resource: a plain dict, None if it came as null or not at all."""
else:
    Nested = Raw


class _WhenRead:
    """Stands for a `Nested` field of a model: the JSON that the decoder left there becomes a dict when it is read."""

    __slots__ = ("_slot",)

    def __init__(self, slot: Any) -> None:
        self._slot = slot

    def __get__(self, model: Resource | None, owner: Any = None) -> Any:
        if model is None:
            return self
        value = self._slot.__get__(model)
        if type(value) is Raw:
            value = loads(value)  # it was read once: this cannot fail
            self._slot.__set__(model, value)
        return value

    def __set__(self, model: Resource, value: Any) -> None:
        self._slot.__set__(model, value)


def decoded_when_read(models: Iterable[type[Resource]]) -> None:
    """Puts a `_WhenRead` before every `Nested` field of the models; the decoder writes past it."""
    for model in models:
        for name, kind in model.__annotations__.items():
            if kind == "Nested":
                setattr(model, name, _WhenRead(model.__dict__[name]))


class Document:
    """A received JSON:API document; decoded as a whole only when more than the attributes is wanted."""

    __slots__ = ("_places", "_tree", "response")

    def __init__(self, response: Response) -> None:
        self.response = response
        self._tree: Any = None
        self._places: dict[tuple[str, str], int] | None = None

    @property
    def tree(self) -> Mapping[str, Any]:
        if self._tree is None:
            tree = self.response.json()
            self._tree = tree if isinstance(tree, dict) else {}
        found: Mapping[str, Any] = self._tree
        return found

    def _included(self) -> list[Any]:
        included = self.tree.get("included")
        return included if isinstance(included, list) else []

    def resource(self, place: int) -> Mapping[str, Any]:
        """`place` counts the primary data; `SINGLE` is the only one; below it are the included ones."""
        entry: Any
        if place < SINGLE:
            entry = self._included()[SINGLE - 1 - place]
        else:
            data = self.tree.get("data")
            entry = data if place == SINGLE else data[place] if isinstance(data, list) else None
        return entry if isinstance(entry, dict) else {}

    def included(self) -> list[Resource]:
        return [self.model(SINGLE - 1 - i) for i in range(len(self._included()))]

    def model(self, place: int) -> Resource:
        raw = self.resource(place)
        return lenient(_model(raw.get("type")), raw, self, place)

    def find(self, identifier: Any) -> Resource | None:
        """The included resource that `{type, id}` names."""
        if self._places is None:
            entries = enumerate(e if isinstance(e, dict) else {} for e in self._included())
            self._places = {(str(e.get("type")), str(e.get("id"))): SINGLE - 1 - i for i, e in entries}
        if not isinstance(identifier, dict):
            return None
        place = self._places.get((str(identifier.get("type")), str(identifier.get("id"))))
        return None if place is None else self.model(place)


class Resource(Struct, kw_only=True, eq=False):
    """A JSON:API resource. Attributes of its type are attributes of the object; those not sent are None."""

    type: ClassVar[str] = ""

    id: str = field(default="", name="(id)")
    _document: Any = field(default=None, name="(document)")
    _place: int = field(default=SINGLE, name="(place)")

    def to_dict(self) -> dict[str, Any]:
        """The resource as it came: `{"type", "id", "attributes", "relationships", "links"}`. Nothing is dropped."""
        if self._document is None:
            names = self.__struct_fields__
            values = {n: getattr(self, n) for n in names if n not in _OWN and getattr(self, n) is not None}
            return {"type": self.type, "id": self.id, "attributes": values}
        return dict(self._document.resource(self._place))

    def _member(self, name: str) -> dict[str, Any]:
        found = self.to_dict().get(name)
        return found if isinstance(found, dict) else {}

    @property
    def extra(self) -> dict[str, Any]:
        """Attributes that came and that this model does not know."""
        known = set(self.__struct_fields__)
        return {name: value for name, value in self._member("attributes").items() if name not in known or name in _OWN}

    @property
    def relationships(self) -> dict[str, Any]:
        return self._member("relationships")

    @property
    def links(self) -> dict[str, Any]:
        return self._member("links")

    def related(self, name: str) -> list[Resource]:
        """The resources of a relationship, as far as the answer included them (`include=`); [] if it did not."""
        linkage = self.relationships.get(name)
        data = linkage.get("data") if isinstance(linkage, dict) else None
        found = [self._document.find(entry) for entry in (data if isinstance(data, list) else [data])]
        return [resource for resource in found if resource is not None]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Resource):
            return NotImplemented
        return self.type == other.type and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # mutable, compared by content

    def __rich_repr__(self) -> Any:
        yield "id", self.id
        for name in self.__struct_fields__:
            if name not in _OWN:
                yield name, getattr(self, name), None

    def __repr__(self) -> str:
        shown = ", ".join(f"{n}={v!r}" for n, v, *d in self.__rich_repr__() if v is not None)
        return f"{type(self).__name__}({shown})"

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore, (type(self), self.to_dict())


_OWN = frozenset({"id", "_document", "_place"})


class Identifier(Struct, frozen=True):
    """A resource that is named only: what relationship operations return."""

    type: str = ""
    id: str = ""


def _model(name: Any) -> type[Resource]:
    from clavichord.client.models import MODELS

    return MODELS.get(name, Resource) if isinstance(name, str) else Resource


def _restore(model: type[Resource], raw: Mapping[str, Any]) -> Resource:
    """A model from its `to_dict`, for pickle and copy."""
    body = msgspec.json.encode({"data": raw})
    return lenient(model, raw, Document(Response("", 200, {}, body)), SINGLE)


def lenient(model: type[R], raw: Mapping[str, Any], document: Document, place: int) -> R:
    """A model from decoded JSON: every attribute that fits its type is converted, any other kept as it came."""
    made = model()
    made._document, made._place = document, place
    made.id = raw["id"] if isinstance(raw.get("id"), str) else ""
    attributes = raw.get("attributes")
    if isinstance(attributes, dict):
        for name, wanted in _types(model).items():
            if name in attributes:
                setattr(made, name, attributes[name])
                if wanted is not Raw:
                    with suppress(msgspec.ValidationError):
                        setattr(made, name, msgspec.convert(attributes[name], wanted))
    return made


@cache
def _types(model: type[Resource]) -> Mapping[str, Any]:
    return {f.name: f.type for f in msgspec.structs.fields(model) if f.name not in _OWN}


class _Wire(Struct, Generic[R], gc=False):
    """A resource on the wire; its attributes are decoded straight into the model."""

    id: str = ""
    attributes: R | None = None


class _Single(Struct, Generic[R]):
    data: _Wire[R] | None


class _Collection(Struct, Generic[R]):
    data: list[_Wire[R]]


class _Identified(Struct):
    data: Identifier | None


class _Identifieds(Struct):
    data: list[Identifier]


_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}
_making = Lock()


def _decoder(kind: Any, model: type[Resource] | None = None) -> msgspec.json.Decoder[Any]:
    found = _decoders.get((kind, model))
    if found is None:
        with _making:  # msgspec crashes the process when threads look at a type for the first time at once
            found = _decoders.get((kind, model)) or msgspec.json.Decoder(kind[model] if model is not None else kind)
            _decoders[kind, model] = found
    return found


def unreadable(response: Response, reason: str) -> InvalidResponse:
    return InvalidResponse.of(response.operation, response.status, response.headers, response.body, reason)


def decode_one(response: Response, model: type[R]) -> R | None:
    """The resource of an answer, None if its data is null. InvalidResponse if it is no document of one resource."""
    document = Document(response)
    try:
        wire = _decoder(_Single, model).decode(response.body).data
    except REFUSED:
        data = document.tree.get("data", document)
        if data is None:
            return None
        if not isinstance(data, dict):
            raise unreadable(response, "it holds no single resource") from None
        return lenient(model, data, document, SINGLE)
    if wire is None:
        return None
    made: R = wire.attributes if wire.attributes is not None else model()
    made.id, made._document = wire.id, document
    return made


def decode_many(response: Response, model: type[R]) -> list[R]:
    """The resources of a page. InvalidResponse if it is no document of a collection."""
    document = Document(response)
    try:
        wires = _decoder(_Collection, model).decode(response.body).data
    except REFUSED:
        entries = enumerate(_collection(response, document))
        return [lenient(model, e if isinstance(e, dict) else {}, document, i) for i, e in entries]
    found: list[R] = []
    for place, wire in enumerate(wires):
        made = wire.attributes
        if made is None:
            made = model()
        made.id = wire.id
        made._document = document
        made._place = place
        found.append(made)
    return found


def _collection(response: Response, document: Document) -> list[Any]:
    data = document.tree.get("data")
    if not isinstance(data, list):
        raise unreadable(response, "it holds no collection") from None
    return data


def _identified(entry: Any) -> Identifier:
    entry = entry if isinstance(entry, dict) else {}
    return Identifier(*(entry[name] if isinstance(entry.get(name), str) else "" for name in ("type", "id")))


def decode_identifier(response: Response) -> Identifier | None:
    """`{type, id}` of an answer, None if its data is null."""
    try:
        found: Identifier | None = _decoder(_Identified).decode(response.body).data
    except REFUSED:
        data = Document(response).tree.get("data", ())
        if data is not None and not isinstance(data, dict):
            raise unreadable(response, "it holds no single resource") from None
        return None if data is None else _identified(data)
    return found


def decode_identifiers(response: Response) -> list[Identifier]:
    """Every `{type, id}` of a page."""
    try:
        found: list[Identifier] = _decoder(_Identifieds).decode(response.body).data
    except REFUSED:
        return [_identified(entry) for entry in _collection(response, Document(response))]
    return found
