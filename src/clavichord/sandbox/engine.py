"""What every behaviour works with: one store, clock, ids, catalogue, documents and jobs."""

from __future__ import annotations

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

        store.rolled_back = self._forget

    def reset(self) -> None:
        """Forgets everything that was stored."""
        self.store.reset()
        self._forget()

    def _forget(self) -> None:
        self.metric_ids.clear()
        self.valued.clear()
        self.jobs.wake()
