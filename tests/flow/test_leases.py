"""Two processes never talk for one account, however one of them ends or loses its hold."""

import asyncio
import signal
from pathlib import Path

from aiohttp import web

from etl.sandbox.server import Sandbox
from tests.flow.night import Night, exchange, small_world
from tests.flow.processes import configured, ended, launched, run
from tests.flow.test_killed import until
from tests.flow.test_warehouse_gone import told_once
from tests.flow.truth import assert_equals_world

REQUESTS, PERIOD_SECONDS = 4, 0.5
FIRST, SECOND = "timestamp in headers", "timestamp in the query"


def watched(sandbox: Sandbox) -> list[str]:
    """Which of the two processes has sent each request, in order: the second one signs otherwise."""
    senders: list[str] = []

    def look(request: web.Request) -> None:
        senders.append(SECOND if "timestamp" in request.query else FIRST)

    sandbox.faults.append(look)
    return senders


def second_of(first: Path) -> Path:
    """A configuration of the same account whose requests can be told from the first one's."""
    path = first.with_name("second.toml")
    path.touch(mode=0o600)
    path.write_text(f'{first.read_text()}\nsignature_transport = "query"\n')
    return path


async def lose_lease(night: Night) -> None:
    """Has the server end the connection that holds the account."""
    held = "SELECT pid FROM pg_locks l JOIN pg_database d ON d.oid = l.database "
    [(pid,)] = await night.rows(f"{held} WHERE l.locktype = 'advisory' AND d.datname = current_database()")
    assert await night.rows("SELECT pg_terminate_backend($1, 10000)", pid) == [(True,)]


def assert_one_after_the_other(senders: list[str]) -> None:
    assert {FIRST, SECOND} == set(senders)
    assert senders == sorted(senders, key=[FIRST, SECOND].index)


async def test_a_holder_that_is_killed_frees_the_account_at_once(warehouse_dsn: str, tmp_path: Path) -> None:
    async with exchange(small_world(members=2, days=2)) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        first = await launched(configured(tmp_path, night, requests=1, period_seconds=60), "sync")
        await until(sandbox, 1, first)
        first.kill()
        await ended(first)
        assert (await run(configured(tmp_path, night), "sync")).code == 0
        await assert_equals_world(night)


async def test_a_process_that_loses_the_account_ends_before_another_begins(warehouse_dsn: str, tmp_path: Path) -> None:
    world = small_world(members=4, days=3)
    async with exchange(world, rate_requests=REQUESTS, rate_period_seconds=PERIOD_SECONDS) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        config = configured(tmp_path, night, requests=REQUESTS, period_seconds=PERIOD_SECONDS)
        senders = watched(sandbox)
        first = await launched(config, "sync")
        await until(sandbox, 5, first)
        await lose_lease(night)
        second = await launched(second_of(config), "sync")
        await told_once(first)
        last = await ended(second)
        assert last.code == 0, last.err
        assert_one_after_the_other(senders)
        assert {request.error_code for request in sandbox.requests} == {0}, "the limit held across both"
        await assert_equals_world(night)


async def test_a_process_that_was_asleep_while_it_lost_the_account_asks_nothing_more(
    warehouse_dsn: str, tmp_path: Path
) -> None:
    """As on a machine that is suspended: the news waits in its socket, beside timers that are long due."""
    async with exchange(small_world(members=2, days=8)) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        config = configured(tmp_path, night, requests=1, period_seconds=1)
        senders = watched(sandbox)
        first = await launched(config, "sync", "--stream", "futures_turnover")
        while await night.rows("SELECT count(*) FROM ops.request") < [(2,)]:
            assert first.returncode is None
        first.send_signal(signal.SIGSTOP)  # while it waits for its pace, a second after each answer
        await lose_lease(night)
        second = second_of(configured(tmp_path, night))
        assert (await run(second, "sync")).code == 0
        first.send_signal(signal.SIGCONT)
        await told_once(first)
        assert_one_after_the_other(senders)
        await assert_equals_world(night)


async def test_two_processes_that_begin_together_are_one(warehouse_dsn: str, tmp_path: Path) -> None:
    async with exchange(small_world(members=2, days=2)) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        config = configured(tmp_path, night, requests=1, period_seconds=0.5)
        processes = [await launched(config, "sync") for _ in range(3)]
        codes = sorted([each.code for each in await asyncio.gather(*map(ended, processes))])
        assert codes[0] == 0
        assert set(codes) <= {0, 4}
        await assert_equals_world(night)
