"""What a plan goes by: the widest of the last runs, and the newest of those."""

from datetime import date, timedelta

import asyncpg

from etl.query.density import Density, read_density

FIRST = date(2026, 3, 1)


async def read(connection: asyncpg.Connection, run_id: int, days: int, *rows: int, outcome: str = "ok") -> None:
    """A run that read one window of so many days, page by page."""
    await connection.execute(
        """
        INSERT INTO ops.run (run_id, account, started_at, outcome, host, pid)
        OVERRIDING SYSTEM VALUE VALUES ($1, 'a', now(), 'done', 'host', 1) ON CONFLICT DO NOTHING
        """,
        run_id,
    )
    await connection.executemany(
        """
        INSERT INTO ops.request (run_id, account, stream, partition, days, attempt, sent_at, outcome, rows)
        VALUES ($1, 'a', 's', '', $2, 1, now(), $3, $4)
        """,
        [(run_id, asyncpg.Range(FIRST, FIRST + timedelta(days=days)), outcome, each) for each in rows],
    )


async def test_the_widest_of_the_last_runs_counts_and_the_newest_of_those(connection: asyncpg.Connection) -> None:
    await read(connection, 1, 60, 6000)  # the eleventh run from the end
    for run_id in (2, 3, 4, 5, 10, 11):
        await read(connection, run_id, 1, 5)
    await read(connection, 6, 30, 300)
    await read(connection, 7, 30, 600)
    await read(connection, 8, 2, 8)
    await read(connection, 9, 90, 90, outcome="AnswerUnreadable")
    assert await read_density(connection, "a") == {("s", ""): Density(20.0, 30)}


async def test_pages_that_were_asked_for_in_vain_are_counted_by_the_window(connection: asyncpg.Connection) -> None:
    await read(connection, 1, 1, 40, 0)
    await read(connection, 1, 2, 100, 30, 0)
    await read(connection, 1, 3, 0)  # an empty window is told by its one page
    assert await read_density(connection, "a") == {("s", ""): Density(170 / 6, 6, 2 / 3)}
