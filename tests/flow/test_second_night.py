"""What later nights ask for and change: only what is due, only what differs."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from etl.sandbox.activity import make_transfer
from etl.sandbox.faults import Fault
from etl.sync.plan import Asked
from etl.sync.run import exit_code
from tests.flow.night import Night, exchange, small_world
from tests.flow.truth import COLUMNS, assert_equals_world, expected, loaded

DAY = timedelta(days=1)


async def versions(night: Night) -> dict[str, set[tuple[Any, ...]]]:
    """The physical version of every row of every compared table."""
    return {table: set(await night.rows(f"SELECT xmin::text, ctid::text FROM warehouse.{table}")) for table in COLUMNS}


async def test_a_sync_right_after_rewrites_no_row_and_asks_only_for_what_is_not_final(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        await night.sync()
        before = await versions(night)
        [outcome] = await night.sync()
        assert await versions(night) == before
        assert (outcome.totals.rows.new, outcome.totals.rows.changed, outcome.totals.rows.removed) == (0, 0, 0)
        not_final = round(sandbox.world.horizon.midnight(date(2026, 3, 8)).timestamp() * 1000)
        for request in sandbox.requests:
            if "startTime" in request.params and "updateStartTime" not in request.params:
                snapshot = request.path.endswith("/team/list")
                assert snapshot or int(request.params["startTime"]) >= not_final


async def test_the_plan_knows_every_request_of_the_next_sync(warehouse_dsn: str) -> None:
    async with exchange(small_world(members=120)) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        await night.sync()
        for later in (timedelta(), DAY, 3 * DAY):
            sandbox.world.now += later
            plan = await night.planned()
            await night.sync()
            requests = sum(line.requests for line in plan)
            assert abs(requests - len(sandbox.requests)) <= 0.02 * len(sandbox.requests)
            assert not any(line.at_least for line in plan)


async def test_the_first_plan_says_at_least_where_it_cannot_know(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        plan = {line.stream: line for line in await Night(sandbox, warehouse_dsn).planned()}
        assert plan["member_trades"].at_least
        assert plan["commissions"].at_least
        assert not plan["futures_turnover"].at_least
        assert plan["futures_turnover"].requests == 41  # 40 days of history and today, one request a day
        assert sandbox.requests == []


async def test_nights_that_follow_each_other_end_equal_to_the_world(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        for _ in range(9):
            assert exit_code(await night.sync()) == 0
            sandbox.world.now += DAY
        await night.sync()
        await assert_equals_world(night)


async def test_a_transfer_that_changes_after_its_day_was_final_is_found_by_its_update(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, streams=("transfers",))
        world = sandbox.world
        late = make_transfer(
            world.agents()[1],
            "OUT_WITHDRAW",
            asset="USDT",
            amount=Decimal("77.70"),
            created_at=world.now,
            settled_after=5 * DAY,
            order_id="W1",
        )
        world.add_transfer(late)
        await night.sync()
        world.now += 4 * DAY
        await night.sync()
        status = "SELECT status FROM warehouse.transfer WHERE order_id = 'W1'"
        assert await night.rows(status) == [("Processing",)]
        finals = "SELECT final @> '2026-03-10'::date FROM ops.coverage WHERE partition LIKE '%OUT_WITHDRAW'"
        assert await night.rows(finals) == [(True,)]
        world.now += 2 * DAY
        await night.sync()
        assert await night.rows(status) == [("Completed",)]
        await night.sync()
        readings = [request for request in sandbox.requests if request.params["subInOutType"] == "OUT_WITHDRAW"]
        assert len(readings) == 2, "once told, the same update makes no day due again"


async def test_changes_during_a_long_pause_are_found_as_well(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, streams=("transfers",))
        world = sandbox.world
        changing = make_transfer(
            world.agents()[1],
            "OUT_WITHDRAW",
            asset="USDT",
            amount=Decimal("77.70"),
            created_at=world.now - 3 * DAY,
            settled_after=4 * DAY,
            order_id="W2",
        )
        world.add_transfer(changing)
        await night.sync()
        world.now += 13 * DAY  # it changed 12 days ago, long before the last seven days
        await night.sync()
        assert await night.rows("SELECT status FROM warehouse.transfer WHERE order_id = 'W2'") == [("Completed",)]


async def test_what_changes_before_it_is_final_is_no_restatement_and_after_it_is(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, streams=("team_members", "member_trades"))
        await night.sync()
        [(open_id, young)] = await night.rows(
            """SELECT subject_id, day FROM warehouse.trade_day
                WHERE market = 'spot' AND NOT is_final ORDER BY 1, 2 LIMIT 1"""
        )
        [(other, old, volume)] = await night.rows(
            """SELECT subject_id, day, volume::text FROM warehouse.trade_day
                WHERE market = 'spot' AND is_final ORDER BY 1, 2 LIMIT 1"""
        )
        sandbox.world.restate_trade(open_id, "spot", young, Decimal("1.10"))
        sandbox.world.restate_trade(other, "spot", old, Decimal("2.20"))
        await night.sync()
        assert await night.rows("SELECT count(*) FROM ops.restatement") == [(0,)]
        await night.sync(Asked(command="backfill", first=old, last=old, force=True))
        found = await night.rows("SELECT key->>'subject_id', column_name, old_value, new_value FROM ops.restatement")
        assert found == [(other, "volume", volume, "2.20")]


async def test_a_backfill_reads_days_before_the_start_and_leaves_snapshots_out(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        first = sandbox.world.horizon.first_day
        night = Night(sandbox, warehouse_dsn, start_date=first + 20 * DAY)
        await night.sync()
        early = "SELECT count(*) FROM warehouse.commission_day WHERE day < $1"
        assert await night.rows(early, first + 20 * DAY) == [(0,)]
        await night.sync(Asked(command="backfill", first=first, last=first + 19 * DAY))
        assert {request.path.rpartition("/")[2] for request in sandbox.requests} == {
            "list",
            "user",
            "team",
            "future",
        }
        assert not [request for request in sandbox.requests if request.path.endswith("/user/team/list")]
        night.start_date = None
        await assert_equals_world(night)


async def test_someone_who_leaves_the_list_is_marked_removed_and_revived_on_return(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, streams=("team_members",))
        await night.sync()
        gone = sandbox.world.listed_members()[3].open_id
        person = sandbox.world.team.people[gone]
        sandbox.world.remove_member(gone)
        await night.sync()
        removed = "SELECT invitee_id FROM warehouse.invitee WHERE removed_at IS NOT NULL"
        assert await night.rows(removed) == [(gone,)]
        sandbox.world.team.join([person])
        await night.sync()
        assert await night.rows(removed) == []


async def test_a_list_that_lost_most_of_its_people_is_not_believed_until_told(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, streams=("team_members",))
        await night.sync()
        for one in sandbox.world.listed_members()[:20]:
            sandbox.world.remove_member(one.open_id)
        assert exit_code(await night.sync()) == 1
        present = "SELECT count(*) FROM warehouse.invitee WHERE removed_at IS NULL AND origin = 'list'"
        assert await night.rows(present) == [(30,)]
        [(message,)] = await night.rows(
            "SELECT message FROM ops.issue WHERE kind = 'window_failed' AND resolved_at IS NULL"
        )
        assert "20 of 30" in message
        assert await night.rows("SELECT count(*) FROM ops.request") == [(2,)]  # one page a night
        assert "--accept-removals" in message
        assert exit_code(await night.sync(Asked(accept_removals=True))) == 0
        assert await night.rows(present) == [(10,)]
        assert await night.rows("SELECT count(*) FROM ops.issue WHERE resolved_at IS NULL") == [(0,)]


async def test_someone_who_left_leaves_no_gap_and_holds_no_day_back(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        await night.sync()
        gone = next(one.open_id for one in sandbox.world.listed_members() if one.has_traded and one.level == 0)
        sandbox.world.remove_member(gone)
        for _ in range(2):
            sandbox.world.now += DAY
            assert exit_code(await night.sync()) == 0
            assert gone not in {request.params.get("openId") for request in sandbox.requests}
        assert (
            await night.rows("SELECT * FROM bi.coverage_gaps WHERE partition LIKE $1 AND gap_from < now()", gone + "%")
            == []
        )
        horizons = await night.rows("SELECT horizon_from FROM ops.coverage WHERE partition LIKE $1", gone + "%")
        assert horizons == [(None,), (None,)]
        finals = await night.rows("SELECT is_final FROM bi.daily_performance WHERE day = '2026-03-09'")
        assert finals == [(True,)]


async def test_what_failed_of_someone_who_left_since_is_no_issue_any_more(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        gone = next(one.open_id for one in sandbox.world.listed_members() if one.has_traded and one.level == 0)
        sandbox.inject(Fault("http_503", path="/trade/user", params={"openId": gone}))
        assert exit_code(await night.sync()) == 1
        sandbox.heal()
        sandbox.world.remove_member(gone)
        assert exit_code(await night.sync()) == 0
        issues = await night.rows("SELECT kind, days::text, resolved_at IS NULL FROM ops.issue WHERE kind <> 'note'")
        assert issues == [("window_failed", "{}", False)] * 2


async def test_people_are_asked_for_also_where_their_list_cannot_be_read(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        await night.sync()
        sandbox.world.now += DAY
        sandbox.inject(Fault("http_503", path="/team/list"))
        assert exit_code(await night.sync()) == 1
        assert await loaded(night, "trade_day") == expected(night)["trade_day"]
