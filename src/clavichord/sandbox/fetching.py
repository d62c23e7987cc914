"""What an address holds, as long as it leads nowhere beyond this machine: `data:` and loopback. The sandbox asks nobody
else, so that a test never depends on somebody's server and nothing leaves the machine."""

from __future__ import annotations

import binascii
import ipaddress
from base64 import b64decode
from urllib.parse import unquote_to_bytes, urlsplit

TIMEOUT = 2.0
"""seconds; the sandbox answers nobody else meanwhile"""


class Unreachable(Exception):
    """An address that does not answer, or not with what it should; the text says why."""


def is_near(url: str) -> bool:
    """Whether `fetch` may be asked for it."""
    if url.startswith("data:"):
        return True
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        return parts.scheme in ("http", "https") and (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return False


def fetch(url: str, limit: int, method: str = "GET") -> bytes:
    """The body of a 200, redirections not followed. Unreachable, also for more than `limit` bytes and for an address
    that is not near."""
    if not is_near(url):
        raise Unreachable(f"{url[:100]} is not on this machine")
    if url.startswith("data:"):
        return _data(url)
    import urllib3  # on first use: a tenth of the time that a start takes
    from urllib3.exceptions import HTTPError

    pool = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(total=TIMEOUT))
    try:
        answer = pool.request(method, url, redirect=False, preload_content=False)
        try:
            body = answer.read(limit + 1)
        finally:
            answer.release_conn()
    except (HTTPError, OSError) as error:
        raise Unreachable(f"{url[:100]}: {error}") from None
    if answer.status != 200:
        raise Unreachable(f"{url[:100]} answers {answer.status}")
    if len(body) > limit:
        raise Unreachable(f"{url[:100]} has more than {limit} bytes")
    return body


def _data(url: str) -> bytes:
    head, comma, data = url.partition(",")
    if not comma:
        raise Unreachable("a data URL without data")
    try:
        return b64decode(data, validate=True) if head.endswith(";base64") else unquote_to_bytes(data)
    except (binascii.Error, ValueError):
        raise Unreachable("a data URL that is not Base64") from None
