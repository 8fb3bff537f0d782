"""Runs one account: fans out, reads windows lane by lane, and loads each as soon as it is read.

Every failure is kept to what it concerns: a window, a lane, or the account.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import date

import asyncpg

from etl import schema
from etl.errors import (
    AccessRefused,
    AnswerUnreadable,
    EndpointClosed,
    EtlError,
    ExchangeDown,
    FailAccount,
    FailWindow,
    RequestRefused,
    TryAgain,
)
from etl.extract.client import Client, Paid, Try
from etl.extract.log import read_log
from etl.extract.request import revisit_drafts, window_drafts
from etl.extract.walk import Fetch, OnPage, Page, Reading, read_window
from etl.load.coverage import Coverage, CoverageOf, expect_partitions, read_coverage, retire_partitions
from etl.load.lease import Lease, Totals
from etl.load.rejects import UPDATES_FAILED, WINDOW_FAILED, resolve_known_fields, resolve_unasked
from etl.load.roster import introduce, read_members
from etl.load.upsert import Stamp
from etl.load.window import WindowLoad, commit_failure, commit_page, commit_revisit, commit_window
from etl.normalize.rows import Context, known_fields, read_value
from etl.query.density import read_density
from etl.reads import Log
from etl.stream import Account, Draft, Member, Partition, Roster, Stream
from etl.sync.lanes import Lane
from etl.sync.loading import Effort, place_of, raw_pages, tried_requests, window_load
from etl.sync.logs import KnownRows
from etl.sync.plan import Asked, Densities, Job, expected_requests, horizon, horizon_start, jobs, lane_key, revisit_job
from etl.sync.progress import Progress
from etl.warehouse.engine import acquired, warehouse_errors
from etl.windows import Window

MOST_FAILED_AT_FIRST = 3


@dataclass(slots=True)
class AccountRun:
    """One account during one command. `totals` are filled as it goes, and are true however it ends."""

    account: Account
    asked: Asked
    client: Client
    pool: asyncpg.Pool
    lease: Lease
    totals: Totals
    progress: Progress
    lanes: dict[tuple[str, str], Lane]
    today: date
    _members: dict[str, Member] = field(default_factory=dict)
    _coverage: CoverageOf = field(default_factory=dict)
    _density: Densities = field(default_factory=dict)
    _scheduled: set[tuple[str, str]] = field(default_factory=set)
    _proven: bool = False
    _refusal: FailAccount | None = None
    _failed_at_first: int = 0
    _proving: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self) -> None:
        """Reads and loads all that is due. Raises FailAccount and StopRun; failures of windows are counted."""
        async with acquired(self.pool) as connection:
            self._coverage = await read_coverage(connection, self.account.name)
            self._density = await read_density(connection, self.account.name)
            await introduce(connection, self.account, self._stamp())
            known = {stream.name: sorted(known_fields(stream)) for stream in self.account.streams}
            await resolve_known_fields(connection, self._stamp(), known)
            self._members = await read_members(connection, self.account.name)
        if any(self.asked.wants(stream) and _lists_people(stream) for stream in self.account.streams):
            # The list is about to tell who is still there: whoever has left is not asked for.
            self._members = {name: one for name, one in self._members.items() if one.origin != "list"}
        workers: list[asyncio.Task[None]] = []
        async with asyncio.TaskGroup() as group:
            for lane in self.lanes.values():
                workers += [group.create_task(self._work(lane)) for _ in range(lane.workers)]
            await self._schedule(waiting_for_facts=False)
            await self._drained()
            await self._look_again()
            for worker in workers:
                worker.cancel()
        if self.asked.command == "sync":
            streams = [stream.name for stream in self.account.streams] if self.asked.is_narrowed else None
            async with acquired(self.pool) as connection:
                await retire_partitions(connection, self.account.name, self._scheduled, streams=streams)
                await resolve_unasked(connection, self._stamp(), self._scheduled, streams=streams)

    async def _look_again(self) -> None:
        """Asks for whoever the warehouse knows besides, as where a list could not be read; then for people whom facts
        mention, and for the facts of whoever that made known."""
        for waiting_for_facts in (False, True, False):
            async with acquired(self.pool) as connection:
                self._members = await read_members(connection, self.account.name)
            await self._schedule(waiting_for_facts=waiting_for_facts)
            await self._drained()

    async def _drained(self) -> None:
        """Waits until no lane has work; a lane's last job may still have given work to another."""
        while any(lane.unfinished for lane in self.lanes.values()):
            for lane in self.lanes.values():
                await lane.waiting.join()

    # -------------------------------------------------------------------------------------------- fan-out

    async def _schedule(self, *, waiting_for_facts: bool) -> None:
        for stream in self.account.streams:
            if self.asked.wants(stream) and stream.waits_for_facts == waiting_for_facts:
                await self._fan_out(stream)

    async def _fan_out(self, stream: Stream) -> None:
        """Queues the partitions that are not queued yet: those of the warehouse at first, then of arriving pages."""
        roster = Roster(self._members, full=self.asked.full)
        new: list[Partition] = []
        for partition in stream.fan_out(self.account, roster):
            if (stream.name, partition.key) not in self._scheduled:
                self._scheduled.add((stream.name, partition.key))
                new.append(partition)
        if not new:
            return
        dated = stream.reads.has_past
        horizons = [(each.key, horizon_start(self.account, each) if dated else None) for each in new]
        async with acquired(self.pool) as connection:
            await expect_partitions(connection, self.account.name, stream.name, horizons)
        for partition in new:
            covered = self._coverage.get((stream.name, partition.key), Coverage())
            revisit = revisit_job(self.account, stream, partition, self.asked, covered=covered, today=self.today)
            if revisit is not None:
                self._queue(revisit)
            else:
                self._queue_windows(stream, partition, covered)

    def _queue_windows(self, stream: Stream, partition: Partition, covered: Coverage) -> None:
        for job in jobs(self.account, stream, partition, self.asked, covered=covered, today=self.today):
            self._queue(job)

    def _queue(self, job: Job) -> None:
        self.lanes[lane_key(self.account, job.stream)].add(job)
        self.progress.expected(self.account.name, job.stream.name, expected_requests(job, self._density))

    async def _meet(self, stream: Stream, job: Job, page: Page) -> None:
        """Makes the people of a page known, and fans out to them before the rest of the list has arrived."""
        context = Context(job.partition, job.window, self.account.zone, page.paid.sent_at)
        met: dict[str, Member] = {}
        for into in stream.into:
            if into.table is not schema.invitee:
                continue
            for raw in page.rows:
                if not isinstance(raw, dict) or (into.skip is not None and into.skip(raw)):
                    continue
                known = {each.name: read_value(into, each.name, raw, context) for each in fields(Member)}
                if known["invitee_id"] is not None:
                    met[known["invitee_id"]] = Member(**known)
        if met and not stream.waits_for_facts:
            self._members |= met
            for each in self.account.streams:
                if each.needs_roster and not each.waits_for_facts and self.asked.wants(each):
                    await self._fan_out(each)

    # -------------------------------------------------------------------------------------------- reading

    async def _work(self, lane: Lane) -> None:
        while True:
            _, _, job = await lane.waiting.get()
            try:
                await self._attempt(job, lane)
            finally:
                lane.done()

    async def _attempt(self, job: Job, lane: Lane) -> None:
        if lane.down:
            self._leave(job)
            return
        effort = Effort()
        try:
            await self._read_and_load(job, lane, effort)
            lane.failures_in_a_row = 0
        except FailAccount as fault:
            await self._record(job, effort, fault)
            raise
        except (FailWindow, TryAgain) as fault:
            if lane.is_closed and not effort.tries:
                self._leave(job)
                return
            lane.failures_in_a_row = lane.failures_in_a_row + 1 if isinstance(fault, TryAgain) else 0
            lane.is_closed = lane.is_closed or isinstance(fault, EndpointClosed)
            self.totals.failures += 1
            self.progress.failed(self.account.name, job.stream.name, f"{job}: {fault}")
            await self._record(job, effort, fault)
            if job.revisit:
                self._queue_windows(job.stream, job.partition, self._coverage[job.stream.name, job.partition.key])
            if lane.down:
                state = "closed" if lane.is_closed else "taken to be down"
                message = f"{job.stream.path} is {state}; its other windows are left for the next run"
                self.progress.failed(self.account.name, job.stream.name, message)

    def _leave(self, job: Job) -> None:
        self.totals.failures += 1
        self.progress.left(self.account.name, str(job))

    async def _read_and_load(self, job: Job, lane: Lane, effort: Effort) -> None:
        def told(tried: Try) -> None:
            self.totals.requests += 1
            effort.tries.append((tried, None))

        async def fetch(draft: Draft) -> Paid:
            return await self._fetch(draft, lane, told)

        async def on_page(page: Page) -> None:
            effort.add(page)
            self.progress.answered(self.account.name, job.stream.name)
            await self._meet(job.stream, job, page)

        if isinstance(job.stream.reads, Log):
            reading = await self._read_log(job, fetch, on_page, effort)
        else:
            reading = await read_window(job.stream, self._drafter(job), fetch, on_page=on_page)
        window = self._horizon(job.partition) if job.revisit else job.window
        load = window_load(self.account, job, reading, window=window, effort=effort, run_id=self.lease.run_id)
        async with acquired(self.pool) as connection:
            await self._load(connection, job, load)

    async def _read_log(self, job: Job, fetch: Fetch, on_page: OnPage, effort: Effort) -> Reading:
        """Reads what is new in a log, and loads each page as it comes: a log has no windows to go on from."""

        async def keep(page: Page) -> None:
            await on_page(page)
            reading = Reading(page.paid.sent_at, page.rows, payloads=[], is_whole=False)
            run_id = self.lease.run_id
            load = window_load(self.account, job, reading, window=job.window, effort=effort, run_id=run_id)
            async with acquired(self.pool) as connection:
                self.totals.rows += await commit_page(connection, load)
            effort.tries.clear()

        [into] = job.stream.into
        context = Context(job.partition, job.window, self.account.zone, self.client.clock())
        rows = KnownRows(self.pool, self.account, into, context)
        return await read_log(
            job.stream,
            self._drafter(job),
            fetch,
            known=await rows.count(),
            unknown=rows.unknown,
            on_page=keep,
            may_shrink=self.asked.accept_removals,
        )

    async def _load(self, connection: asyncpg.pool.PoolConnectionProxy, job: Job, load: WindowLoad) -> None:
        if job.revisit:
            for row in load.rejects:
                if row.day is None:
                    raise AnswerUnreadable(f"a changed row tells no day: {row.column} {row.reason}")
            due = await commit_revisit(connection, load, tells=self._named(job), day_of=self.account.today)
            covered = self._coverage[job.stream.name, job.partition.key]
            self._queue_windows(job.stream, job.partition, Coverage(covered.loaded, covered.final - due))
            return
        counts = await commit_window(connection, load, accept_removals=self.asked.accept_removals)
        self.totals.windows += 1
        self.totals.rejects += len(load.rejects)
        self.totals.rows += counts
        self.progress.loaded(self.account.name, str(job), counts, rejects=len(load.rejects))

    async def _fetch(self, draft: Draft, lane: Lane, told: Callable[[Try], None]) -> Paid:
        """One answer. Until the account has had a good one, requests go out one at a time: a wrong key is then told
        by a single request and not by one of every lane."""
        if not self._proven:
            async with self._proving:
                if self._refusal is not None:
                    raise self._refusal
                if lane.is_closed:
                    raise EndpointClosed("the endpoint is closed, nothing was asked")
                if not self._proven:
                    return await self._prove(draft, lane, told)
        return await self.client.fetch(self.account, draft, lane.pace, told, may_send=self._still_held)

    async def _still_held(self) -> None:
        with warehouse_errors():
            await self.lease.confirm()

    async def _prove(self, draft: Draft, lane: Lane, told: Callable[[Try], None]) -> Paid:
        try:
            paid = await self.client.fetch(self.account, draft, lane.pace, told, may_send=self._still_held)
        except FailAccount as fault:
            self._refusal = fault
            raise
        except (RequestRefused, AnswerUnreadable, TryAgain) as fault:
            self._failed_at_first += 1
            if self._failed_at_first < MOST_FAILED_AT_FIRST:
                raise
            self._refusal = _given_up(fault)
            raise self._refusal from fault
        self._proven = True
        return paid

    def _drafter(self, job: Job) -> Callable[..., Draft]:
        if not job.revisit:
            return window_drafts(job.stream, self.account, job.partition, job.window)
        return revisit_drafts(
            job.stream, self.account, job.partition, changed_in=job.window, horizon=self._horizon(job.partition)
        )

    def _horizon(self, partition: Partition) -> Window:
        return horizon(self.account, partition, self.asked, self.today).windows[0]

    async def _record(self, job: Job, effort: Effort, fault: EtlError) -> None:
        """Keeps what a window cost that was not loaded, and why it was not."""
        kind = UPDATES_FAILED if job.revisit else WINDOW_FAILED
        async with acquired(self.pool) as connection:
            await commit_failure(
                connection,
                self._stamp(),
                place_of(self.account, job),
                pages=raw_pages(effort, loaded=False),
                requests=tried_requests(effort, loaded=False),
                kind=None if isinstance(fault, FailAccount) else kind,
                message=f"{job}: {fault}",
            )

    def _named(self, job: Job) -> str:
        if job.stream.revisit is None:
            raise TypeError(f"{job.stream.name} has no reading by time of change")
        return job.stream.revisit.names

    def _stamp(self) -> Stamp:
        return Stamp(self.account.name, self.account.source.name, self.lease.run_id, self.client.clock())


def _lists_people(stream: Stream) -> bool:
    """Whether a reading of the stream tells of everybody."""
    return any(into.table is schema.invitee and into.scope is not None for into in stream.into)


def _given_up(fault: RequestRefused | AnswerUnreadable | TryAgain) -> FailAccount:
    """What it means that none of the first requests brought an answer."""
    if isinstance(fault, AnswerUnreadable):
        return ExchangeDown(f"{fault}; none of the first answers could be read, all is left for the next run")
    if isinstance(fault, TryAgain):
        return ExchangeDown(f"{fault}; the exchange is taken to be down, all is left for the next run")
    return AccessRefused(f"{fault}; none of the first requests was accepted, check the account's keys")
