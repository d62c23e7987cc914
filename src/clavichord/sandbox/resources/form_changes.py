"""Editing a form's drafts, publishing and unpublishing (2026-10-15). What is live is never edited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import SECOND, micros, seconds
from clavichord.sandbox.errors import invalid
from clavichord.sandbox.resources import forms

_AT = "/data/relationships/form/data"

Status = Literal["draft", "live"]


def update_form(call: Call) -> Answer:
    """What is not sent stays. A definition replaces the drafts; live versions stay as they are (inferred: also those
    that it leaves out)."""
    attributes, given = generic.required(call), call.data["attributes"]
    crud.same_id(call)
    if "name" in given:
        if not (given["name"] or "").strip():
            raise invalid("'name' must not be empty.", pointer="/data/attributes/name")
        attributes["name"] = given["name"]
    attributes["updated_at"] = seconds(call.now // SECOND)
    stored = crud.state(call, "form", call.id)["definition"]
    with call.engine.store.write():
        if given.get("definition") is not None:
            stored = _replace(call, stored, given["definition"], attributes["name"])
            crud.keep(call, "form", call.id, {"definition": stored})
        generic.update(call.engine.store, call.account, "form", call.id, attributes, call.now)
    return forms.show(call, call.id, attributes | {"updated_at": micros(call.now)}, stored)


def _replace(call: Call, stored: Mapping[str, Any], given: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The new definition; its versions are stored already. Refusal (400)."""
    known = {version["id"]: version for version in stored["versions"]}
    forms.refuse_faulty(given["versions"], known)
    definition = forms.completed(call, given)
    for index, version in enumerate(definition["versions"]):
        before = known.get(version.get("id"))
        _refuse_live(version, before, f"{forms.AT}/{index}")
        if before is None:
            forms.add_version(call, call.id, version, name)
        elif before != version:
            forms.number_parts(call, version)
            _store(call, version, name)
    kept = {version["id"] for version in definition["versions"]}
    for version_id, version in known.items():
        if version_id not in kept and _status(version) == "live":
            definition["versions"].append(version)
        elif version_id not in kept:
            crud.erase(call, "form-version", str(version_id))
    return {**stored, **definition}


def _refuse_live(version: dict[str, Any], before: Mapping[str, Any] | None, at: str) -> None:
    if version.get("status") is None:
        version["status"] = "draft" if before is None else _status(before)
    if version["status"] != ("draft" if before is None else _status(before)):
        raise invalid(inferred.VERSION_STATUS, pointer=f"{at}/status")
    if before is not None and version["status"] == "live" and version != before:
        raise invalid(inferred.LIVE_VERSION.format(id=version["id"]), pointer=at)


def _status(version: Mapping[str, Any]) -> Status:
    return "live" if version.get("status") == "live" else "draft"


def _store(call: Call, version: Mapping[str, Any], name: str) -> None:
    """The resource of a version that changed."""
    version_id = str(version["id"])
    before = generic.required(call, "form-version", version_id)
    attributes = before | forms.version_attributes(version, name) | {"updated_at": seconds(call.now // SECOND)}
    generic.update(call.engine.store, call.account, "form-version", version_id, attributes, call.now)


def publish_form(call: Call) -> Answer:
    """The newest draft becomes the live version, in the place of the one that was."""
    form_id, attributes, definition = _form(call)
    drafts = _turning(call, form_id, attributes, definition, "draft", "published")
    newest = max(drafts, key=lambda version: _made(call, version))
    with call.engine.store.write():
        for version in [one for one in definition["versions"] if _status(one) == "live"]:
            definition["versions"].remove(version)
            crud.erase(call, "form-version", str(version["id"]))
        return _turn(call, form_id, attributes, definition, [newest], "live")


def unpublish_form(call: Call) -> Answer:
    form_id, attributes, definition = _form(call)
    live = _turning(call, form_id, attributes, definition, "live", "unpublished")
    with call.engine.store.write():
        return _turn(call, form_id, attributes, definition, live, "draft")


def _form(call: Call) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """Id, attributes and definition of the form that a job names. Refusal (400, 404)."""
    linkage = call.data["relationships"]["form"].get("data")
    if linkage is None:
        raise invalid(inferred.REQUIRED.format(name="form"), pointer=_AT)
    attributes = generic.required(call, "form", linkage["id"])
    return linkage["id"], attributes, crud.state(call, "form", linkage["id"])["definition"]


def _turning(
    call: Call, form_id: str, attributes: Mapping[str, Any], definition: Mapping[str, Any], status: Status, verb: str
) -> list[dict[str, Any]]:
    """The versions with a status. Refusal (400): there is none, or they are in an A/B test."""
    found = [version for version in definition["versions"] if _status(version) == status]
    if not found and not attributes["status"] == status == "live":
        raise invalid(inferred.NOTHING_TO_PUBLISH.format(id=form_id, status=status), pointer=_AT)
    if attributes["ab_test"] or any(version.get("ab_test") for version in found):
        raise invalid(inferred.AB_TEST.format(status=status, verb=verb), pointer=_AT)
    return found


def _turn(
    call: Call,
    form_id: str,
    attributes: dict[str, Any],
    definition: Mapping[str, Any],
    versions: list[dict[str, Any]],
    status: Status,
) -> Answer:
    """Done at once; the job that is answered is kept nowhere (documented)."""
    attributes |= {"status": status, "updated_at": seconds(call.now // SECOND)}
    for version in versions:
        version["status"] = status
        _store(call, version, attributes["name"])
    crud.keep(call, "form", form_id, {"definition": definition})
    generic.update(call.engine.store, call.account, "form", form_id, attributes, call.now)
    job = {"status": "complete", "created_at": micros(call.now)}
    kind = call.operation.resource
    return call.engine.documents.one(call, generic.resource(kind, call.engine.ids.ulid(), job, {"form": form_id}))


def _made(call: Call, version: Mapping[str, Any]) -> int:
    row = call.engine.store.one(
        "SELECT created FROM resource WHERE account = ? AND type = 'form-version' AND id = ?",
        call.account,
        str(version["id"]),
    )
    return int(row[0]) if row else 0


BEHAVIOURS: Mapping[str, Behaviour] = {
    "update_form": update_form,
    "publish_form": publish_form,
    "unpublish_form": unpublish_form,
}
