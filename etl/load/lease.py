"""One process talks for an account at a time: a Postgres advisory lock, held by a connection of its own.

The lock is gone the moment its holder is, however it ended. What the holder left behind says how long the next one
must wait so that the limit holds across both.
"""

from __future__ import annotations

import asyncio
import os
import platform
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg

from etl.errors import AccountHeld
from etl.load.upsert import Counts

MOST_SECONDS_TO_BELIEVE = 5.0
"""An answer that took longer says nothing of now: the process may have been suspended meanwhile."""
_LOCK = "hashtextextended('affiliate-etl/' || $1, 0)"


@dataclass(frozen=True, slots=True)
class Lease:
    """A held account. `held_seconds` is what is left of the longest period in which another process may have sent
    requests: no request may leave before. `confirm` asks the server whether the account is still held, and raises what
    asyncpg raises where the connection is gone: a process that was suspended has not heard of it yet."""

    run_id: int
    held_seconds: float
    confirm: Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Totals:
    """What a run did, as `ops.run` keeps it; `run_id` is known once the account is held."""

    run_id: int | None = None
    requests: int = 0
    windows: int = 0
    rejects: int = 0
    failures: int = 0
    rows: Counts = Counts()
    message: str | None = None
    outcome: str = "failed"


@asynccontextmanager
async def hold_account(
    connection: asyncpg.Connection,
    account: str,
    *,
    source: str,
    command: str,
    longest_period_seconds: float,
    totals: Totals,
    on_lost: Callable[[], None],
) -> AsyncIterator[Lease]:
    """Holds the account's lease on `connection`, which must serve nothing else, and keeps the run's row in `ops.run`.

    Raises AccountHeld, saying who holds it. `on_lost` is called if the connection breaks while the lease is held."""
    if not await connection.fetchval(f"SELECT pg_try_advisory_lock({_LOCK})", account):
        raise AccountHeld(await _holder(connection, account))
    held = await _seconds_to_wait(connection, account, longest_period_seconds)
    run_id = await connection.fetchval(
        """
        INSERT INTO ops.run (account, source, command, started_at, outcome, host, pid)
        VALUES ($1, $2, $3, clock_timestamp(), 'running', $4, $5) RETURNING run_id
        """,
        *(account, source, command, platform.node(), os.getpid()),
    )

    totals.run_id = run_id

    def lost(_: object) -> None:
        on_lost()

    asking = asyncio.Lock()

    async def confirm() -> None:
        answered_in = MOST_SECONDS_TO_BELIEVE
        while answered_in >= MOST_SECONDS_TO_BELIEVE:  # else it is an answer from before a suspension, perhaps
            async with asking:
                asked_at = time.monotonic()
                await connection.execute("SELECT 1")
            answered_in = time.monotonic() - asked_at

    connection.add_termination_listener(lost)
    try:
        yield Lease(run_id, held, confirm)
    finally:
        connection.remove_termination_listener(lost)
        if not connection.is_closed():
            await _finish(connection, run_id, account, totals)


async def _finish(connection: asyncpg.Connection, run_id: int, account: str, totals: Totals) -> None:
    rows = totals.rows
    await connection.execute(
        """
        UPDATE ops.run SET finished_at = clock_timestamp(), outcome = $2, message = $3, requests = $4, windows = $5,
            rows_new = $6, rows_changed = $7, rows_removed = $8, rejects = $9, failures = $10, values_restated = $11
        WHERE run_id = $1
        """,
        *(run_id, totals.outcome, totals.message, totals.requests, totals.windows),
        *(rows.new, rows.changed, rows.removed, totals.rejects, totals.failures, rows.restated),
    )
    await connection.execute(f"SELECT pg_advisory_unlock({_LOCK})", account)


async def _seconds_to_wait(connection: asyncpg.Connection, account: str, period: float) -> float:
    """A run that ended in order sent its last request before it ended; one that was lost may have sent until now."""
    lost = await connection.fetchval(
        """
        WITH lost AS (
            UPDATE ops.run SET outcome = 'lost', finished_at = clock_timestamp(),
                message = 'the process ended without a word; what it had committed is kept'
            WHERE account = $1 AND outcome = 'running' RETURNING 1
        ) SELECT count(*) FROM lost
        """,
        account,
    )
    if lost:
        return period
    since = await connection.fetchval(
        "SELECT extract(epoch FROM clock_timestamp() - max(finished_at))::float8 FROM ops.run WHERE account = $1",
        account,
    )
    return 0.0 if since is None else max(0.0, period - since)


async def _holder(connection: asyncpg.Connection, account: str) -> str:
    row = await connection.fetchrow(
        """
        SELECT command, host, pid, to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS since
        FROM ops.run WHERE account = $1 AND outcome = 'running' ORDER BY run_id DESC LIMIT 1
        """,
        account,
    )
    if row is None:
        return f"another run holds the account {account}; wait for it to end"
    return (
        f"another run holds the account {account}: etl {row['command']} on {row['host']}, process {row['pid']}, "
        f"since {row['since']} UTC; wait for it to end"
    )
