"""Every operation of every packaged revision, on both clients: what it sends, what it returns."""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import pytest
from tests.client.scripted_server import KEY, Answer, Asked, Scripted

from clavichord.client import errors
from clavichord.client.client import AsyncKlaviyo, Klaviyo
from clavichord.client.filters import F
from clavichord.client.models import MODELS, Identifier, Profile
from clavichord.client.operation import AsyncPager, Declared, Page, Pager
from clavichord.client.pacing import Pacing
from clavichord.spec import REVISIONS, Operation, load

NEWEST = REVISIONS[-1]
CASES = [(revision, op) for revision in REVISIONS for op in load(revision).operations.values()]
each_operation = pytest.mark.parametrize(("revision", "op"), CASES, ids=[f"{r}-{op.id}" for r, op in CASES])


def group(op: Operation) -> str:
    return op.tag.lower().replace(" ", "_")


def smallest(schema: Mapping[str, Any]) -> Any:
    """Some value of a schema."""
    if "enum" in schema:
        return schema["enum"][0]
    kinds = {"string": "x", "integer": 1, "number": 1.5, "boolean": True, "array": [], "object": {"k": "v"}}
    return kinds.get(schema.get("type", ""), "x")


def minimal(revision: str, op: Operation) -> tuple[dict[str, Any], dict[str, str], Any]:
    """Keyword arguments, and the query and document that they must become: read from the schema alone."""
    catalogue = load(revision)

    def follow(schema: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in schema:
            schema = catalogue.schema(schema["$ref"].removeprefix("#/"))
        return schema

    def member(schema: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
        for name in names:
            schema = follow(follow(schema).get("properties", {}).get(name, {}))
        return schema

    arguments: dict[str, Any] = dict.fromkeys(op.path_params, "ID1")
    query = {}
    for name, schema in op.query.items():
        if schema.get("required"):
            arguments[name] = query[name] = smallest(schema)
    if op.filter_required:
        arguments["filter"] = query["filter"] = "equals(x,'y')"
    if not op.body or "multipart" in op.content_type:
        return arguments, query, None
    data = member({"$ref": f"#/{op.body}"}, "data")
    many = data.get("type") == "array"
    entry = follow(data["items"]) if many else data
    kind = member(entry, "type")["enum"][0]
    if many or op.kind == "relationship":
        arguments[op.relationship.replace("-", "_")] = ["A", "B"] if many else "A"
        return arguments, query, [{"type": kind, "id": i} for i in "AB"] if many else {"type": kind, "id": "A"}
    expected: dict[str, Any] = {"type": kind}
    if "id" in entry["properties"]:
        expected["id"] = "ID1"
        if not op.path_params:
            arguments["id"] = "ID1"
    if "attributes" in entry["properties"]:
        expected["attributes"] = {}
    for wire in member(entry, "attributes").get("required", ()):
        schema = member(entry, "attributes", wire)
        name = wire.replace("-", "_") + ("_" if wire == "body" else "")
        if wire == "id":
            expected["attributes"]["id"] = "ID1"
            continue
        if "data" in schema.get("properties", {}):
            inner = member(schema, "data")
            plural = inner.get("type") == "array"
            resource = {"type": member(follow(inner["items"]) if plural else inner, "type")["enum"][0]}
            has = follow(inner["items"] if plural else inner).get("properties", {})
            arguments[name] = ["N1"] if plural else "N1"
            resource |= {"id": "N1"} if resource["type"] != "metric" else {"attributes": {"name": "N1"}}
            resource |= {} if "attributes" in resource or "attributes" not in has else {"attributes": {}}
            expected["attributes"][wire] = {"data": [resource] if plural else resource}
        else:
            arguments[name] = expected["attributes"][wire] = smallest(schema)
    for wire, schema in member(entry, "relationships").get("properties", {}).items():
        linked = member(follow(schema), "data")
        plural = linked.get("type") == "array"
        target = member(follow(linked["items"]) if plural else linked, "type")["enum"][0]
        arguments[wire.replace("-", "_")] = ["R1"] if plural else "R1"
        identifier = {"type": target, "id": "R1"}
        expected.setdefault("relationships", {})[wire] = {"data": [identifier] if plural else identifier}
    return arguments, query, expected


def answer(op: Operation) -> Answer:
    if not op.resource:
        return Answer(204)
    resource = {"type": op.resource, "id": "N1", "attributes": {"brand_new": 1}}
    return Answer(op.status, {"data": [resource, resource] if op.many else resource, "links": {"next": None}})


@pytest.fixture(scope="module")
def shared() -> Iterator[Scripted]:
    made = Scripted()
    yield made
    made.close()


def check(op: Operation, asked: Asked, result: Any, query: Mapping[str, str], document: Any) -> None:
    assert (asked.method, asked.path) == (op.method, op.path.replace("{id}", "ID1").replace("{job_id}", "ID1"))
    assert asked.query == {name: str(value) for name, value in query.items()}
    if "multipart" in op.content_type:
        assert b'filename="a.png"' in asked.body
        assert b"PNG" in asked.body
    elif document is None:
        assert asked.body == b""
    else:
        assert asked.json == {"data": document}
        assert asked.headers["content-type"] == "application/vnd.api+json"
    if op.resource and not op.identifiers_only:
        for found in result if op.many else [result]:
            assert type(found) is MODELS[op.resource]
            assert (found.id, found.type, found.extra) == ("N1", op.resource, {"brand_new": 1})
    elif op.resource:
        for found in result if op.many else [result]:
            assert found == Identifier(op.resource, "N1")
    else:
        assert result is None


@each_operation
def test_each_operation(revision: str, op: Operation, shared: Scripted) -> None:
    arguments, query, document = minimal(revision, op)
    options: dict[str, Any] = {"base_url": shared.base_url, "pacing": Pacing(enabled=False), "revision": revision}
    if "multipart" in op.content_type:
        arguments["file"] = ("a.png", b"\x89PNG")
    shared.otherwise = answer(op)
    shared.asked.clear()
    with Klaviyo(KEY, **options) as klaviyo:
        result = getattr(getattr(klaviyo, group(op)), op.id)(**arguments)
        if op.many:
            assert isinstance(result, Pager)
            result = list(result)
    check(op, shared.asked[0], result, query, document)
    assert shared.asked[0].headers["revision"] == revision
    assert len(shared.asked) == 1

    async def run() -> Any:
        async with AsyncKlaviyo(KEY, **options) as client:
            made = getattr(getattr(client, group(op)), op.id)(**arguments)
            if op.many:
                assert isinstance(made, AsyncPager)
                return [found async for found in made]
            return await made

    result = asyncio.run(run())
    check(op, shared.asked[1], result, query, document)


@each_operation
def test_each_declaration_agrees_with_the_catalogue(revision: str, op: Operation) -> None:
    klaviyo = Klaviyo(KEY, revision=revision)
    declared = getattr(type(getattr(klaviyo, group(op))), op.id)
    assert isinstance(declared, Declared)
    assert (declared.method, declared.path, declared.limit) == (op.method, op.path, op.limit)
    assert dict(declared.limits_with) == dict(op.limits_with)
    given = set(declared.declaration.__code__.co_varnames)
    wanted = {"filter"} if op.filters else set()
    wanted |= {"sort"} if op.sorts else set()
    wanted |= {"include"} if op.includes else set()
    wanted |= {"page_size"} if op.page_size else set()
    wanted |= {"page_cursor"} if op.paged else set()
    wanted |= {f"fields_{t.replace('-', '_')}" for t in op.fields}
    wanted |= {f"additional_fields_{t.replace('-', '_')}" for t in op.additional_fields}
    assert wanted <= given


def test_other_names_of_an_operation_work_too(klaviyo: Klaviyo) -> None:
    clients = {revision: Klaviyo(KEY, revision=revision) for revision in REVISIONS}
    for revision, op in CASES:
        for alias in op.aliases:
            if not hasattr(type(getattr(klaviyo, group(op))), alias):  # an earlier revision's name is its own there
                assert getattr(getattr(clients[revision], group(op)), alias).__name__ == op.id
    with pytest.raises(AttributeError, match="get_profiles"):
        getattr(klaviyo.profiles, "get_profilse")  # noqa: B009  # a constant name would be a type error


def test_query_arguments_have_their_wire_names(server: Scripted, klaviyo: Klaviyo) -> None:
    klaviyo.profiles.get_profiles(
        filter=F.email == 'a "b" +c@shop.example',
        sort="-updated",
        page_size=50,
        page_cursor="https://a.klaviyo.com/api/profiles?page%5Bcursor%5D=bmV4dA%3D%3D&x=1",
        include=["push-tokens"],
        fields_profile=["email", "location.city"],
        fields_push_token=["token"],
        additional_fields_profile=["subscriptions", "predictive_analytics"],
    ).first()
    assert server.asked[0].query == {
        "filter": 'equals(email,"a \\"b\\" +c@shop.example")',
        "sort": "-updated",
        "page[size]": "50",
        "page[cursor]": "bmV4dA==",
        "include": "push-tokens",
        "fields[profile]": "email,location.city",
        "fields[push-token]": "token",
        "additional-fields[profile]": "subscriptions,predictive_analytics",
    }
    assert "+" not in server.asked[0].target


def test_null_clears_and_unset_is_left_out(server: Scripted, klaviyo: Klaviyo) -> None:
    server.otherwise = Answer(200, {"data": {"type": "profile", "id": "P1"}})
    klaviyo.profiles.update_profile("P1", first_name=None, properties={"a": None})
    attributes = {"first_name": None, "properties": {"a": None}}
    assert server.asked[0].json == {"data": {"type": "profile", "id": "P1", "attributes": attributes}}


def test_meta_extra_and_nested_resources_find_their_place(server: Scripted, klaviyo: Klaviyo) -> None:
    server.otherwise = Answer(202, {"data": {"type": "profile-bulk-import-job", "id": "J"}})
    klaviyo.profiles.bulk_import_profiles(profiles=[{"email": "a@b.example", "id": "P1"}], lists=["L1"])
    klaviyo.profiles.create_or_update_profile(email="a@b.example", patch_properties={"unset": "x"}, extra={"_kx": "k"})
    assert server.asked[0].json["data"] == {
        "type": "profile-bulk-import-job",
        "attributes": {"profiles": {"data": [{"type": "profile", "id": "P1", "attributes": {"email": "a@b.example"}}]}},
        "relationships": {"lists": {"data": [{"type": "list", "id": "L1"}]}},
    }
    assert server.asked[1].json["data"] == {
        "type": "profile",
        "attributes": {"email": "a@b.example", "_kx": "k"},
        "meta": {"patch_properties": {"unset": "x"}},
    }


def test_a_whole_document_passes_untouched(server: Scripted, klaviyo: Klaviyo) -> None:
    server.otherwise = Answer(202)
    klaviyo.events.create_event(body={"data": {"anything": 1}})
    klaviyo.events.create_event(body=b'{"data":  2}')
    assert [asked.body for asked in server.asked] == [b'{"data":{"anything":1}}', b'{"data":  2}']
    with pytest.raises(errors.ConfigurationError, match="whole document"):
        klaviyo.events.create_event(body={}, properties={})


def test_what_is_missing_or_misspelt_is_said_before_sending(server: Scripted, klaviyo: Klaviyo) -> None:
    with pytest.raises(errors.ConfigurationError, match="metric="):
        klaviyo.events.create_event(properties={})
    with pytest.raises(TypeError, match="fliter"):
        klaviyo.profiles.get_profiles(fliter="x")  # type: ignore[call-arg]
    with pytest.raises(errors.ConfigurationError, match="list of ids"):
        klaviyo.lists.add_profiles_to_list("L1", profiles="P1")
    with pytest.raises(errors.ConfigurationError, match="cannot filter on 'emial'"):
        klaviyo.profiles.get_profiles(filter=F.emial == "x").first()
    with pytest.raises(errors.ConfigurationError, match="cannot be written as JSON"):
        klaviyo.events.create_event(properties={"x": object()}, metric="m", profile={"email": "a@b.example"})
    assert server.asked == []


def test_pages_and_included_resources(server: Scripted, klaviyo: Klaviyo) -> None:
    linked = {"profile": {"data": {"type": "profile", "id": "P1"}}}
    event = {"type": "event", "id": "E1", "attributes": {}, "relationships": linked}
    profile = {"type": "profile", "id": "P1", "attributes": {"email": "a@b.example", "created": "2026-01-01T00:00:00Z"}}
    server.answers = [
        Answer(200, {"data": [event], "included": [profile], "links": {"next": "/x?page%5Bcursor%5D=2"}}),
        Answer(200, {"data": [], "links": {"next": None}}),
    ]
    pages = list(klaviyo.events.get_events(include=["profile"]).pages())
    assert [(len(page), page.has_next) for page in pages] == [(1, True), (0, False)]
    (found,) = pages[0][0].related("profile")
    assert isinstance(found, Profile)
    assert (found.email, found.created.year if found.created else 0) == ("a@b.example", 2026)
    assert [r.id for r in pages[0].included] == ["P1"]


def test_awaiting_a_pager_gives_the_first_page(server: Scripted) -> None:
    server.otherwise = Answer(200, {"data": [{"type": "list", "id": "L1"}], "links": {"next": "/x?a=1"}})

    async def run() -> Page[Any]:
        async with AsyncKlaviyo(KEY, base_url=server.base_url) as client:
            return await client.lists.get_lists()

    assert [found.id for found in asyncio.run(run())] == ["L1"]
    assert len(server.asked) == 1


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b'{"data": 5}', b'{"data": null}', b"<html></html>", b"{}"])
def test_a_success_with_another_body_is_a_typed_error(server: Scripted, klaviyo: Klaviyo, body: bytes) -> None:
    server.otherwise = Answer(200, body)
    for call in (
        lambda: klaviyo.profiles.get_profile("P1"),
        lambda: klaviyo.profiles.get_profiles().first(),
        lambda: klaviyo.lists.get_tag_ids_for_list("L1").first(),
    ):
        with pytest.raises(errors.InvalidResponse):
            call()


def test_a_to_one_relationship_without_target_is_none(server: Scripted, klaviyo: Klaviyo) -> None:
    server.otherwise = Answer(200, {"data": None})
    assert klaviyo.campaigns.get_image_for_campaign_message("M1") is None
    assert klaviyo.campaigns.get_image_id_for_campaign_message("M1") is None


def test_track_always_names_the_occurrence(server: Scripted, klaviyo: Klaviyo) -> None:
    server.otherwise = Answer(202)
    klaviyo.events.track("Placed Order", profile={"email": "a@b.example"}, value=9.5, unique_id="o-1")
    klaviyo.events.track("Placed Order", profile="01PROFILE")
    first, second = (asked.json["data"]["attributes"] for asked in server.asked)
    assert first == {
        "metric": {"data": {"type": "metric", "attributes": {"name": "Placed Order"}}},
        "profile": {"data": {"type": "profile", "attributes": {"email": "a@b.example"}}},
        "properties": {},
        "value": 9.5,
        "unique_id": "o-1",
    }
    assert second["profile"] == {"data": {"type": "profile", "id": "01PROFILE", "attributes": {}}}
    assert len(second["unique_id"]) == 36


def test_upsert(server: Scripted, klaviyo: Klaviyo) -> None:
    server.otherwise = Answer(201, {"data": {"type": "profile", "id": "P9"}})
    made = klaviyo.profiles.upsert(email="a@b.example", properties={"tier": "gold"}, append={"tags": "x"})
    assert made.id == "P9"
    assert server.asked[0].json["data"]["meta"] == {"patch_properties": {"append": {"tags": "x"}}}
    with pytest.raises(errors.ConfigurationError, match="one of email="):
        klaviyo.profiles.upsert(first_name="A")


@pytest.mark.parametrize(
    ("call", "pointer", "argument"),
    [
        (lambda k: k.profiles.create_profile(phone_number="1"), "/data/attributes/phone_number", "phone_number"),
        (lambda k: k.profiles.create_profile(email="x"), "/data", ""),
        (
            lambda k: k.profiles.create_or_update_profile(email="x", patch_properties={"unset": 1}),
            "/data/meta/patch_properties/unset",
            "patch_properties.unset",
        ),
        (
            lambda k: k.events.create_event(metric="m", properties={}, profile={"email": "x"}),
            "/data/attributes/profile/data/attributes/email",
            "profile.email",
        ),
        (lambda k: k.lists.add_profiles_to_list("L", profiles=["a", "b"]), "/data/1/id", "profiles[1]"),
        (
            lambda k: k.profiles.bulk_import_profiles(profiles=[{}], lists=["L"]),
            "/data/relationships/lists/data/0/id",
            "lists[0].id",
        ),
        (
            lambda k: k.webhooks.create_webhook(
                name="n", endpoint_url="u", secret_key="s", webhook_topics=["t"], description="d"
            ),
            "/data/relationships/webhook-topics/data/0",
            "webhook_topics[0]",
        ),
        (lambda k: k.conversations.create_conversation_message(body_="x"), "/data/attributes/body", "body_"),
        (lambda k: k.profiles.create_profile(body={"data": {}}), "/data/attributes/email", "email"),
    ],
)
def test_an_errors_pointer_names_the_argument(
    server: Scripted, klaviyo: Klaviyo, call: Any, pointer: str, argument: str
) -> None:
    entry = {"code": "invalid", "detail": "It is wrong.", "source": {"pointer": pointer}}
    server.otherwise = Answer(400, {"errors": [entry]})
    with pytest.raises(errors.InvalidRequest) as caught:
        call(klaviyo)
    assert caught.value.errors[0].argument == argument
    assert (f"(argument {argument}" in str(caught.value)) == bool(argument)
    copied = pickle.loads(pickle.dumps(caught.value))
    assert (str(copied), copied.errors) == (str(caught.value), caught.value.errors)


def test_a_moment_without_a_zone_is_refused_with_the_fix(server: Scripted, klaviyo: Klaviyo) -> None:
    with pytest.raises(errors.ConfigurationError, match=r"time has no time zone .*replace\(tzinfo"):
        klaviyo.events.create_event(metric="m", properties={}, profile={}, time=datetime(2026, 1, 1))  # noqa: DTZ001
    assert server.asked == []


def test_nested_attributes_are_read_when_asked_for(server: Scripted, klaviyo: Klaviyo) -> None:
    attributes = {"location": {"city": "Paris"}, "properties": {"a": [1, {"b": None}]}}
    server.otherwise = Answer(200, {"data": {"type": "profile", "id": "P", "attributes": attributes}})
    found = klaviyo.profiles.get_profile("P")
    assert found.location == {"city": "Paris"}
    assert found.location is found.location
    assert found.properties == attributes["properties"]
    assert found.subscriptions is None
    found.properties = {"mine": 1}
    assert found.properties == {"mine": 1}
    assert "'city': 'Paris'" in repr(found)


def test_response_times(server: Scripted) -> None:
    server.answers = [Answer(429, b"", {"Retry-After": "0"}), Answer(200, {"data": []}), Answer(503), Answer(200)]
    with Klaviyo(KEY, base_url=server.base_url, retries=1, pacing=Pacing(enabled=False)) as klaviyo:
        assert list(klaviyo.response_times()) == []
        klaviyo.lists.get_lists().first()
        klaviyo.lists.delete_list("L")
        table = klaviyo.response_times()
    rows = {row.operation: row for row in table}
    assert {name: (row.attempts, row.throttled, row.failed) for name, row in rows.items()} == {
        "get_lists": (2, 1, 0),
        "delete_list": (2, 0, 1),
    }
    for row in table:
        assert 0 < row.p50 <= row.p95 <= row.p99 <= row.longest
    head, *lines = str(table).splitlines()
    assert head.split() == ["operation", "attempts", "throttled", "failed", "p50", "p95", "p99", "longest"]
    assert sorted(line.split()[0] for line in lines) == ["delete_list", "get_lists"]


def test_importing_the_package_imports_no_transport_and_no_group() -> None:
    code = (
        "import sys, clavichord; assert 'msgspec' not in sys.modules; clavichord.Klaviyo('pk_x');"
        "print([m for m in ('urllib3', 'aiohttp', 'asyncio', 'clavichord.client.models') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_generated_files_are_those_of_the_catalogue() -> None:
    run = subprocess.run([sys.executable, "tools/build_client.py", "--check"], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "")
