"""`clavichord api`: any request, with the project's key, paced like all others."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import click

from clavichord.cli.failures import keep_secret
from clavichord.cli.folder import A_KEY, around_here
from clavichord.cli.operations import catalogue, near
from clavichord.cli.output import columns
from clavichord.client.body import multipart
from clavichord.client.client import Klaviyo
from clavichord.client.pages import walk
from clavichord.client.routes import packaged
from clavichord.client.types import BASE_URL, Query, Response
from clavichord.spec import REVISION, Operation
from clavichord.sync.mistakes import SyncError


@click.command()
@click.argument("method")
@click.argument("path")
@click.option("-q", "--query", "query", multiple=True, metavar="NAME=VALUE", help="A query parameter; may be repeated.")
@click.option("-d", "--data", metavar="JSON|@FILE|@-", help="The body: JSON, a file of it, or standard input.")
@click.option("-F", "--form", multiple=True, metavar="NAME=VALUE|@FILE", help="A form's part, for uploads.")
@click.option("--all", "every", is_flag=True, help="Follow the next links to the last page.")
@click.option(
    "--format",
    "form_",
    type=click.Choice(["json", "jsonl", "table"]),
    default="json",
    show_default=True,
    help="Of what is printed: the document, a row a line, or columns for people.",
)
@click.option("--account", help="Of the project; the only one, or main, by default.")
@click.option("--revision", default=REVISION, show_default=True, help="Of the API.")
@click.option("--unlisted", is_flag=True, help="Send it even if the catalogue knows no such path.")
@click.pass_obj
def command(
    project: Path | None,
    method: str,
    path: str,
    query: tuple[str, ...],
    data: str | None,
    form: tuple[str, ...],
    every: bool,
    form_: str,
    account: str | None,
    revision: str,
    unlisted: bool,
) -> int:
    """Send any request: `clavichord api GET /api/profiles -q 'filter=equals(email,"a@b.example")'`.

    Key and address are the project's; where there is no project, KLAVIYO_API_KEY and KLAVIYO_BASE_URL. The pace is
    that of the account's limits. `clavichord ops` tells what there is.
    """
    method = method.upper()
    path, parameters = _target(path, query)
    operation = _operation(method, path, revision, unlisted)
    body, content_type = _body(operation, data, form)
    if every and method != "GET":
        raise SyncError(f"--all reads pages, and {method} has none", "leave it out")
    with _client(project, account, revision) as klaviyo:
        pages = _pages(klaviyo, method, path, parameters, body, content_type, every)
        if form_ == "jsonl":
            for page in pages:
                for row in _rows(page.json()):
                    click.echo(json.dumps(row, ensure_ascii=False, separators=(",", ":")))
        else:
            _whole(list(pages), form_)
    return 0


def _target(path: str, query: tuple[str, ...]) -> tuple[str, dict[str, str]]:
    """The path and all query parameters: of a whole URL its path and query."""
    parts = urlsplit(path)
    parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
    for one in query:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise SyncError(f"-q {one}: a parameter is NAME=VALUE", "-q 'page[size]=10'")
        parameters[name] = value
    path = "/" + parts.path.strip("/")
    return path if path.startswith(("/api/", "/client/")) else f"/api{path}", parameters


def _operation(method: str, path: str, revision: str, unlisted: bool) -> Operation | None:
    """SyncError that names near paths, or the methods of this one, if the catalogue has no such operation."""
    known = catalogue(packaged(revision))
    found = known.match(method, path)
    if found is not None:
        return found[0]
    if unlisted:
        return None
    methods = known.methods(path)
    if methods:
        raise SyncError(f"{path} takes {', '.join(methods)}, not {method}", "--unlisted sends it all the same")
    raise SyncError(
        f"revision {known.revision} has no {path}",
        f"near it: {', '.join(near(known, path))}; --unlisted sends it all the same",
    )


def _body(operation: Operation | None, data: str | None, form: tuple[str, ...]) -> tuple[Any, str]:
    """(body, content type) of the request. SyncError for one that is missing, too much, or no JSON."""
    takes = operation.content_type if operation is not None else "application/vnd.api+json"
    if form:
        return multipart(operation.id if operation else "upload", dict(_part(one) for one in form))
    if data is not None and not takes:
        raise SyncError(f"{operation.id if operation else ''} takes no body", "leave out -d")
    if data is None:
        if operation is not None and takes == "multipart/form-data":
            raise SyncError(f"{operation.id} needs a form", "-F file=@picture.png -F name=Logo")
        if operation is not None and takes and operation.method != "DELETE":
            example = {"data": {"type": operation.body_type, "attributes": {}}}
            raise SyncError(f"{operation.id} needs a body", f"-d '{json.dumps(example)}', or -d @FILE")
        return None, ""
    shown, text = _text(data)
    try:
        json.loads(text)
    except ValueError as error:
        raise SyncError(f"{shown} is not JSON: {error}", "quote it in the shell: -d '{…}', or -d @FILE") from None
    return text.encode(), ""


def _text(data: str) -> tuple[str, str]:
    if not data.startswith("@"):
        return "-d", data
    if data == "@-":
        return "standard input", sys.stdin.read()
    return data[1:], Path(data[1:]).read_text(encoding="utf-8")


def _part(given: str) -> tuple[str, Any]:
    name, equals, value = given.partition("=")
    if not equals:
        raise SyncError(f"-F {given}: a part is NAME=VALUE or NAME=@FILE", "-F file=@picture.png")
    if not value.startswith("@"):
        return name, value
    file = Path(value[1:])
    return name, (file.name, file.read_bytes())


def _client(given: Path | None, account: str | None, revision: str) -> Klaviyo:
    if given is None and account is None and around_here() is None:
        key = os.environ.get("KLAVIYO_API_KEY", "").strip()
        if not key:
            raise SyncError(
                "no project here, and KLAVIYO_API_KEY is not set", f"export KLAVIYO_API_KEY={A_KEY[0]} ({A_KEY[1]})"
            )
        keep_secret(key)
        return Klaviyo(key, base_url=os.environ.get("KLAVIYO_BASE_URL") or BASE_URL, revision=revision)
    from clavichord.cli.project import Project

    project = Project.find(given)
    accounts = list(project.settings.accounts)
    name = account or (accounts[0] if len(accounts) == 1 else "main")
    return Klaviyo(
        project.auth(name), base_url=project.base_url(name), revision=revision, on_response=project.journal(name)
    )


def _pages(
    klaviyo: Klaviyo,
    method: str,
    path: str,
    parameters: Mapping[str, str],
    body: Any,
    content_type: str,
    every: bool,
) -> Iterator[Response]:
    steps = walk(parameters)
    query: Query | None = next(steps)
    while True:
        response = klaviyo.request(method, path, query=query, body=body, content_type=content_type)
        yield response
        if not every:
            return
        try:
            query = steps.send(response)
        except StopIteration:
            return


def _rows(document: Any) -> list[Any]:
    """The primary data as rows; a document that is not JSON:API is one."""
    if document is None:
        return []
    data = document.get("data", document) if isinstance(document, dict) else document
    return data if isinstance(data, list) else [] if data is None else [data]


def _whole(pages: list[Response], form: str) -> None:
    documents = [page.json() for page in pages]
    if documents[0] is None:
        click.echo(f"{pages[0].status}, without a body", err=True)
        return
    if form == "table":
        for line in columns([_flat(row) for document in documents for row in _rows(document)]):
            click.echo(line)
        return
    whole = documents[0]
    if len(documents) > 1:
        whole = {"data": [row for document in documents for row in _rows(document)]}
        included = {(one["type"], one["id"]): one for document in documents for one in document.get("included", ())}
        if included:
            whole["included"] = list(included.values())
    click.echo(json.dumps(whole, indent=2, ensure_ascii=False))


def _flat(row: Any) -> dict[str, str]:
    """A resource as columns: id, then its attributes; nested ones as JSON."""
    if not isinstance(row, dict):
        return {"value": _cell(row)}
    attributes = row.get("attributes")
    flat = {"id": row["id"]} if "id" in row else {}
    flat |= attributes if isinstance(attributes, dict) else {n: v for n, v in row.items() if n not in ("id", "links")}
    return {name: _cell(value) for name, value in flat.items()}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
