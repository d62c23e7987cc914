"""Every operation that an official SDK has, called once: it gives its typed object, or nothing where the specification
has no body. What the sandbox says it does not implement is refused with 501, and nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.conformance import every_operation
from tests.conformance.official_sdk import Account, Name, OfficialSDK, Refused
from tests.sandbox.sandbox_api import Api

from clavichord.sandbox.serve import Running, running

_OPERATIONS: dict[Name, int] = {"klaviyo-api-24": 334, "klaviyo-api-25": 423, "klaviyo-node-23": 334}


def _walk(account: Account, calls: list[str], known: dict[str, str], served: Running) -> dict[str, Any]:
    """Call → the type of what it gave, or why it gave nothing."""
    catalogue = served.sandbox.releases.at(account.sdk.revision).catalogue
    outcomes: dict[str, Any] = {}
    for call in calls:
        operation, _, label = call.partition(":")
        if operation == "get_reviews":
            every_operation.write_review(Api(account.base_url, account.key), known["account"])
        arguments, options = every_operation.arguments(catalogue, call, known)
        try:
            given = account.call(operation, *arguments, **options)
        except Refused as refused:
            outcomes[call] = (refused.status, refused.errors, arguments)
        except AssertionError as error:
            outcomes[call] = (str(error), arguments)
        else:
            outcomes[call] = given.type
            for kind, name in every_operation.seen(given.value):
                known.setdefault(f"{label}:{kind}" if label else kind, name)
    return outcomes


def test_every_operation_gives_its_typed_object(
    sdk: OfficialSDK, account: Account, server: Running, tmp_path: Path
) -> None:
    release = server.sandbox.releases.at(sdk.revision)
    operations = release.catalogue.operations
    calls = every_operation.calls(release.catalogue, sdk.methods)
    assert len({call.partition(":")[0] for call in calls}) == _OPERATIONS[sdk.name]
    image = tmp_path / "dot.gif"
    image.write_bytes(b"GIF89a-and-so-on")
    known = {"file": str(image), "revision": sdk.revision}
    outcomes = _walk(account, calls, known, server)
    missing = {call: got[1] for call, got in outcomes.items() if got[0] == 501}
    assert {error["code"] for errors in missing.values() for error in errors} <= {"not_implemented"}
    wanted = {call: operations[call.partition(":")[0]].response or "NoneType" for call in outcomes}
    wrong = {call: got for call, got in outcomes.items() if call not in missing and got != wanted[call]}
    assert not wrong, "\n".join(f"{call}: {got}" for call, got in wrong.items())
    unimplemented = {name for name in sdk.methods & operations.keys() if name not in release.behaviours}
    assert {call.partition(":")[0] for call in missing} == unimplemented


def test_whatever_a_full_shop_lists_decodes(sdk: OfficialSDK) -> None:
    """Every collection that can be read without an argument, in the account of `--seed demo`."""
    with running(seed="demo", limits="off", job_delay=0) as served:
        release = served.sandbox.releases.at(sdk.revision)
        account = Account(sdk, served.base_url, "pk_demo")
        listed = [
            operation
            for name, operation in release.catalogue.operations.items()
            if (operation.kind, operation.method) == ("collection", "GET")
            and not operation.filter_required
            and name in sdk.methods & release.behaviours.keys()
            and name not in every_operation.OPTIONS
        ]
        assert len(listed) >= 40
        rows = {}
        for operation in listed:
            try:
                given = account.call(operation.id)
            except Refused as refused:
                assert (refused.status, operation.id) == (403, "get_object_types"), refused
                continue
            assert given.type == operation.response
            rows[operation.id] = len(given.value["data"])
    assert rows["get_profiles"] == 20
    assert rows["get_events"] == 200
