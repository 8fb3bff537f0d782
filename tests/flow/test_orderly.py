"""Orderly: two grains of one activity, digits of JSON numbers, and what its page leaves open."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from etl.sync.plan import Asked
from tests.flow.night import Night, exchange, small_world
from tests.flow.truth import assert_equals_world

DAY = timedelta(days=1)


async def test_a_json_number_of_many_digits_arrives_unchanged(warehouse_dsn: str) -> None:
    """25 significant digits, 18 of them decimals, and a scale of trailing zeros."""
    async with exchange(small_world()) as sandbox:
        today = sandbox.world.now.date()
        account = next(one for one in sandbox.world.orderly.account_days() if one.day == today).account_id
        sandbox.world.orderly.restate(today, account, Decimal("1234567.890123456789012300"))
        night = Night(sandbox, warehouse_dsn, source="orderly")
        await night.sync()
        query = "SELECT volume::text FROM warehouse.broker_account_day WHERE day = $1 AND invitee_id = $2"
        assert await night.rows(query, today, account) == [("1234567.890123456789012300",)]
        await assert_equals_world(night)


async def test_the_two_grains_share_one_lane_and_never_one_table(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, source="orderly")
        await night.sync()
        by_date = [each.params for each in sandbox.requests if each.params["aggregate_by"] == "date"]
        by_account = [each.params for each in sandbox.requests if each.params["aggregate_by"] == "account_id"]
        assert len(by_date) == 2, "41 days take two windows of at most 30"
        assert len(by_account) == 41
        assert all(each["start_date"] == each["end_date"] for each in by_account)
        days = [each["start_date"] for each in by_account]
        assert set(days[:10]) <= set(sorted(days)[-25:]), "the newest days go first"
        assert len({request.path for request in sandbox.requests}) == 1


@pytest.mark.parametrize(
    ("rebates", "direct_bonus", "base"),
    [("both", True, True), ("direct_bonus", True, False), ("base", False, True), ("neither", False, False)],
)
async def test_either_rebate_both_or_neither(
    warehouse_dsn: str, rebates: Any, *, direct_bonus: bool, base: bool
) -> None:
    async with exchange(small_world(members=10, days=5)) as sandbox:
        sandbox.orderly.rebates = rebates
        night = Night(sandbox, warehouse_dsn, source="orderly")
        [outcome] = await night.sync()
        assert outcome.totals.outcome == "done"
        for column, sent in (("direct_bonus_rebate", direct_bonus), ("base_rebate", base)):
            assert await night.rows(f"SELECT DISTINCT {column} IS NOT NULL FROM warehouse.broker_day") == [(sent,)]


@pytest.mark.parametrize("option", ["with_meta", "empty_fields", "unstable_order", "codes_as_text"])
async def test_what_the_page_leaves_open_changes_nothing(warehouse_dsn: str, option: str) -> None:
    async with exchange(small_world(members=120, days=3)) as sandbox:
        setattr(sandbox.orderly, option, not getattr(sandbox.orderly, option))
        night = Night(sandbox, warehouse_dsn, source="orderly")
        [outcome] = await night.sync()
        assert outcome.totals.outcome == "done"
        await assert_equals_world(night)


@pytest.mark.parametrize("with_meta", [True, False])
async def test_pages_that_are_cut_below_what_was_asked_for_lose_nothing(warehouse_dsn: str, *, with_meta: bool) -> None:
    async with exchange(small_world(members=60, days=30)) as sandbox:
        sandbox.orderly.max_size = 7
        sandbox.orderly.with_meta = with_meta
        night = Night(sandbox, warehouse_dsn, source="orderly")
        [outcome] = await night.sync()
        assert outcome.totals.outcome == "done"
        await assert_equals_world(night)
        assert max(int(request.params["page"]) for request in sandbox.requests) > 3


async def test_the_plan_learns_that_no_total_is_told(warehouse_dsn: str) -> None:
    async with exchange(small_world(members=20, days=20)) as sandbox:
        sandbox.orderly.with_meta = False
        night = Night(sandbox, warehouse_dsn, source="orderly")
        await night.sync()
        for later in (timedelta(), DAY):
            sandbox.world.now += later
            planned = sum(line.requests for line in await night.planned())
            await night.sync()
            assert planned == len(sandbox.requests)


async def test_a_restated_day_that_was_final_is_found_by_force_and_written_down(warehouse_dsn: str) -> None:
    async with exchange(small_world(members=10, days=10)) as sandbox:
        night = Night(sandbox, warehouse_dsn, source="orderly")
        await night.sync()
        day = sandbox.world.now.date() - 5 * DAY
        one = next(one for one in sandbox.world.orderly.account_days() if one.day == day)
        sandbox.world.orderly.restate(day, one.account_id, Decimal("5.0"))
        [outcome] = await night.sync()
        assert outcome.totals.rows.changed == 0, "a final day is not asked for again"
        await night.sync(Asked(command="backfill", first=day, last=day, force=True))
        await assert_equals_world(night)
        told = await night.rows(
            "SELECT old_value, new_value FROM ops.restatement "
            "WHERE table_name = 'broker_account_day' AND column_name = 'volume' AND key->>'invitee_id' = $1",
            one.account_id,
        )
        assert told == [(one.volume, "5.0")]
