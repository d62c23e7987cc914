"""The client against the sandbox: two independent readings of the same facts."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clavichord import AsyncKlaviyo, F, Klaviyo, NotFound, Pacing, errors, has
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


@pytest.fixture(scope="module")
def unpaced(base_url: str) -> Iterator[Klaviyo]:
    with Klaviyo("pk_unpaced", base_url=base_url, retries=1, pacing=Pacing(enabled=False)) as made:
        yield made


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40).filter(lambda t: t == t.strip())
ZONES = st.builds(lambda minutes: timezone(timedelta(minutes=minutes)), st.integers(-720, 840))


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


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(TEXT, min_size=2, max_size=4, unique=True))
def test_any_text_finds_what_has_it(unpaced: Klaviyo, names: list[str]) -> None:
    made = {unpaced.profiles.upsert(external_id=name).id: name for name in names}
    for profile_id, name in made.items():
        (found,) = unpaced.profiles.get_profiles(filter=F.external_id == name)
        assert (found.id, found.external_id) == (profile_id, name)
    several = unpaced.profiles.get_profiles(filter=F.external_id.any(names))
    assert {found.id for found in several} == set(made)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    when=st.datetimes(datetime(2020, 1, 2), datetime(2026, 1, 1), timezones=ZONES),  # noqa: DTZ001  # bounds
)
def test_any_aware_moment_finds_what_happened_then(unpaced: Klaviyo, when: datetime) -> None:
    when = when.replace(microsecond=0)
    person = unpaced.profiles.upsert(external_id=uuid.uuid4().hex)
    unpaced.events.track("Found", profile=person.id, time=when)
    mine = F.profile_id == person.id
    (event,) = unpaced.events.get_events(filter=mine & (F.datetime >= when) & (F.datetime <= when))
    assert event.datetime == when
    later = when + timedelta(seconds=1)
    assert list(unpaced.events.get_events(filter=mine & (F.datetime >= later))) == []


def test_klaviyos_words_reach_the_caller(klaviyo: Klaviyo) -> None:
    with pytest.raises(errors.InvalidRequest, match="filter") as caught:
        klaviyo.send("get_lists", query={"filter": "nonsense(name)"})
    assert caught.value.errors[0].argument == "filter"


def test_limits_are_kept_where_they_are_enforced() -> None:
    with running(limits="enforce") as sandbox, Klaviyo(KEY, base_url=sandbox.base_url, retries=0) as klaviyo:
        for _ in range(5):  # 1 per second, FACTS §5
            klaviyo.accounts.get_accounts().first()
        assert klaviyo.budget("get_accounts").used_in_minute == 5
