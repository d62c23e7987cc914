"""Seed files: the state that a sandbox begins with and a reset goes back to, in YAML or JSON.

Everything is planted through the API's own behaviours, so a seed obeys the rules that a client obeys:

    clock: 2026-06-01T09:00:00Z
    accounts:
      - key: pk_shop
        lists: [Newsletter]
        profiles:
          - {email: ann@shop.test, lists: [Newsletter], consent: {email: SUBSCRIBED}, at: 2026-01-05}
        events:
          - {metric: Placed Order, email: ann@shop.test, time: 2026-02-01, value: 12.5, properties: {OrderId: 1}}
        create:
          catalog-item: [{external_id: tee, title: Tee, description: A tee, url: "https://shop.test/tee"}]
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from clavichord.sandbox import demo, generic, inferred
from clavichord.sandbox.call import Call
from clavichord.sandbox.clock import EARLIEST, LATEST, SECOND, VirtualClock, micros, parse
from clavichord.sandbox.errors import Refusal
from clavichord.sandbox.ids import account_id
from clavichord.sandbox.oauth import App
from clavichord.sandbox.query import Query
from clavichord.sandbox.resources import metrics

if TYPE_CHECKING:
    from clavichord.sandbox.app import Sandbox

_LABEL = re.compile(r"\$([A-Za-z][\w-]*)")
_ACCOUNT = re.compile(r"[A-Za-z0-9]{6}")
_DEMO = "demo"


class SeedError(ValueError):
    """A seed that cannot be planted: where, what, and what to do."""

    def __init__(self, at: str, what: str) -> None:
        super().__init__(f"seed: {at}: {what}" if at else f"seed: {what}")


class Key(Struct, forbid_unknown_fields=True):
    """A declared key. `scopes` None: all of them."""

    key: str
    scopes: list[str] | None = None


class Person(Struct):
    """A profile; whatever is not named here is an attribute of it."""

    lists: list[str] = []
    consent: dict[str, str] = {}
    """channel → SUBSCRIBED | UNSUBSCRIBED"""
    suppressed: bool = False
    at: str | None = None


class Account(Struct, forbid_unknown_fields=True):
    """One account. Its id follows from `key` unless it is given; `keys` are declared, and then others are refused."""

    id: str = ""
    key: str = ""
    keys: list[Key] = []
    attributes: dict[str, Any] = {}
    """what GET /api/accounts tells: timezone, preferred_currency, contact_information, …"""
    metrics: list[str] = []
    lists: list[str | dict[str, Any]] = []
    profiles: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    create: dict[str, list[dict[str, Any]]] = {}
    """JSON:API type → attributes of what is created, with `relationships`, `as` (a label, used as `$label`) and `at`"""
    geofences: list[dict[str, Any]] = []
    reviews: list[dict[str, Any]] = []


class Seed(Struct, forbid_unknown_fields=True):
    """A whole seed file. `clock`: an instant to begin at; `frozen`: it stands still there."""

    accounts: list[Account] = []
    apps: list[App] = []
    clock: str | None = None
    frozen: bool = False


def read(source: str | Path) -> Seed:
    """A seed file, or the built-in one for `demo`. SeedError."""
    if source == _DEMO:
        return parsed(demo.document())
    path = Path(source)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SeedError(str(source), f"cannot be read: {error}; give a file, or demo") from None
    return parsed(_document(path, text))


def _document(path: Path, text: str) -> Any:
    if path.suffix == ".json":
        try:
            return msgspec.json.decode(text)
        except ValueError as error:
            raise SeedError(path.name, f"is no JSON: {error}") from None
    try:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError
    except ModuleNotFoundError:
        raise SeedError(path.name, "YAML needs ruamel.yaml; install it, or write the seed as .json") from None
    try:
        return _plain(YAML(typ="safe", pure=True).load(text))
    except YAMLError as error:
        raise SeedError(path.name, f"is no YAML: {error}") from None


def _plain(value: Any) -> Any:
    """YAML's own dates as the text they were; everything else as it is."""
    if isinstance(value, dict):
        return {str(name): _plain(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def parsed(document: Any) -> Seed:
    """A seed as data. SeedError that names the member."""
    try:
        return msgspec.convert(document, Seed)
    except msgspec.ValidationError as error:
        what, _, at = str(error).partition(" - at ")
        raise SeedError(at.strip("`").removeprefix("$").lstrip("."), what) from None


def _account_of(account: Account, at: str) -> str:
    keys = [key for key in (account.key, *(one.key for one in account.keys)) if key]
    if account.key and account.id:
        raise SeedError(at, "give `key` or `id`: the account of a key follows from it; declare `keys` for both")
    if any(not key.startswith("pk_") or len(key) < 4 for key in keys):
        raise SeedError(at, "a key begins with pk_")
    found = account.id or (account_id(keys[0]) if keys else "")
    if _ACCOUNT.fullmatch(found) is None:
        raise SeedError(at, "an account needs a key (pk_…) or an id of six letters and digits")
    return found


def declare_keys(sandbox: Sandbox, seed: Seed | None) -> None:
    """The keys of a seed whose data is there already: they are kept nowhere but in memory. SeedError."""
    for number, account in enumerate(seed.accounts if seed is not None else ()):
        owner = _account_of(account, f"accounts[{number}]")
        for key in account.keys:
            sandbox.keyring.declare(key.key, key.scopes, owner)


def plant(sandbox: Sandbox, seed: Seed) -> None:
    """Adds a seed to what there is. SeedError; what was planted before it stays."""
    jobs, delay = sandbox.engine.jobs, sandbox.engine.jobs.delay
    declare_keys(sandbox, seed)
    if seed.frozen:
        sandbox.clock.freeze()
    if seed.clock is not None:
        sandbox.clock.set(_instant("clock", seed.clock))
    jobs.delay = 0  # accepted work is done before the next entry looks for it
    try:
        for app in seed.apps:
            sandbox.oauth.declare(app)
        for number, account in enumerate(seed.accounts):
            with sandbox.engine.store.write():
                _Planter(sandbox, account, f"accounts[{number}]").plant()
    finally:
        jobs.delay = delay


def _instant(at: str, text: str) -> int:
    instant = parse(text)
    if instant is None or not EARLIEST <= instant <= LATEST:
        raise SeedError(at, f"{text!r} is no ISO 8601 date-time between 1970 and 2200")
    return instant


@contextmanager
def _moment(clock: VirtualClock, instant: int | None) -> Iterator[None]:
    """The clock stands at `instant` meanwhile."""
    if instant is None:
        yield
        return
    state = clock.state()
    clock.restore((instant, 0))
    try:
        yield
    finally:
        clock.restore(state)


class _Planter:
    """Plants one account; `at` is where its entries stand in the file."""

    def __init__(self, sandbox: Sandbox, account: Account, at: str) -> None:
        self._sandbox, self._given, self._at = sandbox, account, at
        self.account = _account_of(account, at)
        self._lists: dict[str, str] = {}
        self._labels: dict[str, str] = {}

    def plant(self) -> None:
        sandbox, given = self._sandbox, self._given
        sandbox.open(self.account)
        if given.attributes:
            self._row("account", self.account, given.attributes)
        for name in given.metrics:
            metrics.ensure(sandbox.engine, self.account, name, metrics.API, sandbox.clock.now())
        for index, entry in enumerate(given.lists):
            attributes = {"name": entry} if isinstance(entry, str) else entry
            made = self._call(f"lists[{index}]", "create_list", {"type": "list", "attributes": attributes})
            self._lists[str(attributes["name"])] = made["id"]
        for kind, entries in given.create.items():
            for index, created in enumerate(entries):
                self._create(f"create.{kind}[{index}]", kind, created)
        for index, profile in enumerate(given.profiles):
            self._profile(f"profiles[{index}]", profile)
        for index, event in enumerate(given.events):
            self._event(f"events[{index}]", event)
        for kind, rows in (("geofence", given.geofences), ("review", given.reviews)):
            for row in rows:
                self._row(kind, sandbox.engine.ids.uuid(), row)

    def _row(self, kind: str, row_id: str, attributes: Mapping[str, Any]) -> None:
        """What has no operation that could make it."""
        engine = self._sandbox.engine
        generic.insert(engine.store, self.account, kind, row_id, attributes, engine.clock.now())

    def _call(self, at: str, operation_id: str, data: Any) -> Any:
        """The `data` that an operation answers. SeedError with its refusal."""
        sandbox = self._sandbox
        release = sandbox.releases.stable
        operation = release.catalogue.operations[operation_id]
        data = self._resolved(at, data)
        try:
            faults = release.engine.bodies.faults(operation.body, {"data": data})
            if faults:
                raise Refusal(*faults)
            query = Query([], size=100)
            path = operation.path
            call = Call(release.engine, operation, self.account, sandbox.clock.now(), path, "", query, data)
            answer = release.behaviours[operation_id](call)
        except Refusal as refusal:
            error = refusal.errors[0]
            raise SeedError(f"{self._at}.{at}", f"{error.detail} ({next(iter(error.source.values()))})") from None
        return msgspec.json.decode(answer.body)["data"] if answer.body else None

    def _resolved(self, at: str, value: Any) -> Any:
        """`$label` becomes the id of what was created with that label."""
        if isinstance(value, dict):
            return {name: self._resolved(at, member) for name, member in value.items()}
        if isinstance(value, list):
            return [self._resolved(at, item) for item in value]
        found = _LABEL.fullmatch(value) if isinstance(value, str) else None
        return self._labels.get(found.group(1), value) if found else value

    def _create(self, at: str, kind: str, given: Mapping[str, Any]) -> None:
        attributes = dict(given)
        label, moment = attributes.pop("as", None), attributes.pop("at", None)
        relationships = attributes.pop("relationships", None)
        operation = next(
            (
                one
                for one in self._sandbox.releases.stable.catalogue.operations.values()
                if one.method == "POST" and one.kind == "collection" and one.body_type == kind
            ),
            None,
        )
        if operation is None or operation.id not in self._sandbox.releases.stable.behaviours:
            raise SeedError(f"{self._at}.{at}", f"nothing of type {kind!r} can be created")
        data: dict[str, Any] = {"type": kind, "attributes": attributes}
        if relationships is not None:
            data["relationships"] = relationships
        with _moment(self._sandbox.clock, None if moment is None else _instant(f"{self._at}.{at}.at", moment)):
            made = self._call(at, operation.id, data)
        if label is not None and made is not None:
            self._labels[str(label)] = made["id"]

    def _profile(self, at: str, given: dict[str, Any]) -> None:
        said = {name: given[name] for name in Person.__struct_fields__ if name in given}
        try:
            person = msgspec.convert(said, Person)
        except msgspec.ValidationError as error:
            raise SeedError(f"{self._at}.{at}", str(error)) from None
        attributes = {name: value for name, value in given.items() if name not in said}
        instant = None if person.at is None else _instant(f"{self._at}.{at}.at", person.at)
        with _moment(self._sandbox.clock, instant):
            made = self._call(at, "create_or_update_profile", {"type": "profile", "attributes": attributes})
            store, now = self._sandbox.engine.store, self._sandbox.clock.now()
            for name in person.lists:
                if name not in self._lists:
                    raise SeedError(f"{self._at}.{at}.lists", f"{name!r} is not among the account's lists")
                generic.link(store, self.account, "list", self._lists[name], "profiles", [made["id"]], now)
            self._consent(at, attributes, person.consent)
            if person.suppressed:
                self._suppress(at, attributes)

    def _consent(self, at: str, attributes: Mapping[str, Any], consent: Mapping[str, str]) -> None:
        addresses = {name: attributes[name] for name in ("email", "phone_number") if attributes.get(name)}
        for kind, state, operation in (
            ("create", "SUBSCRIBED", "bulk_subscribe_profiles"),
            ("delete", "UNSUBSCRIBED", "bulk_unsubscribe_profiles"),
        ):
            channels = [channel for channel, wanted in consent.items() if wanted == state]
            if not channels:
                continue
            said: dict[str, Any] = {"consent": state}
            if kind == "create":
                said["consented_at"] = micros(self._sandbox.clock.now() - SECOND)
            subscriptions = {channel: {"marketing": said} for channel in channels}
            profiles = [{"type": "profile", "attributes": {**addresses, "subscriptions": subscriptions}}]
            body: dict[str, Any] = {"profiles": {"data": profiles}}
            if kind == "create":
                body["historical_import"] = True
            self._call(
                f"{at}.consent", operation, {"type": f"profile-subscription-bulk-{kind}-job", "attributes": body}
            )
        wrong = set(consent.values()) - {"SUBSCRIBED", "UNSUBSCRIBED"}
        if wrong:
            raise SeedError(f"{self._at}.{at}.consent", "a channel is SUBSCRIBED or UNSUBSCRIBED")

    def _suppress(self, at: str, attributes: Mapping[str, Any]) -> None:
        profiles = [{"type": "profile", "attributes": {"email": attributes.get("email")}}]
        data = {"type": "profile-suppression-bulk-create-job", "attributes": {"profiles": {"data": profiles}}}
        self._call(f"{at}.suppressed", "bulk_suppress_profiles", data)

    def _event(self, at: str, given: dict[str, Any]) -> None:
        attributes = {"properties": {}, **given}
        who = {name: attributes.pop(name) for name in ("email", "phone_number", "external_id") if name in attributes}
        metric = attributes.pop("metric", None)
        if not who or metric is None:
            raise SeedError(f"{self._at}.{at}", "an event needs a metric and email, phone_number or external_id")
        if who.get("email", "").rpartition("@")[2] in inferred.DISCARDED_DOMAINS:
            raise SeedError(f"{self._at}.{at}", "Klaviyo drops events of this domain without a word; use another one")
        attributes["metric"] = {"data": {"type": "metric", "attributes": {"name": metric}}}
        attributes["profile"] = {"data": {"type": "profile", "attributes": who}}
        happened = parse(attributes["time"]) if isinstance(attributes.get("time"), str) else None
        clock = self._sandbox.clock
        arrived = happened if happened is not None and EARLIEST <= happened <= clock.now() else None
        with _moment(clock, arrived):  # it arrives when it happens, unless that is still to come
            self._call(at, "create_event", {"type": "event", "attributes": attributes})
