"""All four exchanges, each against its simulated self: first and later nights equal the world, digit for digit."""

from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from etl.errors import AccessRefused, ExchangeDown
from etl.sync.plan import Asked
from etl.sync.run import exit_code
from tests.flow.night import Night, exchange, small_world
from tests.flow.truth import assert_equals_world, expected

DAY = timedelta(days=1)
SOURCES = ("lbank", "coinw", "orderly", "ztdx")
TOO_FREQUENT = partial(web.json_response, {"result": "false", "error_code": 10004, "msg": "Request too frequent"})
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


async def test_the_plan_of_a_wide_backfill_goes_by_what_wide_readings_brought(warehouse_dsn: str) -> None:
    """After narrow nights, whose last day is not over, several pages of a month must still be foreseen."""
    async with exchange(small_world(members=60, days=75)) as sandbox:
        for one in sandbox.world.coinw.volume_days():
            for _ in range(15):
                sandbox.world.coinw.add_volume(one.uid, one.day, Decimal("1.5"))
        night = Night(sandbox, warehouse_dsn, source="coinw", streams=("invitee_volume",))
        await night.sync()
        for _ in range(2):
            sandbox.world.now += DAY
            await night.sync()
        today = sandbox.world.now.date()
        asked = Asked(command="backfill", first=today - 70 * DAY, last=today, force=True)
        [line] = await night.planned(asked)
        await night.sync(asked)
        assert line.requests > 3, "the windows have several pages"
        assert (line.requests, line.at_least) == (len(sandbox.requests), False)


async def test_three_run_side_by_side_and_their_servers_never_count_too_many(warehouse_dsn: str) -> None:
    """At the providers' own limits, as the sandbox counts them; LBank's takes longer and has a benchmark."""
    async with exchange(small_world(members=5, days=12), rate_requests=None) as sandbox:
        first, *others = (Night(sandbox, warehouse_dsn, source=source, rate=None) for source in SOURCES[1:])
        outcomes = await first.sync(None, *others)
        assert [outcome.totals.outcome for outcome in outcomes] == ["done"] * 3
        assert {request.error_code for request in sandbox.requests} == {0}
        for night in (first, *others):
            await assert_equals_world(night)


async def test_an_account_that_fails_or_is_slowed_down_leaves_the_others_alone(warehouse_dsn: str) -> None:
    """LBank answers "too frequent" to everything, CoinW refuses the secret; the other two fill their tables."""
    async with exchange(small_world(members=5, days=12)) as sandbox:
        sandbox.faults.append(lambda request: TOO_FREQUENT() if request.path.startswith("/affiliate-api") else None)
        slowed = Night(sandbox, warehouse_dsn, source="lbank")
        refused = Night(sandbox, warehouse_dsn, source="coinw", settings={"secret_key": SecretStr("WRONG")})
        good = [Night(sandbox, warehouse_dsn, source=source) for source in ("orderly", "ztdx")]
        outcomes = await slowed.sync(None, refused, *good)
        assert [outcome.totals.outcome for outcome in outcomes] == ["failed", "failed", "done", "done"]
        assert exit_code(outcomes) == 1
        assert [type(outcome.error) for outcome in outcomes[:2]] == [ExchangeDown, AccessRefused]
        for night in good:
            await assert_equals_world(night)
        [(message,)] = await slowed.rows(
            "SELECT message FROM ops.issue WHERE kind = 'account_failed' AND account = 'coinw-main'"
        )
        assert "6001" in message
