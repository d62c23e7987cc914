"""Every answer of every sandbox in the test process, held to the specification: status, schema, form of errors.

Schemas are taken strictly: a member that the specification does not have is a fault, and so is a missing one, unless
`fields[…]` asked for fewer. Departures that are right because the real API departs are listed here with their source.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import jsonschema_rs
import msgspec

from clavichord.sandbox.journal import Entry
from clavichord.sandbox.revision import LIVE_STATUSES
from clavichord.spec import REVISION, Catalogue, load

_KEPT = ("type", "format", "enum", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern")
_NEWEST = "2026-10-15"
_FIELDS = re.compile(r"fields(?:%5B|\[)[^=]*=([^&]*)")

_ERROR = jsonschema_rs.Draft202012Validator(
    {
        "type": "object",
        "required": ["errors"],
        "additionalProperties": False,
        "properties": {
            "errors": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["id", "status", "code", "title", "detail", "source"],
                    "additionalProperties": False,
                    "properties": {
                        "id": {"type": "string", "format": "uuid"},
                        "status": {"type": "integer", "minimum": 400, "maximum": 599},
                        "code": {"type": "string", "pattern": "^[a-z_]+$"},
                        "title": {"type": "string", "minLength": 1},
                        "detail": {"type": "string", "minLength": 1},
                        "source": {
                            "type": "object",
                            "properties": {"pointer": {"pattern": "^/"}, "parameter": {"type": "string"}},
                            "additionalProperties": False,
                            "minProperties": 1,
                            "maxProperties": 1,
                        },
                        "links": {"type": "object"},
                        "meta": {"type": "object"},
                    },
                },
            }
        },
    },
    validate_formats=True,
)
"""FACTS §1.5: links and meta are there in one of the two flavours."""


_OTHER_STATUSES = {"create_or_update_profile": (201,)} | {name: (one,) for name, one in LIVE_STATUSES.items()}
"""201 where it creates (FACTS §6.4); and what `quirks="live"` answers."""

DEPARTURES: Mapping[str, str] = {
    r"document/links/(next|prev): null is not of type .*": "recorded everywhere (LIVE #2)",
    r"document/links/(next|prev): not specified": "recorded for reports and aggregates (LIVE #3, FACTS §9.15)",
    r'document/data: null is not of type "object"': "a to-one relationship without a target (LIVE #4)",
    r'time-delay/data/delay_until_time: .* is not a "time"': "recorded without an offset (update_flow_action)",
    r"document/included: not specified": "assign-template includes the template unasked (LIVE #15)",
    r"profile/attributes/(anonymous_id|whatsapp_bsuid): not specified": "recorded in every profile (FACTS §6.1)",
    r"profile/attributes/subscriptions/email/click_tracking: not specified": "recorded (FACTS §6.1)",
    r"profile/relationships/conversation: not specified": "recorded in every profile (FACTS §6.1)",
    r"profile/attributes: not specified": "merge-profiles answers an empty object (LIVE #20)",
    r"campaign/attributes/send_options: .*ignore_unsubscribes.*": "recorded (LIVE #15)",
    r"flow-message/relationships/image: not specified": "recorded (get_flow_message)",
    r"(campaign|flow)-message/relationships/(template|image)/data: null is not .*": "recorded (get_campaign_message)",
    r"object-type/relationships/draft-schema/data: null is not .*": "JSON:API: an empty to-one relationship",
    r"brand-social-group/attributes/social_links/\*: .*": "only one platform is published (inferred.CHOICES)",
    r"webhook-topic/attributes: not specified": "recorded (get_webhook_topics)",
    r"(campaign|flow|form|segment)-(values|series)-report/id: not specified": "recorded (FACTS §9.14)",
    r'metric-aggregate/attributes: "data" is a required property': "return_fields leaves it out (FACTS §9.15)",
}
"""What is right although the specification says otherwise: a pattern for a whole fault → where that is known from."""


def faults(entry: Entry, answered: bytes) -> Iterator[str]:
    """What is wrong with an answer; nothing if it was injected."""
    if entry.fault is not None:
        return
    if entry.status >= 400:
        yield from _of_error(entry, answered)
    elif entry.operation is not None:
        yield from _of_success(entry, answered)


def _of_error(entry: Entry, answered: bytes) -> Iterator[str]:
    try:
        body = msgspec.json.decode(answered)
    except msgspec.DecodeError as malformed:
        yield f"not JSON: {malformed}"
        return
    for error in _ERROR.iter_errors(body):
        yield from _told(error, body)
    if not any(one.get("status") == entry.status for one in body.get("errors", ())):
        yield f"answered with {entry.status}, which no error object says"


def _of_success(entry: Entry, answered: bytes) -> Iterator[str]:
    catalogue = load(_NEWEST if entry.revision.startswith(_NEWEST) else REVISION)
    operation = catalogue.operations[str(entry.operation)]
    if entry.status not in (operation.status, *_OTHER_STATUSES.get(operation.id, ())):
        yield f"status {entry.status}, specified is {operation.status}"
    if entry.status == LIVE_STATUSES.get(operation.id) != operation.status:
        return
    if not operation.response:
        if answered:
            yield "a body where none is specified"
        return
    try:
        body = msgspec.json.decode(answered)
    except msgspec.DecodeError as malformed:
        yield f"not JSON: {malformed}"
        return
    sparse = _FIELDS.findall(entry.query)
    if any("." in names for names in sparse):  # parts of parts: what tells alternatives apart may not be among them
        return
    try:
        errors = list(_validator(catalogue.revision, operation.response, bool(sparse)).iter_errors(body))
    except ValueError:  # nested more deeply than the validator goes: what was sent came back
        return
    for told in (fault for error in errors for fault in _told(error, body)):
        if not any(re.fullmatch(departure, told) for departure in DEPARTURES):
            yield told


def _told(error: jsonschema_rs.ValidationError, body: Any) -> Iterator[str]:
    """The place is told from the resource object that holds it, wherever that stands in the document."""
    owner, place = "document", ""
    for step in error.instance_path:
        body = body[step]
        place += f"/{'*' if isinstance(step, int) else step}"
        if isinstance(body, dict) and isinstance(body.get("type"), str) and ("attributes" in body or "links" in body):
            owner, place = body["type"], ""
    unexpected = getattr(error.kind, "unexpected", None)
    if isinstance(unexpected, list):
        yield from (f"{owner}{place}/{name}: not specified" for name in unexpected)
    else:
        yield f"{owner}{place}: {error.message[:300]}"


@cache
def _validator(revision: str, schema: str, sparse: bool) -> jsonschema_rs.Draft202012Validator:
    reference = {"$ref": f"urn:{revision}#/$defs/{schema}"}
    return jsonschema_rs.Draft202012Validator(reference, registry=_registry(revision, sparse), validate_formats=True)


@cache
def _registry(revision: str, sparse: bool) -> jsonschema_rs.Registry:
    catalogue = load(revision)
    definitions = {name: _strict(catalogue, schema, sparse) for name, schema in catalogue.schemas.items()}
    return jsonschema_rs.Registry([(f"urn:{revision}", {"$defs": definitions})])


def _strict(catalogue: Catalogue, schema: Mapping[str, Any], sparse: bool) -> dict[str, Any]:
    """JSON Schema of what OpenAPI 3.0 says; objects take no other members than theirs."""
    if "allOf" in schema:
        made = _strict(catalogue, _united(catalogue, schema["allOf"]), sparse)
    elif "$ref" in schema:
        made = {"$ref": "#/$defs/" + schema["$ref"].removeprefix("#/")}
    else:
        made = {name: schema[name] for name in _KEPT if name in schema}
        if "properties" in schema:
            made["properties"] = {name: _strict(catalogue, one, sparse) for name, one in schema["properties"].items()}
            made["additionalProperties"] = False
            if not sparse:
                made["required"] = schema.get("required", [])
        if "items" in schema:
            made["items"] = _strict(catalogue, schema["items"], sparse)
        alternatives = schema.get("oneOf") or schema.get("anyOf")
        if alternatives:
            made |= _alternatives(catalogue, alternatives, sparse)
    if schema.get("nullable"):  # said so that errors tell what is wrong inside
        made = {"if": {"not": {"type": "null"}}, "then": made}
    return made


def _alternatives(catalogue: Catalogue, schemas: Sequence[Mapping[str, Any]], sparse: bool) -> dict[str, Any]:
    """Resource objects are told apart by their type."""
    branches = [_strict(catalogue, one, sparse) for one in schemas]
    types = [_united(catalogue, [one]).get("properties", {}).get("type", {}) for one in schemas]
    names = [_united(catalogue, [one]).get("enum") or [] for one in types]
    if not all(len(one) == 1 for one in names) or len({one[0] for one in names}) < len(names):
        return {"anyOf": branches}
    chosen = [
        {"if": {"properties": {"type": {"const": name}}}, "then": branch}
        for (name,), branch in zip(names, branches, strict=True)
    ]
    return {"properties": {"type": {"enum": [name for (name,) in names]}}, "required": ["type"], "allOf": chosen}


def _united(catalogue: Catalogue, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The parts of one object as one schema; of a member that several parts have, every part says something."""
    united: dict[str, Any] = {}
    for part in parts:
        while "$ref" in part:
            part = catalogue.schema(part["$ref"].removeprefix("#/"))
        if "allOf" in part:
            part = _united(catalogue, part["allOf"])
        properties = dict(united.get("properties", {}))
        for name, member in part.get("properties", {}).items():
            properties[name] = _united(catalogue, [properties[name], member]) if name in properties else member
        required = [*united.get("required", ()), *part.get("required", ())]
        united |= part
        if properties:
            united |= {"properties": properties, "required": required}
    return united
