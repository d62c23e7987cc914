"""Custom metrics, and the metrics that are mapped to Klaviyo's seven meanings (FACTS §9.16, LIVE #19)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sandbox import crud, generic, inferred
from clavichord.sandbox.call import Answer, Behaviour, Call
from clavichord.sandbox.clock import SECOND, micros, seconds
from clavichord.sandbox.crud import Kind
from clavichord.sandbox.errors import invalid, service
from clavichord.sandbox.resources import segment_filters

CUSTOM_METRIC = crud.declare(
    Kind(
        type="custom-metric",
        attributes={"name": "", "created": "", "updated": "", "definition": {}},
        new_id=crud.ulid,
        precision="usec",
        resolved=("metrics",),
    )
)

MAPPINGS = (
    "added_to_cart",
    "cancelled_sales",
    "ordered_product",
    "refunded_sales",
    "revenue",
    "started_checkout",
    "viewed_product",
)


def _targets(call: Call, mapping: str) -> tuple[str, ...]:
    """An unmapped one has no relationships at all."""
    return tuple(name for name in ("metric", "custom-metric") if crud.targets(call, "mapped-metric", mapping, name))


MAPPED_METRIC = crud.declare(
    Kind(
        type="mapped-metric",
        attributes={"updated": ""},
        created="",
        precision="usec",
        resolved=("metric", "custom-metric"),
        shown=_targets,
        order="-r.updated",
    )
)


def _check(call: Call, attributes: dict[str, Any]) -> None:
    """Names are unique (a 400, as the spec says); the members that may be left out of a group are filled in."""
    store, definition = call.engine.store, attributes["definition"]
    row = store.one(
        "SELECT id FROM resource WHERE account = ? AND type = 'custom-metric'"
        " AND json_extract(attributes, '$.name') = ? AND id <> ?",
        call.account,
        attributes["name"],
        call.id,
    )
    crud.require_name(call, attributes)
    if row is not None:
        raise invalid(inferred.CUSTOM_METRIC_NAME.format(attributes["name"]), pointer="/data/attributes/name")
    if not call.id and crud.count(call, "custom-metric") >= inferred.MAX_CUSTOM_METRICS:
        text = inferred.TOO_MANY_RESOURCES.format(max=inferred.MAX_CUSTOM_METRICS, what="custom metrics")
        raise service(403, "permission_denied", inferred.NOT_PERMITTED, text)
    at = "/data/attributes/definition/metric_groups"
    if not definition["metric_groups"]:
        raise invalid("A custom metric needs a metric group.", pointer=at)
    groups = []
    for index, group in enumerate(definition["metric_groups"]):
        if not crud.known(call, "metric", group["metric_id"]):
            text = f"Metric with id {group['metric_id']} does not exist."
            raise invalid(text, pointer=f"{at}/{index}/metric_id")
        for one in group.get("metric_filters") or ():
            text = segment_filters.fault(one["filter"])
            if text:
                raise invalid(text, pointer=f"{at}/{index}/metric_filters")
        groups.append(
            {
                "metric_id": group["metric_id"],
                "metric_filters": group.get("metric_filters") or [],
                "value_property": group.get("value_property"),
            }
        )
    attributes["definition"] = {"aggregation_method": definition["aggregation_method"], "metric_groups": groups}


def _link_metrics(call: Call, metric_id: str, attributes: dict[str, Any]) -> None:
    ids = dict.fromkeys(group["metric_id"] for group in attributes["definition"]["metric_groups"])
    crud.relink(call, "custom-metric", metric_id, "metrics", list(ids))


def _mapped(behaviour: Behaviour) -> Behaviour:
    """All seven are there from the beginning, and there is no eighth."""

    def behave(call: Call) -> Answer:
        if call.id and call.id not in MAPPINGS:
            raise invalid(inferred.CHOICE.format(given=call.id, name="id"), pointer="/data/attributes/id")
        if crud.count(call, "mapped-metric") == 0:
            with call.engine.store.write():
                for one in MAPPINGS:
                    attributes = {"updated": micros(call.now)}
                    generic.insert(call.engine.store, call.account, "mapped-metric", one, attributes, call.now)
        return behaviour(call)

    return behave


def update_mapped_metric(call: Call) -> Answer:
    """To a metric, to a custom metric, or to nothing; twice a day (FACTS §9.16)."""
    crud.same_id(call)
    given = {
        name: crud.named(one.get("data"))
        for name, one in (call.data.get("relationships") or {}).items()
        if one is not None
    }
    if len([name for name, ids in given.items() if ids]) > 1:
        raise invalid(inferred.ONE_MAPPING, pointer="/data/relationships")
    for name, ids in given.items():
        crud.require_all(call, name, ids)
    today = seconds(call.now // SECOND)[:10]
    state = crud.state(call, "mapped-metric", call.id)
    changes = state["changes"] + 1 if state.get("day") == today else 1
    if changes > inferred.MAPPING_CHANGES:
        text = f"Mapped Metric `{call.id}` has reached the daily limit of updates ({inferred.MAPPING_CHANGES})."
        raise service(403, "permission_denied", inferred.NOT_PERMITTED, text)
    attributes = {"updated": micros(call.now)}
    with call.engine.store.write():
        generic.update(call.engine.store, call.account, "mapped-metric", call.id, attributes, call.now)
        crud.keep(call, "mapped-metric", call.id, {"day": today, "changes": changes})
        if given:  # whichever is named replaces both
            for name in ("metric", "custom-metric"):
                crud.relink(call, "mapped-metric", call.id, name, given.get(name, []))
    return crud.show(call, "mapped-metric", call.id, attributes)


BEHAVIOURS: Mapping[str, Behaviour] = {
    "get_custom_metrics": crud.collection,
    "create_custom_metric": crud.create(CUSTOM_METRIC, prepare=_check, after=_link_metrics),
    "get_custom_metric": crud.item,
    "update_custom_metric": crud.update(CUSTOM_METRIC, prepare=_check, after=_link_metrics),
    "delete_custom_metric": crud.delete(CUSTOM_METRIC),
    "get_metrics_for_custom_metric": crud.related,
    "get_metric_ids_for_custom_metric": crud.related,
    "get_mapped_metrics": _mapped(crud.collection),
    "get_mapped_metric": _mapped(crud.item),
    "update_mapped_metric": _mapped(update_mapped_metric),
    "get_metric_for_mapped_metric": _mapped(crud.related),
    "get_metric_id_for_mapped_metric": _mapped(crud.related),
    "get_custom_metric_for_mapped_metric": _mapped(crud.related),
    "get_custom_metric_id_for_mapped_metric": _mapped(crud.related),
}
