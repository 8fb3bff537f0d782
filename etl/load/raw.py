"""Keeps answers byte for byte, but for secrets that they quote (`raw.page`), and a record of every request tried
(`ops.request`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from etl.load.coverage import Place
from etl.load.upsert import Connection, Stamp


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


async def prune_pages(connection: Connection, account: str, *, received_before: datetime) -> int:
    """Deletes the pages of an account that are older than the retention; returns how many."""
    deleted = await connection.execute(
        "DELETE FROM raw.page WHERE account = $1 AND received_at < $2", account, received_before
    )
    return int(deleted.split()[-1])
