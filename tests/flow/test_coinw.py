"""CoinW: rows that add up, newest-first pages that shift under the reader, months, and its ways of saying things."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from etl.errors import RateLimited
from etl.extract.pace import Pace
from etl.query.status import read_status
from etl.sandbox.server import Sandbox
from etl.sync.plan import Asked
from etl.warehouse.engine import connect
from tests.flow.night import Night, exchange, small_world
from tests.flow.truth import assert_equals_world

VOLUMES = "/api/v3/patener/openapi/v1/partner/invitation/user/volume/list"
ACTIVITY = "/api/v3/patener/openapi/v1/partner/invitation/user/activity/list"
DAY = timedelta(days=1)


def volumes_of(sandbox: Sandbox) -> list[dict[str, str]]:
    return [request.params for request in sandbox.requests if request.path == VOLUMES]


def fill_pages(sandbox: Sandbox, *, rows_a_day: int = 40) -> None:
    """Gives every person and day of the world so many rows more: pages of 1000 are then several."""
    world = sandbox.world.coinw
    for one in world.volume_days():
        for number in range(rows_a_day):
            world.add_volume(one.uid, one.day, Decimal(f"0.{number + 1:018}"))


async def test_rows_of_one_person_and_day_are_added_exactly(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        fill_pages(sandbox)
        night = Night(sandbox, warehouse_dsn, source="coinw", streams=("invitee_volume",))
        await night.sync()
        assert max(int(asked["pageNo"]) for asked in volumes_of(sandbox)) > 1
        found = await night.rows("SELECT subject_id, day, volume::text FROM warehouse.trade_day")
        assert sorted(found) == sorted(tuple(one) for one in sandbox.world.coinw.volume_days())


@pytest.mark.parametrize("on_request", [1, 2])
async def test_rows_that_arrive_while_it_pages_are_neither_lost_nor_doubled(
    warehouse_dsn: str, on_request: int
) -> None:
    """The newest window has two pages or more; a trade of today comes on top after one of them was sent."""
    async with exchange(small_world()) as sandbox:
        fill_pages(sandbox)
        world = sandbox.world
        today = world.horizon.day_of(world.now)
        someone = next(one for one in world.coinw.volume_days() if one.day == today)

        def arrive(request: web.Request) -> None:
            if request.path == VOLUMES and len(volumes_of(sandbox)) == on_request + 1:
                world.coinw.add_volume(someone.uid, today, Decimal("7.000000000000000007"))

        sandbox.faults.append(arrive)
        night = Night(sandbox, warehouse_dsn, source="coinw", streams=("invitee_volume",))
        [outcome] = await night.sync()
        assert outcome.totals.outcome == "done"
        found = await night.rows("SELECT subject_id, day, volume::text FROM warehouse.trade_day")
        assert sorted(found) == sorted(tuple(one) for one in world.coinw.volume_days())
        [(readings,)] = await night.rows("SELECT max(reading) FROM raw.page")
        assert readings == 2, "the window that moved was read again"


async def test_a_volume_that_is_corrected_and_one_that_is_taken_back(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, source="coinw")
        await night.sync()
        today = sandbox.world.horizon.day_of(sandbox.world.now)
        corrected, taken_back = [one for one in sandbox.world.coinw.volume_days() if one.day == today][:2]
        sandbox.world.coinw.restate_volume(corrected.uid, today, Decimal("12.3400"))
        sandbox.world.coinw.restate_volume(taken_back.uid, today, None)
        [outcome] = await night.sync()
        assert (outcome.totals.rows.changed, outcome.totals.rows.removed) == (1, 1)
        found = await night.rows(
            "SELECT volume::text, removed_at IS NULL FROM warehouse.trade_day WHERE day = $1 AND subject_id = ANY($2)",
            *(today, [corrected.uid, taken_back.uid]),
        )
        assert sorted(found) == sorted([("12.3400", True), (taken_back.volume, False)])


async def test_months_are_read_whole_and_settle_a_day_after_their_end(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, source="coinw", streams=("activity",))

        async def asked_months() -> set[str]:
            await night.sync()
            return {request.params["startTime"] for request in sandbox.requests}

        # The world's 40 days begin on 2026-01-29; now is 2026-03-10.
        assert await asked_months() == {"2026-01-01 00:00:00", "2026-02-01 00:00:00", "2026-03-01 00:00:00"}
        assert await asked_months() == {"2026-03-01 00:00:00"}
        [(loaded, final)] = await night.rows(
            "SELECT upper(loaded)::text, upper(final)::text FROM ops.coverage WHERE partition = 'ACT20260307'"
        )
        assert (loaded, final) == ("2026-03-11", "2026-03-01"), "days to come are not loaded"
        sandbox.world.now += 22 * DAY  # 2026-04-01 21:00 in Shanghai: March has ended, and is not settled
        assert await asked_months() == {"2026-03-01 00:00:00", "2026-04-01 00:00:00"}
        sandbox.world.now += DAY
        assert await asked_months() == {"2026-03-01 00:00:00", "2026-04-01 00:00:00"}
        assert await asked_months() == {"2026-04-01 00:00:00"}
        finality = await night.rows(
            "SELECT DISTINCT period_start, is_final FROM warehouse.activity_period WHERE removed_at IS NULL ORDER BY 1"
        )
        final_months: dict[Any, Any] = dict(finality)
        assert final_months[date(2026, 3, 1)] is True
        assert final_months.get(date(2026, 4, 1), False) is False
        await assert_equals_activity(night)


async def assert_equals_activity(night: Night) -> None:
    world = night.sandbox.world.coinw
    days = await night.rows(
        "SELECT activity_id, invitee_id, day, transfer_in::text, transfer_out::text, volume::text "
        "FROM warehouse.activity_day WHERE removed_at IS NULL"
    )
    assert sorted(days) == sorted(tuple(one) for one in world.activity_days())


async def test_a_backfill_reads_the_months_of_its_days(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, source="coinw", start_date=date(2026, 3, 5))
        [outcome] = await night.sync(Asked(command="backfill", first=date(2026, 2, 10), last=date(2026, 2, 12)))
        assert outcome.totals.outcome == "done"
        spans = {(each.path, each.params["startTime"], each.params["endTime"]) for each in sandbox.requests}
        assert spans == {
            (VOLUMES, "2026-02-10", "2026-02-12"),
            (ACTIVITY, "2026-02-01 00:00:00", "2026-02-28 23:59:59"),
        }


@pytest.mark.parametrize("success", [0, 200, "200"])
async def test_success_is_understood_in_each_of_its_spellings(warehouse_dsn: str, success: Any) -> None:
    async with exchange(small_world(members=10)) as sandbox:
        sandbox.coinw.success_code = success
        night = Night(sandbox, warehouse_dsn, source="coinw")
        [outcome] = await night.sync()
        assert outcome.totals.outcome == "done"
        await assert_equals_world(night)


REFUSALS = {
    "29001": lambda: web.json_response({"code": 29001, "msg": "too many"}),
    "HTTP 429": lambda: web.Response(status=429, text="slow down"),
    "retry": lambda: web.json_response({"code": 9999, "msg": "later", "retry": True, "data": None}),
    "HTTP 502": lambda: web.Response(status=502, text="<html>bad gateway</html>"),
}


@pytest.mark.parametrize("kind", REFUSALS)
async def test_passing_refusals_are_waited_out_and_those_of_the_limit_halve_the_pace(
    warehouse_dsn: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    slowed: list[Pace] = []

    def slow_down(pace: Pace) -> None:
        slowed.append(pace)

    monkeypatch.setattr(Pace, "slow_down", slow_down)
    async with exchange(small_world(members=10)) as sandbox:
        sandbox.faults.append(lambda request: REFUSALS[kind]() if len(sandbox.requests) == 2 else None)
        night = Night(sandbox, warehouse_dsn, source="coinw")
        [outcome] = await night.sync()
        assert outcome.totals.outcome == "done"
        await assert_equals_world(night)
        assert len(slowed) == (1 if kind in ("29001", "HTTP 429") else 0)
        tried = await night.rows("SELECT outcome FROM ops.request WHERE outcome <> 'ok'")
        assert [outcome.startswith(RateLimited.__name__) for (outcome,) in tried] == [bool(slowed)]


async def test_an_activity_that_is_not_configured_is_not_asked_for(warehouse_dsn: str) -> None:
    async with exchange(small_world(members=10)) as sandbox:
        night = Night(sandbox, warehouse_dsn, source="coinw", settings={"activities": ()})
        [outcome] = await night.sync()
        assert outcome.totals.outcome == "done"
        assert {request.path for request in sandbox.requests} == {VOLUMES}


async def test_an_activity_that_is_no_longer_configured_lacks_nothing(warehouse_dsn: str) -> None:
    async with exchange(small_world(members=10)) as sandbox:
        await Night(sandbox, warehouse_dsn, source="coinw").sync()
        last_read = sandbox.world.horizon.day_of(sandbox.world.now)
        sandbox.world.now += 3 * DAY
        night = Night(sandbox, warehouse_dsn, source="coinw", settings={"activities": ()})
        await night.sync()
        connection = await connect(night.dsn)
        status = await read_status(connection, [night.account()], sandbox.world.now)
        await connection.close()
        [volumes, activity] = status.streams
        assert (activity.loaded_through, activity.due_days, activity.gaps) == (last_read, 0, [])
        assert volumes.loaded_through == last_read + 3 * DAY
