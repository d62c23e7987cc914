"""Brands, billing, text messaging, translations and the new operations of forms, flows and templates through
klaviyo-api 25.0.0, unchanged: every operation once, typed, and the chains that they make."""

from __future__ import annotations

from typing import Any

import pytest
from tests.conformance.sdk_script import run

from clavichord.sandbox.serve import running
from clavichord.spec import REVISION, load

GROUPS = ("Billing", "Brands", "Text Messaging", "Translations", "Forms", "Flows", "Templates")


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    with running(job_delay=0, limits="off") as served:
        return run("brands_25.py", served, sdk="25")


def test_every_operation_gives_its_typed_object(seen: dict[str, Any]) -> None:
    older = load(REVISION).operations
    operations = load("2026-10-15").operations.values()
    new = {one.id: one.response for one in operations if one.id not in older and one.tag in GROUPS}
    assert len(new) == 55
    assert seen["types"] == {name: response or "NoneType" for name, response in new.items()}


def test_the_chains(seen: dict[str, Any]) -> None:
    assert seen["found"] == {
        "brand-button": ["Changed", True, 404],
        "brand-color": ["Changed", True, 404],
        "brand-logo": ["Changed", True, 404],
        "brand-social-group": ["Changed", True, 404],
        "defaults": ["grey", True],
        "voice": "Warm",
        "usage": "messages",
        "prefix": "Shop",
        "sender": "active",
        "senders": 2,
        "registration": [True, "approved"],
        "cloned": [True, "C"],
        "preview": "queued",
        "inserted": [True, True],
        "renamed": "Goodbye",
        "published": ["complete", "live"],
        "unpublished": "draft",
        "translated template": [True, {"fr": "Bonjour"}],
        "translated template-universal-content": [True, {"fr": "Bonjour"}],
        "translated flow-message": [True, {"fr": "Bonjour"}],
        "translated campaign-variation": [True, {"fr": "Bonjour"}],
        "translations": 4,
        "deleted": 404,
    }
