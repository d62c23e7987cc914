"""What every behaviour works with: one store, clock, ids, catalogue, documents and jobs."""

from __future__ import annotations

import sqlite3
from copy import copy

from clavichord.sandbox.clock import Clock
from clavichord.sandbox.documents import Documents
from clavichord.sandbox.ids import Ids
from clavichord.sandbox.jobs import Jobs
from clavichord.sandbox.store import Store
from clavichord.sandbox.validation import Bodies
from clavichord.spec import Catalogue


class Engine:
    """The parts of a sandbox that know nothing of HTTP."""

    def __init__(
        self, store: Store, clock: Clock, catalogue: Catalogue, link_base: str, job_delay: float, seed: int | None
    ) -> None:
        self.store = store
        self.clock = clock
        self.catalogue = catalogue
        self.ids = Ids(clock, seed)
        self.documents = Documents(link_base, catalogue)
        self.bodies = Bodies(catalogue)
        self.jobs = Jobs(self, job_delay)
        self.metric_ids: dict[tuple[str, str, str], str] = {}
        """(account, service, name) → metric id; filled by the events behaviour, dropped by reset"""
        self.valued: dict[tuple[str, str], bool] = {}
        """(account, metric id) → some event of it had a value"""
        self.evaluated: dict[tuple[str, str], tuple[int, int]] = {}
        """(account, segment id) → the store's changes and the second when its members were last worked out"""

        store.rolled_back = self._forget

    def of(self, catalogue: Catalogue) -> Engine:
        """The same store, clock, ids, jobs and caches under the catalogue of another revision."""
        other = copy(self)
        other.catalogue = catalogue
        other.documents = Documents(self.documents.base, catalogue)
        other.bodies = Bodies(catalogue)
        return other

    def clear(self) -> None:
        """Forgets everything that was stored."""
        self.store.clear()
        self._forget()

    def restore(self, saved: sqlite3.Connection) -> None:
        """Stores what was saved, and nothing else."""
        self.store.restore(saved)
        self._forget()

    def _forget(self) -> None:
        self.metric_ids.clear()
        self.valued.clear()
        self.evaluated.clear()
        self.jobs.wake()
