"""What a sandbox holds, as the pages show it: read only, newest first, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from clavichord.sandbox.clock import SECOND
from clavichord.sandbox.ids import exchange_id
from clavichord.sandbox.resources import consent, identity, outbox, subscriptions

if TYPE_CHECKING:
    from clavichord.sandbox.app import Sandbox

Query = Mapping[str, str]
_PAGE = 50
_MOST = 500
_LATEST = 20_000
_COUNTED = 100_000
"""rows of an account beyond which the overview stops counting: it is drawn with every page"""


class Unknown(LookupError):
    """Something that was asked for is not there; the text says what."""


def _bounds(query: Query) -> tuple[int, int]:
    """(limit, offset)"""
    numbers = [query.get(name, "") for name in ("limit", "offset")]
    limit, offset = (int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0 for text in numbers)
    return min(limit or _PAGE, _MOST), offset


def _rows(sandbox: Sandbox, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
    return sandbox.engine.store.execute(sql, parameters).fetchall()


def accounts(sandbox: Sandbox, query: Query) -> Any:
    rows = _rows(
        sandbox,
        f"SELECT a.id, a.created, (SELECT count(*) FROM (SELECT 1 FROM profile WHERE account = a.id LIMIT {_COUNTED})),"
        f" (SELECT count(*) FROM (SELECT 1 FROM event WHERE account = a.id LIMIT {_COUNTED})),"
        " (SELECT count(*) FROM resource WHERE account = a.id AND type = 'list')"
        " FROM account a ORDER BY a.created, a.id LIMIT ? OFFSET ?",
        *_bounds(query),
    )
    names = ("id", "created", "profiles", "events", "lists")
    return {"accounts": [dict(zip(names, row, strict=True)) for row in rows]}


def profiles(sandbox: Sandbox, query: Query) -> Any:
    """`q`: how an e-mail address, phone number, external id or id begins; any part of one, of the latest profiles."""
    account, wanted = query.get("account", ""), query.get("q", "").strip().lower()
    condition, parameters = "p.account = ?", [account]
    if query.get("list"):
        condition += " AND p.id IN (SELECT target FROM edge WHERE account = ? AND type = 'list' AND id = ?"
        condition += " AND relationship = 'profiles')"
        parameters += [account, query["list"]]
    if wanted:
        # What begins so is found by its index, wherever it is; the rest is looked for among the latest.
        fields = ("p.email", "p.phone_number", "p.external_id", "p.id")
        folded = (wanted, wanted, query.get("q", "").strip(), wanted.upper())
        begins = " UNION ".join(
            f"SELECT p.id FROM profile p WHERE p.account = ? AND {field} >= ? AND {field} < ?" for field in fields
        )
        part = " OR ".join(f"instr(lower(ifnull({field}, '')), ?)" for field in fields)
        latest = f"SELECT id FROM profile WHERE account = ? ORDER BY updated DESC LIMIT {_LATEST}"
        condition += f" AND (p.id IN (SELECT * FROM ({begins}) LIMIT {_MOST}) OR (p.id IN ({latest}) AND ({part})))"
        for text in folded:
            parameters += [account, text, text + "\U0010ffff"]
        parameters += [account, *[wanted] * len(fields)]
    sql = f"SELECT {identity.COLUMNS} FROM profile p WHERE {condition} ORDER BY p.updated DESC, p.id DESC"
    rows = _rows(sandbox, f"{sql} LIMIT ? OFFSET ?", *parameters, *_bounds(query))
    return {"profiles": [_summary(identity.Profile._make(row)) for row in rows]}


def _summary(profile: identity.Profile) -> dict[str, Any]:
    attributes = msgspec.json.decode(profile.attributes())
    marketing = msgspec.json.decode(consent.rendered(profile.subscriptions))["email"]["marketing"]
    names = ("email", "phone_number", "external_id", "first_name", "last_name", "created", "updated", "last_event_date")
    return {
        "id": profile.id,
        **{name: attributes.get(name) for name in names},
        "email_consent": marketing["consent"],
        "can_receive_email": marketing["can_receive_email_marketing"],
    }


def profile(sandbox: Sandbox, query: Query) -> Any:
    """One person: attributes, consent, lists and the latest events."""
    account, profile_id = query.get("account", ""), query.get("id", "")
    found = identity.load(sandbox.engine.store, account, profile_id)
    if found is None:
        raise Unknown(f"there is no profile {profile_id!r} in account {account!r}")
    lists = _rows(
        sandbox,
        "SELECT r.id, json_extract(r.attributes, '$.name'), e.at FROM edge e"
        " JOIN resource r ON r.account = e.account AND r.type = 'list' AND r.id = e.id"
        " WHERE e.account = ? AND e.target = ? AND e.type = 'list' AND e.relationship = 'profiles' ORDER BY e.at",
        account,
        profile_id,
    )
    return {
        "id": found.id,
        "exchange_id": exchange_id(account, found.id),
        "attributes": msgspec.Raw(found.attributes()),
        "subscriptions": msgspec.Raw(consent.rendered(found.subscriptions)),
        "lists": [{"id": row[0], "name": row[1], "joined": row[2]} for row in lists],
        **events(sandbox, query),
    }


def lists(sandbox: Sandbox, query: Query) -> Any:
    rows = _rows(
        sandbox,
        "SELECT r.id, r.attributes, (SELECT count(*) FROM edge e WHERE e.account = r.account AND e.type = r.type"
        " AND e.id = r.id AND e.relationship = 'profiles') FROM resource r"
        " WHERE r.account = ? AND r.type = ? ORDER BY r.created DESC, r.id LIMIT ? OFFSET ?",
        query.get("account", ""),
        query.get("type", "list"),
        *_bounds(query),
    )
    return {"lists": [{"id": row[0], "attributes": msgspec.Raw(row[1].encode()), "profiles": row[2]} for row in rows]}


def events(sandbox: Sandbox, query: Query) -> Any:
    """Of an account, or with `id` of a profile; `metric`: its id."""
    condition, parameters = "v.account = ?", [query.get("account", "")]
    for name, column in (("id", "v.profile"), ("metric", "v.metric")):
        if query.get(name):
            condition += f" AND {column} = ?"
            parameters.append(query[name])
    rows = _rows(
        sandbox,
        "SELECT v.id, v.at, v.profile, p.email, v.metric, json_extract(m.attributes, '$.name'), v.attributes"
        " FROM event v LEFT JOIN profile p ON p.account = v.account AND p.id = v.profile"
        " LEFT JOIN resource m ON m.account = v.account AND m.type = 'metric' AND m.id = v.metric"
        f" WHERE {condition} ORDER BY v.at DESC, v.id DESC LIMIT ? OFFSET ?",
        *parameters,
        *_bounds(query),
    )
    names = ("id", "at", "profile", "email", "metric", "name", "properties")
    return {
        "events": [
            dict(zip(names, (*row[:6], msgspec.json.decode(row[6])["event_properties"]), strict=True)) for row in rows
        ]
    }


def resources(sandbox: Sandbox, query: Query) -> Any:
    """How many resources of each type there are; with `type` the resources themselves."""
    account = query.get("account", "")
    if not query.get("type"):
        counted = _rows(
            sandbox, "SELECT type, count(*) FROM resource WHERE account = ? GROUP BY type ORDER BY type", account
        )
        return {"types": dict(counted)}
    rows = _rows(
        sandbox,
        "SELECT id, created, updated, attributes FROM resource WHERE account = ? AND type = ?"
        " ORDER BY created DESC, id LIMIT ? OFFSET ?",
        account,
        query["type"],
        *_bounds(query),
    )
    found = [{"id": one[0], "created": one[1] / SECOND, "attributes": msgspec.Raw(one[3].encode())} for one in rows]
    return {"resources": found}


def jobs(sandbox: Sandbox, query: Query) -> Any:
    """Jobs of every kind, and the tasks that are still to be done."""
    account = query.get("account", "")
    done = _rows(
        sandbox,
        "SELECT type, id, created, attributes FROM resource WHERE account = ? AND type LIKE '%-job'"
        " ORDER BY created DESC, id DESC LIMIT ? OFFSET ?",
        account,
        *_bounds(query),
    )
    waiting = _rows(
        sandbox,
        "SELECT id, kind, job, due, position FROM task WHERE account = ? ORDER BY due, id LIMIT ?",
        account,
        _MOST,
    )
    return {
        "jobs": [
            {"type": row[0], "id": row[1], "created": row[2] / SECOND, "attributes": msgspec.Raw(row[3].encode())}
            for row in done
        ],
        "tasks": [
            {"id": row[0], "kind": row[1], "job": row[2], "due": row[3] / SECOND, "position": row[4]} for row in waiting
        ],
    }


def messages(sandbox: Sandbox, query: Query) -> Any:
    """The outbox: what campaigns and flows sent, or would have sent."""
    limit, offset = _bounds(query)
    rows = _rows(
        sandbox,
        "SELECT * FROM outbox WHERE account = ? ORDER BY id DESC LIMIT ? OFFSET ?",
        query.get("account", ""),
        limit,
        offset,
    )
    return {"messages": [outbox.Entry._make(row)._asdict() for row in rows]}


def pending(sandbox: Sandbox, query: Query) -> Any:
    """People who were asked to confirm a subscription and have not yet."""
    found = subscriptions.pending(sandbox.engine, query.get("account", ""), *_bounds(query))
    return {"pending": [one._asdict() | {"at": one.at / SECOND} for one in found]}


READERS: Mapping[str, Callable[[Sandbox, Query], Any]] = {
    "accounts": accounts,
    "profiles": profiles,
    "profile": profile,
    "lists": lists,
    "events": events,
    "resources": resources,
    "jobs": jobs,
    "outbox": messages,
    "pending": pending,
}
