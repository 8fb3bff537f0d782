"""Coverage, the only state of the pipeline: which days of a partition are loaded, and which of them are final."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import asyncpg

from etl.load.upsert import Connection
from etl.windows import Days, Window


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reading belongs: a partition of a stream of an account, and the window read. A snapshot speaks for
    more than its window: for all that was read of the partition before."""

    account: str
    stream: str
    partition: str
    window: Window | None = None
    is_snapshot: bool = False

    @property
    def key(self) -> tuple[str, str, str]:
        """The coverage key."""
        return self.account, self.stream, self.partition

    @property
    def days(self) -> asyncpg.Range[date] | None:
        """The window as a Postgres daterange."""
        return None if self.window is None else range_of(self.window)

    @property
    def days_replaced(self) -> asyncpg.Range[date] | None:
        """The days whose rejects and failures a good reading replaces."""
        return asyncpg.Range(None, None) if self.is_snapshot else self.days


@dataclass(frozen=True, slots=True)
class Coverage:
    """The loaded and the final days of one partition; final days are loaded too. Changes of rows are known up to the
    day `updates_read_to`, where the stream has readings by time of change."""

    loaded: Days = Days()
    final: Days = Days()
    updates_read_to: date | None = None


CoverageOf = dict[tuple[str, str], Coverage]
"""The coverage of an account by (stream, partition key)."""


async def read_coverage(connection: Connection, account: str) -> CoverageOf:
    """All coverage of an account."""
    records = await connection.fetch(
        """
        SELECT stream, partition, loaded, final, (cursor->>'updates_read_to')::date AS updates_read_to
        FROM ops.coverage WHERE account = $1
        """,
        account,
    )
    return {
        (record["stream"], record["partition"]): Coverage(
            days_of(record["loaded"]), days_of(record["final"]), record["updates_read_to"]
        )
        for record in records
    }


async def expect_partitions(
    connection: Connection, account: str, stream: str, horizons: Iterable[tuple[str, date | None]]
) -> None:
    """Notes that partitions exist and where their horizon begins, so that a partition never read shows as a gap."""
    await connection.executemany(
        """
        INSERT INTO ops.coverage AS c (account, stream, partition, horizon_from) VALUES ($1, $2, $3, $4)
        ON CONFLICT (account, stream, partition) DO UPDATE SET horizon_from = excluded.horizon_from
        WHERE c.horizon_from IS DISTINCT FROM excluded.horizon_from
        """,
        [(account, stream, partition, horizon_from) for partition, horizon_from in sorted(horizons)],
    )


async def retire_partitions(
    connection: Connection, account: str, expected: Iterable[tuple[str, str]], *, streams: Iterable[str] | None
) -> None:
    """Takes the horizon from partitions that a sync no longer asks for, such as those of a person who left: what
    they have stays, and nothing is missing of them any more. `streams` bounds this to some; None: all streams."""
    keep = [f"{stream}\x1f{partition}" for stream, partition in expected]
    await connection.execute(
        """
        UPDATE ops.coverage SET horizon_from = NULL
        WHERE account = $1 AND horizon_from IS NOT NULL AND ($2::text[] IS NULL OR stream = ANY($2))
            AND stream || chr(31) || partition <> ALL($3)
        """,
        *(account, None if streams is None else list(streams), keep),
    )


async def cover(
    connection: Connection,
    place: Place,
    *,
    loaded: Days,
    final: Days,
    read_at: datetime,
    updates_read_to: date | None = None,
) -> None:
    """Adds days to the coverage of a partition, in the transaction that loads their rows. `updates_read_to` counts for
    a partition's first reading only: later ones tell nothing of the changes of other days."""
    await connection.execute(
        """
        INSERT INTO ops.coverage AS c (account, stream, partition, loaded, final, updated_at, cursor)
        VALUES ($1, $2, $3, $4, $5, $6,
            CASE WHEN $7::date IS NOT NULL THEN jsonb_build_object('updates_read_to', $7) END)
        ON CONFLICT (account, stream, partition) DO UPDATE
        SET loaded = c.loaded + excluded.loaded, final = c.final + excluded.final,
            updated_at = greatest(c.updated_at, excluded.updated_at), cursor = coalesce(c.cursor, excluded.cursor)
        """,
        *place.key,
        ranges_of(loaded),
        ranges_of(final),
        read_at,
        updates_read_to,
    )


async def final_days_of(connection: Connection, place: Place) -> Days:
    """The days of a partition that are final as yet."""
    ranges = await connection.fetchval(
        "SELECT final FROM ops.coverage WHERE account = $1 AND stream = $2 AND partition = $3", *place.key
    )
    return days_of(ranges or ())


async def make_due(connection: Connection, place: Place, days: Days, *, updates_read_to: date | None = None) -> None:
    """Takes days out of the final ones, and moves on the day up to which changes are known."""
    await connection.execute(
        """
        UPDATE ops.coverage SET final = final - $4,
            cursor = CASE WHEN $5::date IS NULL THEN cursor ELSE jsonb_build_object('updates_read_to', $5) END
        WHERE account = $1 AND stream = $2 AND partition = $3
        """,
        *place.key,
        ranges_of(days),
        updates_read_to,
    )


def range_of(window: Window) -> asyncpg.Range[date]:
    """A window as a Postgres daterange."""
    return asyncpg.Range(window.start, window.end)


def ranges_of(days: Days) -> list[asyncpg.Range[date]]:
    """Days as a Postgres datemultirange."""
    return [range_of(window) for window in days.windows]


def days_of(ranges: Iterable[Any]) -> Days:
    """A Postgres datemultirange as Days; Postgres keeps dateranges half-open."""
    return Days.of(Window(part.lower, part.upper) for part in ranges)
