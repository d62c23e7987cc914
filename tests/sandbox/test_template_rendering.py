"""Klaviyo's template language, through POST /api/template-render (FACTS §12.1)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sandbox.messages_api import campaign, render, send, template, write
from tests.sandbox.sandbox_api import Api

from clavichord.sandbox.clock import VirtualClock, parse
from clavichord.sandbox.resources import outbox
from clavichord.sandbox.serve import running

PERSON = {
    "first_name": "ann",
    "age": 41,
    "none": None,
    "tags": ["a", "b"],
    "person": {"first_name": "ann", "Own Key": "own", "$value": 7},
    "event": {"Items": [{"n": "x", "p": 2}, {"n": "y", "p": 3.5}], "extra": {"k": "v"}},
    "raw": "<b>&</b>",
    "day": "2026-01-02T03:04:05+00:00",
}

RENDERED = [
    # variables
    ("{{ first_name }}|{{ person.first_name }}|{{ nobody }}|{{ person.nobody.at.all }}", "ann|ann||"),
    ("{{ tags.1 }}{{ event.Items.0.n }}{{ tags.9 }}", "bx"),
    ("{{ person|lookup:'Own Key' }} {{ person|lookup:'$value' }} {{ person|lookup:'no' }}", "own 7 None"),
    ("{{ none }} {{ age }} {{ 1.50 }} {{ 'it\\'s' }}", "None 41 1.5 it's"),
    ("{{ raw }} {{ raw|safe }} {{ tags }}", "&lt;b&gt;&amp;&lt;/b&gt; <b>&</b> [&#x27;a&#x27;, &#x27;b&#x27;]"),
    ("{# nothing #}{% comment %}{{ x|nope }}{% endcomment %}{% verbatim %}{{ x }}{% endverbatim %}", "{{ x }}"),
    ("{ a } {{ {% }", "{ a } {{ {% }"),
    # filters
    ("{{ nobody|default:'you' }} {{ first_name|title }} {{ first_name|upper }} {{ 'ABC'|lower }}", "you Ann ANN abc"),
    (
        "{{ first_name|capfirst }} {{ 3.14159|floatformat:2 }} {{ 3.0|floatformat }} {{ 34.25|floatformat }}",
        "Ann 3.14 3 34.3",
    ),
    ("{{ age|add:1 }} {{ 'a'|add:'b' }} {{ 2|multiply:2.5 }} {{ 7|modulo:4 }}", "42 ab 5.0 3"),
    ("{{ tags|join:'-' }} {{ tags|length }} {{ tags|first }}{{ tags|last }} {{ 'a,b'|split:','|last }}", "a-b 2 ab b"),
    ("{{ 'a b/ü'|urlencode }} {{ 'Hello, World!'|slugify }} {{ 'x/'|trim_slash }}", "a%20b/%C3%BC hello-world x"),
    ("{{ day|format_date_string|date:'F j, Y' }}|{{ day|date:'Y' }}", "January 2, 2026|"),
    ("{{ 'one two three'|truncatewords:2 }} {{ 'abcdef'|truncatechars:4 }}", "one two … abc…"),
    ("{{ 1|pluralize }}{{ 2|pluralize }}{{ 2|pluralize:'y,ies' }} {{ none|yesno:'a,b,c' }}", "sies c"),
    ("{{ 'x'|missing_product_image }} {{ tags|slice:':1' }} {{ 'aXb'|cut:'X' }}", "x [&#x27;a&#x27;] ab"),
    ("{{ 1234567.891|floatformat:'2g' }} {{ 1234567|intcomma }} {{ 10|divisibleby:5 }}", "1,234,567.89 1,234,567 True"),
    # tags
    ("{% if age > 40 and not nobody %}old{% elif age %}some{% else %}none{% endif %}", "old"),
    ("{% if 'a' in tags or nobody %}in{% endif %}{% if 'z' not in tags %}out{% endif %}", "inout"),
    (
        "{% if none < 1 %}less{% endif %}{% if '5' > 1 %}no{% else %}strings are no numbers{% endif %}",
        "lessstrings are no numbers",
    ),
    ("{% ifequal age 41 %}={% else %}!{% endifequal %}{% ifnotequal tags.0 'a' %}x{% endifnotequal %}", "="),
    ("{% if age == 41 %}={% endif %}{% if age != 41 %}!{% endif %}{% if none is None %}is{% endif %}", "=is"),
    (
        "{% for i in event.Items %}{{ forloop.counter }}{{ i.n }}{% if not forloop.last %},{% endif %}{% endfor %}",
        "1x,2y",
    ),
    ("{% for i in tags reversed %}{{ i }}{% endfor %}{% for i in nobody %}{% empty %}empty{% endfor %}", "baempty"),
    ("{% for k, v in event.extra.items %}{{ k }}={{ v }}{% endfor %}", "k=v"),
    ("{% for i in tags %}{% for j in tags %}{{ forloop.parentloop.counter }}{% endfor %}{% endfor %}", "1122"),
    ("{% with a=age b=tags.0 %}{{ a }}{{ b }}{% endwith %}{{ a }}", "41a"),
    ("{% for i in '1234'|make_list %}{% cycle 'a' 'b' %}{% endfor %}", "abab"),
    ("{% firstof nobody none 'x' %} {% autoescape off %}{{ raw }}{% endautoescape %}", "x <b>&</b>"),
    ("{% spaceless %}<p> <b>x</b> </p>{% endspaceless %}{% filter upper %}ab{% endfilter %}", "<p><b>x</b></p>AB"),
    ("{% regroup event.Items by n as g %}{% for one in g %}{{ one.grouper }}{% endfor %}", "xy"),
    ("{% widthratio 50 200 100 %}{% templatetag openvariable %}", "25{{"),
    ("{% currency_format 1234.5 %} {% currency_format nobody %}", "$1,234.50 "),
    ("{% currency_format age|floatformat:2 %}", "$41.00"),
    ("{% coupon_code 'SALE' %}", "PREVIEW-CODE"),
]


@pytest.mark.parametrize(("source", "expected"), RENDERED, ids=[source for source, _ in RENDERED])
def test_renders(api: Api, source: str, expected: str) -> None:
    reply = render(api, source, **PERSON)
    assert reply.status == 201, reply.body
    html = reply.data["attributes"]["html"]
    assert html == f"<html><head></head><body>{expected}</body></html>"


REFUSED = [
    ("{{ event.$value }}", "Could not parse the remainder: '$value' from 'event.$value'"),
    ("{{ a b }}", "Could not parse the remainder: ' b' from 'a b'"),
    ("{{ a|round }}", "Invalid filter: 'round'"),
    ("{{ }}", "Empty variable tag on line 1"),
    ("{{ _a }}", "Variables and attributes may not begin with underscores: '_a'"),
    ("{{ a|default }}", "default requires 2 arguments, 1 provided"),
    ("{% block x %}", "Invalid block tag on line 1: 'block'. Did you forget to register or load this tag?"),
    ("\n{% if a %}", "Unclosed tag on line 2: 'if'. Looking for one of: elif, else, endif."),
    ("{% if a == %}{% endif %}", "Unexpected end of expression in if tag."),
    ("{% if a b %}{% endif %}", "Unused 'b' at end of if expression."),
    ("{% for a of b %}{% endfor %}", "'for' statements should use the format 'for x in y': for a of b"),
    ("{% for a, b in tags %}{% endfor %}", "Need 2 values to unpack in for loop; got 1."),
    ("{% endif %}", "Invalid block tag on line 1: 'endif'. Did you forget to register or load this tag?"),
    ("{% for a in big %}{% for b in big %}{% for c in big %}x{% endfor %}{% endfor %}{% endfor %}",
     "The template takes too long to render."),
]  # fmt: skip


@pytest.mark.parametrize(("source", "problem"), REFUSED, ids=[source for source, _ in REFUSED])
def test_errors_are_400(api: Api, source: str, problem: str) -> None:
    reply = render(api, source, a=1, tags=["ab"[:1]], big=list(range(300)))
    assert reply.status == 400
    assert reply.faults == [("/data", f"The template could not be rendered: {problem}")]


def test_links_and_dates(api: Api) -> None:
    source = (
        "{% unsubscribe 'Leave' %}{% unsubscribe_link %} {% manage_preferences %} {% web_view %} "
        "{% today '%Y' as y %}{{ y }}"
    )
    html = render(api, source).data["attributes"]["html"]
    assert (
        "unsubscribe?a=" in html
        and ">Leave</a>" in html
        and ">Manage Preferences</a>" in html
        and "viewinbrowser" in html
    )
    assert html.split(" ")[-1].startswith("20")


def test_text_and_amp_are_rendered_too(api: Api) -> None:
    template_id = template(api, "x", text="{{ raw }}", amp="<html amp4email>{{ raw }}</html>")
    attributes = write(api, "POST", "/api/template-render", "template", id=template_id, context={"raw": "<b>"}).data[
        "attributes"
    ]
    assert attributes["text"] == "<b>"
    assert attributes["amp"] == "<html amp4email>&lt;b&gt;</html>"


def test_nothing_of_python_is_within_reach(api: Api) -> None:
    for source in (
        "{{ raw.__class__ }}",
        "{{ raw.format }}",
        "{{ person.pop }}",
        "{{ tags.append }}",
        "{{ raw.zfill }}",
    ):
        reply = render(api, source, **PERSON)
        assert reply.status == 400 or "<body></body>" in reply.data["attributes"]["html"], source


@pytest.mark.parametrize("source", ["{%" * 400_000, "{{{{" * 200_000, "<" * 900_000, "{% if a %}" * 5000])
def test_hostile_templates_are_quick(api: Api, source: str) -> None:
    reply = render(api, source)
    assert reply.status in (201, 400)


def test_texts_that_double_are_refused(api: Api) -> None:
    source = "{% with a=a|append:a %}" * 45 + "{{ a|length }}" + "{% endwith %}" * 45
    assert render(api, source, a="xxxxxxxx").faults[0][1].endswith("The template takes too long to render.")


def test_depth_is_refused(api: Api) -> None:
    deep: Any = 1
    for _ in range(900):
        deep = [deep]
    for source in (
        "{{ deep }}",
        "{{ deep|to_json }}",
        "{{ 'a'" + "|lower" * 5000 + " }}",
        "{% if " + "not " * 150 + "1 %}{% endif %}",
    ):
        assert render(api, source, deep=deep).status in (201, 400)


def test_catalog_items(api: Api) -> None:
    attributes: dict[str, Any] = {
        "external_id": "A1",
        "title": "Hat",
        "url": "https://shop.test/hat",
        "description": "d",
    }
    body = {"data": {"type": "catalog-item", "attributes": attributes}}
    assert api("POST", "/api/catalog-items", body).status == 201
    source = (
        "{% catalog 'A1' unpublished='cancel' %}{{ catalog_item.title }}{{ item.url }}{% endcatalog %}"
        "{% catalog 'B' %}x{% endcatalog %}"
    )
    assert "<body>Hathttps://shop.test/hat</body>" in render(api, source).data["attributes"]["html"]
    assert render(api, "{% catalog 'B' unpublished='cancel' %}x{% endcatalog %}").status == 400


def test_the_day_is_that_of_the_account() -> None:
    """01:30 UTC on the 1st of March is still February in New York; its own words and currency too."""
    clock = VirtualClock(parse("2026-03-01T01:30:00Z") or 0)
    place = {"street_address": {"address1": "9 Mill Road", "zip": None}, "organization_name": "Coffee"}
    attributes = {"timezone": "America/New_York", "preferred_currency": "EUR", "contact_information": place}
    with running(limits="off", job_delay=0, clock=clock) as served:
        api = Api(served.base_url, "pk_there")
        accounts = [
            {"key": "pk_there", "attributes": attributes},
            {"key": "pk_odd", "attributes": {"timezone": "Moon"}},
        ]
        assert api("POST", "/_sandbox/seed", {"seed": {"accounts": accounts}}).status == 200
        source = (
            "{% today 'Y-m-d H:i e' %}|{% current_month_name %}|{{ '2026-02-27'|days_since }}|{% currency_format 5 %}"
        )
        assert render(api, source).data["attributes"]["text"] == "2026-02-28 20:30 EST|February|1|€5.00"
        assert render(api, "{% now 'H' %}").data["attributes"]["text"] == "20"
        list_id = api.list()
        api.join(list_id, api.profile(email="ann@shop.test"))
        html = "{{ organization.name }}: {{ organization.full_address }}"
        send(api, campaign(api, list_id, html=html)[0])
        entries = outbox.entries(served.sandbox.engine.store, api.get("/api/accounts").ids[0])
        assert "Coffee: 9 Mill Road, Suite 1, Boston, United States" in entries[0].html
        odd = Api(served.base_url, "pk_odd")
        assert render(odd, "{% today 'Y-m-d' %}").data["attributes"]["text"] == "2026-03-01"
