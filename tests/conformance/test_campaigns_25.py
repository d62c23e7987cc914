"""Omni-channel campaigns through klaviyo-api 25.0.0, unchanged: every operation typed, and their chains."""

from __future__ import annotations

from typing import Any

import pytest
from tests.conformance.sdk_script import run

from clavichord.sandbox.serve import running
from clavichord.spec import load


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    with running(job_delay=0, limits="off") as served:
        return run("campaigns_25.py", served, sdk="25")


def test_every_operation_gives_its_typed_object(seen: dict[str, Any]) -> None:
    operations = load("2026-10-15").operations.values()
    wanted = {
        one.id: one.response or "NoneType"
        for one in operations
        if one.tag == "Campaigns" or (one.tag == "Translations" and "campaign-variation" in one.path)
    }
    assert len(wanted) == 62
    assert seen["types"] == wanted


def test_the_chains(seen: dict[str, Any]) -> None:
    one_channel = "The variations of a message must have one channel; this message has 'sms'."
    assert seen["found"] == {
        "campaign": ["Spring", "ff5733", ["campaign-audience"] * 2 + ["campaign-message"] * 2 + ["tag"]],
        "listed": [["Autumn", "Spring"], True],
        "pages": ["Spring", "Autumn"],
        "archived": [True, "Spring"],
        "tags": True,
        "message tags": True,
        "audience": ["Second", True, ["campaign", "campaign-message"]],
        "audience changed": ["3rd", 1, 1, 3],
        "audience copied": "Copy of 3rd",
        "audience gone": True,
        "message": ["Three", "draft", False],
        "message included": ["campaign", "campaign-variation"],
        "message changed": ["Drei", True, 60],
        "messages": ["Two", "One", "Drei"],
        "drafts": [1, 1],
        "audience of message": True,
        "campaign of message": True,
        "message copied": ["Vier", 1],
        "message gone": 404,
        "image": True,
        "other channel": [400, one_channel, "/data/attributes/definition/details/channel"],
        "variation": ["Second", "Ho", ["campaign-message", "image"]],
        "variation changed": ["Second", "He", None],
        "untranslated": None,
        "variation gone": True,
        "translation": [True, True, True, True, ["translation"]],
        "assigned": "email",
        "throttled": [
            400,
            "'throttled_options' is required for the strategy 'throttled'.",
            "/data/attributes/throttled_options",
        ],
        "schedule": [True, "throttled", 50, "minute", "scheduled"],
        "locked": [400, "A message with the status 'scheduled' cannot be changed.", "/data"],
        "reverted": "draft",
        "campaign schedule": [["static", True], ["smart_send_time", True]],
        "send job": "queued",
        "estimated": 2,
        "sent": ["sent", "sent"],
        "received": ["", "Salut Ann"],
        "delete sent": [400, "A message with the status 'sent' cannot be changed.", "/data"],
        "clone": ["Again", 3, 2],
        "gone": [404, 404],
        "report": [["One", 1], ["Two", 1]],
    }
