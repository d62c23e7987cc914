"""Push: files and queries into Klaviyo, with a receipt for every row."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from clavichord.client.client import AsyncKlaviyo
from clavichord.client.errors import KlaviyoError
from clavichord.sync.definition import Connection, SyncDefinition
from clavichord.sync.diff import advance
from clavichord.sync.ledger import Batch, Finding, Ledger
from clavichord.sync.mistakes import InvalidDefinition, Mistake, SourceError, StateError, SyncError
from clavichord.sync.plan import Plan, PlanRow, PlanRows
from clavichord.sync.planner import Planner
from clavichord.sync.progress import Meter, Phase, Progress, Traffic
from clavichord.sync.push.confirm import settle, waiting
from clavichord.sync.push.deliver import send
from clavichord.sync.push.lists import resolve
from clavichord.sync.reasons import reason
from clavichord.sync.report import HaltNote, Outcome, RunReport
from clavichord.sync.routes import ROUTES
from clavichord.sync.routes.work import Halt, ReadBack, Work, halt_for
from clavichord.sync.state import LEASE_SECONDS, StateFolder

__all__ = ["Progress", "Push", "Traffic"]

KEPT_RUNS = 20
"""runs of a sync whose rows are kept for looking up"""
ABANDONED = 3_600
"""seconds after which a plan that was not finished is litter"""
KEPT_PLANS = 5
"""plans of a sync that are kept for looking up"""


LONGEST_JOB = timedelta(hours=6)
"""how long an accepted import keeps the sync from planning anew"""


def _utc() -> datetime:
    return datetime.now(UTC)


class Push:
    """One sync file against one account.

    `client` is needed for `run` only; give it `on_response=traffic.record` of the Traffic that is passed here, to have
    requests, 429s and waiting counted. `retry_rejected` sends rows again that Klaviyo refused and that have not
    changed since.
    """

    def __init__(
        self,
        definition: SyncDefinition,
        *,
        state: StateFolder,
        root: Path,
        client: AsyncKlaviyo | None = None,
        connections: Mapping[str, Connection] | None = None,
        progress: Callable[[Progress], None] | None = None,
        traffic: Traffic | None = None,
        now: Callable[[], datetime] = _utc,
        retry_rejected: bool = False,
    ) -> None:
        self.definition = definition
        self.state = state
        self.root = root
        self.client = client
        self.connections = connections or {}
        self.traffic = traffic or Traffic()
        self.now = now
        self.retry_rejected = retry_rejected
        self.meter = Meter(progress, self.traffic, client)
        self._stop = False

    def stop(self) -> None:
        """Ends the run after the requests in flight; the rest is deferred. May be called from a signal handler."""
        self._stop = True

    def _stopping(self) -> bool:
        return self._stop

    def check(self) -> list[Mistake]:
        """What is wrong with the file against its source, all of it; nothing is sent or kept."""
        planner = self._planner()
        try:
            con, *_ = planner.prepare()
            con.close()
        except InvalidDefinition as error:
            return error.mistakes
        except SourceError as error:
            return [self.definition.place.mistake(("from",), error.what, error.fix)]
        finally:
            shutil.rmtree(planner.folder, ignore_errors=True)
        return []

    def plan(self) -> Plan:
        """What `run` would send, saved in the state folder. Nothing is sent. Raises SourceError, InvalidDefinition."""
        plan = self._planner().make()
        self._prune()
        return plan

    async def run(self) -> RunReport:
        """Finishes an interrupted run, then plans and delivers. Raises SourceError, InvalidDefinition, StateError,
        LeaseHeld; what Klaviyo refuses is in the report."""
        client = self._needed_client()
        with self.state.lease(self.definition.account):
            renewal = asyncio.create_task(self._renew())
            try:
                return await self._run(client)
            finally:
                renewal.cancel()

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(LEASE_SECONDS / 4)
            self.state.renew(self.definition.account)

    async def _run(self, client: AsyncKlaviyo) -> RunReport:
        resumed = None
        for row in self.state.runs.open(self.definition.sync):
            resumed = await self._resume(client, row) or resumed
            if resumed is not None and (resumed.halt is not None or resumed.state == "waiting"):
                return resumed
        plan = self._planner().make()
        run = self.state.runs.start("push", self.definition.sync, self.definition.account, plan.to_dict())
        ledger = Ledger(self.state.db, run)
        ledger.open(plan.batches, plan.findings)
        report = await self._work(client, run, plan, ledger)
        report.resumed = resumed
        self._prune()
        return report

    def _needed_client(self) -> AsyncKlaviyo:
        if self.client is None:
            raise ValueError("Push.run needs a client")
        return self.client

    # Planning

    def _planner(self) -> Planner:
        folder = self.state.folder("plans", self.definition.sync) / f"{_utc():%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:6]}"
        (folder / "temp").mkdir(parents=True)
        phases: dict[str, Phase] = {"reading": "reading", "planning": "planning"}
        return Planner(
            self.definition,
            self.root,
            self.connections,
            folder,
            self._snapshot(),
            self.now(),
            {} if self.retry_rejected else self._settled(),
            self.state.consents.is_erased if self.state.consents.any_erased() else None,
            lambda phase, rows: self.meter.enter(phases[phase], rows),
        )

    def _snapshot(self) -> Path:
        return self.state.folder("snapshots", self.definition.account) / f"{self.definition.sync}.parquet"

    def _settled(self) -> dict[tuple[str, str], Finding]:
        """Rows that the last finished run left refused, or consents that it left accepted: not sent again unchanged."""
        last = self.state.runs.last(self.definition.sync, "finished")
        if last is None:
            return {}
        released = self.state.dead_letters.released(self.definition.sync)
        return {
            (f.key, f.hash): f
            for f in Ledger(self.state.db, last["id"]).findings()
            if f.key is not None
            and f.hash is not None
            and (f.row_class == "rejected" or f.code == "consent.pending")
            and (f.key, f.hash) not in released
        }

    def _prune(self) -> None:
        """Removes old plans and what a killed planner left: they hold personal data. Plans of open runs stay."""
        self.state.runs.prune(self.definition.sync, KEPT_RUNS)
        needed = {str(_header(row)["plan"]) for row in self.state.runs.open(self.definition.sync)}
        folders = sorted(self.state.folder("plans", self.definition.sync).iterdir())
        saved = [folder for folder in folders if (folder / "plan.json").exists()]
        abandoned = [f for f in folders if f not in saved and time.time() - f.stat().st_mtime > ABANDONED]
        for folder in [*saved[:-KEPT_PLANS], *abandoned]:
            if folder.name not in needed:
                shutil.rmtree(folder, ignore_errors=True)

    # Running

    async def _resume(self, client: AsyncKlaviyo, row: sqlite3.Row) -> RunReport | None:
        """Goes on with a run that was killed, stopped, or whose jobs were still working."""
        ledger = Ledger(self.state.db, row["id"])
        try:
            plan = Plan.open(self.state.folder("plans", self.definition.sync) / _header(row)["plan"])
        except StateError:
            plan = None
        if plan is None or plan.header.to != self.definition.to or not ledger.batches():
            # Nothing to go by: the plan is gone, is another sync's under this name, or was never written to the ledger.
            # The new plan brings again what was not confirmed, and all of it may be sent twice.
            self.state.runs.finish(row["id"], "failed", None)
            return None
        return await self._work(client, row["id"], plan, ledger)

    async def _work(self, client: AsyncKlaviyo, run: str, plan: Plan, ledger: Ledger) -> RunReport:
        began, started = time.monotonic(), self.now()
        self.meter.total = plan.batches[-1].hi if plan.batches else 0
        self.meter.rows = 0  # planning has counted rows of the source, from here on entries of the plan count
        read_back = ReadBack()
        halt: HaltNote | None = None
        if plan.header.halt:
            halt = HaltNote(plan.header.halt, plan.header.halt_detail, reason(plan.header.halt).fix)
        elif plan.batches:
            rows = PlanRows(plan.path)
            try:
                read_back = await self._deliver(client, ledger, rows)
            except Halt as error:
                halt = HaltNote(error.code, error.what, error.fix or reason(error.code).fix)
            except KlaviyoError as error:
                end = halt_for(error)
                halt = HaltNote(end.code, end.what, reason(end.code).fix)
            except SyncError:
                if all(b.state == "intent" for b in ledger.batches()):
                    self.state.runs.finish(run, "failed", None)
                raise
            finally:
                rows.close()
        if halt is None and self._stop:
            halt = HaltNote("stopped", reason("stopped").what, reason("stopped").fix)
        self.meter.enter("done", self.meter.total)
        return self._close(run, plan, ledger, halt, read_back, started, time.monotonic() - began)

    async def _deliver(self, client: AsyncKlaviyo, ledger: Ledger, rows: PlanRows) -> ReadBack:
        await self._bind(client)
        lists = await resolve(client, self.definition, ledger.batches())
        work = Work(client, self.definition, ledger, rows, self.meter, lists, self._stopping, self.state.consents)
        ledger.forget("part.waits")
        for stage in sorted({ROUTES[batch.route].stage for batch in ledger.batches()}):
            batches = [b for b in ledger.batches("intent", "sent") if ROUTES[b.route].stage == stage]
            if stage and batches:
                self._hold_back(ledger, rows, batches)
            self.meter.enter("sending", self.meter.rows)
            await send(work, batches)
            self.meter.enter("confirming", self.meter.rows)
            await settle(work)
        return work.read_back

    async def _bind(self, client: AsyncKlaviyo) -> None:
        """Asks who answers, before anything is sent: a wrong key costs one request, another account's snapshot none."""
        response = await client.send("get_accounts", query={"fields[account]": "public_api_key"})
        self.state.bind_account(self.definition.account, str(response.json()["data"][0]["id"]))

    @staticmethod
    def _hold_back(ledger: Ledger, rows: PlanRows, batches: list[Batch]) -> None:
        """Entries of rows whose first stage is not confirmed wait for the next run."""
        first = [b for b in ledger.batches() if ROUTES[b.route].stage == 0]
        end = max((b.hi for b in first), default=0)  # the plan is in the order of the stages
        waiting_rows = {f.row for f in ledger.findings() if f.n is not None and f.n < end}
        for batch in first:
            if batch.state != "confirmed":
                waiting_rows.update(row.row for row in rows.read(batch.lo, batch.hi))
        for batch in batches if waiting_rows else ():
            out = ledger.excepted(batch.lo, batch.hi)
            ledger.note([_waits(row) for row in rows.read(batch.lo, batch.hi, out) if row.row in waiting_rows])

    @staticmethod
    def _state(run: str, plan: Plan, batches: list[Batch], halt: HaltNote | None) -> str:
        """A run that never sent anything is not resumed: the next one reads the source anew."""
        if halt is not None and not plan.header.halt:
            return "stopped" if any(b.state != "intent" for b in batches) else "failed"
        if waiting(batches) and _utc() - _registered(run) < LONGEST_JOB:
            return "waiting"
        return "finished"

    def _close(
        self,
        run: str,
        plan: Plan,
        ledger: Ledger,
        halt: HaltNote | None,
        read_back: ReadBack,
        started: datetime,
        seconds: float,
    ) -> RunReport:
        """Moves the snapshot by what is confirmed, then writes the report: a crash in between repeats the same."""
        batches = ledger.batches()
        before = {} if self.retry_rejected else self._settled()
        outcome = Outcome(plan.path, plan.header, batches, ledger.findings())
        try:
            outcome.delivered()
            advance(outcome.con, self._snapshot())
            state = self._state(run, plan, batches, halt)
            report = RunReport(
                run=run,
                sync=self.definition.sync,
                account=self.definition.account,
                to=self.definition.to,
                started=started.isoformat(timespec="seconds"),
                seconds=round(seconds, 3),
                state=state,
                rows_read=plan.header.rows_read,
                classes=outcome.classes(),
                new=plan.header.new,
                changed=plan.header.changed,
                gone=plan.header.gone,
                removed=outcome.removed(),
                moved_on=plan.header.moved_on,
                requests=dict(self.traffic.requests),
                throttled=self.traffic.throttled,
                waited=round(self.traffic.waited, 3),
                budget_used=round(self.meter.budget_used(), 4),
                groups=outcome.groups(batches),
                read_back=msgspec.to_builtins(read_back),
                halt=halt,
            )
        finally:
            outcome.close()
        sync, account = self.definition.sync, self.definition.account
        self.state.dead_letters.settle(sync, account, run, outcome.findings, before)
        self.state.runs.finish(run, state, report.to_dict(reveal=False))
        return report


def _registered(run: str) -> datetime:
    """When the run was planned: its id begins with it."""
    return datetime.strptime(run.partition("-")[0], "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)


def _header(row: sqlite3.Row) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.json.decode(row["header"])
    return data


def _waits(row: PlanRow) -> Finding:
    message = "its profile is not confirmed"
    return Finding(row.row, row.n, row.key, row.digest, "deferred", "part.waits", row.part, row.identity, message)
