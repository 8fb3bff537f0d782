"""Commits one window: pages, requests, rows, rejects and coverage in one transaction, or nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Table

from etl.load.coverage import Place, cover, final_days_of, make_due
from etl.load.raw import RawPage, TriedRequest, store_pages, store_requests
from etl.load.rejects import (
    NOTE,
    UPDATES_FAILED,
    WINDOW_FAILED,
    RejectedRow,
    add_rejects,
    note,
    note_new_fields,
    replace_rejects,
    resolve,
)
from etl.load.upsert import (
    Connection,
    Counts,
    Scope,
    Stamp,
    count_missing,
    infer_invitees,
    leave_what_is_newer,
    mark_missing,
    merge,
    stage,
    unlike_loaded,
)
from etl.stream import Row
from etl.windows import ONE_DAY, Days, Window


@dataclass(frozen=True, kw_only=True)
class TableRows:
    """The typed rows of a reading for one table. `scope` is what the reading speaks for; None removes nothing.
    `within` is the column of the day that says whether a row is final."""

    table: Table
    columns: Sequence[str]
    rows: Sequence[Row]
    scope: Scope | None = None
    within: str | None = None
    mentions: str | None = None


@dataclass(frozen=True, kw_only=True)
class WindowLoad:
    """A reading, ready to be committed. `loaded` are the days it covers, `final` those of them it makes final; `note`
    goes to `ops.issue`, as do `new_fields`, which no column is read from and the provider does not document. Where the
    stream has readings by time of change, `updates_read_to` is the day up to which this one tells of changes.

    A replay loads what was read before: it resolves nothing, takes no row for one that has just appeared, and where a
    reading speaks for the present leaves rows alone that a later one wrote; an older one of these leaves rejects alone,
    too (`replaces_rejects`)."""

    place: Place
    stamp: Stamp
    tables: Sequence[TableRows]
    loaded: Days
    final: Days
    pages: Sequence[RawPage]
    requests: Sequence[TriedRequest]
    rejects: Sequence[RejectedRow] = ()
    replaces_rejects: bool = True
    note: str | None = None
    new_fields: Sequence[str] = ()
    updates_read_to: date | None = None
    is_replay: bool = False


async def commit_window(connection: Connection, load: WindowLoad, *, accept_removals: bool) -> Counts:
    """Loads a complete reading. Raises SuspiciousRemoval, having written nothing."""
    place, stamp = load.place, load.stamp
    counts = Counts()
    async with connection.transaction():
        missing = [await _prepare(connection, rows, load, accept=accept_removals) for rows in load.tables]
        were_final = Days() if load.is_replay else await final_days_of(connection, place)
        for rows, gone in zip(load.tables, missing, strict=True):
            counts += await _write(connection, rows, load, gone=gone, were_final=were_final)
        await store_pages(connection, stamp, place, load.pages)
        await store_requests(connection, stamp, place, load.requests)
        if load.replaces_rejects:
            await replace_rejects(connection, stamp, place, load.rejects)
        await _close(connection, load)
    return counts


async def _stage(connection: Connection, rows: TableRows, stamp: Stamp, *, final: Days) -> None:
    await stage(connection, rows.table, rows.rows, columns=rows.columns, stamp=stamp, final=final, within=rows.within)


async def _prepare(connection: Connection, rows: TableRows, load: WindowLoad, *, accept: bool) -> int:
    await _stage(connection, rows, load.stamp, final=load.final)
    if rows.scope is None:
        return 0
    return await count_missing(connection, rows.table, rows.scope, accept=accept)


async def _write(
    connection: Connection, rows: TableRows, load: WindowLoad, *, gone: int = 0, were_final: Days = Days()
) -> Counts:
    counts, stamp = Counts(), load.stamp
    if gone and rows.scope is not None:
        counts += await mark_missing(connection, rows.table, rows.scope, stamp)
    if load.is_replay and load.place.is_snapshot:
        await leave_what_is_newer(connection, rows.table)
    if rows.rows:
        within = rows.within
        counts += await merge(connection, rows.table, rows.columns, stamp=stamp, within=within, were_final=were_final)
        if rows.mentions is not None:
            await infer_invitees(connection, rows.table, rows.mentions)
    return counts


async def _close(connection: Connection, load: WindowLoad) -> None:
    place, stamp = load.place, load.stamp
    await cover(
        connection,
        place,
        loaded=load.loaded,
        final=load.final,
        read_at=stamp.loaded_at,
        updates_read_to=load.updates_read_to,
    )
    if load.rejects:
        await make_due(connection, place, load.loaded)
    await note_new_fields(connection, stamp, place, load.new_fields)
    if load.is_replay:
        return
    await resolve(connection, stamp, place, kind=WINDOW_FAILED)
    if load.note is None:
        await resolve(connection, stamp, place, kind=NOTE)
    else:
        await note(connection, stamp, place, kind=NOTE, message=load.note)


async def commit_page(connection: Connection, load: WindowLoad) -> Counts:
    """Loads the rows of one page of a log that is still being read: they are facts however the reading ends, and so
    are its rejects. It says nothing of what is missing, and nothing is covered."""
    counts = Counts()
    async with connection.transaction():
        for rows in load.tables:
            await _stage(connection, rows, load.stamp, final=Days())
            counts += await _write(connection, rows, load)
        await store_pages(connection, load.stamp, load.place, load.pages)
        await store_requests(connection, load.stamp, load.place, load.requests)
        await add_rejects(connection, load.stamp, load.place, load.rejects)
        await note_new_fields(connection, load.stamp, load.place, load.new_fields)
    return counts


async def commit_failure(
    connection: Connection,
    stamp: Stamp,
    place: Place,
    *,
    pages: Sequence[RawPage],
    requests: Sequence[TriedRequest],
    kind: str | None,
    message: str,
) -> None:
    """Keeps what a window cost that was not loaded, answers included, and why it was not. A `kind` of None: what ended
    the reading is no matter of the window and is noted elsewhere."""
    async with connection.transaction():
        await store_pages(connection, stamp, place, pages)
        await store_requests(connection, stamp, place, requests)
        if kind is not None:
            await note(connection, stamp, place, kind=kind, message=message)


async def commit_revisit(
    connection: Connection, load: WindowLoad, *, tells: str, day_of: Callable[[Any], date]
) -> Days:
    """Keeps a reading by time of change, writes none of its rows, and makes due the days (`day_of` of the column
    `tells`) of rows that the warehouse has not, or has otherwise, and of rows that cannot be read. Returns those
    days."""
    place, stamp = load.place, load.stamp
    async with connection.transaction():
        await store_pages(connection, stamp, place, load.pages)
        await store_requests(connection, stamp, place, load.requests)
        named = {row.day for row in load.rejects if row.day is not None}
        for rows in load.tables:
            await _stage(connection, rows, stamp, final=Days())
            facts = [name for name in rows.columns if name not in rows.table.primary_key.columns]
            unlike = await unlike_loaded(connection, rows.table, facts, tells)
            named |= {day_of(value) for value in unlike}
        due = Days.of(Window(day, day + ONE_DAY) for day in named)
        await make_due(connection, place, due, updates_read_to=load.updates_read_to)
        await resolve(connection, stamp, place, kind=UPDATES_FAILED)
    return due
