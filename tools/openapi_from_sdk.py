"""Restores the facts of an OpenAPI document from the official Python SDK, for a revision that has no public document.

The SDK is generated from Klaviyo's own document, so routes, parameters, bodies, answers, limits and scopes are in it.
What the generator threw away (enums of `fields[…]`, unions) is taken from the previous revision's document or from the
beta of the new one where the operation or the schema is otherwise the same, and derived from the answer's model where
nothing else is known. Nothing of the SDK is imported or copied: its source is read as a syntax tree.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from finer_print import FinerPrint

Facts = dict[str, Any]
MEDIA = "application/vnd.api+json"
PLAIN: Mapping[str, Facts] = {
    "StrictStr": {"type": "string"},
    "str": {"type": "string"},
    "StrictInt": {"type": "integer"},
    "int": {"type": "integer"},
    "StrictBool": {"type": "boolean"},
    "StrictFloat": {"type": "number"},
    "StrictBytes": {"type": "string", "format": "binary"},
    "datetime": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
    "Any": {},
}
BOUNDS = {"le": "maximum", "ge": "minimum", "max_length": "maxLength", "min_length": "minLength"}
LISTS_ONLY = {"any", "contains-any", "contains-all"}
JSON_TYPES = {"string", "integer", "number", "boolean", "object", "array"}
SEND_NOTHING = {"_request_timeout", "_request_auth", "_content_type", "_headers", "_host_index", "options", "self"}


def reference(name: str) -> Facts:
    return {"$ref": f"#/components/schemas/{name}"}


def keywords(call: ast.expr) -> dict[str, Any]:
    """The literal keyword arguments of a `Field(…)` call."""
    if not isinstance(call, ast.Call):
        return {}
    return {k.arg: ast.literal_eval(k.value) for k in call.keywords if k.arg and isinstance(k.value, ast.Constant)}


def schema_of(annotation: ast.expr) -> Facts:
    """The JSON Schema that a field's annotation stands for; `nullable` marks an Optional."""
    if isinstance(annotation, ast.Name):
        return dict(PLAIN[annotation.id]) if annotation.id in PLAIN else reference(annotation.id)
    if not isinstance(annotation, ast.Subscript) or not isinstance(annotation.value, ast.Name):
        raise TypeError(f"unknown annotation: {ast.unparse(annotation)}")
    container, inner = annotation.value.id, annotation.slice
    elements = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    match container:
        case "Optional":
            return schema_of(elements[0]) | {"nullable": True}
        case "List":
            return {"type": "array", "items": schema_of(elements[0])}
        case "Dict":
            values = schema_of(elements[1])
            return {"type": "object"} | ({"additionalProperties": values} if values else {})
        case "Annotated":
            facts = schema_of(elements[0])
            for name, value in keywords(elements[1]).items():
                if name in BOUNDS:
                    facts[BOUNDS[name]] = value
            return facts
        case "Union":
            numbers = [e.id for e in elements if isinstance(e, ast.Name)]
            if set(numbers) <= {"StrictFloat", "StrictInt"}:
                return {"type": "number"}
            return {"oneOf": [schema_of(e) for e in elements]}
    raise ValueError(f"unknown container: {ast.unparse(annotation)}")


def enum_values(model: ast.ClassDef) -> dict[str, list[Any]]:
    """Field → allowed values, from the validators that the generator writes."""
    found = {}
    for function in model.body:
        if isinstance(function, ast.FunctionDef) and function.name.endswith("_validate_enum"):
            for node in ast.walk(function):
                if isinstance(node, ast.Compare) and isinstance(node.comparators[0], ast.Call):
                    found[function.name.removesuffix("_validate_enum")] = ast.literal_eval(node.comparators[0].args[0])
                    break
    return found


def model_schema(model: ast.ClassDef) -> Facts:
    if any(isinstance(base, ast.Name) and base.id == "Enum" for base in model.bases):
        values = [s.value.value for s in model.body if isinstance(s, ast.Assign) and isinstance(s.value, ast.Constant)]
        return {"type": "string", "enum": values}
    enums = enum_values(model)
    properties: Facts = {}
    required = []
    for statement in model.body:
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        name = statement.target.id
        if name.startswith(("_", "additional_properties")):
            continue
        said = keywords(statement.value) if statement.value is not None else {}
        facts = schema_of(statement.annotation)
        if isinstance(statement.value, ast.Constant):
            said["default"] = statement.value.value
        if said.get("default") is not None:
            facts.pop("nullable", None)
            facts["default"] = said["default"]
        alternatives = str(said.get("description", "")).split(" | ")
        if set(facts) <= {"nullable"} and set(alternatives) <= JSON_TYPES:
            facts = {"oneOf": [{"type": one} for one in alternatives]}
        optional = statement.value is not None and not (isinstance(statement.value, ast.Call) and "default" not in said)
        if not optional:
            required.append(said.get("alias", name))
        if name in enums:
            (facts["items"] if facts.get("type") == "array" else facts)["enum"] = enums[name]
        properties[said.get("alias", name)] = facts
    return {"type": "object", "properties": properties} | ({"required": required} if required else {})


def models(package: Path) -> dict[str, Facts]:
    schemas = {}
    for path in sorted((package / "models").glob("[!_]*.py")):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef):
                schemas[node.name] = model_schema(node)
    return schemas


def filters(text: str) -> Facts:
    """`x-klaviyo-filters` from the sentence that lists them."""
    rules = {}
    for field, operators, kind in re.findall(r"`([\w.-]+)`: ((?:`[\w-]+`(?:, )?)+)(?: \(([\w-]+)\))?", text):
        names = re.findall(r"`([\w-]+)`", operators)
        listed = [n for n in names if n in LISTS_ONLY]
        single = [n for n in names if n not in LISTS_ONLY and n != "has"]
        if "any" in listed and "equals" in single:
            listed.append("equals")
        groups = {"list": sorted(listed), "single": single, "none": [n for n in names if n == "has"]}
        value = {"type": "string", "format": kind} if kind in ("date-time", "date") else {"type": kind or "string"}
        rules[field] = {"operators": {k: v for k, v in groups.items() if v}, "value": value}
    return rules


def dotted(schemas: Mapping[str, Facts], schema: Facts, prefix: str = "") -> Iterator[str]:
    """Names for `fields[TYPE]`: the attributes, and the members of those that are objects."""
    while "$ref" in schema:
        schema = schemas[schema["$ref"].rsplit("/", 1)[1]]
    for name, sub in schema.get("properties", {}).items():
        yield prefix + name
        yield from dotted(schemas, sub, f"{prefix}{name}.")


class Api:
    """One `*_api.py`. Of the four functions an operation has, the plain one and `_…_serialize` say everything."""

    def __init__(self, source: str, schemas: Mapping[str, Facts]) -> None:
        tree = next(n for n in ast.parse(source).body if isinstance(n, ast.ClassDef))
        self.tag = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", tree.name.removesuffix("Api"))
        self._functions = {f.name: f for f in tree.body if isinstance(f, ast.FunctionDef)}
        self._schemas = schemas

    def operations(self) -> Iterator[tuple[str, str, Facts]]:
        """(path, method, operation) for every operation of the group."""
        for name, serialize in self._functions.items():
            if match := re.fullmatch(r"_(\w+)_serialize", name):
                plain = self._functions[match[1]]
                # An alias calls the function that it stands for; only the real one has a route of its own.
                route = next((n for n in ast.walk(serialize) if self._is_call(n, "param_serialize")), None)
                if route is not None:
                    assert isinstance(route, ast.Call)
                    yield self._operation(match[1], plain, serialize, keywords(route))

    @staticmethod
    def _is_call(node: ast.AST, name: str) -> bool:
        return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name

    def _operation(
        self, name: str, plain: ast.FunctionDef, serialize: ast.FunctionDef, route: Mapping[str, str]
    ) -> tuple[str, str, Facts]:
        text = ast.get_docstring(plain) or ""
        source = ast.unparse(serialize)
        spelled = dict(re.findall(r"_query_params\.append\(\('([^']+)', (\w+)\)\)", source))
        spelled |= dict(re.findall(r"_path_params\['([^']+)'\] = (\w+)", source))
        arguments = {a.arg: a for a in plain.args.args if a.arg not in SEND_NOTHING}
        required = {a.arg for a in plain.args.args[: len(plain.args.args) - len(plain.args.defaults)]}
        status, answer = self._answer(plain)
        operation: Facts = {
            "operationId": name,
            "tags": [self.tag],
            "description": text,
            "x-klaviyo-ratelimit": self._limits(text),
            "x-klaviyo-scopes": re.findall(
                r"`([\w-]+:(?:read|write))`", text.split("**Scopes:**")[-1].split("[OpenAPI")[0]
            ),
            "parameters": [],
            "responses": {status: {"content": {MEDIA: {"schema": reference(answer)}}} if answer else {}},
        }
        in_path = set(re.findall(r"\{(\w+)\}", route["resource_path"]))
        for wire, py in spelled.items():
            parameter = self._parameter(
                wire, arguments.pop(py), py in required, "path" if wire in in_path else "query", answer
            )
            if wire == "filter":
                operation["x-klaviyo-filters"] = filters(parameter.pop("text"))
            elif wire == "sort":
                # The generator keeps no enum: that what can be compared can be sorted by is inferred.
                rules = operation.get("x-klaviyo-filters", {})
                comparable = [f for f, r in rules.items() if "greater-than" in r["operators"].get("single", [])]
                parameter["schema"]["enum"] = [sign + f for f in ("id", *comparable) for sign in ("", "-")]
            elif wire == "include":
                # What can be included can be made sparse: the other relationships are only linked.
                sparse = {name[len("fields[") : -1] for name in spelled if name.startswith("fields[")}
                names = [name for name, kind in self._relationships(answer).items() if kind in sparse]
                parameter["schema"]["items"] = {"type": "string", "enum": sorted(names)}
            operation["parameters"].append(parameter)
        if "_files[" in source:
            form = {n: schema_of(a.annotation) for n, a in arguments.items() if a.annotation is not None}
            operation["form"] = {"type": "object", "properties": form, "required": sorted(required & form.keys())}
        elif match := re.search(r"_body_params = (?!None)(\w+)", source):
            annotation = arguments[match[1]].annotation
            assert annotation is not None
            operation["requestBody"] = {"content": {MEDIA: {"schema": schema_of(annotation)}}}
        return route["resource_path"], route["method"].lower(), operation

    @staticmethod
    def _limits(text: str) -> Facts:
        found = re.search(r"Burst: `([^`]+)`<br>Steady: `([^`]+)`(?:<br>Daily: `([^`]+)`)?", text)
        if found is None:
            raise ValueError(f"no rate limit in: {text[:80]}")
        return {k: v for k, v in zip(("burst", "steady", "daily"), found.groups(), strict=True) if v}

    @staticmethod
    def _answer(plain: ast.FunctionDef) -> tuple[str, str]:
        for node in ast.walk(plain):
            if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "_response_types_map":
                assert node.value is not None
                table: dict[str, str | None] = ast.literal_eval(node.value)
                return next((status, name or "") for status, name in table.items() if status.startswith("2"))
        raise ValueError(f"{plain.name} declares no answer")

    def _parameter(self, wire: str, argument: ast.arg, required: bool, where: str, answer: str) -> Facts:
        assert argument.annotation is not None
        schema = schema_of(argument.annotation)
        schema.pop("nullable", None)
        calls = [n for n in ast.walk(argument.annotation) if isinstance(n, ast.Call)]
        text = next((said["description"] for said in map(keywords, calls) if "description" in said), "")
        parameter: Facts = {"name": wire, "in": where, "required": required, "schema": schema}
        if match := re.fullmatch(r"fields\[(.+)\]", wire):
            schema["items"] = {"type": "string", "enum": sorted({"id", *self._attributes(match[1], answer)})}
        elif wire.startswith("additional-fields["):
            schema["items"] = {"type": "string", "enum": re.findall(r"'([\w.]+)'", text)}
        elif wire == "filter":
            parameter["text"] = text
        elif wire == "page[size]" and (match := re.search(r"Default: (\d+)", text)):
            schema["default"] = int(match[1])
        return parameter

    def _attributes(self, type_name: str, answer: str) -> Iterator[str]:
        """The attributes of the answered resource, or else of every resource object of that type that can be read."""
        answered = self._answered(answer) if answer else {}
        if self._type(answered) == type_name:
            yield from dotted(self._schemas, answered.get("attributes", {}))
            return
        for name, schema in self._schemas.items():
            members = schema.get("properties", {})
            if name.endswith("ResponseObjectResource") and self._type(members) == type_name:
                yield from dotted(self._schemas, members.get("attributes", {}))

    def _type(self, members: Mapping[str, Facts]) -> str:
        name = members.get("type", {}).get("$ref", "").rsplit("/", 1)[-1]
        return str(next(iter(self._schemas.get(name, {}).get("enum", [])), ""))

    def _relationships(self, answer: str) -> dict[str, str]:
        """Relationship → type of its target, of the answer's primary data."""
        members = self._resolved(self._answered(answer).get("relationships", {})).get("properties", {})
        found = {}
        for name, schema in members.items():
            target = self._resolved(self._resolved(schema)["properties"]["data"])
            found[name] = self._type(self._resolved(target.get("items", target)).get("properties", {}))
        return found

    def _answered(self, answer: str) -> dict[str, Facts]:
        """The members of the answer's primary resource object."""
        data = self._resolved(self._schemas[answer]["properties"]["data"])
        members: dict[str, Facts] = self._resolved(data.get("items", data)).get("properties", {})
        return members

    def _resolved(self, schema: Facts) -> Facts:
        while "$ref" in schema:
            schema = self._schemas[schema["$ref"].rsplit("/", 1)[1]]
        return schema


def document(package: Path, previous: Facts, beta: Facts) -> Facts:
    """The SDK in `package` as an OpenAPI document, /client operations from `previous`, finer print from both."""
    schemas = models(package)
    paths: dict[str, Facts] = {p: methods for p, methods in previous["paths"].items() if p.startswith("/client/")}
    for path in sorted((package / "api").glob("*_api.py")):
        for route, method, operation in Api(path.read_text(), schemas).operations():
            before, early = (doc["paths"].get(route, {}).get(method) for doc in (previous, beta))
            if before is not None:
                keep_finer_print(operation, before)
            if early is not None and (before is None or answer_of(operation) != answer_of(before)):
                take_beta_names(operation, early)
            if form := operation.pop("form", None):
                schemas["ImageUploadQuery"] = form
                operation["requestBody"] = {
                    "content": {"multipart/form-data": {"schema": reference("ImageUploadQuery")}}
                }
            paths.setdefault(route, {})[method] = operation
    earlier = [one["components"]["schemas"] for one in (previous, beta)]
    return {"paths": paths, "components": {"schemas": FinerPrint(schemas, earlier).merged()}}


def answer_of(operation: Facts) -> str:
    """The name of the success body's schema, "" if there is none."""
    success: Facts = next(body for status, body in operation["responses"].items() if status.startswith("2"))
    return str(success["content"][MEDIA]["schema"]["$ref"]) if "content" in success else ""


def keep_finer_print(operation: Facts, before: Facts) -> None:
    """What both documents know stays as the earlier one has it; if the answer changed, what hangs on it does not."""
    known = {p["name"]: p for p in before["parameters"]}
    kept = {"x-klaviyo-operation-aliases", "x-klaviyo-filters", "x-klaviyo-scopes", "tags"}
    if answer_of(operation) != answer_of(before):
        known = {name: p for name, p in known.items() if name == "sort" or p["in"] == "path"}
    if {*operation.get("x-klaviyo-filters", {})} != {*before.get("x-klaviyo-filters", {})}:
        kept.remove("x-klaviyo-filters")
    operation["parameters"] = [known.get(p["name"], p) for p in operation["parameters"]]
    operation |= {key: before[key] for key in kept if key in before}
    if before["operationId"] != operation["operationId"]:
        operation["x-klaviyo-operation-aliases"] = [
            *before.get("x-klaviyo-operation-aliases", []),
            before["operationId"],
        ]


def take_beta_names(operation: Facts, before: Facts) -> None:
    """Sorts, and the names of `fields[…]` inside of unions, that the beta spells out; what is new since stays."""
    known = {p["name"]: p for p in before["parameters"]}
    extra = {name for p in operation["parameters"] if p["name"].startswith("additional-") for name in items_of(p)}
    for parameter in operation["parameters"]:
        name, found = parameter["name"], known.get(parameter["name"])
        if found is not None and name == "sort":
            parameter["schema"]["enum"] = found["schema"]["enum"]
        elif found is not None and name.startswith("fields["):
            parameter["schema"]["items"]["enum"] = sorted({*items_of(found), *items_of(parameter)} - extra)


def items_of(parameter: Facts) -> list[str]:
    found: list[str] = parameter["schema"]["items"]["enum"]
    return found
