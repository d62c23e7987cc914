"""Ids in the forms that Klaviyo uses (FACTS §9.1, LIVE #5). Clients must treat them as opaque; lengths are real."""

from __future__ import annotations

import binascii
import hashlib
import uuid
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from random import Random
from typing import Any

from clavichord.sandbox.clock import SECOND, Clock

_BASE32 = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BASE62 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_PAIRS = [a + b for a in _BASE32 for b in _BASE32]
_PAIRS58 = [a + b for a in _BASE58 for b in _BASE58]


class Ids:
    """Makes ids on one clock and one source of chance, so that both can be fixed."""

    def __init__(self, clock: Clock, seed: int | None = None) -> None:
        self._clock = clock
        self._random = Random(seed)
        self._repeatable = seed is not None
        self._last = self._last_event = 0

    def state(self) -> tuple[Any, ...] | None:
        """What `restore` needs to make the same ids again; None where chance decides: ids then never come twice."""
        return (self._random.getstate(), self._last, self._last_event) if self._repeatable else None

    def restore(self, state: tuple[Any, ...] | None) -> None:
        if state is not None:
            self._random.setstate(state[0])
            self._last, self._last_event = state[1:]

    def ulid(self) -> str:
        """26 characters that sort in the order of their making, within a millisecond too."""
        value = (self._clock.now() // 1000) << 80 | self._random.getrandbits(80)
        if value >> 80 <= self._last >> 80:
            value = self._last + 1
        self._last = value
        pairs = _PAIRS
        return "".join([pairs[value >> shift & 1023] for shift in range(120, -1, -10)])

    def six(self) -> str:
        """A list, segment, metric, template, flow or form id."""
        return "".join(self._random.choices(_BASE62, k=6))

    def event(self) -> str:
        """11 characters that sort in the order of their making, so that their index only grows at its end."""
        number = max((self._clock.now() // 1000) << 22 | self._random.getrandbits(22), self._last_event + 1)
        self._last_event, pairs, parts = number, _PAIRS58, [_BASE58[number % 58]]
        number //= 58
        for _ in range(5):
            parts.append(pairs[number % 3364])
            number //= 3364
        return "".join(reversed(parts))

    def number(self, digits: int) -> str:
        """The id of an image, a form version, a web feed, a flow action (LIVE #5)."""
        return str(self._random.randrange(10 ** (digits - 1), 10**digits))

    def uuid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def import_job(self, account: str) -> str:
        """Unpadded base64 of `<account>_maintenance.<6>.<epoch>.<6>` (FACTS §7.1)."""
        plain = f"{account}_maintenance.{self.six()}.{self._clock.now() // SECOND}.{self.six()}"
        return b64encode(plain.encode()).decode().rstrip("=")


def account_id(key: str) -> str:
    """The account of an undeclared key: 6 characters that depend on nothing but the key."""
    number = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big")
    return "".join(_BASE62[number // 62**place % 62] for place in range(6))


def exchange_id(account: str, profile_id: str) -> str:
    """The `_kx` of a profile, which links carry to a shop's pages: opaque text, a dot, the account (inferred)."""
    return urlsafe_b64encode(profile_id.encode()).decode().rstrip("=") + "." + account


def exchanged(account: str, given: str) -> str | None:
    """The profile id behind a `_kx` of this account, None if it is none."""
    opaque, _, owner = given.rpartition(".")
    if owner != account or not opaque.isascii():
        return None
    try:
        return urlsafe_b64decode(opaque + "=" * (-len(opaque) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def event_uuid(timestamp: int, event_id: str) -> str:
    """Shaped like a version 1 UUID of the event's second; the low digits come from the id (FACTS §8.2)."""
    ticks = timestamp * 10_000_000 + 0x01B21DD213814000  # 100 ns since 1582-10-15
    low = hashlib.blake2b(event_id.encode(), digest_size=8).hexdigest()
    digits = f"{ticks & 0xFFFFFFFFFFFFFFF:015x}"
    return f"{digits[-8:]}-{digits[-12:-8]}-1{digits[:3]}-{'89ab'[int(low[0], 16) % 4]}{low[1:4]}-{low[4:]}"
