"""The `revision` header (FACTS §2)."""

from __future__ import annotations

import re

from clavichord.sandbox import inferred
from clavichord.sandbox.clock import SECOND, Clock, parse, seconds
from clavichord.sandbox.errors import invalid, not_found

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
"""Every release (FACTS §0). All are served by one catalogue; retired ones fall back, as documented."""


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
