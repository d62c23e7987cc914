"""Answers like Klaviyo's, made beforehand: a page of 100 full profiles (about 175 kB) and 202 for an event.

Run as a program it prints its base URL and serves until it is stopped. A page is gzipped for whoever accepts that, as
Klaviyo's are (FACTS §3): the official SDK asks for `identity`, this client for `gzip`.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PROFILES = 100
FIRST = ["Ada", "Grace", "Alan", "Edsger", "Barbara", "Donald", "Radia", "Tim", "Margaret", "Dennis"]
LAST = ["Lovelace", "Hopper", "Turing", "Dijkstra", "Liskov", "Knuth", "Perlman", "Lee", "Hamilton", "Ritchie"]
CITIES = [("Boston", "MA", "02110"), ("Austin", "TX", "73301"), ("Portland", "OR", "97201"), ("Denver", "CO", "80014")]


def profile(number: int, dice: random.Random) -> dict[str, Any]:
    """One profile with every attribute that a list gives unasked, and seven properties of a shop."""
    first, last = dice.choice(FIRST), dice.choice(LAST)
    city, region, code = dice.choice(CITIES)
    place = f"01J{dice.getrandbits(105):021X}"[:26]
    here = f"https://a.klaviyo.com/api/profiles/{place}"
    links = {name: {"links": {"self": f"{here}/relationships/{name}/", "related": f"{here}/{name}/"}} for name in (
        "lists", "segments", "push-tokens", "conversation")}  # fmt: skip
    return {
        "type": "profile",
        "id": place,
        "attributes": {
            "email": f"{first}.{last}.{number}@shop.example".lower(),
            "phone_number": f"+1617555{number:04}",
            "external_id": f"cust-{dice.getrandbits(40):x}",
            "first_name": first,
            "last_name": last,
            "organization": f"{last} & Co",
            "locale": "en-US",
            "title": "Customer",
            "image": f"https://img.shop.example/{dice.getrandbits(64):x}.png",
            "created": f"2024-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}T10:11:12+00:00",
            "updated": f"2026-{dice.randint(1, 6):02}-{dice.randint(1, 28):02}T10:11:12+00:00",
            "last_event_date": f"2026-{dice.randint(1, 6):02}-{dice.randint(1, 28):02}T10:11:12+00:00",
            "location": {
                "address1": f"{number} Main Street",
                "address2": "",
                "city": city,
                "country": "United States",
                "latitude": round(dice.uniform(25, 48), 4),
                "longitude": round(dice.uniform(-122, -70), 4),
                "region": region,
                "zip": code,
                "timezone": "America/New_York",
                "ip": f"10.{dice.randint(0, 255)}.{dice.randint(0, 255)}.{number}",
            },
            "properties": {
                "Tier": dice.choice(["gold", "silver", "bronze"]),
                "Orders": dice.randint(0, 40),
                "Total Spent": round(dice.uniform(0, 2000), 2),
                "Interests": dice.sample(["jazz", "folk", "opera", "rock", "blues"], 3),
                "Accepts Mail": dice.random() < 0.5,
                "Signup Source": dice.choice(["footer form", "checkout", "popup"]),
                "Favourite Shop": city,
            },
        },
        "relationships": links,
        "links": {"self": here + "/"},
    }


def page() -> bytes:
    dice = random.Random(1998)
    here = "https://a.klaviyo.com/api/profiles?page%5Bsize%5D=100"
    document = {
        "data": [profile(n, dice) for n in range(PROFILES)],
        "links": {"self": here, "next": here + "&page%5Bcursor%5D=bmV4dDo6aWQ6OjEwMA", "prev": None},
    }
    return json.dumps(document, separators=(",", ":")).encode()


def answer(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Date: Sat, 21 Nov 2026 10:00:00 GMT", *headers, f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


def limits(burst: int, steady: int) -> list[str]:
    return [
        f"RateLimit-Limit: {burst}, {burst};w=1, {steady};w=60",
        f"RateLimit-Remaining: {burst - 1}",
        "RateLimit-Reset: 0",
    ]


class Canned(asyncio.Protocol):
    """Reads a request, looks at its first word and its Accept-Encoding, answers."""

    plain = answer("200 OK", page(), "Content-Type: application/vnd.api+json", *limits(75, 750))
    zipped = answer(
        "200 OK",
        gzip.compress(page(), 6),
        "Content-Type: application/vnd.api+json",
        "Content-Encoding: gzip",
        *limits(75, 750),
    )
    accepted = answer("202 Accepted", b"", *limits(350, 3500))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._read = b""

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, end, rest = self._read.partition(b"\r\n\r\n")
        lowered = head.lower()
        _, _, length = lowered.partition(b"content-length:")
        if not end or len(rest) < int(length.partition(b"\r\n")[0] or 0):
            return
        self._read = b""
        if head.startswith(b"POST"):
            self._transport.write(self.accepted)
        else:
            self._transport.write(self.zipped if b"gzip" in lowered else self.plain)


@contextmanager
def canned_server() -> Iterator[str]:
    """The server in a process of its own; gives its base URL."""
    process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Canned, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
