"""Templates and universal content: written, read back, filtered, sorted, paged, copied, deleted (FACTS §9.8)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sandbox.messages_api import template, write
from tests.sandbox.sandbox_api import Api


def block(kind: str, **data: Any) -> dict[str, Any]:
    return {"content_type": "block", "type": kind, "data": {"display_options": {}, **data}}


def definition(*blocks: dict[str, Any]) -> dict[str, Any]:
    row = {"data": {"styles": {}}, "columns": [{"blocks": list(blocks)}]}
    data: dict[str, Any] = {"properties": {}, "display_options": {}, "styles": {}}
    section = {"content_type": "section", "type": "section", "data": data, "rows": [row]}
    return {"body": {"properties": {}, "styles": {"width": 500}, "sections": [section]}, "styles": []}


def test_chain(api: Api) -> None:
    ids = [template(api, name=name) for name in ("Bravo", "alpha", "Charlie")]
    one = api.get(f"/api/templates/{ids[0]}").data
    assert one["attributes"]["html"].startswith("<html><head></head><body><p>")
    assert "definition" not in one["attributes"]
    assert api.get("/api/templates", filter='equals(name,"alpha")').ids == [ids[1]]
    assert sorted(api.get("/api/templates", filter='any(name,["alpha","Bravo"])').ids) == sorted(ids[:2])
    assert api.get("/api/templates", filter='contains(name,"RAV")').ids == [ids[0]]
    assert api.get("/api/templates", filter=f'any(id,["{ids[2]}"])').ids == [ids[2]]
    assert api.get("/api/templates", sort="name").ids == [ids[0], ids[2], ids[1]]
    assert api.get("/api/templates", sort="-name").ids == [ids[1], ids[2], ids[0]]
    created = one["attributes"]["created"]
    assert ids[0] in api.get("/api/templates", filter=f"equals(created,{created})").ids
    assert api.get("/api/templates", filter="less-than(updated,2020-01-01T00:00:00Z)").ids == []

    changed = write(api, "PATCH", f"/api/templates/{ids[0]}", "template", id=ids[0], name="Delta", text="own")
    assert changed.status == 200
    read = api.get(f"/api/templates/{ids[0]}").data["attributes"]
    assert (read["name"], read["text"]) == ("Delta", "own")
    assert read["html"] == one["attributes"]["html"]
    assert len(read["updated"]) == 25 and len(changed.data["attributes"]["updated"]) == 32

    assert api("DELETE", f"/api/templates/{ids[0]}").status == 204
    gone = api.get(f"/api/templates/{ids[0]}")
    assert (gone.status, gone.errors[0]["detail"]) == (404, f"Template with id '{ids[0]}' does not exist")
    assert api("DELETE", f"/api/templates/{ids[0]}").status == 404


def test_pages_of_ten(api: Api) -> None:
    ids = [template(api, name=f"T{number:02}") for number in range(23)]
    found = [one for page in api.pages("/api/templates", sort="name") for one in page.ids]
    assert found == ids
    assert api.get("/api/templates", **{"page[size]": "11"}).status == 400


def test_text_is_derived_unless_it_is_given(api: Api) -> None:
    def text(html: str, **attributes: Any) -> Any:
        return api.get(f"/api/templates/{template(api, html, **attributes)}").data["attributes"]["text"]

    assert text("<style>x</style><h1>One</h1><p>Two &amp; <b>three</b></p>{% if a < b %}x{% endif %}") == (
        "One\nTwo & three\n{% if a < b %}x{% endif %}"
    )
    assert text("<p>x</p>", text="mine") == "mine"


def test_html_is_brought_into_form(api: Api) -> None:
    def html(given: str) -> Any:
        return api.get(f"/api/templates/{template(api, given)}").data["attributes"]["html"]

    assert html("<html lang='en'><body>x</body></html>") == "<html lang='en'><head></head><body>x</body></html>"
    assert html("<body>x</body>") == "<html><head></head><body>x</body></html>"
    whole = "<html><head><title>t</title></head><body>x</body></html>"
    assert html(whole) == whole


def test_clone(api: Api) -> None:
    original = template(api)
    reply = write(api, "POST", "/api/template-clone", "template", id=original, name="Copy")
    assert reply.status == 201
    assert reply.data["attributes"]["name"] == "Copy"
    assert reply.data["id"] != original
    unnamed = write(api, "POST", "/api/template-clone", "template", id=original, name=None)
    assert unnamed.data["attributes"]["name"] == f"Clone of {original}"
    assert write(api, "POST", "/api/template-clone", "template", id="NOPE01", name="x").status == 404


def test_drag_and_drop_definition(api: Api) -> None:
    content = [
        block("text", content="<p>Hello</p>", styles={}),
        block("html", content="<hr class='x'>"),
        block("button", content="Go", properties={"href": "https://shop.test/?a=1&b=2"}, styles={}),
        block("image", properties={"dynamic": False, "src": "https://shop.test/i.png"}, styles={}),
    ]
    given: dict[str, Any] = {"name": "D", "editor_type": "SYSTEM_DRAGGABLE", "definition": definition(*content)}
    reply = write(api, "POST", "/api/templates", "template", query="additional-fields[template]=definition", **given)
    assert reply.status == 201, reply.body
    attributes = reply.data["attributes"]
    assert "<div><p>Hello</p></div><hr class='x'>" in attributes["html"]
    assert (
        '<a href="https://shop.test/?a=1&amp;b=2">Go</a><img src="https://shop.test/i.png" alt="">'
        in attributes["html"]
    )
    made = attributes["definition"]
    assert made["template_id"] == reply.data["id"]
    assert made["body"]["styles"] == {"width": 500}
    assert made["body"]["sections"][0]["rows"][0]["columns"][0]["blocks"][0]["id"].isdigit()
    path = f"/api/templates/{reply.data['id']}"
    assert "definition" not in api.get(path).data["attributes"]
    assert api.get(path, **{"additional-fields[template]": "definition"}).data["attributes"]["definition"] == made
    changed = write(
        api, "PATCH", path, "template", id=reply.data["id"], definition=definition(block("html", content="New"))
    )
    assert changed.status == 200 and "New" in changed.data["attributes"]["html"]
    refused = write(api, "PATCH", path, "template", id=reply.data["id"], html="<p>x</p>")
    assert refused.faults[0][0] == "/data/attributes/html"


LOGO = {"type": "header_link_bar_logo", "src": "https://shop.test/l.png", "href": "https://shop.test", "alt_text": "Us"}
PRODUCT = {
    "type": "product",
    "title": "Tea & cake",
    "price": "5.00",
    "original_price": "7.00",
    "link": "https://shop.test/t",
}
BLOCKS: list[tuple[dict[str, Any], str]] = [
    (
        block("header", styles={})
        | {"subblocks": [LOGO, {"type": "header_link_bar_button", "content": "Sale", "href": "https://shop.test/s"}]},
        '<div><a href="https://shop.test"><img src="https://shop.test/l.png" alt="Us"></a>'
        ' <a href="https://shop.test/s">Sale</a></div>',
    ),
    (
        block("social", properties={}, styles={})
        | {
            "subblocks": [
                {"type": "social_link_icon", "link_type": "instagram", "link_url": "https://i.test/shop"},
                {"type": "social_link_spacer", "width": 4},
                {
                    "type": "social_link_icon",
                    "link_type": "custom",
                    "custom_src": "https://shop.test/c.png",
                    "label": "C",
                },
            ]
        },
        '<div><a href="https://i.test/shop">instagram</a> <img src="https://shop.test/c.png" alt="C"></div>',
    ),
    (
        block("coupon", content="Your code: ", properties={"coupon": "SPRING"}, styles={}),
        "<div>Your code: PREVIEW-CODE</div>",
    ),
    (
        block("product", properties={"dynamic": False, "show_original_price": False}, styles={})
        | {"subblocks": [PRODUCT]},
        '<div><div><a href="https://shop.test/t">Tea &amp; cake</a></div><div>5.00</div></div>',
    ),
    (block("product", properties={"dynamic": True}, styles={}), "<!-- product -->"),
    (
        block("review", properties={"dynamic": False, "stars": 3, "quote": "Fine", "author": "Ann"}, styles={}),
        "<div>★★★</div><div><blockquote>Fine</blockquote></div><div>Ann</div>",
    ),
    (
        block("split", styles={})
        | {
            "subblocks": [
                {"type": "table_text", "content": "<p>Left</p>"},
                {"type": "table_image", "src": "https://shop.test/r.png"},
            ]
        },
        '<div><p>Left</p></div><img src="https://shop.test/r.png" alt="">',
    ),
    (
        {
            "content_type": "block",
            "type": "text",
            "data": {
                "content": "{{ one }};",
                "styles": {},
                "display_options": {"content_repeat": {"repeat_for": "event.items", "item_alias": "one"}},
            },
        },
        "<div>a;</div><div>b;</div>",
    ),
    (
        {
            "content_type": "block",
            "type": "html",
            "data": {"content": "hidden", "display_options": {"visibility": {"check": "event.nothing"}}},
        },
        "",
    ),
]


@pytest.mark.parametrize(("given", "shown"), BLOCKS)
def test_blocks_come_to_html(api: Api, given: dict[str, Any], shown: str) -> None:
    attributes: dict[str, Any] = {"name": "D", "editor_type": "SYSTEM_DRAGGABLE", "definition": definition(given)}
    made = write(api, "POST", "/api/templates", "template", **attributes)
    assert made.status == 201, made.body
    context = {"event": {"items": ["a", "b"]}}
    rendered = write(api, "POST", "/api/template-render", "template", id=made.data["id"], context=context)
    assert f"<td>{shown}</td>" in rendered.data["attributes"]["html"]


@pytest.mark.parametrize(
    ("attributes", "pointer"),
    [
        ({"name": "x", "editor_type": "WORD", "html": "x"}, "/data/attributes/editor_type"),
        ({"name": " ", "editor_type": "CODE", "html": "x"}, "/data/attributes/name"),
        ({"name": "x", "editor_type": "CODE"}, "/data/attributes/html"),
        ({"name": "x", "editor_type": "CODE", "html": "x", "colour": 1}, "/data/attributes/colour"),
        ({"name": "x", "editor_type": "SYSTEM_DRAGGABLE", "html": "x"}, "/data/attributes/html"),
        ({"name": "x", "editor_type": "SYSTEM_DRAGGABLE"}, "/data/attributes/definition"),
        (
            {
                "name": "x",
                "editor_type": "SYSTEM_DRAGGABLE",
                "definition": {"body": {"properties": {}, "styles": {}, "sections": []}, "styles": []},
            },
            "/data/attributes/definition/body/sections",
        ),
    ],
)
def test_refused(api: Api, attributes: dict[str, Any], pointer: str) -> None:
    reply = write(api, "POST", "/api/templates", "template", **attributes)
    assert reply.status == 400
    assert pointer in [where for where, _ in reply.faults]


def test_at_most_a_thousand(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clavichord.sandbox.resources.templates.MAX_TEMPLATES", 2)
    first = template(api)
    template(api)
    assert write(api, "POST", "/api/templates", "template", name="x", editor_type="CODE", html="x").status == 400
    assert write(api, "POST", "/api/template-clone", "template", id=first, name="x").status == 400


def test_universal_content_chain(api: Api) -> None:
    path, kind = "/api/template-universal-content", "template-universal-content"
    made = [
        write(api, "POST", path, kind, name=name, definition=block(of, content="x", styles={}) if of == "text" else
              block(of, content="x"))
        for name, of in (("One", "html"), ("Two", "text"))
    ]  # fmt: skip
    assert [reply.status for reply in made] == [201, 201]
    ids = [reply.data["id"] for reply in made]
    assert all(len(one) == 32 and one == one.lower() for one in ids)
    assert made[0].data["attributes"]["definition"]["data"]["display_options"] == {
        "show_on": "all",
        "visible_check": "",
    }
    assert api.get(path, filter='equals(definition.type,"text")').ids == [ids[1]]
    assert api.get(path, filter='any(name,["One"])', sort="-name").ids == [ids[0]]
    assert api.get(path, sort="name", **{"page[size]": "1"}).json["links"]["next"]
    changed = write(
        api, "PATCH", f"{path}/{ids[0]}", kind, id=ids[0], name="Uno", definition=block("html", content="y")
    )
    assert changed.status == 200
    read = api.get(f"{path}/{ids[0]}").data["attributes"]
    assert (read["name"], read["definition"]["data"]["content"]) == ("Uno", "y")
    refused = write(api, "POST", path, kind, name="x", definition=block("coupon", content="x"))
    assert refused.status == 400
    assert api("DELETE", f"{path}/{ids[0]}").status == 204
    gone = api.get(f"{path}/{ids[0]}")
    assert gone.errors[0]["detail"] == f"A universal content with id `{ids[0]}` does not exist."
