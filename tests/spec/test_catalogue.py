"""The packaged catalogue: complete, small, and it finds the operation of a request."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources

import pytest

from clavichord.spec import REVISION, Limit, Operation, load

CATALOGUE = load()
REFERENCE = re.compile(r"#/(\w+)")


def test_every_operation_of_the_revision_is_there() -> None:
    assert len(CATALOGUE.operations) == 345
    assert sum(op.path.startswith("/client/") for op in CATALOGUE.operations.values()) == 12


def test_it_stays_small() -> None:
    data = resources.files("clavichord.spec") / "data"
    packed = sum(len(p.read_bytes()) for p in data.iterdir() if p.name.startswith(REVISION))
    assert packed <= 100_000


def test_limits_are_those_of_the_published_histogram() -> None:
    """FACTS §5 counts the operations of every tier."""
    tiers: dict[Limit, int] = {}
    for op in CATALOGUE.operations.values():
        tiers[op.limit] = tiers.get(op.limit, 0) + 1
    assert tiers[Limit(3, 60)] == 129
    assert tiers[Limit(75, 750)] == 76
    assert tiers[Limit(10, 150)] == 63
    assert tiers[Limit(350, 3500)] == 37
    assert tiers[Limit(1, 15)] == 21
    assert tiers[Limit(1, 2, 225)] == 7
    assert tiers[Limit(10, 150, 150)] == 1


@pytest.mark.parametrize("op", CATALOGUE.operations.values(), ids=lambda op: op.id)
def test_every_path_leads_back_to_its_operation(op: Operation) -> None:
    path = op.path.replace("{id}", "%24custom%3A%3A%3A%2Fx").replace("{job_id}", "%24custom%3A%3A%3A%2Fx")
    for spelling in (path, path + "/"):
        found = CATALOGUE.match(op.method, spelling)
        assert found is not None
        assert found[0].id == op.id
        assert found[1] == dict.fromkeys(op.path_params, "$custom:::/x")


def test_unknown_paths_and_methods() -> None:
    assert CATALOGUE.match("GET", "/api/nothing") is None
    assert CATALOGUE.match("GET", "/") is None
    assert CATALOGUE.match("PUT", "/api/lists") is None
    assert CATALOGUE.methods("/api/lists") == ["GET", "POST"]
    assert CATALOGUE.methods("/api/nothing/at/all/here") == []


def test_every_reference_leads_to_a_schema() -> None:
    for name, schema in CATALOGUE.schemas.items():
        for target in REFERENCE.findall(str(schema)):
            assert target in CATALOGUE.schemas, f"{name} refers to {target}"
    for op in CATALOGUE.operations.values():
        assert {op.body, op.response} - {""} <= CATALOGUE.schemas.keys()


def test_facts_that_are_stated_in_prose_only() -> None:
    imports = CATALOGUE.operations["bulk_import_profiles"]
    assert imports.caps is not None
    assert (imports.caps.items, imports.caps.bytes, imports.caps.item_bytes) == (10_000, 5_000_000, 100_000)
    jobs = CATALOGUE.operations["bulk_create_catalog_items"].caps
    assert jobs is not None
    assert (jobs.items, jobs.queued_jobs) == (100, 500)
    slow = CATALOGUE.operations["get_profiles"].limits_with
    assert slow == {"additional-fields[profile]=predictive_analytics": Limit(10, 150)}


def test_no_prose_is_shipped() -> None:
    def strings(value: object) -> Iterator[str]:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            for sub in value.values():
                yield from strings(sub)
        elif isinstance(value, list):
            for sub in value:
                yield from strings(sub)

    wordy = [text for text in strings(dict(CATALOGUE.schemas)) if text.count(" ") > 5]
    assert wordy == []


def test_a_revision_that_is_not_packaged_is_named() -> None:
    with pytest.raises(ValueError, match=r"no catalogue for revision '1999-01-01'; packaged: .*2026-07-15"):
        load("1999-01-01")


def test_the_newest_revision_of_the_sdk() -> None:
    """FACTS App. H: 423 operations in klaviyo-api 25.0.0 (one of them /client), and the other 11 of /client."""
    newest = load("2026-10-15")
    assert len(newest.operations) == 434
    assert CATALOGUE.operations.keys() - newest.operations.keys() == {"create_campaign_clone"}
    assert "create_campaign_clone" in newest.operations["clone_campaign"].aliases
    campaign = newest.operations["create_campaign_audience"]
    assert (campaign.method, campaign.path, campaign.status) == ("POST", "/api/campaign-audiences", 201)
    assert campaign.limit == Limit(10, 150)
    assert newest.operations["get_campaigns"].response != CATALOGUE.operations["get_campaigns"].response
    assert newest.operations["get_profiles"] == CATALOGUE.operations["get_profiles"]


def test_what_the_sdk_lost_comes_from_earlier_documents_and_what_is_newer_from_the_sdk() -> None:
    newest = load("2026-10-15")
    assert newest.operations["get_text_messaging_senders"].sorts == ("created_at", "-created_at")  # the beta's
    assert newest.operations["get_text_messaging_senders"].limit == Limit(3, 60)  # slower than in the beta
    assert newest.operations["get_campaign_messages"].includes == ("campaign",)  # the beta had one more
    details = newest.schema("VariationCreateQuery")
    for name in ("data", "attributes", "definition", "details"):
        details = newest.schema(details["$ref"].removeprefix("#/")) if "$ref" in details else details
        details = details["properties"][name]
    assert len(details["oneOf"]) == 4  # a union: an untyped object in the SDK
    channel = newest.types["translation"].attributes["channel"]
    assert channel["enum"] == ["email", "mobile_push", "sms", "web", "whatsapp"]  # new since the beta
    assert "assigner_configuration" in newest.types["coupon"].attributes  # new since the stable document
    assert newest.types["form"].attributes.keys() == CATALOGUE.types["form"].attributes.keys()


def test_an_operation_that_was_reshaped_keeps_nothing_of_its_former_self() -> None:
    """Campaigns of 2026-10-15 have no channel, no status and no time of sending; their messages have."""
    before, after = (load(one).operations["get_campaigns"] for one in (REVISION, "2026-10-15"))
    assert [rule.field for rule in after.filters] == ["id", "name", "archived", "builder", "created_at", "updated_at"]
    assert not after.filter_required
    assert {"scheduled_at", "-scheduled_at"} == {*before.sorts} - {*after.sorts}
    assert after.includes == ("campaign-audiences", "campaign-messages", "tags")
    messages = load("2026-10-15").operations["get_campaign_messages"]
    assert messages.includes == ("campaign",)
    assert {"name", "-status"} < {*messages.sorts}
    assert "definition.ab_test.winner_metric" in messages.fields["campaign-message"]
    assert "label" not in messages.fields["campaign-message"]
    variation = load("2026-10-15").operations["get_campaign_variation"]
    assert "definition.details.subject" in variation.fields["campaign-variation"]
