"""What the command line adds: seeds, quirks, scaled limits, environment variables."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.sandbox.sandbox_api import Api
from tests.sandbox.test_sandbox_process import refused, started


def test_seed_quirks_and_scale(tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text("accounts: [{id: SHOP01, keys: [{key: pk_shop}], lists: [A]}]")
    options = ["--seed", str(file), "--quirks", "live", "--limit-scale", "2", "--random-seed", "7"]
    ids = []
    for _ in range(2):
        with started(*options) as (_, url):
            api = Api(url, "pk_shop")
            reply = api.get("/api/lists")
            assert reply.data[0]["attributes"]["name"] == "A"
            assert reply.headers["ratelimit-limit"] == "150, 150;w=1, 1500;w=60"
            assert api("GET", "/_sandbox/health").json["quirks"] == "live"
            ids.append(reply.ids)
    assert ids[0] == ids[1]


def test_every_option_can_be_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAVICHORD_SANDBOX_SEED", "demo")
    monkeypatch.setenv("CLAVICHORD_SANDBOX_LIMITS", "off")
    with started() as (_, url):
        assert Api(url, "pk_demo")("GET", "/_sandbox/health").json["counts"]["profile"] == 200
        assert Api(url, "pk_demo")("GET", "/_sandbox/limits").json["mode"] == "off"


def test_a_seed_that_is_wrong_is_said_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text("accounts:\n  - key: pk_a\n    profiles: [{email: nonsense}]\n")
    assert "accounts[0].profiles[0]: Invalid email address" in refused("--seed", str(file))
    assert "nowhere.yaml" in refused("--seed", "nowhere.yaml")
    assert "limit-scale" in refused("--limit-scale", "0")
