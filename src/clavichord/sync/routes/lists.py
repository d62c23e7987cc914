"""People leave a list. They join one with their import: that takes a request for ten thousand, this one for a thousand
and ten more to find them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import groupby

from clavichord.client.client import AsyncKlaviyo
from clavichord.sync.ledger import Batch
from clavichord.sync.routes.route import Route
from clavichord.sync.routes.work import Work

PAGE = 100


class Leave(Route):
    """Answered at once: who is not there is not there (FACTS §9.3). Nobody's consent changes."""

    name = "lists.remove"
    operation = "remove_profiles_from_list"
    stage = 1

    def requests(self, batches: int, entries: int) -> dict[str, int]:
        return {self.operation: batches, "get_profiles": -(-entries // PAGE)}

    async def send(self, work: Work, batch: Batch) -> None:
        rows = work.live(batch)
        batch.attempts += 1
        work.mark(batch, "sent")
        ids = await find(work.client, (row.who for row in rows))
        if ids:
            body = {"data": [{"type": "profile", "id": one} for one in dict.fromkeys(ids.values())]}
            target = work.lists[json.loads(batch.grp)["list"]]
            await work.client.send(self.operation, path={"id": target}, body=body)
        work.meter.sent(len(rows))
        work.confirm(batch, [], len(rows))


async def find(client: AsyncKlaviyo, people: Iterable[str]) -> dict[str, str]:
    """`kind:value` in lower case → profile id; who is not known is missing."""
    found: dict[str, str] = {}
    wanted = sorted({who.casefold(): who for who in people}.values())
    for kind, group in groupby(wanted, lambda who: who.partition(":")[0]):
        values = [who.partition(":")[2] for who in group]
        for i in range(0, len(values), PAGE):
            chosen = json.dumps(values[i : i + PAGE], ensure_ascii=False, separators=(",", ":"))
            query = {"filter": f"any({kind},{chosen})", "fields[profile]": kind, "page[size]": str(PAGE)}
            async for page in client.pages("get_profiles", query=query):
                for profile in page.json()["data"]:
                    found[f"{kind}:{profile['attributes'].get(kind)}".casefold()] = profile["id"]
    return found
