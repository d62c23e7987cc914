"""The nine bulk jobs of catalogs: create, update, delete × items, variants, categories (FACTS §7.6)."""

from __future__ import annotations

from collections.abc import Mapping

from clavichord.sandbox import crud
from clavichord.sandbox.call import Behaviour, Call
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.resources import bulk_jobs, catalog_categories, catalog_items, catalog_variants
from clavichord.sandbox.resources.bulk_jobs import BulkJob

_SINGLE = {**catalog_items.BEHAVIOURS, **catalog_variants.BEHAVIOURS, **catalog_categories.BEHAVIOURS}


def _unless_new(call: Call, job_id: str) -> tuple[str, ...] | None:
    """The 202 has no relationships at all, every later answer has what came of the job so far (recorded)."""
    return None if call.operation.method == "GET" else ()


def _job(verb: str, kind: crud.Kind, entries: str) -> BulkJob:
    single = f"{verb}_{kind.type.replace('-', '_')}"
    job_kind = crud.declare(bulk_jobs.kind(f"{kind.type}-bulk-{verb}-job", entries, shown=_unless_new))
    return BulkJob(job_kind.type, entries, single, _SINGLE[single], kind)


def _behaviours(verb: str, entries: str, job: BulkJob) -> Mapping[str, Behaviour]:
    """Klaviyo says bulk_create_catalog_variants, but get_bulk_create_variants_job; items are catalog_items in both."""
    get_id = f"get_bulk_{verb}_{'catalog_items' if entries == 'items' else entries}_job"
    return bulk_jobs.behaviours(job, f"bulk_{verb}_catalog_{entries}", get_id + "s", get_id)


_JOBS = {
    (verb, entries): _job(verb, module.KIND, entries)
    for entries, module in (
        ("items", catalog_items),
        ("variants", catalog_variants),
        ("categories", catalog_categories),
    )
    for verb in ("create", "update", "delete")
}

BEHAVIOURS: Mapping[str, Behaviour] = {
    name: behaviour
    for (verb, entries), job in _JOBS.items()
    for name, behaviour in _behaviours(verb, entries, job).items()
}


def declare(engine: Engine) -> None:
    for job in _JOBS.values():
        bulk_jobs.declare(engine, job)
