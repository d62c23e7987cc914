"""The client against the sandbox: two independent readings of the same facts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from clavichord import AsyncKlaviyo, F, Klaviyo, NotFound, errors, has
from clavichord.sandbox.serve import running

KEY = "pk_0123456789abcdef0123456789abcdef01"


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with running() as sandbox:
        yield sandbox.base_url


@pytest.fixture
def klaviyo(base_url: str) -> Iterator[Klaviyo]:
    with Klaviyo(KEY, base_url=base_url, retries=1) as made:
        yield made


def test_a_profile_is_made_changed_found_and_read(klaviyo: Klaviyo) -> None:
    made = klaviyo.profiles.create_profile(email="jo@shop.test", first_name="Jo", properties={"tier": "gold"})
    assert made.id
    assert (made.email, made.first_name, made.properties) == ("jo@shop.test", "Jo", {"tier": "gold"})
    with pytest.raises(errors.Conflict) as caught:
        klaviyo.profiles.create_profile(email="jo@shop.test")
    assert caught.value.duplicate_profile_id == made.id
    klaviyo.profiles.update_profile(made.id, first_name=None)
    again = klaviyo.profiles.upsert(email="jo@shop.test", properties={"points": 5})
    assert (again.id, again.first_name, again.properties) == (made.id, None, {"tier": "gold", "points": 5})
    (found,) = klaviyo.profiles.get_profiles(filter=F.email == "jo@shop.test")
    assert found.id == made.id
    assert isinstance(found.created, datetime)
    assert found.extra.keys() <= {"anonymous_id", "whatsapp_bsuid"}


def test_an_unknown_profile_is_not_found(klaviyo: Klaviyo) -> None:
    with pytest.raises(NotFound, match="get_profile: 404"):
        klaviyo.profiles.get_profile("01GDDKASAP8TKDDA2GRZDSVP4H")


def test_an_event_comes_back_with_its_profile_and_metric(klaviyo: Klaviyo) -> None:
    when = datetime.now(UTC).replace(microsecond=0) - timedelta(days=1)
    for _ in range(2):  # the second is dropped: same unique_id
        klaviyo.events.track(
            "Placed Order", profile={"email": "mary.ann@shop.test"}, value=9.5, time=when, unique_id="order-1"
        )
    (event,) = klaviyo.events.get_events(
        filter=(F.datetime > when - timedelta(seconds=2)) & has(F.metric), include=["profile", "metric"], page_size=1000
    )
    assert event.datetime == when
    assert event.event_properties is not None
    assert event.event_properties["$value"] == 9.5
    (profile,), (metric,) = event.related("profile"), event.related("metric")
    assert (profile.to_dict()["attributes"]["email"], metric.to_dict()["attributes"]["name"]) == (
        "mary.ann@shop.test",
        "Placed Order",
    )


def test_members_of_a_list_page_by_page(klaviyo: Klaviyo) -> None:
    group = klaviyo.lists.create_list(name="Paged")
    ids = [klaviyo.profiles.create_profile(email=f"p{n}@shop.test").id for n in range(7)]
    klaviyo.lists.add_profiles_to_list(group.id, profiles=ids)
    pages = list(klaviyo.lists.get_profiles_for_list(group.id, page_size=3).pages())
    assert [len(page) for page in pages] == [3, 3, 1]
    assert sorted(profile.id for page in pages for profile in page) == sorted(ids)
    assert {i.id for i in klaviyo.lists.get_profile_ids_for_list(group.id)} == set(ids)


def test_many_at_once(base_url: str) -> None:
    async def run() -> list[str]:
        async with AsyncKlaviyo(KEY, base_url=base_url) as klaviyo:
            made = await asyncio.gather(*(klaviyo.profiles.upsert(external_id=f"many-{n}") for n in range(40)))
            return [profile.id for profile in made]

    assert len(set(asyncio.run(run()))) == 40


def test_klaviyos_words_reach_the_caller(klaviyo: Klaviyo) -> None:
    with pytest.raises(errors.InvalidRequest, match="filter") as caught:
        klaviyo.send("get_lists", query={"filter": "nonsense(name)"})
    assert caught.value.errors[0].argument == "filter"


def test_limits_are_kept_where_they_are_enforced() -> None:
    with running(limits="enforce") as sandbox, Klaviyo(KEY, base_url=sandbox.base_url, retries=0) as klaviyo:
        for _ in range(5):  # 1 per second, FACTS §5
            klaviyo.accounts.get_accounts().first()
        assert klaviyo.budget("get_accounts").used_in_minute == 5
