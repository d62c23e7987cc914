"""Models take whatever comes."""

from __future__ import annotations

import copy
import json
import os
import pickle
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clavichord.client.errors import InvalidResponse
from clavichord.client.models import MODELS, Event, Profile
from clavichord.client.resource import Resource, decode_many, decode_one
from clavichord.client.types import Response
from clavichord.spec import REVISIONS, load

MEMBERS = st.sampled_from(["type", "id", "attributes", "relationships", "links", "x"])
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
ATTRIBUTES = {
    name: {a for revision in REVISIONS for a in getattr(load(revision).types.get(name), "attributes", ())}
    for name in MODELS
}


def response(document: Any) -> Response:
    return Response("op", 200, {}, json.dumps(document).encode())


@given(data=st.data(), name=st.sampled_from(sorted(MODELS)))
def test_any_json_in_any_attribute_is_taken_and_kept(data: st.DataObject, name: str) -> None:
    known = sorted(ATTRIBUTES[name])
    names = st.sampled_from(known) if known else st.text()
    attributes = data.draw(st.dictionaries(names | st.text(max_size=8), JSON, max_size=6))
    raw = {"type": name, "id": "X", "attributes": attributes}
    one = decode_one(response({"data": raw}), MODELS[name])
    (many,) = decode_many(response({"data": [raw]}), MODELS[name])
    for model in (one, many):
        assert model is not None
        assert model.id == "X"
        assert model.to_dict()["attributes"] == attributes  # nothing is dropped
        for key, value in model.extra.items():
            assert attributes[key] == value
        for key in attributes:
            assert hasattr(model, key) or key in model.extra
        repr(model)


@given(st.lists(st.dictionaries(MEMBERS, JSON), max_size=3))
def test_any_resource_is_taken(entries: list[dict[str, Any]]) -> None:
    for model in decode_many(response({"data": entries}), Profile):
        repr((model, model.extra, model.relationships, model.links, model.related("lists")))


@given(JSON)
def test_any_document_is_taken_or_refused_by_type(document: Any) -> None:
    for decode in (decode_one, decode_many):
        try:
            decode(response(document), Event)
        except InvalidResponse as error:
            assert "op: 200" in str(error)


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_by_type(body: bytes) -> None:
    for decode in (decode_one, decode_many):
        try:
            decode(Response("op", 200, {}, body), Event)
        except InvalidResponse:
            continue


def test_attributes_are_typed_and_the_odd_one_does_not_spoil_the_page() -> None:
    good = {
        "type": "profile",
        "id": "1",
        "attributes": {"email": "a@b.example", "created": "2026-01-02T03:04:05+00:00"},
    }
    odd = {"type": "profile", "id": "2", "attributes": {"email": 5, "created": "last week", "first_name": "Jo"}}
    first, second = decode_many(response({"data": [good, odd]}), Profile)
    assert (first.email, first.created) == ("a@b.example", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    kept: tuple[Any, ...] = (second.email, second.created, second.first_name, second.last_name)
    assert kept == (5, "last week", "Jo", None)


def test_equal_by_content_and_copied_whole() -> None:
    raw = {"type": "profile", "id": "1", "attributes": {"email": "a", "new": [1]}, "links": {"self": "x"}}
    one, two = (decode_one(response({"data": raw}), Profile) for _ in range(2))
    assert one is not None
    assert one == two
    for copied in (pickle.loads(pickle.dumps(one)), copy.deepcopy(one)):
        assert copied == one
        assert copied.extra == {"new": [1]}


def test_made_by_hand() -> None:
    made = Profile(email="a@b.example")
    assert made.to_dict() == {"type": "profile", "id": "", "attributes": {"email": "a@b.example"}}
    assert (made.extra, made.relationships) == ({}, {})
    assert repr(made) == "Profile(id='', email='a@b.example')"


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_type_has_its_attributes(name: str) -> None:
    assert ATTRIBUTES[name] <= set(MODELS[name].__struct_fields__)
    assert issubclass(MODELS[name], Resource)
    assert MODELS[name].type == name


def test_there_is_a_model_of_every_type() -> None:
    assert set(MODELS) == {name for revision in REVISIONS for name in load(revision).types}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_threads_may_all_begin_at_once() -> None:
    done = subprocess.run([sys.executable, str(Path(__file__).with_name("cold_threads.py"))], check=False, timeout=60)
    assert done.returncode == 0, f"{done.returncode} of 40 processes crashed"
