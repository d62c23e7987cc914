"""docs/migration.md: every pair run, through klaviyo-api 25 and through clavichord; both sandboxes end up alike."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.client.migration_values import evaluate

from clavichord import Klaviyo
from clavichord.client.resource import Resource
from clavichord.sandbox.serve import running

HERE = Path(__file__).resolve()
PAGE = HERE.parents[2] / "docs" / "migration.md"
PYTHON = HERE.parents[2] / ".venvs" / "klaviyo-api-25" / "bin" / "python"
ADDRESS = "http://127.0.0.1:4567"
PAIR = re.compile(r"(?:^#### (\d+)\. ([^\n]+)\n)?^```text\n(.*?)^```\n```python\n(.*?)^```", re.M | re.S)
KEY = "pk_your_private_key"


class Pair(NamedTuple):
    number: int
    """0 is the construction of the clients"""
    title: str
    theirs: str
    ours: str


def pairs() -> list[Pair]:
    return [Pair(int(n or 0), title, theirs, ours) for n, title, theirs, ours in PAIR.findall(PAGE.read_text())]


class Theirs:
    """klaviyo-api 25 in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, number: int, code: str) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"number": number, "code": code}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            assert self._process.stderr is not None
            raise AssertionError(f"{number}: {self._process.stderr.read()[-2000:]}")
        answer = json.loads(line)
        assert answer["number"] == number
        return answer["value"]


@contextmanager
def theirs() -> Iterator[Theirs]:
    assert PYTHON.exists(), "the environment of klaviyo-api 25 is missing; `make check` builds it"
    command = [str(PYTHON), str(HERE.with_name("migration_25.py"))]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        yield Theirs(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0


def state(base_url: str) -> dict[str, Any]:
    """Everything that the pairs touch, told without ids and times."""
    with Klaviyo(KEY, base_url=base_url) as k:
        lists = list(k.lists.get_lists())
        profiles = k.profiles.get_profiles(page_size=100, additional_fields_profile=["subscriptions"])
        tags = list(k.tags.get_tags())
        coupons = list(k.coupons.get_coupons())
        return {
            "profiles": sorted(repr(_profile(p)) for p in profiles),
            "lists": sorted((li.name, li.opt_in_process, _members(k, li.id)) for li in lists),
            "events": sorted(
                (m[0].to_dict()["attributes"]["name"], p[0].to_dict()["attributes"]["email"], repr(e.event_properties))
                for e in k.events.get_events(include=["metric", "profile"], page_size=1000)
                if (m := e.related("metric")) and (p := e.related("profile"))
                if not str(m[0].to_dict()["attributes"]["name"]).startswith("Merged")
            ),
            "templates": sorted((t.name, t.html) for t in k.templates.get_templates()),
            "items": sorted((i.external_id, i.title, i.price, i.url) for i in k.catalogs.get_catalog_items()),
            "coupons": sorted((c.external_id, c.description) for c in coupons),
            "codes": sorted(c.unique_code for c in k.coupons.get_coupon_codes(filter='equals(coupon.id,"TEN")'))
            if coupons
            else [],
            "images": sorted((i.name, i.hidden) for i in k.images.get_images()),
            "tags": sorted((t.name, len(list(k.tags.get_list_ids_for_tag(t.id)))) for t in tags),
        }


def _profile(profile: Any) -> dict[str, Any]:
    names = ("email", "phone_number", "external_id", "first_name", "last_name", "organization", "title", "properties")
    found = {name: getattr(profile, name) for name in names}
    marketing = profile.subscriptions["email"]["marketing"]
    said = {name: marketing[name] for name in ("consent", "custom_method_detail", "can_receive_email_marketing")}
    if marketing["consent"] == "SUBSCRIBED" and marketing["consent_timestamp"].startswith("2024"):
        said["at"] = marketing["consent_timestamp"]
    said["suppression"] = [one["reason"] for one in marketing["suppression"]]
    said["left"] = len(marketing["list_suppressions"])
    return {**found, **said}


def _members(k: Klaviyo, list_id: str) -> str:
    return " ".join(sorted(p.email or "" for p in k.lists.get_profiles_for_list(list_id)))


def our_attributes(resource: Any) -> dict[str, Any]:
    if not isinstance(resource, Resource):
        raise TypeError
    found: dict[str, Any] = resource.to_dict()["attributes"]
    return found


def test_every_pair_has_the_same_outcome() -> None:
    compared = 0
    with running(job_delay=0, limits="off") as a, running(job_delay=0, limits="off") as b, theirs() as sdk:
        namespace: dict[str, Any] = {}
        for pair in pairs():
            theirs_gave = sdk.run(pair.number, pair.theirs.replace(ADDRESS, a.base_url))
            ours_gave = evaluate(pair.ours.replace(ADDRESS, b.base_url), namespace, our_attributes)
            where = f"{pair.number}. {pair.title}"
            assert state(a.base_url) == state(b.base_url), where
            if theirs_gave is not None and ours_gave is not None:
                assert theirs_gave == ours_gave, where
                compared += 1
        namespace["k"].close()
    assert compared > 15


def test_the_page_says_how_many_there_are() -> None:
    numbers = [pair.number for pair in pairs()]
    assert numbers == list(range(len(numbers)))
    assert f"The {numbers[-1]} commonest calls" in PAGE.read_text()
    assert numbers[-1] >= 40
