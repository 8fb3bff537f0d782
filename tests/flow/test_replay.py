"""Raw pages load again what they brought: the same rows, without a request."""

from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from etl.errors import SetRowAside
from etl.normalize.fields import decimal
from etl.sandbox.faults import Fault
from etl.stream import Account, Field, Offset, Stream
from etl.sync.plan import Asked
from etl.sync.run import exit_code
from tests.flow.night import Night, exchange, small_world
from tests.flow.processes import configured, run
from tests.flow.test_failures import envelope, failing
from tests.flow.truth import COLUMNS, assert_equals_world, expected, loaded

DAY = timedelta(days=1)
REPLAY = Asked(command="replay")
each_exchange = pytest.mark.parametrize("source", ["lbank", "coinw", "orderly", "ztdx"])
WRITTEN = "SELECT xmin::text, ctid::text FROM warehouse.{}"
COVERED = "SELECT stream, partition, loaded::text, final::text, updated_at FROM ops.coverage ORDER BY 1, 2"


async def three_nights(night: Night) -> None:
    """A first night and two later ones, with what changes meanwhile; somebody leaves before the last."""
    world = night.sandbox.world
    for later in (timedelta(), DAY, 3 * DAY):
        world.now += later
        if later > DAY:
            world.remove_member(world.listed_members()[-1].open_id)
        assert exit_code(await night.sync()) == 0


async def rows_of(night: Night, table: str) -> Counter[tuple[Any, ...]]:
    """The rows, those that were taken back included, with all that a reading says of them."""
    settled = "is_final" if table.endswith(("day", "turnover", "period")) else "true"
    return Counter(await night.rows(f"SELECT {COLUMNS[table]}, {settled}, removed_at FROM warehouse.{table}"))


@each_exchange
async def test_a_replay_changes_nothing_and_asks_nobody(warehouse_dsn: str, source: str) -> None:
    async with exchange(small_world(members=20, days=20)) as sandbox:
        night = Night(sandbox, warehouse_dsn, source=source)
        await three_nights(night)
        tables = sorted(expected(night))
        before = [await night.rows(WRITTEN.format(table)) for table in tables] + [await night.rows(COVERED)]
        pages = await night.rows("SELECT count(*), sum(length(body)) FROM raw.page")
        [outcome] = await night.sync(REPLAY)
        assert (outcome.totals.outcome, outcome.totals.requests, len(sandbox.requests)) == ("done", 0, 0)
        assert outcome.totals.windows > 0
        assert [await night.rows(WRITTEN.format(table)) for table in tables] + [await night.rows(COVERED)] == before
        assert await night.rows("SELECT count(*), sum(length(body)) FROM raw.page") == pages
        assert await night.rows("SELECT count(*) FROM ops.restatement") == [(0,)]
        assert await night.rows("SELECT command, outcome FROM ops.run ORDER BY 1 LIMIT 1") == [("replay", "done")]


@each_exchange
async def test_emptied_tables_are_as_they_were_after_a_replay(warehouse_dsn: str, source: str) -> None:
    async with exchange(small_world(members=20, days=20)) as sandbox:
        night = Night(sandbox, warehouse_dsn, source=source)
        await three_nights(night)
        tables = sorted(expected(night))
        before = {table: await rows_of(night, table) for table in tables}
        covered = await night.rows(COVERED)
        await night.rows(f"TRUNCATE {', '.join(f'warehouse.{table}' for table in tables)}")
        told = "stream NOT IN ('transfers', 'referral_logs')"  # for the two, see docs/decisions.md
        await night.rows(f"UPDATE ops.coverage SET loaded = '{{}}', final = '{{}}' WHERE {told}")
        [outcome] = await night.sync(REPLAY)
        assert outcome.totals.outcome == "done"
        await assert_equals_world(night)
        assert {table: await rows_of(night, table) for table in tables} == before
        assert await night.rows(COVERED) == covered
        assert sandbox.requests == []


def unreadable(raw: Any, zone: ZoneInfo) -> Any:
    raise SetRowAside("", "cannot be read yet")


def misread(stream: Stream, column: str, parse: Any) -> Stream:
    """The stream as a version declared it that reads a column otherwise."""
    [into] = stream.into
    source = into.columns[column]
    assert isinstance(source, Field)
    return replace(stream, into=(replace(into, columns={**into.columns, column: replace(source, parse=parse)}),))


def declared(night: Night, parse: Any) -> Account:
    account = Night.account(night)
    return replace(account, streams=tuple(misread(stream, "volume", parse) for stream in account.streams))


async def test_rows_that_an_older_version_set_aside_are_loaded_and_become_final(
    warehouse_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, streams=("team_trades",))
        with monkeypatch.context() as older:
            older.setattr(night, "account", partial(declared, night, unreadable))
            assert exit_code(await night.sync()) == 1
        assert await loaded(night, "trade_day") == Counter()
        [(rejects,)] = await night.rows("SELECT count(*) FROM ops.reject")
        assert rejects > 0
        assert exit_code(await night.sync(REPLAY)) == 0
        own = {row: n for row, n in expected(night)["trade_day"].items() if row[:2] == ("team", sandbox.open_id)}
        assert await loaded(night, "trade_day") == Counter(own)
        assert await night.rows("SELECT count(*) FROM ops.reject") == [(0,)]
        assert await night.rows("SELECT bool_and(final @> '2026-03-01'::date) FROM ops.coverage") == [(True,)]


async def test_values_that_an_older_version_misread_are_restated_as_of_the_replay(
    warehouse_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, streams=("team_trades",))
        with monkeypatch.context() as older:
            older.setattr(night, "account", partial(declared, night, lambda raw, zone: decimal(raw, zone) * 10))
            await night.sync()
        final = await night.rows("SELECT volume FROM warehouse.trade_day WHERE is_final")
        sandbox.world.now += DAY
        [outcome] = await night.sync(REPLAY)
        told = await night.rows("SELECT old_value::numeric, new_value::numeric, restated_at FROM ops.restatement")
        assert Counter(old for old, _, _ in told) == Counter(volume for (volume,) in final if volume)
        assert all((old, at) == (new * 10, sandbox.world.now) for old, new, at in told)
        assert outcome.totals.rows.restated == len(told) > 0


async def test_a_range_and_a_stream_narrow_a_replay(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, streams=("team_trades", "commissions"))
        await night.sync()
        whole = await loaded(night, "trade_day")
        await night.rows("TRUNCATE warehouse.trade_day, warehouse.commission_day")
        night.streams = ("team_trades",)
        first, last = date(2026, 2, 20), date(2026, 2, 22)
        await night.sync(replace(REPLAY, first=first, last=last))
        within = Counter({row: n for row, n in whole.items() if first <= row[3] <= last})
        assert await loaded(night, "trade_day") == within != Counter()
        assert await loaded(night, "commission_day") == Counter()


async def test_balances_of_every_day_come_from_the_snapshot_of_that_day(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, streams=("team_members",))
        await three_nights(night)
        balances = "SELECT invitee_id, day, spot_assets::text FROM warehouse.invitee_balance_day"
        before = Counter(await night.rows(balances))
        people = await night.rows(WRITTEN.format("invitee"))
        await night.rows("TRUNCATE warehouse.invitee_balance_day")
        assert exit_code(await night.sync(REPLAY)) == 0
        assert Counter(await night.rows(balances)) == before
        assert await night.rows(WRITTEN.format("invitee")) == people


async def test_days_without_pages_are_told_and_left_alone(
    warehouse_dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, source="orderly", streams=("summary_by_account",))
        await night.sync()
        whole = await loaded(night, "broker_account_day")
        await night.rows("DELETE FROM raw.page WHERE days <@ '[2026-02-10,2026-02-20)'::daterange")
        capsys.readouterr()
        assert exit_code(await night.sync(REPLAY)) == 0
        assert "10 loaded days of 1 partitions have no raw pages any more" in capsys.readouterr().out
        assert await loaded(night, "broker_account_day") == whole


async def test_pages_older_than_the_retention_are_gone_after_a_sync(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, source="coinw")
        await night.sync()
        await night.rows(
            "UPDATE raw.page SET began_at = began_at - interval '90 days 1 second' WHERE stream = 'activity'"
        )
        await night.rows("UPDATE raw.page SET began_at = began_at - interval '89 days' WHERE stream = 'invitee_volume'")
        await night.sync()
        kept = await night.rows("SELECT stream, run_id FROM raw.page GROUP BY 1, 2 ORDER BY 1, 2")
        assert kept == [("activity", 2), ("invitee_volume", 1), ("invitee_volume", 2)]


async def test_a_reading_that_is_not_whole_any_more_fails_and_changes_nothing(warehouse_dsn: str) -> None:
    async with exchange(small_world(members=250, days=5)) as sandbox:
        night = Night(sandbox, warehouse_dsn, streams=("team_members",))
        await night.sync()
        before = await night.rows(WRITTEN.format("invitee"))
        await night.rows("DELETE FROM raw.page WHERE page_number = 3")
        [outcome] = await night.sync(REPLAY)
        assert (exit_code([outcome]), outcome.totals.failures) == (1, 1)
        assert await night.rows(WRITTEN.format("invitee")) == before


async def test_days_that_an_update_reading_made_due_stay_due(warehouse_dsn: str) -> None:
    """The transfer has changed; what was read before must not make its day final again."""
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, streams=("transfers",))
        await night.sync()
        sandbox.world.now += 5 * DAY
        await night.sync()
        await night.rows("UPDATE ops.coverage SET final = final - '{[2026-02-10,2026-02-11)}'::datemultirange")
        before = await night.rows(COVERED)
        assert exit_code(await night.sync(REPLAY)) == 0
        assert await night.rows(COVERED) == before


async def test_a_failure_since_the_reading_stays_open(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, streams=("team_trades",))
        await night.sync()
        sandbox.faults.append(failing(lambda: envelope(10003, "Invalid parameter"), tradeType="0"))
        assert exit_code(await night.sync()) == 1
        open_issues = "SELECT count(*) FROM ops.issue WHERE resolved_at IS NULL"
        before = await night.rows(open_issues)
        await night.sync(REPLAY)
        assert await night.rows(open_issues) == before != [(0,)]


async def test_what_a_log_once_set_aside_and_has_told_since_does_not_come_back(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, source="ztdx")
        sandbox.inject(Fault("bad_value", field="amount", value="abc"))
        assert exit_code(await night.sync()) == 1
        sandbox.heal()
        assert exit_code(await night.sync()) == 0
        assert exit_code(await night.sync(REPLAY)) == 0
        assert await night.rows("SELECT count(*) FROM ops.reject") == [(0,)]
        await assert_equals_world(night)


async def test_an_older_reading_of_a_log_says_nothing_of_what_is_set_aside(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, source="ztdx")
        sandbox.inject(Fault("bad_value", field="amount", value="abc"))
        await night.sync()
        sandbox.heal()
        sandbox.world.now += DAY
        assert exit_code(await night.sync()) == 0
        first = date(2026, 3, 10)
        assert exit_code(await night.sync(replace(REPLAY, first=first, last=first))) == 0
        assert await night.rows("SELECT count(*) FROM ops.reject") == [(0,)]


async def test_an_older_day_takes_nothing_from_what_came_later(warehouse_dsn: str) -> None:
    """Neither people who joined since, nor the moment of the last success."""
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, streams=("team_members", "team_trades"))
        await night.sync()
        sandbox.world.now += DAY
        sandbox.world.add_member()
        await night.sync()
        before = await night.rows(WRITTEN.format("invitee")), await night.rows(COVERED)
        first = date(2026, 3, 10)
        assert exit_code(await night.sync(replace(REPLAY, first=first, last=first))) == 0
        assert (await night.rows(WRITTEN.format("invitee")), await night.rows(COVERED)) == before


async def test_what_a_log_sets_aside_stays_also_where_its_pages_cannot_be_replayed(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, source="ztdx")
        sandbox.inject(Fault("bad_value", field="amount", value="abc"))
        await night.sync()
        assert exit_code(await night.sync(REPLAY)) == 1
        assert await night.rows("SELECT count(*) FROM ops.reject") == [(1,)]
        await night.rows("UPDATE raw.page SET body = 'nothing'")
        assert exit_code(await night.sync(REPLAY)) == 1
        assert await night.rows("SELECT count(*) FROM ops.reject") == [(1,)]


@pytest.mark.parametrize("bad_night", [1, 2])
async def test_an_older_snapshot_says_nothing_of_what_is_set_aside(warehouse_dsn: str, bad_night: int) -> None:
    """Replayed alone it neither takes away the rejects of a later one nor brings back its own."""
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, streams=("team_members",))
        for number in (1, 2):
            sandbox.heal()
            if number == bad_night:
                sandbox.inject(Fault("bad_value", field="userLevel", value=77777))
            await night.sync()
            sandbox.world.now += DAY
        rejects = await night.rows("SELECT run_id, raw, days FROM ops.reject")
        assert bool(rejects) is (bad_night == 2)
        first = date(2026, 3, 10)
        assert exit_code(await night.sync(replace(REPLAY, first=first, last=first))) == 0
        assert await night.rows("SELECT run_id, raw, days FROM ops.reject") == rejects


async def test_pages_that_were_asked_for_in_another_zone_are_left_as_they_are(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, streams=("transfers",))
        await night.sync()
        before = await night.rows(WRITTEN.format("transfer"))
        elsewhere = replace(night.account(), zone=ZoneInfo("Asia/Tokyo"))
        night.account = lambda: elsewhere  # type: ignore[method-assign]
        [outcome] = await night.sync(REPLAY)
        assert (exit_code([outcome]), outcome.totals.windows) == (1, 0)
        assert await night.rows(WRITTEN.format("transfer")) == before


async def test_pages_that_this_version_would_not_ask_for_are_no_whole_reading(warehouse_dsn: str) -> None:
    async with exchange(small_world(members=250, days=5)) as sandbox:
        night = Night(sandbox, warehouse_dsn, streams=("team_members",))
        await night.sync()
        before = await night.rows(WRITTEN.format("invitee"))
        account = night.account()
        [stream] = account.streams
        wider = replace(account, streams=(replace(stream, paging=Offset("start", "pageSize", 200)),))
        night.account = lambda: wider  # type: ignore[method-assign]
        [outcome] = await night.sync(replace(REPLAY, accept_removals=True))
        assert (exit_code([outcome]), outcome.totals.failures) == (1, 1)
        assert await night.rows(WRITTEN.format("invitee")) == before


async def test_two_snapshots_of_a_day_are_replayed_one_after_the_other(warehouse_dsn: str) -> None:
    """Who was listed in the morning and not in the evening is there again after a rebuild, as somebody who left."""
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, streams=("team_members",))
        await night.sync()
        sandbox.world.remove_member(sandbox.world.listed_members()[0].open_id)
        sandbox.world.now += timedelta(hours=2)
        await night.sync()
        tables = ("invitee", "invitee_balance_day")
        before = [await rows_of(night, table) for table in tables]
        await night.rows("TRUNCATE warehouse.invitee, warehouse.invitee_balance_day")
        assert exit_code(await night.sync(REPLAY)) == 0
        assert [await rows_of(night, table) for table in tables] == before


async def test_streams_may_be_replayed_one_by_one_in_any_order(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        await night.sync()
        await night.rows("TRUNCATE warehouse.invitee, warehouse.trade_day")
        await night.rows("UPDATE raw.page SET began_at = began_at + interval '1 minute' WHERE stream = 'member_trades'")
        for stream in ("member_trades", "team_members"):
            narrow = replace(night, streams=(stream,))
            narrow.sandbox.world.now += timedelta(minutes=1)
            assert exit_code(await narrow.sync(REPLAY)) == 0
        listed = await night.rows("SELECT count(*) FROM warehouse.invitee WHERE origin = 'list'")
        assert listed == [(len(sandbox.world.listed_members()),)]


async def test_a_clock_that_was_put_back_does_not_turn_the_order_of_readings(warehouse_dsn: str) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn, source="orderly", streams=("summary_by_date",))
        await night.sync()
        day = sandbox.world.horizon.day_of(sandbox.world.now) - DAY
        sandbox.world.orderly.restate(day, sandbox.world.orderly.account_days()[0].account_id, Decimal(5))
        sandbox.world.now -= timedelta(seconds=5)
        await night.sync()
        before = await night.rows(WRITTEN.format("broker_day"))
        assert exit_code(await night.sync(REPLAY)) == 0
        assert await night.rows(WRITTEN.format("broker_day")) == before


async def test_the_command_replays_and_tells(warehouse_dsn: str, tmp_path: Path) -> None:
    async with exchange(small_world()) as sandbox:
        night = Night(sandbox, warehouse_dsn)
        config = configured(tmp_path, night, sources=("lbank", "coinw"))
        assert (await run(config, "sync")).code == 0
        await night.rows("TRUNCATE warehouse.trade_day, warehouse.commission_day, warehouse.transfer")
        sandbox.requests.clear()
        replayed = await run(config, "replay", "--from", "2026-01-01", "--to", "2026-03-10")
        assert replayed.code == 0, replayed.err
        assert sandbox.requests == []
        for source in ("lbank", "coinw"):
            await assert_equals_world(replace(night, source=source))
        assert (await run(config, "replay", "--stream", "commissions", "--to", "9999-12-31")).code == 0
        wrong = await run(config, "replay", "--from", "2026-03-02", "--to", "2026-03-01")
        assert wrong.code == 2
        assert "lies before" in wrong.err
