"""What HTTP and JSON:API ask of every operation alike: slashes, methods, media types, encodings, sizes, pages."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Mapping

import pytest
from tests.sandbox.sandbox_api import Api, Reply

from clavichord.spec import Catalogue, Operation, load

REVISIONS = ("2026-07-15", "2026-10-15")
METHODS = {"GET", "POST", "PATCH", "DELETE", "PUT"}
FORM = "multipart/form-data"


@pytest.fixture(params=REVISIONS)
def everything(request: pytest.FixtureRequest, api: Api) -> tuple[Api, Catalogue]:
    return api.at(request.param), load(request.param)


def ask(
    api: Api,
    operation: Operation,
    body: bytes | None = None,
    *,
    method: str = "",
    query: Mapping[str, str] = {},
    slash: str = "",
    **headers: str,
) -> Reply:
    path = re.sub(r"\{\w+\}", "x", operation.path) + slash
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    asked = {**query, "company_id": "ABC123"} if path.startswith("/client/") else query
    return api(method or operation.method, path, body, query=asked, headers=named)


def bodies(catalogue: Catalogue) -> Iterator[Operation]:
    return (one for one in catalogue.operations.values() if one.body and one.content_type != FORM)


def reads(catalogue: Catalogue) -> Iterator[Operation]:
    return (one for one in catalogue.operations.values() if one.method == "GET")


def test_a_trailing_slash_and_head_change_nothing(everything: tuple[Api, Catalogue]) -> None:
    api, catalogue = everything
    for operation in reads(catalogue):
        plain = ask(api, operation)
        assert ask(api, operation, slash="/").status == plain.status, operation.id
        head = ask(api, operation, method="HEAD")
        assert (head.status, head.body) == (plain.status, b""), operation.id
        assert head.headers.get("content-type") == plain.headers.get("content-type"), operation.id


def test_methods_that_a_path_does_not_take(everything: tuple[Api, Catalogue]) -> None:
    api, catalogue = everything
    other = load(next(one for one in REVISIONS if one != catalogue.revision))
    for path in {one.path for one in catalogue.operations.values()}:
        operation = next(one for one in catalogue.operations.values() if one.path == path)
        takes = catalogue.methods(path.replace("{", "").replace("}", ""))
        for method in METHODS - {*takes, *other.methods(path)}:
            reply = ask(api, operation, method=method)
            assert (reply.status, reply.errors[0]["code"]) == (405, "method_not_allowed"), (method, path)
            assert reply.headers["allow"] == ", ".join(takes), (method, path)
        options = ask(api, operation, method="OPTIONS")
        assert options.status == (204 if path.startswith("/client/") else 405), path


def test_media_types_and_encodings_of_bodies(everything: tuple[Api, Catalogue]) -> None:
    api, catalogue = everything
    for operation in bodies(catalogue):
        for kind in ("application/vnd.api+json", "application/json", "application/json; charset=UTF-8"):
            reply = ask(api, operation, b"{}", Content_Type=kind)
            assert (reply.status, reply.errors[0]["code"]) == (400, "invalid"), (operation.id, kind)
        assert ask(api, operation, b"{}", Content_Type="text/plain").status == 415, operation.id
        assert ask(api, operation, b"{}", Content_Encoding="br").status == 415, operation.id
        packed = ask(api, operation, gzip.compress(b"{}"), Content_Encoding="gzip")
        assert (packed.status, packed.errors[0]["source"]) == (400, {"pointer": "/data"}), operation.id
        assert ask(api, operation, b"{}", Content_Encoding="gzip").status == 400, operation.id


@pytest.mark.parametrize("body", [b"", b"\x00", b"[]", b"null", b'{"data":[]}', b'{"data":"\xff"}', b"[" * 100_000])
def test_bodies_that_are_none(everything: tuple[Api, Catalogue], body: bytes) -> None:
    api, catalogue = everything
    for operation in bodies(catalogue):
        reply = ask(api, operation, body)
        empty_is_fine = operation.body_many and body == b'{"data":[]}'
        assert reply.status in ((400, 404, 204) if empty_is_fine else (400,)), (operation.id, reply.body)


def test_bodies_beyond_their_size(everything: tuple[Api, Catalogue]) -> None:
    """The cap counts what is unpacked (FACTS §3), so a small body is enough to go beyond it."""
    api, catalogue = everything
    packed: dict[int, bytes] = {}
    for operation in bodies(catalogue):
        cap = (operation.caps.bytes if operation.caps else 0) or 5_000_000
        body = packed.setdefault(cap, gzip.compress(b"{}".ljust(cap + 1), 1))
        assert ask(api, operation, body, Content_Encoding="gzip").status == 413, operation.id
    for cap in packed:
        first = next(one for one in bodies(catalogue) if ((one.caps.bytes if one.caps else 0) or 5_000_000) == cap)
        assert ask(api, first, b"{}".ljust(cap + 1)).status == 413
        assert ask(api, first, b"{}".ljust(cap)).status == 400


def test_pages_sorts_includes_and_fields(everything: tuple[Api, Catalogue]) -> None:
    api, catalogue = everything
    for operation in reads(catalogue):
        needed = ask(api, operation).status == 400  # campaigns, coupon codes: a filter
        good: list[tuple[str, str]] = [("sort", one) for one in operation.sorts]
        good += [("include", one) for one in operation.includes]
        good += [(f"fields[{kind}]", ",".join(names)) for kind, names in operation.fields.items()]
        good += [(f"additional-fields[{kind}]", names[0]) for kind, names in operation.additional_fields.items()]
        bad = [("sort", "nonsense"), ("include", "nonsense"), ("fields[nonsense]", "x"), ("filter", "nonsense")]
        bad += [(f"fields[{kind}]", "nonsense") for kind in operation.fields] + [(operation.cursor_param, "nonsense")]
        sizes = operation.page_size
        if sizes is None:
            bad.append(("page[size]", "1"))
        else:
            good += [("page[size]", str(sizes.min)), ("page[size]", str(sizes.max))]
            bad += [("page[size]", one) for one in (str(sizes.max + 1), str(sizes.min - 1), "ten")]
        for name, value in good:
            reply = ask(api, operation, query={name: value})
            assert needed or reply.status != 400, (operation.id, name, value, reply.body)
        for name, value in bad:
            reply = ask(api, operation, query={name: value})
            assert reply.status == 400, (operation.id, name, value)
            assert "parameter" in reply.errors[0]["source"], (operation.id, name, value)


def test_gzip_for_those_who_take_it(api: Api) -> None:
    api.imports(*({"attributes": {"email": f"p{number}@shop.test"}} for number in range(20)))
    plain = api("GET", "/api/profiles")
    assert "content-encoding" not in plain.headers
    for accepted, packed in [
        ("gzip", True),
        ("br;q=1.0, GZIP;q=0.8", True),
        ("*", True),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.0", False),
        ("*;q=0", False),
        ("deflate, br", False),
    ]:
        reply = api("GET", "/api/profiles", headers={"Accept-Encoding": accepted})
        assert (reply.headers.get("content-encoding") == "gzip") is packed, accepted
        assert reply.body == plain.body  # urllib3 unpacks
        assert not packed or int(reply.headers["content-length"]) < len(plain.body) / 4
    short = api("GET", "/api/lists", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in short.headers
