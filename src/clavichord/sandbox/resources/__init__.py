"""What the catalogue cannot know, one module for each resource: operation id → behaviour."""

from __future__ import annotations

from collections.abc import Mapping

from clavichord.sandbox.call import Behaviour
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.resources import (
    accounts,
    deletions,
    event_jobs,
    events,
    lists,
    metrics,
    profile_imports,
    profiles,
    subscriptions,
    suppressions,
)

BEHAVIOURS: Mapping[str, Behaviour] = {
    **accounts.BEHAVIOURS,
    **profiles.BEHAVIOURS,
    **profile_imports.BEHAVIOURS,
    **subscriptions.BEHAVIOURS,
    **suppressions.BEHAVIOURS,
    **deletions.BEHAVIOURS,
    **lists.BEHAVIOURS,
    **metrics.BEHAVIOURS,
    **events.BEHAVIOURS,
    **event_jobs.BEHAVIOURS,
}


def declare_jobs(engine: Engine) -> None:
    for module in (profile_imports, event_jobs, subscriptions, suppressions, deletions):
        module.declare(engine)
