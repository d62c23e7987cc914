"""multipart/form-data bodies (RFC 7578): the fields of a form, one of them a file."""

from __future__ import annotations

import re
from typing import NamedTuple

_BOUNDARY = re.compile(rb'boundary=(?:"([^"\r\n]{1,200})"|([^\s;"]{1,200}))', re.IGNORECASE)
_PARAMETER = re.compile(rb'[;\s](name|filename)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))', re.IGNORECASE)


class Part(NamedTuple):
    filename: str
    """"" for a field that is no file"""
    content: bytes


def read(content_type: bytes, body: bytes) -> dict[str, Part]:
    """Field → part, the last one of several. ValueError if the body is not what the content type says."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise ValueError("the content type names no boundary")
    first, *middle = (b"\r\n" + body).split(b"\r\n--" + (found.group(1) or found.group(2)))
    if first.strip() or not middle or not middle[-1].startswith(b"--"):
        raise ValueError("the body does not begin and end with the boundary")
    parts: dict[str, Part] = {}
    for raw in middle[:-1]:
        head, separator, content = raw.partition(b"\r\n\r\n")
        names = {key.lower(): quoted or bare for key, quoted, bare in _PARAMETER.findall(head)}
        if not separator or b"name" not in names:
            raise ValueError("a part has no name")
        parts[_text(names[b"name"])] = Part(_text(names.get(b"filename", b"")), content)
    return parts


def _text(raw: bytes) -> str:
    return re.sub(rb"\\(.)", rb"\1", raw).decode("utf-8", "replace")
