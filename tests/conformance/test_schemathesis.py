"""Requests that schemathesis makes from the specification, valid ones and broken ones: none is answered with a 5xx.

That what is answered has the specified form is checked for every sandbox (tests/answers.py).
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import strategies as st
from schemathesis import GenerationMode
from tests.conformance import every_operation, openapi

from clavichord.sandbox.serve import Running, running
from clavichord.spec import load

_PUBLIC = Path(__file__).resolve().parents[3] / "shared" / "klaviyo" / "openapi"
_EXAMPLES = {False: 2, True: 4}
"""with a body or without"""
_WILD = ("filter", "page[cursor]", "page_cursor")
_ASKED = {revision: every_operation.own(revision) for revision in ("2026-07-15", "2026-10-15")}
_TAGS = [
    (revision, tag) for revision, asked in _ASKED.items() for tag in sorted({operation.tag for operation in asked})
]


@cache
def _described(revision: str) -> Mapping[str, Any]:
    """Operation → what schemathesis knows of it, from the public document if that is at hand."""
    public = _PUBLIC / f"stable-{revision}.json.xz"
    document = json.loads(lzma.decompress(public.read_bytes())) if public.exists() else openapi.document(load(revision))
    described: Any = schemathesis.openapi.from_dict(document)
    found = [one.ok() for one in described.get_all_operations()]
    return {one.definition.raw["operationId"]: one for one in found}


@pytest.fixture(scope="module")
def shop() -> Iterator[Running]:
    with running(seed="demo", limits="off", job_delay=0) as served:
        yield served


@pytest.fixture(scope="module")
def known(shop: Running) -> Callable[[str], str]:
    """JSON:API type → the id of something that is there."""
    execute = shop.sandbox.engine.store.execute
    ids = dict(execute("SELECT type, min(id) FROM resource GROUP BY type").fetchall())
    for table in ("profile", "event"):
        ids[table] = execute(f"SELECT min(id) FROM {table}").fetchone()[0]
    return lambda kind: ids.get(kind, "x")


@pytest.mark.parametrize(("revision", "tag"), _TAGS)
def test_no_request_is_a_failure_of_the_server(
    shop: Running, known: Callable[[str], str], revision: str, tag: str
) -> None:
    for operation in _ASKED[revision]:
        if operation.tag == tag:
            _ask(_described(revision)[operation.id], known(operation.base), shop.base_url, revision)


def _ask(operation: Any, there: str, base_url: str, revision: str) -> None:
    """`there`: an id that is not made up, for half of the requests; they have no made-up filter and cursor either."""
    headers = {"Authorization": "Klaviyo-API-Key pk_demo", "revision": revision}
    strategy = st.one_of([operation.as_strategy(generation_mode=mode) for mode in GenerationMode])

    @hypothesis.settings(
        max_examples=_EXAMPLES[bool(operation.body)],
        deadline=None,
        derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=strategy, real=st.booleans())
    def ask(case: Any, real: bool) -> None:
        if real:
            case.path_parameters = dict.fromkeys(case.path_parameters or (), there)
            case.query = {name: one for name, one in (case.query or {}).items() if name not in _WILD}
        case.headers = {**(case.headers or {}), **headers}
        reply = case.call(base_url=base_url)
        assert reply.status_code < 500, f"{case.as_curl_command()}\n{reply.text}"

    ask()
