"""How many rows per day the readings of the last runs brought: what the plan judges page counts by."""

from __future__ import annotations

from typing import NamedTuple

import asyncpg

_LAST_RUNS = 10


class Density(NamedTuple):
    """Rows per day, and the number of days that it was measured over. `empty_pages` counts, per window, the pages that
    were asked for in vain because no total told that the one before was the last."""

    rows_per_day: float
    days: int
    empty_pages: float = 0.0


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
            SELECT stream, partition, run_id, upper(days) - lower(days) AS days, sum(rows) AS rows,
                CASE WHEN count(*) > 1 THEN count(*) FILTER (WHERE rows = 0) ELSE 0 END AS empty_pages
            FROM ops.request
            WHERE account = $1 AND run_id IN (TABLE recent) AND outcome = 'ok' AND rows IS NOT NULL
            GROUP BY stream, partition, run_id, ops.request.days
        )
        SELECT DISTINCT ON (stream, partition) stream, partition, sum(days)::int AS days,
            sum(rows)::float8 / sum(days) AS rows_per_day, sum(empty_pages)::float8 / count(*) AS empty_pages
        FROM reading
        GROUP BY stream, partition, run_id
        ORDER BY stream, partition, sum(days) DESC, run_id DESC
        """,
        account,
        _LAST_RUNS,
    )
    return {
        (record["stream"], record["partition"]): Density(record["rows_per_day"], record["days"], record["empty_pages"])
        for record in records
    }
