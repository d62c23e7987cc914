"""The control plane under `/_sandbox/`: what a test or a person does to the sandbox itself.

Plain JSON, so that nobody takes it for Klaviyo's. A page of another origin may not write here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple
from urllib.parse import parse_qsl, unquote

import msgspec
from msgspec import Meta, Struct

from clavichord.sandbox import coverage, seeds, state
from clavichord.sandbox.clock import EARLIEST, LATEST, SECOND, duration, micros, parse
from clavichord.sandbox.faults import Fault
from clavichord.sandbox.limits import Mode, Phase
from clavichord.sandbox.oauth import App
from clavichord.sandbox.resources import subscriptions
from clavichord.sandbox.wire import Headers, Reply, Request

if TYPE_CHECKING:
    from clavichord.sandbox.app import Sandbox

_MAX_ENTRIES = 10_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_JSON = (b"content-type", b"application/json")


class _Misused(Exception):
    """A control request that cannot be done; the text says why."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


class _Control(NamedTuple):
    """A control request: `name` is the last segment of paths that end in one."""

    query: dict[str, str]
    body: bytes
    name: str

    def read(self, form: Any) -> Any:
        """The body as `form`; one that is empty has every default. _Misused."""
        try:
            return msgspec.json.decode(self.body or b"{}", type=form)
        except (ValueError, RecursionError) as error:
            raise _Misused(f"body: {error}") from None

    def number(self, name: str, default: int | None = None) -> int | None:
        text = self.query.get(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 16):
            raise _Misused(f"{name}={text}: a whole number is expected")
        return int(text)


class _File(NamedTuple):
    """An answer that is no JSON."""

    body: bytes
    name: str


class Clock(Struct, forbid_unknown_fields=True):
    """What to do to the clock, in this order. `set`: an ISO 8601 instant · `advance`: `3d`, `1h30m`, seconds."""

    freeze: bool | None = None
    """False lets it run again"""
    set: str | None = None
    advance: str | float | None = None


class Limits(Struct, forbid_unknown_fields=True):
    """What is missing stays as it is."""

    mode: Mode | None = None
    windows: Phase | None = None
    scale: Annotated[float, Meta(gt=0, le=1_000_000)] | None = None


class Watch(Struct, forbid_unknown_fields=True):
    """Whether fields that nobody reads are looked for."""

    unread: bool


class Seeding(Struct, forbid_unknown_fields=True):
    """`name`: a built-in seed · otherwise `seed`, what a seed file holds."""

    name: str = ""
    seed: Any = None


class Confirming(Struct, forbid_unknown_fields=True):
    """Whose subscriptions are confirmed: what is missing is anything. `list`: its id, "" for none."""

    account: str
    address: str | None = None
    list: str | None = None
    channel: str | None = None


def _version() -> str:
    try:
        return version("clavichord")
    except PackageNotFoundError:
        return "unknown"


def _health(sandbox: Sandbox, given: _Control) -> Any:
    return {
        "status": "ok",
        "version": _version(),
        "revision": sandbox.releases.stable.catalogue.revision,
        "limits": sandbox.limits.mode,
        "quirks": sandbox.quirks,
        "counts": sandbox.engine.store.counts(),
        "implemented": sandbox.implemented,
        "operations": len(sandbox.releases.stable.catalogue.operations),
    }


def _reset(sandbox: Sandbox, given: _Control) -> Any:
    sandbox.reset()
    return {"status": "reset"}


def _seed(sandbox: Sandbox, given: _Control) -> Any:
    asked = given.read(Seeding)
    if asked.name not in ("", "demo"):
        raise _Misused(f"name: there is no built-in seed {asked.name!r}; there is demo")
    seeds.plant(sandbox, seeds.read("demo") if asked.name else seeds.parsed(asked.seed))
    return {"status": "seeded", "counts": sandbox.engine.store.counts()}


def _clock(sandbox: Sandbox, given: _Control) -> Any:
    clock, jobs = sandbox.clock, sandbox.engine.jobs
    due = jobs.next_due()
    return {
        "now": micros(clock.now()),
        "frozen": clock.frozen,
        "next_due": micros(due) if due is not None else None,
        "tasks": sandbox.engine.store.counts()["task"],
    }


def _set_clock(sandbox: Sandbox, given: _Control) -> Any:
    asked, clock = given.read(Clock), sandbox.clock
    target = parse(asked.set) if asked.set is not None else clock.now()
    seconds = duration(str(asked.advance)) if asked.advance is not None else 0
    if target is None:
        raise _Misused(f"set: {asked.set!r} is no ISO 8601 instant")
    if seconds is None:
        raise _Misused(f"advance: {asked.advance!r} is no duration; write 3d, 1h30m or seconds")
    if not EARLIEST <= target <= target + round(seconds * SECOND) <= LATEST:
        raise _Misused("the clock goes from 1970 to 2200")
    if asked.freeze is not None:
        clock.freeze() if asked.freeze else clock.resume()
    if asked.set is not None:
        clock.set(target)
    stops = sandbox.travel(clock.now() + round(seconds * SECOND)) if asked.advance is not None else 0
    sandbox.engine.jobs.wake()
    return {**_clock(sandbox, given), "stops": stops}


def _run_until_idle(sandbox: Sandbox, given: _Control) -> Any:
    stops = sandbox.travel(None)
    return {**_clock(sandbox, given), "stops": stops}


def _snapshots(sandbox: Sandbox, given: _Control) -> Any:
    return {"snapshots": sandbox.snapshots.list()}


def _save(sandbox: Sandbox, given: _Control) -> Any:
    if _NAME.fullmatch(given.name) is None:
        raise _Misused("a snapshot's name has letters, digits, '-', '_' and '.'")
    sandbox.snapshots.save(given.name)
    return {"status": "saved", "name": given.name}


def _named(sandbox: Sandbox, given: _Control) -> str:
    if not given.name or given.name not in sandbox.snapshots:
        names = ", ".join(one["name"] for one in sandbox.snapshots.list()) or "none"
        raise _Misused(f"there is no snapshot {given.name!r}; there are: {names}", 404)
    return given.name


def _restore(sandbox: Sandbox, given: _Control) -> Any:
    sandbox.restore(_named(sandbox, given))
    return {"status": "restored", "name": given.name}


def _forget(sandbox: Sandbox, given: _Control) -> Any:
    sandbox.snapshots.delete(_named(sandbox, given))
    return {"status": "deleted", "name": given.name}


def _download(sandbox: Sandbox, given: _Control) -> Any:
    name = _named(sandbox, given)
    return _File(sandbox.snapshots.file(name), f"{name}.db")


def _faults(sandbox: Sandbox, given: _Control) -> Any:
    return {"faults": sandbox.faults.report()}


def _add_faults(sandbox: Sandbox, given: _Control) -> Any:
    asked: list[Fault] | Fault = given.read(list[Fault] | Fault)
    faults = asked if isinstance(asked, list) else [asked]
    sandbox.faults.add(faults, sandbox.releases.operations)
    return _faults(sandbox, given)


def _set_faults(sandbox: Sandbox, given: _Control) -> Any:
    before = sandbox.faults
    sandbox.faults = type(before)()
    try:
        return _add_faults(sandbox, given)
    except (ValueError, _Misused):
        sandbox.faults = before
        raise


def _clear_faults(sandbox: Sandbox, given: _Control) -> Any:
    sandbox.faults.clear()
    return _faults(sandbox, given)


def _limits(sandbox: Sandbox, given: _Control) -> Any:
    return {"mode": sandbox.limits.mode, "windows": sandbox.limits.phase, "scale": sandbox.limits.scale}


def _set_limits(sandbox: Sandbox, given: _Control) -> Any:
    asked, limits = given.read(Limits), sandbox.limits
    limits.configure(asked.mode or limits.mode, asked.windows or limits.phase, asked.scale or limits.scale)
    return _limits(sandbox, given)


_FILTERS = frozenset(("operation", "status", "method", "account", "path", "test", "unread", "since", "limit"))


def _requests(sandbox: Sandbox, given: _Control) -> Any:
    wrong = given.query.keys() - _FILTERS
    if wrong:
        raise _Misused(f"{', '.join(sorted(wrong))}: no such filter; there are {', '.join(sorted(_FILTERS))}")
    operation = given.query.get("operation")
    if operation is not None and operation not in sandbox.releases.operations:
        raise _Misused(f"operation={operation}: there is no such operation")
    entries = sandbox.journal.entries(
        operation=operation,
        status=given.number("status"),
        method=given.query.get("method"),
        account=given.query.get("account"),
        path=given.query.get("path", ""),
        test=given.query.get("test", ""),
        unread=given.query.get("unread") in ("1", "true"),
        since=given.number("since") or 0,
        limit=min(given.number("limit") or 100, _MAX_ENTRIES),
    )
    return {"requests": entries, "watching": sandbox.journal.watching}


def _counts(sandbox: Sandbox, given: _Control) -> Any:
    return sandbox.journal.counts()


def _request(sandbox: Sandbox, given: _Control) -> Any:
    number = int(given.name) if given.name.isascii() and given.name.isdigit() and len(given.name) < 16 else 0
    found = sandbox.journal.entry(number)
    if found is None:
        raise _Misused(f"request {given.name} is not in the journal", 404)
    entry, sent, answered = found
    return {"request": entry, "sent": _shown(sent), "answered": _shown(answered)}


def _shown(body: bytes | None) -> Any:
    """A body as JSON where it is JSON, as text where it is not."""
    if body is None or not body:
        return None
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace")


def _watch(sandbox: Sandbox, given: _Control) -> Any:
    sandbox.journal.watching = given.read(Watch).unread
    return {"unread": sandbox.journal.watching}


def _coverage(sandbox: Sandbox, given: _Control) -> Any:
    return coverage.report(sandbox)


def _apps(sandbox: Sandbox, given: _Control) -> Any:
    return {"apps": sandbox.oauth.apps()}


def _declare_app(sandbox: Sandbox, given: _Control) -> Any:
    sandbox.oauth.declare(given.read(App))
    return _apps(sandbox, given)


def _confirm(sandbox: Sandbox, given: _Control) -> Any:
    asked = given.read(Confirming)
    address = asked.address.lower() if asked.address is not None else None
    wanted = {"address": address, "list": asked.list, "channel": asked.channel}
    wanted = {name: value for name, value in wanted.items() if value is not None}
    waiting = subscriptions.pending(sandbox.engine, asked.account)
    found = [one for one in waiting if wanted.items() <= one._asdict().items()]
    if not found:
        what = ", ".join(f"{name} {value!r}" for name, value in wanted.items()) or "anybody"
        raise _Misused(f"nobody of account {asked.account!r} waits for a confirmation of {what}", 404)
    subscriptions.confirm(sandbox.engine, found)
    return {"confirmed": [{"list": one.list, "channel": one.channel, "address": one.address} for one in found]}


def _state(sandbox: Sandbox, given: _Control) -> Any:
    reader = state.READERS.get(given.name)
    if reader is None:
        raise _Misused(f"there is no {given.name!r} to read; there are {', '.join(state.READERS)}", 404)
    try:
        return reader(sandbox, given.query)
    except state.Unknown as unknown:
        raise _Misused(str(unknown), 404) from None


_Handler = Callable[["Sandbox", _Control], Any]
_ROUTES: dict[str, dict[str, _Handler]] = {
    "/_sandbox/health": {"GET": _health},
    "/_sandbox/reset": {"POST": _reset},
    "/_sandbox/seed": {"POST": _seed},
    "/_sandbox/clock": {"GET": _clock, "POST": _set_clock},
    "/_sandbox/clock/run-until-idle": {"POST": _run_until_idle},
    "/_sandbox/snapshots": {"GET": _snapshots},
    "/_sandbox/snapshots/{name}": {"GET": _download, "PUT": _save, "POST": _restore, "DELETE": _forget},
    "/_sandbox/faults": {"GET": _faults, "PUT": _set_faults, "POST": _add_faults, "DELETE": _clear_faults},
    "/_sandbox/limits": {"GET": _limits, "PUT": _set_limits},
    "/_sandbox/requests": {"GET": _requests},
    "/_sandbox/requests/count": {"GET": _counts},
    "/_sandbox/requests/watch": {"PUT": _watch},
    "/_sandbox/requests/{name}": {"GET": _request},
    "/_sandbox/coverage": {"GET": _coverage},
    "/_sandbox/oauth/apps": {"GET": _apps, "POST": _declare_app},
    "/_sandbox/confirmations": {"POST": _confirm},
    "/_sandbox/state/{name}": {"GET": _state},
}


def own_origin(request: Request) -> bool:
    """Whether a request comes from the sandbox's own page or from no page at all: a browser names the page's origin
    with every write, and a foreign one must not be able to change anything."""
    origin = request.headers.get(b"origin")
    if origin is None:
        return request.headers.get(b"sec-fetch-site", b"none") in (b"none", b"same-origin")
    return origin.partition(b"://")[2] == request.headers.get(b"host", b"")


def answer(sandbox: Sandbox, request: Request) -> Reply:
    path, method = request.raw_path.rstrip("/"), "GET" if request.method == "HEAD" else request.method
    name = ""
    methods = _ROUTES.get(path)
    if methods is None:
        parent, _, name = path.rpartition("/")
        methods = _ROUTES.get(parent + "/{name}")
    if methods is None:
        return _failed(404, f"{path}: there is no such control; there are {', '.join(_ROUTES)}")
    handler = methods.get(method)
    if handler is None:
        return _failed(405, f"{path} takes {', '.join(methods)}")
    if method != "GET" and not own_origin(request):
        return _failed(403, "a page of another origin may not change the sandbox")
    query = dict(parse_qsl(request.query.decode("latin-1")))
    try:
        result = handler(sandbox, _Control(query, request.body, unquote(name)))
    except _Misused as misuse:
        return _failed(misuse.status, str(misuse))
    except ValueError as error:  # SeedError, faults.Misused
        return _failed(400, str(error))
    if isinstance(result, _File):
        disposition = f'attachment; filename="{result.name}"'.encode()
        headers: Headers = [(b"content-type", b"application/vnd.sqlite3"), (b"content-disposition", disposition)]
        return Reply(200, result.body, headers)
    return Reply(200, msgspec.json.encode(result), [_JSON])


def _failed(status: int, text: str) -> Reply:
    return Reply(status, msgspec.json.encode({"error": text}), [_JSON])
