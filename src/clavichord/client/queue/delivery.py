"""One batch of events to Klaviyo: as one bulk job, or one by one when there are few or the job is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeAlias

from msgspec import Struct, field

from clavichord.client.client import Klaviyo
from clavichord.client.errors import APIError, Conflict, InvalidRequest, KlaviyoError, NotFound, PayloadTooLarge
from clavichord.client.uploads.blame import by_pointer
from clavichord.client.uploads.events import event
from clavichord.client.uploads.route import Route, bulk

Row: TypeAlias = Mapping[str, Any]
"""the arguments of `events.track`"""

FEW = 5
"""fewer events than this go one by one: each has an answer of its own, and starts its flows at once"""


class Outcome(Struct):
    """By place in the batch; what stands in neither was taken by Klaviyo."""

    refused: dict[int, str] = field(default_factory=dict)
    """place → why Klaviyo will never take it"""
    kept: list[int] = field(default_factory=list)
    """to be sent again"""
    error: KlaviyoError | None = None
    """why"""


@cache
def _route() -> Route:
    return bulk("bulk_create_events", "events-bulk-create")


def deliver(client: Klaviyo, rows: Sequence[Row]) -> Outcome:
    """Raises nothing that Klaviyo or the network does. The rows are valid: enqueueing has checked them."""
    outcome = Outcome()
    left = _once(rows)
    while len(left) >= FEW:
        entries = [event(place, rows[place]) for place in left]
        try:
            client.send("bulk_create_events", body=_route().body([entry.payload for entry in entries]))
            return outcome
        except (InvalidRequest, PayloadTooLarge, Conflict) as error:
            blamed, _ = by_pointer(_route(), len(entries), error)
            if not blamed:
                break  # one by one, each says what is wrong with it
            outcome.refused |= {entries[n].index: str(found) for n, found in blamed.items()}
            left = [place for place in left if place not in outcome.refused]
        except KlaviyoError as error:
            outcome.kept, outcome.error = left, error
            return outcome
    _singly(client, rows, left, outcome)
    return outcome


def _once(rows: Sequence[Row]) -> list[int]:
    """Places without repetitions, for which Klaviyo would refuse the whole job (FACTS §7.5)."""
    places: dict[tuple[str, ...], int] = {}
    for place, row in enumerate(rows):
        entry = event(place, row)
        places.setdefault((entry.kind, entry.name, row["metric"], row["unique_id"]), place)
    return list(places.values())


def _singly(client: Klaviyo, rows: Sequence[Row], places: Sequence[int], outcome: Outcome) -> None:
    """A refusal that names no part of the event may be about the key, the revision or the URL: such events are only
    given up if another one was taken meanwhile."""
    doubtful: dict[int, APIError] = {}
    for n, place in enumerate(places):
        try:
            client.events.track(**rows[place])
        except (InvalidRequest, PayloadTooLarge, Conflict, NotFound) as error:
            named = any(found.pointer.rstrip("/") not in ("", "/data") for found in error.errors)
            if named or isinstance(error, PayloadTooLarge):
                outcome.refused[place] = "; ".join(map(str, error.errors)) or str(error)
            else:
                doubtful[place] = error
        except KlaviyoError as error:
            outcome.kept, outcome.error = [*doubtful, *places[n:]], error
            return
    if len(doubtful) == len(places) - len(outcome.refused.keys() & set(places)):
        outcome.kept = list(doubtful)
        outcome.error = next(iter(doubtful.values()), None)
    else:
        outcome.refused |= {place: str(error) for place, error in doubtful.items()}
