"""What rows can become: every `to:` of a sync file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from clavichord.sync.definition import SyncDefinition
from clavichord.sync.destination import Destination
from clavichord.sync.destinations.catalog import CATALOG
from clavichord.sync.destinations.events import Events
from clavichord.sync.destinations.lists import Lists
from clavichord.sync.destinations.profiles import Profiles
from clavichord.sync.destinations.suppressions import Suppressions

DESTINATIONS: Mapping[str, Destination[Any]] = {
    destination.to: destination for destination in (Profiles(), Events(), Lists(), Suppressions(), *CATALOG)
}


def destination_of(definition: SyncDefinition) -> Destination[Any]:
    return DESTINATIONS[definition.to]
