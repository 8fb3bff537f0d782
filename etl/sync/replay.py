"""Normalises again what was read before, from its raw pages: no request is made.

Readings come in the order in which they were made, by the rules and in the transactions of a sync: the same program
comes to the same rows, and a later one to what it makes of the same answers. Each day is loaded from the last reading
that covers it, and what has no day yields to what later readings wrote, so older values never pass through the tables.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import asyncpg

from etl.errors import AnswerUnreadable, FailWindow, TryAgain
from etl.extract.client import Paid
from etl.extract.request import Answer, judged, raw_rows
from etl.extract.walk import Fetch, Reading, read_window
from etl.load.coverage import Place, read_coverage
from etl.load.lease import Lease, Totals
from etl.load.raw import StoredPage, StoredReading, stored_pages, stored_readings
from etl.load.rejects import count_rejects, forget_rejects
from etl.load.roster import introduce
from etl.load.upsert import Counts, Stamp
from etl.load.window import TableRows, WindowLoad, commit_page, commit_window
from etl.reads import Log
from etl.stream import Account, Draft, Params, Partition, Source, Stream
from etl.sync.loading import Effort, window_load
from etl.sync.plan import Asked, Job
from etl.sync.progress import Progress
from etl.warehouse.engine import acquired
from etl.windows import ONE_DAY, Days, Window


@dataclass(frozen=True, slots=True)
class Part:
    """What of a stored reading is loaded: the window that it is the newest to tell of."""

    reading: StoredReading
    window: Window


def newest_parts(stream: Stream, readings: Sequence[StoredReading], wanted: Days) -> list[Part]:
    """What is to be loaded of `readings`, which come oldest first: each day from the last that has it. A log has no
    days: every reading of it tells of other entries."""
    parts: list[Part] = []
    taken: dict[str, Days] = defaultdict(Days)
    for reading in reversed(readings):
        days = Days((reading.window,)) - taken[reading.partition]
        if not isinstance(stream.reads, Log):
            taken[reading.partition] |= days
        parts += [Part(reading, window) for window in stream.reads.parts(reading.window, days & wanted)]
    return parts[::-1]


@dataclass(slots=True)
class AccountReplay:
    """One account during one replay. `totals` are filled as it goes, and are true however it ends."""

    account: Account
    asked: Asked
    pool: asyncpg.Pool
    lease: Lease
    totals: Totals
    progress: Progress
    clock: Callable[[], datetime]

    async def run(self) -> None:
        """Replays stream by stream. Raises StopRun; failures of windows are counted."""
        wanted = Days.between(self.asked.first or date.min, (self.asked.last or date.max - ONE_DAY) + ONE_DAY)
        async with acquired(self.pool) as connection:
            await introduce(connection, self.account, self._stamp)
        for stream in self.account.streams:
            async with acquired(self.pool) as connection:
                readings = await stored_readings(connection, self.account.name, stream.name)
            parts = newest_parts(stream, readings, wanted)
            self.progress.expected(self.account.name, stream.name, len(parts))
            for part in parts:
                await self._attempt(stream, part)
            if isinstance(stream.reads, Log):
                await self._forget_rejects(stream, parts)
            await self._tell_what_is_gone(stream, parts, wanted)
        async with acquired(self.pool) as connection:
            self.totals.rejects = await count_rejects(connection, self._stamp)

    async def _attempt(self, stream: Stream, part: Part) -> None:
        try:
            job = Job(stream, _partition(stream, part.reading.partition), part.window)
            async with acquired(self.pool) as connection:
                pages = await stored_pages(connection, self.account.name, stream.name, part.reading)
            counts = await (self._replay_log if isinstance(stream.reads, Log) else self._replay_window)(job, pages)
        except (FailWindow, TryAgain) as fault:
            self.totals.failures += 1
            told = " ".join(filter(None, [stream.name, part.reading.partition, str(part.window)]))
            self.progress.failed(self.account.name, stream.name, f"{told}: {fault}")
            return
        self.totals.windows += 1
        self.totals.rows += counts
        self.progress.answered(self.account.name, stream.name)
        self.progress.loaded(self.account.name, str(job), counts, rejects=0)

    async def _replay_window(self, job: Job, pages: Sequence[StoredPage]) -> Counts:
        reading = await read_window(job.stream, _drafter(job.stream), _from_pages(self.account.source, pages))
        async with acquired(self.pool) as connection:
            load = self._load(job, reading)
            return await commit_window(connection, load, accept_removals=self.asked.accept_removals)

    async def _replay_log(self, job: Job, pages: Sequence[StoredPage]) -> Counts:
        """Page by page, as a log is loaded."""
        counts = Counts()
        for page in pages:
            rows = raw_rows(job.stream, judged(Answer(page.http_status, page.body), self.account.source))
            load = self._load(job, Reading(page.began_at, rows, payloads=[], is_whole=False))
            async with acquired(self.pool) as connection:
                counts += await commit_page(connection, load)
        return counts

    def _load(self, job: Job, reading: Reading) -> WindowLoad:
        """What a sync would commit, but for the pages, which are there. What has no day is left alone where a later
        reading has spoken of it. Where an update reading may have made days due since, none is made final again."""
        load = window_load(self.account, job, reading, window=job.window, effort=Effort(), run_id=self.lease.run_id)
        return replace(
            load,
            stamp=replace(load.stamp, restated_at=self.clock()),
            tables=[_aged(rows, reading.began_at) for rows in load.tables],
            final=load.final if job.stream.revisit is None else Days(),
            is_replay=True,
        )

    @property
    def _stamp(self) -> Stamp:
        return Stamp(self.account.name, self.account.source.name, self.lease.run_id, self.clock())

    async def _forget_rejects(self, stream: Stream, parts: Sequence[Part]) -> None:
        """Takes away the rejects of a log that the replayed runs had, and this one has not."""
        for partition in {part.reading.partition for part in parts}:
            runs = {part.reading.run_id for part in parts}
            async with acquired(self.pool) as connection:
                await forget_rejects(connection, Place(self.account.name, stream.name, partition), runs)

    async def _tell_what_is_gone(self, stream: Stream, parts: Sequence[Part], wanted: Days) -> None:
        """Says how many loaded days have no pages any more: they stay as they are."""
        async with acquired(self.pool) as connection:
            coverage = await read_coverage(connection, self.account.name)
        replayed: dict[str, Days] = defaultdict(Days)
        for part in parts:
            replayed[part.reading.partition] |= Days((part.window,))
        gone = [
            len(covered.loaded & wanted - replayed[partition])
            for (name, partition), covered in coverage.items()
            if name == stream.name
        ]
        if any(gone):
            told = f"{sum(gone)} loaded days of {sum(map(bool, gone))} partitions have no raw pages any more"
            self.progress.noted(self.account.name, stream.name, f"{told}; they stay as they are")


def _aged(rows: TableRows, began_at: datetime) -> TableRows:
    if rows.within is not None or rows.scope is None:
        return rows
    return replace(rows, scope=replace(rows.scope, loaded_by=began_at))


def _partition(stream: Stream, key: str) -> Partition:
    try:
        return stream.partition(key)
    except ValueError:
        raise AnswerUnreadable(f"which value of {key!r} is which cannot be told") from None


def _drafter(stream: Stream) -> Callable[[Params], Draft]:
    return lambda page: Draft(stream.method, stream.path, page)


def _from_pages(source: Source, pages: Sequence[StoredPage]) -> Fetch:
    """Gives the pages in the order in which they came, whatever is asked for."""
    left = iter(pages)

    async def fetch(draft: Draft) -> Paid:
        page = next(left, None)
        if page is None:
            raise AnswerUnreadable("its raw pages do not make a whole reading")
        answer = Answer(page.http_status, page.body)
        return Paid(draft, answer, judged(answer, source), page.began_at, page.received_at)

    return fetch
