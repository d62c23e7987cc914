"""One client speaks one revision: what that lacks is refused before anything is sent, and what it has is typed."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest
from tests.client.scripted_server import KEY, Answer, Scripted

from clavichord.client.client import Klaviyo
from clavichord.client.errors import ConfigurationError
from clavichord.client.filters import F
from clavichord.client.models import Campaign
from clavichord.client.pacing import Pacing
from clavichord.spec import REVISION, REVISIONS

Speaks = Callable[[str], Klaviyo]


@pytest.fixture
def speaks(server: Scripted) -> Speaks:
    def make(revision: str) -> Klaviyo:
        return Klaviyo(KEY, base_url=server.base_url, pacing=Pacing(enabled=False), revision=revision)

    return make


def test_the_packaged_revisions_are_those_that_are_named() -> None:
    data = files("clavichord.spec") / "data"
    assert sorted(p.name[:10] for p in data.iterdir() if p.name.endswith(".operations.z")) == list(REVISIONS)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda k: k.billing.list_billing_usage().first(), 'not in revision 2026-07-15.*revision="2026-10-15"'),
        (lambda k: k.brands.get_brand_logo("1"), "get_brand_logo is not in revision 2026-07-15"),
        (lambda k: k.send("get_translations"), "get_translations is not in revision 2026-07-15"),
        (lambda k: k.campaigns.create_campaign(definition={}), "definition= of create_campaign is not in revision"),
        (lambda k: k.campaigns.get_campaigns().first(), "needs filter= in revision 2026-07-15"),
        (lambda k: k.campaigns.create_campaign(), "needs name=, audiences=, campaign_messages="),
    ],
)
def test_what_the_older_one_lacks(speaks: Speaks, server: Scripted, call: Callable[[Klaviyo], Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        call(speaks("2026-07-15"))
    assert server.asked == []


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda k: k.campaigns.create_campaign_clone(id="1"), "is called clone_campaign in revision 2026-10-15"),
        (lambda k: k.campaigns.create_campaign(name="x"), 'name= of create_campaign.*revision="2026-07-15"'),
        (lambda k: k.campaigns.update_campaign("1", send_strategy={}), "send_strategy= of update_campaign"),
        (lambda k: k.campaigns.update_campaign("1"), "needs definition="),
    ],
)
def test_what_the_newer_one_lacks(speaks: Speaks, server: Scripted, call: Callable[[Klaviyo], Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        call(speaks("2026-10-15"))
    assert server.asked == []


def test_a_reshaped_operation_is_sent_in_the_shape_of_each(speaks: Speaks, server: Scripted) -> None:
    server.otherwise = Answer(
        201, {"data": {"type": "campaign", "id": "C", "attributes": {"definition": {"name": "x"}}}}
    )
    old, new = speaks("2026-07-15"), speaks("2026-10-15")
    old.campaigns.create_campaign(name="x", audiences={"included": ["L"]}, campaign_messages=[{"definition": {}}])
    made = new.campaigns.create_campaign(definition={"name": "x"}, audiences=[{"name": "a"}], tags=["T"])
    assert isinstance(made, Campaign)
    assert (made.name, made.definition) == (None, {"name": "x"})
    assert [asked.headers["revision"] for asked in server.asked] == ["2026-07-15", "2026-10-15"]
    message = {"type": "campaign-message", "attributes": {"definition": {}}}
    assert [asked.json["data"] for asked in server.asked] == [
        {
            "type": "campaign",
            "attributes": {
                "name": "x",
                "audiences": {"included": ["L"]},
                "campaign-messages": {"data": [message]},
            },
        },
        {
            "type": "campaign",
            "attributes": {"definition": {"name": "x"}, "audiences": [{"name": "a"}]},
            "relationships": {"tags": {"data": [{"type": "tag", "id": "T"}]}},
        },
    ]


def test_filters_are_those_of_the_revision(speaks: Speaks, server: Scripted) -> None:
    server.otherwise = Answer(200, {"data": []})
    speaks("2026-10-15").custom_objects.get_data_sources(filter=F.namespace == "x").first()
    assert server.asked[0].query == {"filter": 'equals(namespace,"x")'}
    with pytest.raises(ConfigurationError, match="filter= of get_data_sources"):
        speaks("2026-07-15").custom_objects.get_data_sources(filter=F.namespace == "x").first()


@pytest.mark.parametrize("revision", ["2025-01-15", "2026-07-15.pre", "2026-09-01"])
def test_a_revision_that_is_not_packaged_is_sent_and_served_by_the_nearest(
    speaks: Speaks, server: Scripted, revision: str
) -> None:
    server.otherwise = Answer(200, {"data": []})
    client = speaks(revision)
    client.lists.get_lists().first()
    assert server.asked[0].headers["revision"] == revision
    with pytest.raises(ConfigurationError, match="not in revision 2026-07-15"):
        client.brands.get_brand_logos().first()


@pytest.mark.parametrize("revision", ["", "today", "2026-7-15", "v2026-07-15", "2026-07-15\r\nx: y"])
def test_what_is_no_revision_is_refused(revision: str) -> None:
    with pytest.raises(ConfigurationError, match=f"a date like {REVISION}"):
        Klaviyo(KEY, revision=revision)
