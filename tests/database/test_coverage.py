"""Which days count as loaded and final after windows, and after readings by time of change."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import asyncpg

from etl import schema
from etl.load.coverage import Coverage, expect_partitions, make_due, read_coverage
from etl.load.upsert import Scope
from etl.load.window import commit_revisit, commit_window
from etl.stream import Row
from etl.windows import Days, Window
from tests.database.readings import ACCOUNT, DAY, PAGE, SETTLED, WEEK, place, reading, rows_of, table_rows


async def test_coverage_of_touching_and_overlapping_windows_merges(connection: asyncpg.Connection) -> None:
    for start, end in [(1, 5), (10, 12), (5, 8), (4, 6)]:
        window = Window(DAY.replace(day=start), DAY.replace(day=end))
        await commit_window(connection, reading(window=window, final=Days((window,))), accept_removals=False)

    assert await rows_of(connection, "ops.coverage", "loaded::text, final::text") == [
        ("{[2026-03-01,2026-03-08),[2026-03-10,2026-03-12)}", "{[2026-03-01,2026-03-08),[2026-03-10,2026-03-12)}")
    ]


async def test_reading_that_settles_nothing_takes_no_final_day_away(connection: asyncpg.Connection) -> None:
    await commit_window(connection, reading(), accept_removals=False)
    await commit_window(connection, reading(final=Days()), accept_removals=False)

    [covered] = (await read_coverage(connection, ACCOUNT)).values()
    assert covered == Coverage(Days((WEEK,)), SETTLED)


async def test_expected_partition_is_noted_without_days_and_its_horizon_moves(connection: asyncpg.Connection) -> None:
    await expect_partitions(connection, ACCOUNT, "member_trades", [("A/spot", DAY), ("B/spot", None)])
    await commit_window(connection, reading(), accept_removals=False)
    await expect_partitions(connection, ACCOUNT, "member_trades", [("A/spot", date(2025, 1, 1))])

    assert await rows_of(connection, "ops.coverage", "partition, horizon_from, loaded::text") == [
        ("A/spot", date(2025, 1, 1), "{[2026-03-01,2026-03-08)}"),
        ("B/spot", None, "{}"),
    ]


async def test_day_made_due_leaves_a_hole_among_the_final_days_only(connection: asyncpg.Connection) -> None:
    await commit_window(connection, reading(), accept_removals=False)

    await make_due(connection, place(), Days.between(date(2026, 3, 3), date(2026, 3, 4)))

    [covered] = (await read_coverage(connection, ACCOUNT)).values()
    assert covered.loaded == Days((WEEK,))
    assert covered.final == SETTLED - Days.between(date(2026, 3, 3), date(2026, 3, 4))


# ---------------------------------------------------------------------------------------------- by time of change


def transfer(day: int, *, hour: int = 12, status: str = "Pending") -> Row:
    created_at = datetime(2026, 3, day, hour, tzinfo=UTC)
    return {"transfer_id": f"T{day}", "invitee_id": "A", "status": status, "created_at": created_at}


def day_ahead_of_utc(moment: datetime) -> date:
    return (moment + timedelta(hours=8)).date()


async def test_reading_by_time_of_change_makes_days_due_and_writes_no_rows(connection: asyncpg.Connection) -> None:
    loaded = [transfer(1), transfer(2), transfer(3)]
    scope = Scope({"account": ACCOUNT}, "created_at", *(datetime(2026, month, 1, tzinfo=UTC) for month in (3, 4)))
    full = reading(table_rows(loaded, table=schema.transfer, scope=scope), rejects=(), note=None)
    await commit_window(connection, full, accept_removals=False)
    before = await rows_of(connection, "warehouse.transfer", "transfer_id, status, xmin::text, removed_at")
    last_days = Window(date(2026, 2, 25), date(2026, 3, 9))
    told = [transfer(1), transfer(2, status="Completed"), transfer(4, hour=16)]
    changes = reading(
        table_rows(told, table=schema.transfer), window=last_days, run_id=2, pages=[replace(PAGE, reading=0)]
    )

    due = await commit_revisit(connection, changes, tells="created_at", day_of=day_ahead_of_utc)

    assert due == Days((Window(date(2026, 3, 2), date(2026, 3, 3)), Window(date(2026, 3, 5), date(2026, 3, 6))))
    assert await rows_of(connection, "warehouse.transfer", "transfer_id, status, xmin::text, removed_at") == before
    assert (await read_coverage(connection, ACCOUNT)).popitem()[1] == Coverage(Days((WEEK,)), SETTLED - due)
    assert await rows_of(connection, "raw.page", "reading, lower(days)") == [(0, last_days.start), (1, WEEK.start)]
    assert await rows_of(connection, "ops.request", "count(*)") == [(2,)]
    assert await rows_of(connection, "ops.reject", "*") == []


async def test_reading_by_time_of_change_without_news_makes_nothing_due(connection: asyncpg.Connection) -> None:
    full = reading(table_rows([transfer(1)], table=schema.transfer))
    await commit_window(connection, full, accept_removals=False)

    due = await commit_revisit(
        connection, replace(full, stamp=full.stamp), tells="created_at", day_of=day_ahead_of_utc
    )  # fmt: skip

    assert due == Days()
    assert (await read_coverage(connection, ACCOUNT)).popitem()[1] == Coverage(Days((WEEK,)), SETTLED)
