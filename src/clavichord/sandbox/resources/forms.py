"""Sign-up forms and their versions (FACTS §9.12, LIVE #18)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from clavichord.sandbox import completion, crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import SECOND, micros, seconds
from clavichord.sandbox.crud import Kind
from clavichord.sandbox.documents import Resource
from clavichord.sandbox.errors import ErrorObject, Refusal, problem
from clavichord.sandbox.resources.form_defaults import FORM_DEFAULTS

_DEFINITION = {"$ref": "#/FormDefinition"}
AT = "/data/attributes/definition/versions"
_MIN_STEPS = 2

FORM = crud.declare(
    Kind(
        type="form",
        attributes={"name": "", "status": "draft", "ab_test": False, "created_at": "", "updated_at": ""},
        created="created_at",
        updated="updated_at",
        resolved=("form-versions",),
        inverse={"form-versions": "form"},
        order="r.created",
    )
)
VERSION = crud.declare(
    Kind(
        type="form-version",
        attributes={
            "form_type": "",
            "variation_name": "",
            "ab_test": None,
            "status": "draft",
            "created_at": "",
            "updated_at": "",
        },
        created="created_at",
        updated="updated_at",
        resolved=("form",),
        order="r.created",
    )
)


def create_form(call: Call) -> Answer:
    given = call.data["attributes"]
    refuse_faulty(given["definition"]["versions"], {})
    definition = completed(call, given["definition"])
    form_id = call.engine.ids.six()
    at = seconds(call.now // SECOND)
    attributes = {
        "name": given["name"],
        "status": given["status"],
        "ab_test": given["ab_test"],
        "created_at": at,
        "updated_at": at,
    }
    store = call.engine.store
    with store.write():
        generic.insert(store, call.account, "form", form_id, attributes, call.now)
        for version in definition["versions"]:
            add_version(call, form_id, version, given["name"])
        crud.keep(call, "form", form_id, {"definition": definition})
    attributes |= dict.fromkeys(("created_at", "updated_at"), micros(call.now))
    return show(call, form_id, attributes, definition)


def completed(call: Call, definition: Mapping[str, Any]) -> dict[str, Any]:
    """A definition as it is kept: with everything that was left out."""
    found: dict[str, Any] = completion.complete(call.engine.catalogue, _DEFINITION, definition, FORM_DEFAULTS)
    return found


def add_version(call: Call, form_id: str, version: dict[str, Any], name: str) -> None:
    """Gives a version of a completed definition ids and a resource; inside a transaction."""
    version_id = call.engine.ids.number(8)
    number_parts(call, version)
    version["id"] = int(version_id)
    at = seconds(call.now // SECOND)
    attributes = version_attributes(version, name) | {"created_at": at, "updated_at": at}
    generic.insert(call.engine.store, call.account, "form-version", version_id, attributes, call.now)
    generic.link(call.engine.store, call.account, "form-version", version_id, "form", [form_id], call.now)


def version_attributes(version: Mapping[str, Any], name: str) -> dict[str, Any]:
    """What the resource of a version says of it, but for the date-times; `name`: the form's."""
    variation = version.get("name") or name
    return {
        "form_type": inferred.FORM_TYPES.get(version.get("type") or "", version.get("type")) or "popup",
        "variation_name": variation,
        "ab_test": {"variation_name": variation} if version.get("ab_test") else None,
        "status": version.get("status") or "draft",
    }


def get_form(call: Call) -> Answer:
    attributes = generic.required(call)
    return show(call, call.id, attributes, crud.state(call, "form", call.id)["definition"])


def show(call: Call, form_id: str, attributes: dict[str, Any], definition: Any) -> Answer:
    """A single form has its definition and no relationships; its members stand in another order than in a list."""
    order = ("status", "ab_test", "name", "definition", "created_at", "updated_at")
    whole = attributes | {"definition": completion.known(call.engine.catalogue, _DEFINITION, definition)}
    encoded = msgspec.json.encode({name: whole[name] for name in order})
    return call.engine.documents.one(call, Resource("form", form_id, encoded, relationships=()))


def refuse_faulty(versions: Sequence[Mapping[str, Any]], known: Mapping[int, Mapping[str, Any]]) -> None:
    """Refusal (400) of what was seen to be refused beyond the shape (FACTS §9.12; all texts but that of the steps are
    inferred), and of ids that are not among `known`, the form's versions."""
    found: list[ErrorObject] = []
    if not versions:
        found.append(problem("A form needs a version.", pointer=AT))
    for index, version in enumerate(versions):
        at, given = f"{AT}/{index}", version.get("id")
        if len(version["steps"]) < _MIN_STEPS:
            found.append(problem("Versions must have at least two steps", pointer=at))
        if version.get("location") is not None and version.get("type") != "flyout":
            found.append(problem("'location' is only allowed for flyouts.", pointer=f"{at}/location"))
        if given is not None and not known:
            found.append(problem("'id' must not be given for a new form.", pointer=f"{at}/id"))
        elif given is not None and given not in known:
            found.append(problem(inferred.VERSION_UNKNOWN.format(id=given), pointer=f"{at}/id"))
    if found:
        raise Refusal(*found[:100])


def number_parts(call: Call, part: Any) -> None:
    """Steps, columns, rows, blocks and actions get ids; what `properties` name are other people's."""
    if isinstance(part, list):
        for one in part:
            number_parts(call, one)
    elif isinstance(part, dict):
        if part.get("id", "") is None:
            part["id"] = call.engine.ids.ulid()
        for name, one in part.items():
            if name != "properties":
                number_parts(call, one)


def _delete_versions(call: Call, form_id: str, attributes: dict[str, Any]) -> None:
    for version_id in crud.targets(call, "form", form_id, "form-versions"):
        crud.erase(call, "form-version", version_id)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_forms": crud.collection,
    "create_form": create_form,
    "get_form": get_form,
    "delete_form": crud.delete(FORM, after=_delete_versions),
    "get_form_version": crud.item,
    "get_versions_for_form": crud.related,
    "get_version_ids_for_form": crud.related,
    "get_form_for_form_version": crud.related,
    "get_form_id_for_form_version": crud.related,
}
