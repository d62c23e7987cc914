"""Where rows go: the operation, the envelope around them, the caps, and the job that comes of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from clavichord.client.resource import Resource
from clavichord.client.routes import named

ENVELOPE = 64_000
"""bytes kept free for what surrounds the rows"""
BODY = 5_000_000
"""bytes after decompression (FACTS §3)"""


class Route(Struct, frozen=True):
    """One bulk operation. Caps are the catalogue's (FACTS §7)."""

    operation: str
    head: bytes
    tail: bytes
    entry: re.Pattern[str]
    """finds the number of a row in a pointer"""
    around: frozenset[str]
    """pointers that name nothing in particular"""
    path_id: str = ""
    job: str = ""
    """the operation that tells how the job is doing, "" where there is no job"""
    errors: str = ""
    """the operation that pages the job's errors, "" if the job holds them"""
    listing: str = ""
    """the operation that lists the jobs, newest first on demand; "" where each is asked for by itself"""
    immediate: bool = False
    """its success means that the rows are done"""

    @property
    def items(self) -> int:
        caps = named(self.operation).caps
        return (caps.items if caps else 0) or 1

    @property
    def room(self) -> int:
        caps = named(self.operation).caps
        return ((caps.bytes if caps else 0) or BODY) - ENVELOPE

    @property
    def item_bytes(self) -> int:
        caps = named(self.operation).caps
        return (caps.item_bytes if caps else 0) or self.room

    @property
    def queued_jobs(self) -> int:
        """Jobs of this kind that may be at work at once, 0 = not stated."""
        caps = named(self.operation).caps
        return caps.queued_jobs if caps else 0

    def argument(self, pointer: str) -> str:
        """The part of a row that a pointer names, as it is called in the row: `properties.tier`, "" if none."""
        match = self.entry.match(pointer)
        inner = pointer[match.end() :].strip("/") if match is not None else ""
        name = ".".join(part for part in inner.split("/") if part not in ("attributes", "data", ""))
        return re.sub(r"^events\.\d+\.?", "", name)  # a row is one event of its profile

    def resource(self, job_id: str) -> Resource:
        """A job of this route by its id."""
        from clavichord.client.models import MODELS

        return MODELS[named(self.job).resource](id=job_id)

    def body(self, payloads: Sequence[bytes]) -> bytes:
        return self.head + b",".join(payloads) + self.tail


def bulk(
    operation: str,
    member: str,
    *,
    job: str = "",
    errors: str = "",
    listing: str = "",
    attributes: Mapping[str, Any] | None = None,
    relationships: Mapping[str, Any] | None = None,
) -> Route:
    """A job whose rows are `data.attributes.<member>.data`."""
    said = msgspec.json.encode(attributes or {})[1:-1]
    linked = b',"relationships":' + msgspec.json.encode(relationships) if relationships else b""
    head = b'{"data":{"type":"%s","attributes":{%s"%s":{"data":[' % (
        named(operation).body_type.encode(),
        said + b"," if said else b"",
        member.encode(),
    )
    return Route(
        operation=operation,
        head=head,
        tail=b"]}}" + linked + b"}}",
        entry=re.compile(rf"^/data/attributes/{member}/data/(\d+)(?:/|$)"),
        around=frozenset(
            {"", "/data", "/data/attributes", f"/data/attributes/{member}", f"/data/attributes/{member}/data"}
        ),
        job=job,
        errors=errors,
        listing=listing,
    )


def linkage(operation: str, path_id: str) -> Route:
    """A relationship: the rows are `data`, and its success means that they are done."""
    return Route(
        operation=operation,
        head=b'{"data":[',
        tail=b"]}",
        entry=re.compile(r"^/data/(\d+)(?:/|$)"),
        around=frozenset({"", "/data"}),
        path_id=path_id,
        immediate=True,
    )
