"""Wrong arguments of verbs: a ConfigurationError that names verb, argument and fix, before anything is sent."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.client.scripted_server import KEY, Scripted

from clavichord import AsyncKlaviyo, ConfigurationError, Klaviyo

NOW = datetime.now(UTC)
NAIVE = datetime(2026, 1, 1)  # noqa: DTZ001
WRONG: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("profiles.upsert", (), {"first_name": "A"}, "needs one of email="),
    ("profiles.find", (), {}, "exactly one of email=, phone_number=, external_id=, id=, not none of them"),
    ("profiles.find", (), {"email": "a@b.test", "id": "1"}, "not email, id"),
    ("profiles.find", (), {"email": " "}, "email is non-empty text"),
    ("profiles.find", (), {"external_id": 7}, "external_id is non-empty text, not 7"),
    ("profiles.create_or_patch", (), {"first_name": "A"}, "needs one of email="),
    ("profiles.create_or_patch", (), {"email": "a@b.test", "on_conflict": "mrege"}, "did you mean 'merge'"),
    ("profiles.merge", (), {"into": "A"}, "at least one profile to merge"),
    ("profiles.merge", ("A",), {"into": "A"}, "other than into="),
    ("profiles.merge", ({"id": "A"},), {"into": "B"}, "sources takes an id or a resource"),
    ("profiles.delete", (), {}, "exactly one of email=, phone_number=, id="),
    ("profiles.delete", (), {"email": "a@b.test", "id": "1"}, "exactly one"),
    ("profiles.upload", ("a@b.test",), {}, "rows is any iterable of rows, not str"),
    ("profiles.upload", ([],), {"lists": "LIST"}, "lists takes a list of ids"),
    ("profiles.upload", ([],), {"lists": [5]}, "lists takes an id or a resource"),
    ("profiles.upload", ([],), {"timeout": -1}, "timeout is a number of seconds"),
    ("profiles.subscribe", ("a@b.test",), {"channel": "fax", "source": "s"}, "channel is one or several of email, sms"),
    ("profiles.subscribe", ("a@b.test",), {"channel": [], "source": "s"}, "channel is one or several"),
    ("profiles.subscribe", ("a@b.test",), {"channel": "email", "source": ""}, "source is non-empty text"),
    (
        "profiles.subscribe",
        ("a@b.test",),
        {"channel": "email", "source": "s", "consented_at": NOW},
        "goes with historical=True",
    ),
    (
        "profiles.subscribe",
        ("a@b.test",),
        {"channel": "email", "source": "s", "consented_at": NAIVE, "historical": True},
        "has no time zone",
    ),
    ("profiles.unsubscribe", ("a@b.test",), {"channel": "mail"}, "channel is one or several"),
    ("profiles.suppress", (["a@b.test"],), {"timeout": "x"}, "timeout is a number of seconds"),
    ("lists.subscribe", (None, "a@b.test"), {"channel": "email", "source": "s"}, "list takes an id or a resource"),
    ("lists.unsubscribe", ("", "a@b.test"), {"channel": "email"}, "list takes an id or a resource"),
    ("lists.add", (7, "a@b.test"), {}, "list takes an id or a resource"),
    ("lists.remove", ("LIST", 7), {}, "rows is any iterable of rows, not int"),
    ("events.track", ("",), {"profile": "1"}, "metric is the event's name"),
    ("events.track", ("M",), {"profile": "1", "time": NAIVE}, "time has no time zone"),
    ("events.upload", ({"metric": "M"},), {}, "rows is any iterable of rows"),
    ("catalogs.upload_items", ([],), {"mode": "upsret"}, "did you mean 'upsert'"),
    ("catalogs.upload_variants", (b"x",), {}, "rows is any iterable of rows"),
    ("catalogs.upload_categories", ([],), {"timeout": None}, "timeout is a number of seconds"),
    ("coupons.upload_codes", (None, ["A"]), {}, "coupon takes an id or a resource"),
    ("coupons.upload_codes", ("TEN", ["A"]), {"expires_at": NAIVE}, "expires_at has no time zone"),
    ("coupons.upload_codes", ("TEN", "A"), {}, "rows is any iterable of rows, not str"),
    ("images.upload", ("/no/such/file.png",), {}, "cannot be read"),
    ("images.upload", (b"GIF8 but not really",), {}, "no JPEG, PNG or GIF"),
    ("images.upload", (b"GIF89a" + bytes(5_000_000),), {}, "more than 5,000,000 bytes"),
    ("images.upload", (5,), {}, "source is bytes, a path, a URL"),
    ("templates.render", (None,), {}, "template takes an id or a resource"),
    ("templates.render", ("T", "x"), {}, "context is a dict"),
    ("jobs.wait", ("job",), {}, "job is one of"),
    ("metrics.aggregate", ("M1a2b3",), {"since": NAIVE}, "since has no time zone"),
    ("metrics.aggregate", ("M1a2b3",), {"since": NOW, "until": NOW - timedelta(1)}, "until is after since, a year"),
    ("metrics.aggregate", ("M1a2b3",), {"since": NOW - timedelta(500)}, "a year at most"),
    ("metrics.aggregate", ("M1a2b3",), {"since": NOW, "measurements": "count"}, "measurements is a non-empty list"),
    ("metrics.aggregate", ("M1a2b3",), {"since": NOW, "by": ["Compaign Name"]}, "did you mean 'Campaign Name'"),
    ("metrics.aggregate", ("M1a2b3",), {"since": NOW, "interval": "year"}, "interval is one of|interval 'year'"),
]
REPORT = {"statistics": ["opens"], "timeframe": "last_30_days", "conversion_metric": "M1a2b3"}
WRONG += [
    ("reporting.campaign_values", (), REPORT | {"statistics": ["opnes"]}, "did you mean 'opens'"),
    ("reporting.campaign_values", (), REPORT | {"statistics": []}, "statistics is a non-empty list"),
    ("reporting.campaign_values", (), REPORT | {"timeframe": "last_30_day"}, "did you mean 'last_30_days'"),
    ("reporting.flow_values", (), REPORT | {"timeframe": (NOW,)}, "timeframe is \\(start, end\\)"),
    ("reporting.flow_values", (), REPORT | {"timeframe": (NOW, NOW)}, "ends after its start"),
    ("reporting.flow_values", (), REPORT | {"group_by": ["flow"]}, "group_by"),
    ("reporting.flow_series", (), REPORT | {"interval": "yearly"}, "interval"),
    (
        "reporting.flow_series",
        (),
        REPORT | {"interval": "hourly", "timeframe": (NOW - timedelta(9), NOW)},
        "interval='hourly' ends after its start, 7 days at most",
    ),
    ("reporting.form_values", (), {"statistics": ["submit"], "timeframe": "today"}, "did you mean 'submits'"),
    ("reporting.segment_values", (), {"statistics": ["total_members"], "timeframe": (NAIVE, NOW)}, "no time zone"),
]


@pytest.mark.parametrize(("verb", "args", "kwargs", "message"), WRONG, ids=[f"{w[0]} {w[3]}" for w in WRONG])
def test_it_is_told_before_anything_is_sent(
    server: Scripted, klaviyo: Klaviyo, verb: str, args: Any, kwargs: Any, message: str
) -> None:
    group, _, name = verb.partition(".")
    with pytest.raises(ConfigurationError, match=message) as caught:
        getattr(getattr(klaviyo, group), name)(*args, **kwargs)
    assert str(caught.value).startswith(f"{verb}: ")
    assert server.asked == []


def test_and_so_does_the_asynchronous_client(server: Scripted) -> None:
    async def run() -> None:
        async with AsyncKlaviyo(KEY, base_url=server.base_url) as k:
            for verb, args, kwargs, message in WRONG:
                group, _, name = verb.partition(".")
                with pytest.raises(ConfigurationError, match=message):
                    await getattr(getattr(k, group), name)(*args, **kwargs)

    asyncio.run(run())
    assert server.asked == []


def test_the_cases_cover_every_verb() -> None:
    import clavichord.client.ops as ops
    from clavichord.client.operation import Verb
    from clavichord.client.work import Compound

    with Klaviyo(KEY) as k:
        groups = {name: getattr(k, name) for name in vars(ops.SyncGroups) if not name.startswith("_")}
    verbs = {
        f"{group}.{name}"
        for group, face in groups.items()
        for base in type(face).__mro__
        for name, declared in vars(base).items()
        if isinstance(declared, (Verb, Compound))
    }
    assert verbs - {verb for verb, *_ in WRONG} - NO_WRONG_ARGUMENTS == set()
    assert len(verbs) > 25


NO_WRONG_ARGUMENTS = {"profiles.unsuppress", "reporting.form_series", "reporting.segment_series"}
"""declared like the one before it"""
