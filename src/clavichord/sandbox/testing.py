"""For tests of programs that talk to Klaviyo: a handle on a sandbox, in this process or in another one.

sandbox = SandboxHandle("http://127.0.0.1:4567", key="pk_mine")
sandbox.fail("create_event", status=503, times=2)
...
assert sandbox.count("create_event") == 3
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
import urllib3

from clavichord.sandbox.ids import account_id


class ControlError(Exception):
    """The control plane could not do what it was asked for; the text says why."""


class SandboxHandle:
    """A sandbox by its URL, and one account of it: that of `key`. Safe to use from any thread."""

    def __init__(self, base_url: str, key: str = "pk_test") -> None:
        self.base_url = base_url
        self.key = key
        self.account = account_id(key)
        """the account's id, its public key: what `company_id` is for `/client`"""
        self._pool = urllib3.PoolManager(retries=False, timeout=60)

    def control(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """Any request to the control plane: `control("GET", "coverage")`. ControlError."""
        given = {name: value for name, value in query.items() if value is not None}
        url = f"{self.base_url}/_sandbox/{path}" + (f"?{urlencode(given)}" if given else "")
        reply = self._pool.request(method, url, body=None if body is None else msgspec.json.encode(body))
        if reply.headers.get("content-type") != "application/json":
            return reply.data
        answer = msgspec.json.decode(reply.data)
        if reply.status >= 400:
            raise ControlError(answer["error"])
        return answer

    # State.

    def reset(self) -> None:
        """As new, or as the seed made it."""
        self.control("POST", "reset")

    def save(self, name: str) -> None:
        """Keeps the whole state under a name."""
        self.control("PUT", f"snapshots/{quote(name, safe='')}")

    def restore(self, name: str) -> None:
        self.control("POST", f"snapshots/{quote(name, safe='')}")

    def seed(self, seed: str | dict[str, Any]) -> None:
        """Adds `demo`, or what a seed file holds."""
        self.control("POST", "seed", {"name": seed} if isinstance(seed, str) else {"seed": seed})

    def state(self, what: str, **query: Any) -> Any:
        """accounts, profiles, profile, lists, events, resources, jobs, outbox, pending: this account's, without API."""
        return self.control("GET", f"state/{what}", **{"account": self.account, **query})

    def confirm(self, address: str | None = None, *, list: str | None = None, channel: str | None = None) -> None:
        """Confirms the double opt-ins that wait, as their links would. ControlError if none does."""
        asked = {"address": address, "list": list, "channel": channel}
        given = {name: value for name, value in asked.items() if value is not None}
        self.control("POST", "confirmations", {"account": self.account, **given})

    # Time.

    @property
    def now(self) -> str:
        """ISO 8601."""
        return str(self.control("GET", "clock")["now"])

    def freeze(self, at: str | None = None) -> None:
        """Stops the clock, at an instant if one is given."""
        self.control("POST", "clock", {"freeze": True, "set": at})

    def resume(self) -> None:
        self.control("POST", "clock", {"freeze": False})

    def advance(self, duration: str | float) -> None:
        """`3d`, `1h30m` or seconds; what falls due meanwhile is done at its own time."""
        self.control("POST", "clock", {"advance": duration})

    def run_until_idle(self) -> None:
        """Moves the clock on until no job is left."""
        self.control("POST", "clock/run-until-idle")

    # Faults and limits.

    def fail(self, operation: str = "*", *, everybody: bool = False, **fault: Any) -> None:
        """Adds a fault for this account (or everybody): `fail("create_event", status=503, times=2)`."""
        account = "" if everybody else self.account
        self.control("POST", "faults", {"operation": operation, "account": account, **fault})

    def heal(self) -> None:
        """Clears every fault."""
        self.control("DELETE", "faults")

    def limit(self, mode: str, scale: float | None = None) -> None:
        """off, headers, enforce; `scale` is a factor on every limit."""
        self.control("PUT", "limits", {"mode": mode, "scale": scale})

    # What was asked.

    def requests(self, operation: str | None = None, **filters: Any) -> list[dict[str, Any]]:
        """The latest requests of this account, oldest first; filters: status, method, path, test, unread, since."""
        query = {"account": self.account, "limit": 10_000, **filters}
        found: list[dict[str, Any]] = self.control("GET", "requests", operation=operation, **query)["requests"]
        return found

    def count(self, operation: str | None = None, **filters: Any) -> int:
        return len(self.requests(operation, **filters))

    def sent(self, operation: str, **filters: Any) -> list[Any]:
        """The bodies that an operation got, oldest first; those that are still kept."""
        numbers = [one["number"] for one in self.requests(operation, **filters)]
        return [self.control("GET", f"requests/{number}")["sent"] for number in numbers]

    def watch_unread(self, on: bool = True) -> None:
        """Looks for fields that nobody reads, from now on: `unread` of a request."""
        self.control("PUT", "requests/watch", {"unread": on})

    def download(self, name: str, file: Path) -> None:
        """Writes a snapshot to a file, for `--db`."""
        file.write_bytes(self.control("GET", f"snapshots/{quote(name, safe='')}"))
