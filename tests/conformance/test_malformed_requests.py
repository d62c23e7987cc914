"""Whatever is malformed is refused in JSON:API's form, and a refused request has written nothing: bodies that are wrong
in one place, ids, cursors, headers; for every operation of both revisions."""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conformance import every_operation
from tests.sandbox.sandbox_api import Api, Reply

from clavichord.sandbox.serve import Running, running
from clavichord.spec import Operation, load

REVISIONS = ("2026-07-15", "2026-10-15")
_TABLES = (
    "account",
    "resource",
    "edge",
    "profile",
    "suppression",
    "event",
    "task",
    "import_error",
    "pending",
    "outbox",
)
_WILD: list[Any] = [
    *(None, True, 0, -1, 1.5, 10**400, [], {}, [[]], [None], {"": None}, {"data": None}, {"$ref": "#"}),
    *("", " ", "\x00", "x" * 5000, "é😀", "null", "2026-13-45", "-0001-01-01T00:00:00Z"),
    *("{{ x }}", "$['a", "https://[", "<script>", "%s", "../.."),
]
_IDS = [
    "%00",
    "%2F",
    "x" * 300,
    "%F0%9F%98%80",
    "%ED%A0%80",
    "-1",
    "9" * 40,
    "null",
    "'",
    "%25",
    "$custom:::",
    ":::",
    "~",
]
_CURSORS = ["", "=", "x", "bnVsbA", "W10", "WzFd", "WyJhIiwiYiIsdHJ1ZV0", "x" * 5000, "\x00", "https://", "é", "{}"]
_FIRST, _LAST = frozenset(every_operation.FIRST.split()), frozenset(every_operation.LAST.split())
_ELSEWHERE = ("upload_image_from_file",)
"""not JSON: tests/sandbox/test_sandbox_images.py"""
_OF_NOTHING = ("get_object_type_relationships", "get_profile_type_relationships")
"""recorded: what is not there has no relationships"""
_DESTRUCTIVE = ("merge_profiles", "request_profile_deletion", "bulk_delete_object_records")


@dataclass
class World:
    """A sandbox in whose account everything has been made that can be made."""

    served: Running
    api: Api
    revision: str
    known: dict[str, str]
    bodies: dict[str, Any]
    """operation → a body that is right"""

    @property
    def operations(self) -> Mapping[str, Operation]:
        return load(self.revision).operations

    @property
    def own(self) -> list[Operation]:
        return every_operation.own(self.revision)

    def state(self) -> int:
        execute = self.served.sandbox.engine.store.execute
        return hash(tuple(tuple(execute(f"SELECT * FROM {table}").fetchall()) for table in _TABLES))

    def ask(self, operation: Operation, body: Any = None, *, id: str = "", query: str = "", **headers: str) -> Reply:
        """Checks the answer, and that a refusal left everything as it was."""
        name = id or quote(self.known.get(operation.base, "x"), safe="")
        path = operation.path.replace("{" + "".join(operation.path_params) + "}", name)
        if operation.path.startswith("/client/"):
            query = f"company_id={self.known['account']}&{query}"
        before = self.state() if operation.method != "GET" else 0
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        reply = self.api(operation.method, path, body, query=query, headers={"revision": self.revision, **given})
        assert reply.status < 500, (operation.id, path, query, body, reply.body)
        if reply.status >= 400:
            assert reply.errors
            assert operation.method == "GET" or self.state() == before, (operation.id, path, query, body, reply.body)
        return reply


@pytest.fixture(scope="module", params=REVISIONS)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    catalogue = load(request.param)
    with running(limits="off", job_delay=0) as served:
        made = World(served, Api(served.base_url, "pk_world"), request.param, {"revision": request.param}, {})
        for call in every_operation.calls(catalogue, frozenset(catalogue.operations)):
            name, _, label = call.partition(":")
            operation = catalogue.operations[name]
            if name == "get_reviews":
                every_operation.write_review(made.api, made.known["account"])
            if operation.path.startswith("/client/") or operation.method == "DELETE" or operation.id in _ELSEWHERE:
                continue
            arguments, _ = every_operation.arguments(catalogue, call, made.known)
            body = next((one for one in arguments if isinstance(one, dict)), None)
            if body is not None:
                made.bodies[name] = body
            if name in _LAST or (operation.method == "GET" and name not in _FIRST):
                continue
            id = quote(arguments[0], safe="") if operation.path_params else ""
            query = "include=object-schemas,profile-object-schemas" if name == "get_object_schema" else ""
            reply = made.ask(operation, body, id=id, query=query)
            assert reply.status < 400, (call, reply.body)
            if reply.body:
                for kind, found in every_operation.seen(reply.json):
                    made.known.setdefault(f"{label}:{kind}" if label else kind, found)
        yield made


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    if isinstance(value, dict | list):
        for step, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(inner, (*at, step))


def changed(body: Any, at: tuple[Any, ...], value: Any, how: str) -> Any:
    """The body with one place replaced, left out, doubled or joined by another member; the same if that cannot be."""
    if not at:
        return value
    made = copy.deepcopy(body)
    owner = made
    for step in at[:-1]:
        owner = owner[step]
    if how == "gone":
        del owner[at[-1]]
    elif how == "replaced":
        owner[at[-1]] = value
    elif how == "beside" and isinstance(owner, dict):
        owner["unheard_of"] = value
    elif how == "twice" and isinstance(owner, list):
        owner.append(copy.deepcopy(owner[at[-1]]))
    else:
        return body
    return made


def test_bodies_that_are_none(world: World) -> None:
    for body in (
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"data":' * 2000,
        b'{"data":1}',
        b'{"data":[1]}',
        b'"\\ud800"',
    ):
        for name in sorted(world.bodies):
            assert world.ask(world.operations[name], body).status in (400, 404), (name, body)


def test_ids(world: World) -> None:
    for operation in world.own:
        if operation.path_params:
            for id in _IDS:
                reply = world.ask(operation, world.bodies.get(operation.id), id=id)
                wanted = (200,) if operation.id in _OF_NOTHING else (400, 404)
                assert reply.status in wanted, (operation.id, id, reply.body)


def test_cursors_and_what_else_a_query_holds(world: World) -> None:
    wild = [f"page[size]={one}" for one in ("0", "-1", "1e3", "99999999999999999999", "x", "١", "")]
    wild += [
        "sort=",
        "sort=-",
        "sort=x",
        "include=x",
        "include=,",
        "fields[x]=y",
        "fields[]=",
        "filter=",
        "filter=(",
        "a[b",
    ]
    for operation in world.own:
        if operation.method == "GET":
            for query in (*wild, *(f"{operation.cursor_param}={quote(one)}" for one in _CURSORS)):
                world.ask(operation, query=query)


_VALUES = st.text(
    st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=30
) | st.sampled_from(
    [
        "Bearer ",
        "Klaviyo-API-Key",
        "gzip",
        "deflate",
        "application/json; charset=x",
        "multipart/form-data",
        "2026-07-15.pre",
        "*/*",
    ]
)
_NAMES = st.sampled_from(
    [
        "Authorization",
        "revision",
        "Content_Type",
        "Content_Encoding",
        "Accept",
        "X_Sandbox_Fault",
        "Origin",
        "Host",
        "X_Other",
    ]
)


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.dictionaries(_NAMES, _VALUES, min_size=1, max_size=3),
    st.sampled_from(["create_list", "get_profiles", "update_list"]),
)
def test_headers(world: World, headers: dict[str, str], name: str) -> None:
    if "X_Sandbox_Fault" in headers and headers["X_Sandbox_Fault"].strip().startswith("5"):
        return  # asked for
    world.ask(world.operations[name], world.bodies.get(name), **{key: value.strip() for key, value in headers.items()})


def test_bodies_that_are_wrong_in_one_place(world: World) -> None:
    """Every place of every body: left out, joined by another member, doubled, and three times something wild."""
    dice, statuses = random.Random(world.revision), Counter[int]()
    for operation in world.own:
        body = world.bodies.get(operation.id)
        if body is not None and operation.id not in _DESTRUCTIVE:
            for at in places(body):
                tries = [(how, None) for how in ("gone", "beside", "twice")[: 3 if at else 0]]
                for how, value in [*tries, *(("replaced", one) for one in dice.sample(_WILD, 3))]:
                    wrong = changed(body, at, value, how)
                    if wrong is not body:
                        statuses[world.ask(operation, wrong).status] += 1
    assert statuses[400] > 500
    assert {200, 404} <= statuses.keys()


def test_what_was_good_is_still_there(world: World) -> None:
    """Last: after all of that, everything that was made at the beginning can be read."""
    readable = [one for one in world.operations.values() if one.kind == "item" and one.method == "GET"]
    kept = [
        one for one in readable if one.base in world.known and one.base != "flow-message"
    ]  # its action may replace it
    assert len(kept) > 30
    assert [one.id for one in kept if world.ask(one).status != 200] == []
