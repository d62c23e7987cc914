"""A revision's catalogue as an OpenAPI document: what schemathesis reads where the public one is not at hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from clavichord.spec import Catalogue, Operation


def document(catalogue: Catalogue) -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for operation in catalogue.operations.values():
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return {
        "openapi": "3.0.2",
        "info": {"title": "Klaviyo", "version": catalogue.revision},
        "paths": paths,
        "components": {"schemas": {name: _schema(one) for name, one in catalogue.schemas.items()}},
    }


def _operation(operation: Operation) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.id,
        "tags": [operation.tag],
        "parameters": list(_parameters(operation)),
        "responses": {"default": {"description": ""}},
    }
    if operation.body:
        schema = {"$ref": f"#/components/schemas/{operation.body}"}
        described["requestBody"] = {"required": True, "content": {operation.content_type: {"schema": schema}}}
    return described


def _parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    text = {"type": "string"}
    for name in operation.path_params:
        yield {"name": name, "in": "path", "required": True, "schema": text}
    if operation.filters:
        yield {"name": "filter", "in": "query", "required": operation.filter_required, "schema": text}
    if operation.sorts:
        yield {"name": "sort", "in": "query", "schema": text | {"enum": list(operation.sorts)}}
    if operation.page_size:
        bounds = {"minimum": operation.page_size.min, "maximum": operation.page_size.max}
        yield {"name": "page[size]", "in": "query", "schema": {"type": "integer"} | bounds}
    if operation.paged:
        yield {"name": operation.cursor_param, "in": "query", "schema": text}
    lists = {f"fields[{kind}]": names for kind, names in operation.fields.items()}
    lists |= {f"additional-fields[{kind}]": names for kind, names in operation.additional_fields.items()}
    if operation.includes:
        lists["include"] = operation.includes
    for name, choices in lists.items():
        schema = {"type": "array", "items": text | {"enum": list(choices)}}
        yield {"name": name, "in": "query", "explode": False, "schema": schema}
    for name, given in operation.query.items():
        required = bool(given.get("required"))
        plain = {key: value for key, value in given.items() if key != "required"}
        yield {"name": name, "in": "query", "required": required, "schema": _schema(plain)}


def _schema(value: Any) -> Any:
    if isinstance(value, list):
        return [_schema(one) for one in value]
    if not isinstance(value, Mapping):
        return value
    made = {name: _schema(one) for name, one in value.items() if name != "discriminator" or isinstance(one, Mapping)}
    if isinstance(made.get("$ref"), str):
        made["$ref"] = "#/components/schemas/" + made["$ref"].removeprefix("#/")
    return made
