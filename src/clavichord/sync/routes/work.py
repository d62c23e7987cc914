"""A run as a route sees it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence

import msgspec

from clavichord.client.client import AsyncKlaviyo
from clavichord.client.errors import (
    AuthenticationFailed,
    KlaviyoError,
    PermissionDenied,
    RateLimited,
    TransportError,
)
from clavichord.sync.consents import ConsentLedger, Said
from clavichord.sync.definition import SyncDefinition
from clavichord.sync.ledger import Batch, Finding, Ledger
from clavichord.sync.mistakes import SyncError
from clavichord.sync.plan import PlanRow, PlanRows
from clavichord.sync.progress import Meter
from clavichord.sync.values import instant

SINGLES_IN_FLIGHT = 24


class Halt(SyncError):
    """The run ends here; what is left is sent by the next one. `code` is one of clavichord.sync.reasons."""

    def __init__(self, code: str, what: str, fix: str = "") -> None:
        super().__init__(what, fix)
        self.code = code


def halt_for(error: KlaviyoError) -> Halt:
    """The client's error as the end of a run."""
    match error:
        case AuthenticationFailed():
            return Halt("account.refused", str(error))
        case PermissionDenied():
            return Halt("account.scope", str(error))
        case RateLimited():
            return Halt("budget.exhausted", str(error))
        case TransportError():
            return Halt("network.unreachable", str(error))
    return Halt("server.error", str(error))


class ReadBack(msgspec.Struct):
    """What was delivered and read again."""

    read: int = 0
    equal: int = 0
    differing: list[str] = []
    """keys of those that hold something else than was sent"""


class Work:
    """What is to be delivered, and where it is written down. `stopping` is asked before each request."""

    def __init__(
        self,
        client: AsyncKlaviyo,
        definition: SyncDefinition,
        ledger: Ledger,
        rows: PlanRows,
        meter: Meter,
        lists: Mapping[str, str],
        stopping: Callable[[], bool],
        consents: ConsentLedger,
    ) -> None:
        self.consents = consents
        self.client = client
        self.definition = definition
        self.ledger = ledger
        self.rows = rows
        self.meter = meter
        self.lists = lists
        """name → id"""
        self.metrics: dict[str, str] = {}
        """name → id, as they are looked up"""
        self.stopping = stopping
        self.splits = 0
        """bisections so far"""
        self.singles = asyncio.Semaphore(SINGLES_IN_FLIGHT)
        """requests of routes that send one for each entry"""
        self.read_back = ReadBack()

    def live(self, batch: Batch) -> list[PlanRow]:
        """The batch's entries that no finding has taken out."""
        return self.rows.read(batch.lo, batch.hi, self.ledger.excepted(batch.lo, batch.hi))

    def mark(self, batch: Batch, state: str, findings: Sequence[Finding] = ()) -> None:
        """Writes the batch's new state, and what became of single entries, at once."""
        batch.state = state
        self.ledger.settle(batch, findings)

    def confirm(self, batch: Batch, findings: Sequence[Finding], entries: int) -> None:
        """Marks the batch confirmed; `findings` are what of its `entries` is not."""
        self.mark(batch, "confirmed", findings)
        self.meter.confirm(entries - len(findings))

    def said(self, batch: Batch, rows: Sequence[PlanRow], action: str) -> None:
        """Writes into the consent ledger what is done about the rows' consent, with its proof."""
        group = {name: given for name, given in json.loads(batch.grp).items() if given not in (None, False)}
        group.pop("resubscribe", None)
        when = "agreed_at" if batch.route == "consent.subscribe" else "decided_at"
        self.consents.append(
            self.definition.account,
            self.definition.sync,
            self.ledger.run,
            [
                Said(row.who, row.part, action, group | ({when: instant(row.moment)} if row.moment else {}))
                for row in rows
            ],
        )

    def withheld(self, findings: Sequence[Finding], rows: Sequence[PlanRow]) -> None:
        """Writes into the consent ledger whose consent a guard has left alone."""
        by_number = {row.n: row for row in rows}
        said = [
            Said(by_number[f.n].who, by_number[f.n].part, "held", {"reason": f.code, "message": f.message})
            for f in findings
            if f.n is not None and f.row_class == "held"
        ]
        if said:
            self.consents.append(self.definition.account, self.definition.sync, self.ledger.run, said)
