"""Metrics: made by the first event that names them (FACTS §8)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud, generic
from clavichord.sandbox.call import Behaviour
from clavichord.sandbox.clock import SECOND, seconds
from clavichord.sandbox.engine import Engine

API = "api"
_LABELS = {"api": ("API", "API"), "klaviyo": ("Klaviyo", "Internal")}
"""integration → name, category: the API's is recorded, Klaviyo's inferred (FACTS §8.2)"""


def service_of(metric: Mapping[str, Any]) -> str:
    """The integration that a metric in a body belongs to. A service that is none counts as the API (recorded)."""
    given = metric.get("service")
    return given if given in _LABELS else API


def ensure(engine: Engine, account: str, name: str, service: str, now: int) -> str:
    """The id of the metric with this name and service, made if there is none; case matters (inferred)."""
    known = engine.metric_ids.get((account, service, name))
    if known is not None:
        return known
    row = engine.store.one(
        "SELECT id FROM resource WHERE account = ? AND type = 'metric' AND json_extract(attributes, '$.name') = ?"
        " AND json_extract(attributes, '$.integration.key') = ?",
        account,
        name,
        service,
    )
    metric_id = str(row[0]) if row is not None else _create(engine, account, name, service, now)
    engine.metric_ids[account, service, name] = metric_id
    return metric_id


def _create(engine: Engine, account: str, name: str, service: str, now: int) -> str:
    # One integration id for all metrics of a service in an account: the recorded account had one for API.
    integration = hashlib.blake2b(f"{account} {service}".encode(), digest_size=3).hexdigest()
    label, category = _LABELS[service]
    about = {"object": "integration", "id": integration, "key": service, "name": label, "category": category}
    at = seconds(now // SECOND)
    attributes = {"name": name, "created": at, "updated": at, "integration": about}
    metric_id = engine.ids.six()
    generic.insert(engine.store, account, "metric", metric_id, attributes, now)
    return metric_id


def has_values(engine: Engine, account: str, metric_id: str) -> bool:
    """Whether an event of this metric ever had a value: later ones without show `$value: 0` (FACTS §8.1)."""
    known = engine.valued.get((account, metric_id))
    if known is None:
        row = engine.store.one(
            "SELECT json_extract(state, '$.valued') FROM resource WHERE account = ? AND type = 'metric' AND id = ?",
            account,
            metric_id,
        )
        known = engine.valued[account, metric_id] = bool(row and row[0])
    return known


def remember_value(engine: Engine, account: str, metric_id: str) -> None:
    if not has_values(engine, account, metric_id):
        engine.store.execute(
            "UPDATE resource SET state = json_set(state, '$.valued', 1)"
            " WHERE account = ? AND type = 'metric' AND id = ?",
            (account, metric_id),
        )
        engine.valued[account, metric_id] = True


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_metrics": crud.collection,
    "get_metric": crud.item,
    "get_flows_triggered_by_metric": crud.related,
    "get_ids_for_flows_triggered_by_metric": crud.related,
}
