"""JSON:API documents: resources, relationships, links, included. Ready-made bytes are spliced, not encoded again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from clavichord.sandbox import inferred
from clavichord.sandbox.call import Answer, Call
from clavichord.spec import Catalogue, Operation

Linkage = str | None | Sequence[str]
"""The id (to-one) or ids (to-many) a relationship resolves to."""

_RELATIONSHIPS: Mapping[str, tuple[str, ...]] = {
    "profile": ("lists", "segments", "push-tokens", "conversation"),
    "list": ("profiles", "tags", "flow-triggers"),
    "event": ("profile", "metric"),
    "metric": ("flow-triggers",),
    "flow-message": ("flow-action", "template", "image"),
    "account": (),
    "catalog-item": ("variants",),
    "coupon": (),
    "object-type": ("current-schema", "draft-schema", "schema-versions", "object-types", "profile-object-types"),
    "import-error": (),
}
"""The relationships that recordings show, where they differ from the spec's (LIVE #13, FACTS §6.1)."""

_SELF_ONLY = inferred.SELF_ONLY_BY_ANALOGY | {
    "get_tags_for_list",
    "get_list_ids_for_tag",
    "get_tag_ids_for_list",
    "get_tag_ids_for_campaign",
    "get_message_ids_for_campaign",
    "get_conversations_for_profile",
    "get_conversation_ids_for_profile",
    "get_push_token_ids_for_profile",
    "get_ids_for_flows_triggered_by_list",
    "get_list_ids_for_bulk_import_profiles_job",
    "get_property_ids_for_metric",
    "get_version_ids_for_form",
    "get_versions_for_form",
    "get_custom_metrics",
    "get_mapped_metrics",
    "get_metrics_for_custom_metric",
    "get_object_types",
    "get_messages_for_campaign",
    "get_list_for_bulk_import_profiles_job",
    "get_flows_triggered_by_list",
    "get_flows_triggered_by_metric",
    "get_ids_for_flows_triggered_by_metric",
    "get_flows_triggered_by_segment",
    "get_ids_for_flows_triggered_by_segment",
    "get_push_tokens_for_profile",
    "get_tags_for_segment",
    "get_tag_ids_for_segment",
    "get_tags_for_campaign",
    "get_tags_for_flow",
    "get_tag_ids_for_flow",
    "get_segment_ids_for_tag",
    "get_campaign_ids_for_tag",
    "get_metric_ids_for_custom_metric",
    "get_properties_for_metric",
    "get_object_type_relationships",
    "get_profile_type_relationships",
}
"""Collections whose links have `self` and neither next nor prev: no rule, a list (LIVE #2)."""

_WITHOUT_SELF = {("profile-bulk-import-job", "import-errors")}
"""Relationships that have `links.related` only (FACTS §3)."""

_DATA_ONLY = {("webhook", "webhook-topics")} | {
    (f"catalog-{one}-bulk-{verb}-job", name)
    for one, name in (("item", "items"), ("variant", "variants"), ("category", "categories"))
    for verb in ("create", "update", "delete")
}
_DATA_ONLY |= {("campaign-values-report", "campaigns")}
_DATA_ONLY |= {(f"flow-{one}-report", name) for one in ("values", "series") for name in ("flows", "flow-messages")}
"""Relationships without links (FACTS §10.1, App. G, LIVE #1)."""


class Resource(NamedTuple):
    """A resource object before projection."""

    type: str
    id: str
    attributes: bytes
    """JSON object: the default projection and whatever additional fields were asked for"""
    linked: Mapping[str, Linkage] = {}
    """relationships whose `data` is answered"""
    relationships: tuple[str, ...] | None = None
    """the relationships that are shown at all, None = all of the type"""


class _Ready(NamedTuple):
    """What all resource objects of a type have in common; the id goes where NUL is, or was before a split."""

    start: bytes
    links: bytes
    end: list[bytes]
    """relationships and links"""


class Documents:
    """Builds documents whose links start with `base`."""

    def __init__(self, base: str, catalogue: Catalogue) -> None:
        self.base = base.rstrip("/")
        self._types = catalogue.types
        self._collections = inferred.COLLECTIONS | {
            operation.base: operation.path.partition("/{")[0]
            for operation in catalogue.operations.values()
            if operation.kind in ("item", "related", "relationship")
        }
        """type → where its resources are: also of the types that have no collection of their own"""
        self._ready: dict[tuple[str, bool], _Ready] = {}
        self._ready_links: dict[tuple[str, str], bytes] = {}

    def one(self, call: Call, resource: Resource, included: Iterable[Resource] = (), *, status: int = 0) -> Answer:
        """A single resource."""
        parts = [b'{"data":', *self._objects(call, [resource])]
        parts += self._included(call, included)
        parts += [b',"links":{"self":', self._self(call), b"}}"]
        return Answer(status or call.operation.status, b"".join(parts))

    def report(self, call: Call, resource: Resource, after: str | None = None, before: str | None = None) -> Answer:
        """A single resource whose document has the links of a page (LIVE #3); its own link names no id."""
        parts = [b'{"data":', *self._objects(call, [resource]), *self._page_links(call, after, before)]
        return Answer(call.operation.status, b"".join(parts))

    def many(
        self,
        call: Call,
        resources: Sequence[Resource],
        included: Iterable[Resource] = (),
        after: str | None = None,
        before: str | None = None,
    ) -> Answer:
        """A collection; `after` and `before` are the cursors of the pages beside it."""
        parts = [b'{"data":[', b",".join(self._objects(call, resources)), b"]"]
        parts += self._included(call, included)
        parts += self._page_links(call, after, before)
        return Answer(call.operation.status, b"".join(parts))

    def identifiers(
        self, call: Call, type_name: str, ids: Sequence[str], after: str | None = None, before: str | None = None
    ) -> Answer:
        """The linkage of a to-many relationship."""
        parts = [b'{"data":', _linkage(type_name, ids), *self._page_links(call, after, before)]
        return Answer(call.operation.status, b"".join(parts))

    def identifier(self, call: Call, type_name: str, resource_id: str | None) -> Answer:
        """The linkage of a to-one relationship; without a target there are no links (LIVE #4)."""
        if resource_id is None:
            return Answer(call.operation.status, b'{"data":null}')
        parts = [b'{"data":', _linkage(type_name, resource_id), b',"links":{"self":', self._self(call), b"}}"]
        return Answer(call.operation.status, b"".join(parts))

    def _included(self, call: Call, resources: Iterable[Resource]) -> list[bytes]:
        if not call.query.included:
            return []
        seen: dict[tuple[str, str], Resource] = {}
        for resource in resources:
            seen.setdefault((resource.type, resource.id), resource)
        objects = b",".join(self._objects(call, seen.values(), primary=False))
        return [b',"included":[', objects, b"]"]

    def _self(self, call: Call) -> bytes:
        query = call.query.encoded()
        return _string(self._url(call) + ("?" + query if query else ""))

    def _page_links(self, call: Call, after: str | None, before: str | None) -> list[bytes]:
        parts = [b',"links":{"self":', self._self(call)]
        if call.operation.id not in _SELF_ONLY:
            for name, cursor in ((b"next", after), (b"prev", before)):
                link = b"null"
                if cursor is not None:
                    link = _string(f"{self._url(call)}?{call.query.encoded(cursor, call.operation.cursor_param)}")
                parts += [b',"', name, b'":', link]
        parts.append(b"}}")
        return parts

    def _url(self, call: Call) -> str:
        """The request's own URL without a trailing slash."""
        return self.base + _quoted(call.path)

    def _objects(self, call: Call, resources: Iterable[Resource], *, primary: bool = True) -> list[bytes]:
        fields, additional = call.query.fields, call.query.additional
        plural = primary and "PluralConversations" in call.operation.response
        found: list[bytes] = []
        for resource in resources:
            type_name, resource_id, attributes, linked, shown = resource
            ready = self._ready.get((type_name, plural)) or self._prepare(type_name, plural)
            if type_name in fields:
                attributes = _project(attributes, fields[type_name], additional.get(type_name, ()))
            if resource_id.isascii() and resource_id.isalnum():
                mark = resource_id.encode()
                quoted = b'"%b"' % mark
            else:
                mark = quote(resource_id, safe="$:@!*+;=~-._").encode()
                quoted = _string(resource_id)
            end = ready.end
            if linked or shown is not None:
                end = (self._resolved(resource, plural) + ready.links).split(b"\0")
            found.append(b'%b%b,"attributes":%b%b}' % (ready.start, quoted, attributes, mark.join(end)))
        return found

    def relationships(self, type_name: str, plural: bool = False) -> tuple[str, ...]:
        """The relationships of a type in the order of the wire."""
        known = _RELATIONSHIPS.get(type_name)
        if known is None:
            known = tuple(self._types[type_name].relationships)
        return (*known[:-1], "conversations") if plural and type_name == "profile" else known

    def _prepare(self, type_name: str, plural: bool) -> _Ready:
        names = self.relationships(type_name, plural)
        members = [b'"%b":{%b}' % (name.encode(), self._links(type_name, name)) for name in names]
        relationships = b',"relationships":{' + b",".join(members) + b"}" if members else b""
        collection = self._collection(type_name)
        links = f',"links":{{"self":"{self.base}{collection}/\0/"}}' if collection else ""
        if type_name == "metric-aggregate":  # it is kept nowhere
            links = f',"links":{{"self":"{self.base}/api/metric-aggregates/"}}'
        start = b'{"type":"%b","id":' % type_name.encode()
        ready = _Ready(start, links.encode(), (relationships + links.encode()).split(b"\0"))
        self._ready[type_name, plural] = ready
        return ready

    def _collection(self, type_name: str) -> str:
        return self._types[type_name].collection or self._collections.get(type_name, "")

    def _links(self, type_name: str, relationship: str) -> bytes:
        """The links of a relationship, with NUL where the id goes."""
        ready = self._ready_links.get((type_name, relationship))
        if ready is None:
            owner = f"{self.base}{self._collection(type_name)}/\0"
            own = f'"self":"{owner}/relationships/{relationship}/",'
            if (type_name, relationship) in _WITHOUT_SELF:
                own = ""
            ready = f'"links":{{{own}"related":"{owner}/{relationship}/"}}'.encode()
            if (type_name, relationship) in _DATA_ONLY:
                ready = b""
            self._ready_links[type_name, relationship] = ready
        return ready

    def _resolved(self, resource: Resource, plural: bool) -> bytes:
        members: list[bytes] = []
        for name in self.relationships(resource.type, plural):
            if resource.relationships is not None and name not in resource.relationships:
                continue
            links = self._links(resource.type, name)
            if name in resource.linked:
                target = self._types[resource.type].relationships[name].type
                links = b'"data":' + _linkage(target, resource.linked[name]) + (b"," + links if links else b"")
            members.append(b'"%b":{%b}' % (name.encode(), links))
        return b',"relationships":{' + b",".join(members) + b"}" if members else b""


@lru_cache(maxsize=4096)
def _quoted(path: str) -> str:
    """`$` and `:` stay as they are (LIVE #26)."""
    return quote(path.rstrip("/"), safe="/$:@!*+;=~-._")


def _string(text: str) -> bytes:
    return msgspec.json.encode(text)


def _linkage(type_name: str, ids: Linkage) -> bytes:
    if ids is None:
        return b"null"
    if isinstance(ids, str):
        return b'{"type":"%b","id":%b}' % (type_name.encode(), _string(ids))
    return b"[" + b",".join([_linkage(type_name, one) for one in ids]) + b"]"


def _project(attributes: bytes, names: Sequence[str], additional: Iterable[str]) -> bytes:
    """The named attributes in the order they were named (LIVE #21), then the additional ones."""
    given: dict[str, Any] = msgspec.json.decode(attributes)
    kept: dict[str, Any] = {}
    for name in (*names, *additional):
        _pick(given, name.split("."), kept)
    return msgspec.json.encode(kept)


def _pick(given: dict[str, Any], path: Sequence[str], kept: dict[str, Any]) -> None:
    first, rest = path[0], path[1:]
    if first not in given:
        return
    if rest and isinstance(given[first], dict):
        if first not in kept or kept[first] is not given[first]:
            _pick(given[first], rest, kept.setdefault(first, {}))
    else:
        kept[first] = given[first]


def relationship_of(operation: Operation, catalogue: Catalogue) -> tuple[str, bool]:
    """(type, to-many) of the relationship that a related or relationship operation reads."""
    relation = catalogue.types[operation.base].relationships[operation.relationship]
    return relation.type, relation.many
