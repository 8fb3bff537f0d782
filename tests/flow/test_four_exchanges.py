"""All four exchanges, each against its simulated self: first and later nights equal the world, digit for digit."""

from datetime import timedelta
from typing import Any

import pytest

from etl.stream import Rate
from tests.flow.night import Night, exchange, small_world
from tests.flow.truth import assert_equals_world, expected

DAY = timedelta(days=1)
SOURCES = ("lbank", "coinw", "orderly", "ztdx")
each_exchange = pytest.mark.parametrize("source", SOURCES)


async def versions(night: Night) -> dict[str, set[tuple[Any, ...]]]:
    """The physical version of every row of the tables that the exchange fills."""
    return {
        table: set(await night.rows(f"SELECT xmin::text, ctid::text FROM warehouse.{table}"))
        for table in expected(night)
    }


@each_exchange
async def test_every_night_equals_the_world(warehouse_dsn: str, source: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, source=source)
        for later in (timedelta(), DAY, 25 * DAY):
            sandbox.world.now += later
            [outcome] = await night.sync()
            assert (outcome.error, outcome.totals.outcome) == (None, "done")
            await assert_equals_world(night)


@each_exchange
async def test_a_night_without_news_rewrites_nothing(warehouse_dsn: str, source: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, source=source)
        await night.sync()
        before = await versions(night)
        [outcome] = await night.sync()
        assert await versions(night) == before
        assert (outcome.totals.rows.new, outcome.totals.rows.changed, outcome.totals.rows.removed) == (0, 0, 0)


@each_exchange
async def test_the_plan_knows_every_request_that_can_be_known(warehouse_dsn: str, source: str) -> None:
    async with exchange(small_world(members=60)) as sandbox:
        night = Night(sandbox, warehouse_dsn, source=source)
        await night.sync()
        for later in (timedelta(), DAY, 3 * DAY):
            sandbox.world.now += later
            lines = await night.planned()
            await night.sync()
            planned, made = sum(line.requests for line in lines), len(sandbox.requests)
            if any(line.at_least for line in lines):
                assert source == "ztdx", "only how much is new in a log cannot be known"
                assert planned <= made
            else:
                assert abs(planned - made) <= 0.02 * made


async def test_the_four_run_side_by_side_at_the_limits_that_their_servers_count(warehouse_dsn: str) -> None:
    async with exchange(small_world(members=5, days=12), rate_requests=None) as sandbox:
        nights = [
            Night(sandbox, warehouse_dsn, source=source, rate=Rate(50, 0.01) if source == "lbank" else None)
            for source in SOURCES
        ]
        outcomes = await nights[0].sync(None, *nights[1:])
        assert [outcome.totals.outcome for outcome in outcomes[1:]] == ["done"] * 3
        for night in nights[1:]:
            await assert_equals_world(night)
