"""One process talks for an account at a time, and the next one waits as long as the limit asks for."""

import asyncio
import os
import platform
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import asyncpg
import pytest

from etl.errors import AccountHeld
from etl.load.lease import Lease, Totals, hold_account
from etl.load.upsert import Counts
from tests.database.readings import rows_of

PERIOD_SECONDS = 600.0


def _nothing() -> None:
    pass


def hold(
    connection: asyncpg.Connection,
    account: str = "main",
    *,
    totals: Totals | None = None,
    on_lost: Callable[[], None] = _nothing,
) -> AbstractAsyncContextManager[Lease]:
    return hold_account(
        connection,
        account,
        source="lbank",
        command="sync",
        longest_period_seconds=PERIOD_SECONDS,
        totals=totals or Totals(outcome="done"),
        on_lost=on_lost,
    )


async def lose(connection: asyncpg.Connection, other: asyncpg.Connection) -> None:
    """Holds the account on `connection` and has the server end that connection meanwhile."""
    lost = asyncio.Event()
    async with hold(connection, on_lost=lost.set):
        pid = connection.get_server_pid()
        assert await other.fetchval("SELECT pg_terminate_backend($1, 10000)", pid)
        await asyncio.wait_for(lost.wait(), timeout=20)


async def runs(connection: asyncpg.Connection, columns: str) -> list[tuple[object, ...]]:
    return await rows_of(connection, "ops.run", columns, order="run_id")


async def test_second_holder_is_told_who_holds_the_account(
    connection: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    async with hold(connection):
        await connection.execute("UPDATE ops.run SET started_at = '2026-03-01 02:30:05.9+00'")

        with pytest.raises(AccountHeld) as told:
            async with hold(other):
                pytest.fail("two processes hold one account")

    message = str(told.value)
    assert "account main" in message
    assert f"etl sync on {platform.node()}, process {os.getpid()}, since 2026-03-01 02:30:05 UTC" in message
    assert await runs(other, "outcome") == [("done",)]


async def test_account_held_by_a_process_that_wrote_no_run_yet_is_held(
    connection: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    async with hold(connection):
        await connection.execute("DELETE FROM ops.run")

        with pytest.raises(AccountHeld, match="another run holds the account main"):
            async with hold(other):
                pytest.fail("two processes hold one account")


async def test_two_accounts_are_held_side_by_side(connection: asyncpg.Connection, other: asyncpg.Connection) -> None:
    async with hold(connection) as first, hold(other, "second") as second:
        assert first.run_id != second.run_id
        assert (first.held_seconds, second.held_seconds) == (0.0, 0.0)
        assert await runs(other, "account, outcome") == [("main", "running"), ("second", "running")]


async def test_run_is_recorded_with_what_it_did(connection: asyncpg.Connection) -> None:
    totals = Totals()
    async with hold(connection, totals=totals) as lease:
        assert await runs(connection, "outcome, finished_at") == [("running", None)]
        totals.requests, totals.windows, totals.rejects, totals.failures = 9, 8, 7, 6
        totals.rows += Counts(5, 4, 3)
        totals.outcome, totals.message = "incomplete", "a window failed"

    counts = "requests, windows, rejects, failures, rows_new, rows_changed, rows_removed"
    assert await runs(connection, counts) == [(9, 8, 7, 6, 5, 4, 3)]
    told = await runs(connection, "run_id, account, source, command, outcome, message, finished_at >= started_at")
    assert told == [(lease.run_id, "main", "lbank", "sync", "incomplete", "a window failed", True)]


async def test_interrupted_run_frees_the_account_and_says_so(
    connection: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    with pytest.raises(KeyboardInterrupt):
        async with hold(connection, totals=Totals(outcome="interrupted")):
            raise KeyboardInterrupt

    async with hold(other):
        assert await runs(other, "outcome") == [("interrupted",), ("running",)]


async def test_broken_connection_is_told_and_frees_the_account(
    connection: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    await lose(connection, other)

    async with hold(other) as lease:
        assert lease.held_seconds == PERIOD_SECONDS
        told = await runs(other, "outcome, message IS NOT NULL, finished_at IS NOT NULL")
        assert told == [("lost", True, True), ("running", False, False)]


async def test_orderly_end_is_not_told_as_a_loss(connection: asyncpg.Connection) -> None:
    told: list[str] = []
    async with hold(connection, on_lost=lambda: told.append("lost")):
        pass
    await connection.close()
    await asyncio.sleep(0)  # a listener is called in the next turn of the loop

    assert told == []


async def test_lost_run_of_another_account_is_left_alone(
    connection: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    await lose(connection, other)

    async with hold(other, "second") as lease:
        assert lease.held_seconds == 0.0
        assert await runs(other, "account, outcome") == [("main", "running"), ("second", "running")]


@pytest.mark.parametrize(("minutes_ago", "least", "most"), [(0, 540.0, 600.0), (4, 300.0, 360.0), (10, 0.0, 0.0)])
async def test_holder_after_an_orderly_end_waits_only_the_rest_of_the_period(
    connection: asyncpg.Connection, minutes_ago: int, least: float, most: float
) -> None:
    """The bounds leave a minute for a slow machine."""
    async with hold(connection):
        pass
    await connection.execute(f"UPDATE ops.run SET finished_at = finished_at - interval '{minutes_ago} minutes'")

    async with hold(connection) as lease:
        assert least <= lease.held_seconds <= most


async def test_holder_after_a_loss_that_was_found_waits_the_rest_since_then(
    connection: asyncpg.Connection, other: asyncpg.Connection
) -> None:
    await lose(connection, other)
    async with hold(other):
        pass
    await other.execute("UPDATE ops.run SET finished_at = finished_at - interval '4 minutes'")

    async with hold(other) as lease:
        assert 300 <= lease.held_seconds <= 360
