"""Images: from a URL, from a data URI, from a file."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from tests.sandbox.sandbox_api import Api, Reply

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) + b"\r\n--not a boundary\r\n"


def from_url(api: Api, url: str, **attributes: Any) -> Reply:
    data = {"type": "image", "attributes": {"import_from_url": url, **attributes}}
    return api("POST", "/api/images", {"data": data})


def upload(
    api: Api, *parts: tuple[str, bytes], boundary: str = "XyZ", closing: str = "--", quoted: str = "", **headers: str
) -> Reply:
    body = b"".join(
        b"--%b\r\nContent-Disposition: form-data; %b\r\n\r\n%b\r\n" % (boundary.encode(), head.encode(), content)
        for head, content in parts
    )
    sent = {"Content-Type": f"multipart/form-data; boundary={quoted or boundary}", **headers}
    return api("POST", "/api/image-upload", body + f"--{boundary}{closing}\r\n".encode(), headers=sent)


FILE = ('name="file"; filename="caf\u00e9 \\"one\\".png"', PNG)


def test_upload(api: Api) -> None:
    made = upload(api, FILE, ('name="hidden"', b"false"))
    assert made.status == 201, made.body
    attributes = made.data["attributes"]
    assert {name: attributes[name] for name in ("name", "format", "size", "hidden")} == {
        "name": 'caf\u00e9 "one"',
        "format": "png",
        "size": len(PNG),
        "hidden": False,
    }
    assert (
        upload(api, FILE, ('name="name"', b"Logo"), boundary="a b", quoted='"a b"').data["attributes"]["name"] == "Logo"
    )


@pytest.mark.parametrize(
    ("status", "sent"),
    [
        (400, {"parts": [('name="file"; filename="x.png"', b"not an image")]}),
        (400, {"parts": [('name="name"', b"Logo")]}),
        (400, {"parts": [FILE], "closing": ""}),
        (400, {"parts": [FILE], "headers": {"Content-Type": "multipart/form-data"}}),
        (400, {"parts": [FILE], "headers": {"Content-Type": "multipart/form-data; boundary=other"}}),
        (400, {"parts": [('filename="x.png"', PNG)]}),
        (415, {"parts": [FILE], "headers": {"Content-Type": "application/json"}}),
        (413, {"parts": [('name="file"; filename="x.png"', PNG + bytes(5_000_000))]}),
        (413, {"parts": [('name="file"; filename="x.png"', PNG + bytes(9_000_000))]}),
    ],
)
def test_bad_uploads(api: Api, status: int, sent: dict[str, Any]) -> None:
    refused = upload(api, *sent["parts"], closing=sent.get("closing", "--"), **sent.get("headers", {}))
    assert refused.status == status, refused.body
    assert api.get("/api/images").data == []


def test_data_uris(api: Api) -> None:
    gif = b"GIF89a" + bytes(20)
    made = from_url(api, "data:image/gif;base64," + b64encode(gif).decode(), name="Dot").data
    assert (made["attributes"]["format"], made["attributes"]["size"]) == ("gif", 26)
    for wrong in ("data:image/gif;base64,%%%", "data:,hello", "data:", "ftp://x/y.png", "http://", "nonsense", ""):
        assert from_url(api, wrong).faults == [
            ("/data/attributes/import_from_url", "Unable to fetch the URL you entered.")
        ]


def test_life_of_an_image(api: Api) -> None:
    made = from_url(api, "https://shop.test/pictures/Red%20shoe.jpg?v=1").data
    assert (made["attributes"]["name"], made["attributes"]["format"]) == ("Red shoe", "jpeg")
    path = f"/api/images/{made['id']}"
    body = {"data": {"type": "image", "id": made["id"], "attributes": {"name": "Blue shoe", "hidden": True}}}
    assert api("PATCH", path, body).data["attributes"]["hidden"] is True
    assert api.get(path).data["attributes"]["name"] == "Blue shoe"
    assert api.get("/api/images").data == []
    assert api.get("/api/images", filter="equals(hidden,true)").ids == [made["id"]]
    assert api.get("/api/images/1").faults == [("/data/", "Not found.")]


def test_images_are_filtered_and_sorted(api: Api) -> None:
    one = from_url(api, "https://shop.test/a.png").data["id"]
    two = upload(api, FILE).data["id"]
    assert api.get("/api/images", filter=f"any(id,[{one},{two}])", sort="name").ids == [one, two]
    assert api.get("/api/images", filter=f"equals(id,{two})").ids == [two]
    assert api.get("/api/images", filter='equals(format,"png")', sort="-size").ids == [two, one]
    assert api.get("/api/images", filter="greater-than(size,100)").ids == [two]
    assert api.get("/api/images", filter='starts-with(name,"CAF")').ids == [two]
    assert api.get("/api/images", filter='ends-with(name,"a")').ids == [one]
    assert len(api.get("/api/images", filter="greater-than(updated_at,2020-01-01)").ids) == 2
    assert api.get("/api/images", filter="less-than(updated_at,2020-01-01)").ids == []
    pages = api.pages("/api/images", sort="-name", **{"page[size]": "1"})
    assert [page.ids for page in pages] == [[two], [one]]
