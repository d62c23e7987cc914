"""Erasure of a person: in Klaviyo, in everything kept here, and for good: a tombstone stops the next import.

What stays is a certificate without the person in it, and the consent ledger, whose chain holds keyed hashes only.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from clavichord.client.client import AsyncKlaviyo
from clavichord.client.errors import NotFound
from clavichord.sync import fields
from clavichord.sync.consents import Said
from clavichord.sync.expression import literal
from clavichord.sync.fields import BadValue
from clavichord.sync.mistakes import SyncError
from clavichord.sync.state import StateFolder

KINDS = ("email", "phone_number", "external_id")
_ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")


class Certificate(msgspec.Struct):
    """What an erasure did. Holds nobody's address: `person` is the hash that the consent ledger uses."""

    person: list[str]
    at: str
    account: str
    klaviyo: str
    """requested: Klaviyo deletes in its own time · unknown: it had nobody with these identifiers"""
    snapshots: int
    """rows forgotten of what was delivered"""
    plans: int
    """saved plans deleted, because they held the person"""
    findings: int
    """rows of earlier reports forgotten"""
    ledger: tuple[int, str]
    """the consent ledger's newest entry: number and hash"""
    hash: str = ""

    def sealed(self) -> Certificate:
        """With the hash over everything else."""
        body = msgspec.json.encode(msgspec.structs.replace(self, hash=""), order="sorted")
        return msgspec.structs.replace(self, hash=hashlib.sha256(body).hexdigest())


def identity(who: str) -> str:
    """`kind:value` of what a person wrote: an address, +33612345678, `external_id:7` or `id:01J…`. SyncError."""
    text = who.strip()
    kind, colon, rest = text.partition(":")
    if colon and kind in (*KINDS, "id") and rest:
        return f"{kind}:{rest}"
    try:
        if "@" in text:
            return f"email:{fields.email(text)}"
        if text.startswith("+"):
            return f"phone_number:{fields.check_phone(text)}"
    except BadValue as error:
        raise SyncError(f"{text[:100]}: {error.detail}", "an address, +33612345678, external_id:7 or id:01J…") from None
    if _ULID.fullmatch(text):
        return f"id:{text}"
    raise SyncError(f'"{text[:100]}" does not say who is meant', "an address, +33612345678, external_id:7 or id:01J…")


async def identities(client: AsyncKlaviyo, who: str) -> tuple[list[str], list[str]]:
    """Every identifier that Klaviyo knows for somebody, and the ids of the profiles."""
    known, ids = [who], []
    async for page in client.pages("get_profiles", query={"filter": _filter(who), "page[size]": "100"}):
        for profile in page.json()["data"]:
            ids.append(str(profile["id"]))
            known += [f"{kind}:{given}" for kind in KINDS if (given := profile["attributes"].get(kind))]
    return list(dict.fromkeys(known)), ids


def _filter(who: str) -> str:
    kind, _, value = who.partition(":")
    return (
        f"any(id,{json.dumps([value])})" if kind == "id" else f"equals({kind},{json.dumps(value, ensure_ascii=False)})"
    )


async def erase(client: AsyncKlaviyo, state: StateFolder, account: str, who: str) -> Certificate:
    """Erases one person. Can be repeated: what is gone stays gone. Raises KlaviyoError, SyncError, LeaseHeld."""
    with state.lease(account):
        return await _erase(client, state, account, who)


async def _erase(client: AsyncKlaviyo, state: StateFolder, account: str, who: str) -> Certificate:
    known, ids = await identities(client, who)
    # The tombstone comes first: a run that starts now must not bring them back.
    state.consents.erase(known)
    requested = False
    for profile_id in ids:
        requested = await _delete(client, {"id": profile_id}) or requested
    if not ids and not who.startswith(("id:", "external_id:")):
        kind, _, value = who.partition(":")
        requested = await _delete(client, {kind: value})
    snapshots, keys = _forget_snapshots(state.path / "snapshots" / account, known)
    certificate = Certificate(
        person=[state.consents.person(one) for one in known],
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        account=account,
        klaviyo="requested" if requested else "unknown",
        snapshots=snapshots,
        plans=_forget_plans(state, known),
        findings=_forget_findings(state.db, known, keys),
        ledger=(0, ""),
    )
    detail = {"klaviyo": certificate.klaviyo, "snapshots": snapshots, "plans": certificate.plans}
    state.consents.append(account, "", "", [Said(one, "profile", "erased", detail) for one in known])
    state.consents.erase(known)  # writing it down has named them again
    certificate.ledger = state.consents.head()
    sealed = certificate.sealed()
    folder = state.folder("certificates")
    name = f"{sealed.at.replace(':', '')}-{sealed.hash[:12]}.json"
    (folder / name).write_bytes(msgspec.json.format(msgspec.json.encode(sealed), indent=1))
    return sealed


async def _delete(client: AsyncKlaviyo, identifier: dict[str, str]) -> bool:
    """Exactly one identifier (FACTS §6.9). False: Klaviyo has nobody of that name."""
    attributes = {name: value for name, value in identifier.items() if name != "id"}
    data: dict[str, Any] = {"type": "profile", "attributes": attributes}
    if "id" in identifier:
        data["id"] = identifier["id"]
    job = {"type": "data-privacy-deletion-job", "attributes": {"profile": {"data": data}}}
    try:
        await client.send("request_profile_deletion", body={"data": job})
    except NotFound:
        return False
    return True


def _forget_snapshots(folder: Path, known: Iterable[str]) -> tuple[int, list[str]]:
    """(rows removed, their keys)"""
    wanted = [one.casefold() for one in known]
    keys: list[str] = []
    for file in sorted(folder.glob("*.parquet")):
        with duckdb.connect() as con:
            rows = f"read_parquet({literal(str(file))})"
            found = con.execute(f"select key from {rows} where lower(identity) in (select unnest(?))", [wanted])
            hit = [row[0] for row in found.fetchall()]
            if not hit:
                continue
            keys += hit
            fresh = file.with_suffix(".new")
            con.execute(
                f"copy (select * from {rows} where lower(identity) not in (select unnest(?))) "
                f"to {literal(str(fresh))} (format parquet, compression zstd)",
                [wanted],
            )
        fresh.replace(file)
    return len(keys), keys


def _forget_plans(state: StateFolder, known: Iterable[str]) -> int:
    """Saved plans that hold the person go as a whole, unless a run still needs them: that one is an error."""
    wanted = [one.casefold() for one in known]
    needed = {
        str(msgspec.json.decode(row["header"]).get("plan"))
        for row in state.db.execute("select header from runs where state in ('running', 'stopped', 'waiting')")
    }
    removed = 0
    for file in sorted(state.folder("plans").glob("*/*/plan.parquet")):
        with duckdb.connect() as con:
            row = con.execute(
                f"select 1 from read_parquet({literal(str(file))}) where lower(identity) in (select unnest(?)) limit 1",
                [wanted],
            ).fetchone()
        if row is None:
            continue
        if file.parent.name in needed:
            raise SyncError(
                f"the interrupted run of {file.parent.parent.name} still holds this person",
                f"finish it first: clavichord run {file.parent.parent.name}",
            )
        shutil.rmtree(file.parent)
        removed += 1
    return removed


def _forget_findings(db: sqlite3.Connection, known: Iterable[str], keys: Iterable[str]) -> int:
    removed = 0
    for value in (one.partition(":")[2].casefold() for one in known):
        for table in ("exceptions", "dead_letters"):
            removed += db.execute(f"delete from {table} where lower(value) = ?1 or lower(key) = ?1", [value]).rowcount
    for key in keys:
        for table in ("exceptions", "dead_letters"):
            removed += db.execute(f"delete from {table} where key = ?", [key]).rowcount
    return removed
