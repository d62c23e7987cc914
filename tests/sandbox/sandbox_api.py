"""A client for the sandbox's tests that is nothing but HTTP."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

import msgspec
import urllib3

JSON_API = "application/vnd.api+json"


class Reply(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def data(self) -> Any:
        return self.json["data"]

    @property
    def ids(self) -> list[str]:
        return [entry["id"] for entry in self.data]

    @property
    def errors(self) -> list[dict[str, Any]]:
        errors: list[dict[str, Any]] = self.json["errors"]
        return errors

    @property
    def faults(self) -> list[tuple[str, str]]:
        """(where, what) of every error"""
        return [(next(iter(error["source"].values())), error["detail"]) for error in self.errors]


class Api:
    """One account of a sandbox."""

    def __init__(self, base_url: str, key: str, revision: str = "2026-07-15") -> None:
        self.base_url = base_url
        self.key = key
        self.revision = revision
        self._pool = urllib3.PoolManager(retries=False)

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | str = "",
        headers: Mapping[str, str | None] = {},
    ) -> Reply:
        sent: dict[str, str | None] = {
            "Authorization": f"Klaviyo-API-Key {self.key}",
            "revision": self.revision,
            "Content-Type": None if body is None else JSON_API,
        }
        sent |= headers
        text = query if isinstance(query, str) else urlencode(query)
        raw = body if isinstance(body, bytes | None) else msgspec.json.encode(body)
        answer = self._pool.request(
            method,
            f"{self.base_url}{path}{'?' + text if text else ''}",
            body=raw,
            headers={name: value for name, value in sent.items() if value is not None},
            timeout=30,
        )
        return Reply(answer.status, answer.headers, answer.data)

    def at(self, revision: str) -> Api:
        """The same account under another revision."""
        return Api(self.base_url, self.key, revision)

    def get(self, path: str, **query: str) -> Reply:
        return self("GET", path, query=query)

    def profile(self, **attributes: Any) -> str:
        reply = self("POST", "/api/profiles", {"data": {"type": "profile", "attributes": attributes}})
        assert reply.status == 201, reply.body
        return str(reply.data["id"])

    def list(self, name: str = "Newsletter", **attributes: Any) -> str:
        reply = self("POST", "/api/lists", {"data": {"type": "list", "attributes": {"name": name, **attributes}}})
        assert reply.status == 201, reply.body
        return str(reply.data["id"])

    def join(self, list_id: str, *profile_ids: str) -> Reply:
        data = [{"type": "profile", "id": one} for one in profile_ids]
        return self("POST", f"/api/lists/{list_id}/relationships/profiles", {"data": data})

    def event(self, metric: str = "Placed Order", *, email: str, properties: Any = None, **attributes: Any) -> Reply:
        return self("POST", "/api/events", event(metric, email=email, properties=properties, **attributes))

    def imports(self, *entries: Mapping[str, Any], lists: tuple[str, ...] = ()) -> Reply:
        data: dict[str, Any] = {
            "type": "profile-bulk-import-job",
            "attributes": {"profiles": {"data": [{"type": "profile", **entry} for entry in entries]}},
        }
        if lists:
            data["relationships"] = {"lists": {"data": [{"type": "list", "id": one} for one in lists]}}
        return self("POST", "/api/profile-bulk-import-jobs", {"data": data})

    def consent(self, action: str, *entries: Mapping[str, Any], list_id: str | None = None, **attributes: Any) -> Reply:
        """`action`: create or delete"""
        kind = f"profile-subscription-bulk-{action}-job"
        profiles = [{"type": "profile", "attributes": entry} for entry in entries]
        data: dict[str, Any] = {"type": kind, "attributes": {"profiles": {"data": profiles}, **attributes}}
        if list_id:
            data["relationships"] = {"list": {"data": {"type": "list", "id": list_id}}}
        return self("POST", f"/api/{kind}s", {"data": data})

    def suppress(self, action: str, *emails: str, list_id: str | None = None) -> Reply:
        kind = f"profile-suppression-bulk-{action}-job"
        data: dict[str, Any] = {"type": kind, "attributes": {}}
        if emails:
            entries = [{"type": "profile", "attributes": {"email": email}} for email in emails]
            data["attributes"] = {"profiles": {"data": entries}}
        if list_id:
            data["relationships"] = {"list": {"data": {"type": "list", "id": list_id}}}
        return self("POST", f"/api/{kind}s", {"data": data})

    def person(self, email: str) -> dict[str, Any] | None:
        """Attributes of a profile with its consent, None if there is none."""
        query = {"filter": f'equals(email,"{email}")', "additional-fields[profile]": "subscriptions"}
        found = self("GET", "/api/profiles", query=query).data
        return {"id": found[0]["id"], **found[0]["attributes"]} if found else None

    def pages(self, path: str, **query: str) -> Iterator[Reply]:
        """Follows links.next by its query, as every client must."""
        reply = self.get(path, **query)
        while True:
            yield reply
            link = reply.json["links"]["next"]
            if link is None:
                return
            reply = self("GET", path, query=link.partition("?")[2])


def event(metric: str, *, email: str, properties: Any = None, **attributes: Any) -> dict[str, Any]:
    return {
        "data": {
            "type": "event",
            "attributes": {
                "properties": properties or {},
                "metric": {"data": {"type": "metric", "attributes": {"name": metric}}},
                "profile": {"data": {"type": "profile", "attributes": {"email": email}}},
                **attributes,
            },
        }
    }


def until(condition: Callable[[], Any], seconds: float = 10) -> Any:
    """What `condition` gives once it gives something; fails after a generous while."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)
