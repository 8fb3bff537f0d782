"""Keeps answers byte for byte, but for secrets that they quote (`raw.page`), and a record of every request tried
(`ops.request`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from etl.load.coverage import Place, range_of
from etl.load.upsert import Connection, Stamp
from etl.windows import Window


@dataclass(frozen=True, kw_only=True)
class RawPage:
    """An answer as it arrived. `request` is the unsigned draft: it holds no secret. `reading` counts the readings of
    a window from 1, the last of which was loaded, with those before it where unique rows had to be put together
    from several; 0 marks pages whose rows were not: those of a reading by time of change, and those of a window that
    failed."""

    request: dict[str, Any]
    reading: int
    number: int
    http_status: int
    began_at: datetime
    received_at: datetime
    body: bytes


@dataclass(frozen=True, kw_only=True)
class TriedRequest:
    """One try of one request."""

    attempt: int
    sent_at: datetime
    answered_at: datetime | None
    http_status: int | None
    outcome: str
    rows: int | None = None


async def store_pages(connection: Connection, stamp: Stamp, place: Place, pages: Sequence[RawPage]) -> None:
    """Keeps the pages of a window, in the transaction that loads their rows."""
    await connection.executemany(
        """
        INSERT INTO raw.page (run_id, account, source, stream, partition, days, reading, page_number, request,
            http_status, began_at, received_at, body)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        """,
        [
            (
                *(stamp.run_id, place.account, stamp.source, place.stream, place.partition, place.days),
                *(page.reading, page.number, msgspec.json.encode(page.request).decode(), page.http_status),
                *(page.began_at, page.received_at, page.body),
            )
            for page in pages
        ],
    )


async def store_requests(connection: Connection, stamp: Stamp, place: Place, requests: Sequence[TriedRequest]) -> None:
    """Records tries, good and bad."""
    await connection.executemany(
        """
        INSERT INTO ops.request
            (run_id, account, stream, partition, days, attempt, sent_at, answered_at, http_status, outcome, rows)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        """,
        [
            (
                *(stamp.run_id, *place.key, place.days, tried.attempt),
                *(tried.sent_at, tried.answered_at, tried.http_status, tried.outcome, tried.rows),
            )
            for tried in requests
        ],
    )


@dataclass(frozen=True, slots=True)
class StoredReading:
    """The pages of a loaded reading, as they were kept: those of one window of one run. `began_at` is when the reading
    that counted began."""

    run_id: int
    partition: str
    window: Window
    began_at: datetime


@dataclass(frozen=True, slots=True)
class StoredPage:
    """A page as it was kept, with the unsigned draft that brought it; `began_at` is when its reading began."""

    request: dict[str, Any]
    http_status: int
    began_at: datetime
    received_at: datetime
    body: bytes


async def stored_readings(connection: Connection, account: str, stream: str) -> list[StoredReading]:
    """The readings of a stream whose pages are still there from the first on, oldest first."""
    records = await connection.fetch(
        """
        SELECT run_id, partition, lower(days) AS start, upper(days) AS end, max(began_at) AS began_at
        FROM raw.page WHERE account = $1 AND stream = $2 AND reading > 0
        GROUP BY run_id, partition, days
        HAVING bool_or(reading = 1 AND page_number = 1)
        ORDER BY run_id, max(page_id)
        """,
        *(account, stream),
    )
    return [
        StoredReading(each["run_id"], each["partition"], Window(each["start"], each["end"]), each["began_at"])
        for each in records
    ]


async def stored_pages(connection: Connection, account: str, stream: str, reading: StoredReading) -> list[StoredPage]:
    """The pages of a reading in the order in which they came, those of readings that were thrown away included."""
    records = await connection.fetch(
        """
        SELECT request, http_status, began_at, received_at, body FROM raw.page
        WHERE account = $1 AND stream = $2 AND partition = $3 AND run_id = $4 AND days = $5 AND reading > 0
        ORDER BY page_id
        """,
        *(account, stream, reading.partition, reading.run_id, range_of(reading.window)),
    )
    return [StoredPage(**{**record, "request": msgspec.json.decode(record["request"])}) for record in records]


async def prune_pages(connection: Connection, account: str, *, begun_before: datetime) -> int:
    """Deletes the pages of readings of an account that are older than the retention, each reading as a whole; returns
    how many."""
    deleted = await connection.execute(
        "DELETE FROM raw.page WHERE account = $1 AND began_at < $2", account, begun_before
    )
    return int(deleted.split()[-1])
