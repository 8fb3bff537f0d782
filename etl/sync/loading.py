"""Turns a reading into what the loader commits: normalised rows, their scope, final days, pages and tries."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

from etl.extract.client import Try
from etl.extract.walk import Page, Reading
from etl.load.coverage import Place
from etl.load.raw import RawPage, TriedRequest
from etl.load.rejects import RejectedRow
from etl.load.upsert import Scope, Stamp
from etl.load.window import TableRows, WindowLoad
from etl.normalize.rows import Batch, Context, new_fields, normalise, scope_of
from etl.stream import Account
from etl.sync.plan import Job
from etl.windows import ONE_DAY, Days, Window


@dataclass(slots=True)
class Effort:
    """What the reading of a window has cost so far: every try, with the page it brought."""

    tries: list[tuple[Try, Page | None]] = field(default_factory=list)

    @property
    def pages(self) -> list[Page]:
        """The pages received so far."""
        return [page for _, page in self.tries if page is not None]

    def add(self, page: Page) -> None:
        """Notes the page that the last try brought."""
        self.tries[-1] = (self.tries[-1][0], page)


def window_load(
    account: Account,
    job: Job,
    reading: Reading,
    *,
    window: Window,
    effort: Effort,
    run_id: int,
) -> WindowLoad:
    """Everything that one transaction commits for a reading. `window` holds the days of the rows that count: the
    job's own, or the whole horizon where the job is a revisit."""
    context = Context(job.partition, window, account.zone, reading.began_at)
    batches = normalise(job.stream, reading.rows, context)
    rejects = [reject for batch in batches for reject in batch.rejects]
    settled = job.stream.reads.settled(job.window, zone=account.zone, read_at=reading.began_at)
    today = account.today(reading.began_at)
    notes = [job.stream.note(payload) for payload in reading.payloads] if job.stream.note else []
    return WindowLoad(
        place=place_of(account, job),
        stamp=Stamp(account.name, account.source.name, run_id, reading.began_at),
        tables=[_table_rows(account, batch, context, whole=reading.is_whole and not job.revisit) for batch in batches],
        loaded=Days((job.window,)) & Days.between(date.min, today + ONE_DAY),
        final=Days() if rejects else settled,
        pages=raw_pages(effort, loaded=not job.revisit),
        requests=tried_requests(effort, loaded=not job.revisit),
        rejects=[
            RejectedRow(table=row.table, column=row.column, reason=row.reason, raw=row.raw, day=row.day)
            for row in rejects
        ],
        updates_read_to=today if job.stream.revisit is not None else None,
        note=next((text for text in notes if text), None),
        new_fields=new_fields(job.stream, reading.rows),
    )


def place_of(account: Account, job: Job) -> Place:
    """Where the job's reading belongs. A revisit speaks for all changes up to now, a snapshot or a log for
    the present."""
    whole = job.revisit or not job.stream.reads.has_past
    return Place(account.name, job.stream.name, job.partition.key, job.window, is_snapshot=whole)


def _table_rows(account: Account, batch: Batch, context: Context, *, whole: bool) -> TableRows:
    into = batch.into
    scope = None
    if whole and into.scope is not None and not batch.rejects:
        # A reading with rejects is not complete: a rejected row must not look like one that is gone.
        scope = Scope({"account": account.name, **scope_of(into, context)}, into.within, *_bounds(batch, context))
    columns = [*into.columns, *into.finish_adds]
    return TableRows(
        table=into.table, columns=columns, rows=batch.rows, scope=scope, within=into.within, mentions=into.mentions
    )


def _bounds(batch: Batch, context: Context) -> tuple[object, object] | tuple[()]:
    within = batch.into.within
    if within is None:
        return ()
    if batch.into.table.c[within].type.python_type is datetime:
        return context.window.span(context.zone)
    return context.window.start, context.window.end


def raw_pages(effort: Effort, *, loaded: bool) -> list[RawPage]:
    """Pages as `raw.page` keeps them, each with the moment its own reading began: what finality is judged by."""
    began_at: dict[int, datetime] = {}
    for page in effort.pages:
        began_at.setdefault(page.reading, page.paid.sent_at)
    return [
        RawPage(
            request={"method": paid.draft.method, "path": paid.draft.path, "params": dict(paid.draft.params)},
            reading=page.reading if loaded else 0,
            number=page.number,
            http_status=paid.answer.http_status,
            began_at=began_at[page.reading],
            received_at=paid.received_at,
            body=paid.answer.body,
        )
        for page in effort.pages
        for paid in [page.paid]
    ]


def tried_requests(effort: Effort, *, loaded: bool) -> list[TriedRequest]:
    """Tries as `ops.request` keeps them, those of the reading that was loaded with their rows: the plan judges by
    them how many pages to expect."""
    counts = max((page.reading for page in effort.pages), default=0) if loaded else -1
    return [
        TriedRequest(
            attempt=tried.attempt,
            sent_at=tried.sent_at,
            answered_at=tried.answered_at,
            http_status=tried.http_status,
            outcome=tried.outcome,
            rows=len(page.rows) if page is not None and page.reading == counts else None,
        )
        for tried, page in effort.tries
    ]
