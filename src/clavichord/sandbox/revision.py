"""The `revision` header: which are refused, and what answers the others (FACTS §2, App. H)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import copy
from typing import NamedTuple

from msgspec.structs import replace

from clavichord.sandbox import inferred
from clavichord.sandbox.call import Behaviour
from clavichord.sandbox.clock import SECOND, Clock, parse, seconds
from clavichord.sandbox.engine import Engine
from clavichord.sandbox.errors import invalid, not_found
from clavichord.spec import Catalogue, Operation, load

_FORM = re.compile(r"(\d{4}-\d\d-\d\d)(\.[a-z0-9-]+)?")

KNOWN = frozenset(
    (
        "2022-10-17",
        "2023-01-24",
        "2023-02-22",
        "2023-06-15",
        "2023-07-15",
        "2023-08-15",
        "2023-09-15",
        "2023-10-15",
        "2023-12-15",
        "2024-02-15",
        "2024-05-15",
        "2024-06-15",
        "2024-07-15",
        "2024-10-15",
        "2025-01-15",
        "2025-04-15",
        "2025-07-15",
        "2025-10-15",
        "2026-01-15",
        "2026-04-15",
        "2026-07-15",
        "2026-10-15",
    )
)
"""Every release (FACTS §0). Retired ones fall back, as documented."""

_NEWEST = "2026-10-15"

LIVE_STATUSES: Mapping[str, int] = {
    "merge_profiles": 202,
    "render_template": 200,
    "clone_template": 200,
    "delete_template": 200,
    "update_categories_for_catalog_item": 200,
}
"""Where the real API departs from its specification, which is what the official SDKs decode (LIVE #24)."""


class Release(NamedTuple):
    """What answers the requests of one revision."""

    catalogue: Catalogue
    engine: Engine
    behaviours: Mapping[str, Behaviour]


def catalogue_of(revision: str, *, live: bool) -> Catalogue:
    """A packaged catalogue; with `live` its success statuses are those that were recorded, not the specified ones."""
    catalogue = load(revision)
    if not live:
        return catalogue
    patched = copy(catalogue)
    vars(patched).pop("_routes", None)  # a cached view of the unpatched operations
    patched.operations = {
        name: replace(operation, status=LIVE_STATUSES.get(name, operation.status))
        for name, operation in catalogue.operations.items()
    }
    return patched


class Releases:
    """The packaged catalogues over one engine. 2026-10-15 is read when it is first asked for; whatever is older is
    answered by 2026-07-15."""

    def __init__(
        self,
        engine: Engine,
        behaviours: Mapping[str, Behaviour],
        reshaped: Mapping[str, Behaviour],
        *,
        live: bool = False,
    ) -> None:
        """`reshaped`: what 2026-10-15 does otherwise."""
        self._live = live
        self._newer = {**behaviours, **reshaped}
        self._engine = engine
        self.stable = Release(engine.catalogue, engine, behaviours)
        self._newest: Release | None = None
        self._known = {revision: self.stable for revision in KNOWN if revision < _NEWEST}

    @property
    def newest(self) -> Release:
        if self._newest is None:
            catalogue = catalogue_of(_NEWEST, live=self._live)
            served = {one: behaviour for one, behaviour in self._newer.items() if one in catalogue.operations}
            self._newest = Release(catalogue, self._engine.of(catalogue), served)
        return self._newest

    @property
    def operations(self) -> Mapping[str, Operation]:
        """Those of every revision; of what both have, the stable one's."""
        return {**self.newest.catalogue.operations, **self.stable.catalogue.operations}

    def at(self, given: str) -> Release:
        """The release for a header; the stable one for a header that `check` refuses."""
        return self._known.get(given) or (self.newest if given[:10] == _NEWEST else self.stable)

    def elsewhere(self, release: Release, path: str) -> list[str]:
        """The methods that `path` takes in the other release."""
        other = self.newest if release is self.stable else self.stable
        return other.catalogue.methods(path)


def check(given: str, clock: Clock, current: str) -> None:
    """Refusal: 400 if missing or malformed, 404 if in the future or not a release."""
    if given in KNOWN:
        return
    if not given:
        raise invalid(inferred.REVISION_MISSING.format(current=current), parameter="revision")
    form = _FORM.fullmatch(given)
    if form is None or parse(form.group(1)) is None:
        raise invalid(inferred.REVISION_MALFORMED.format(given=given[:100]), parameter="revision")
    if form.group(1) in KNOWN:
        return
    if form.group(1) > seconds(clock.now() // SECOND)[:10]:
        raise not_found("Unable to specify a future revision date")
    if form.group(1) < min(KNOWN):
        raise invalid(inferred.REVISION_TOO_OLD.format(given=given, first=min(KNOWN)), parameter="revision")
    raise invalid(inferred.REVISION_UNKNOWN.format(given=given, current=current), parameter="revision")
