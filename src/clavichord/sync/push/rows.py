"""Rows of a saved plan, and the request bodies made of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import duckdb

from clavichord.sync.expression import literal
from clavichord.sync.ledger import Batch


class PlanRow(NamedTuple):
    n: int
    row: int
    key: str
    hash: str | None
    hash2: str | None
    payload: str
    identity: str
    moment: int
    unique_id: str | None

    @property
    def digest(self) -> str | None:
        """Of the part of the row that this entry delivers."""
        return self.hash if self.hash is not None else self.hash2


class PlanRows:
    """Reads row ranges of one plan."""

    def __init__(self, plan: Path) -> None:
        self._con = duckdb.connect()
        self._relation = f"read_parquet({literal(str(plan))})"

    def read(self, lo: int, hi: int, without: Iterable[int] = ()) -> list[PlanRow]:
        """The rows [lo, hi) but those in `without`."""
        skip = set(without)
        rows = self._con.execute(
            "select n, row, key, hash, hash2, payload, identity, moment, unique_id "
            f"from {self._relation} where n >= {lo} and n < {hi} order by n"
        ).fetchall()
        return [PlanRow(*row) for row in rows if row[0] not in skip]

    def close(self) -> None:
        self._con.close()


def body(batch: Batch, rows: Sequence[PlanRow], list_ids: dict[str, str]) -> bytes:
    """The body of a bulk request. Payloads are spliced in as they stand in the plan."""
    group = json.loads(batch.grp)
    entries = ",".join(row.payload for row in rows)
    match batch.operation:
        case "bulk_import_profiles":
            document = f'"type":"profile-bulk-import-job","attributes":{{"profiles":{{"data":[{entries}]}}}}'
            if group["lists"]:
                lists = [{"type": "list", "id": list_ids[name]} for name in group["lists"]]
                document += f',"relationships":{{"lists":{{"data":{json.dumps(lists)}}}}}'
        case "bulk_create_events":
            document = f'"type":"event-bulk-create-job","attributes":{{"events-bulk-create":{{"data":[{entries}]}}}}'
        case "bulk_subscribe_profiles":
            historical = ',"historical_import":true' if group["historical"] else ""
            source = json.dumps(group["source"])
            attributes = f'"custom_source":{source}{historical},"profiles":{{"data":[{entries}]}}'
            document = f'"type":"profile-subscription-bulk-create-job","attributes":{{{attributes}}}'
            if group["list"] is not None:
                target = json.dumps({"type": "list", "id": list_ids[group["list"]]})
                document += f',"relationships":{{"list":{{"data":{target}}}}}'
        case _:
            raise ValueError(f"{batch.operation} has no bulk body")
    return f'{{"data":{{{document}}}}}'.encode()
