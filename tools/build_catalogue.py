"""Builds the packaged catalogue from the public OpenAPI documents: facts only, no prose.

    python tools/build_catalogue.py [--check] [--specs FOLDER]

`--check` writes nothing and exits with 1 if the packaged files say something else (drift).
"""

from __future__ import annotations

import argparse
import json
import lzma
import re
import sys
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import openapi_from_sdk

ROOT = Path(__file__).resolve().parent.parent
SPECS = ROOT.parent / "shared" / "klaviyo" / "openapi"
DATA = ROOT / "src" / "clavichord" / "spec" / "data"
REVISION = "2026-07-15"
SDK_REVISION = "2026-10-15"  # no public document: klaviyo-api 25.0.0 pins it, and is read instead
SDK = ROOT / ".venvs" / "klaviyo-api-25"

Schema = Mapping[str, Any]
Facts = dict[str, Any]

# What a document says of a schema without being prose; the rest (description, example, title, x-…) is left behind.
SCHEMA_FACTS = (
    *("type", "format", "enum", "nullable", "default", "readOnly", "writeOnly", "required", "additionalProperties"),
    *("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "uniqueItems", "pattern"),
)

# Caps that are stated outside the operation's own text (FACTS §7, §3): items, bytes, bytes of one item, queued jobs.
CAPS = {
    "bulk_subscribe_profiles": {"items": 1000},
    "bulk_unsubscribe_profiles": {"items": 100},
    "bulk_suppress_profiles": {"items": 100},
    "bulk_unsuppress_profiles": {"items": 100},
    "bulk_create_coupon_codes": {"items": 1000, "queued_jobs": 100},
}
EVERY_BODY = 5_000_000  # FACTS §3: payload ceiling after decompression
UNITS = {"KB": 1_000, "MB": 1_000_000}
NUMBER = r"`?([\d,]+)`?"


def resolve(doc: Schema, schema: Schema) -> Schema:
    while "$ref" in schema:
        schema = doc["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def strip(schema: Schema) -> Facts:
    """The schema without prose; references shortened to `#/Name`."""
    if "$ref" in schema:
        facts: Facts = {"$ref": "#/" + schema["$ref"].rsplit("/", 1)[1]}
        if schema.get("nullable"):
            facts["nullable"] = True
        return facts
    facts = {key: schema[key] for key in SCHEMA_FACTS if key in schema and not isinstance(schema[key], dict)}
    if isinstance(schema.get("additionalProperties"), dict):
        facts["additionalProperties"] = strip(schema["additionalProperties"])
    if "properties" in schema:
        facts["properties"] = {name: strip(sub) for name, sub in schema["properties"].items()}
    if "items" in schema:
        facts["items"] = strip(schema["items"])
    for union in ("oneOf", "anyOf", "allOf"):
        if union in schema:
            facts[union] = [strip(sub) for sub in schema[union]]
    if "discriminator" in schema:
        facts["discriminator"] = schema["discriminator"]["propertyName"]
    return facts


def parts(doc: Schema, schema: Schema) -> Iterator[Schema]:
    """The object schemas that together describe one object: `allOf` and references unfolded."""
    schema = resolve(doc, schema)
    for sub in schema.get("allOf", ()):
        yield from parts(doc, sub)
    if "properties" in schema:
        yield schema


def properties(doc: Schema, schema: Schema) -> dict[str, Schema]:
    return {name: sub for part in parts(doc, schema) for name, sub in part["properties"].items()}


def type_name(doc: Schema, resource: Schema) -> str:
    """The JSON:API type of a resource object or identifier; "" if it has none."""
    for part in parts(doc, resource):
        if "type" in part["properties"]:
            names = resolve(doc, part["properties"]["type"]).get("enum", [])
            if names:
                return str(names[0])
    return ""


def primary(doc: Schema, schema: Schema | None) -> tuple[Schema, bool]:
    """The resource object of a document's `data`, and whether `data` is an array of them."""
    data = resolve(doc, properties(doc, schema).get("data", {})) if schema is not None else {}
    return (resolve(doc, data["items"]), True) if data.get("type") == "array" else (data, False)


def content(holder: Schema) -> tuple[str, Schema | None]:
    for media, body in holder.get("content", {}).items():
        return media, body["schema"]
    return "", None


def name_of(schema: Schema | None) -> str:
    return schema["$ref"].rsplit("/", 1)[1] if schema is not None else ""


def rate(text: str) -> int:
    return int(text.split("/")[0])


def limit(burst: str, steady: str, daily: str | None = None) -> Facts:
    facts = {"burst": rate(burst), "steady": rate(steady)}
    if daily:
        facts["daily"] = rate(daily)
    return facts


def lower_limits(text: str) -> Facts:
    """Limits that `additional-fields` brings. What it says of `include=` is contradicted by a recording (FACTS §5)."""
    found = re.findall(
        r"Rate limits when using the `(additional-fields\[[^`]+)` parameter.*?Burst: `([^`]+)`.*?Steady: `([^`]+)`",
        text,
        re.S,
    )
    return {parameter: limit(burst, steady) for parameter, burst, steady in found}


def caps(op_id: str, text: str, takes_body: bool) -> Facts:
    facts: Facts = dict(CAPS.get(op_id, {}))
    for pattern, name in (
        (rf"(?:[Aa]ccepts (?:up to|a maximum of)) {NUMBER}[\w\s]* per (?:request|call)", "items"),
        (rf"number of jobs in progress at one time is {NUMBER}", "queued_jobs"),
    ):
        for value in re.findall(pattern, text):
            facts[name] = int(value.replace(",", ""))
    for whose, value, unit in re.findall(r"payload size(| per-\w+) is (\d+)([KM]B)", text):
        facts["item_bytes" if whose else "bytes"] = int(value) * UNITS[unit]
    if takes_body:
        facts.setdefault("bytes", EVERY_BODY)
    return facts


def kind(doc: Schema, path: str) -> str:
    segments = path.strip("/").split("/")
    if segments[0] == "client":
        return "action"
    if len(segments) == 2:
        known = "get" in doc["paths"][path] or any(p.startswith(path + "/{") for p in doc["paths"])
        return "collection" if known else "action"
    if len(segments) == 3:
        return "item"
    return "relationship" if segments[3] == "relationships" else "related"


def base_types(doc: Schema) -> dict[str, str]:
    """Second path segment → JSON:API type of what lives there: `lists` → `list`."""
    bases: dict[str, str] = {}
    for path, methods in doc["paths"].items():
        segments = path.strip("/").split("/")
        if segments[0] != "api" or len(segments) > 3:
            continue
        for op in methods.values():
            success = next(r for s, r in op["responses"].items() if s.startswith("2"))
            name = type_name(doc, primary(doc, content(success)[1])[0])
            if name:
                bases.setdefault(segments[1], name)
    return bases


def parameters(op: Facts, facts: Facts) -> None:
    for parameter in op["parameters"]:
        name, schema = parameter["name"], parameter["schema"]
        if parameter["in"] == "path":
            facts.setdefault("path_params", []).append(name)
        elif parameter["in"] == "header":
            continue
        elif match := re.fullmatch(r"(additional-)?fields\[(.+)\]", name):
            where = "additional_fields" if match[1] else "fields"
            facts.setdefault(where, {})[match[2]] = schema["items"]["enum"]
        elif name in ("page[cursor]", "page_cursor"):
            facts["paged"] = True
            if name != "page[cursor]":
                facts["cursor_param"] = name
        elif name == "page[size]":
            facts["page_size"] = {"default": schema["default"], "min": schema["minimum"], "max": schema["maximum"]}
        elif name == "include":
            facts["includes"] = schema["items"]["enum"]
        elif name == "sort":
            facts["sorts"] = schema["enum"]
        elif name == "filter":
            if parameter.get("required"):
                facts["filter_required"] = True
        else:
            facts.setdefault("query", {})[name] = strip(schema) | (
                {"required": True} if parameter.get("required") else {}
            )


def filter_rules(declared: Schema) -> list[Facts]:
    rules = []
    for name, rule in declared.items():
        value = rule.get("value") or {}
        facts = {"field": name, **rule["operators"]}
        kind_of_value = value.get("format") or value.get("type") or "string"
        facts |= {"type": kind_of_value} if kind_of_value != "string" else {}
        rules.append(facts | ({"values": value["enum"]} if "enum" in value else {}))
    return rules


def operation(doc: Schema, path: str, method: str, op: Facts, bases: Mapping[str, str]) -> Facts:
    media, body = content(op.get("requestBody", {}))
    status, success = next((s, r) for s, r in op["responses"].items() if s.startswith("2"))
    _, answer = content(success)
    resource, many = primary(doc, answer)
    segments = path.strip("/").split("/")
    facts: Facts = {
        "id": op["operationId"],
        "method": method.upper(),
        "path": path,
        "tag": op["tags"][0],
        "kind": kind(doc, path),
        "limit": limit(**op["x-klaviyo-ratelimit"]),
        "status": int(status),
        "scopes": op["x-klaviyo-scopes"] or [],
        "aliases": op.get("x-klaviyo-operation-aliases", []),
        "limits_with": lower_limits(op["description"]),
        "base": bases.get(segments[1], "") if segments[0] == "api" else "",
        "relationship": segments[-1] if len(segments) > 3 else "",
        "resource": type_name(doc, resource),
        "many": many,
        "identifiers_only": answer is not None and "attributes" not in properties(doc, resource),
        "filters": filter_rules(op.get("x-klaviyo-filters", {})),
        "response": name_of(answer),
        "caps": caps(op["operationId"], op["description"], body is not None),
    }
    if body is not None:
        wanted, body_many = primary(doc, body)
        facts |= {
            "body": name_of(body),
            "content_type": media,
            "body_type": type_name(doc, wanted),
            "body_many": body_many,
        }
    parameters(op, facts)
    return {key: value for key, value in facts.items() if value not in ("", False, [], {})}


def resources(doc: Schema) -> Iterator[tuple[str, Schema]]:
    """Every resource object of every answer, primary data first, then `included`."""
    for part in ("data", "included"):
        for methods in doc["paths"].values():
            for op in methods.values():
                _, answer = content(next(r for s, r in op["responses"].items() if s.startswith("2")))
                if answer is None:
                    continue
                schema = resolve(doc, properties(doc, answer).get(part, {}))
                items = resolve(doc, schema.get("items", schema))
                for candidate in items.get("oneOf", [items]):
                    if name := type_name(doc, candidate):
                        yield name, candidate


def relation(doc: Schema, schema: Schema) -> Facts | None:
    data = resolve(doc, properties(doc, schema).get("data", {}))
    target = type_name(doc, resolve(doc, data.get("items", data)))
    return {"type": target, "many": data.get("type") == "array"} if target else None


def resource_types(doc: Schema, operations: list[Facts]) -> list[Facts]:
    types: dict[str, Facts] = {}
    for name, resource in resources(doc):
        facts = types.setdefault(name, {"name": name, "attributes": {}, "relationships": {}})
        members = properties(doc, resource)
        for attribute, schema in properties(doc, members.get("attributes", {})).items():
            facts["attributes"].setdefault(attribute, strip(schema))
        for relationship, schema in properties(doc, members.get("relationships", {})).items():
            if related := relation(doc, schema):
                facts["relationships"].setdefault(relationship, related)
    for op in operations:
        if op["kind"] == "collection" and op.get("base") in types:
            types[op["base"]].setdefault("collection", op["path"])
        if op["kind"] in ("related", "relationship") and op["method"] == "GET" and "resource" in op:
            related = {"type": op["resource"], "many": op.get("many", False)}
            types[op["base"]]["relationships"].setdefault(op["relationship"], related)
    return [types[name] for name in sorted(types)]


def reachable(doc: Schema, operations: list[Facts], types: list[Facts]) -> dict[str, Facts]:
    """The schemas that bodies, answers and attributes lead to, by name."""
    found: dict[str, Facts] = {}
    waiting = [op[key] for op in operations for key in ("body", "response") if key in op]
    waiting += re.findall(r'"#/(\w+)"', json.dumps(types))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = strip(doc["components"]["schemas"][name])
            waiting += re.findall(r'"#/(\w+)"', json.dumps(found[name]))
    return dict(sorted(found.items()))


def documents(specs: Path) -> Iterator[tuple[str, Facts]]:
    """(revision, OpenAPI document) of every revision that is packaged."""
    with lzma.open(specs / f"stable-{REVISION}.json.xz") as source:
        public = json.load(source)
    yield REVISION, public
    package = next(SDK.glob("lib/python*/site-packages/openapi_client"), None)
    if package is None:
        print(f"klaviyo-api 25 is not at hand (make .venvs/klaviyo-api-25/.ready): {SDK_REVISION} is left as it is")
    else:
        with lzma.open(specs / f"beta-{REVISION}.pre.json.xz") as source:
            beta = json.load(source)
        yield SDK_REVISION, openapi_from_sdk.document(package, public, beta)


def build(revision: str, doc: Facts) -> dict[str, bytes]:
    """File name → JSON text of the catalogue of `revision`."""
    bases = base_types(doc)
    operations = [
        operation(doc, path, method, op, bases)
        for path, methods in doc["paths"].items()
        for method, op in methods.items()
    ]
    types = resource_types(doc, operations)
    table = {"revision": revision, "operations": operations, "types": types}
    files = {"operations": table, "schemas": reachable(doc, operations, types)}
    return {f"{revision}.{name}.z": json.dumps(facts, separators=(",", ":")).encode() for name, facts in files.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--specs", type=Path, default=SPECS)
    arguments = parser.parse_args()
    drifted = []
    for revision, doc in documents(arguments.specs):
        for name, text in build(revision, doc).items():
            path = DATA / name
            # Compared unpacked: another zlib may pack the same text differently.
            if path.exists() and zlib.decompress(path.read_bytes()) == text:
                continue
            drifted.append(name)
            if not arguments.check:
                DATA.mkdir(exist_ok=True)
                path.write_bytes(zlib.compress(text, 9))
                print(f"wrote {path.relative_to(ROOT)}: {len(text):,} bytes, {path.stat().st_size:,} packed")
    if arguments.check and drifted:
        print(f"drift: {', '.join(drifted)} differ from the specs; run `make catalogue`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
