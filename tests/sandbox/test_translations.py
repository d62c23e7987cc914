"""Translations, and test mails that show them (2026-10-15)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sandbox.messages_api import campaign, email_action, flow, send, template, write
from tests.sandbox.sandbox_api import Api, Reply

from clavichord.sandbox.resources import outbox
from clavichord.sandbox.serve import Running

HTML = "<h1>Welcome</h1><style>p {color: red}</style><p> Hi {{ first_name }}! </p><b>{{ first_name }}</b>"
VALUES = {"additional-fields[translation]": "values"}


@pytest.fixture
def api(api: Api) -> Api:
    return api.at("2026-10-15")


def translate(api: Api, owner: str, owner_id: str, query: str = "", **attributes: Any) -> Reply:
    given = {"source_locale": "en", "target_locales": ["fr", "de-AT"], "fallback_locale": "en", "channel": "email"}
    related = {owner: {"type": owner, "id": owner_id}}
    return write(api, "POST", "/api/translations", "translation", related=related, query=query, **(given | attributes))


def change(api: Api, translation_id: str, **attributes: Any) -> Reply:
    query = "additional-fields[translation]=values"
    path = f"/api/translations/{translation_id}"
    return write(api, "PATCH", path, "translation", id=translation_id, query=query, **attributes)


def values(api: Api, translation_id: str) -> dict[str, dict[str, Any]]:
    """source text → its value block"""
    found = api.get(f"/api/translations/{translation_id}", **VALUES).data["attributes"]["values"]
    return {one["source_text"]: one for one in found}


def say(api: Api, translation_id: str, locale: str, **texts: str | None) -> Reply:
    """`texts`: source, with `_` for a blank, → translated"""
    known = values(api, translation_id)
    entries = [{"id": known[one.replace("_", " ")]["id"], "translations": {locale: texts[one]}} for one in texts]
    return change(api, translation_id, values=entries)


def preview(api: Api, template_id: str, *recipients: str, profile: str = "", context: Any = None) -> Reply:
    related = {"template": {"type": "template", "id": template_id}}
    if profile:
        related["profile"] = {"type": "profile", "id": profile}
    kind = "template-preview-send-job"
    given: dict[str, Any] = {"recipients": list(recipients)} | ({"context": context} if context else {})
    return write(api, "POST", f"/api/{kind}s", kind, related=related, **given)


def mails(served: Running, api: Api) -> list[outbox.Entry]:
    return outbox.entries(served.sandbox.engine.store, api.get("/api/accounts").ids[0])


def test_life_of_a_translation(api: Api) -> None:
    template_id = template(api, HTML)
    made = translate(api, "template", template_id, "additional-fields[translation]=values")
    assert made.status == 201, made.body
    translation_id = made.data["id"]
    assert translation_id.startswith("template::email::")
    assert list(made.data["relationships"]) == ["template"]
    assert made.data["relationships"]["template"]["data"] == {"type": "template", "id": template_id}
    assert [one["source_text"] for one in made.data["attributes"]["values"]] == ["Welcome", "Hi {{ first_name }}!"]
    path = f"/api/translations/{translation_id}"
    assert "values" not in api.get(path).data["attributes"]
    changed = say(api, translation_id, "fr", Welcome="Bienvenue")
    assert changed.data["attributes"]["values"][0]["translations"] == {"fr": "Bienvenue", "de-AT": None}
    say(api, translation_id, "de-AT", Welcome="Willkommen")
    assert values(api, translation_id)["Welcome"]["translations"] == {"fr": "Bienvenue", "de-AT": "Willkommen"}
    say(api, translation_id, "fr", Welcome=None)
    assert values(api, translation_id)["Welcome"]["translations"] == {"fr": None, "de-AT": "Willkommen"}
    shorter = change(api, translation_id, target_locales=["fr"], fallback_locale=None)
    assert shorter.data["attributes"]["fallback_locale"] is None
    assert values(api, translation_id)["Welcome"]["translations"] == {"fr": None}
    assert translate(api, "template", template_id).status == 409
    assert api("DELETE", path).status == 204
    assert api.get(path).faults == [("/data/", f"A translation with id {translation_id} does not exist.")]


def test_the_list_is_filtered_by_what_is_translated(api: Api) -> None:
    first, second = template(api), template(api)
    block = {"content_type": "block", "type": "html", "data": {"content": "<p>Sale</p>", "display_options": {}}}
    content = write(
        api, "POST", "/api/template-universal-content", "template-universal-content", name="C", definition=block
    )
    ids = [translate(api, "template", one).data["id"] for one in (first, second)]
    ids.append(translate(api, "template-universal-content", content.data["id"]).data["id"])
    assert list(values(api, ids[2])) == ["Sale"]
    path = "/api/translations"
    assert api.get(path).ids == sorted(ids)
    assert api.get(path, sort="-id").ids == sorted(ids, reverse=True)
    assert api.get(path, filter='equals(resource_type,"template")').ids == sorted(ids[:2])
    assert api.get(path, filter=f'equals(related_resource_id,"{second}")').ids == [ids[1]]
    assert api.get(path, filter=f'any(id,["{ids[0]}","x"])').ids == [ids[0]]
    assert api.get(path, filter='equals(channel,"sms")').ids == []
    assert [page.ids for page in api.pages(path, **{"page[size]": "2"})] == [sorted(ids)[:2], sorted(ids)[2:]]
    included = api.get(path, include="template,template-universal-content").json["included"]
    assert {one["id"] for one in included} == {first, second, content.data["id"]}
    for name, target in (("template", first), ("template-universal-content", None), ("campaign-variation", None)):
        for between in ("/", "/relationships/"):
            found = api.get(f"{path}/{ids[0]}{between}{name}").json
            assert (found["data"] or {}).get("id") == target
    older = api.at("2026-07-15")
    assert older("DELETE", f"/api/templates/{first}").status == 204
    assert api.get(f"{path}/{ids[0]}").status == 404
    assert older.get(path).status == 404


def test_a_flow_message_has_fields_and_a_template(api: Api) -> None:
    made = flow(api, email_action("a", template(api, HTML)))
    action = made["attributes"]["definition"]["actions"][0]
    message_id = action["data"]["message"]["id"]
    assert translate(api, "flow-message", message_id, channel="sms").faults[0][0] == "/data/attributes/channel"
    translation_id = translate(api, "flow-message", message_id).data["id"]
    found = values(api, translation_id)
    assert [one["id"] for one in found.values()][:1] == ["subject"]
    assert "Welcome" in found
    path = f"/api/translations/{translation_id}"
    message = api.get(f"{path}/flow-message").data
    assert (message["id"], list(message["attributes"])[:3]) == (message_id, ["name", "channel", "content"])
    assert message["attributes"]["content"]["subject"] == action["data"]["message"]["subject_line"]
    assert "cc_email" not in message["attributes"]["content"]
    assert api.get(path, include="flow-message").json["included"] == [message]
    assert api.get(f"{path}/relationships/flow-message").data == {"type": "flow-message", "id": message_id}
    assert api.at("2026-07-15")("DELETE", f"/api/flows/{made['id']}").status == 204
    assert api.get(path).status == 404


def test_refused_translations(api: Api) -> None:
    template_id = template(api, HTML)
    for wrong, pointer in (
        ({"channel": "sms"}, "channel"),
        ({"channel": "smoke"}, "channel"),
        ({"source_locale": "English"}, "source_locale"),
        ({"target_locales": ["fr", "f"]}, "target_locales/1"),
        ({"target_locales": []}, "target_locales"),
        ({"target_locales": ["fr", "en"]}, "target_locales"),
        ({"fallback_locale": "it"}, "fallback_locale"),
    ):
        assert translate(api, "template", template_id, **wrong).faults[0][0] == f"/data/attributes/{pointer}"
    assert translate(api, "template", "NOPE01").faults == [("/data/", "Template with id 'NOPE01' does not exist")]
    assert translate(api, "consent-page", "NOPE01", channel="web").status == 404
    nobody = write(
        api,
        "POST",
        "/api/translations",
        "translation",
        source_locale="en",
        target_locales=["fr"],
        fallback_locale="en",
        channel="email",
    )
    assert nobody.faults[0][0] == "/data/relationships"
    translation_id = translate(api, "template", template_id).data["id"]
    block = values(api, translation_id)["Welcome"]["id"]
    for entry, pointer in (
        ({"id": "gone", "translations": {}}, "id"),
        ({"translations": {}}, "id"),
        ({"id": block, "translations": "Bienvenue"}, "translations"),
        ({"id": block, "translations": {"it": "Benvenuto"}}, "translations/it"),
        ({"id": block, "translations": {"fr": 1}}, "translations/fr"),
    ):
        refused = change(api, translation_id, values=[entry])
        assert [where for where, _ in refused.faults] == [f"/data/attributes/values/0/{pointer}"]


def test_test_mails_are_in_the_outbox(server: Running, api: Api) -> None:
    template_id = template(api, HTML)
    job = preview(api, template_id, "a@shop.test", "b@shop.test", context={"first_name": "Bob"})
    assert (job.status, list(job.data["attributes"])) == (202, ["status", "created_at"])
    sent = mails(server, api)
    assert [(one.recipient, one.message, one.status) for one in sent] == [
        ("a@shop.test", job.data["id"], "sent"),
        ("b@shop.test", job.data["id"], "sent"),
    ]
    assert "<p> Hi Bob! </p>" in sent[0].html
    assert sent[0].subject == "[Test] Welcome"
    preview(api, template_id, "a@shop.test")
    assert "Hi Sarah!" in mails(server, api)[-1].text
    jobs = api("GET", "/_sandbox/state/jobs", query={"account": sent[0].account}).json["jobs"]
    assert {one["attributes"]["status"] for one in jobs} == {"complete"}
    preview(api, template(api, "{% if %}"), "a@shop.test")
    assert (mails(server, api)[-1].status, mails(server, api)[-1].reason) != ("sent", "")
    for refused, pointer in (
        (preview(api, template_id), "/data/attributes/recipients"),
        (preview(api, template_id, *["a@shop.test"] * 6), "/data/attributes/recipients"),
        (preview(api, template_id, "a@shop.test", "nobody"), "/data/attributes/recipients/1"),
    ):
        assert [where for where, _ in refused.faults] == [pointer]
    assert preview(api, "NOPE01", "a@shop.test").status == 404
    assert preview(api, template_id, "a@shop.test", profile="NOPE").status == 404


def test_readers_are_written_to_in_their_language(server: Running, api: Api) -> None:
    template_id = template(api, HTML)
    translation_id = translate(api, "template", template_id).data["id"]
    say(api, translation_id, "fr", Welcome="Bienvenue")
    say(api, translation_id, "de-AT", Welcome="Servus")
    list_id, people = api.list(), {}
    for locale in ("fr-CA", "de-AT", "it-IT", None):
        people[locale] = api.profile(email=f"{locale}@shop.test".lower(), locale=locale, first_name="Ann")
        preview(api, template_id, "a@shop.test", profile=people[locale])
    shown = [one.html.partition("<h1>")[2].partition("</h1>")[0] for one in mails(server, api)]
    assert shown == ["Bienvenue", "Servus", "Welcome", "Welcome"]
    assert mails(server, api)[0].text == "Bienvenue\nHi Ann!\nAnn"
    change(api, translation_id, fallback_locale="fr")
    preview(api, template_id, "a@shop.test", profile=people["it-IT"])
    assert "Bienvenue" in mails(server, api)[-1].html
    older = api.at("2026-07-15")
    older.join(list_id, *people.values())
    campaign_id, message_id = campaign(older, list_id)
    related = {"template": {"type": "template", "id": template_id}}
    path = "/api/campaign-message-assign-template"
    write(older, "POST", path, "campaign-message", id=message_id, related=related)
    send(older, campaign_id)
    sent = {one.profile: one.html for one in mails(server, api) if one.campaign == campaign_id}
    assert ["Servus" in sent[people["de-AT"]], "Bienvenue" in sent[people["fr-CA"]]] == [True, True]
    api("DELETE", f"/api/translations/{translation_id}")
    preview(api, template_id, "a@shop.test", profile=people["fr-CA"])
    assert "Welcome" in mails(server, api)[-1].html


def test_a_variation_of_a_campaign_is_translated(server: Running, api: Api) -> None:
    older, list_id = api.at("2026-07-15"), api.list()
    people = {
        locale: api.profile(email=f"{locale}@shop.test", locale=locale, first_name="Ann") for locale in ("fr", "en")
    }
    older.join(list_id, *people.values())
    campaign_id, message_id = campaign(older, list_id, html=HTML)
    (variation_id,) = api.get(f"/api/campaign-messages/{message_id}/campaign-variations").ids
    assert translate(api, "campaign-variation", variation_id, channel="sms").faults[0][0] == "/data/attributes/channel"
    translation_id = translate(api, "campaign-variation", variation_id).data["id"]
    assert translation_id.startswith("campaign-variation::email::")
    assert list(values(api, translation_id)) == ["For {{ first_name }}", "Welcome", "Hi {{ first_name }}!"]
    known = values(api, translation_id)
    texts = {"For {{ first_name }}": "Pour {{ first_name }}", "Welcome": "Bienvenue"}
    entries = [{"id": known[source]["id"], "translations": {"fr": text}} for source, text in texts.items()]
    assert change(api, translation_id, values=entries).status == 200
    path = f"/api/translations/{translation_id}"
    assert api.get(f"{path}/campaign-variation").data["id"] == variation_id
    assert api.get(path, include="campaign-variation").json["included"][0]["id"] == variation_id
    assert api.get(f"/api/campaign-variations/{variation_id}/translation").data["id"] == translation_id
    send(older, campaign_id)
    sent = {one.profile: (one.subject, "Bienvenue" in one.html) for one in mails(server, api)}
    assert sent == {people["fr"]: ("Pour Ann", True), people["en"]: ("For Ann", False)}
    assert older("DELETE", f"/api/campaigns/{campaign_id}").status == 204
    assert api.get(path).status == 404
