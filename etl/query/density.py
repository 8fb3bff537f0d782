"""How many rows per day the readings of the last runs brought: what the plan judges page counts by."""

from __future__ import annotations

from typing import NamedTuple

import asyncpg

_LAST_RUNS = 10


class Density(NamedTuple):
    """Rows per day, and the number of days that it was measured over."""

    rows_per_day: float
    days: int


async def read_density(
    connection: asyncpg.Connection | asyncpg.pool.PoolConnectionProxy, account: str
) -> dict[tuple[str, str], Density]:
    """The density of each (stream, partition), from the widest of the last runs, and the newest of those: a night reads
    but a few days, the last of them not over yet, and a snapshot is as wide every time."""
    records = await connection.fetch(
        """
        WITH recent AS (
            SELECT run_id FROM ops.run WHERE account = $1 ORDER BY run_id DESC LIMIT $2
        ), reading AS (
            SELECT stream, partition, run_id, upper(days) - lower(days) AS days, sum(rows) AS rows
            FROM ops.request
            WHERE account = $1 AND run_id IN (TABLE recent) AND outcome = 'ok' AND rows IS NOT NULL
            GROUP BY stream, partition, run_id, ops.request.days
        )
        SELECT DISTINCT ON (stream, partition) stream, partition, sum(days)::int AS days,
            sum(rows)::float8 / sum(days) AS rows_per_day
        FROM reading
        GROUP BY stream, partition, run_id
        ORDER BY stream, partition, sum(days) DESC, run_id DESC
        """,
        account,
        _LAST_RUNS,
    )
    return {
        (record["stream"], record["partition"]): Density(record["rows_per_day"], record["days"]) for record in records
    }
