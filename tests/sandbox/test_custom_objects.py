"""Custom objects: from a data source's records to object records, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sandbox.catalog_api import data_source, records
from tests.sandbox.sandbox_api import Api, until

from clavichord.sandbox.clock import VirtualClock
from clavichord.sandbox.serve import running

PROPERTIES = [
    {"id": 1, "name": "name", "type": "string"},
    {"id": 2, "name": "age", "type": "int"},
    {"id": 3, "name": "kind", "type": "string", "description": "constant"},
]


def write(api: Api, method: str, path: str, kind: str, one: str = "", **attributes: Any) -> Any:
    """The data of an answer that must be a success."""
    data = {"type": kind, **({"id": one} if one else {}), "attributes": attributes}
    reply = api(method, path, {"data": data})
    assert reply.status in (200, 201), reply.body
    return reply.data


def mappings(source_id: str) -> list[dict[str, Any]]:
    def source(path: str) -> dict[str, str]:
        return {"source_id": source_id, "id_path": "$['id']", "data_path": path}

    return [
        {"id": 1, "type": "simple", "source": source("$.pet['name']")},
        {"id": 2, "type": "simple", "source": source('$["ages"][0]')},
        {"id": 3, "type": "constant", "value": "dog"},
    ]


class Pets:
    """A data source, an object type and the schema and mapping that came with it."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.source: str = data_source(api, "Shop").data["id"]
        self.type: str = write(api, "POST", "/api/object-types", "object-type", title="Pet")["id"]
        self.schema: str = api.get(f"/api/object-types/{self.type}/draft-schema").data["id"]
        self.mapping: str = api.get(f"/api/object-schemas/{self.schema}/source-mapping").data["id"]

    def define(self) -> None:
        self.patch(properties=PROPERTIES, required=["name"])
        path = f"/api/source-mappings/{self.mapping}"
        write(self.api, "PATCH", path, "source-mapping", self.mapping, property_mappings=mappings(self.source))

    def patch(self, **attributes: Any) -> Any:
        """The schema's attributes after the change."""
        path = f"/api/object-schemas/{self.schema}"
        return write(self.api, "PATCH", path, "object-schema", self.schema, **attributes)["attributes"]

    def related(self, name: str, **query: str) -> Any:
        return self.api.get(f"/api/object-types/{self.type}/{name}", **query)

    def properties(self) -> dict[str, Any]:
        rows = self.related("object-records").data
        return {row["id"].partition(":::")[2]: row["attributes"]["record_properties"] for row in rows}


def pet(one: object, name: object, age: object = 3) -> dict[str, object]:
    return {"id": one, "pet": {"name": name}, "ages": [age]}


def test_data_sources(api: Api) -> None:
    made = [data_source(api, title).data["id"] for title in ("One", "Two", "Three")]
    assert data_source(api, "One").status == 409
    assert data_source(api, "").status == 400
    assert data_source(api, "x" * 256).status == 400
    assert data_source(api, "Four", namespace="elsewhere").status == 400
    pages = list(api.pages("/api/data-sources", **{"page[size]": "2"}))
    assert [page.ids for page in pages] == [made[:2], made[2:]]
    assert [page.json["links"]["prev"] for page in pages] == [None, None]
    assert api("DELETE", f"/api/data-sources/{made[0]}").status == 204
    assert api.get(f"/api/data-sources/{made[0]}").faults == [("/data/", f"Data source with ID {made[0]} not found.")]
    assert data_source(api, "One").status == 201


def test_records_wait_for_a_schema_and_follow_it(api: Api) -> None:
    pets = Pets(api)
    pets.define()
    assert records(api, pets.source, pet("a", "Rex"), pet(2, "Tom")).status == 204
    assert pets.properties() == {}
    assert pets.patch(status="active")["status"] == "active"
    expected = {"a": {"name": "Rex", "age": 3, "kind": "dog"}, "2": {"name": "Tom", "age": 3, "kind": "dog"}}
    assert pets.properties() == expected
    assert records(api, pets.source, pet("a", "Rexy", 4)).status == 204
    assert pets.properties()["a"] == {"name": "Rexy", "age": 4, "kind": "dog"}
    read = api.get(f"/api/object-records/{pets.type}:::a")
    assert read.data["attributes"]["record_properties"]["name"] == "Rexy"
    single = {
        "type": "data-source-record-create-job",
        "attributes": {
            "data-source-record": {"data": {"type": "data-source-record", "attributes": {"record": pet("c", "C")}}}
        },
        "relationships": {"data-source": {"data": {"type": "data-source", "id": pets.source}}},
    }
    assert api("POST", "/api/data-source-record-create-jobs", {"data": single}).status == 204
    assert (
        len(list(api.pages(f"/api/object-types/{pets.type}/relationships/object-records", **{"page[size]": "2"}))) == 2
    )
    gone = [{"type": "object-record", "id": f"{pets.type}:::{one}"} for one in ("a", "none")]
    data = {"type": "object-record-bulk-delete-job", "relationships": {"object-records": {"data": gone}}}
    assert api("POST", "/api/object-record-bulk-delete-jobs", {"data": data}).status == 202
    assert sorted(pets.properties()) == ["2", "c"]
    assert api.get(f"/api/object-records/{pets.type}:::a").status == 404
    data["relationships"] = {"object-records": {"data": gone * 251}}
    assert api("POST", "/api/object-record-bulk-delete-jobs", {"data": data}).status == 202  # named twice counts once


def test_a_mapping_that_changes_is_read_again(api: Api) -> None:
    pets = Pets(api)
    pets.patch(properties=PROPERTIES[:1], status="active")
    records(api, pets.source, pet("a", "Rex"))
    assert pets.properties() == {}
    path = f"/api/source-mappings/{pets.mapping}"
    write(api, "PATCH", path, "source-mapping", pets.mapping, property_mappings=mappings(pets.source)[:1])
    assert pets.properties() == {"a": {"name": "Rex"}}


def test_two_sources_make_one_record(api: Api) -> None:
    pets = Pets(api)
    other = data_source(api, "Clinic").data["id"]
    path = f"/api/source-mappings/{pets.mapping}"
    both = [mappings(pets.source)[0], {**mappings(other)[1], "id": 2}]
    write(api, "PATCH", path, "source-mapping", pets.mapping, property_mappings=both)
    pets.patch(properties=PROPERTIES, required=["name"], status="active")
    records(api, pets.source, pet("a", "Rex", 3))
    assert pets.properties() == {"a": {"name": "Rex"}}
    records(api, other, pet("a", "Max", 4))
    assert pets.properties() == {"a": {"name": "Rex", "age": 4}}
    assert pets.related("object-ingestion-logs").data == []


def test_failures_are_logged() -> None:
    clock = VirtualClock(1_800_000_000_000_000)
    with running(clock=clock, limits="off", job_delay=0) as served:
        api = Api(served.base_url, "pk_objects")
        pets = Pets(api)
        pets.define()
        pets.patch(status="active")
        for bad in (pet("a", 5), pet("b", "B", "old"), {"id": "c"}, {"pet": {"name": "D"}}, pet("e", "E")):
            records(api, pets.source, bad)
            clock.advance(1)
        assert list(pets.properties()) == ["e"]
        logs = pets.related("object-ingestion-logs", include="object-type,object-record")
        found = [
            (one["attributes"]["summary"], *(fault["code"] for fault in one["attributes"]["errors"]))
            for one in logs.data
        ]
        assert found == [
            ("1 validation error for a record without id", "missing"),
            ("1 validation error for c", "missing"),
            ("1 validation error for b", "int_type"),
            ("1 validation error for a", "string_type"),
        ]
        assert logs.data[-1]["attributes"]["errors"] == [
            {
                "code": "string_type",
                "message": "Input should be a valid string",
                "property": "name",
                "invalid_value": "5",
            }
        ]
        assert ["object-record" in one["relationships"] for one in logs.data] == [False, True, True, True]
        assert [one["id"] for one in logs.json["included"]] == [pets.type]
        for record_id in ("b", f"{pets.type}:::b"):
            assert len(pets.related("object-ingestion-logs", filter=f'equals(record_id,"{record_id}")').data) == 1
        newest = pets.related(
            "relationships/object-ingestion-logs",
            filter='any(status,["error"]),equals(event_type,"validation_error"),greater-or-equal(timestamp,2027-01-15T08:00:03Z)',
        )
        assert newest.ids == [logs.data[0]["id"]]
        records(api, pets.source, *({"id": f"x{n}"} for n in range(60)))
        assert [len(page.data) for page in api.pages(f"/api/object-types/{pets.type}/object-ingestion-logs")] == [
            50,
            14,
        ]
        clock.advance(14 * 86_400 - 2)
        assert len(pets.related("object-ingestion-logs", filter='equals(record_id,"b")').data) == 0
        assert len(pets.related("object-ingestion-logs", filter='equals(record_id,"c")').data) == 0
        assert len(pets.related("object-ingestion-logs", filter='equals(record_id,"x0")').data) == 1


def test_lists_of_texts_are_properties_since_october(api: Api) -> None:
    newest = api.at("2026-10-15")
    pets = Pets(newest)
    tags = {"id": 1, "name": "tags", "type": "list_str"}
    refused = {"data": {"type": "object-schema", "id": pets.schema, "attributes": {"properties": [tags]}}}
    assert api("PATCH", f"/api/object-schemas/{pets.schema}", refused).faults[0][0].endswith("/properties/0/type")
    path = f"/api/source-mappings/{pets.mapping}"
    write(newest, "PATCH", path, "source-mapping", pets.mapping, property_mappings=mappings(pets.source)[:1])
    pets.patch(properties=[tags], status="active")
    records(newest, pets.source, pet("a", ["calm", "old"]), pet("b", ["calm", 1]), pet("c", "calm"))
    assert pets.properties() == {"a": {"tags": ["calm", "old"]}}
    errors = [one["attributes"]["errors"][0]["code"] for one in pets.related("object-ingestion-logs").data]
    assert errors == ["list_type", "list_type"]


def test_activation_takes_its_time() -> None:
    clock = VirtualClock(1_800_000_000_000_000)
    with running(clock=clock, limits="off", job_delay=10) as served:
        api = Api(served.base_url, "pk_objects")
        pets = Pets(api)
        assert pets.patch(properties=PROPERTIES, status="active")["status"] == "publishing"
        assert pets.related("current-schema").json == {"data": None}
        clock.advance(10)
        current = until(lambda: pets.related("current-schema").data)
        assert (current["id"], current["attributes"]["status"]) == (pets.schema, "active")
        assert current["attributes"]["published_at"] == "2027-01-15T08:00:10+00:00"


def test_only_drafts_change_and_a_new_version_is_a_draft(api: Api) -> None:
    pets = Pets(api)
    pets.patch(title="Animal", description="Of any kind", status="active")
    named = api.get(f"/api/object-types/{pets.type}", include="current-schema,draft-schema,schema-versions")
    assert [named.data["attributes"][name] for name in ("title", "description", "status")] == [
        "Animal",
        "Of any kind",
        "active",
    ]
    assert named.data["relationships"]["draft-schema"]["data"] is None
    assert [one["id"] for one in named.json["included"]] == [pets.schema]
    path = f"/api/object-schemas/{pets.schema}"
    body = {"data": {"type": "object-schema", "id": pets.schema, "attributes": {"title": "x"}}}
    assert api("PATCH", path, body).status == 400
    data: dict[str, Any] = {
        "type": "object-schema",
        "attributes": {
            "title": "Animal",
            "properties": PROPERTIES,
            "source-mapping": {"data": {"type": "source-mapping", "attributes": {}}},
        },
        "relationships": {"object-type": {"data": {"type": "object-type", "id": pets.type}}},
    }
    second = api("POST", "/api/object-schemas", {"data": data}).data["id"]
    assert pets.related("relationships/draft-schema").data["id"] == second
    assert pets.related("schema-versions").ids == [pets.schema, second]
    data["attributes"]["status"] = "active"
    third = api("POST", "/api/object-schemas", {"data": data})
    assert third.data["attributes"]["status"] == "active"
    assert pets.related("relationships/current-schema").data["id"] == third.data["id"]
    data["relationships"]["object-type"]["data"]["id"] = "NONE"
    assert api("POST", "/api/object-schemas", {"data": data}).status == 404
    assert api("DELETE", f"/api/object-types/{pets.type}").status == 204
    for gone in (path, f"/api/source-mappings/{pets.mapping}", f"/api/object-types/{pets.type}"):
        assert api.get(gone).status == 404


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"properties": [{"id": 0, "name": "a", "type": "int"}]}, "/data/attributes/properties/0/id"),
        ({"properties": [PROPERTIES[0], PROPERTIES[0]]}, "/data/attributes/properties/1/id"),
        ({"properties": [{"id": 1, "name": "a", "type": "list"}]}, "/data/attributes/properties/0/type"),
        ({"required": ["nothing"]}, "/data/attributes/required/0"),
        ({"title": " "}, "/data/attributes/title"),
    ],
)
def test_bad_schemas_are_refused(api: Api, given: dict[str, Any], pointer: str) -> None:
    pets = Pets(api)
    body = {"data": {"type": "object-schema", "id": pets.schema, "attributes": given}}
    reply = api("PATCH", f"/api/object-schemas/{pets.schema}", body)
    assert (reply.status, reply.faults[0][0]) == (400, pointer)


@pytest.mark.parametrize("path", ["$[*]", "name", "$..a", "$['a", "$.a[-1]", ""])
def test_paths_that_are_not_read_are_refused(api: Api, path: str) -> None:
    pets = Pets(api)
    source = {"source_id": pets.source, "id_path": "$.id", "data_path": path}
    attributes = {"property_mappings": [{"id": 1, "type": "simple", "source": source}]}
    body = {"data": {"type": "source-mapping", "id": pets.mapping, "attributes": attributes}}
    reply = api("PATCH", f"/api/source-mappings/{pets.mapping}", body)
    assert reply.faults[0][0] == "/data/attributes/property_mappings/0/source/data_path"


def test_relationships_of_schemas(api: Api) -> None:
    pets = Pets(api)
    active = {"data": {"type": "object-schema", "attributes": {"status": "active"}}}
    given: dict[str, Any] = {"title": "Toy", "object-schema": active}
    toys = write(api, "POST", "/api/object-types", "object-type", **given)
    assert toys["attributes"]["status"] == "active"
    toy_schema = api.get(f"/api/object-types/{toys['id']}/relationships/current-schema").data["id"]
    objects = f"/api/object-schemas/{pets.schema}/relationships/object-schemas"
    people = f"/api/object-schemas/{pets.schema}/relationships/profile-object-schemas"
    toy = {"type": "object-schema", "id": toy_schema}
    owner = {"type": "profile-object-schema", "id": "profile"}
    assert api("POST", objects, {"data": [{**toy, "meta": {"name": "toys"}}]}).status == 204
    assert api("POST", objects, {"data": [{**toy, "meta": {"name": "toys"}}]}).status == 409
    assert api("POST", objects, {"data": [toy]}).status == 400
    assert api("POST", people, {"data": [{**owner, "meta": {"name": "owner", "description": "who"}}]}).status == 204
    assert api("POST", people, {"data": [{**owner, "id": "else", "meta": {"name": "x"}}]}).status == 404
    assert (api.get(objects).data, api.get(people).data) == ([toy], [owner])
    read = api.get(f"/api/object-schemas/{pets.schema}", include="object-schemas,profile-object-schemas,source-mapping")
    metas = {one["type"]: one["attributes"].get("meta") for one in read.json["included"]}
    assert metas["object-schema"]["name"] == "toys"
    assert metas["profile-object-schema"]["description"] == "who"
    assert "source-mapping" in metas
    assert pets.related("relationships/object-types").ids == [toys["id"]]
    assert pets.related("relationships/profile-object-types").ids == ["profile"]
    typed = api.get(f"/api/object-types/{pets.type}", include="object-types,profile-object-types")
    assert [one["attributes"]["meta"]["name"] for one in typed.json["included"]] == ["toys", "owner"]
    known = {"relationship_id": metas["object-schema"]["relationship_id"]}
    assert api("PATCH", objects, {"data": {**toy, "meta": {**known, "name": "balls"}}}).status == 204
    assert api("PATCH", objects, {"data": {**toy, "meta": {"relationship_id": "NONE"}}}).status == 404
    again = api.get(f"/api/object-schemas/{pets.schema}", include="object-schemas")
    assert again.json["included"][0]["attributes"]["meta"]["name"] == "balls"
    assert api("DELETE", objects, {"data": [{**toy, "meta": known}]}).status == 204
    assert api("DELETE", people, {"data": [owner]}).status == 204
    assert (api.get(objects).data, api.get(people).data) == ([], [])
    pets.patch(status="active")
    assert api("POST", objects, {"data": [{**toy, "meta": {"name": "toys"}}]}).status == 400


def test_record_jobs_are_checked_at_the_door(api: Api) -> None:
    pets = Pets(api)
    assert records(api, "NONE", pet("a", "A")).status == 404
    assert records(api, pets.source, *[pet("a", "A")] * 501).status == 400
    large = records(api, pets.source, pet("a", "A"), pet("b", "x" * 512_001))
    assert large.faults[0][0] == "/data/attributes/data-source-records/data/1"
    data = {"type": "data-source-record-bulk-create-job", "attributes": {}}
    assert api("POST", "/api/data-source-record-bulk-create-jobs", {"data": data}).status == 400


def test_object_types_by_namespace(api: Api) -> None:
    pets = Pets(api)
    assert api.get("/api/object-types", filter='equals(namespace,"custom-objects")').ids == [pets.type]
    assert api.get("/api/object-types", filter='equals(namespace,"applications/x")').data == []
    listed = api.get("/api/object-types", include="draft-schema")
    assert list(listed.json["links"]) == ["self"]
    assert [one["id"] for one in listed.json["included"]] == [pets.schema]
