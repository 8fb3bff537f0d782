"""A run that is killed costs at most what was in flight, and the next one makes it whole."""

import asyncio
import signal
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random

from aiohttp import web

from etl.sandbox.server import Sandbox
from tests.flow.night import Night, exchange, small_world
from tests.flow.processes import configured, ended, launched, run
from tests.flow.truth import assert_equals_world

SOURCES = ("lbank", "coinw", "orderly", "ztdx")
REQUESTS, PERIOD_SECONDS = 40, 0.5
WHAT_A_RUN_LEAVES = (
    "SELECT account, stream, partition, horizon_from, loaded::text, final::text FROM ops.coverage ORDER BY 1, 2, 3",
    "SELECT * FROM (SELECT account, scope, subject_id, market, day, volume::text, fee::text, is_final "
    "FROM warehouse.trade_day) t ORDER BY 1, 2, 3, 4, 5",
    "SELECT transfer_id, status, removed_at FROM warehouse.transfer ORDER BY 1",
    "SELECT recipient_id, market, coin, day, amount::text, amount_usdt::text, is_final, removed_at "
    "FROM warehouse.commission_day ORDER BY 1, 2, 3, 4",
    "SELECT account, invitee_id, origin, has_traded, removed_at FROM warehouse.invitee ORDER BY 1, 2",
    "SELECT day, volume::text, is_final, removed_at FROM warehouse.broker_day ORDER BY 1",
    "SELECT invitee_id, day, volume::text, is_final, removed_at FROM warehouse.broker_account_day ORDER BY 1, 2",
    "SELECT activity_id, invitee_id, period_start, volume::text, is_final, removed_at "
    "FROM warehouse.activity_period ORDER BY 1, 2, 3",
    "SELECT event_id, action, amount::text, removed_at FROM warehouse.referral_event ORDER BY 1",
    "SELECT count(*) FROM ops.restatement",
)


async def until(sandbox: Sandbox, count: int, process: asyncio.subprocess.Process) -> None:
    """Waits until the exchange has seen so many requests, or the process has ended."""
    reached = asyncio.Event()

    def look(_: web.Request) -> None:
        if len(sandbox.requests) >= count:
            reached.set()

    sandbox.faults.append(look)
    waits = [asyncio.ensure_future(reached.wait()), asyncio.ensure_future(process.wait())]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    sandbox.faults.remove(look)


async def test_ten_kills_at_random_moments_end_like_an_undisturbed_run(
    warehouse_dsn: str, second_warehouse_dsn: str, tmp_path: Path
) -> None:
    """All four exchanges side by side, with a log of 40 pages."""
    chance = Random(20260310)
    async with exchange(small_world(members=40), rate_requests=REQUESTS, rate_period_seconds=PERIOD_SECONDS) as sandbox:
        sandbox.world.ztdx.add_events(4000)
        night = Night(sandbox, warehouse_dsn)
        configure = partial(configured, tmp_path, requests=REQUESTS, period_seconds=PERIOD_SECONDS, sources=SOURCES)
        config = configure(night)
        kills = 0
        for _ in range(10):
            seen = len(sandbox.requests)
            process = await launched(config, "sync")
            await until(sandbox, seen + chance.randrange(1, 90), process)
            await asyncio.sleep(chance.random() * 0.02)
            if process.returncode is None:
                process.kill()
                kills += 1
            await ended(process)
        assert kills == 10
        last = await run(config, "sync")
        assert last.code == 0, last.err
        for source in SOURCES:
            await assert_equals_world(replace(night, source=source))
        assert {request.error_code for request in sandbox.requests} == {0}, "the limit held across all restarts"
        assert set(await night.rows("SELECT DISTINCT outcome FROM ops.run")) == {("lost",), ("done",)}
        undisturbed = Night(sandbox, second_warehouse_dsn)
        assert (await run(configure(undisturbed), "sync")).code == 0
        for query in WHAT_A_RUN_LEAVES:
            assert await night.rows(query) == await undisturbed.rows(query), query


async def test_a_second_run_of_the_same_account_says_who_holds_it(warehouse_dsn: str, tmp_path: Path) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        config = configured(tmp_path, night, requests=1, period_seconds=60)
        first = await launched(config, "sync")
        await until(sandbox, 1, first)
        second = await run(config, "sync")
        assert second.code == 4
        assert f"process {first.pid}" in second.err
        first.send_signal(signal.SIGTERM)
        assert (await ended(first)).code == 130
