"""Drives a real Chromium through its debugging protocol."""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

_LISTENING = re.compile(r"DevTools listening on (ws://\S+)")


class Page:
    """One tab. Everything waits for what it needs, nothing sleeps for luck."""

    def __init__(self, runner: asyncio.Runner, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._runner, self._socket = runner, socket
        self._number = 0
        self._session: str | None = None
        self.errors: list[str] = []
        """exceptions and violations of the content security policy, as the browser reports them"""
        target = self._send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._send(f"{domain}.enable")

    def _send(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        return self._runner.run(self._exchange(message))

    async def _exchange(self, message: dict[str, Any]) -> dict[str, Any]:
        await self._socket.send_str(msgspec.json.encode(message).decode())
        while True:
            got = msgspec.json.decode((await self._socket.receive(timeout=60)).data)
            if got.get("id") == message["id"]:
                assert "error" not in got, got
                result: dict[str, Any] = got["result"]
                return result
            self._note(got)

    def _note(self, got: dict[str, Any]) -> None:
        if got.get("method") == "Runtime.exceptionThrown":
            self.errors.append(str(got["params"]["exceptionDetails"]))
        elif got.get("method") == "Log.entryAdded" and got["params"]["entry"]["source"] in ("security", "javascript"):
            self.errors.append(got["params"]["entry"]["text"])

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression; a promise's when it has one."""
        got = self._send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in got, got
        return got["result"].get("value")

    def until(self, expression: str, seconds: float = 20) -> Any:
        deadline = time.monotonic() + seconds
        while not (value := self.run(expression)):
            assert time.monotonic() < deadline, f"{expression} did not come true; the page shows: {self.text()}"
            self._runner.run(asyncio.sleep(0.02))
        return value

    def open(self, url: str) -> None:
        """Waits until the page has drawn itself, also where only what is behind the `#` changes."""
        before = self.run("document.body.dataset.drawn ?? ''")
        same = self.run("location.href.split('#')[0]") == url.split("#")[0]
        if same:
            self.run(f"location.href = {msgspec.json.encode(url).decode()}")
            self.until(f"document.body.dataset.drawn !== {msgspec.json.encode(before).decode()}")
        else:
            self._send("Page.navigate", url=url)
            self.until("document.readyState === 'complete' && document.body.dataset.drawn")

    def text(self, selector: str = "main") -> str:
        return str(self.run(f"document.querySelector({msgspec.json.encode(selector).decode()})?.innerText ?? ''"))

    def click(self, label: str) -> None:
        """A button or link by its text; waits for the drawing that follows."""
        find = (
            "[...document.querySelectorAll('button, a')]"
            f".find((one) => one.innerText.trim() === {msgspec.json.encode(label).decode()})"
        )
        before = self.run("document.body.dataset.drawn")
        self.until(f"{find} !== undefined")
        self.run(f"{find}.click()")
        self.until(f"document.body.dataset.drawn !== '{before}'")

    def fill(self, label: str, value: str) -> None:
        """A field by its accessible name."""
        wanted, given = (msgspec.json.encode(one).decode() for one in (f'[aria-label="{label}"]', value))
        self.run(
            f"(() => {{ const field = document.querySelector({wanted}); field.value = {given};"
            " field.dispatchEvent(new Event('change', {bubbles: true})); })()"
        )

    def scheme(self, name: str) -> None:
        """light or dark"""
        self._send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def size(self, width: int, height: int) -> None:
        self._send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def screenshot(self, file: Path) -> None:
        file.write_bytes(b64decode(self._send("Page.captureScreenshot", format="png")["data"]))


@contextmanager
def chromium(program: str, profile: Path) -> Iterator[Page]:
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", f"--user-data-dir={profile}"]
    process = subprocess.Popen([program, *flags, "about:blank"], stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        found = next(filter(None, map(_LISTENING.search, process.stderr)), None)
        assert found is not None, "chromium ended before it listened"
        with asyncio.Runner() as runner:
            session = runner.run(_session())
            socket = runner.run(session.ws_connect(found.group(1), max_msg_size=0))
            try:
                yield Page(runner, socket)
            finally:
                runner.run(socket.close())
                runner.run(session.close())
    finally:
        process.terminate()
        process.communicate(timeout=30)


async def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession()
