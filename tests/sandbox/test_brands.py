"""The brand library, what an account's e-mails look like from the start, its brand voice, and what it used."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sandbox.messages_api import campaign, send, write
from tests.sandbox.sandbox_api import Api

PIXEL = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
TEXT = {
    "color": "#FFFFFF",
    "font_size": 16,
    "font_style": "normal",
    "font_family": "Arial",
    "font_weight": 700,
    "letter_spacing": "1px",
    "text_decoration": "none",
}
BUTTON: dict[str, Any] = {
    "style": {"background_color": "#000000", "border_radius": 4, "box_shadow": "none"},
    "border": {"border_color": "#000000", "border_style": "solid", "border_width": 1},
    "spacing": {"padding_top": 8, "padding_right": 8, "padding_bottom": 8, "padding_left": 8},
    "text": TEXT,
}


@pytest.fixture
def api(api: Api) -> Api:
    return api.at("2026-10-15")


def make(api: Api, kind: str, related: dict[str, Any] | None = None, **attributes: Any) -> str:
    reply = write(api, "POST", f"/api/{kind}s", kind, related=related, **attributes)
    assert reply.status == 201, reply.body
    return str(reply.data["id"])


def image(api: Api) -> dict[str, str]:
    reply = write(api, "POST", "/api/images", "image", import_from_url=PIXEL, name="dot")
    return {"type": "image", "id": reply.data["id"]}


def test_a_second_primary_button_demotes_the_first(api: Api) -> None:
    first = make(api, "brand-button", name="Buy", is_primary=True, **BUTTON)
    read = api.get(f"/api/brand-buttons/{first}").data
    assert list(read) == ["type", "id", "attributes", "links"]
    assert read["links"] == {"self": f"https://a.klaviyo.com/api/brand-buttons/{first}/"}
    assert read["attributes"]["style"] == BUTTON["style"] | {"is_shadow_active": False}
    assert (read["attributes"]["is_primary"], read["attributes"]["preview_page_hex"]) == (True, None)
    second = make(api, "brand-button", is_primary=True, **BUTTON)
    assert api.get(f"/api/brand-buttons/{first}").data["attributes"]["is_primary"] is False
    changed = write(
        api, "PATCH", f"/api/brand-buttons/{first}", "brand-button", id=first, is_primary=True, preview_page_hex="#abc"
    )
    assert (changed.status, changed.data["attributes"]["name"]) == (200, "Buy")
    rows = api.get("/api/brand-buttons")
    assert [(row["id"], row["attributes"]["is_primary"]) for row in rows.data] == [(first, True), (second, False)]
    assert api("DELETE", f"/api/brand-buttons/{first}").status == 204
    assert api("DELETE", f"/api/brand-buttons/{first}").faults == [
        ("/data/", f"A brand-button with id {first} does not exist.")
    ]
    assert api.get("/api/brand-buttons").ids == [second]


def test_colors_keep_their_order_and_are_hex(api: Api) -> None:
    colors = [{"hex": "#1A2B3C", "name": "Night"}, {"hex": "#FFF", "name": "Snow"}]
    group = make(api, "brand-color", name="Winter", colors=colors)
    assert api.get(f"/api/brand-colors/{group}").data["attributes"] == {"name": "Winter", "colors": colors}
    assert api.get(f"/api/brand-colors/{make(api, 'brand-color')}").data["attributes"] == {"name": None, "colors": None}
    path = f"/api/brand-colors/{group}"
    wrong = write(api, "PATCH", path, "brand-color", id=group, colors=[colors[0], {"hex": "blue", "name": "Sea"}])
    assert [where for where, _ in wrong.faults] == ["/data/attributes/colors/1/hex"]
    missing = write(api, "PATCH", path, "brand-color", id=group, colors=[{"hex": "#000"}])
    assert missing.faults == [("/data/attributes/colors/0/name", "'name' is a required field.")]
    assert write(api, "PATCH", path, "brand-color", id=group, name=None).data["attributes"]["name"] is None


def test_a_logo_shows_an_image(api: Api) -> None:
    picture = image(api)
    logo = make(api, "brand-logo", {"image": picture}, name="Logo", width=160)
    path = f"/api/brand-logos/{logo}"
    read = api.get(path, include="image")
    assert read.data["relationships"]["image"]["data"] == picture
    assert [one["id"] for one in read.json["included"]] == [picture["id"]]
    other = image(api)
    write(api, "PATCH", path, "brand-logo", id=logo, related={"image": other}, alt_text="The shop")
    assert api.get("/api/brand-logos").data[0]["relationships"]["image"]["data"] == other
    without = write(api, "POST", "/api/brand-logos", "brand-logo", name="Logo")
    gone = write(
        api, "POST", "/api/brand-logos", "brand-logo", related={"image": {"type": "image", "id": "1"}}, name="L"
    )
    for refused in (without, gone):
        assert (refused.status, refused.faults[0][0]) == (400, "/data/relationships/image/data")
    assert write(api, "PATCH", path, "brand-logo", id=logo, width=0).faults[0][0] == "/data/attributes/width"


def test_social_links_in_their_order(api: Api) -> None:
    links = [
        {"platform": "instagram", "link_url": "https://instagram.com/shop"},
        {"platform": "custom", "link_url": "https://shop.test", "asset_url": "https://shop.test/i.png"},
    ]
    group = make(api, "brand-social-group", name="Everywhere", social_links=links)
    stored = api.get(f"/api/brand-social-groups/{group}").data["attributes"]["social_links"]
    assert stored[0] == links[0]
    assert stored[1] == {**links[1], "asset_id": None, "width": None, "height": None}
    odd = [{"platform": "carrier-pigeon", "link_url": "https://shop.test"}]
    refused = write(api, "POST", "/api/brand-social-groups", "brand-social-group", social_links=odd)
    assert [where for where, _ in refused.faults] == ["/data/attributes/social_links/0/platform"]


def test_email_defaults_are_there_from_the_start(api: Api) -> None:
    account = api.get("/api/accounts").ids[0]
    path = f"/api/brand-email-defaults/{account}"
    assert api.get("/api/brand-email-defaults").ids == [account]
    before = api.get(path).data
    assert list(before["attributes"]) == ["body", "header", "footer"]
    assert "data" not in before["relationships"]["brand-logo"]
    button = make(api, "brand-button", **BUTTON)
    changed = write(
        api,
        "PATCH",
        path,
        "brand-email-default",
        id=account,
        related={"brand-button": {"type": "brand-button", "id": button}},
        body={"h1_text": TEXT, "background_color": None},
        header={"logo_max_width": None, "links": [{"text": "Sale", "url": "https://shop.test/sale"}]},
    )
    assert changed.status == 200, changed.body
    read = api.get(path, include="brand-button")
    body, header = read.data["attributes"]["body"], read.data["attributes"]["header"]
    assert (body["h1_text"], body["text"]) == (TEXT, before["attributes"]["body"]["text"])
    assert body["background_color"] == before["attributes"]["body"]["background_color"]
    assert (header["logo_max_width"], header["links"][0]["text"]) == (None, "Sale")
    assert header["link_text"] == before["attributes"]["header"]["link_text"]
    assert [one["id"] for one in read.json["included"]] == [button]
    api("DELETE", f"/api/brand-buttons/{button}")
    assert "data" not in api.get(path).data["relationships"]["brand-button"]
    other = write(api, "PATCH", "/api/brand-email-defaults/NOPE01", "brand-email-default", id="NOPE01", body={})
    assert other.faults == [("/data/", "A brand-email-default with id NOPE01 does not exist.")]


def test_brand_voice_is_replaced_list_by_list(api: Api) -> None:
    account = api.get("/api/accounts").ids[0]
    path = f"/api/brand-voice/{account}"
    first = api.get(path).data["attributes"]
    assert (first["tone_descriptors"], first["language_patterns"]) == ([], [])
    warm = {"name": "Warm", "description": "Speaks like a friend."}
    write(api, "PATCH", path, "brand-voice", id=account, tone_descriptors=[warm, warm | {"name": "Calm"}])
    write(api, "PATCH", path, "brand-voice", id=account, language_patterns=[warm | {"user_modified": True}])
    write(api, "PATCH", path, "brand-voice", id=account, tone_descriptors=[warm])
    read = api.get(path).data["attributes"]
    assert read["tone_descriptors"] == [warm | {"user_modified": False}]
    assert read["language_patterns"] == [warm | {"user_modified": True}]
    assert read["version"] != first["version"]
    assert api.get("/api/brand-voice/NOPE01").status == 404


def test_billing_usage_counts_what_is_there(api: Api) -> None:
    names = api.get("/api/billing-usage").ids
    assert {"email_sends", "customer_hub_active_profiles"} <= set(names)
    assert api.get("/api/billing-usage", filter="any(id,['email_sends'])").ids == ["email_sends"]
    older = api.at("2026-07-15")
    list_id = older.list()
    older.join(list_id, older.profile(email="ann@shop.test"), older.profile(email="bob@shop.test"))
    older.suppress("create", "bob@shop.test")
    campaign_id, _ = campaign(older, list_id)
    assert send(older, campaign_id).status == 202
    sends = api.get("/api/billing-usage/email_sends").data["attributes"]
    assert (sends["usage_used"], sends["unit"]) == (1, "messages")
    assert sends["period_start"] <= sends["as_of"] < sends["period_end"]
    assert sends["period_start"].endswith("-01T00:00:00+00:00")
    assert api.get("/api/billing-usage/active_profiles").data["attributes"]["usage_used"] == 1
    assert api.get("/api/billing-usage/pigeons").status == 404
