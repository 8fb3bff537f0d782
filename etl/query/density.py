"""How many rows per day the readings of the last runs brought: what the plan judges page counts by."""

from __future__ import annotations

import asyncpg

_LAST_RUNS = 10


async def read_density(
    connection: asyncpg.Connection | asyncpg.pool.PoolConnectionProxy, account: str
) -> dict[tuple[str, str], float]:
    """Rows per day of each (stream, partition), from the newest reading of it within the last runs."""
    records = await connection.fetch(
        """
        WITH recent AS (
            SELECT run_id FROM ops.run WHERE account = $1 ORDER BY run_id DESC LIMIT $2
        ), reading AS (
            SELECT stream, partition, run_id, days, sum(rows) AS rows
            FROM ops.request
            WHERE account = $1 AND run_id IN (TABLE recent) AND outcome = 'ok' AND rows IS NOT NULL
            GROUP BY stream, partition, run_id, days
        ), newest AS (
            SELECT DISTINCT ON (stream, partition) stream, partition, run_id
            FROM reading ORDER BY stream, partition, run_id DESC
        )
        SELECT stream, partition, sum(rows)::float8 / sum(upper(days) - lower(days)) AS rows_per_day
        FROM reading JOIN newest USING (stream, partition, run_id)
        GROUP BY stream, partition
        """,
        account,
        _LAST_RUNS,
    )
    return {(record["stream"], record["partition"]): record["rows_per_day"] for record in records}
