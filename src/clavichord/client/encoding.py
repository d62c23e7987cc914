"""The content encoding of answers. Only gzip is asked for.

It is undone here and not by the transports, so that they all fail alike, and a small answer cannot unfold into a huge
one.
"""

from __future__ import annotations

import zlib

from clavichord.client.types import Reply

LARGEST = 256 * 2**20
"""bytes of an answer, as it travels and unpacked"""
_PLAIN = b"\x1f\x8b\x08\x00"
"""the beginning of gzip's header if it is the shortest one, of 10 bytes"""
_MOST = 1032
"""times that deflate can unfold its input, at most"""


def unpacked(reply: Reply) -> Reply:
    """The reply with its body as it was before the encoding; if that cannot be, without one and with the reason."""
    encoding = reply.headers["content-encoding"].strip().lower()
    if encoding in ("", "identity") or not reply.body:
        return reply
    if encoding not in ("gzip", "x-gzip"):
        return Reply(reply.status, reply.headers, b"", f"content-encoding {encoding[:40]!r} was not asked for")
    try:
        body = _gunzip(reply.body)
    except zlib.error as error:
        return Reply(reply.status, reply.headers, b"", f"it says gzip and is not, or not all of it ({error})")
    if len(body) > LARGEST:
        return Reply(reply.status, reply.headers, b"", f"it unfolds into more than {LARGEST:,} bytes")
    return Reply(reply.status, reply.headers, body)


def _gunzip(packed: bytes) -> bytes:
    """At most one byte more than `LARGEST`. The checksum is left out, a fifth of the work: TLS has a better one."""
    said = int.from_bytes(packed[-4:], "little")  # the trailer's length: one buffer of that size is half the work
    if packed[:4] == _PLAIN and len(packed) * _MOST < LARGEST:
        body = zlib.decompress(memoryview(packed)[10:], -15, said or 1)
        if len(body) != said:
            raise zlib.error(f"{len(body)} bytes instead of {said}")
        return body
    gunzip = zlib.decompressobj(31)  # window bits for a stream with gzip's header and trailer
    body = gunzip.decompress(packed, LARGEST + 1)
    if not gunzip.eof and len(body) <= LARGEST:
        raise zlib.error("it ends in the middle")
    return body
