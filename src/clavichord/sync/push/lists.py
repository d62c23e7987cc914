"""Names of lists → ids."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from clavichord.client.client import AsyncKlaviyo
from clavichord.client.errors import NotFound
from clavichord.sync.definition import SyncDefinition
from clavichord.sync.destinations import destination_of
from clavichord.sync.ledger import Batch
from clavichord.sync.mistakes import InvalidDefinition, Mistake, nearest


def _named(batches: Iterable[Batch]) -> Iterator[str]:
    for batch in batches:
        group = json.loads(batch.grp)
        yield from group.get("lists", ())
        if group.get("list") is not None:
            yield group["list"]


async def resolve(client: AsyncKlaviyo, definition: SyncDefinition, batches: Iterable[Batch]) -> dict[str, str]:
    """Name → id of every list that `batches` (a saved plan may be older than the file) name; makes those with
    `create: true`. InvalidDefinition for a name that no list, or more than one, has (names need not be unique,
    FACTS §9.3)."""
    ids: dict[str, str] = {}
    mistakes: list[Mistake] = []
    places = list(destination_of(definition).lists(definition))
    for name in dict.fromkeys(_named(batches)):
        path = next((place.path for place in places if place.name == name), ("lists",))
        create = any(place.create for place in places if place.name == name)
        what, fix = "", ""
        if name.startswith("id:"):
            try:
                await client.send("get_list", path={"id": name[3:]}, query={"fields[list]": "name"})
                ids[name] = name[3:]
            except NotFound:
                what, fix = f"there is no list with the id {name[3:]}", "the id stands in the list's address in Klaviyo"
        else:
            found = await _lists(client, f"equals(name,{json.dumps(name)})")
            if len(found) == 1:
                ids[name] = found[0][0]
            elif found:
                what, fix = (
                    f'{len(found)} lists are called "{name}"',
                    "use one's id: " + ", ".join(f"id:{i}" for i, _ in found[:5]),
                )
            elif create:
                response = await client.send(
                    "create_list", body={"data": {"type": "list", "attributes": {"name": name}}}
                )
                ids[name] = response.json()["data"]["id"]
            else:
                known = [title for _, title in await _lists(client, None)]
                what, fix = (
                    f'there is no list "{name}" in the account',
                    f"{nearest(name, known)} Or add `create: true`.".strip(),
                )
        if what:
            mistakes.append(definition.place.mistake(path, what, fix))
    if mistakes:
        raise InvalidDefinition(mistakes)
    return ids


async def _lists(client: AsyncKlaviyo, filter_: str | None, most: int = 200) -> list[tuple[str, str]]:
    query = {"fields[list]": "name"} | ({"filter": filter_} if filter_ else {})
    found: list[tuple[str, str]] = []
    async for page in client.pages("get_lists", query=query):
        found += [(entry["id"], entry["attributes"]["name"]) for entry in page.json()["data"]]
        if len(found) >= most:
            break
    return found
