"""The way that entries take into Klaviyo: which requests, how many entries each, and when an entry is confirmed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from clavichord.spec import load
from clavichord.sync.ledger import Batch
from clavichord.sync.plan import PlanRow
from clavichord.sync.routes.work import Work

SINGLES = 100
"""entries that are sent one by one and share a line of the ledger"""
ENVELOPE = 2_000
"""bytes kept free for what surrounds the entries of a body"""


class Route:
    """One way. Everything it sends can be sent twice, or is looked up before it is sent again: a batch whose answer
    was lost comes back in the state `sent`."""

    name: str
    operation: str
    """whose limits and caps count"""
    stage: int = 0
    """The entries of a stage are sent when those of the earlier ones are settled; entries of a row whose stage 0 is
    not confirmed wait for the next run."""
    again: str = ""
    """the route for an entry that an earlier run left accepted, where sending it a second time would do harm"""
    single: bool = False
    """a request an entry"""

    def few(self, group: Mapping[str, Any]) -> str:
        """The route for a group of very few entries, "" for this one."""
        return ""

    @property
    def items(self) -> int:
        """Entries a batch."""
        caps = load().operations[self.operation].caps
        return SINGLES if self.single or caps is None or not caps.items else caps.items

    @property
    def room(self) -> int:
        """Bytes of entries a batch."""
        caps = load().operations[self.operation].caps
        return 1 << 40 if self.single or caps is None or not caps.bytes else caps.bytes - ENVELOPE

    def requests(self, batches: int, entries: int) -> dict[str, int]:
        """operation → requests that so much takes, reads included."""
        return {self.operation: entries if self.single else batches}

    def body(self, group: Mapping[str, Any], rows: Sequence[PlanRow], lists: Mapping[str, str]) -> bytes:
        """The body of a request. Payloads are spliced in as they stand in the plan."""
        raise NotImplementedError

    async def send(self, work: Work, batch: Batch) -> None:
        """Sends the batch and writes down what became of it. Raises Halt, KlaviyoError."""
        raise NotImplementedError

    async def confirm(self, work: Work, batch: Batch, *, last: bool) -> bool:
        """Asks what became of an accepted batch. True: it is settled. `last`: there will be no further question."""
        raise NotImplementedError
