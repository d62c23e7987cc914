"""The vocabulary of the catalogue: what one revision of Klaviyo's API is, as facts without prose."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct, field

Kind = Literal["collection", "item", "related", "relationship", "action"]
"""collection `/api/lists` · item `/api/lists/{id}` · related `/api/lists/{id}/profiles` ·
relationship `/api/lists/{id}/relationships/profiles` · action: everything else (`/api/profile-import`, `/client/…`)."""


class Limit(Struct, frozen=True, omit_defaults=True):
    """Requests allowed in each fixed window; `daily` is 0 where there is no daily window (FACTS §5)."""

    burst: int
    """per second"""
    steady: int
    """per minute"""
    daily: int = 0
    """per 24 hours, 0 = no such window"""


class PageSize(Struct, frozen=True):
    """`page[size]`: the default and the hard bounds (outside them is a 400, FACTS §4.6)."""

    default: int
    min: int
    max: int


class FilterRule(Struct, frozen=True, omit_defaults=True):
    """One field of `filter=` and the operators it takes (FACTS App. B)."""

    field: str
    single: tuple[str, ...] = ()
    """operators with a scalar literal"""
    list: tuple[str, ...] = ()
    """operators with a list literal"""
    none: tuple[str, ...] = ()
    """operators without a value: `has(field)`"""
    type: str = "string"
    """string | number | integer | boolean | date-time | object …: the literal's type as the spec states it"""
    values: tuple[str, ...] = ()
    """the only values that it takes, () = any"""


class Caps(Struct, frozen=True, omit_defaults=True):
    """What one request may hold, 0 = not stated. The spec states these in prose only (FACTS §7)."""

    items: int = 0
    """entries of the bulk list in one request"""
    bytes: int = 0
    """bytes of the whole body, after decompression"""
    item_bytes: int = 0
    """bytes of one entry"""
    queued_jobs: int = 0
    """jobs of this kind that may be in progress at once"""


class Operation(Struct, frozen=True, omit_defaults=True):
    """One operation: everything a client, a planner or an emulator needs to know about it."""

    id: str
    """Klaviyo's operationId: `get_profiles`"""
    method: str
    path: str
    """template: `/api/lists/{id}/relationships/profiles`"""
    tag: str
    """Klaviyo's group: `Profiles`, `Custom Objects`, `Client`"""
    kind: Kind
    limit: Limit
    status: int
    """the success status of the spec"""
    scopes: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    limits_with: Mapping[str, Limit] = field(default_factory=dict)
    """lower limits that a parameter brings: `additional-fields[profile]=predictive_analytics` → Limit (FACTS §5)"""
    base: str = ""
    """JSON:API type the path starts from: `list` in `/api/lists/{id}/profiles`"""
    relationship: str = ""
    """the last path segment of related and relationship operations: `profiles`"""
    resource: str = ""
    """JSON:API type of the answer's primary data, "" = no body"""
    many: bool = False
    """the answer's primary data is an array"""
    identifiers_only: bool = False
    """the answer's primary data is {type, id} only"""
    paged: bool = False
    """takes `page[cursor]`"""
    page_size: PageSize | None = None
    cursor_param: str = "page[cursor]"
    """three operations spell it `page_cursor`"""
    filters: tuple[FilterRule, ...] = ()
    filter_required: bool = False
    sorts: tuple[str, ...] = ()
    """both directions listed: `created`, `-created`"""
    includes: tuple[str, ...] = ()
    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """`fields[TYPE]` → allowed names, dotted sub-fields included"""
    additional_fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """`additional-fields[TYPE]` → allowed names"""
    query: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """any other query parameter → its JSON Schema, with `required: true` added where it is"""
    path_params: tuple[str, ...] = ()
    body: str = ""
    """name of the request body's schema, "" = takes none"""
    body_type: str = ""
    """JSON:API type of the request body's primary data"""
    body_many: bool = False
    """the request body's primary data is an array (of identifiers)"""
    content_type: str = ""
    """`application/vnd.api+json` or `multipart/form-data`, "" = no body"""
    response: str = ""
    """name of the success body's schema, "" = empty body"""
    caps: Caps | None = None


class Relation(Struct, frozen=True):
    """A relationship of a resource type."""

    type: str
    """JSON:API type it points at"""
    many: bool


class ResourceType(Struct, frozen=True, omit_defaults=True):
    """One JSON:API type: the union over every response in which it appears."""

    name: str
    attributes: Mapping[str, Mapping[str, Any]]
    """attribute → JSON Schema ($ref allowed), in the order of the spec"""
    relationships: Mapping[str, Relation] = field(default_factory=dict)
    collection: str = ""
    """its collection's path, `/api/profiles`; "" where it has none of its own"""
