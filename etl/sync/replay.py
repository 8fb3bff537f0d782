"""Normalises again what was read before, from its raw pages: no request is made.

Readings come in the order in which they were made, by the rules and in the transactions of a sync: the same program
comes to the same rows, and a later one to what it makes of the same answers. Each day is loaded from the last reading
that covers it, and what has no day yields to what later readings wrote, so older values never pass through the tables.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import asyncpg

from etl.errors import AnswerUnreadable, FailWindow, TryAgain
from etl.extract.client import Paid
from etl.extract.request import Answer, judged, raw_rows, window_drafts
from etl.extract.walk import Fetch, Reading, read_window
from etl.load.coverage import read_coverage
from etl.load.lease import Lease, Totals
from etl.load.raw import StoredPage, StoredReading, stored_pages, stored_readings
from etl.load.rejects import RejectedRow, count_rejects, replace_rejects
from etl.load.roster import introduce
from etl.load.upsert import Counts, Stamp
from etl.load.window import TableRows, WindowLoad, commit_page, commit_window
from etl.reads import Log, Snapshot
from etl.stream import Account, Draft, Params, Partition, Source, Stream
from etl.sync.loading import Effort, place_of, window_load
from etl.sync.plan import Asked, Job
from etl.sync.progress import Progress
from etl.warehouse.engine import acquired, warehouse_errors
from etl.windows import ONE_DAY, Days, Window


@dataclass(frozen=True, slots=True)
class Part:
    """What of a stored reading is loaded: the window that it is the newest to tell of. `is_newest` of its partition
    says that no later one has spoken of the present."""

    reading: StoredReading
    window: Window
    is_newest: bool


def newest_parts(stream: Stream, readings: Sequence[StoredReading], wanted: Days) -> list[Part]:
    """What is to be loaded of `readings`, which come oldest first: each day from the last that has it. Lists of people
    and logs have no days: every reading of them counts, but for lists of one moment, of which the last does."""
    parts: list[Part] = []
    taken: dict[str, Days] = {}
    moments: set[tuple[str, datetime]] = set()
    for reading in reversed(readings):
        moment = (reading.partition, reading.began_at)
        if isinstance(stream.reads, Snapshot) and moment in moments:
            continue
        moments.add(moment)
        whole = Days((reading.window,))
        known = taken.get(reading.partition)
        days = whole if known is None or not stream.reads.has_past else whole - known
        taken[reading.partition] = whole | (known or Days())
        windows = stream.reads.parts(reading.window, days & wanted)
        parts += [Part(reading, window, is_newest=known is None) for window in windows]
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
        last = min(self.asked.last or date.max, date.max - ONE_DAY)
        wanted = Days.between(self.asked.first or date.min, last + ONE_DAY)
        async with acquired(self.pool) as connection:
            await introduce(connection, self.account, self._stamp)
        for stream in self.account.streams:
            async with acquired(self.pool) as connection:
                readings = await stored_readings(connection, self.account.name, stream.name)
            parts = newest_parts(stream, readings, wanted)
            self.progress.expected(self.account.name, stream.name, len(parts))
            for part in parts:
                await self._attempt(stream, part)
            await self._tell_what_is_gone(stream, parts, wanted)
        async with acquired(self.pool) as connection:
            self.totals.rejects = await count_rejects(connection, self._stamp)

    async def _attempt(self, stream: Stream, part: Part) -> None:
        try:
            with warehouse_errors():
                await self.lease.confirm()
            job = Job(stream, _partition(stream, part.reading.partition), part.window)
            async with acquired(self.pool) as connection:
                pages = await stored_pages(connection, self.account.name, stream.name, part.reading)
            self._require_same_question(job, part.reading, pages[0])
            if isinstance(stream.reads, Log):
                counts = await self._replay_log(job, pages, is_newest=part.is_newest)
            else:
                counts = await self._replay_window(job, pages, is_newest=part.is_newest)
        except (FailWindow, TryAgain) as fault:
            self.totals.failures += 1
            told = " ".join(filter(None, [stream.name, part.reading.partition, str(part.window)]))
            self.progress.failed(self.account.name, stream.name, f"{told}: {fault}")
            return
        self.totals.windows += 1
        self.totals.rows += counts
        self.progress.answered(self.account.name, stream.name)
        self.progress.loaded(self.account.name, str(job), counts, rejects=0)

    def _require_same_question(self, job: Job, reading: StoredReading, page: StoredPage) -> None:
        """What was asked in another zone, or spelled otherwise, is the answer to another question."""
        today = window_drafts(job.stream, self.account, job.partition, reading.window)({})
        if not today.params.items() <= page.request["params"].items():
            raise AnswerUnreadable("was asked for otherwise than etl.toml and this version would; it is left as it is")

    async def _replay_window(self, job: Job, pages: Sequence[StoredPage], *, is_newest: bool) -> Counts:
        left = iter(pages)
        reading = await read_window(job.stream, _drafter(job.stream), _from_pages(self.account.source, left))
        if next(left, None) is not None:
            raise AnswerUnreadable("its raw pages hold more than this version takes for a whole reading")
        async with acquired(self.pool) as connection:
            load = self._load(job, reading, is_newest=is_newest)
            return await commit_window(connection, load, accept_removals=self.asked.accept_removals)

    async def _replay_log(self, job: Job, pages: Sequence[StoredPage], *, is_newest: bool) -> Counts:
        """Page by page, as a log is loaded. What is set aside is what the newest reading sets aside, since each goes as
        far back as that."""
        counts, rejects = Counts(), list[RejectedRow]()
        for page in pages:
            rows = raw_rows(job.stream, judged(Answer(page.http_status, page.body), self.account.source))
            load = self._load(job, Reading(page.began_at, rows, payloads=[], is_whole=False), is_newest=True)
            rejects += load.rejects
            async with acquired(self.pool) as connection:
                counts += await commit_page(connection, replace(load, rejects=()))
        if is_newest:
            once = {row.raw: row for row in rejects}
            async with acquired(self.pool) as connection, connection.transaction():
                await replace_rejects(connection, self._stamp, place_of(self.account, job), list(once.values()))
        return counts

    def _load(self, job: Job, reading: Reading, *, is_newest: bool) -> WindowLoad:
        """What a sync would commit, but for the pages, which are there. What speaks for the present yields to later
        readings. Where an update reading may have made days due since, none is made final again."""
        load = window_load(self.account, job, reading, window=job.window, effort=Effort(), run_id=self.lease.run_id)
        has_past = job.stream.reads.has_past
        return replace(
            load,
            stamp=replace(load.stamp, restated_at=self.clock()),
            tables=load.tables if has_past else [_aged(rows, reading.began_at) for rows in load.tables],
            rejects=load.rejects if has_past or is_newest else (),
            replaces_rejects=has_past or is_newest,
            final=load.final if job.stream.revisit is None else Days(),
            is_replay=True,
        )

    @property
    def _stamp(self) -> Stamp:
        return Stamp(self.account.name, self.account.source.name, self.lease.run_id, self.clock())

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
    """The rows as those of a reading that says nothing of what was loaded after it."""
    return rows if rows.scope is None else replace(rows, scope=replace(rows.scope, loaded_by=began_at))


def _partition(stream: Stream, key: str) -> Partition:
    try:
        return stream.partition(key)
    except ValueError:
        raise AnswerUnreadable(f"which value of {key!r} is which cannot be told") from None


def _drafter(stream: Stream) -> Callable[[Params], Draft]:
    return lambda page: Draft(stream.method, stream.path, page)


def _from_pages(source: Source, left: Iterator[StoredPage]) -> Fetch:
    """Gives the pages in the order in which they came, whatever is asked for."""

    async def fetch(draft: Draft) -> Paid:
        page = next(left, None)
        if page is None:
            raise AnswerUnreadable("its raw pages do not make a whole reading")
        answer = Answer(page.http_status, page.body)
        return Paid(draft, answer, judged(answer, source), page.began_at, page.received_at)

    return fetch
