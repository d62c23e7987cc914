"""Whatever is sent to the control plane and to OAuth, the sandbox stays whole and says what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sandbox.sandbox_api import Api

from clavichord.sandbox.control import _ROUTES
from clavichord.sandbox.serve import running

PATHS = [*sorted(_ROUTES), "/oauth/authorize", "/oauth/token", "/oauth/revoke", "/", "/_ui/app.js", "/_ui/../app.py"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "set",
                    "freeze",
                    "advance",
                    "operation",
                    "status",
                    "times",
                    "mode",
                    "scale",
                    "name",
                    "seed",
                    "accounts",
                ]
            )
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def own() -> Iterator[Api]:
    with running(limits="off", job_delay=0) as served:
        yield Api(served.base_url, "pk_a")


@settings(max_examples=300, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH"]),
    path=st.sampled_from(PATHS),
    name=st.sampled_from(["one", "%ff", "%00", "999", "..", "profiles", "x" * 300]),
    body=JSON | st.binary(max_size=20),
    query=st.sampled_from(["", "limit=x", "limit=5&offset=-1", "q=%ff&account=%00", "since=9999999999999999", "&&=&"]),
    origin=st.sampled_from([None, "http://[", "null", ""]),
)
def test_nothing_breaks_it(
    own: Api, method: str, path: str, name: str, body: Any, query: str, origin: str | None
) -> None:
    reply = own(method, path.replace("{name}", name), body, query=query, headers={"Origin": origin})
    assert reply.status < 500, reply.body
    if path.startswith("/_sandbox") and reply.status >= 400:
        assert reply.json["error"]


def test_and_it_is_still_whole(own: Api) -> None:
    own("POST", "/_sandbox/reset")
    assert own.get("/api/profiles").status == 200
