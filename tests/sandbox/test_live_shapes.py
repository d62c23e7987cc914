"""What the real API answered on 2026-09-04, as shapes (restated from public recordings), against the sandbox's answers:
the same keys in the same order, the same forms of values, the same links and headers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.sandbox.sandbox_api import Api, Reply

from clavichord.sandbox.serve import running

RECORDS = [
    msgspec.json.decode(line) for line in Path(__file__).with_name("live_shapes.jsonl").read_bytes().splitlines()
]
FORMS = {
    "<str>": r".+",
    "<datetime:sec>": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00",
    "<datetime:usec>": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00",
    "<id6>": r"[A-Za-z0-9]{6}",
    "<ulid>": r"[0-9A-HJKMNP-TV-Z]{26}",
    "<uuid>": r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "<event-id>": r"[1-9A-HJ-NP-Za-km-z]{11}",
    "<bulk-import-job-id>": r"[A-Za-z0-9]{40,70}",
    "<int-str>": r"\d+",
    "<hex32>": r"[0-9a-f]{32}",
    "<flow-action-id>": r"\d{9}",
    "<id>": r".+",
    "<q>": r"[A-Za-z0-9_.~%+-]+",
    "<cursor>": r"[A-Za-z0-9_-]+",
    "<custom-catalog-id>": r"\$custom:::\$default:::.+",
    "<coupon-external-id>": r"[0-9_A-z]+",
    "<coupon-code-id>": r"[0-9_A-z]+-.+",
}
TYPES = {"<int>": int, "<float>": float, "<bool>": bool}


def differences(shape: Any, value: Any, at: str = "") -> Iterator[str]:
    """Where a value departs from a shape."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            yield f"{at}: {value!r} is no object"
        elif shape != {"<free>": "<any>"}:
            if list(shape) != list(value):
                yield f"{at}: keys {list(value)}, recorded {list(shape)}"
            for key in shape.keys() & value.keys():
                yield from differences(shape[key], value[key], f"{at}/{key}")
    elif isinstance(shape, list):
        if not isinstance(value, list):
            yield f"{at}: {value!r} is no array"
            return
        samples = [one for one in shape if not (isinstance(one, str) and one.endswith(" items>"))]
        if bool(samples) != bool(value):
            yield f"{at}: {len(value)} entries"
        each = samples == shape and len(samples) == len(value)
        for index, entry in enumerate(value):
            if each:
                yield from differences(samples[index], entry, f"{at}/{index}")
                continue
            fitting = [one for one in samples if not isinstance(one, dict) or one.get("type") == entry.get("type")]
            yield from differences((fitting or samples)[0], entry, f"{at}/{index}")
    elif shape == "<null>" or shape is None:
        if value is not None:
            yield f"{at}: {value!r} is not null"
    elif shape in TYPES:
        if type(value) is not TYPES[shape]:
            yield f"{at}: {value!r} is not {shape}"
    elif isinstance(shape, str):
        pattern = "".join(FORMS.get(part) or re.escape(part) for part in re.split(r"(<[a-z0-9:-]+>)", shape))
        if not isinstance(value, str) or re.fullmatch(pattern, value) is None:
            yield f"{at}: {value!r} is not {shape}"
    elif shape != value:
        yield f"{at}: {value!r}, recorded {shape!r}"


@pytest.fixture(scope="module")
def slow() -> Iterator[Api]:
    """An account whose jobs stay accepted."""
    with running(job_delay=3600) as served:
        yield Api(served.base_url, "pk_slow")


class World:
    """What has to be there before a request can be answered as it was recorded."""

    def __init__(self, api: Api, slow: Api) -> None:
        self.api, self.slow = api, slow
        self.list_id = api.list("Members", opt_in_process="single_opt_in")
        for name in ("ann", "bob", "cid"):
            api.imports({"attributes": {"email": f"{name}@shop.test", "external_id": name}}, lists=(self.list_id,))
        api.suppress("create", "ann@shop.test", "bob@shop.test", "cid@shop.test")
        for number, name in enumerate(("ann", "bob", "cid")):
            api.event("Viewed", email=f"{name}@shop.test", properties={"page": number}, value=1.5, time="2026-01-01")
        self.metric_id = api.get("/api/metrics").ids[0]
        self.event_id = api.get("/api/events").ids[0]
        self.profile_id = str((api.person("ann@shop.test") or {})["id"])
        rows = tuple({"attributes": {"email": f"{name}@shop.test"}} for name in ("ann", "bob", "cid"))
        self.job_id = api.imports(*rows, lists=(self.list_id,)).data["id"]

    def second_page(self, path: str, query: dict[str, str]) -> Reply:
        first = self.api.get(path, **{name: value for name, value in query.items() if name != "page[cursor]"})
        return self.api("GET", path, query=first.json["links"]["next"].partition("?")[2])

    def upsert(self) -> Reply:
        scalars = ("first_name", "last_name", "organization", "locale", "title", "image")
        location = {"address1": "a", "city": "c", "country": "c", "latitude": "55.5", "longitude": 12.25, "region": "r"}
        self.api.profile(email="dan@shop.test", external_id="dan")
        attributes = dict.fromkeys(scalars, "x") | {"email": "dan@shop.test", "properties": {"tier": 1}}
        attributes["location"] = location | {"zip": "z", "timezone": "t"}
        return self.api("POST", "/api/profile-import", {"data": {"type": "profile", "attributes": attributes}})

    def fresh(self) -> Reply:
        attributes = {"email": "new@shop.test", "first_name": "New", "properties": {"a": 1}}
        return self.api("POST", "/api/profile-import", {"data": {"type": "profile", "attributes": attributes}})

    def created(self, email: str) -> Reply:
        return self.api("POST", "/api/profiles", {"data": {"type": "profile", "attributes": {"email": email}}})

    def new_list(self) -> Reply:
        attributes = {"name": "New", "opt_in_process": "single_opt_in"}
        return self.api("POST", "/api/lists", {"data": {"type": "list", "attributes": attributes}})

    def accepted_import(self) -> Reply:
        return self.slow.imports({"attributes": {"email": "a@shop.test"}}, lists=(self.slow.list(),))

    def subscribed(self) -> Reply:
        said = {"email": {"marketing": {"consent": "SUBSCRIBED"}}}
        return self.api.consent("create", {"email": "sub@shop.test", "subscriptions": said}, list_id=self.list_id)

    def unsuppress_jobs(self, query: dict[str, str]) -> Reply:
        account = Api(self.slow.base_url, "pk_suppressing")
        account.suppress("delete", list_id=account.list())
        return account.get("/api/profile-suppression-bulk-delete-jobs", **query)

    def send(self, record: dict[str, Any]) -> Reply:
        special: dict[tuple[str, int], Callable[[], Reply]] = {
            ("create_profile", 201): lambda: self.created("eve@shop.test"),
            ("create_profile", 409): lambda: self.created("ann@shop.test"),
            ("create_or_update_profile", 200): self.upsert,
            ("create_or_update_profile", 201): self.fresh,
            ("bulk_import_profiles", 202): self.accepted_import,
            ("create_list", 201): self.new_list,
            ("bulk_suppress_profiles", 202): lambda: self.slow.suppress("create", "x@shop.test"),
            ("bulk_unsuppress_profiles", 202): lambda: self.slow.suppress("delete", "x@shop.test"),
            ("bulk_subscribe_profiles", 202): self.subscribed,
            ("add_profiles_to_list", 204): lambda: self.api.join(self.list_id, self.profile_id),
            ("get_list", 404): lambda: self.api.get("/api/lists/NOPE01"),
            ("get_bulk_unsuppress_profiles_jobs", 200): lambda: self.unsuppress_jobs(record["query"]),
        }
        known = special.get((record["operation"], record["status"]))
        if known is not None:
            return known()
        ids = {
            "profiles": self.profile_id,
            "lists": self.list_id,
            "events": self.event_id,
            "metrics": self.metric_id,
            "profile-bulk-import-jobs": self.job_id,
        }
        path = record["path"].replace("{id}", ids[record["path"].split("/")[2]])
        query = {
            name: value.replace("<str>", "ann@shop.test").replace("<id6>", self.metric_id)
            for name, value in record["query"].items()
        }
        return self.second_page(path, query) if "page[cursor]" in query else self.api.get(path, **query)


def test_restated_records_are_all_driven() -> None:
    assert len(RECORDS) == 27


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: f"{record['operation']}.{record['status']}")
def test_answers_have_the_recorded_shape(record: dict[str, Any], slow: Api) -> None:
    with running(job_delay=0) as served:
        world = World(Api(served.base_url, "pk_live"), slow)
        reply = world.send(record)
    hold(record, reply)


def hold(record: dict[str, Any], reply: Reply) -> None:
    """Holds an answer to a record: status, body, headers."""
    assert reply.status == record["status"], reply.body
    if record["body_shape"] is None:
        assert reply.body == b""
    else:
        assert list(differences(record["body_shape"], reply.json)) == []
    for name, shape in record["headers"].items():
        assert list(differences(shape, reply.headers.get(name), name)) == []
    if record["status"] in (202, 204) and record["body_shape"] is None:
        assert "content-type" not in reply.headers
