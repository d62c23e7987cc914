"""Everyday verbs of images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, BinaryIO

from msgspec import UNSET, UnsetType

from clavichord.client.errors import ConfigurationError
from clavichord.client.models import Image
from clavichord.client.work import Work, call, compound, one

MAX_BYTES = 5_000_000
"""FACTS §9.11"""
_KINDS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a")


class ImageVerbs:
    @compound
    def upload(
        self: Any,
        source: bytes | str | os.PathLike[str] | BinaryIO,
        *,
        name: str | UnsetType = UNSET,
        hidden: bool | UnsetType = UNSET,
    ) -> Work[Image]:
        """Adds an image: its bytes, a path, an open binary file, or a URL that Klaviyo fetches (`https://…`, `data:…`).

        JPEG, PNG or GIF of at most 5 MB (FACTS §9.11); `name` is the file's where there is one.
        """
        from clavichord.client.ops.images import Images

        if isinstance(source, str) and source.startswith(("http://", "https://", "data:")):
            return (
                yield from one(
                    call(self, Images.upload_image_from_url, import_from_url=source, name=name, hidden=hidden)
                )
            )
        content, filename = _read(source)
        if not content.startswith(_KINDS):
            raise ConfigurationError("images.upload: this is no JPEG, PNG or GIF; Klaviyo takes nothing else")
        if len(content) > MAX_BYTES:
            raise ConfigurationError(
                f"images.upload: more than {MAX_BYTES:,} bytes, which is what Klaviyo takes at most"
            )
        file = (filename, content)
        return (yield from one(call(self, Images.upload_image_from_file, file=file, name=name, hidden=hidden)))


def _read(source: Any) -> tuple[bytes, str]:
    """Content and name. ConfigurationError for what is no image source, or cannot be read."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(source), "image"
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        try:
            with path.open("rb") as file:
                return file.read(MAX_BYTES + 1), path.name
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"images.upload: {source!s} cannot be read: {error}") from None
    content = source.read(MAX_BYTES + 1) if hasattr(source, "read") else None
    if not isinstance(content, bytes):
        raise ConfigurationError(
            f"images.upload: source is bytes, a path, a URL or an open binary file, not {type(source).__name__}"
        )
    return content, Path(str(getattr(source, "name", "image"))).name
