"""Segments: who is in them follows from profiles, events, lists and consent that are really there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.sandbox.sandbox_api import Api, Reply

from clavichord.sandbox.clock import VirtualClock, parse
from clavichord.sandbox.serve import running

DAY = 86_400
ALLTIME = {"type": "date", "operator": "alltime"}
NOW = "2026-03-10T12:00:00Z"


class Shop(Api):
    """An account on a clock that stands still."""

    clock: VirtualClock

    def segment(self, *groups: Any, name: str = "Segment") -> Reply:
        """Each group is one condition or a list of them."""
        listed = [{"conditions": group if isinstance(group, list) else [group]} for group in groups]
        attributes = {"name": name, "definition": {"condition_groups": listed}}
        return self("POST", "/api/segments", {"data": {"type": "segment", "attributes": attributes}})

    def fitting(self, *groups: Any) -> str:
        """First names of those who are in a fresh segment, in order."""
        made = self.segment(*groups)
        assert made.status == 201, made.body
        rows = self.get(f"/api/segments/{made.data['id']}/profiles", **{"page[size]": "100"}).data
        return "".join(sorted(row["attributes"]["first_name"] for row in rows))

    def metric(self, name: str) -> str:
        found = [row["id"] for row in self.get("/api/metrics").data if row["attributes"]["name"] == name]
        return str(found[0])


@pytest.fixture
def shop() -> Iterator[Shop]:
    clock = VirtualClock(parse(NOW) or 0)
    with running(clock=clock, limits="off", job_delay=0) as served:
        shop = Shop(served.base_url, "pk_segments")
        shop.clock = clock
        yield shop


def prop(name: str, **given: Any) -> dict[str, Any]:
    return {"type": "profile-property", "property": name, "filter": given}


def people(shop: Shop, **properties: Any) -> dict[str, str]:
    """Profiles a, b, c, …: one for each keyword, with the property x unless it is None."""
    return {
        name: shop.profile(
            email=f"{name}@shop.test",
            first_name=name,
            properties={} if value is None else {"x": value},
        )
        for name, value in properties.items()
    }


def of(name: str, value: Any, kind: str = "string") -> dict[str, Any]:
    return prop("properties['x']", type=kind, operator=name, value=value)


@pytest.mark.parametrize(
    ("condition", "names"),
    [
        (of("equals", "gold"), "a"),
        (of("not-equals", "gold"), "bcdefgh"),
        (of("contains", "ol"), "ab"),
        (of("not-contains", "ol"), "cdefgh"),
        (of("starts-with", "go"), "a"),
        (of("ends-with", "ld"), "ab"),
        (of("not-starts-with", "go"), "bcdefgh"),
        (of("not-ends-with", "ld"), "cdefgh"),
        (of("regex", "^[gc]old$"), "ab"),
        (of("nregex", "^[gc]old$"), "cdefgh"),
        (of("in", ["gold", "7"]), "ac"),
        (of("not-in", ["gold", "7"]), "bdefgh"),
        (of("equals", 7, "numeric"), "c"),
        (of("not-equals", 7, "numeric"), "abdefgh"),
        (of("greater-than", 7, "numeric"), "d"),
        (of("greater-than-or-equal", 7, "numeric"), "cd"),
        (of("less-than", 7.5, "numeric"), "c"),
        (of("less-than-or-equal", 7.5, "numeric"), "cd"),
        (of("equals", True, "boolean"), "e"),
        (of("equals", False, "boolean"), ""),
        (of("contains", "red", "list"), "f"),
        (of("not-contains", "red", "list"), "abcdegh"),
        (of("length-equals", 2, "list"), "f"),
        (of("length-less-than", 1, "list"), "h"),
        (of("length-greater-than-or-equal", 1, "list"), "abcdefg"),
        (prop("properties['x']", type="existence", operator="is-set"), "abcdefg"),
        (prop("properties['x']", type="existence", operator="not-set"), "h"),
        (prop("email", type="string", operator="starts-with", value="b@"), "b"),
        (prop("phone_number", type="existence", operator="is-set"), ""),
    ],
)
def test_properties(shop: Shop, condition: dict[str, Any], names: str) -> None:
    people(shop, a="gold", b="cold", c=7, d=7.5, e=True, f=["red", "blue"], g="2026-03-10", h=None)
    assert shop.fitting(condition) == names


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ({"operator": "after", "date": "2026-03-01T00:00:00Z"}, "bcd"),
        ({"operator": "before", "date": "2026-03-01T00:00:00Z"}, "ae"),
        ({"operator": "between-static", "start": "2026-03-09T00:00:00Z", "end": "2026-03-10T00:00:00Z"}, "b"),
        ({"operator": "in-the-last", "unit": "day", "quantity": 5}, "bc"),
        ({"operator": "in-the-last", "unit": "hour", "quantity": 6}, "c"),
        ({"operator": "in-the-next", "unit": "week", "quantity": 1}, "d"),
        ({"operator": "at-least", "unit": "day", "quantity": 5}, "ae"),
        ({"operator": "between", "unit": "day", "start": 1, "end": 3}, "b"),
        ({"operator": "anniversary"}, "ce"),
        ({"operator": "anniversary-month"}, "bcde"),
        ({"operator": "anniversary-last", "unit": "day", "quantity": 2}, "bce"),
        ({"operator": "anniversary-next", "unit": "week", "quantity": 1}, "cde"),
        ({"operator": "calendar-month", "value": 1}, "a"),
        ({"operator": "in-the-last", "unit": "week", "quantity": 10**15}, "abce"),
        ({"operator": "anniversary-next", "unit": "week", "quantity": 10**15}, "abcde"),
    ],
)
def test_dates(shop: Shop, given: dict[str, Any], names: str) -> None:
    people(shop, a="2026-01-31", b="2026-03-09", c="2026-03-10T11:00:00Z", d="2026-03-12", e="1990-03-10", f="no date")
    assert shop.fitting(prop("properties['x']", type="date", **given)) == names


def test_groups_are_anded_and_conditions_ored(shop: Shop) -> None:
    people(shop, a="gold", b="silver", c="tin")
    gold, silver = of("equals", "gold"), of("equals", "silver")
    assert shop.fitting([gold, silver]) == "ab"
    assert shop.fitting(gold, silver) == ""
    assert shop.fitting([gold, silver], prop("first_name", type="string", operator="equals", value="b")) == "b"


def counting(metric: str, operator: str, value: float, **more: Any) -> dict[str, Any]:
    return {
        "type": "profile-metric",
        "metric_id": metric,
        "measurement": "count",
        "measurement_filter": {"type": "numeric", "operator": operator, "value": value},
        "timeframe_filter": ALLTIME,
        **more,
    }


def test_events(shop: Shop) -> None:
    people(shop, a=None, b=None, c=None)
    for name, time, value in (("a", "2026-03-01", 10), ("a", "2026-03-09", 20.5), ("b", "2025-01-01", 100)):
        shop.event("Order", email=f"{name}@shop.test", time=time, value=value, properties={"sku": f"s{value}", "n": 1})
    order = shop.metric("Order")
    assert shop.fitting(counting(order, "greater-than", 0)) == "ab"
    assert shop.fitting(counting(order, "equals", 0)) == "c"
    assert shop.fitting(counting(order, "equals", 2)) == "a"
    lately = {"type": "date", "operator": "in-the-last", "unit": "day", "quantity": 30}
    assert shop.fitting(counting(order, "greater-than-or-equal", 1, timeframe_filter=lately)) == "a"
    assert shop.fitting(counting(order, "equals", 0, timeframe_filter=lately)) == "bc"
    assert shop.fitting(counting(order, "greater-than", 30, measurement="sum")) == "ab"
    assert shop.fitting(counting(order, "greater-than", 30, measurement="sum", timeframe_filter=lately)) == "a"
    assert shop.fitting(counting(order, "equals", 30.5, measurement="sum")) == "a"
    sku = {"property": "sku", "filter": {"type": "string", "operator": "equals", "value": "s10"}}
    assert shop.fitting(counting(order, "greater-than", 0, metric_filters=[sku])) == "a"
    amount = {"property": "$value", "filter": {"type": "numeric", "operator": "greater-than", "value": 50}}
    assert shop.fitting(counting(order, "greater-than", 0, metric_filters=[amount])) == "b"
    assert shop.fitting(counting(order, "greater-than", 0, metric_filters=[sku, amount])) == ""
    assert (
        shop.fitting(counting(order, "greater-than", 0, metric_filters=[{"property": "sku", "filter": None}])) == "ab"
    )
    in_march = {"type": "date", "operator": "anniversary-last", "unit": "day", "quantity": 3}
    assert shop.fitting(counting(order, "greater-than", 0, timeframe_filter=in_march)) == "a"


def test_funnels(shop: Shop) -> None:
    people(shop, a=None, b=None, c=None, d=None)
    done = [
        ("a", "View", "2026-03-01T00:00:00Z"),
        ("a", "Cart", "2026-03-01T00:30:00Z"),
        ("b", "View", "2026-03-01T00:00:00Z"),
        ("b", "Cart", "2026-03-03T00:00:00Z"),
        ("c", "View", "2026-03-01T00:00:00Z"),
        ("d", "Cart", "2026-03-01T00:00:00Z"),
        ("d", "View", "2026-03-02T00:00:00Z"),
    ]
    for name, metric, time in done:
        shop.event(metric, email=f"{name}@shop.test", time=time)
    view, cart = shop.metric("View"), shop.metric("Cart")
    march = {"type": "date", "operator": "in-the-last", "unit": "day", "quantity": 30}

    def funnel(*steps: tuple[str, bool], window: str | None = None) -> dict[str, Any]:
        listed = [{"metric_id": metric, "metric_exists": exists} for metric, exists in steps]
        return {
            "type": "profile-metric-funnel",
            "timeframe_filter": march,
            "completion_window_seconds": window,
            "steps": listed,
        }

    assert shop.fitting(funnel((view, True), (cart, True))) == "ab"
    assert shop.fitting(funnel((view, True), (cart, True), window="HOURS_1")) == "a"
    assert shop.fitting(funnel((view, True), (cart, False))) == "cd"
    assert shop.fitting(funnel((view, True), (cart, False), window="DAYS_1")) == "bcd"
    assert shop.fitting(funnel((cart, False), (view, True))) == "c"


def test_lists_and_segments_as_groups(shop: Shop) -> None:
    ids = people(shop, a="gold", b="gold", c=None)
    list_id = shop.list()
    shop.join(list_id, ids["a"])
    shop.clock.advance(3 * DAY)
    shop.join(list_id, ids["c"])

    def member(is_member: bool, *groups: str, **more: Any) -> dict[str, Any]:
        return {"type": "profile-group-membership", "is_member": is_member, "group_ids": list(groups), **more}

    assert shop.fitting(member(True, list_id)) == "ac"
    assert shop.fitting(member(False, list_id)) == "b"
    lately = {"type": "date", "operator": "in-the-last", "unit": "day", "quantity": 1}
    assert shop.fitting(member(True, list_id, timeframe_filter=lately)) == "c"
    gold = shop.segment(of("equals", "gold")).data["id"]
    assert shop.fitting(member(True, gold)) == "ab"
    assert shop.fitting(member(True, gold, list_id)) == "abc"
    assert shop.fitting(member(True, gold), member(False, list_id)) == "b"
    outer = shop.segment(member(True, gold)).data["id"]
    body = {"data": {"type": "segment", "id": gold, "attributes": {"definition": definition(member(True, outer))}}}
    refused = shop("PATCH", f"/api/segments/{gold}", body)
    assert (refused.status, refused.errors[0]["source"]) == (400, {"pointer": "/data/attributes/definition"})


def test_segments_are_nested_only_so_deeply(shop: Shop) -> None:
    inner = shop.segment(of("equals", "gold")).data["id"]
    for _ in range(50):
        made = shop.segment({"type": "profile-group-membership", "is_member": True, "group_ids": [inner]})
        assert made.status == 201
        inner = made.data["id"]
    people(shop, a="gold")
    assert len(shop.get(f"/api/segments/{inner}/profiles").data) == 1
    assert shop.segment({"type": "profile-group-membership", "is_member": True, "group_ids": [inner]}).status == 400


def definition(*conditions: Any) -> dict[str, Any]:
    return {"condition_groups": [{"conditions": list(conditions)}]}


def consent(channel: str, can: bool, subscription: str, filters: Any = None) -> dict[str, Any]:
    status: dict[str, Any] = {"subscription": subscription}
    if filters is not None:
        status["filters"] = filters
    wanted = {"channel": channel, "can_receive_marketing": can, "consent_status": status}
    return {"type": "profile-marketing-consent", "consent": wanted}


def test_consent(shop: Shop) -> None:
    people(shop, a=None, b=None, c=None, d=None)
    shop.profile(phone_number="+12025550123", first_name="p")
    said = {"email": {"marketing": {"consent": "SUBSCRIBED"}}}
    list_id = shop.list(opt_in_process="single_opt_in")
    shop.consent("create", {"email": "a@shop.test", "subscriptions": said}, list_id=list_id, custom_source="till")
    shop.consent(
        "delete", {"email": "b@shop.test", "subscriptions": {"email": {"marketing": {"consent": "UNSUBSCRIBED"}}}}
    )
    shop.suppress("create", "c@shop.test")
    assert shop.fitting(consent("email", True, "any")) == "ad"
    assert shop.fitting(consent("email", True, "subscribed")) == "a"
    assert shop.fitting(consent("email", True, "never_subscribed")) == "d"
    assert shop.fitting(consent("email", False, "any")) == "bcp"
    assert shop.fitting(consent("email", False, "unsubscribed")) == "b"
    lately = {"type": "date", "operator": "in-the-last", "unit": "day", "quantity": 1}
    suppressed = [{"field": "manual_suppression_date", "filter": lately}]
    assert shop.fitting(consent("email", False, "any", suppressed)) == "c"
    is_set = [{"field": "bounce_date", "filter": {"type": "existence", "operator": "is-set"}}]
    assert shop.fitting(consent("email", False, "any", is_set)) == ""
    source = {"field": "custom_source", "filter": {"type": "string", "operator": "equals", "value": "till"}}
    assert shop.fitting(consent("email", True, "subscribed", [source])) == "a"
    assert shop.fitting(consent("email", True, "subscribed", [{"field": "method", "method": "api"}])) == "a"
    assert shop.fitting(consent("email", True, "subscribed", [{"field": "method", "method": "sftp"}])) == ""
    single = {"field": "is_double_opt_in", "filter": {"type": "boolean", "operator": "equals", "value": False}}
    assert shop.fitting(consent("email", True, "subscribed", [single])) == "a"
    assert shop.fitting(consent("sms", False, "never_subscribed")) == "abcdp"
    assert shop.fitting(consent("push", True, "any")) == ""


def test_regions(shop: Shop) -> None:
    for name, country in (("a", "France"), ("b", "United States"), ("c", None), ("d", "de")):
        shop.profile(email=f"{name}@shop.test", first_name=name, location={"country": country})

    def region(inside: bool, name: str) -> dict[str, Any]:
        return {"type": "profile-region", "in_region": inside, "region": name}

    assert shop.fitting(region(True, "european_union")) == "ad"
    assert shop.fitting(region(False, "united_states")) == "acd"


def test_members_come_and_go_with_the_clock(shop: Shop) -> None:
    ids = people(shop, a=None)
    shop.event("Order", email="a@shop.test")
    lately = {"type": "date", "operator": "in-the-last", "unit": "day", "quantity": 1}
    made = shop.segment(counting(shop.metric("Order"), "greater-than", 0, timeframe_filter=lately)).data
    path = f"/api/segments/{made['id']}/profiles"
    first = shop.get(path).data
    assert [row["attributes"]["joined_group_at"] for row in first] == ["2026-03-10T12:00:00+00:00"]
    shop.clock.advance(3600)
    assert [row["attributes"]["joined_group_at"] for row in shop.get(path).data] == ["2026-03-10T12:00:00+00:00"]
    assert shop.get(f"/api/profiles/{ids['a']}/segments").ids == [made["id"]]
    shop.clock.advance(2 * DAY)
    assert shop.get(path).data == []
    assert shop.get(f"/api/profiles/{ids['a']}/relationships/segments").data == []
    shop.event("Order", email="b@shop.test")
    assert len(shop.get(f"/api/segments/{made['id']}/relationships/profiles").data) == 1
    counted = shop.get(f"/api/segments/{made['id']}", **{"additional-fields[segment]": "profile_count"})
    assert counted.data["attributes"]["profile_count"] == 1


def test_members_are_filtered_sorted_and_paged(shop: Shop) -> None:
    made = shop.segment(of("equals", "gold")).data["id"]
    path = f"/api/segments/{made}/profiles"
    ids = people(shop, a="gold")
    shop.get(path)
    shop.clock.advance(60)
    ids |= people(shop, b="gold")
    assert shop.get(path, sort="-joined_group_at").ids == [ids["b"], ids["a"]]
    assert shop.get(path, filter=f'any(profile_id,["{ids["a"]}"])').ids == [ids["a"]]
    assert shop.get(path, filter='equals(email,"b@shop.test")').ids == [ids["b"]]
    assert shop.get(path, filter="greater-than(joined_group_at,2026-03-10T12:00:30Z)").ids == [ids["b"]]
    pages = shop.pages(path, sort="joined_group_at", **{"page[size]": "1"})
    assert [page.ids for page in pages] == [[ids["a"]], [ids["b"]]]


def test_life_of_a_segment(shop: Shop) -> None:
    people(shop, a="gold", b="tin")
    made = shop.segment(of("equals", "gold"), name="Gold").data
    segment_id = made["id"]
    assert made["attributes"]["is_processing"] is True
    assert made["attributes"]["created"].endswith(".000000+00:00")
    read = shop.get(f"/api/segments/{segment_id}").data
    assert read["attributes"] == {
        "name": "Gold",
        "definition": {"condition_groups": [{"conditions": [of("equals", "gold")]}]},
        "created": "2026-03-10T12:00:00+00:00",
        "updated": "2026-03-10T12:00:00+00:00",
        "is_active": True,
        "is_processing": False,
        "is_starred": False,
    }

    def patch(**attributes: Any) -> Reply:
        body = {"data": {"type": "segment", "id": segment_id, "attributes": attributes}}
        return shop("PATCH", f"/api/segments/{segment_id}", body)

    assert patch(name="Stars", is_starred=True).data["attributes"]["is_processing"] is False
    assert shop.get("/api/segments", filter="equals(is_starred,true)").ids == [segment_id]
    assert shop.get("/api/segments", filter='equals(name,"Gold")').ids == []
    patch(definition=definition(of("equals", "tin")))
    names = [row["attributes"]["first_name"] for row in shop.get(f"/api/segments/{segment_id}/profiles").data]
    assert names == ["b"]
    assert patch(is_active=False, name="x").status == 400
    assert patch(is_active=False).status == 200
    people(shop, c="tin")
    assert len(shop.get(f"/api/segments/{segment_id}/profiles").data) == 1, "an inactive one keeps its members"
    patch(is_active=True)
    assert len(shop.get(f"/api/segments/{segment_id}/profiles").data) == 2
    assert shop("DELETE", f"/api/segments/{segment_id}").status == 204
    for tail in ("", "/profiles", "/relationships/profiles", "/tags", "/flow-triggers"):
        reply = shop.get(f"/api/segments/{segment_id}{tail}")
        assert reply.faults == [("/data/", f"A segment with id `{segment_id}` does not exist.")]


def test_tags_of_a_segment(shop: Shop) -> None:
    segment_id = shop.segment(of("equals", "gold")).data["id"]
    tag = shop("POST", "/api/tags", {"data": {"type": "tag", "attributes": {"name": "vip"}}}).data["id"]
    body = {"data": [{"type": "segment", "id": segment_id}]}
    assert shop("POST", f"/api/tags/{tag}/relationships/segments", body).status == 204
    assert shop.get(f"/api/segments/{segment_id}/tags").ids == [tag]
    assert shop.get("/api/segments", include="tags,flow-triggers").json["included"][0]["id"] == tag
    assert shop.get(f"/api/tags/{tag}/relationships/segments").ids == [segment_id]
    assert shop("DELETE", f"/api/tags/{tag}/relationships/segments", body).status == 204
    assert shop.get(f"/api/segments/{segment_id}/relationships/tags").data == []


def test_suppressing_a_segment(shop: Shop) -> None:
    people(shop, a="gold", b="tin")
    segment_id = shop.segment(of("equals", "gold")).data["id"]
    data = {"type": "profile-suppression-bulk-create-job", "attributes": {}}
    data["relationships"] = {"segment": {"data": {"type": "segment", "id": segment_id}}}
    job = shop("POST", "/api/profile-suppression-bulk-create-jobs", {"data": data}).data["id"]
    read = shop.get(f"/api/profile-suppression-bulk-create-jobs/{job}").data
    assert read["attributes"]["completed_count"] == 1
    assert read["relationships"]["segments"]["data"] == [{"type": "segment", "id": segment_id}]
    assert shop.fitting(consent("email", False, "any")) == "a"
    path = "/api/profile-suppression-bulk-create-jobs"
    assert shop.get(path, filter=f'equals(segment_id,"{segment_id}")').ids == [job]
    assert shop.get(path, filter='equals(list_id,"x")').ids == []


def test_countries_of_phone_numbers(shop: Shop) -> None:
    numbers = {"a": "+12025550123", "b": "+14165550123", "c": "+33612345678", "d": "+15555555555", "e": None}
    for name, number in numbers.items():
        shop.profile(email=f"{name}@shop.test", first_name=name, phone_number=number)

    def codes(operator: str, *countries: str) -> str:
        return shop.fitting(prop("phone_number", type="string", operator=operator, value=list(countries)))

    assert codes("phone-country-code-in", "US") == "ad"
    assert codes("phone-country-code-in", "CA", "FR") == "bc"
    assert codes("phone-country-code-not-in", "US", "CA") == "ce"


def test_nothing_is_predicted(shop: Shop) -> None:
    people(shop, a="gold", b="tin")
    for dimension, given, fitting in (
        ("predicted_clv", {"type": "numeric", "operator": "greater-than", "value": 0}, ""),
        ("predicted_clv", {"type": "numeric", "operator": "not-equals", "value": 0}, "ab"),
        ("predicted_gender", {"type": "string", "operator": "not-equals", "value": "uncertain"}, "ab"),
        ("expected_date_of_next_purchase", {"type": "date", "operator": "after", "date": "2020-01-01T00:00:00Z"}, ""),
    ):
        condition = {"type": "profile-predictive-analytics", "dimension": dimension, "filter": given}
        assert shop.fitting(condition) == fitting, (dimension, given)


def test_permissions_of_whatsapp(shop: Shop) -> None:
    for number, name in enumerate("abc"):
        shop.profile(phone_number=f"+1202555012{number}", first_name=name)

    def says(action: str, number: int) -> None:
        said = {"SUBSCRIBED": "create", "UNSUBSCRIBED": "delete"}
        consent = next(word for word, verb in said.items() if verb == action)
        entry = {"whatsapp": {"marketing": {"consent": consent}}}
        list_id = shop.list(opt_in_process="single_opt_in") if action == "create" else None
        asked = {"phone_number": f"+1202555012{number}", "subscriptions": entry}
        assert shop.consent(action, asked, list_id=list_id).status == 202

    says("create", 0)
    says("delete", 1)

    def permitted(status: str, channel: str = "whatsapp_marketing", **permission: Any) -> str:
        wanted = {"reachable_status": status, **permission}
        return shop.fitting({"type": "profile-permissions", "channel": channel, "permission": wanted})

    assert permitted("explicitly_reachable", filters=[]) == "a"
    assert permitted("explicitly_reachable", filters=[{"field": "subscribe_method", "method": "api"}]) == "a"
    assert permitted("explicitly_reachable", filters=[{"field": "subscribe_method", "method": "form"}]) == ""
    yesterday = {"type": "date", "operator": "before", "date": "2026-03-09T00:00:00Z"}
    assert permitted("explicitly_reachable", filters=[{"field": "effective_date", "filter": yesterday}]) == ""
    assert permitted("implicitly_or_explicitly_reachable") == "a"
    assert permitted("implicitly_reachable") == ""
    assert permitted("explicitly_unreachable", filters=[]) == "b"
    assert permitted("implicitly_unreachable") == "c"
    assert permitted("implicitly_or_explicitly_unreachable") == "bc"
    assert permitted("implicitly_unreachable", "whatsapp_transactional") == "abc"


@pytest.mark.parametrize(
    "condition",
    [
        {
            "type": "profile-postal-code-distance",
            "country_code": "us",
            "postal_code": "02111",
            "unit": "miles",
            "filter": {"type": "numeric", "operator": "less-than", "value": 5},
        },
        {
            "type": "profile-has-custom-object",
            "object_type_id": "1",
            "object_type_relationship_id": "1",
            "filter": {"type": "numeric", "operator": "greater-than", "value": 5},
            "filters": [],
        },
        consent(
            "sms",
            True,
            "subscribed",
            [{"field": "is_rcs_capable", "filter": {"type": "boolean", "operator": "equals", "value": True}}],
        ),
    ],
)
def test_what_cannot_be_evaluated_is_refused(shop: Shop, condition: dict[str, Any]) -> None:
    refused = shop.segment(condition)
    assert (refused.status, refused.errors[0]["code"]) == (501, "not_implemented")
    assert "does not evaluate" in refused.errors[0]["detail"]
    assert shop.get("/api/segments").data == []


@pytest.mark.parametrize(
    "condition",
    [
        of("regex", "("),
        of("starts-with", None),
        prop("tier", type="string", operator="equals", value="x"),
        counting("NOPE01", "equals", 1),
        {"type": "profile-group-membership", "is_member": True, "group_ids": ["NOPE01"]},
        prop("created", type="date", operator="calendar-month", value=13),
        prop("created", type="date", operator="anniversary-next", unit="day", quantity=-(2**63)),
        consent("email", True, "any", 5),
        consent("email", True, "never_subscribed", [{"field": "x"}]),
        consent("email", True, "subscribed", 5),
        {"type": "nothing"},
        {"type": "profile-property"},
        "x",
    ],
)
def test_bad_conditions(shop: Shop, condition: Any) -> None:
    refused = shop.segment(condition)
    assert refused.status == 400
    assert all(where.startswith("/data/attributes/definition/condition_groups/0") for where, _ in refused.faults)


def test_definitions_that_are_nothing(shop: Shop) -> None:
    assert shop.segment().status == 400
    assert shop.segment([]).status == 400
    assert shop.segment(of("equals", "x"), name=" ").faults == [("/data/attributes/name", "'name' must not be empty.")]


def test_processing_takes_as_long_as_a_job() -> None:
    with running(limits="off", job_delay=3600) as served:
        shop = Shop(served.base_url, "pk_processing")
        people(shop, a="gold")
        segment_id = shop.segment(of("equals", "gold")).data["id"]
        assert shop.get(f"/api/segments/{segment_id}").data["attributes"]["is_processing"] is True
        assert shop.get(f"/api/segments/{segment_id}/profiles").data == []
