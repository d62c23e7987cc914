"""The everyday verbs against the sandbox, as somebody would use them."""

from __future__ import annotations

import asyncio
import io
import json
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.client.scripted_server import Answer, Scripted
from tests.sandbox.messages_api import campaign, segment, send
from tests.sandbox.sandbox_api import Api

from clavichord import (
    AsyncKlaviyo,
    F,
    IdentityConflict,
    JobUnfinished,
    Klaviyo,
    NotFound,
    RowsRefused,
    SharedIdentifier,
    UploadStopped,
)
from clavichord.sandbox.serve import running

KEY = "pk_0123456789abcdef0123456789abcdef02"
NOW = datetime.now(UTC).replace(microsecond=0)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with running(job_delay=0, limits="off") as sandbox:
        yield sandbox.base_url


@pytest.fixture(scope="module")
def k(base_url: str) -> Iterator[Klaviyo]:
    with Klaviyo(KEY, base_url=base_url) as made:
        yield made


def consent(k: Klaviyo, email: str, channel: str = "email") -> Any:
    found = k.profiles.find(email=email, additional_fields=["subscriptions"])
    assert found is not None
    assert found.subscriptions is not None
    return found.subscriptions[channel]["marketing"]


# Profiles


def test_find_is_the_profile_or_none(k: Klaviyo) -> None:
    made = k.profiles.upsert(email="find@shop.test", phone_number="+33612340001", external_id="find-1")
    for name, value in {
        "email": "find@shop.test",
        "phone_number": "+33612340001",
        "external_id": "find-1",
        "id": made.id,
    }.items():
        found = k.profiles.find(**{name: value})  # type: ignore[arg-type]
        assert found is not None
        assert found.id == made.id
    assert k.profiles.find(email="nobody@shop.test") is None
    assert k.profiles.find(id="01GDDKASAP8TKDDA2GRZDSVP4H") is None


def test_several_profiles_can_share_an_external_id(server: Scripted, klaviyo: Klaviyo) -> None:
    server.otherwise = Answer(200, {"data": [{"id": "A", "attributes": {}}, {"id": "B", "attributes": {}}]})
    with pytest.raises(SharedIdentifier, match="several profiles have external_id='7': A, B") as caught:
        klaviyo.profiles.find(external_id="7")
    assert caught.value.profile_ids == ["A", "B"]


def test_create_or_patch_creates_and_then_changes(k: Klaviyo) -> None:
    first = k.profiles.create_or_patch(email="cop@shop.test", first_name="A", properties={"tier": "gold"})
    second = k.profiles.create_or_patch(email="cop@shop.test", first_name=None, external_id="cop-1")
    assert (second.id, second.first_name, second.external_id) == (first.id, None, "cop-1")
    assert second.properties == {"tier": "gold"}


@pytest.fixture
def two(k: Klaviyo) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Two profiles, and identifiers of which each has one."""
    two.count += 1  # type: ignore[attr-defined]
    given = {"email": f"two{two.count}@shop.test", "phone_number": f"+3361299{two.count:04}"}  # type: ignore[attr-defined]
    a = k.profiles.create_profile(email=given["email"], first_name="A")
    b = k.profiles.create_profile(phone_number=given["phone_number"], first_name="B")
    yield a.id, b.id, given


two.count = 0  # type: ignore[attr-defined]


def test_an_identity_conflict_names_both_profiles(k: Klaviyo, two: tuple[str, str, dict[str, str]]) -> None:
    a, b, given = two
    with pytest.raises(IdentityConflict) as caught:
        k.profiles.create_or_patch(**given, last_name="Z")  # type: ignore[arg-type]
    assert caught.value.owners == {"email": a, "phone_number": b}
    text = str(caught.value)
    for part in (a, b, given["email"], given["phone_number"], "'merge'", "'skip'", "'email'"):
        assert part in text
    assert k.profiles.get_profile(a).last_name is None


def test_choosing_changes_one_and_leaves_the_other(k: Klaviyo, two: tuple[str, str, dict[str, str]]) -> None:
    a, b, given = two
    found = k.profiles.create_or_patch(**given, last_name="Z", on_conflict="phone_number")  # type: ignore[arg-type]
    assert (found.id, found.last_name, found.email) == (b, "Z", None)
    assert k.profiles.get_profile(a).last_name is None


def test_skipping_changes_nothing(k: Klaviyo, two: tuple[str, str, dict[str, str]]) -> None:
    a, b, given = two
    found = k.profiles.create_or_patch(**given, last_name="Z", on_conflict="skip")  # type: ignore[arg-type]
    assert (found.id, found.last_name) == (a, None)
    assert k.profiles.get_profile(b).last_name is None


def test_merging_makes_one_of_them(k: Klaviyo, two: tuple[str, str, dict[str, str]]) -> None:
    a, b, given = two
    found = k.profiles.create_or_patch(**given, last_name="Z", on_conflict="merge")  # type: ignore[arg-type]
    assert (found.id, found.last_name, found.first_name) == (a, "Z", "A")
    assert (found.email, found.phone_number) == (given["email"], given["phone_number"])
    assert k.profiles.find(id=b) is None


def test_merging_is_waited_for() -> None:
    with running(job_delay=0.6, limits="off") as sandbox, Klaviyo(KEY, base_url=sandbox.base_url) as k:
        a = k.profiles.create_profile(email="slow@shop.test")
        k.profiles.create_profile(phone_number="+33612349999")
        found = k.profiles.create_or_patch(email="slow@shop.test", phone_number="+33612349999", on_conflict="merge")
        assert (found.id, found.phone_number) == (a.id, "+33612349999")


def test_merge(k: Klaviyo) -> None:
    kept = k.profiles.create_profile(email="kept@shop.test")
    gone = k.profiles.create_profile(email="gone@shop.test")
    k.profiles.merge(gone, into=kept.id)
    assert k.profiles.find(id=gone.id) is None


def test_delete_is_for_good(k: Klaviyo) -> None:
    k.profiles.create_profile(email="erase@shop.test")
    k.profiles.delete(email="erase@shop.test")
    assert k.profiles.find(email="erase@shop.test") is None
    with pytest.raises(NotFound):
        k.profiles.delete(email="erase@shop.test")


def test_an_upload_of_profiles_joins_lists_and_can_be_copied(k: Klaviyo) -> None:
    group = k.lists.create_list(name="Uploaded")
    rows: list[Any] = [{"email": f"up{n}@shop.test", "properties": {"n": n}} for n in range(250)]
    rows[7] = {"email": "up7@shop", "tier": "gold"}
    rows[8] = {"email": "no address"}
    rows[9] = {"id": "01GDDKASAP8TKDDA2GRZDSVP4H", "email": "up9@shop.test"}
    report = k.profiles.upload(rows, lists=[group])
    assert (report.confirmed, report.rejected) == (247, 3)
    assert {r.index: r.argument for r in report.problems} == {7: "tier", 8: "email", 9: "id"}
    assert len(list(k.lists.get_profiles_for_list(group.id))) == 247
    (read,) = k.profiles.get_profiles(filter=F.email == "up1@shop.test")
    assert k.profiles.upload([read]).confirmed == 1


# Consent


def test_a_consent_has_channel_source_and_time(k: Klaviyo) -> None:
    group = k.lists.create_list(name="News", opt_in_process="single_opt_in")
    k.lists.subscribe(group, "yes@shop.test", channel="email", source="checkout")
    found = consent(k, "yes@shop.test")
    assert (found["consent"], found["custom_method_detail"]) == ("SUBSCRIBED", "checkout")
    when = NOW - timedelta(days=400)
    report = k.profiles.subscribe(
        [{"email": "old@shop.test", "phone_number": "+33612350001"}],
        channel=["email", "sms"],
        source="fair 2025",
        historical=True,
        consented_at=when,
    )
    assert report.accepted == 1
    assert datetime.fromisoformat(consent(k, "old@shop.test")["consent_timestamp"]) == when
    assert consent(k, "old@shop.test", "sms")["consent"] == "SUBSCRIBED"


def test_nobody_is_subscribed_against_an_earlier_no(k: Klaviyo) -> None:
    group = k.lists.create_list(name="Guarded", opt_in_process="single_opt_in")
    people = [f"no{n}@shop.test" for n in range(4)]
    assert k.lists.subscribe(group, people, channel="email", source="form").accepted == 4
    k.profiles.unsubscribe(people[0], channel="email")
    k.profiles.suppress(people[1])
    k.lists.unsubscribe(group, people[2], channel="email")
    report = k.lists.subscribe(group, [*people, "new@shop.test"], channel="email", source="form")
    assert [r.status for r in report.results()] == ["held", "held", "held", "accepted", "accepted"]
    assert {r.code for r in report.problems} == {"lifts_opt_out"}
    assert consent(k, people[0])["consent"] == "UNSUBSCRIBED"
    assert consent(k, people[1])["suppression"][0]["reason"] == "USER_SUPPRESSED"
    with pytest.raises(RowsRefused, match="resubscribe=True"):
        k.lists.subscribe(group, people[0], channel="email", source="form")
    k.lists.subscribe(group, people[0], channel="email", source="asked by phone", resubscribe=True)
    assert consent(k, people[0])["consent"] == "SUBSCRIBED"


def test_the_guard_looks_at_the_channel_that_is_meant(k: Klaviyo) -> None:
    person = {"email": "chan@shop.test", "phone_number": "+33612350002"}
    k.profiles.subscribe(person, channel=["email", "sms"], source="form", historical=True, consented_at=NOW)
    k.profiles.unsubscribe(person, channel="sms")
    assert k.profiles.subscribe([person], channel="email", source="form").accepted == 1
    assert k.profiles.subscribe([person], channel=["email", "sms"], source="form").held == 1


def test_nobody_is_unsubscribed_from_more_than_was_said(k: Klaviyo) -> None:
    group = k.lists.create_list(name="One of many", opt_in_process="single_opt_in")
    k.lists.subscribe(group, "member@shop.test", channel="email", source="form")
    k.profiles.upsert(email="outsider@shop.test")
    report = k.lists.unsubscribe(group, ["member@shop.test", "outsider@shop.test"], channel="email")
    assert [(r.status, r.code) for r in report.results()] == [("accepted", ""), ("held", "global_unsubscribe")]
    assert consent(k, "member@shop.test")["consent"] == "SUBSCRIBED"  # elsewhere still
    assert consent(k, "outsider@shop.test")["consent"] == "NEVER_SUBSCRIBED"
    assert k.lists.unsubscribe(group, ["outsider@shop.test"], channel="email", everywhere=True).accepted == 1
    assert consent(k, "outsider@shop.test")["consent"] == "UNSUBSCRIBED"


def test_proof_and_address_are_wanted_of_every_row(k: Klaviyo) -> None:
    rows: list[Any] = [
        {"email": "a@shop.test", "first_name": "A"},
        {"email": "b@shop.test", "consented_at": datetime(2025, 1, 1)},  # noqa: DTZ001
        {"email": "c@shop.test"},
        {"phone_number": "+33612350003", "consented_at": NOW},
        "d@shop.test",
    ]
    report = k.profiles.subscribe(rows, channel="email", source="form", historical=True)
    assert [(r.index, r.argument) for r in report.problems] == [
        (0, "first_name"),
        (1, "consented_at"),
        (2, "consented_at"),
        (3, "email"),
        (4, "consented_at"),
    ]


def test_suppressing_and_taking_it_back(k: Klaviyo) -> None:
    emails = [f"sup{n}@shop.test" for n in range(230)]
    assert k.profiles.suppress(emails).confirmed == 230
    assert consent(k, emails[229])["can_receive_email_marketing"] is False
    assert k.profiles.unsuppress(emails).confirmed == 230
    assert consent(k, emails[229])["can_receive_email_marketing"] is True


# Lists


def test_people_join_and_leave_lists_by_address(k: Klaviyo) -> None:
    group = k.lists.create_list(name="By address")
    made = k.profiles.upsert(phone_number="+33612360001")
    k.profiles.upload({"email": f"Member{n}@shop.test"} for n in range(230))
    people: list[Any] = [f"meMber{n}@shop.test" for n in range(230)]
    people += ["+33612360001", made, "stranger@shop.test", 7]
    report = k.lists.add(group, people)
    assert (report.confirmed, report.rejected) == (232, 2)
    assert [(r.index, r.code) for r in report.problems] == [(233, "not_a_row"), (232, "not_found")]
    assert len(list(k.lists.get_profile_ids_for_list(group.id))) == 231
    assert k.lists.add(group, people[:3]).confirmed == 3  # again
    assert k.lists.remove(group, people[:230]).confirmed == 230
    assert [i.id for i in k.lists.get_profile_ids_for_list(group.id)] == [made.id]
    with pytest.raises(RowsRefused, match=r"no profile has email 'stranger@shop\.test'"):
        k.lists.add(group, "stranger@shop.test")


# Events, catalog, coupons


def test_an_upload_of_events(k: Klaviyo) -> None:
    rows: list[Any] = [
        {
            "metric": "Bulk",
            "profile": {"email": f"ev{n % 40}@shop.test"},
            "value": n,
            "time": NOW - timedelta(minutes=n),
        }
        for n in range(1_500)
    ]
    rows += [{"metric": "Bulk", "profile": {"email": "ev1@shop.test"}, "unique_id": "same"}] * 2
    rows += [{"metric": "Bulk", "profile": {"email": "ev1@shop.test"}, "time": "1970-01-01"}, {"metirc": "x"}]
    report = k.events.upload(rows)
    assert (report.accepted, report.rejected) == (1_501, 3)
    assert {r.index: r.argument for r in report.problems} == {1501: "unique_id", 1502: "time", 1503: "metirc"}
    assert any(r.reason.startswith("row 1500 is the same event") for r in report.problems)
    total = sum(row["count"] for row in k.metrics.aggregate("Bulk", since=NOW - timedelta(days=2)))
    assert total == 1_501


def test_uploads_to_the_catalog(k: Klaviyo) -> None:
    def item(n: int, title: str) -> dict[str, Any]:
        return {
            "external_id": f"i{n}",
            "title": title,
            "description": "d",
            "url": "https://x.test",
            "categories": ["c"],
        }

    assert k.catalogs.upload_categories([{"external_id": "c", "name": "C"}]).confirmed == 1
    assert k.catalogs.upload_items(item(n, "first") for n in range(150)).confirmed == 150
    assert k.catalogs.upload_items(item(n, "second") for n in range(100, 250)).confirmed == 150
    titles = [k.catalogs.get_catalog_item(f"$custom:::$default:::i{n}").title for n in (99, 100, 249)]
    assert titles == ["first", "second", "second"]
    assert len(list(k.catalogs.get_items_for_catalog_category("$custom:::$default:::c"))) == 250
    variant = {"external_id": "v", "item": "i1", "sku": "s", "title": "V", "description": "d", "url": "https://x.test"}
    assert k.catalogs.upload_variants([variant | {"price": 2, "inventory_quantity": 3}]).confirmed == 1
    report = k.catalogs.upload_items(["i1", "nope", {"external_id": "i2"}], mode="delete")
    assert [r.status for r in report.results()] == ["confirmed", "rejected", "confirmed"]
    assert "does not exist" in report.problems[0].reason


def test_uploads_of_coupon_codes(k: Klaviyo) -> None:
    k.coupons.create_coupon(external_id="TEN")
    assert k.coupons.upload_codes("TEN", (f"C{n}" for n in range(1_200))).confirmed == 1_200
    report = k.coupons.upload_codes("TEN", ["C1", "new"], expires_at=NOW + timedelta(days=9))
    assert [r.status for r in report.results()] == ["rejected", "confirmed"]
    expiry = k.coupons.get_coupon_code("TEN-new").expires_at
    assert expiry == NOW + timedelta(days=9)


def test_codes_whose_answer_was_lost_are_there_once_and_known_to_be_unknown() -> None:
    with running(job_delay=0, limits="off") as served, Klaviyo(KEY, base_url=served.base_url, retries=3) as k:
        k.coupons.create_coupon(external_id="LOST")
        fault = json.dumps([{"operation": "bulk_create_coupon_codes", "connection": "lost"}]).encode()
        request = urllib.request.Request(served.base_url + "/_sandbox/faults", fault, method="PUT")
        urllib.request.urlopen(request).close()
        with pytest.raises(UploadStopped) as caught:
            k.coupons.upload_codes("LOST", ["A", "B"])
        assert [(r.row, r.status) for r in caught.value.report.problems] == [("A", "unknown"), ("B", "unknown")]
        asked = served.sandbox.journal.entries(limit=100)
        assert sum(entry.operation == "bulk_create_coupon_codes" for entry in asked) == 1


# The rest


def test_images_come_from_bytes_files_and_urls(k: Klaviyo, tmp_path: Path) -> None:
    path = tmp_path / "logo.png"
    path.write_bytes(PNG)
    with path.open("rb") as opened:
        names = [k.images.upload(source).name for source in (path, str(path), opened)]
    assert names == ["logo"] * 3
    assert k.images.upload(PNG, name="mine", hidden=True).hidden is True
    assert k.images.upload(io.BytesIO(PNG), name="b").name == "b"
    assert k.images.upload("https://x.test/a.png", name="u").name == "u"


def test_a_template_with_its_context(k: Klaviyo) -> None:
    made = k.templates.create_template(name="T", editor_type="CODE", html="<p>Hi {{ person.first_name }}</p>")
    assert "Hi Jo" in (k.templates.render(made, {"person": {"first_name": "Jo"}}).html or "")
    assert "Hi </p>" in (k.templates.render(made.id).html or "")


def test_aggregates_as_rows(k: Klaviyo) -> None:
    for n in range(3):
        k.events.track("Viewed", profile={"email": "agg@shop.test"}, value=2.5, time=NOW - timedelta(hours=n))
    since = NOW.replace(hour=0, minute=0, second=0) - timedelta(days=2)
    rows = k.metrics.aggregate("Viewed", since=since, measurements=["count", "sum_value"], interval="hour")
    assert sum(row["count"] for row in rows) == 3
    assert sum(row["sum_value"] for row in rows) == 7.5
    assert all(isinstance(row["date"], datetime) for row in rows)
    (by_value,) = {row["$value_currency"] for row in k.metrics.aggregate("Viewed", since=since, by=["$value_currency"])}
    assert by_value == ""


def test_reports_as_rows(k: Klaviyo, base_url: str) -> None:
    api = Api(base_url, KEY)
    list_id = api.list()
    api.join(list_id, *[api.profile(email=f"report{n}@shop.test") for n in range(3)])
    k.events.track("Placed Order", profile={"email": "report1@shop.test"}, value=5)
    campaign_id, message_id = campaign(api, list_id, name="Sale")
    send(api, campaign_id)
    (row,) = k.reporting.campaign_values(
        statistics=["recipients", "opens"], timeframe="today", conversion_metric="Placed Order"
    )
    assert (row["campaign_id"], row["campaign_message_id"], row["send_channel"]) == (campaign_id, message_id, "email")
    assert (row["recipients"], row["opens"]) == (3, 0)
    frame = (NOW - timedelta(days=2), NOW + timedelta(hours=1))
    segment_id = segment(api, "Everybody")
    series = k.reporting.segment_series(statistics=["total_members"], timeframe=frame, interval="daily")
    assert len(series) >= 3
    assert {row["segment_id"] for row in series} == {segment_id}
    assert all(isinstance(row["date_time"], datetime) and "total_members" in row for row in series)


def test_waiting_for_a_job() -> None:
    with running(job_delay=0.5, limits="off") as sandbox, Klaviyo(KEY, base_url=sandbox.base_url) as k:
        job = k.profiles.bulk_import_profiles(profiles=[{"email": "job@shop.test"}])
        with pytest.raises(JobUnfinished, match=r"is (queued|processing) after 0 s"):
            k.jobs.wait(job, timeout=0)
        done = k.jobs.wait(job)
        assert (done.status, done.completed_count) == ("complete", 1)


def test_the_same_verbs_await(base_url: str) -> None:
    async def run() -> None:
        async with AsyncKlaviyo(KEY, base_url=base_url) as k:
            report = await k.profiles.upload({"email": f"async{n}@shop.test"} for n in range(30))
            assert report.confirmed == 30
            found = await k.profiles.find(email="async1@shop.test")
            assert found is not None
            group = await k.lists.create_list(name="Async", opt_in_process="single_opt_in")
            report = await k.lists.subscribe(
                group, ["async1@shop.test", "async2@shop.test"], channel="email", source="s"
            )
            assert report.accepted == 2
            report = await k.lists.unsubscribe(group, ["async1@shop.test", "async3@shop.test"], channel="email")
            assert (report.accepted, report.held) == (1, 1)
            first = await k.profiles.create_or_patch(email="async9@shop.test")
            assert (await k.profiles.create_or_patch(email="async9@shop.test")).id == first.id
            await k.profiles.delete(id=first.id)
            assert await k.profiles.find(id=first.id) is None
            await k.images.upload(PNG, name="a")
            assert [p.email async for p in k.profiles.get_profiles().between(NOW - timedelta(hours=1))]

    asyncio.run(run())
