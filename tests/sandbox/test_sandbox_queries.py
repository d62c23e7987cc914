"""Filters, sorts, fields, includes, pages: what they select and what they refuse."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.sandbox.sandbox_api import Api

from clavichord.sandbox import cursors, filters
from clavichord.sandbox.errors import Refusal


def fill(api: Api, count: int = 25) -> list[str]:
    return [api.profile(email=f"p{number:02}@shop.test") for number in range(count)]


@pytest.mark.parametrize("sort", ["", "id", "-id", "created", "-updated", "email", "-email"])
def test_pages_give_every_row_once(api: Api, sort: str) -> None:
    ids = fill(api)
    query = {"page[size]": "7"} | ({"sort": sort} if sort else {})
    pages = list(api.pages("/api/profiles", **query))
    assert [len(page.data) for page in pages] == [7, 7, 7, 4]
    assert [one for page in pages for one in page.ids] == (ids[::-1] if sort.startswith("-") else ids)
    assert pages[0].json["links"]["prev"] is None
    links = [page.json["links"] for page in pages]
    assert [one["self"].count("page%5Bcursor%5D=") for one in links] == [0, 1, 1, 1]
    assert [(one["next"] or "").count("page%5Bcursor%5D=") for one in links] == [1, 1, 1, 0]


def test_previous_pages_lead_back(api: Api) -> None:
    fill(api)
    pages = list(api.pages("/api/profiles", sort="-email", **{"page[size]": "10"}))
    back = api("GET", "/api/profiles", query=pages[2].json["links"]["prev"].partition("?")[2])
    assert back.ids == pages[1].ids
    again = api("GET", "/api/profiles", query=back.json["links"]["prev"].partition("?")[2])
    assert again.ids == pages[0].ids
    assert again.json["links"]["prev"] is None
    assert api("GET", "/api/profiles", query=again.json["links"]["next"].partition("?")[2]).ids == pages[1].ids


def test_pages_are_stable_while_rows_come_and_go(api: Api) -> None:
    ids = fill(api, 20)
    first = api.get("/api/profiles", sort="email", **{"page[size]": "10"})
    api.profile(email="p00a@shop.test")  # before the cursor: must not shift the next page
    api.profile(email="p15a@shop.test")  # after it: must be seen
    delete = {"profile": {"data": {"type": "profile", "id": ids[12]}}}
    data = {"type": "data-privacy-deletion-job", "attributes": delete}
    data["attributes"]["profile"]["data"]["attributes"] = {}  # type: ignore[index]
    assert api("POST", "/api/data-privacy-deletion-jobs", {"data": data}).status == 202
    second = api("GET", "/api/profiles", query=first.json["links"]["next"].partition("?")[2])
    assert [row["attributes"]["email"][:4] for row in second.data] == [
        "p10@", "p11@", "p13@", "p14@", "p15@", "p15a", "p16@", "p17@", "p18@", "p19@",
    ]  # fmt: skip


def test_links_repeat_the_query_and_keep_all_of_it(api: Api) -> None:
    fill(api, 3)
    query = 'filter=any(email,["p00@shop.test","p01@shop.test"])&fields[profile]=email&page[size]=1&sort=-email'
    links = api("GET", "/api/profiles/", query=query).json["links"]
    start = (
        "https://a.klaviyo.com/api/profiles?filter=any%28email%2C%5B%22p00%40shop.test%22%2C%22p01%40shop.test%22%5D%29"
        "&fields%5Bprofile%5D=email&page%5Bsize%5D=1&sort=-email"
    )
    assert links["self"] == start
    assert links["next"].startswith(start + "&page%5Bcursor%5D=")
    spaced = api("GET", "/api/lists", query="filter=equals(name,%22a+b%20c%22)").json["links"]["self"]
    assert spaced == "https://a.klaviyo.com/api/lists?filter=equals%28name%2C%22a+b+c%22%29"


def test_cursors_as_the_official_sdks_send_them(api: Api) -> None:
    ids = fill(api, 3)
    link = api.get("/api/profiles", **{"page[size]": "2"}).json["links"]["next"]
    cursor = link.rpartition("=")[2]
    for sent in (cursor, "=" + cursor, link, link.replace("https://a.klaviyo.com", api.base_url)):
        reply = api.get("/api/profiles", **{"page[size]": "2", "page[cursor]": sent})
        assert (reply.status, reply.ids) == (200, ids[2:])


def test_a_cursor_leads_nowhere_but_where_it_came_from(api: Api) -> None:
    ids = fill(api, 4)
    lists = [api.list(name) for name in "ab"]
    for one in lists:
        api.join(one, *ids)
    by = "greater-than(created,2020-01-01T00:00:00Z)"
    asked = {"filter": by, "sort": "-email", "page[size]": "1"}
    cursor = api.get("/api/profiles", **asked).json["links"]["next"].rpartition("=")[2]
    again = {**asked, "page[size]": "2", "fields[profile]": "email", "page[cursor]": cursor}
    assert api.get("/api/profiles", **again).ids == ids[2:0:-1]
    for other in ({"sort": "email"}, {"sort": "created"}, {"filter": by.replace("2020", "2021")}):
        reply = api.get("/api/profiles", **(again | other))
        assert (reply.status, [at for at, _ in reply.faults]) == (400, ["page_cursor"]), other
    members = f"/api/lists/{lists[0]}/profiles"
    cursor = api.get(members, **{"page[size]": "1"}).json["links"]["next"].rpartition("=")[2]
    assert api.get(members, **{"page[cursor]": cursor}).status == 200
    for path in (f"/api/lists/{lists[1]}/profiles", f"/api/lists/{lists[0]}/relationships/profiles", "/api/profiles"):
        assert api.get(path, **{"page[cursor]": cursor}).status == 400, path


@pytest.mark.parametrize(
    "cursor", ["", "=", "x", "%%%", "bnVsbA", "W10", "http://[", "https://x/?a=b", "A" * 5000, "\u0000"]
)
def test_bad_cursors(api: Api, cursor: str) -> None:
    reply = api.get("/api/profiles", **{"page[cursor]": cursor})
    assert (reply.status, [at for at, _ in reply.faults]) == (400, ["page_cursor"])


@pytest.mark.parametrize("size", ["0", "101", "-1", "ten", "", "1e1", "9" * 30, "١"])
def test_page_sizes_are_hard_limits(api: Api, size: str) -> None:
    reply = api.get("/api/profiles", **{"page[size]": size})
    assert (reply.status, [at for at, _ in reply.faults]) == (400, ["page_size"])
    assert api.get("/api/lists", **{"page[size]": "11"}).status == 400
    assert api.get("/api/events", **{"page[size]": "1000"}).status == 200


def test_parameters_an_operation_does_not_take(api: Api) -> None:
    assert api.get("/api/metrics", **{"page[size]": "10"}).faults == [
        ("page_size", "'page_size' is not a valid field for the resource 'metric'.")
    ]
    assert api.get("/api/profiles", include="profiless").faults == [
        ("include", "'profiless' is not an allowed include parameter for this resource.")
    ]
    for parameter, value in [
        ("sort", "email_address"),
        ("fields[profile]", "nope"),
        ("fields[campaign]", "name"),
        ("additional-fields[profile]", "nope"),
        ("page[number]", "2"),
        ("filter", 'equals(favourite,"x")'),
    ]:
        assert (parameter, api.get("/api/profiles", **{parameter: value}).status) == (parameter, 400)
    assert api.get("/api/accounts", filter='equals(id,"x")').status == 400


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ('equals(email,"p01@shop.test")', [1]),
        ("equals(email,'p01@shop.test')", [1]),
        (' equals( email , "P01@shop.test" ) ', [1]),
        ('any(email,["p01@shop.test","p03@shop.test","nobody@shop.test"])', [1, 3]),
        ('equals(email,["p01@shop.test"])', [1]),
        ("any(email,[])", []),
        ('and(equals(email,"p01@shop.test"),greater-than(created,2020-01-01))', [1]),
        ('equals(email,"p01@shop.test"),equals(email,"p02@shop.test")', []),
        ("greater-than(created,2020-01-01T00:00:00+00:00)", [0, 1, 2, 3]),
        ('greater-than(created,"2020-01-01T00:00:00Z")', [0, 1, 2, 3]),
        ("less-than(updated,2020-01-01)", []),
        (r'equals(external_id,"a\"b\\c")', [2]),
        (r'equals(external_id,"caf\u00e9 \ud83d\ude00")', [3]),
        ('equals(external_id,"café 😀")', [3]),
        ('equals(_kx,"anything")', []),
    ],
)
def test_filters_select(api: Api, expression: str, found: list[int]) -> None:
    ids = [
        api.profile(email=f"p0{number}@shop.test", **({"external_id": external} if external else {}))
        for number, external in enumerate([None, None, 'a"b\\c', "café 😀"])
    ]
    reply = api.get("/api/profiles", filter=expression)
    assert reply.status == 200, reply.body
    assert reply.ids == [ids[number] for number in found]


@pytest.mark.parametrize(
    "expression",
    [
        "", "equals", "equals(", "equals()", "equals(email)", 'equals(email,"x"', 'equals(email,"x")x',
        'equals(email,"x)', 'equals(email,x@y.z)', 'or(equals(email,"x"))', 'not(equals(email,"x"))', 'has(email)',
        'any(email,"x")',
        "greater-than(created,soon)", 'greater-than(created,["2020-01-01"])',
        "greater-than(created,2020-01-01T00:00:00 00:00)",
        'contains(email,"x")', r'equals(email,"\ud800")', "and()", "and(" * 30 + ")" * 30, 'equals(email,["a",])x',
        "greater-than(created,99999-01-01)", 'equals(email,["a"', "equals(email,,)", "()",
    ],
)  # fmt: skip
def test_filters_refuse(api: Api, expression: str) -> None:
    reply = api.get("/api/profiles", filter=expression)
    assert (reply.status, [at for at, _ in reply.faults]) == (400, ["filter"])


def test_event_filters(api: Api) -> None:
    for metric, day in [("X", 1), ("X", 2), ("Y", 3)]:
        api.event(metric, email=f"p{day}@shop.test", time=f"2026-01-0{day}T00:00:00Z")
    metrics = {row["attributes"]["name"]: row["id"] for row in api.get("/api/metrics").data}
    person = api.person("p3@shop.test")
    assert person is not None

    def days(expression: str) -> list[int]:
        reply = api.get("/api/events", filter=expression, sort="datetime")
        assert reply.status == 200, reply.body
        return [int(row["attributes"]["datetime"][8:10]) for row in reply.data]

    assert days(f'equals(metric_id,"{metrics["X"]}")') == [1, 2]
    assert days(f'equals(metric_id,["{metrics["X"]}","{metrics["Y"]}"])') == [1, 2, 3]
    assert days(f'equals(profile_id,"{person["id"]}")') == [3]
    assert days("greater-than(datetime,2026-01-01T00:00:00Z)") == [2, 3]
    assert days("greater-or-equal(datetime,2026-01-02T00:00:00Z),less-than(datetime,2026-01-03)") == [2]
    assert days("greater-than(datetime,2026-01-01T23:59:59.5Z)") == [2, 3]
    assert days("less-or-equal(timestamp,1767312000)") == [1, 2]
    assert days("less-or-equal(timestamp,1767312000.5)") == [1, 2]
    assert days("less-than(timestamp,2026-01-02T00:00:00Z)") == [1]
    assert days("has(metric)") == days("has(profile)") == days("and(has(metric),has(profile))") == [1, 2, 3]
    assert api.get("/api/events", filter="has(metric,1)").status == 400
    assert api.get("/api/events", filter="less-than(timestamp,99999999999999999999)").status == 400
    assert [row["attributes"]["datetime"][8:10] for row in api.get("/api/events", sort="-timestamp").data] == [
        "03",
        "02",
        "01",
    ]


def test_more_values_than_sqlite_has_parameters(api: Api) -> None:
    conditions = filters.read("any(email,[" + ",".join(f'"{number}"' for number in range(50_000)) + "])")
    assert len(conditions[0].value or ()) == 50_000
    many = ",".join(f'"p{number}@s.t"' for number in range(2_000))
    assert api.get("/api/profiles", filter=f"any(email,[{many}])").data == []


_WORDS = st.sampled_from(
    ["equals", "any", "has", "and", "or", "greater-than", "contains", "email", "created", "_kx", "id", "(", ")", "[",
     "]", ",", '"', "'", "\\", "\\u00e9", "2026-01-01", "1", "-", " ", "true", "null", "\x00", "é", "p00@shop.test"]
)  # fmt: skip


@given(st.lists(_WORDS, max_size=12).map("".join) | st.text(max_size=40))
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_filter_breaks_anything(api: Api, expression: str) -> None:
    for path in ("/api/profiles", "/api/events"):
        reply = api.get(path, filter=expression)
        assert reply.status in (200, 400)
        assert reply.status == 200 or reply.errors[0]["source"] == {"parameter": "filter"}


_PARAMETERS = st.sampled_from(
    [
        "filter",
        "sort",
        "include",
        "page[size]",
        "page[cursor]",
        "fields[profile]",
        "fields[",
        "additional-fields[profile]",
        "x",
    ]
)


@given(
    st.lists(
        st.tuples(_PARAMETERS | st.text(max_size=5), st.text(alphabet=string.printable + "é\x00", max_size=20)),
        max_size=5,
    )
)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_query_breaks_anything(api: Api, pairs: list[tuple[str, str]]) -> None:
    assert api("GET", "/api/profiles", query=dict(pairs)).status in (200, 400)


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_cursors_are_read_or_refused(text: str) -> None:
    try:
        position = cursors.decode(text)
    except Refusal as refusal:
        assert refusal.status == 400
    else:
        assert position is None or cursors.decode(cursors.encode(position)) == position


@given(
    st.tuples(st.text(), st.integers(-(2**62), 2**62)).flatmap(
        lambda pair: st.tuples(st.sampled_from(pair), st.text(), st.booleans())
    )
)
def test_cursors_survive_the_wire(parts: tuple[Any, str, bool]) -> None:
    position = cursors.Position(*parts)
    try:
        encoded = cursors.encode(position)
    except ValueError:  # a lone surrogate is no text
        return
    if len(encoded) <= 4000:
        assert cursors.decode(encoded) == position


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["data", "type", "id", "attributes", "relationships", "profile", "profiles", "events", "metric", "email",
         "properties", "location", "subscriptions", "lists", "meta", "patch_properties", "append", "unset"]),
        inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
_BODIES = [
    ("POST", "/api/profiles", "profile"),
    ("POST", "/api/profile-import", "profile"),
    ("POST", "/api/events", "event"),
    ("POST", "/api/profile-bulk-import-jobs", "profile-bulk-import-job"),
    ("POST", "/api/event-bulk-create-jobs", "event-bulk-create-job"),
    ("POST", "/api/profile-subscription-bulk-create-jobs", "profile-subscription-bulk-create-job"),
    ("POST", "/api/profile-suppression-bulk-create-jobs", "profile-suppression-bulk-create-job"),
    ("POST", "/api/data-privacy-deletion-jobs", "data-privacy-deletion-job"),
    ("POST", "/api/lists", "list"),
]


@given(st.sampled_from(_BODIES), _JSON, _JSON, st.booleans())
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_breaks_anything(
    api: Api, target: tuple[str, str, str], attributes: Any, other: Any, whole: bool
) -> None:
    method, path, kind = target
    body = other if whole else {"data": {"type": kind, "attributes": attributes, "relationships": other}}
    assert api(method, path, body).status in (201, 202, 400, 404, 409)
